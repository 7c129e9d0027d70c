//! Programs that a switch gives the audio of calls to, by a library that is not ours: `tests/web/program.py`, or a script of the
//! test's own.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, sync_channel},
    thread,
};

use serde_json::Value;

use crate::{ports::Ports, tone, wait};

/// One such program.
pub struct Program {
    child: Child,
    lines: Receiver<String>,
    seen: Vec<Value>,
    folder: PathBuf,
    ports: Ports,
    arguments: Vec<String>,
    script: PathBuf,
}

impl Program {
    /// Starts one that behaves in a way that the script knows; `token` is what it wants of whoever comes.
    ///
    /// # Panics
    /// When there is no Python, or it does not listen.
    #[must_use]
    pub fn start(mode: &str, token: Option<&str>) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("web/program.py");
        let mut program = Self::spawn(script, |port, folder| {
            let arguments = [mode.to_owned(), port.to_string(), folder.to_str().expect("plain paths").to_owned()];
            arguments.into_iter().chain(token.map(str::to_owned)).collect()
        });
        program.until("listening");
        program
    }

    /// Starts a script of `tests/web` with the port to listen at, and more.
    ///
    /// # Panics
    /// When there is no Python, or it does not listen.
    #[must_use]
    pub fn of_script(name: &str, more: &[&str]) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("web").join(name);
        let more = more.iter().map(|&argument| argument.to_owned());
        let mut program = Self::spawn(script, |port, _| [port.to_string()].into_iter().chain(more).collect());
        program.until("listening");
        program
    }

    /// Runs a Python script with the port to listen at.
    ///
    /// # Panics
    /// When there is no Python, or it does not listen.
    #[must_use]
    pub fn of_text(text: &str) -> Self {
        let script = std::env::temp_dir().join(format!("tandem-program-{}.py", std::process::id()));
        fs::write(&script, text).expect("a writable folder");
        let program = Self::spawn(script, |port, _| vec![port.to_string()]);
        let at = (std::net::Ipv4Addr::LOCALHOST, program.port());
        wait::until_true("the script listens", || std::net::TcpStream::connect(at).is_ok());
        program
    }

    fn spawn(script: PathBuf, arguments: impl FnOnce(u16, &Path) -> Vec<String>) -> Self {
        let ports = Ports::take();
        let folder = std::env::temp_dir().join(format!("tandem-program-{}-{}", std::process::id(), ports.at(0)));
        fs::create_dir_all(&folder).expect("a writable folder");
        let arguments = arguments(ports.at(0), &folder);
        let (child, lines) = run(&script, &arguments);
        Self { child, lines, seen: Vec::new(), folder, ports, arguments, script }
    }

    /// Where it listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.ports.at(0)
    }

    /// The address for a plan.
    #[must_use]
    pub fn url(&self) -> String {
        format!("ws://127.0.0.1:{}/calls", self.port())
    }

    /// Ends it at once.
    pub fn kill(&mut self) {
        let _already_gone = self.child.kill();
        let _reaped = self.child.wait();
    }

    /// Runs it again, without what it had recorded.
    ///
    /// # Panics
    /// When its folder cannot be written.
    pub fn again(&mut self) {
        let _there_may_be_none = fs::remove_dir_all(&self.folder);
        fs::create_dir_all(&self.folder).expect("a writable folder");
        (self.child, self.lines) = run(&self.script, &self.arguments);
        self.seen.clear();
        self.until("listening");
    }

    /// Waits until it tells of such an event, and takes it; others stay.
    #[track_caller]
    pub fn until(&mut self, event: &str) -> Value {
        self.until_that(event, |_| true)
    }

    /// The same for one that has something more about it.
    #[track_caller]
    pub fn until_that(&mut self, event: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let mut found = None;
        let limit = wait::deadline(wait::SOON);
        while found.is_none() && !wait::passed(limit) {
            found = self.take(event, &fits);
            if found.is_none() {
                let _in_a_moment = self.lines.recv_timeout(std::time::Duration::from_millis(50)).map(|line| self.note(&line));
            }
        }
        found.unwrap_or_else(|| panic!("the program does not tell of {event}; it told {:?}", self.seen))
    }

    /// Whether it told of such an event.
    pub fn told(&mut self, event: &str) -> bool {
        self.take(event, &|_| true).is_some()
    }

    fn note(&mut self, line: &str) {
        self.seen.push(serde_json::from_str(line).unwrap_or_else(|_| Value::from(line)));
    }

    fn take(&mut self, event: &str, fits: &impl Fn(&Value) -> bool) -> Option<Value> {
        while let Ok(line) = self.lines.try_recv() {
            self.note(&line);
        }
        let at = self.seen.iter().position(|told| (told["event"] == event || told == event) && fits(told))?;
        Some(self.seen.remove(at))
    }

    /// What it recorded of a side in one of its connections.
    #[must_use]
    pub fn heard(&self, connection: u32, side: &str) -> tone::Heard {
        let path = self.folder.join(format!("{connection}-{side}.wav"));
        if path.exists() { tone::read(&path, 0) } else { tone::Heard::default() }
    }
}

fn run(script: &Path, arguments: &[String]) -> (Child, Receiver<String>) {
    // The system's Python: it has the library that `docker/packages.sh` installs.
    let mut child = Command::new("/usr/bin/python3")
        .arg(script)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 is installed (docker/packages.sh test)");
    let stdout = child.stdout.take().expect("piped above");
    let (tx, lines) = sync_channel(1_000);
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if tx.send(line).is_err() {
                break;
            }
        }
    });
    (child, lines)
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
        if !thread::panicking() {
            let _not_worth_failing = fs::remove_dir_all(&self.folder);
        }
    }
}
