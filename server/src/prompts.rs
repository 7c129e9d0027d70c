//! The prompts: those that ship inside the program, and the admin's own, which go before them.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    io::Read as _,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use rust_embed::RustEmbed;
use tandem_dialplan::{BrokenPrompt, Lengths, World, wav_length_ms};
use tandem_media::codec::Audio as Pcm;
use tandem_switch::{
    name::{Language, PromptName},
    step::Audio,
};

use crate::metrics::METRICS;

#[derive(RustEmbed)]
#[folder = "../dialplans/prompts"]
#[include = "*.wav"]
struct Shipped;

/// Folders deeper than this are not looked into.
const MAX_DEPTH: usize = 4;
/// What stands before the audio of a recording is looked for so far into its file.
const HEAD_BYTES: u64 = 65_536;
/// More prompts than this are not taken from a folder.
const MAX_PROMPTS: usize = 20_000;

/// All prompts, each decoded once: by [`Prompts::load_all`], or at its first use.
#[derive(Debug)]
pub struct Prompts {
    /// By path without ending: `en/welcome`, `music/hold`.
    entries: BTreeMap<String, Entry>,
    /// Sound files that are no recordings: path without ending and the file.
    other_sounds: BTreeMap<String, String>,
}

#[derive(Debug)]
struct Entry {
    source: Source,
    /// It takes the place of one that ships.
    replaces: bool,
    decoded: OnceLock<Option<Arc<Pcm>>>,
}

#[derive(Debug)]
enum Source {
    Shipped(Cow<'static, str>),
    File(PathBuf),
}

impl Prompts {
    /// The shipped prompts, and those below `own` (`own/en/welcome.wav`), which replace shipped ones of
    /// the same name.
    #[must_use]
    pub fn find(own: Option<&Path>) -> Self {
        let mut entries = BTreeMap::new();
        for path in Shipped::iter() {
            if let Some(name) = path.strip_suffix(".wav") {
                entries.insert(name.to_owned(), Entry::new(Source::Shipped(path.clone()), false));
            }
        }
        let mut other_sounds = BTreeMap::new();
        if let Some(own) = own {
            let mut found = Vec::new();
            walk(own, own, 0, &mut found);
            for (name, path) in found {
                if path.extension().is_some_and(|end| end == "wav") {
                    let replaces = entries.contains_key(&name);
                    entries.insert(name, Entry::new(Source::File(path), replaces));
                } else {
                    other_sounds.insert(name, path.to_string_lossy().into_owned());
                }
            }
        }
        Self { entries, other_sounds }
    }

    /// Tells the check of a plan which recordings there are, and of those that came with the plan what is wrong with
    /// them. Reads the heads of their files.
    pub fn tell(&self, world: &mut World) {
        for (name, entry) in &self.entries {
            match name.split_once('/') {
                Some((language, rest)) if language.len() == 2 => {
                    world.prompts.entry(Language::from(language)).or_default().insert(PromptName::from(rest));
                }
                _ => {
                    world.shared_prompts.insert(PromptName::from(name.as_str()));
                }
            }
            let Source::File(path) = &entry.source else { continue };
            if !entry.replaces {
                world.own_prompts.insert(name.clone());
            }
            if let Err(error) = Pcm::probe(path) {
                let broken = BrokenPrompt { file: path.to_string_lossy().into_owned(), what: error.to_string() };
                world.broken_prompts.insert(name.clone(), broken);
            }
        }
        world.other_sounds.clone_from(&self.other_sounds);
    }

    /// The names that exist, as `language/name` and plain `name`, for the check of a plan.
    #[must_use]
    pub fn names(&self) -> BTreeSet<String> {
        self.entries.keys().cloned().collect()
    }

    /// How long they are, by what their files say of themselves: nothing is decoded. One that cannot be read is left out.
    #[must_use]
    pub fn lengths(&self) -> Lengths {
        let mut lengths = Lengths::default();
        for (name, entry) in &self.entries {
            let ms = match &entry.source {
                Source::Shipped(path) => Shipped::get(path).and_then(|file| wav_length_ms(&file.data)),
                Source::File(path) => head(path).ok().and_then(|bytes| wav_length_ms(&bytes)),
            };
            if let Some(ms) = ms {
                lengths.insert(name.as_str(), ms);
            }
        }
        lengths
    }

    /// Decodes everything that is not decoded yet: about 2 ms for each second of audio, so not on a loop.
    pub fn load_all(&self) {
        for entry in self.entries.values() {
            entry.pcm();
        }
    }

    /// The audio of phrases, in order. A prompt that is missing in the language is looked up without
    /// one; one that is missing altogether is left out and counted (`check` has warned of it).
    #[must_use]
    pub fn resolve(&self, audio: &Audio) -> Vec<Arc<Pcm>> {
        tandem_dialplan::say(audio).iter().filter_map(|name| self.one(name, &audio.language)).collect()
    }

