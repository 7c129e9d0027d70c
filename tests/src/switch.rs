//! The switch as a process, and its API.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        OnceLock,
        mpsc::{Receiver, sync_channel},
    },
    thread,
    time::Duration,
};

use serde_json::{Value, json};

use crate::{ground::Ground, wait};

const START_LIMIT: Duration = Duration::from_secs(60);

/// The built program: the one that `TANDEM_TEST_PROGRAM` names, else brought up to date once per process.
///
/// # Panics
/// When it does not build.
#[must_use]
pub fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| std::env::var_os("TANDEM_TEST_PROGRAM").map_or_else(build, PathBuf::from))
}

fn build() -> PathBuf {
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
}

/// A running switch on its ground.
pub struct Switch {
    child: Child,
    lines: Receiver<String>,
    config: String,
    database: Option<String>,
    /// Where its SIP is.
    pub sip: SocketAddr,
    http: reqwest::Client,
    runtime: tokio::runtime::Runtime,
    /// Folder and addresses.
    pub ground: Ground,
}

impl Switch {
    /// Starts the demo.
    #[must_use]
    pub fn demo() -> Self {
        Self::start(Ground::new(), "demo", None, 5_060)
    }

    /// Starts with a plan of the test's own, given as the text of one file.
    #[must_use]
    pub fn with_plan(plan: &str) -> Self {
        Self::with_plan_on(plan, None)
    }

    /// As [`Switch::with_plan`], on a database other than the embedded one when given.
    ///
    /// # Panics
    /// When the folder cannot be written.
    #[must_use]
    pub fn with_plan_on(plan: &str, database: Option<String>) -> Self {
        let ground = Ground::new();
        let config = ground.plan(plan);
        Self::start(ground, config.to_str().expect("plain paths"), database, 5_060)
    }

    /// Starts on a ground with a configuration whose SIP port is `port`.
    ///
    /// # Panics
    /// When it does not come up.
    #[must_use]
    pub fn start(ground: Ground, config: &str, database: Option<String>, port: u16) -> Self {
        let (child, lines) = spawn(&ground, config, database.as_deref());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let http =
            reqwest::Client::builder().no_proxy().timeout(START_LIMIT).pool_max_idle_per_host(0).build().expect("an HTTP client");
        let sip = SocketAddr::new(ground.ip, port);
        let mut switch = Self { child, lines, config: config.to_owned(), database, sip, http, runtime, ground };
        switch.wait_ready();
        switch
    }

    fn wait_ready(&mut self) {
        wait::until("the switch says ready", START_LIMIT, || {
            let ready = self.lines.try_iter().any(|line| line.contains("ready"));
            assert!(ready || self.lives(), "the switch did not start:\n{}", self.log());
            ready.then_some(())
        });
        wait::until("/readyz answers 200", START_LIMIT, || (self.status("/readyz") == 200).then_some(()));
    }

