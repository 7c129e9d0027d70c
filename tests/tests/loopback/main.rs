//! The built program on real sockets, with phones and carriers that others wrote.

mod abuse;
mod announcements;
mod applying;
mod audio_streams;
mod baresip;
mod board;
mod browser_audio;
mod browsers;
mod callbacks;
mod calls_audit;
mod capture;
mod codecs;
mod commands;
mod conferences;
mod crowd;
mod decisions;
mod devices;
mod editors;
mod emergency;
mod endings;
mod first_call;
mod hand_backs;
mod hostile;
mod identity;
mod kamailio;
mod legs;
mod lookups;
mod media;
mod media_attacks;
mod media_keys;
mod no_keys;
mod outage;
mod pairs;
mod parking;
mod payments;
mod plan_edits;
mod quality;
mod queue;
mod recordings;
mod redirects;
mod registration;
mod reload_storm;
mod restart;
mod rules;
mod screens;
mod shared_port;
mod shipped;
mod signals;
mod simulated;
mod sipp;
mod soak;
mod stopping;
mod survive;
mod survive_ledger;
mod survive_plans;
mod survive_rest;
mod survive_ways;
mod talk;
mod torture;
mod transfer;
mod transports;
mod trunks;
mod turn;
mod voicemail;
mod watching;
mod web;
mod webhooks;
mod whatsapp;

use std::path::Path;

use serde_json::Value;
use tandem_tests::tone::{self, Heard};

/// A plan with short times; see there.
const TEAM: &str = include_str!("../../plans/team.kdl");

/// The same with HTTP in TLS as well.
fn with_https() -> String {
    TEAM.replace("    http ", "    https \"127.0.0.1:8443\"\n    http ")
}

/// The same, where pages describe plain RTP.
fn with_plain_pages() -> String {
    with_https().replace("extensions from=1001 to=1020", "extensions from=1001 to=1020 media-keys=\"none\"")
}

/// A shipped prompt, as `en/welcome`.
fn prompt(name: &str) -> Heard {
    tone::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../dialplans/prompts/{name}.wav")), 0)
}

/// Asserts fields of a record that are words.
#[track_caller]
fn tells(record: &Value, fields: &[(&str, &str)]) {
    for (field, value) in fields {
        assert_eq!(record[*field], *value, "{field} of {record}");
    }
}

/// The states that a record says the call was in, in order, beside those of the plan: they may be shorter
/// than anything that is measured.
fn states(record: &Value) -> Vec<&str> {
    let all = record["segments"].as_array().expect("segments").iter().map(|segment| segment["state"].as_str().expect("a word"));
    all.filter(|state| *state != "plan").collect()
}
