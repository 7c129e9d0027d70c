//! One clip: read, sent through its codec, and heard.

use std::{error::Error, path::Path};

use tandem_media::{
    codec::{Codec, Decoder, Downsampler, Encoder},
    detect::{ANSWER_BUDGET, Listener, Verdict, Wanted},
    random::Random,
};

/// A line of the manifest.
pub(crate) struct Clip {
    pub(crate) file: String,
    pub(crate) split: String,
    pub(crate) kind: String,
    pub(crate) label: String,
    pub(crate) level: String,
    pub(crate) noise: String,
    pub(crate) snr: Option<i32>,
    pub(crate) codec: String,
    pub(crate) loss_percent: u32,
    pub(crate) truth: String,
}

impl Clip {
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let fields: Vec<&str> = line.split('\t').collect();
        let &[file, split, kind, label, level, noise, snr, codec, loss, truth] = &fields[..] else { return None };
        let text = str::to_owned;
        Some(Self {
            file: text(file),
            split: text(split),
            kind: text(kind),
            label: text(label),
            level: text(level),
            noise: text(noise),
            snr: snr.parse().ok(),
            codec: text(codec),
            loss_percent: loss.parse().ok()?,
            truth: text(truth),
        })
    }
}

/// What was told of a clip.
pub(crate) struct Heard {
    /// With the time of each, in ms.
    pub(crate) verdicts: Vec<(u32, Verdict)>,
    /// Whether somebody spoke, for each 10 ms.
    pub(crate) speaking: Vec<bool>,
    /// Length of the clip, in seconds.
    pub(crate) seconds: f64,
}

pub(crate) fn hear(folder: &Path, clip: &Clip, seed: u64) -> Result<Heard, Box<dyn Error>> {
    let wide: Vec<i16> = hound::WavReader::open(folder.join(&clip.file))?.samples().collect::<Result<_, _>>()?;
    let seconds = wide.len() as f64 / 16_000.0;
    let narrow = through(clip, &wide, seed)?;
    let all = Wanted { voice: true, keys: true, tones: true, answer: None, beep: false };
    let wanted = match clip.kind.as_str() {
        "answer" => Wanted { answer: Some(ANSWER_BUDGET), beep: true, ..Wanted::NOTHING },
        "voice" => Wanted { voice: true, ..Wanted::NOTHING },
        "tone" => Wanted { tones: true, ..Wanted::NOTHING },
        "keys" => Wanted { keys: true, ..Wanted::NOTHING },
        _ => all,
    };
    let (mut listener, mut verdicts, mut speaking) = (Listener::new(wanted), Vec::new(), Vec::new());
    for (number, frame) in narrow.chunks(80).enumerate() {
        let at = u32::try_from(number)? * 10 + 10;
        listener.hear(frame, |verdict| verdicts.push((at, verdict)));
        speaking.push(listener.is_speaking());
    }
    Ok(Heard { verdicts, speaking, seconds })
}

/// The clip as a leg would hear it, at 8 kHz.
fn through(clip: &Clip, wide: &[i16], seed: u64) -> Result<Vec<i16>, Box<dyn Error>> {
    let (codec, rate) = match clip.codec.as_str() {
        "pcma" => (Codec::Pcma, 8_000),
        "g722" => (Codec::G722, 16_000),
        "opus12" | "opus24" => (Codec::Opus, 16_000),
        // GSM was applied when the clip was made.
        _ => (Codec::Pcmu, 8_000),
    };
    let pcm = if rate == 16_000 { wide.to_vec() } else { narrowed(wide) };
    let mut encoder = Encoder::with_rate(codec, rate)?;
    if clip.codec == "opus12" {
        encoder.limit(tandem_media::codec::OpusLimits { most_bps: 12_000, ..Default::default() })?;
    }
    let (mut decoder, mut random) = (Decoder::with_rate(codec, 8_000)?, Random::new(seed));
    let (mut payload, mut frame, mut out) = ([0; 1_500], [0; 960], Vec::with_capacity(pcm.len()));
    for packet in pcm.chunks_exact(rate as usize / 50) {
        let bytes = encoder.encode(packet, &mut payload)?;
        let is_lost = random.u32() % 100 < clip.loss_percent;
        let samples = if is_lost { decoder.conceal(&mut frame[..160]) } else { decoder.decode(&payload[..bytes], &mut frame)? };
        out.extend_from_slice(&frame[..samples]);
    }
    Ok(out)
}

fn narrowed(wide: &[i16]) -> Vec<i16> {
    let mut narrow = vec![0; wide.len() / 2 + 1];
    let samples = Downsampler::new().process(wide, &mut narrow);
    narrow.truncate(samples);
    narrow
}
