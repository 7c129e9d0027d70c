//! The way of recorded packets from a media thread to the writer: pages of a bounded pool. The media
//! thread copies payloads into a page and never waits; when the writer is behind and no page is left,
//! packets are dropped and counted.

use std::{
    ops::Range,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    time::Instant,
};

use crate::{archive::sealed::Key, codec::Codec, record::Side, rtp::Header};

/// Payload bytes of a page.
const PAGE_BYTES: usize = 64 * 1024;
/// Packets of a page.
const PAGE_ENTRIES: usize = 512;
/// Pages of one media thread: four seconds of 1,000 recorded G.711 legs, 50 MiB at most. A disk may take that long.
const PAGES: usize = 512;
/// So many stay when the writer has caught up.
const KEPT: usize = 64;
/// Orders that may wait for the writer besides the pages.
const SPARE_ORDERS: usize = 1_024;

/// One recorded packet: whose it is, and where its payload lies in the page.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) recording: u64,
    pub(super) side: Side,
    pub(super) codec: Codec,
    pub(super) ssrc: u32,
    pub(super) sequence: u16,
    pub(super) timestamp: u32,
    pub(super) at: Instant,
    pub(super) payload: Range<usize>,
}

/// Packets of many recordings in the order of their arrival.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) home: usize,
    pub(super) bytes: Vec<u8>,
    pub(super) entries: Vec<Entry>,
}

/// What the writer is told, in order.
#[derive(Debug)]
pub(super) enum WriterOrder {
    /// Packets.
    Page(Page),
    /// All that a thread recorded before this time has been handed over.
    Reached { home: usize, at: Instant },
    /// A file begins; its packets come from this thread.
    Start { home: usize, recording: u64, path: PathBuf, key: Option<Arc<Key>>, rate_hz: u32, at: Instant },
    /// Another stream takes one side.
    ChangeSide { recording: u64, side: Side },
    /// Silence from now on, or audio again.
    Pause { recording: u64, paused: bool },
    /// A file ends; so many packets never reached the writer.
    Stop { recording: u64, at: Instant, dropped: u64 },
}

/// A media thread's end.
#[derive(Debug)]
pub(super) struct Tape {
    home: usize,
    writer: SyncSender<WriterOrder>,
    returned: Receiver<Page>,
    /// Pages that may still be made; the writer counts those that it threw away.
    unmade: Arc<AtomicUsize>,
    page: Option<Page>,
    /// Orders that found the writer's channel full; at most a few for each recording.
    waiting: Vec<WriterOrder>,
}

/// The writer's end: where pages go when they are read.
#[derive(Debug)]
pub(super) struct Home {
    pages: SyncSender<Page>,
    unmade: Arc<AtomicUsize>,
}