    /// Its process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has logged.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.ground.join("log")).unwrap_or_default()
    }

    /// `kill -9`, and nothing else.
    ///
    /// # Panics
    /// When the process is gone.
    pub fn kill9(&mut self) {
        self.child.kill().expect("our child");
        self.child.wait().expect("our child");
    }

    /// Waits until all that is under way is written down, so that it would outlive a kill.
    #[track_caller]
    pub fn until_kept(&self) {
        wait::until_true("every call is kept", || self.metric("tandem_calls_unkept") == 0.0);
    }

    /// Changes the rows of its database while it does not run.
    ///
    /// # Panics
    /// When the statement fails.
    pub fn alter(&self, statement: &str) {
        let mut command = match &self.database {
            Some(url) => {
                let mut psql = Command::new("psql");
                psql.args([url.as_str(), "-q", "-v", "ON_ERROR_STOP=1", "-c", statement]);
                psql
            }
            None => {
                let mut python = Command::new("python3");
                let text = "import sqlite3, sys; db = sqlite3.connect(sys.argv[1]); db.execute(sys.argv[2]); db.commit()";
                python.args(["-c", text]).arg(self.ground.join("var/tandem.db")).arg(statement);
                python
            }
        };
        let status = command.status().expect("psql and python3 are installed (docker/packages.sh test)");
        assert!(status.success(), "{statement}");
    }

    /// Starts it again on the same data and address.
    pub fn start_again(&mut self) {
        let (child, lines) = spawn(&self.ground, &self.config, self.database.as_deref());
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

    /// Sends a signal by name to a process that may be about to end.
    ///
    /// # Panics
    /// When `kill` is not there.
    pub fn signal_if_lives(&mut self, name: &str) {
        if self.lives() {
            let pid = self.pid().to_string();
            let _gone_meanwhile = Command::new("kill").args([&format!("-{name}"), &pid]).stderr(Stdio::null()).status();
        }
    }

    /// Waits for the process to end by itself.
    #[track_caller]
    pub fn ended(&mut self) -> ExitStatus {
        wait::until("the switch ends", wait::SOON, || self.child.try_wait().expect("our child"))
    }

    /// Whether the process lives.
    ///
    /// # Panics
    /// When it cannot be told.
    pub fn lives(&mut self) -> bool {
        self.child.try_wait().expect("our child").is_none()
    }

    /// Memory of the process, in KiB.
    ///
    /// # Panics
    /// When the process is gone.
    #[must_use]
    pub fn resident_kib(&self) -> u64 {
        let text = fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("a process");
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a process with memory");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    /// The password that the first start made for an extension.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn password(&self, extension: &str) -> String {
        let text = fs::read_to_string(self.ground.join("var/demo-passwords")).expect("var/demo-passwords");
        let found = text.lines().filter_map(|line| line.split_once(' ')).find(|(whose, _)| *whose == extension);
        found.unwrap_or_else(|| panic!("no password for {extension} in:\n{text}")).1.to_owned()
    }

    /// The program's command line against this switch, to be run.
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(program());
        command.args(arguments).args(["--data", "var"]).current_dir(&self.ground.folder).stdin(Stdio::null());
        command
    }

    /// Runs the program's command line against this switch; what it prints.
    ///
    /// # Panics
    /// When it fails.
    #[track_caller]
    pub fn cli(&self, arguments: &[&str]) -> String {
        let out = self.command(arguments).output().expect("the program runs");
        let text = String::from_utf8_lossy(&out.stdout).into_owned();
        assert!(out.status.success(), "tandem {arguments:?}: {}\n{text}{}", out.status, String::from_utf8_lossy(&out.stderr));
        text
    }

    /// Address and token that the switch left for the command line.
    ///
    /// # Panics
    /// When it left none.
    #[must_use]
    pub fn access(&self) -> (String, String) {
        let text = fs::read_to_string(self.ground.join("var/cli.json")).expect("var/cli.json");
        let access: Value = serde_json::from_str(&text).expect("JSON");
        let field = |name: &str| access[name].as_str().unwrap_or_else(|| panic!("{name} in var/cli.json")).to_owned();
        (field("server"), field("token"))
    }

    /// The bytes at a path of the server.
    ///
    /// # Panics
    /// When they are not there.
    #[track_caller]
    pub fn download(&self, path: &str) -> Vec<u8> {
        let (server, token) = self.access();
        let (status, body) = self.runtime.block_on(async {
            let reply = self.http.get(format!("{server}{path}")).bearer_auth(token).send().await.expect("the API answers");
            (reply.status(), reply.bytes().await.expect("a whole reply"))
        });
        assert!(status.is_success(), "{path}: {status} {}", String::from_utf8_lossy(&body));
        body.to_vec()
    }

    /// The JSON at a path below `/api/v1`.
    ///
    /// # Panics
    /// When it is not there.
    #[track_caller]
    pub fn get(&self, path: &str) -> Value {
        serde_json::from_slice(&self.download(&format!("/api/v1{path}"))).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// Posts JSON to a path below `/api/v1`.
    ///
    /// # Panics
    /// When it is refused.
    #[track_caller]
    pub fn post(&self, path: &str, body: &Value) {
        let (server, token) = self.access();
        let (status, text) = self.runtime.block_on(async {
            let request = self.http.post(format!("{server}/api/v1{path}")).bearer_auth(token).json(body);
            let reply = request.send().await.expect("the API answers");
            (reply.status(), reply.text().await.unwrap_or_default())
        });
        assert!(status.is_success(), "{path}: {status} {text}");
    }

    /// Posts JSON to a path below `/api/v1` with a token of its own: the status, and what came back.
    ///
    /// # Panics
    /// When nobody answers.
    pub fn post_as(&self, token: &str, path: &str, body: &Value) -> (u16, Value) {
        let server = self.access().0;
        self.runtime.block_on(async {
            let request = self.http.post(format!("{server}/api/v1{path}")).bearer_auth(token).json(body);
            let reply = request.send().await.expect("the API answers");
            (reply.status().as_u16(), reply.json().await.unwrap_or_default())
        })
    }

    /// The status of a path without a token; 0 when nobody answers.
    #[must_use]
    pub fn status(&self, path: &str) -> u16 {
        let url = format!("{}{path}", self.access().0);
        self.runtime.block_on(async { self.http.get(url).send().await.map_or(0, |reply| reply.status().as_u16()) })
    }

    /// An agent now.
    #[track_caller]
    #[must_use]
    pub fn agent(&self, agent: &str) -> Value {
        self.get(&format!("/agents/{agent}"))
    }

    /// Changes an agent's state (`sign-in`, `ready`, `sign-out`).
    #[track_caller]
    pub fn set_agent(&self, agent: &str, state: &str) {
        self.post(&format!("/agents/{agent}/state"), &json!({ "state": state }));
    }

    /// Waits until an agent is in a state.
    #[track_caller]
    pub fn until_agent(&self, agent: &str, state: &str) {
        wait::until_true(&format!("agent {agent} is {state}"), || self.agent(agent)["state"] == state);
    }

    /// What waits or is served in a queue: caller and stage, the next one first.
    #[track_caller]
    #[must_use]
    pub fn line(&self, queue: &str) -> Vec<(String, String)> {
        let queue = self.get(&format!("/queues/{queue}"));
        let word = |item: &Value, name: &str| item[name].as_str().expect("a word").to_owned();
        queue["items"].as_array().expect("items").iter().map(|item| (word(item, "caller"), word(item, "stage"))).collect()
    }

    /// Waits until the call of a caller is in a state (`plan`, `queued`, `talking`); what it is then.
    #[track_caller]
    pub fn until_call(&self, from: &str, state: &str) -> Value {
        wait::until(&format!("the call of {from} is {state}"), wait::SOON, || {
            self.calls().into_iter().find(|call| call["from"] == from && call["state"] == state)
        })
    }

    /// Waits until an agent's phone is rung for a caller of a queue.
    #[track_caller]
    pub fn until_offered(&self, queue: &str, caller: &str) {
        let wanted = (caller.to_owned(), "offered".to_owned());
        wait::until_true(&format!("{caller} is offered"), || self.line(queue).contains(&wanted));
    }

    /// Calls that are up.
    #[track_caller]
    #[must_use]
    pub fn calls(&self) -> Vec<Value> {
        list(self.get("/calls"))
    }

    /// Waits until there are `count` records that a query (`number=1001`) finds; these, the newest first.
    #[track_caller]
    pub fn until_cdrs(&self, query: &str, count: usize) -> Vec<Value> {
        wait::until(&format!("{count} records of {query}"), wait::SOON, || {
            let page = list(self.get(&format!("/cdrs?limit=500&{query}"))["cdrs"].take());
            (page.len() >= count).then_some(page)
        })
    }

    /// Waits for the one record of a caller's calls; it has its segments.
    #[track_caller]
    pub fn until_cdr(&self, from: &str) -> Value {
        let cdrs = self.until_cdrs(&format!("number={}", from.replace('+', "%2B")), 1);
        self.get(&format!("/calls/{}", cdrs[0]["call"].as_str().expect("an identifier")))
    }

    /// A figure of `/metrics`, by its name with labels.
    ///
    /// # Panics
    /// When there is none.
    #[track_caller]
    #[must_use]
    pub fn metric(&self, name: &str) -> f64 {
        let text = String::from_utf8(self.download("/metrics")).expect("text");
        let found = text.lines().filter_map(|line| line.rsplit_once(' ')).find(|(known, _)| *known == name);
        found.unwrap_or_else(|| panic!("no {name} in:\n{text}")).1.parse().expect("a number")
    }
}

