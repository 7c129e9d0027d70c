//! The switch as a process.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
        mpsc::{Receiver, sync_channel},
    },
    thread,
    time::Duration,
};

use serde_json::Value;

use crate::wait;

const START_LIMIT: Duration = Duration::from_secs(60);

/// The built program, brought up to date once per test process.
///
/// # Panics
/// When it does not build.
#[must_use]
pub fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let out = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--locked", "-p", "tandem", "--bin", "tandem", "--message-format", "json"])
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
            .stderr(Stdio::inherit())
            .output()
            .expect("cargo runs");
        assert!(out.status.success(), "the program does not build");
        String::from_utf8_lossy(&out.stdout)
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .find_map(|message| message["executable"].as_str().map(PathBuf::from))
            .expect("cargo names the program")
    })
}

/// A running switch with a data folder and a loopback address of its own.
pub struct Switch {
    child: Child,
    lines: Receiver<String>,
    /// Its folder: `var/` of the switch, and whatever a test puts beside it.
    pub folder: PathBuf,
    config: String,
    database: Option<String>,
    /// Its address.
    pub ip: Ipv4Addr,
    http: tokio::runtime::Runtime,
}

impl Switch {
    /// Starts the demo.
    #[must_use]
    pub fn demo() -> Self {
        Self::start("demo", None)
    }

    /// Starts with a plan of the test's own, given as the text of one file.
    ///
    /// # Panics
    /// When the folder cannot be written.
    #[must_use]
    pub fn with_plan(plan: &str) -> Self {
        let folder = folder();
        let config = folder.join("plan");
        fs::create_dir_all(&config).expect("a writable folder");
        fs::write(config.join("plan.kdl"), plan).expect("a writable folder");
        Self::start_in(folder, config.to_str().expect("plain paths"), None)
    }

    /// Starts with a configuration and, when given, a database other than the embedded one.
    #[must_use]
    pub fn start(config: &str, database: Option<String>) -> Self {
        Self::start_in(folder(), config, database)
    }

    fn start_in(folder: PathBuf, config: &str, database: Option<String>) -> Self {
        let ip = address();
        let (child, lines) = spawn(&folder, config, database.as_deref(), ip);
        let http = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let switch = Self { child, lines, folder, config: config.to_owned(), database, ip, http };
        switch.wait_ready();
        switch
    }

    fn wait_ready(&self) {
        wait::until("the switch says ready", START_LIMIT, || {
            while let Ok(line) = self.lines.try_recv() {
                if line.to_lowercase().contains("ready") {
                    return Some(());
                }
            }
            None
        });
        wait::until("/readyz answers 200", START_LIMIT, || (self.status("/readyz") == 200).then_some(()));
    }

    /// Its process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// `kill -9`, and nothing else.
    pub fn kill9(&mut self) {
        self.child.kill().expect("our child");
        self.child.wait().expect("our child");
    }

    /// Starts it again on the same data and address.
    pub fn start_again(&mut self) {
        let (child, lines) = spawn(&self.folder, &self.config, self.database.as_deref(), self.ip);
        (self.child, self.lines) = (child, lines);
        self.wait_ready();
    }