impl Home {
    /// Gives a page back that was read.
    pub(super) fn give_back(&self, page: Page) {
        if self.pages.try_send(page).is_err() {
            self.unmade.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Tape {
    /// Orders that may wait for a writer of so many threads.
    pub(super) const fn most_orders(threads: usize) -> usize {
        threads * PAGES + SPARE_ORDERS
    }

    pub(super) fn new(home: usize, writer: SyncSender<WriterOrder>) -> (Self, Home) {
        let (pages, returned) = sync_channel(KEPT);
        let unmade = Arc::new(AtomicUsize::new(PAGES));
        let tape = Self { home, writer, returned, unmade: Arc::clone(&unmade), page: None, waiting: Vec::new() };
        (tape, Home { pages, unmade })
    }

    /// Copies a packet. `false` when there was no room for it.
    pub(super) fn record(
        &mut self,
        recording: u64,
        side: Side,
        codec: Codec,
        header: &Header,
        payload: &[u8],
        at: Instant,
    ) -> bool {
        if self.page.as_ref().is_some_and(|p| p.entries.len() >= PAGE_ENTRIES || p.bytes.len() + payload.len() > PAGE_BYTES) {
            self.flush();
        }
        if self.page.is_none() {
            self.page = self.fresh_page();
        }
        let Some(page) = &mut self.page else { return false };
        let start = page.bytes.len();
        page.bytes.extend_from_slice(payload);
        page.entries.push(Entry {
            recording,
            side,
            codec,
            ssrc: header.ssrc,
            sequence: header.sequence,
            timestamp: header.timestamp,
            at,
            payload: start..page.bytes.len(),
        });
        true
    }

    fn fresh_page(&mut self) -> Option<Page> {
        if let Ok(page) = self.returned.try_recv() {
            return Some(page);
        }
        self.unmade.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).ok()?;
        Some(Page { home: self.home, bytes: Vec::with_capacity(PAGE_BYTES), entries: Vec::with_capacity(PAGE_ENTRIES) })
    }

    /// Tells the writer something, after all packets that were recorded before it.
    pub(super) fn order(&mut self, order: WriterOrder) {
        self.flush();
        self.waiting.push(order);
        self.send_waiting();
    }

    /// A file begins.
    pub(super) fn start(&mut self, recording: u64, path: PathBuf, key: Option<Arc<Key>>, rate_hz: u32, at: Instant) {
        self.order(WriterOrder::Start { home: self.home, recording, path, key, rate_hz, at });
    }

    /// Hands over what was recorded, and says that this was all up to `now`.
    pub(super) fn reached(&mut self, now: Instant) {
        self.flush();
        // When the writer is behind, the next time says it.
        if self.waiting.is_empty() {
            self.waiting.push(WriterOrder::Reached { home: self.home, at: now });
            self.send_waiting();
        }
    }

    /// Hands the page in progress to the writer.
    fn flush(&mut self) {
        if let Some(page) = self.page.take() {
            self.waiting.push(WriterOrder::Page(page));
        }
        self.send_waiting();
    }

    fn send_waiting(&mut self) {
        while !self.waiting.is_empty() {
            let order = self.waiting.remove(0);
            if let Err(refused) = self.writer.try_send(order) {
                use std::sync::mpsc::TrySendError::{Disconnected, Full};
                if let Full(order) = refused {
                    self.waiting.insert(0, order);
                } else if let Disconnected(_) = refused {
                    self.waiting.clear();
                }
                return;
            }
        }
    }

    /// The last orders must not be lost: waits for the writer, which never waits for a media thread.
    pub(super) fn finish(mut self) {
        self.flush();
        for order in self.waiting.drain(..) {
            if self.writer.send(order).is_err() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::TryRecvError;

    use super::*;

    #[expect(clippy::disallowed_methods, reason = "any instant will do")]
    fn now() -> Instant {
        Instant::now()
    }

    #[test]
    fn four_seconds_of_a_thousand_legs_wait_for_a_writer_and_the_pages_that_took_them_go_again() {
        let (orders, waiting) = sync_channel(Tape::most_orders(1));
        let (mut tape, home) = Tape::new(0, orders);
        let (at, header) = (now(), Header::parse(&[128; 172]).unwrap());
        let record = |tape: &mut Tape| tape.record(1, Side::Left, Codec::Pcma, &header, &[0; 160], at);
        for _ in 0..2 {
            let taken = (0..300_000).filter(|_| record(&mut tape)).count();
            assert!((200_000..300_000).contains(&taken), "{taken}");
            // The writer wakes up and reads everything.
            let mut pages = 0;
            loop {
                match waiting.try_recv() {
                    Ok(WriterOrder::Page(mut page)) => {
                        pages += 1;
                        page.entries.clear();
                        page.bytes.clear();
                        home.give_back(page);
                    }
                    Ok(_) => {}
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) => unreachable!(),
                }
            }
            assert!(pages >= PAGES - 1, "{pages}");
            assert!(home.unmade.load(Ordering::Relaxed) >= PAGES - KEPT - 1, "what was made for it is thrown away");
        }
    }
}
