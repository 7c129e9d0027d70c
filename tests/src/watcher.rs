//! Whoever watches an extension, or sends it a text: `tests/python/watcher.py`, which shares no code with the switch.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, sync_channel},
    thread,
};

use serde_json::Value;

use crate::{switch::Switch, wait};

/// A running watcher. Ended when dropped.
pub struct Watcher {
    child: Child,
    told: Receiver<Value>,
    name: String,
}

impl Watcher {
    /// Subscribes `user` to a package (`dialog`) of `number`.
    ///
    /// # Panics
    /// When python3 is not installed.
    #[must_use]
    pub fn start(switch: &Switch, user: &str, event: &str, number: &str) -> Self {
        let mut child = command(switch, "watch", user).args([event, number]).spawn().expect("python3 is installed");
        let stdout = child.stdout.take().expect("piped below");
        let (tx, told) = sync_channel(1_000);
        thread::spawn(move || {
            let lines = BufReader::new(stdout).lines().map_while(Result::ok);
            for value in lines.filter_map(|line| serde_json::from_str(&line).ok()) {
                if tx.send(value).is_err() {
                    break;
                }
            }
        });
        Self { child, told, name: format!("{user} watching {event} of {number}") }
    }

    /// Waits until it is told something with `text` in the document; what it was told. What came before is
    /// forgotten.
    ///
    /// # Panics
    /// When it is not told in time.
    #[track_caller]
    pub fn until_told(&self, text: &str) -> Value {
        let mut seen = Vec::new();
        let end = wait::deadline(wait::SOON);
        loop {
            let left = std::time::Duration::from_millis(50);
            match self.told.recv_timeout(left) {
                Ok(told) if told["body"].as_str().is_some_and(|body| body.contains(text)) => return told,
                Ok(told) => seen.push(told),
                Err(_) => assert!(!wait::passed(end), "{}: never told of {text}; told {seen:?}", self.name),
            }
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let _already_gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// Has `user` send a text to `number`; the code of the final reply.
///
/// # Panics
/// When there is no reply.
#[track_caller]
#[must_use]
pub fn send_text(switch: &Switch, user: &str, number: &str, text: &str) -> u16 {
    let out = command(switch, "text", user).args([number, text]).output().expect("python3 is installed");
    let said = String::from_utf8_lossy(&out.stdout);
    said.trim().parse().unwrap_or_else(|_| panic!("no reply to a text: {said}{}", String::from_utf8_lossy(&out.stderr)))
}

fn command(switch: &Switch, what: &str, user: &str) -> Command {
    let mut command = Command::new("python3");
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("python/watcher.py")).arg(what);
    command.args([&switch.sip.to_string(), &switch.ground.device().to_string(), user, &switch.password(user)]);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    command
}