    /// Sends a signal by name (`TERM`, `HUP`).
    ///
    /// # Panics
    /// When the process is gone.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args([&format!("-{name}"), &self.pid().to_string()]).status().expect("kill runs");
        assert!(status.success(), "no process to signal");
    }

    /// Waits for the process to end by itself.
    #[track_caller]
    pub fn ended(&mut self, limit: Duration) -> std::process::ExitStatus {
        wait::until("the switch ends", limit, || self.child.try_wait().expect("our child"))
    }

    /// Whether the process lives.
    pub fn lives(&mut self) -> bool {
        self.child.try_wait().expect("our child").is_none()
    }

    /// The password that the first start made for an extension.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn password(&self, extension: &str) -> String {
        let text = fs::read_to_string(self.folder.join("var/demo-passwords")).expect("var/demo-passwords");
        text.lines()
            .find_map(|line| line.split_whitespace().collect::<Vec<_>>().split_first().filter(|(e, _)| **e == extension).map(|(_, p)| p[0].to_owned()))
            .unwrap_or_else(|| panic!("no password for {extension} in:\n{text}"))
    }

    /// Runs the program's command line against this switch.
    ///
    /// # Panics
    /// When it fails.
    #[track_caller]
    pub fn cli(&self, arguments: &[&str]) -> String {
        let out = Command::new(program()).args(arguments).args(["--data", "var"]).current_dir(&self.folder).output().expect("the program runs");
        let text = String::from_utf8_lossy(&out.stdout).into_owned();
        assert!(out.status.success(), "tandem {arguments:?}: {}\n{text}{}", out.status, String::from_utf8_lossy(&out.stderr));
        text
    }

    fn access(&self) -> (String, String) {
        let text = fs::read_to_string(self.folder.join("var/cli.json")).expect("var/cli.json");
        let access: Value = serde_json::from_str(&text).expect("JSON");
        let field = |name: &str| access[name].as_str().unwrap_or_else(|| panic!("{name} in var/cli.json")).to_owned();
        (field("server"), field("token"))
    }

    /// The JSON at a path of the API.
    ///
    /// # Panics
    /// When it is not there.
    #[track_caller]
    pub fn get(&self, path: &str) -> Value {
        let (server, token) = self.access();
        let url = format!("{server}{path}");
        let body = self.http.block_on(async {
            let reply = reqwest::Client::new().get(&url).bearer_auth(token).send().await.expect("the API answers");
            assert!(reply.status().is_success(), "{url}: {}", reply.status());
            reply.bytes().await.expect("a whole reply")
        });
        serde_json::from_slice(&body).unwrap_or_else(|e| panic!("{url}: {e}"))
    }

    /// Posts JSON to a path of the API.
    ///
    /// # Panics
    /// When it is refused.
    #[track_caller]
    pub fn post(&self, path: &str, body: &Value) {
        let (server, token) = self.access();
        let url = format!("{server}{path}");
        self.http.block_on(async {
            let reply = reqwest::Client::new().post(&url).bearer_auth(token).json(body).send().await.expect("the API answers");
            let status = reply.status();
            assert!(status.is_success(), "{url}: {status} {}", reply.text().await.unwrap_or_default());
        });
    }

    /// The status of a path without a token; 0 when nobody answers.
    #[must_use]
    pub fn status(&self, path: &str) -> u16 {
        let url = format!("http://{}:8080{path}", self.ip);
        self.http.block_on(async { reqwest::get(&url).await.map_or(0, |reply| reply.status().as_u16()) })
    }

    /// Another address of this test, for phones: 127.x.y.`last`.
    #[must_use]
    pub fn neighbour(&self, last: u8) -> Ipv4Addr {
        let [a, b, c, _] = self.ip.octets();
        Ipv4Addr::new(a, b, c, last)
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        let _already_gone = self.child.kill();
        let _reaped = self.child.wait();
        if thread::panicking() {
            eprintln!("left for a look: {}", self.folder.display());
        } else {
            let _not_worth_failing = fs::remove_dir_all(&self.folder);
        }
    }
}

fn spawn(folder: &Path, config: &str, database: Option<&str>, ip: Ipv4Addr) -> (Child, Receiver<String>) {
    let mut command = Command::new(program());
    command.args(["serve", "--config", config, "--data", "var", "--bind", &ip.to_string()]);
    if let Some(url) = database {
        command.args(["--database", url]);
    }
    let log = fs::OpenOptions::new().create(true).append(true).open(folder.join("log")).expect("a writable folder");
    let mut child =
        command.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).spawn().expect("the program starts");
    let stdout = child.stdout.take().expect("piped above");
    let (tx, rx) = sync_channel(10_000);
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if tx.send(line).is_err() {
                break;
            }
        }
    });
    (child, rx)
}

static COUNTER: AtomicU32 = AtomicU32::new(0);

/// A folder of this test alone.
fn folder() -> PathBuf {
    let number = COUNTER.fetch_add(1, Ordering::Relaxed);
    let folder = std::env::temp_dir().join(format!("tandem-{}-{number}", std::process::id()));
    fs::create_dir_all(&folder).expect("a writable folder");
    folder
}

/// A loopback address that no other test of this run uses.
fn address() -> Ipv4Addr {
    let number = COUNTER.fetch_add(1, Ordering::Relaxed);
    let own = std::process::id().wrapping_mul(31).wrapping_add(number) % (200 * 250);
    let octet = |n: u32| u8::try_from(n).expect("below 250");
    Ipv4Addr::new(127, 20 + octet(own / 250), octet(own % 250) + 1, 1)
}