    fn one(&self, name: &PromptName, language: &Language) -> Option<Arc<Pcm>> {
        let found =
            self.entries.get(&format!("{language}/{name}")).or_else(|| self.entries.get(name.as_str())).and_then(Entry::pcm);
        if found.is_none() {
            METRICS.prompts_missing.inc();
            tracing::warn!(%name, %language, "a prompt is missing or cannot be read");
        }
        found
    }
}

impl Entry {
    const fn new(source: Source, replaces: bool) -> Self {
        Self { source, replaces, decoded: OnceLock::new() }
    }

    fn pcm(&self) -> Option<Arc<Pcm>> {
        self.decoded
            .get_or_init(|| {
                let decoded = match &self.source {
                    Source::Shipped(path) => Pcm::from_wav_bytes(&Shipped::get(path)?.data),
                    Source::File(path) => Pcm::load(path),
                };
                match decoded {
                    Ok(pcm) => Some(Arc::new(pcm)),
                    Err(error) => {
                        tracing::error!(source = ?self.source, %error, "a prompt cannot be read");
                        None
                    }
                }
            })
            .clone()
    }
}

/// The begin of a file.
fn head(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(HEAD_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Endings of sound files, the one that is played first.
const SOUNDS: &[&str] =
    &["wav", "mp3", "ogg", "oga", "opus", "flac", "aiff", "aif", "au", "m4a", "gsm", "ulaw", "alaw", "sln", "WAV"];

fn is_sound(path: &Path) -> bool {
    path.extension().and_then(|end| end.to_str()).is_some_and(|end| SOUNDS.contains(&end))
}

fn walk(root: &Path, folder: &Path, depth: usize, found: &mut Vec<(String, PathBuf)>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        if found.len() >= MAX_PROMPTS {
            return;
        }
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && depth < MAX_DEPTH => walk(root, &path, depth + 1, found),
            Ok(kind) if kind.is_file() && is_sound(&path) => {
                if let Ok(inside) = path.with_extension("").strip_prefix(root) {
                    found.push((inside.to_string_lossy().into_owned(), path));
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

    use super::*;

    /// Two of the four samples that its head promises: linear, mono, 16 bits at 8 kHz.
    const TORN: &[u8] = b"RIFF\x2c\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x80\x3e\0\0\x02\0\x10\0data\x08\0\0\0\0\0\0\0";

    #[test]
    fn the_check_is_told_what_is_wrong_with_recordings_of_the_plan() {
        let folder = std::env::temp_dir().join(format!("tandem-prompts-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("en")).unwrap();
        let good = Shipped::get("en/welcome.wav").unwrap().data;
        for (name, bytes) in [
            ("en/welcome.wav", &good[..]),
            ("en/ours.wav", &good[..]),
            ("en/torn.wav", TORN),
            ("en/goodbye.wav", b"ID3\x04\0\0\0"),
            ("en/hello.mp3", b"ID3\x04\0\0\0"),
            ("en/notes.txt", b"not a sound"),
        ] {
            std::fs::write(folder.join(name), bytes).unwrap();
        }
        let mut world = World::default();
        Prompts::find(Some(&folder)).tell(&mut world);
        assert!(world.has(&"en".into(), "welcome") && world.has(&"it".into(), "welcome") && !world.has(&"en".into(), "hello"));
        assert_eq!(world.own_prompts.iter().collect::<Vec<_>>(), ["en/ours", "en/torn"]);
        let broken: Vec<_> = world.broken_prompts.iter().map(|(name, broken)| (name.as_str(), broken.what.as_str())).collect();
        assert_eq!(broken.len(), 2, "{broken:?}");
        assert!(broken[0].0 == "en/goodbye" && broken[0].1.contains("it is MP3"), "{broken:?}");
        assert!(broken[1].0 == "en/torn" && broken[1].1.contains("ends before its sound does"), "{broken:?}");
        assert!(world.other_sounds["en/hello"].ends_with("en/hello.mp3") && world.other_sounds.len() == 1);
        let sources = [tandem_dialplan::Source::new("a.kdl", "route \"r\" { from any; play \"goodbye\" \"hello\"; }")];
        let (plan, report) = tandem_dialplan::check(&sources, &world);
        let lines = report.lines();
        assert!(plan.is_none() && lines.contains("error[bad-prompt]") && lines.contains("ffmpeg -i"), "{lines}");
        assert!(lines.contains("error[unknown-prompt]") && lines.contains("hello.mp3"), "{lines}");
        std::fs::remove_dir_all(folder).unwrap();
    }
}
