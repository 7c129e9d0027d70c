//! Phones over WebSocket, by a library that is not ours: `tests/web/phone.py`.

use std::{
    io::{BufRead, BufReader, Read as _},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, sync_channel},
    thread,
};

use crate::{switch::Switch, wait};

/// One such phone.
pub struct WebPhone {
    child: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
}

impl WebPhone {
    /// Connects to `url` (`ws` or `wss`) and registers an extension. With a number it calls that, and expects the
    /// code; without, it answers one call.
    ///
    /// # Panics
    /// When there is no Python.
    #[must_use]
    pub fn start(switch: &Switch, url: &str, user: &str, call: Option<(&str, &str)>) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("web/phone.py");
        // The system's Python: it has the library that `docker/packages.sh` installs.
        let mut command = Command::new("/usr/bin/python3");
        command.arg(script).args([url, user, &switch.password(user)]);
        if let Some((number, code)) = call {
            command.args([number, code]);
        }
        if url.starts_with("wss") {
            if call.is_none() {
                command.args(["", ""]);
            }
            command.arg(switch.ground.join("var/tls/certificate.pem"));
        }
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("python3");
        let stdout = child.stdout.take().expect("piped above");
        let (tx, lines) = sync_channel(100);
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if tx.send(line).is_err() {
                    break;
                }
            }
        });
        Self { child, lines, seen: Vec::new() }
    }

    /// Waits until it says so.
    #[track_caller]
    pub fn until(&mut self, word: &str) {
        let found = wait::until(&format!("the phone says {word}"), wait::SOON, || {
            self.seen.extend(self.lines.try_iter());
            let ended = self.child.try_wait().expect("a child").is_some_and(|status| !status.success());
            (ended || self.seen.iter().any(|line| line == word)).then_some(!ended)
        });
        let complaint = if found { String::new() } else { self.complaint() };
        assert!(found, "the phone failed after {:?}: {complaint}", self.seen);
    }

    /// Waits until it ends, well.
    #[track_caller]
    pub fn succeed(mut self) {
        let status = wait::until("the phone ends", wait::SOON, || self.child.try_wait().expect("a child"));
        let complaint = if status.success() { String::new() } else { self.complaint() };
        assert!(status.success(), "the phone failed: {complaint}");
    }

    fn complaint(&mut self) -> String {
        let mut text = String::new();
        if let Some(mut stderr) = self.child.stderr.take() {
            let _as_far_as_it_goes = stderr.read_to_string(&mut text);
        }
        text
    }
}

impl Drop for WebPhone {
    fn drop(&mut self) {
        let _already_gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}
