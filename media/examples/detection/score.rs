//! Counts what was right, and writes it as tables.

use std::{collections::BTreeMap, fmt};

use tandem_media::detect::{Answer, Tone, Verdict};

use crate::run::{Clip, Heard};

/// A detector is late or early by so much at the edges of speech, and that is not counted as wrong, in ms.
const COLLAR_MS: usize = 50;

/// Right and all.
#[derive(Clone, Copy, Default)]
struct Share {
    right: u64,
    all: u64,
}

impl Share {
    fn add(&mut self, right: u64, all: u64) {
        (self.right, self.all) = (self.right + right, self.all + all);
    }

    fn percent(self) -> f64 {
        self.right as f64 * 100.0 / (self.all.max(1)) as f64
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} % of {}", self.percent(), self.all)
    }
}

/// All counts.
#[derive(Default)]
pub(crate) struct Scores {
    shows_wrong: bool,
    /// Clips by what they are and what they were taken for.
    answers: BTreeMap<(String, String), u64>,
    answer_ms: BTreeMap<String, (u64, u64)>,
    tones: BTreeMap<(String, String), u64>,
    /// By subject, condition and its value.
    shares: BTreeMap<(&'static str, &'static str, String), Share>,
    beeps: Share,
    beeps_without: Share,
    voice: [Share; 4],
    extra_keys: u64,
    talk_seconds: f64,
    talk_keys: u64,
    talk_tones: u64,
}

impl Scores {
    pub(crate) fn new(shows_wrong: bool) -> Self {
        Self { shows_wrong, ..Self::default() }
    }

    pub(crate) fn add(&mut self, clip: &Clip, heard: &Heard) {
        match clip.kind.as_str() {
            "answer" => self.add_answer(clip, heard),
            "tone" => self.add_tone(clip, heard),
            "keys" => self.add_keys(clip, heard),
            "voice" => self.add_voice(clip, heard),
            _ => self.add_talk(clip, heard),
        }
    }

    /// Counts under each condition of the clip.
    fn count(&mut self, subject: &'static str, clip: &Clip, right: u64, all: u64) {
        let snr = clip.snr.map_or("no noise".to_owned(), |snr| format!("{snr:02} dB"));
        let conditions = [
            ("all", String::new()),
            ("level", format!("{} dBm0", clip.level)),
            ("SNR", snr),
            ("noise", clip.noise.clone()),
            ("codec", clip.codec.clone()),
            ("loss", format!("{} %", clip.loss_percent)),
        ];
        for (condition, value) in conditions {
            self.shares.entry((subject, condition, value)).or_default().add(right, all);
        }
        if self.shows_wrong && right < all {
            let Clip { file, label, level, noise, snr, codec, loss_percent, truth, .. } = clip;
            eprintln!("{subject} {right}/{all} {file} {label} {level} {noise} {snr:?} {codec} {loss_percent} {truth}");
        }
    }

    fn add_answer(&mut self, clip: &Clip, heard: &Heard) {
        let answer = heard.verdicts.iter().find_map(|(at, verdict)| match verdict {
            Verdict::Answer(answer) => Some((*at, name_of(*answer))),
            _ => None,
        });
        let (at, name) = answer.unwrap_or((0, "none"));
        *self.answers.entry((clip.label.clone(), name.to_owned())).or_default() += 1;
        let time = self.answer_ms.entry(clip.label.clone()).or_default();
        (time.0, time.1) = (time.0 + u64::from(at), time.1 + 1);
        self.count("answer", clip, u64::from(name == clip.label), 1);
        let beep = heard.verdicts.iter().find_map(|(at, verdict)| match verdict {
            Verdict::Beep { hz, .. } => Some((*at, *hz)),
            _ => None,
        });
        let truth: Vec<u32> = clip.truth.split(' ').filter_map(|word| word.parse().ok()).collect();
        if let &[hz, start, end] = &truth[..] {
            let is_right = beep.is_some_and(|(at, found)| at >= start && at <= end + 800 && found.abs_diff(hz) <= 25);
            self.beeps.add(is_right.into(), 1);
            self.count("beep", clip, is_right.into(), 1);
        } else if clip.label != "fax" {
            self.beeps_without.add(beep.is_some().into(), 1);
            if self.shows_wrong && beep.is_some() {
                eprintln!("beep in {} {} {:?}", clip.file, clip.label, beep);
            }
        }
    }

