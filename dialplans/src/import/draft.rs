//! A plan in the making: what both readers fill, before it is settled and printed.

use std::collections::BTreeMap;

use kdl::KdlNode;
use serde::Serialize;

use super::{
    kdl_out::{Build as _, node},
    ledger::{Ledger, UnitId},
    names::Names,
    sounds,
};

/// One file of the plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanFile {
    /// Its name: `40-routes.kdl`.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// A password, for a file that only its owner may read.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretFile {
    /// Relative to the folder of the plan: `secrets/trunk-carrier`.
    pub path: String,
    /// The password.
    pub secret: String,
}

impl std::fmt::Debug for SecretFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SecretFile").field("path", &self.path).finish_non_exhaustive()
    }
}

/// Somebody with a device, for the database.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Person {
    /// Internal number, and user name of their devices.
    pub extension: String,
    /// What others see; empty when it is not known.
    pub name: String,
    /// Queues that they serve.
    pub queues: Vec<String>,
    /// The file with their password, relative to the folder of the plan.
    pub password_file: Option<String>,
}

/// A recording that the plan plays and that does not ship.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Recording {
    /// The prompt: the file is `prompts/<prompt>.wav`.
    pub prompt: String,
    /// What is to be heard.
    pub sound: Sound,
}

/// What a recording holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sound {
    /// Nothing, for so many seconds.
    Silence(u32),
    /// What the other switch called so.
    Theirs(String),
}

/// A node at the top of a file.
#[derive(Debug)]
pub(super) struct Top {
    /// Without `.kdl`.
    pub(super) file: &'static str,
    pub(super) node: KdlNode,
    /// The lines that it was made of.
    pub(super) units: Vec<UnitId>,
}

/// A route: its guards, its steps, and the lines that they were made of.
#[derive(Debug)]
pub(super) struct RouteDraft {
    pub(super) name: String,
    pub(super) guards: Vec<KdlNode>,
    pub(super) steps: Vec<KdlNode>,
    pub(super) units: Vec<UnitId>,
}

/// How devices of an extension are spoken to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Traits {
    /// A word of `dtmf`.
    pub(super) dtmf: Option<&'static str>,
    /// A word of `media-keys`.
    pub(super) media_keys: Option<&'static str>,
}

/// The plan so far.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) ledger: Ledger,
    pub(super) tops: Vec<Top>,
    pub(super) routes: Vec<RouteDraft>,
    pub(super) extensions: BTreeMap<u32, Traits>,
    pub(super) people: BTreeMap<u32, Person>,
    pub(super) secrets: Vec<SecretFile>,
    pub(super) recordings: BTreeMap<String, Sound>,
    pub(super) route_names: Names,
    pub(super) trunk_names: Names,
    pub(super) queue_names: Names,
}

/// Files of the plan, in the order in which they are read.
pub(super) mod file {
    pub(in crate::import) const SWITCH: &str = "10-switch";
    pub(in crate::import) const TRUNKS: &str = "20-trunks";
    pub(in crate::import) const QUEUES: &str = "30-queues";
    pub(in crate::import) const SCHEDULES: &str = "35-schedules";
    pub(in crate::import) const ROUTES: &str = "40-routes";
    pub(in crate::import) const INSIDE: &str = "50-inside";
}

/// The longest silence that is made, in seconds.
pub(super) const MAX_SILENCE_S: u32 = 60;

impl Draft {
    pub(super) fn top(&mut self, file: &'static str, node: KdlNode, units: Vec<UnitId>) {
        self.tops.push(Top { file, node, units });
    }

    /// The prompt that stands for a sound of theirs.
    pub(super) fn prompt(&mut self, sound: &str) -> String {
        if let Some(shipped) = sounds::shipped(sound) {
            return shipped.to_owned();
        }
        let prompt = sounds::imported(sound);
        self.recordings.entry(prompt.clone()).or_insert_with(|| Sound::Theirs(sound.trim().to_owned()));
        prompt
    }

    /// A prompt in which nothing is heard for so long.
    pub(super) fn silence(&mut self, seconds: u32) -> String {
        let seconds = seconds.clamp(1, MAX_SILENCE_S);
        let prompt = format!("imported/silence-{seconds}s");
        self.recordings.insert(prompt.clone(), Sound::Silence(seconds));
        prompt
    }

    /// Puts a password aside; what the plan writes in its place.
    pub(super) fn secret(&mut self, kind: &str, name: &str, secret: &str) -> String {
        let path = format!("secrets/{kind}-{name}");
        if !self.secrets.iter().any(|known| known.path == path) {
            self.secrets.push(SecretFile { path: path.clone(), secret: secret.to_owned() });
        }
        path
    }

    /// One more line of `listen`, unless there is one of its name and value.
    pub(super) fn listen(&mut self, line: KdlNode, at: UnitId) {
        let index = self.tops.iter().position(|top| top.node.name().value() == "listen").unwrap_or_else(|| {
            self.top(file::SWITCH, node("listen"), vec![at]);
            self.tops.len() - 1
        });
        let lines = self.tops[index].node.ensure_children().nodes_mut();
        let once = line.name().value() == "advertise";
        let same = |known: &KdlNode| known.name() == line.name() && (once || known.get(0) == line.get(0));
        if !lines.iter().any(same) {
            lines.push(line);
        }
    }

    /// Somebody with that number, perhaps new.
    pub(super) fn person(&mut self, number: u32) -> &mut Person {
        self.people.entry(number).or_insert_with(|| Person { extension: number.to_string(), ..Person::default() })
    }

    /// `extensions` nodes: one for each spell of numbers whose devices are spoken to alike.
    pub(super) fn extension_nodes(&self) -> Vec<KdlNode> {
        let mut spells: Vec<(u32, u32, Traits)> = Vec::new();
        for (&number, &traits) in &self.extensions {
            match spells.last_mut() {
                Some((_, last, known))
                    if *known == traits && *last + 1 == number && last.to_string().len() == number.to_string().len() =>
                {
                    *last = number;
                }
                _ => spells.push((number, number, traits)),
            }
        }
        let node_of = |(from, to, traits): (u32, u32, Traits)| {
            node("extensions")
                .prop("from", i128::from(from))
                .prop("to", i128::from(to))
                .maybe("media-keys", traits.media_keys)
                .maybe("dtmf", traits.dtmf)
        };
        spells.into_iter().map(node_of).collect()
    }
}

/// A number that can be an extension: 1 to 9 digits, the first no zero.
pub(super) fn extension_number(text: &str) -> Option<u32> {
    let fits =
        (1..=9).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    fits.then(|| text.parse().ok()).flatten()
}
