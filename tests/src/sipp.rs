//! SIPp: many callers or agents from one scenario.

use std::{
    fs,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use crate::wait;

/// One SIPp process. Ended when dropped.
pub struct Sipp {
    child: Child,
    folder: PathBuf,
    name: String,
}

/// How SIPp is run.
#[derive(Clone, Debug)]
pub struct Run<'a> {
    /// Scenario below `tests/sipp/`, without ending.
    pub scenario: &'a str,
    /// Address of the switch.
    pub switch: Ipv4Addr,
    /// Its own address.
    pub ip: Ipv4Addr,
    /// Its own port.
    pub port: u16,
    /// Calls in all; it ends after them.
    pub calls: u32,
    /// Calls started per second.
    pub rate: u32,
    /// What is dialled.
    pub number: &'a str,
    /// User and password.
    pub user: (&'a str, &'a str),
    /// More arguments: `-d`, `-inf`, `-key`.
    pub more: &'a [&'a str],
}

impl Sipp {
    /// Starts it; its files go to `folder`.
    ///
    /// # Panics
    /// When it is not installed.
    #[must_use]
    pub fn start(folder: &Path, run: &Run<'_>) -> Self {
        let scenario = Path::new(env!("CARGO_MANIFEST_DIR")).join("sipp").join(format!("{}.xml", run.scenario));
        let name = format!("{}-{}-{}", run.scenario, run.ip, run.port);
        let log = fs::File::create(folder.join(format!("{name}.log"))).expect("a writable folder");
        let child = Command::new("sipp")
            .arg(format!("{}:5060", run.switch))
            .arg("-sf")
            .arg(scenario)
            .args(["-i", &run.ip.to_string(), "-p", &run.port.to_string(), "-mi", &run.ip.to_string()])
            .args(["-m", &run.calls.to_string(), "-l", &run.calls.to_string(), "-r", &run.rate.to_string(), "-s", run.number])
            .args(["-au", run.user.0, "-ap", run.user.1, "-key", "user", run.user.0])
            .args(["-nostdin", "-trace_err", "-error_file"])
            .arg(folder.join(format!("{name}.errors")))
            .args(["-timeout", "120s", "-timeout_error"])
            .args(run.more)
            .current_dir(folder)
            .env("TERM", "xterm")
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .spawn()
            .expect("sipp is installed (docker/packages.sh test)");
        Self { child, folder: folder.to_owned(), name }
    }

    /// Waits for its end; every call must have gone as the scenario says.
    ///
    /// # Panics
    /// When a call went otherwise, or it does not end.
    #[track_caller]
    pub fn succeed(mut self) {
        let status = wait::until("SIPp's end", Duration::from_secs(130), || self.child.try_wait().expect("our child"));
        if !status.success() {
            let errors = fs::read_to_string(self.folder.join(format!("{}.errors", self.name))).unwrap_or_default();
            let shown: String = errors.chars().take(3_000).collect();
            panic!("SIPp {}: {status}\n{shown}", self.name);
        }
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        self.child.try_wait().expect("our child").is_none()
    }

    /// Kills it without a word to its peers, as a crashed phone would go.
    pub fn kill(&mut self) {
        let _already_gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

impl Drop for Sipp {
    fn drop(&mut self) {
        self.kill();
    }
}
