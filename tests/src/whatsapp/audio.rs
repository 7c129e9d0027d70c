//! The audio of one call at the edge: a tone that is sent once the other side was heard, and a watch that ends the call
//! when it is not.

use std::{
    f64::consts::TAU,
    io::Cursor,
    net::{SocketAddr, UdpSocket},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use tandem_media::codec::{Codec, Decoder, Encoder};

use super::keys::Keys;
use crate::tone::{self, Heard};

/// The first packet must come within so much of the edge's time.
const FIRST_WITHIN: Duration = Duration::from_secs(20);
/// And one after the other within so much.
const GAP_AT_MOST: Duration = Duration::from_secs(30);
/// The tone that customers speak in.
pub const HZ: f64 = 700.0;
const FRAME: Duration = Duration::from_millis(20);
/// As much as is listened to, in samples.
const MOST_HEARD: usize = 8_000 * 120;

/// What was agreed of the audio.
pub(super) struct Agreed {
    pub(super) to: SocketAddr,
    pub(super) payload_type: u8,
    pub(super) keys: Keys,
    /// How many times as fast as ours the clock of the edge runs.
    pub(super) speed: u32,
}

/// The audio of one call. It ends with its last owner.
#[derive(Clone, Debug)]
pub struct Audio(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    heard: Mutex<Vec<i16>>,
    packets: AtomicU64,
    over: AtomicBool,
}

impl Audio {
    /// Begins; `lost` is told when the other side was silent for too long.
    pub(super) fn start(socket: UdpSocket, agreed: Agreed, lost: impl FnOnce(&'static str) + Send + 'static) -> Self {
        let shared = Shared { heard: Mutex::default(), packets: AtomicU64::new(0), over: AtomicBool::new(false) };
        let audio = Self(Arc::new(shared));
        let own = audio.clone();
        thread::spawn(move || {
            if let Some(why) = own.run(&socket, agreed) {
                lost(why);
            }
        });
        audio
    }

    /// No more.
    pub(super) fn stop(&self) {
        self.0.over.store(true, Ordering::Relaxed);
    }

    /// Packets that came by now, RTP and RTCP.
    #[must_use]
    pub fn packets(&self) -> u64 {
        self.0.packets.load(Ordering::Relaxed)
    }

    /// What was heard by now.
    ///
    /// # Panics
    /// Never: memory can be written to.
    #[must_use]
    pub fn heard(&self) -> Heard {
        let samples = self.0.heard.lock().expect("nobody panics with it").clone();
        let mut file = Cursor::new(Vec::new());
        let spec =
            hound::WavSpec { channels: 1, sample_rate: 8_000, bits_per_sample: 16, sample_format: hound::SampleFormat::Int };
        let mut writer = hound::WavWriter::new(&mut file, spec).expect("memory");
        samples.iter().for_each(|sample| writer.write_sample(*sample).expect("memory"));
        writer.finalize().expect("memory");
        tone::parse(file.get_ref(), 0).unwrap_or_default()
    }

    /// Runs until it is stopped, or until the other side was silent for too long: then why.
    fn run(&self, socket: &UdpSocket, mut agreed: Agreed) -> Option<&'static str> {
        socket.set_read_timeout(Some(FRAME / 4)).expect("a socket option");
        let (mut decoder, mut encoder) =
            (Decoder::with_rate(Codec::Opus, 8_000).expect("a rate"), Encoder::with_rate(Codec::Opus, 8_000).expect("a rate"));
        let (mut first, mut last, mut sent) = (None, now(), 0u32);
        let mut datagram = [0; 2_048];
        while !self.0.over.load(Ordering::Relaxed) {
            // Who cannot prove himself was not heard.
            let packet = socket.recv(&mut datagram).ok().and_then(|length| agreed.keys.open(&datagram[..length]));
            if let Some(packet) = packet {
                self.0.packets.fetch_add(1, Ordering::Relaxed);
                last = now();
                first.get_or_insert(last);
                self.listen(&packet, agreed.payload_type, &mut decoder);
            }
            let silent = now().saturating_duration_since(last) * agreed.speed;
            match first {
                // The business has to send first: before that the edge says nothing.
                None if silent > FIRST_WITHIN => return Some("no media in the first 20 s"),
                Some(_) if silent > GAP_AT_MOST => return Some("no media for 30 s"),
                Some(first) => {
                    while now().saturating_duration_since(first) >= FRAME * sent {
                        let packet = agreed.keys.seal(&frame(&mut encoder, agreed.payload_type, sent));
                        let _gone = socket.send_to(&packet, agreed.to);
                        sent += 1;
                    }
                }
                None => {}
            }
        }
        None
    }

    fn listen(&self, packet: &[u8], payload_type: u8, decoder: &mut Decoder) {
        if packet.len() < 12 || packet[1] & 0x7f != payload_type {
            return;
        }
        let mut pcm = [0; 960];
        if let Ok(samples) = decoder.decode(&packet[12..], &mut pcm) {
            let mut heard = self.0.heard.lock().expect("nobody panics with it");
            if heard.len() < MOST_HEARD {
                heard.extend_from_slice(&pcm[..samples]);
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "tests measure real processes")]
fn now() -> Instant {
    Instant::now()
}

/// One packet of the tone.
fn frame(encoder: &mut Encoder, payload_type: u8, number: u32) -> Vec<u8> {
    let pcm: Vec<i16> = (0..160)
        .map(|i| {
            let at = f64::from(number * 160 + i) / 8_000.0;
            #[expect(clippy::cast_possible_truncation, reason = "within ±9000")]
            let sample = ((TAU * HZ * at).sin() * 9_000.0) as i16;
            sample
        })
        .collect();
    let sequence = u16::try_from(number % 65_536).expect("below 65536");
    let mut packet = vec![0x80, payload_type];
    packet.extend_from_slice(&sequence.to_be_bytes());
    packet.extend_from_slice(&number.wrapping_mul(960).to_be_bytes());
    packet.extend_from_slice(&0x5741_5741_u32.to_be_bytes());
    let mut payload = [0; 1_300];
    let length = encoder.encode(&pcm, &mut payload).expect("a frame of 20 ms");
    packet.extend_from_slice(&payload[..length]);
    packet
}
