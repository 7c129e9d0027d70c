//! SIPp: phones, agents and carriers from one scenario.
//!
//! Scenarios lie in `tests/sipp/`. A line `<!-- part NAME -->` stands for the file `parts/NAME.xml`, and
//! `{{name}}` for what the test sets: SIPp itself takes keywords in messages, not in what it waits for.

use std::{
    fs,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use crate::{ground::Ground, switch::Switch, wait};

static COUNTER: AtomicU32 = AtomicU32::new(0);
/// The port of every SIPp: each has an address of its own.
const PORT: u16 = 5_060;
const LIMIT: Duration = Duration::from_secs(120);

/// What one SIPp process is to do.
#[derive(Clone, Debug)]
pub struct Script {
    name: String,
    folder: PathBuf,
    switch: SocketAddr,
    own: SocketAddr,
    text: String,
    rows: Vec<String>,
    arguments: Vec<String>,
}

impl Script {
    /// A scenario below `tests/sipp/`, without ending, run against a switch from an address of its own.
    ///
    /// # Panics
    /// When there is no such scenario.
    #[must_use]
    pub fn new(scenario: &str, switch: &Switch) -> Self {
        Self::at(SocketAddr::new(switch.ground.device(), PORT), scenario, switch.sip, &switch.ground)
    }

    /// As [`Script::new`], from the network of the carrier.
    #[must_use]
    pub fn carrier(scenario: &str, switch: &Switch) -> Self {
        Self::at(SocketAddr::new(switch.ground.carrier(), PORT), scenario, switch.sip, &switch.ground)
    }

    /// A scenario of SIPp's own (`uac`, `uas`, …), as it prints it, from the network of the carrier.
    ///
    /// # Panics
    /// When SIPp has no such scenario.
    #[must_use]
    pub fn built_in(scenario: &str, switch: &Switch) -> Self {
        let out = Command::new("sipp").args(["-sd", scenario]).output().expect("sipp is installed (docker/packages.sh test)");
        let text = String::from_utf8(out.stdout).expect("text");
        assert!(text.contains("<scenario"), "SIPp has no {scenario}");
        Self::of_text(SocketAddr::new(switch.ground.carrier(), PORT), scenario, text, switch.sip, &switch.ground)
    }

    fn at(own: SocketAddr, scenario: &str, switch: SocketAddr, ground: &Ground) -> Self {
        Self::of_text(own, scenario, read(scenario), switch, ground)
    }

    fn of_text(own: SocketAddr, scenario: &str, text: String, switch: SocketAddr, ground: &Ground) -> Self {
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        Self {
            name: format!("{scenario}-{number}"),
            folder: ground.folder.clone(),
            switch,
            own,
            text,
            rows: Vec::new(),
            arguments: Vec::new(),
        }
    }

    /// One call of an extension of the switch, with its password.
    #[must_use]
    pub fn user(self, switch: &Switch, user: &str) -> Self {
        let password = switch.password(user);
        self.user_with(user, &password)
    }

    /// One call of a user with some password.
    #[must_use]
    pub fn user_with(mut self, user: &str, password: &str) -> Self {
        self.rows.push(format!("{user};[authentication username={user} password={password}]"));
        self
    }

    /// One call of a caller who needs no password.
    #[must_use]
    pub fn caller(mut self, number: &str) -> Self {
        self.rows.push(format!("{number};"));
        self
    }

    /// What is dialled.
    #[must_use]
    pub fn dial(self, number: &str) -> Self {
        // The digest is made over what is asked for; SIPp leaves the user out.
        let asked = format!("{number}@{}", self.switch);
        self.with(&["-s", number, "-auth_uri", &asked])
    }

    /// The pause of the scenario.
    #[must_use]
    pub fn stay_ms(self, ms: u32) -> Self {
        self.with(&["-d", &ms.to_string()])
    }

    /// Adds a header to every INVITE that the scenario sends.
    #[must_use]
    pub fn says(mut self, header: &str) -> Self {
        let first = "INVITE sip:[service]@[remote_ip]:[remote_port] SIP/2.0\n";
        self.text = self.text.replace(first, &format!("{first}      {header}\n"));
        self
    }

    /// Describes another codec than PCMU, and audio at a port that is in the hands of the test.
    ///
    /// # Panics
    /// When the scenario does not describe PCMU.
    #[must_use]
    pub fn speaks(mut self, payload_type: u8, encoding: &str, port: u16) -> Self {
        assert!(self.text.contains("a=rtpmap:0 PCMU/8000"), "{} does not describe PCMU", self.name);
        let (format, port) = (payload_type.to_string(), port.to_string());
        self.text = self.text.replace("[media_port]", &port).replace(" RTP/AVP 0 ", &format!(" RTP/AVP {format} "));
        self.text = self.text.replace("a=rtpmap:0 PCMU/8000", &format!("a=rtpmap:{format} {encoding}"));
        self
    }

    /// Fills `{{name}}` in the scenario.
    ///
    /// # Panics
    /// When the scenario has no such place.
    #[must_use]
    pub fn set(mut self, name: &str, value: &str) -> Self {
        let place = format!("{{{{{name}}}}}");
        assert!(self.text.contains(&place), "{} has no {place}", self.name);
        self.text = self.text.replace(&place, value);
        self
    }

    /// More arguments of SIPp.
    #[must_use]
    pub fn with(mut self, arguments: &[&str]) -> Self {
        self.arguments.extend(arguments.iter().map(|&text| text.to_owned()));
        self
    }

    /// From this address instead of one of its own.
    #[must_use]
    pub const fn at_ip(mut self, ip: IpAddr) -> Self {
        self.own = SocketAddr::new(ip, self.own.port());
        self
    }

    /// From this port of its address instead of the usual one.
    #[must_use]
    pub const fn port(mut self, port: u16) -> Self {
        self.own = SocketAddr::new(self.own.ip(), port);
        self
    }

    /// Starts it: as many calls as it has users, or one.
    ///
    /// # Panics
    /// When SIPp is not installed.
    #[must_use]
    pub fn start(self) -> Sipp {
        let calls = self.rows.len().max(1).to_string();
        self.with(&["-m", &calls, "-l", &calls, "-timeout", "110s", "-timeout_error"]).spawn()
    }

    /// Starts it with so many calls at a time, `per_second` new ones, until it is told to [`finish`](Sipp::finish).
    #[must_use]
    pub fn start_many(self, at_a_time: usize, per_second: &str) -> Sipp {
        self.with(&["-l", &at_a_time.to_string(), "-r", per_second]).spawn()
    }

    /// Starts it for `calls` calls, `per_second` new ones.
    #[must_use]
    pub fn start_calls(self, calls: usize, per_second: &str) -> Sipp {
        let calls = calls.to_string();
        self.with(&["-m", &calls, "-l", &calls, "-r", per_second, "-timeout", "110s", "-timeout_error"]).spawn()
    }

    /// Starts it for a call of each of its users, `per_second` new ones and so many at a time, however long that takes.
    #[must_use]
    pub fn start_row(self, at_a_time: usize, per_second: &str) -> Sipp {
        let calls = self.rows.len().to_string();
        self.with(&["-m", &calls, "-l", &at_a_time.to_string(), "-r", per_second]).spawn()
    }

    fn spawn(self) -> Sipp {
        let file = |end: &str| self.folder.join(format!("{}.{end}", self.name));
        assert!(!self.text.contains("{{"), "{}: something is not set", self.name);
        fs::write(file("xml"), &self.text).expect("a writable folder");
        let log = fs::File::create(file("log")).expect("a writable folder");
        let mut command = Command::new("sipp");
        command.arg(self.switch.to_string()).arg("-sf").arg(file("xml"));
        let ip = self.own.ip().to_string();
        command.args(["-i", &ip, "-p", &self.own.port().to_string(), "-mi", &ip, "-rtp_echo"]);
        if !self.rows.is_empty() {
            fs::write(file("csv"), format!("SEQUENTIAL\n{}\n", self.rows.join("\n"))).expect("a writable folder");
            command.arg("-inf").arg(file("csv"));
        }
        command.args(["-nostdin", "-trace_err", "-error_file"]).arg(file("errors")).args(&self.arguments);
        let child = command
            .current_dir(&self.folder)
            .env("TERM", "xterm")
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .spawn()
            .expect("sipp is installed (docker/packages.sh test)");
        Sipp { child, errors: file("errors"), own: self.own, name: self.name }
    }
}

/// The text of a scenario, with its parts in place.
fn read(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("sipp");
    let text = fs::read_to_string(folder.join(format!("{name}.xml"))).unwrap_or_else(|error| panic!("{name}: {error}"));
    let line = |line: &str| match line.trim().strip_prefix("<!-- part ").and_then(|rest| rest.strip_suffix(" -->")) {
        Some(part) => read(&format!("parts/{part}")),
        None => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

/// One SIPp process. Ended when dropped.
pub struct Sipp {
    child: Child,
    errors: PathBuf,
    own: SocketAddr,
    name: String,
}

impl Sipp {
    /// Waits for its end; every call must have gone as the scenario says.
    ///
    /// # Panics
    /// When a call went otherwise, or it does not end.
    #[track_caller]
    pub fn succeed(self) {
        self.succeed_within(LIMIT);
    }

    /// As [`Sipp::succeed`], with another limit.
    ///
    /// # Panics
    /// When a call went otherwise, or it does not end.
    #[track_caller]
    pub fn succeed_within(mut self, limit: Duration) {
        let name = self.name.clone();
        let status = wait::until(&format!("the end of SIPp {name}"), limit, || self.child.try_wait().expect("our child"));
        if !status.success() {
            let errors = fs::read_to_string(&self.errors).unwrap_or_default();
            let shown: String = errors.chars().take(3_000).collect();
            panic!("SIPp {name}: {status}\n{shown}");
        }
    }

    /// Whether it still runs.
    ///
    /// # Panics
    /// When it cannot be told.
    pub fn runs(&mut self) -> bool {
        self.child.try_wait().expect("our child").is_none()
    }

    /// Tells it to begin no more calls, and to end with those that are up.
    pub fn finish(&self) {
        let _gone = Command::new("kill").args(["-USR1", &self.child.id().to_string()]).stderr(Stdio::null()).status();
    }

    /// Kills it without a word to its peers, as a crashed phone would go.
    pub fn kill(&mut self) {
        let _already_gone = self.child.kill();
        let _reaped = self.child.wait();
    }

    /// Waits until its socket is open.
    #[track_caller]
    fn until_open(&mut self) {
        let IpAddr::V4(ip) = self.own.ip() else { return };
        // As /proc/net/udp writes it.
        let wanted = format!(" {:08X}:{:04X} ", u32::from_be_bytes(ip.octets()).swap_bytes(), self.own.port());
        wait::until_true("SIPp listens", || {
            assert!(self.child.try_wait().expect("our child").is_none(), "SIPp {} is gone", self.name);
            fs::read_to_string("/proc/net/udp").expect("Linux").contains(&wanted)
        });
    }
}

impl Drop for Sipp {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Devices of extensions, all at one port of one SIPp process: registered, and doing what a scenario says with
/// each call that comes.
pub struct Devices {
    sipp: Sipp,
    own: SocketAddr,
}

/// How long devices register for, in seconds, when nothing else is said.
const EXPIRES: &str = "600";

impl Devices {
    /// Registers the extensions and starts a scenario that takes any number of calls.
    #[must_use]
    pub fn start(switch: &Switch, extensions: &[&str], scenario: Script) -> Self {
        Self::start_for(switch, extensions, scenario, EXPIRES)
    }

    /// As [`Devices::start`], registered for so many seconds.
    #[must_use]
    pub fn start_for(switch: &Switch, extensions: &[&str], scenario: Script, expires: &str) -> Self {
        let own = scenario.own;
        register(switch, extensions, own, expires);
        let mut sipp = scenario.spawn();
        sipp.until_open();
        Self { sipp, own }
    }

    /// Registers the extensions and starts a scenario that takes one call.
    #[must_use]
    pub fn once(switch: &Switch, extensions: &[&str], scenario: Script) -> Sipp {
        register(switch, extensions, scenario.own, EXPIRES);
        let mut sipp = scenario.start();
        sipp.until_open();
        sipp
    }

    /// Has them take no more calls, and end with those that are up.
    pub fn finish(&self) {
        self.sipp.finish();
    }

    /// Where they are.
    #[must_use]
    pub const fn at(&self) -> SocketAddr {
        self.own
    }

    /// Ends them without a word.
    pub fn kill(&mut self) {
        self.sipp.kill();
    }
}

/// Registers extensions at an address that a device will use.
fn register(switch: &Switch, extensions: &[&str], own: SocketAddr, expires: &str) {
    let registrar = SocketAddr::new(switch.sip.ip(), 0).to_string();
    let registrar = registrar.trim_end_matches(":0");
    let mut script =
        Script::at(own, "register", switch.sip, &switch.ground).set("expires", expires).with(&["-auth_uri", registrar]);
    for extension in extensions {
        script = script.user(switch, extension);
    }
    script.start().succeed();
}
