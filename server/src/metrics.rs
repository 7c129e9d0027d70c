//! Every metric of the program: one table gives the counters, the Prometheus text and `docs/metrics.md`.
//!
//! Loops and media threads count with relaxed atomics: no locks, no allocation, no look-up by name.

use std::{
    fmt::Write as _,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use tandem_media::contract::{NoKeys, OneWay};

/// The metrics of this process.
pub static METRICS: Metrics = Metrics::new();

/// Grows only.
#[derive(Debug)]
pub struct Counter(AtomicU64);

/// Goes up and down.
#[derive(Debug)]
pub struct Gauge(AtomicU64);

/// Durations by how long they were: kept in µs, shown in seconds.
#[derive(Debug)]
pub struct Histogram {
    bounds_us: &'static [u64],
    /// One more than the bounds; the rest of the array is not used.
    counts: [AtomicU64; MOST_CELLS],
    sum_us: AtomicU64,
}

/// Counters that differ by one label with a closed list of values; anything else counts as `other`.
#[derive(Debug)]
pub struct Family {
    label: &'static str,
    values: &'static [&'static str],
    counts: [AtomicU64; MOST_CELLS],
}

const MOST_CELLS: usize = 24;
/// Upper bounds of work within the program, in µs.
const SHORT_US: &[u64] = &[50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000];
/// Upper bounds of what people wait for, in µs.
const LONG_US: &[u64] = &[
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_000_000,
    5_000_000,
    10_000_000,
    20_000_000,
    30_000_000,
    60_000_000,
    120_000_000,
    300_000_000,
    600_000_000,
    1_800_000_000,
];
/// Upper bounds of what a call waits for while somebody else decides, in µs.
const BUDGET_US: &[u64] =
    &[2_000, 5_000, 10_000, 25_000, 50_000, 100_000, 200_000, 400_000, 800_000, 1_600_000, 3_200_000, 5_000_000];
const DECISIONS: &[&str] =
    &["answered", "late", "unreachable", "busy", "status", "malformed", "too-large", "unknown-word", "bad-value"];
const REFUSALS: &[&str] = &["international", "denied", "not-allowed", "onward"];
const DNS_RESULTS: &[&str] = &["found", "nothing", "failed"];
const CAUSES: &[&str] = &[
    "normal",
    "cancelled",
    "busy",
    "no-answer",
    "rejected",
    "not-registered",
    "not-found",
    "forbidden",
    "incompatible",
    "unavailable",
    "congestion",
    "timeout",
    "media-timeout",
    "network-failure",
    "restart",
    "fault",
];
const IDENTITIES: &[&str] = &[
    "verified-a",
    "verified-b",
    "verified-c",
    "no-identity",
    "stale",
    "number-mismatch",
    "bad-signature",
    "untrusted-certificate",
    "certificate-unavailable",
    "malformed",
];
/// Scores that legs are counted by: at least so much. Those of the categories of satisfaction of G.107 annex B.
pub const SCORES: &[&str] = &["4.3", "4.0", "3.6", "3.1", "2.6", "1.0", "unknown"];
const TRANSPORTS: &[&str] = &["udp", "tcp", "tls", "ws", "wss"];

impl Counter {
    const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// One more.
    pub fn inc(&self) {
        self.add(1);
    }

    /// `count` more.
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Relaxed);
    }

    /// How many.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

impl Gauge {
    const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// It is `value` now.
    pub fn set(&self, value: u64) {
        self.0.store(value, Relaxed);
    }