    fn add_tone(&mut self, clip: &Clip, heard: &Heard) {
        let told: Vec<&str> = heard.verdicts.iter().filter_map(|(_, verdict)| tone_of(*verdict)).collect();
        let found = if told.is_empty() { "none".to_owned() } else { told.join(" then ") };
        self.count("tone", clip, u64::from(found == clip.label), 1);
        *self.tones.entry((clip.label.clone(), found)).or_default() += 1;
    }

    fn add_keys(&mut self, clip: &Clip, heard: &Heard) {
        let told: Vec<char> = heard.verdicts.iter().filter_map(|(_, verdict)| key_of(*verdict)).collect();
        let sent: Vec<char> = clip.truth.chars().collect();
        let right = common(&sent, &told);
        self.extra_keys += (told.len() - right) as u64;
        self.count("keys", clip, right as u64, sent.len() as u64);
        if clip.snr.is_none_or(|snr| snr >= 15) && matches!(clip.codec.as_str(), "pcmu" | "pcma") && clip.loss_percent == 0 {
            let all = self.shares.entry(("keys", "all", "G.711, 15 dB or better, no loss".to_owned())).or_default();
            all.add(right as u64, sent.len() as u64);
        }
    }

    fn add_voice(&mut self, clip: &Clip, heard: &Heard) {
        let spell = |text: &str| text.split_once('-').and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
        let spells: Vec<(usize, usize)> = clip.truth.split(',').filter_map(spell).collect();
        let (mut right, mut all) = (0, 0);
        for (number, &told) in heard.speaking.iter().enumerate() {
            // The window of a spectrum is 32 ms: what is told at a time is what was 16 ms before.
            let at = (number * 10).saturating_sub(10);
            let is = spells.iter().any(|(start, end)| (*start..*end).contains(&at));
            let is_edge = spells.iter().any(|(start, end)| at.abs_diff(*start) <= COLLAR_MS || at.abs_diff(*end) <= COLLAR_MS);
            self.voice[0].add((told == is).into(), 1);
            if is {
                self.voice[1].add((!told).into(), 1);
            } else {
                self.voice[2].add(told.into(), 1);
            }
            if !is_edge {
                (right, all) = (right + u64::from(told == is), all + 1);
                if clip.snr.is_none_or(|snr| snr >= 10) {
                    self.voice[3].add((told == is).into(), 1);
                }
            }
        }
        self.count("voice", clip, right, all);
    }

    fn add_talk(&mut self, clip: &Clip, heard: &Heard) {
        self.talk_seconds += heard.seconds;
        for (at, verdict) in &heard.verdicts {
            self.talk_keys += u64::from(key_of(*verdict).is_some());
            self.talk_tones += u64::from(tone_of(*verdict).is_some());
            if self.shows_wrong && (key_of(*verdict).is_some() || tone_of(*verdict).is_some()) {
                eprintln!("talk {} at {at} {verdict:?}", clip.file);
            }
        }
    }

    fn share(&self, subject: &'static str, condition: &'static str, value: &str) -> Share {
        self.shares.get(&(subject, condition, value.to_owned())).copied().unwrap_or_default()
    }

    fn of(&self, truth: &str, found: &str) -> u64 {
        self.answers.get(&(truth.to_owned(), found.to_owned())).copied().unwrap_or(0)
    }
}

impl fmt::Display for Scores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_answers(f)?;
        self.write_tones(f)?;
        self.write_sums(f)?;
        writeln!(f, "### By condition\n")?;
        writeln!(
            f,
            "Share that was right: voice by 10 ms (50 ms at each edge not counted), answers, beeps and tones by clip, keys by key.\n"
        )?;
        writeln!(f, "| condition | | voice | answer | beep | tone | keys |\n|---|---|---|---|---|---|---|")?;
        for condition in ["level", "SNR", "noise", "codec", "loss"] {
            let mut values: Vec<&String> = self.shares.keys().filter(|key| key.1 == condition).map(|key| &key.2).collect();
            values.sort();
            values.dedup();
            for value in values {
                write!(f, "| {condition} | {value} |")?;
                for subject in ["voice", "answer", "beep", "tone", "keys"] {
                    match self.share(subject, condition, value) {
                        Share { all: 0, .. } => write!(f, " |")?,
                        share => write!(f, " {:.1} % |", share.percent())?,
                    }
                }
                writeln!(f)?;
            }
        }
        Ok(())
    }
}

