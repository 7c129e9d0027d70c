//! The thread that writes recordings: stereo, 16 bits, 8 or 16 kHz, as captures (`sink`). What was written is with the
//! system at least every second, so a file is readable whatever happens to the process.

use std::{
    collections::HashMap,
    io,
    path::PathBuf,
    sync::mpsc::{Receiver, RecvTimeoutError, sync_channel},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use super::{
    events::EventQueue,
    life::Life,
    sink::Sink,
    tape::{Home, Page, Tape, WriterOrder},
};
use crate::{
    contract::Event,
    record::{Frame, Timeline},
};

/// How often all files are brought up to date.
const WRITE_EVERY: Duration = Duration::from_millis(500);

/// One open file.
struct Recording {
    home: usize,
    path: PathBuf,
    started_at: Instant,
    timeline: Timeline,
    file: Sink,
}

struct Writer {
    clock: fn() -> Instant,
    orders: Receiver<WriterOrder>,
    homes: Vec<Home>,
    /// What each media thread recorded before this time is here.
    reached: Vec<Instant>,
    events: EventQueue,
    recordings: HashMap<u64, Recording>,
}

/// Starts the writer; gives one tape for each media thread. It ends when all tapes are gone, after
/// completing all files.
pub(super) fn start(
    clock: fn() -> Instant,
    threads: usize,
    events: EventQueue,
    life: Life,
) -> io::Result<(Vec<Tape>, JoinHandle<()>)> {
    let (orders_tx, orders_rx) = sync_channel(Tape::most_orders(threads));
    let (mut tapes, mut homes) = (Vec::new(), Vec::new());
    for home in 0..threads {
        let (tape, pages) = Tape::new(home, orders_tx.clone());
        tapes.push(tape);
        homes.push(pages);
    }
    let mut writer =
        Writer { clock, orders: orders_rx, homes, reached: vec![clock(); threads], events, recordings: HashMap::new() };
    let join = std::thread::Builder::new().name(life.thread.clone()).spawn(move || {
        let _life = life;
        writer.run();
    })?;
    Ok((tapes, join))
}

impl Writer {
    fn run(&mut self) {
        let mut write_at = (self.clock)();
        loop {
            let order = self.orders.recv_timeout(WRITE_EVERY / 2);
            match order {
                Ok(order) => self.handle(order),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return self.complete_all(),
            }
            self.events.flush();
            let now = (self.clock)();
            if now >= write_at {
                write_at = now + WRITE_EVERY;
                self.write_all();
            }
        }
    }

    fn handle(&mut self, order: WriterOrder) {
        match order {
            WriterOrder::Page(page) => self.place(page),
            WriterOrder::Reached { home, at } => self.reached[home] = at,
            WriterOrder::Start { home, recording, path, key, rate_hz, at } => {
                let timeline = Timeline::new(rate_hz);
                match Sink::create(&path, timeline.rate_hz(), key.as_deref()) {
                    Ok(file) => {
                        let new = Recording { home, path, started_at: at, timeline, file };
                        self.recordings.insert(recording, new);
                    }
                    Err(error) => self.events.push(Event::RecordFailed { recording, error: error.to_string() }),
                }
            }
            WriterOrder::ChangeSide { recording, side } => {
                if let Some(r) = self.recordings.get_mut(&recording) {
                    r.timeline.change_source(side);
                }
            }
            WriterOrder::Pause { recording, paused } => {
                if let Some(r) = self.recordings.get_mut(&recording) {
                    r.timeline.pause(paused);
                }
            }
            WriterOrder::Stop { recording, at, dropped } => {
                if let Some(r) = self.recordings.remove(&recording) {
                    self.events.push(r.complete(recording, at, dropped));
                }
            }
        }
    }

    fn place(&mut self, mut page: Page) {
        for entry in page.entries.drain(..) {
            if let Some(r) = self.recordings.get_mut(&entry.recording) {
                let frame = Frame {
                    codec: entry.codec,
                    ssrc: entry.ssrc,
                    sequence: entry.sequence,
                    timestamp: entry.timestamp,
                    arrived: entry.at.saturating_duration_since(r.started_at),
                    payload: page.bytes[entry.payload].to_vec(),
                };
                r.timeline.receive(entry.side, frame);
            }
        }
        page.bytes.clear();
        if let Some(home) = self.homes.get(page.home) {
            home.give_back(page);
        }
    }

    /// Brings all files up to what has been handed over, which may be behind the clock when a thread is.
    fn write_all(&mut self) {
        let mut failed = Vec::new();
        for (&recording, r) in &mut self.recordings {
            if let Err(error) = r.write(self.reached[r.home]) {
                failed.push((recording, error.to_string()));
            }
        }
        for (recording, error) in failed {
            self.recordings.remove(&recording);
            self.events.push(Event::RecordFailed { recording, error });
        }
    }

    /// The engine is gone: whatever was not stopped ends now.
    fn complete_all(&mut self) {
        let now = (self.clock)();
        for (recording, r) in self.recordings.drain() {
            self.events.push(r.complete(recording, now, 0));
        }
        self.events.flush();
    }
}

impl Recording {
    fn write(&mut self, reached: Instant) -> Result<(), hound::Error> {
        let mut result = Ok(());
        let file = &mut self.file;
        self.timeline.advance(reached.saturating_duration_since(self.started_at), |pair| append(file, pair, &mut result));
        result?;
        self.file.flush()
    }

    fn complete(mut self, recording: u64, at: Instant, dropped: u64) -> Event {
        let mut result = Ok(());
        let file = &mut self.file;
        self.timeline.finish(at.saturating_duration_since(self.started_at), |pair| append(file, pair, &mut result));
        match result.and_then(|()| self.file.finish()) {
            Ok(()) => Event::Recorded {
                recording,
                path: self.path,
                duration_ms: self.timeline.written_ms(),
                frames_lost: self.timeline.lost() + dropped,
            },
            Err(error) => Event::RecordFailed { recording, error: error.to_string() },
        }
    }
}

fn append(file: &mut Sink, pair: [i16; 2], result: &mut Result<(), hound::Error>) {
    if result.is_ok() {
        *result = file.append(pair);
    }
}
