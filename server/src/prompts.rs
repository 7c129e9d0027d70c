//! The prompts: those that ship inside the program, and the admin's own, which go before them.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    io::Read as _,
    path::{Path, PathBuf},
    sync::{Arc, LazyLock, OnceLock},
    time::SystemTime,
};

use rust_embed::RustEmbed;
use tandem_dialplan::{Lengths, wav_length_ms};
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

/// Those that ship: always the same, so they are decoded once for all plans.
static SHIPPED: LazyLock<BTreeMap<String, Arc<Entry>>> = LazyLock::new(|| {
    let names = Shipped::iter().filter_map(|path| Some((path.strip_suffix(".wav")?.to_owned(), path.clone())));
    names.map(|(name, path)| (name, Arc::new(Entry::new(Source::Shipped(path))))).collect()
});

/// All prompts, each decoded once: by [`Prompts::load_all`], or at its first use.
#[derive(Debug)]
pub struct Prompts {
    /// By path without ending: `en/welcome`, `music/hold`.
    entries: BTreeMap<String, Arc<Entry>>,
}

#[derive(Debug)]
struct Entry {
    source: Source,
    decoded: OnceLock<Option<Arc<Pcm>>>,
}

#[derive(Debug, PartialEq, Eq)]
enum Source {
    Shipped(Cow<'static, str>),
    /// With its size and when it was last written, when that can be told: another file under the same name is not
    /// taken for it.
    File(PathBuf, Option<(u64, SystemTime)>),
}

impl Prompts {
    /// The shipped prompts, and those below `own` (`own/en/welcome.wav`), which replace shipped ones of
    /// the same name.
    #[must_use]
    pub fn find(own: Option<&Path>) -> Self {
        Self::find_again(own, None)
    }

    /// The same. What `before` has of the files that are still as they were is not decoded again.
    #[must_use]
    pub fn find_again(own: Option<&Path>, before: Option<&Self>) -> Self {
        let mut entries = SHIPPED.clone();
        let mut found = Vec::new();
        if let Some(own) = own {
            walk(own, own, 0, &mut found);
        }
        for (name, path) in found {
            let written = std::fs::metadata(&path).and_then(|file| Ok((file.len(), file.modified()?))).ok();
            let source = Source::File(path, written);
            let known = before.and_then(|before| before.entries.get(&name));
            let entry = match known.filter(|known| known.source == source && written.is_some()) {
                Some(known) => Arc::clone(known),
                None => Arc::new(Entry::new(source)),
            };
            entries.insert(name, entry);
        }
        Self { entries }
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
                Source::File(path, _) => head(path).ok().and_then(|bytes| wav_length_ms(&bytes)),
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
        let found = self.entries.get(&format!("{language}/{name}")).or_else(|| self.entries.get(name.as_str()));
        let found = found.and_then(|entry| entry.pcm());
        if found.is_none() {
            METRICS.prompts_missing.inc();
            tracing::warn!(%name, %language, "a prompt is missing or cannot be read");
        }
        found
    }
}

impl Entry {
    const fn new(source: Source) -> Self {
        Self { source, decoded: OnceLock::new() }
    }

    fn pcm(&self) -> Option<Arc<Pcm>> {
        self.decoded
            .get_or_init(|| {
                let decoded = match &self.source {
                    Source::Shipped(path) => Pcm::from_wav_bytes(&Shipped::get(path)?.data),
                    Source::File(path, _) => Pcm::load(path),
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

fn walk(root: &Path, folder: &Path, depth: usize, found: &mut Vec<(String, PathBuf)>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        if found.len() >= MAX_PROMPTS {
            return;
        }
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && depth < MAX_DEPTH => walk(root, &path, depth + 1, found),
            Ok(kind) if kind.is_file() && path.extension().is_some_and(|end| end == "wav") => {
                if let Ok(inside) = path.with_extension("").strip_prefix(root) {
                    found.push((inside.to_string_lossy().into_owned(), path));
                }
            }
            _ => {}
        }
    }
}