fn list(value: Value) -> Vec<Value> {
    match value {
        Value::Array(all) => all,
        other => panic!("no list: {other}"),
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        let _already_gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

fn spawn(ground: &Ground, config: &str, database: Option<&str>) -> (Child, Receiver<String>) {
    let mut command = Command::new(program());
    // No test presses these but those that want a fault: of a call, of the line loop.
    command.env("TANDEM_FAULT_KEY", "DC");
    // Receivers of webhooks are on this machine.
    command.env("TANDEM_REACH", "127.0.0.0/8");
    // A plan's own `trusted.pem` is the store of authorities of its machine.
    let trusted = Path::new(config).join("trusted.pem");
    if trusted.exists() {
        command.env("SSL_CERT_FILE", trusted);
    }
    command.args(["serve", "--config", config, "--data", "var", "--bind", &ground.ip.to_string()]);
    if let Some(url) = database {
        command.args(["--database", url]);
    }
    let log = fs::OpenOptions::new().create(true).append(true).open(ground.join("log")).expect("a writable folder");
    let child = command.current_dir(&ground.folder).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).spawn();
    let mut child = child.expect("the program starts");
    let stdout = child.stdout.take().expect("piped above");
    let (tx, rx) = sync_channel(1_000);
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if tx.send(line).is_err() {
                break;
            }
        }
    });
    (child, rx)
}
