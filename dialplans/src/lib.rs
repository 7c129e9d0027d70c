//! The dialplan language: parse, check, run, explain, simulate.
//!
//! A plan is a folder of KDL 2 files. [`check`] reads them without any I/O and either gives a [`Plan`]
//! in which every name exists and every way a step can end has an answer, or says what is wrong with
//! file, line, column and a suggestion. [`Run`] takes one caller through a plan; [`explain`] tells
//! beforehand which route a call takes; [`simulate()`] takes a whole call through it, to its record. [`load()`] is the thin layer that reads a folder.
//!
//! The language itself is one table (`grammar`), from which reading, checking and the reference in
//! `docs/dialplan.md` are made. Nothing here knows how calls are signalled: a trunk's peer is a
//! transport word and an address.

mod audio_streams;
mod build;
mod callbacks;
mod changes;
mod checker;
mod decisions;
mod describe;
mod diagnostic;
mod edit;
mod editor;
mod explain;
mod grammar;
mod ical;
mod identity;
pub mod import;
mod imports;
mod index;
mod inside;
mod keep;
mod listen;
mod load;
mod nearest;
mod number_regex;
mod pattern;
mod plan;
mod proofs;
mod protect;
mod read;
mod recordings;
mod reference;
mod replay;
mod routing;
mod rules;
mod run;
mod say;
mod schedule;
mod schema;
mod secret;
mod settings;
mod shared_list;
mod simulate;
mod source;
mod switches;
mod template;
mod trail;
mod trunk_calls;
mod trunk_rules;
mod ways;
mod world;

pub use audio_streams::{AudioStream, StreamUrl};
pub use callbacks::{BadWish, CallbackWhom, CallbackWish};
pub use changes::{Change, ChangeKind, changes};
pub use checker::{Checker, Needs, check, needs};
pub use decisions::{DecisionService, ServiceUrl};
pub use describe::describe;
pub use diagnostic::{Diagnostic, MAX_DIAGNOSTICS, Related, Report, Severity};
pub use edit::{Changed, Desk, Edit, NewValue, NodeChange, NotEdited, Spot, Touched, node_changes, unified};
pub use editor::{Completion, CompletionKind, Draft, Encoding, Hover, Lines, NotRenamed, Position};
pub use explain::{Explanation, RouteVerdict, explain};
pub use identity::{Capture, IdentityPolicy, SignIdentity, TrunkIdentity, VerifyIdentity};
pub use imports::with_imports;
pub use inside::{ExtensionRange, Queue, QueueCallback, StarterAgents};
pub use keep::KeptRun;
pub use listen::{Ice, TlsFiles, Turn};
pub use load::{LoadError, Loaded, load, read_source_below, read_sources, read_sources_with};
pub use number_regex::NumberRegex;
pub use pattern::{NumberMatch, Pattern};
pub use plan::{OriginGuard, Plan, Route, parse_number};
pub use protect::Protect;
pub use recordings::{Notice, RecordingFormat, Recordings, Spool};
pub use reference::reference;
pub use replay::{Fate, PastCall, Tally, replay};
pub use rules::{RULES, Rule, rule_reference};
pub use run::{CallFacts, Input, MAX_STEPS, Output, Run};
pub use say::{say, vocabulary};
pub use schedule::{Schedule, Standing, Transition};
pub use schema::{LanguageTable, NodeTable, PlaceTable, ValueTable, kdl_schema, language_table};
pub use secret::Secret;
pub use settings::{
    Codec, Credentials, Digest, Dtmf, Host, HostPort, Listen, MediaKeys, Network, Peer, Transport, Trunk, TrunkTls,
};
pub use shared_list::{Iter as SharedListIter, SharedList};
pub use simulate::{
    Coverage, Fact, Lengths, MAX_CALL_MS, Never, Row, Script, ScriptError, Simulation, Test, TestResult, When, junit, run_test,
    simulate, wav_length_ms,
};
pub use source::{Location, MAX_DEPTH, MAX_FILE_BYTES, MAX_FILES, MAX_PLAN_BYTES, Source};
pub use switches::{Override, Overrides, Switch};
pub use template::Template;
pub use trunk_calls::{DigestUri, KeepHeader, Profile, TrunkCalls};
pub use trunk_rules::{CallerIdRule, Member, NumberFormat, Numbering, Outgoing, Refusal, Shown, TrunkGroup, TrunkRules};
pub use ways::Way;
pub use world::{BrokenPrompt, World};