    /// One more.
    pub fn inc(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    /// One less; below zero it stays at zero.
    pub fn dec(&self) {
        // An update that always gives a value cannot fail.
        let _ = self.0.fetch_update(Relaxed, Relaxed, |value| Some(value.saturating_sub(1)));
    }

    /// What it is now.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

impl Histogram {
    const fn new(bounds_us: &'static [u64]) -> Self {
        assert!(bounds_us.len() < MOST_CELLS);
        Self { bounds_us, counts: [const { AtomicU64::new(0) }; MOST_CELLS], sum_us: AtomicU64::new(0) }
    }

    /// Something took so many µs.
    pub fn observe_us(&self, us: u64) {
        let cell = self.bounds_us.partition_point(|&bound| bound < us);
        self.counts[cell].fetch_add(1, Relaxed);
        self.sum_us.fetch_add(us, Relaxed);
    }

    /// Something took so many ms.
    pub fn observe_ms(&self, ms: u64) {
        self.observe_us(ms.saturating_mul(1_000));
    }
}

impl Family {
    const fn new(label: &'static str, values: &'static [&'static str]) -> Self {
        assert!(values.len() < MOST_CELLS);
        Self { label, values, counts: [const { AtomicU64::new(0) }; MOST_CELLS] }
    }

    /// One more of `value`.
    pub fn inc(&self, value: &str) {
        self.add(value, 1);
    }

    /// `count` more of `value`.
    pub fn add(&self, value: &str, count: u64) {
        let cell = self.values.iter().position(|known| *known == value).unwrap_or(self.values.len());
        self.counts[cell].fetch_add(count, Relaxed);
    }

    /// How many of `value`.
    #[must_use]
    pub fn get(&self, value: &str) -> u64 {
        let cell = self.values.iter().position(|known| *known == value).unwrap_or(self.values.len());
        self.counts[cell].load(Relaxed)
    }
}

/// What the table says of one metric.
#[derive(Clone, Copy, Debug)]
pub struct Description {
    /// As Prometheus sees it.
    pub name: &'static str,
    /// `counter`, `gauge` or `histogram`.
    pub kind: &'static str,
    /// What it is measured in.
    pub unit: &'static str,
    /// The label that tells its parts apart, if any.
    pub label: Option<&'static str>,
    /// What it tells.
    pub help: &'static str,
}

macro_rules! metrics {
    ($($kind:ident $field:ident = $name:literal, $unit:literal, $help:literal $(, $extra:expr)*;)*) => {
        /// One field for each row of the table.
        #[derive(Debug)]
        pub struct Metrics { $(#[doc = $help] pub $field: metrics!(@type $kind),)* }

        impl Metrics {
            /// All at zero.
            #[must_use]
            pub const fn new() -> Self {
                Self { $($field: <metrics!(@type $kind)>::new($($extra),*),)* }
            }

            /// The table.
            #[must_use]
            pub fn table(&self) -> Vec<Description> {
                vec![$(Description {
                    name: $name, kind: metrics!(@word $kind), unit: $unit, label: self.$field.label(), help: $help,
                }),*]
            }

            /// All values in the text format of Prometheus.
            #[must_use]
            pub fn render(&self) -> String {
                let mut text = String::with_capacity(16 * 1024);
                $(head(&mut text, $name, metrics!(@word $kind), $help); self.$field.render($name, &mut text);)*
                text
            }
        }
    };
    (@type counter) => { Counter };
    (@type gauge) => { Gauge };
    (@type histogram) => { Histogram };
    (@type family) => { Family };
    (@word family) => { "counter" };
    (@word $kind:ident) => { stringify!($kind) };
}

metrics! {
    family sip_received = "tandem_sip_received_total", "messages", "SIP messages received, by transport.", "transport", TRANSPORTS;
    family sip_sent = "tandem_sip_sent_total", "messages", "SIP messages sent, by transport.", "transport", TRANSPORTS;
    family trunk_refusals = "tandem_trunk_refusals_total", "calls", "Calls that the rules of a trunk refused, by why.", "why", REFUSALS;
    counter trunk_failovers = "tandem_trunk_failovers_total", "calls", "Calls that went on to the next trunk of their group.";
    family dns_lookups = "tandem_dns_lookups_total", "lookups", "Questions to the DNS for servers of carriers.", "result", DNS_RESULTS;
    counter sip_auth_failed = "tandem_sip_auth_failed_total", "requests", "SIP requests with wrong credentials.";
    counter sip_faults = "tandem_sip_faults_total", "faults", "SIP messages dropped and legs ended by a fault of ours.";
    family sip_refused = "tandem_sip_refused_total", "requests", "Requests that began something new and were refused because there was too much to do, by who comes first.", "class",
        &["emergency", "in-queue", "agent", "new"];
    family sip_dropped = "tandem_sip_dropped_total", "messages", "SIP messages that were not answered, by reason.", "reason",
        &["banned", "scanner", "other-domain", "rate", "malformed", "ack", "backlog"];
    family bans_begun = "tandem_bans_total", "bans", "Bans of sources, by offence.", "offence",
        &["passwords", "malformed", "scan", "flood"];
    gauge bans = "tandem_bans", "sources", "Sources that are banned now.";
    gauge calls_let_in = "tandem_calls_let_in_per_second", "calls", "New calls a second that are let in at most; 0 while all are.";
    gauge sip_wait_ms = "tandem_sip_wait_ms", "ms", "How long a message that begins something waits for its turn.";
    gauge sip_transactions = "tandem_sip_transactions", "transactions", "SIP transactions in memory.";
    gauge sip_connections = "tandem_sip_connections", "connections", "Open TCP, TLS and WebSocket connections of SIP.";
    counter capture_sent = "tandem_capture_sent_total", "messages", "Copies of SIP messages sent to the collector.";
    counter capture_dropped = "tandem_capture_dropped_total", "messages", "Copies of SIP messages that found the queue to the collector full, or no way to it.";
    gauge registrations = "tandem_registrations", "bindings", "Devices registered now.";

    counter calls_started = "tandem_calls_started_total", "calls", "Calls that arrived.";
    counter calls_shed = "tandem_calls_shed_total", "calls", "Calls refused because the switch was overloaded or draining.";
    family calls_ended = "tandem_calls_ended_total", "calls", "Calls that ended, by cause.", "cause", CAUSES;
    family calls_blamed = "tandem_calls_blamed_total", "calls", "Calls that ended, by whose doing it was.", "blame",
        &["caller", "callee", "carrier", "us"];
    family caller_identity = "tandem_caller_identity_total", "calls", "Signed caller ids checked, by verdict.", "verdict", IDENTITIES;
    gauge calls = "tandem_calls", "calls", "Calls in memory now.";
    gauge legs = "tandem_legs", "legs", "Legs of these calls.";
    counter calls_kept = "tandem_calls_kept_total", "writes", "Times that a call was written down to outlive the process.";
    gauge calls_unkept = "tandem_calls_unkept", "calls", "Calls that changed since they were written down.";
    gauge calls_taken_up = "tandem_calls_taken_up", "calls", "Calls of the last process that this one took up at its start.";
    gauge calls_not_taken_up = "tandem_calls_not_taken_up", "calls", "Calls that were up in the last process and that this one closed.";
    counter call_faults = "tandem_call_faults_total", "calls", "Calls ended by a fault of ours, a caught panic included.";
    histogram call_setup = "tandem_call_setup_seconds", "seconds", "From a call's first message to our answer of it.", LONG_US;

    counter toll_alarms = "tandem_toll_alarms_total", "alarms", "Times that an extension or trunk called outside as much as it may, told once an hour.";
    family toll_refusals = "tandem_toll_refusals_total", "calls", "Calls outside that were refused or ended by a cap.", "cap",
        &["calls", "per-hour", "per-day", "abroad-minutes"];
    gauge items_waiting = "tandem_items_waiting", "items", "Items waiting in all queues.";
    gauge agents_signed_in = "tandem_agents_signed_in", "agents", "Agents on duty.";
    family offers_ended = "tandem_offers_ended_total", "offers", "Offers to agents, by how they ended.", "outcome",
        &["accepted", "declined", "expired", "unreached", "withdrawn"];
    counter items_refused = "tandem_items_refused_total", "items", "Calls that a queue did not take in.";
    counter items_overflowed = "tandem_items_overflowed_total", "items", "Callers who passed on to another queue while waiting.";
    counter items_abandoned = "tandem_items_abandoned_total", "items", "Callers who hung up while waiting.";
    histogram answer_wait = "tandem_answer_wait_seconds", "seconds", "Time in the queue of those whom an agent answered.", LONG_US;
    histogram floor_decision = "tandem_floor_decision_seconds", "seconds", "One input of the floor, outputs included.", SHORT_US;

    gauge media_streams = "tandem_media_streams", "streams", "RTP ports in use by legs.";
    gauge media_ports_free = "tandem_media_ports_free", "ports", "RTP ports that a new leg could have.";
    counter media_packets_in = "tandem_media_packets_in_total", "packets", "RTP packets received, counted when a leg ends.";
    counter media_packets_out = "tandem_media_packets_out_total", "packets", "RTP packets sent, counted when a leg ends.";
    counter media_packets_refused = "tandem_media_packets_refused_total", "packets",
        "RTP packets from an address that is not the leg's, or that could not be read, counted when a leg ends.";
    counter media_packets_lost = "tandem_media_packets_lost_total", "packets", "RTP packets that the other side sent and we did not get, counted when a leg ends.";
    family media_mos = "tandem_media_mos_total", "legs", "Legs that ended, by the estimated score (MOS) of what we received: at least so much.", "mos", SCORES;
    family media_remote_mos = "tandem_media_remote_mos_total", "legs",
        "Legs that ended, by the estimated score (MOS) of what their peer reports to receive: at least so much.", "mos", SCORES;
    family media_one_way = "tandem_media_one_way_total", "legs", "Verdicts on audio that goes one way only, by cause.", "cause", OneWay::CAUSES;
    gauge media_nobodys = "tandem_media_shared_port_strays", "datagrams", "Datagrams on the ports that browsers share that were no call's, since the start.";
    gauge media_turn = "tandem_media_turn_addresses", "addresses", "Addresses that the TURN server lends to the ports that browsers share, one for each at most; 0 while it is away.";
    family media_no_keys = "tandem_media_no_keys_total", "legs", "Verdicts on legs with DTLS that have no keys, by cause.", "cause", NoKeys::CAUSES;
    gauge audio_streams = "tandem_audio_streams", "streams", "Streams of calls' audio to programs now.";
    counter audio_stream_frames = "tandem_audio_stream_frames_total", "frames", "Frames of 20 ms that programs were sent.";
    counter audio_stream_frames_dropped = "tandem_audio_stream_frames_dropped_total", "frames", "Frames that a program did not take in time.";
    family audio_streams_ended = "tandem_audio_streams_ended_total", "streams", "Streams of calls' audio that ended, by how.", "ending",
        &["stopped", "done", "hangup", "failed", "stalled"];
    family decisions = "tandem_decisions_total", "questions", "Questions to decision services, by what came of them.", "result", DECISIONS;
    gauge decisions_under_way = "tandem_decisions_under_way", "questions", "Questions to decision services that wait for an answer.";
    histogram decision_time = "tandem_decision_seconds", "seconds", "From a question to a decision service to what came of it.", BUDGET_US;
    gauge recordings = "tandem_recordings", "recordings", "Recordings under way.";
    counter prompts_missing = "tandem_prompts_missing_total", "prompts", "Prompts that should have been heard and are not there.";
    counter recordings_failed = "tandem_recordings_failed_total", "recordings", "Recordings that could not be written.";
    gauge recordings_unfinished = "tandem_recordings_unfinished", "recordings", "Recordings that are over and not yet what is kept, at most 16.";
    counter recordings_saved = "tandem_recordings_saved_total", "recordings", "Recordings that are what is kept, read back and on the disk.";
    gauge recordings_unspooled = "tandem_recordings_unspooled", "recordings", "Recordings that wait for the store, at most 16.";
    counter recordings_spooled = "tandem_recordings_spooled_total", "recordings", "Recordings that the store has.";
    counter recordings_spool_failed = "tandem_recordings_spool_failed_total", "attempts", "Attempts to bring a recording to the store that are made again.";
    counter recordings_deleted = "tandem_recordings_deleted_total", "recordings", "Recordings deleted because their time was over.";
    counter recordings_retried = "tandem_recordings_retried_total", "attempts", "Attempts to finish a recording that are made again, as on a full disk.";

    family webhook_deliveries = "tandem_webhook_deliveries_total", "attempts", "Attempts to tell subscribers outside of an event, by what came of them.", "result",
        &["taken", "refused", "failed"];
    counter webhook_dead = "tandem_webhook_dead_total", "events", "Events that a subscriber outside did not take in time, and that are dead letters.";
    gauge webhooks_failing = "tandem_webhooks_failing", "subscriptions", "Subscriptions whose last attempt failed.";
    histogram webhook_time = "tandem_webhook_seconds", "seconds", "From the begin of an attempt to what came of it.", BUDGET_US;

    family lookups = "tandem_lookups_total", "lookups", "Questions to the CRM about numbers, by what came of them.", "result",
        &["answered", "nobody", "kept", "failed", "busy", "resting"];
    counter lookups_late = "tandem_lookups_late_total", "lookups", "Answers of the CRM that came after the screens that wanted them.";
    histogram lookup_time = "tandem_lookup_seconds", "seconds", "From a question to the CRM to what came of it.", BUDGET_US;

    counter messages_left = "tandem_messages_left_total", "messages", "Voice messages that were left.";
    counter messages_failed = "tandem_messages_failed_total", "messages", "Voice messages that could not be written.";

    histogram line_loop_turn = "tandem_line_loop_turn_seconds", "seconds", "One turn of a line loop.", SHORT_US;
    counter loop_messages_refused = "tandem_loop_messages_refused_total", "messages",
        "Messages between loops that found a full channel.";

    counter store_records = "tandem_store_records_total", "records", "Records committed.";
    counter store_batches = "tandem_store_batches_total", "transactions", "Transactions they were committed in.";
    counter store_retries = "tandem_store_retries_total", "attempts", "Commits tried again because the database was away or busy.";
    counter store_records_refused = "tandem_store_records_refused_total", "records",
        "Records lost: the queue was full, or the database refused a value.";
    gauge store_queue_records = "tandem_store_queue_records", "records", "Records that wait to be committed.";

    family http_responses = "tandem_http_responses_total", "responses", "Responses of the HTTP API, by class of status.", "class",
        &["1xx", "2xx", "3xx", "4xx", "5xx"];
    counter http_refused = "tandem_http_refused_total", "connections", "HTTP connections refused because there were too many.";
    gauge rule_timers = "tandem_rule_timers", "timers", "Timers of rules over channels that run.";
    counter rules_fired = "tandem_rules_fired_total", "rules", "Rules over channels that were carried out.";
    gauge http_subscribers = "tandem_http_subscribers", "connections", "WebSocket subscribers of events and traces.";
    counter http_gaps = "tandem_http_gaps_total", "gaps", "Times that a subscriber was too slow and was told of a gap.";

    gauge plan_generation = "tandem_plan_generation", "generation", "Generation of the plan in service.";
    gauge plan_canary = "tandem_plan_canary_generation", "generation", "Generation of the canary; 0 while there is none.";
    counter plan_taken_back = "tandem_plan_taken_back_total", "plans", "Plans that went back by themselves because too many of their calls went wrong.";
    counter plan_reloads_refused = "tandem_plan_reloads_refused_total", "reloads", "Plans that were not taken because check found errors.";
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

/// The head of one metric in the text format.
pub(crate) fn head(text: &mut String, name: &str, kind: &str, help: &str) {
    // Writing to a String cannot fail.
    let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
}

/// How each kind shows itself.
trait Render {
    fn render(&self, name: &str, text: &mut String);
    fn label(&self) -> Option<&'static str> {
        None
    }
}

impl Render for Counter {
    fn render(&self, name: &str, text: &mut String) {
        let _ = writeln!(text, "{name} {}", self.get());
    }
}

impl Render for Gauge {
    fn render(&self, name: &str, text: &mut String) {
        let _ = writeln!(text, "{name} {}", self.get());
    }
}

impl Render for Histogram {
    fn render(&self, name: &str, text: &mut String) {
        let mut total = 0;
        for (bound, count) in self.bounds_us.iter().zip(&self.counts) {
            total += count.load(Relaxed);
            let _ = writeln!(text, "{name}_bucket{{le=\"{}\"}} {total}", Seconds(*bound));
        }
        total += self.counts[self.bounds_us.len()].load(Relaxed);
        let _ = writeln!(text, "{name}_bucket{{le=\"+Inf\"}} {total}");
        let _ = writeln!(text, "{name}_sum {}\n{name}_count {total}", Seconds(self.sum_us.load(Relaxed)));
    }
}

impl Render for Family {
    fn render(&self, name: &str, text: &mut String) {
        for (value, count) in self.values.iter().chain(&["other"]).zip(&self.counts) {
            let _ = writeln!(text, "{name}{{{}=\"{value}\"}} {}", self.label, count.load(Relaxed));
        }
    }

    fn label(&self) -> Option<&'static str> {
        Some(self.label)
    }
}

/// µs as seconds, exactly.
struct Seconds(u64);

impl std::fmt::Display for Seconds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let fraction = format!("{:06}", self.0 % 1_000_000);
        match fraction.trim_end_matches('0') {
            "" => write!(f, "{}", self.0 / 1_000_000),
            fraction => write!(f, "{}.{fraction}", self.0 / 1_000_000),
        }
    }
}

/// `docs/metrics.md`, made from the table and from what `/metrics` adds for each queue.
#[must_use]
pub fn document() -> String {
    let mut text = String::from(
        "# Metrics\n\n`GET /metrics` gives these in the text format of Prometheus; it asks for a token of scope `read`.\n\
         This page is made from the table in `server/src/metrics.rs`; a test keeps them the same.\n\n\
         | metric | kind | unit | label | what it tells |\n|---|---|---|---|---|\n",
    );
    for row in METRICS.table().iter().chain(QUEUE_METRICS).chain(&[AGENTS_METRIC, QUEUE_AGENTS_METRIC]) {
        let label = row.label.map_or_else(|| "–".to_owned(), |label| format!("`{label}`"));
        let _ = writeln!(text, "| `{}` | {} | {} | {label} | {} |", row.name, row.kind, row.unit, row.help);
    }
    text
}

/// Asked of the floor at each scrape, one line a queue.
pub const QUEUE_METRICS: &[Description] = &[
    queue_metric("tandem_queue_waiting", "items", "Items waiting in a queue."),
    queue_metric("tandem_queue_longest_wait_seconds", "seconds", "How long the first of them has waited."),
    queue_metric("tandem_queue_agents_signed_in", "agents", "Agents of a queue on duty."),
    queue_metric("tandem_queue_agents_ready", "agents", "Agents of a queue who could take an offer now."),
    queue_counter("tandem_queue_offered_total", "items", "Waits on the line that began in a queue."),
    queue_counter("tandem_queue_answered_total", "items", "Of these, those whom an agent answered."),
    queue_counter("tandem_queue_answered_wait_seconds_total", "wait", "Their waits together, in seconds."),
    queue_counter("tandem_queue_abandoned_total", "items", "Of these, those who went without an answer."),
    queue_counter(
        "tandem_queue_flowed_out_total",
        "items",
        "Of these, those who passed on, are called back, or went on in the plan.",
    ),
];

/// Asked likewise, for each state of agents.
pub const AGENTS_METRIC: Description =
    Description { name: "tandem_agents", kind: "gauge", unit: "agents", label: Some("state"), help: "Agents by what they do." };

/// The same for the agents of each queue.
pub const QUEUE_AGENTS_METRIC: Description = Description {
    name: "tandem_queue_agents",
    label: Some("queue`, `state"),
    help: "Agents of a queue by what they do.",
    ..AGENTS_METRIC
};

const fn queue_metric(name: &'static str, unit: &'static str, help: &'static str) -> Description {
    Description { name, kind: "gauge", unit, label: Some("queue"), help }
}

const fn queue_counter(name: &'static str, unit: &'static str, help: &'static str) -> Description {
    Description { kind: "counter", ..queue_metric(name, unit, help) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_well_formed_and_end_as_their_kind_asks() {
        let mut seen = std::collections::HashSet::new();
        for row in METRICS.table().iter().chain(QUEUE_METRICS) {
            assert!(seen.insert(row.name), "{} stands twice", row.name);
            assert!(
                row.name.starts_with("tandem_") && row.name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'),
                "{}",
                row.name
            );
            assert_eq!(row.name.ends_with("_total"), row.kind == "counter", "{}", row.name);
            assert_eq!(row.name.ends_with("_seconds"), row.unit == "seconds", "{}", row.name);
            assert!(row.help.ends_with('.'), "{}", row.name);
        }
    }

    #[test]
    fn the_page_in_docs_is_the_table() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/metrics.md");
        if std::env::var_os("TANDEM_WRITE_DOCS").is_some() {
            std::fs::write(path, document()).unwrap();
        }
        let page = std::fs::read_to_string(path).unwrap_or_default();
        assert!(page == document(), "docs/metrics.md is not the table: run the test again with TANDEM_WRITE_DOCS=1");
    }

    #[test]
    fn a_histogram_counts_each_value_once_and_shows_seconds() {
        let histogram = Histogram::new(SHORT_US);
        for us in [50, 51, 2_000_000] {
            histogram.observe_us(us);
        }
        let mut text = String::new();
        histogram.render("t", &mut text);
        assert!(text.starts_with("t_bucket{le=\"0.00005\"} 1\nt_bucket{le=\"0.0001\"} 2\n"), "{text}");
        assert!(text.ends_with("t_bucket{le=\"1\"} 2\nt_bucket{le=\"+Inf\"} 3\nt_sum 2.000101\nt_count 3\n"), "{text}");
    }

    #[test]
    fn an_unknown_label_value_counts_as_other() {
        let family = Family::new("cause", CAUSES);
        family.inc("busy");
        family.inc("from the outside \"\n");
        let mut text = String::new();
        family.render("t", &mut text);
        assert!(text.contains("t{cause=\"busy\"} 1\n") && text.ends_with("t{cause=\"other\"} 1\n"));
    }
}