impl Scores {
    fn write_answers(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (truths, founds) = (["human", "machine", "fax", "silence"], ["human", "machine", "fax", "silence", "unsure", "none"]);
        writeln!(f, "### Who answered\n")?;
        writeln!(
            f,
            "| is \\ told | {} | right | told after |\n|---|{}---|---|",
            founds.join(" | "),
            "---|".repeat(founds.len())
        )?;
        let mut balanced = 0.0;
        for truth in truths {
            let all: u64 = founds.iter().map(|found| self.of(truth, found)).sum();
            let share = Share { right: self.of(truth, truth), all };
            balanced += share.percent() / truths.len() as f64;
            let counts: Vec<String> = founds.iter().map(|found| self.of(truth, found).to_string()).collect();
            let (sum, count) = self.answer_ms.get(truth).copied().unwrap_or_default();
            writeln!(f, "| {truth} | {} | {:.1} % | {} ms |", counts.join(" | "), share.percent(), sum / count.max(1))?;
        }
        let humans: u64 = founds.iter().map(|found| self.of("human", found)).sum();
        let taken = Share { right: self.of("human", "machine"), all: humans };
        let two = (Share { right: self.of("human", "human"), all: humans }.percent()
            + Share { right: self.of("machine", "machine"), all: founds.iter().map(|found| self.of("machine", found)).sum() }
                .percent())
            / 2.0;
        writeln!(
            f,
            "\nBalanced accuracy {balanced:.1} %; of humans and machines alone {two:.1} %. Humans taken for machines: {taken}.\n"
        )
    }

    fn write_tones(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "### Tones\n\n| is | told | clips |\n|---|---|---|")?;
        for ((truth, found), count) in &self.tones {
            writeln!(f, "| {truth} | {found} | {count} |")?;
        }
        writeln!(f, "\nRight: {}.\n", self.share("tone", "all", ""))
    }

    fn write_sums(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = self.share("keys", "all", "G.711, 15 dB or better, no loss");
        writeln!(f, "### Beeps, keys, voice\n\n| what | figure |\n|---|---|")?;
        writeln!(f, "| beeps found, in time and with their pitch | {} |", self.beeps)?;
        writeln!(f, "| beeps told where there is none (people, silence, machines without) | {} |", self.beeps_without)?;
        writeln!(f, "| keys found, G.711, SNR 15 dB or better, no loss | {keys} |")?;
        writeln!(f, "| keys found, all conditions | {} |", self.share("keys", "all", ""))?;
        writeln!(f, "| keys told that were not sent, all conditions | {} |", self.extra_keys)?;
        writeln!(f, "| keys told in {:.0} minutes of speech | {} |", self.talk_seconds / 60.0, self.talk_keys)?;
        writeln!(f, "| tones told in them | {} |", self.talk_tones)?;
        writeln!(f, "| 10 ms of voice judged right, SNR 10 dB or better, 50 ms at each edge not counted | {} |", self.voice[3])?;
        writeln!(f, "| the same with all SNRs and edges | {} |", self.voice[0])?;
        writeln!(f, "| speech taken for silence, all | {} |", self.voice[1])?;
        writeln!(f, "| silence taken for speech, all | {} |\n", self.voice[2])
    }
}

fn name_of(answer: Answer) -> &'static str {
    match answer {
        Answer::Human => "human",
        Answer::Machine => "machine",
        Answer::Fax => "fax",
        Answer::Silence => "silence",
        Answer::Unsure => "unsure",
    }
}

fn tone_of(verdict: Verdict) -> Option<&'static str> {
    let Verdict::Tone(tone) = verdict else { return None };
    Some(match tone {
        Tone::Dial => "dial",
        Tone::RingBack => "ring-back",
        Tone::Busy => "busy",
        Tone::Congestion => "congestion",
        Tone::SpecialInformation => "special-information",
        Tone::FaxCalling => "fax-calling",
        Tone::FaxAnswering => "fax-answering",
    })
}

fn key_of(verdict: Verdict) -> Option<char> {
    match verdict {
        Verdict::Key { key, .. } => Some(key),
        _ => None,
    }
}

/// How many keys of both come in the same order.
fn common(sent: &[char], told: &[char]) -> usize {
    let mut row = vec![0; told.len() + 1];
    for s in sent {
        let mut before = 0;
        for (at, t) in told.iter().enumerate() {
            let above = row[at + 1];
            row[at + 1] = if s == t { before + 1 } else { above.max(row[at]) };
            before = above;
        }
    }
    row[told.len()]
}
