//! A phone that nobody here wrote: baresip, steered over its control port.

use std::{
    fs,
    io::{Read, Write},
    net::{Ipv4Addr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::{Value, json};

use crate::{tone, wait};

/// How a phone is set up.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Extension and authentication name.
    pub user: String,
    /// Its password.
    pub password: String,
    /// Address of the switch.
    pub switch: Ipv4Addr,
    /// Address of the phone.
    pub ip: Ipv4Addr,
    /// The tone that it speaks.
    pub hz: f64,
    /// Codecs in baresip's words: `PCMU`, `PCMA`, `G722`, `opus`.
    pub codecs: &'static str,
    /// Whether it answers by itself.
    pub answers: bool,
    /// `udp`, `tcp` or `tls`.
    pub transport: &'static str,
}

/// A running phone. Ended when dropped.
pub struct Phone {
    child: Child,
    control: TcpStream,
    folder: PathBuf,
    unread: Vec<u8>,
    events: Vec<Value>,
    setup: Setup,
}

const LIMIT: Duration = Duration::from_secs(20);

impl Phone {
    /// Starts baresip in `folder` and waits until its control port answers.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start(folder: &Path, setup: Setup) -> Self {
        let folder = folder.join(format!("phone-{}", setup.user));
        fs::create_dir_all(&folder).expect("a writable folder");
        let tone = folder.join("tone.wav");
        tone::write(&tone, setup.hz, 120);
        fs::write(folder.join("config"), config(&folder, &tone, setup.ip)).expect("a writable folder");
        fs::write(folder.join("accounts"), account(&setup)).expect("a writable folder");
        fs::write(folder.join("contacts"), "").expect("a writable folder");
        let log = fs::File::create(folder.join("log")).expect("a writable folder");
        let child = Command::new("baresip")
            .args(["-4", "-v", "-f"])
            .arg(&folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .spawn()
            .expect("baresip is installed (docker/packages.sh test)");
        let control = wait::until("baresip's control port", LIMIT, || TcpStream::connect((setup.ip, 4_444)).ok());
        control.set_read_timeout(Some(Duration::from_millis(50))).expect("a socket option");
        Self { child, control, folder, unread: Vec::new(), events: Vec::new(), setup }
    }

    /// Starts it and waits until it is registered.
    #[must_use]
    pub fn registered(folder: &Path, setup: Setup) -> Self {
        let mut phone = Self::start(folder, setup);
        phone.expect("REGISTER_OK");
        phone
    }

    fn command(&mut self, command: &str, params: &str) {
        let text = json!({ "command": command, "params": params }).to_string();
        let frame = format!("{}:{text},", text.len());
        self.control.write_all(frame.as_bytes()).expect("baresip lives");
    }

    /// Dials a number on the switch.
    pub fn dial(&mut self, number: &str) {
        let target = format!("sip:{number}@{};transport={}", self.setup.switch, self.setup.transport);
        self.command("dial", &target);
    }

    /// Presses keys, as RFC 4733 events.
    pub fn press(&mut self, digits: &str) {
        for digit in digits.chars() {
            self.command("sndcode", &digit.to_string());
            // baresip sends the key-up by this code.
            self.command("sndcode", "\u{4}");
        }
    }

    /// Answers a ringing call.
    pub fn accept(&mut self) {
        self.command("accept", "");
    }

    /// Hangs up, or declines a ringing call.
    pub fn hang_up(&mut self) {
        self.command("hangup", "");
    }

    /// Puts the call on hold.
    pub fn hold(&mut self) {
        self.command("hold", "");
    }

    /// Takes the call back.
    pub fn resume(&mut self) {
        self.command("resume", "");
    }

    /// Waits for an event of a type (`CALL_ESTABLISHED`); events before it are forgotten.
    ///
    /// # Panics
    /// When it does not come in time.
    #[track_caller]
    pub fn expect(&mut self, kind: &str) -> Value {
        let end = wait::deadline(LIMIT);
        loop {
            if let Some(at) = self.events.iter().position(|event| event["type"] == kind) {
                let found = self.events[at].clone();
                self.events.drain(..=at);
                return found;
            }
            let seen: Vec<_> = self.events.iter().map(|event| event["type"].to_string()).collect();
            assert!(!wait::passed(end), "{}: no {kind} within {LIMIT:?}; seen {seen:?}; see {}", self.setup.user, self.folder.display());
            self.read();
        }
    }

    /// Whether an event of a type has come by now; it stays.
    pub fn has(&mut self, kind: &str) -> bool {
        self.read();
        self.events.iter().any(|event| event["type"] == kind)
    }

    fn read(&mut self) {
        let mut piece = [0; 4_096];
        if let Ok(n) = self.control.read(&mut piece) {
            self.unread.extend_from_slice(&piece[..n]);
        }
        // Netstrings: length, colon, text, comma.
        while let Some(colon) = self.unread.iter().position(|b| *b == b':') {
            let length: usize = String::from_utf8_lossy(&self.unread[..colon]).parse().expect("a netstring");
            let end = colon + 1 + length;
            if self.unread.len() <= end {
                return;
            }
            if let Ok(value) = serde_json::from_slice::<Value>(&self.unread[colon + 1..end]) {
                self.events.push(value);
            }
            self.unread.drain(..=end);
        }
    }

    /// What it heard in its last call.
    ///
    /// # Panics
    /// When it heard nothing at all.
    #[must_use]
    pub fn heard(&self) -> tone::Heard {
        let mut dumps: Vec<_> = fs::read_dir(&self.folder)
            .expect("its folder")
            .map(|entry| entry.expect("a readable folder").path())
            .filter(|path| path.to_string_lossy().ends_with("-dec.wav"))
            .collect();
        dumps.sort();
        tone::read(dumps.last().expect("it decoded something"), 0)
    }
}

impl Drop for Phone {
    fn drop(&mut self) {
        let _already_gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

fn config(folder: &Path, tone: &Path, ip: Ipv4Addr) -> String {
    let (folder, tone) = (folder.display(), tone.display());
    format!(
        "poll_method epoll\nsip_listen {ip}:5060\nnet_interface {ip}\nmodule_path /usr/lib/baresip/modules\n\
         module g711.so\nmodule g722.so\nmodule opus.so\nmodule aufile.so\nmodule aubridge.so\nmodule sndfile.so\n\
         module_app account.so\nmodule_app menu.so\nmodule_app ctrl_tcp.so\nctrl_tcp_listen {ip}:4444\n\
         audio_player aubridge,ear\naudio_alert aubridge,bell\naudio_source aufile,{tone}\nsnd_path {folder}\n\
         call_local_timeout 120\naudio_telev_pt 101\nrtp_ports 30000-30400\n"
    )
}

fn account(setup: &Setup) -> String {
    let Setup { user, password, switch, codecs, transport, .. } = setup;
    let mode = if setup.answers { "auto" } else { "manual" };
    format!(
        "<sip:{user}@{switch};transport={transport}>;auth_user={user};auth_pass={password};regint=600;answermode={mode};audio_codecs={codecs}\n"
    )
}
