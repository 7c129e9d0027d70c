//! A phone that nobody here wrote: baresip, steered over its control port.
//!
//! It lives on 127.0.0.1, whatever the address of its switch: baresip opens its audio on all addresses, so
//! its audio comes from there, and the switch takes audio from nowhere else than where the phone says it is.

use std::{
    fs,
    io::{Read, Write},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::{Value, json};

use crate::{ports::Ports, switch::Switch, tone, wait};

/// How a phone is set up.
#[derive(Clone, Debug)]
pub struct Setup {
    user: String,
    password: String,
    switch: SocketAddr,
    folder: PathBuf,
    hz: f64,
    seconds: u32,
    speech: Option<PathBuf>,
    codec: &'static str,
    answers: bool,
    transport: &'static str,
    keys: &'static str,
    registers: bool,
}

impl Setup {
    /// A phone for an extension: PCMU over UDP, a tone of 600 Hz, answered by hand.
    #[must_use]
    pub fn new(switch: &Switch, user: &str) -> Self {
        let folder = switch.ground.join(format!("phone-{user}"));
        Self::elsewhere(switch.sip.ip(), user, &switch.password(user), folder)
    }

    /// A phone of another server, at the usual ports of its address.
    #[must_use]
    pub fn elsewhere(server: IpAddr, user: &str, password: &str, folder: PathBuf) -> Self {
        Self {
            user: user.to_owned(),
            password: password.to_owned(),
            switch: SocketAddr::new(server, 0),
            folder,
            hz: 600.0,
            seconds: 60,
            speech: None,
            codec: "PCMU",
            answers: false,
            transport: "udp",
            keys: "",
            registers: true,
        }
    }

    /// Somebody outside, who calls through a trunk that trusts 127.0.0.1: registered nowhere, without a password.
    #[must_use]
    pub fn outside(switch: &Switch, number: &str) -> Self {
        let folder = switch.ground.join(format!("phone-{number}"));
        Self { registers: false, ..Self::elsewhere(switch.sip.ip(), number, "none", folder) }
    }

    /// The tone that it speaks.
    #[must_use]
    pub const fn hz(mut self, hz: f64) -> Self {
        self.hz = hz;
        self
    }

    /// How long it speaks.
    #[must_use]
    pub const fn seconds(mut self, seconds: u32) -> Self {
        self.seconds = seconds;
        self
    }

    /// It speaks what is in this file instead of a tone.
    #[must_use]
    pub fn says(mut self, speech: &Path) -> Self {
        self.speech = Some(speech.to_owned());
        self
    }

    /// Its codec in baresip's words: `PCMU`, `PCMA`, `G722`, `opus`.
    #[must_use]
    pub const fn codec(mut self, codec: &'static str) -> Self {
        self.codec = codec;
        self
    }

    /// It answers by itself.
    #[must_use]
    pub const fn answers(mut self) -> Self {
        self.answers = true;
        self
    }

    /// Its way to the switch: `udp`, `tcp` or `tls`.
    #[must_use]
    pub const fn over(mut self, transport: &'static str) -> Self {
        self.transport = transport;
        self
    }

    /// It speaks SRTP only, with keys in the messages of the call.
    #[must_use]
    pub const fn with_keys(mut self) -> Self {
        self.keys = ";mediaenc=srtp-mand";
        self
    }

    /// It speaks SRTP only, with keys by DTLS.
    #[must_use]
    pub const fn with_dtls(mut self) -> Self {
        self.keys = ";mediaenc=dtls_srtp";
        self
    }

    /// The same, found by ICE.
    #[must_use]
    pub const fn with_dtls_and_ice(mut self) -> Self {
        self.keys = ";mediaenc=dtls_srtp;medianat=ice";
        self
    }

    /// Starts it and does not wait for anything.
    #[must_use]
    pub fn start_there(self) -> Phone {
        Phone::start(self)
    }

    /// Starts it and waits until `switch` knows that it is there.
    #[must_use]
    pub fn start(self, switch: &Switch) -> Phone {
        let user = self.user.clone();
        let phone = Phone::start(self);
        wait::until_true(&format!("phone {user} registers"), || switch.agent(&user)["reachable"] == true);
        phone
    }
}

/// A running phone. Ended when dropped.
pub struct Phone {
    child: Child,
    control: TcpStream,
    unread: Vec<u8>,
    events: Vec<Value>,
    setup: Setup,
    _ports: Ports,
}

impl Phone {
    /// A phone for an extension of a switch, to be set up further and started.
    #[must_use]
    pub fn of(switch: &Switch, user: &str) -> Setup {
        Setup::new(switch, user)
    }

    fn start(setup: Setup) -> Self {
        let (folder, ports) = (&setup.folder, Ports::take());
        fs::create_dir_all(folder).expect("a writable folder");
        let tone = folder.join("tone.wav");
        match &setup.speech {
            Some(speech) => drop(fs::copy(speech, &tone).expect("speech")),
            None => tone::write(&tone, setup.hz, setup.seconds),
        }
        fs::write(folder.join("config"), config(&setup, &tone, &ports)).expect("a writable folder");
        fs::write(folder.join("accounts"), account(&setup)).expect("a writable folder");
        let log = fs::File::create(folder.join("log")).expect("a writable folder");
        let child = Command::new("baresip")
            .args(["-4", "-s", "-v", "-f"])
            .arg(folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .spawn()
            .expect("baresip is installed (docker/packages.sh test)");
        let at = (Ipv4Addr::LOCALHOST, ports.at(CONTROL));
        let control = wait::until("baresip's control port", wait::SOON, || TcpStream::connect(at).ok());
        control.set_read_timeout(Some(Duration::from_millis(50))).expect("a socket option");
        Self { child, control, unread: Vec::new(), events: Vec::new(), setup, _ports: ports }
    }

    fn command(&mut self, command: &str, params: &str) {
        let text = json!({ "command": command, "params": params }).to_string();
        let frame = format!("{}:{text},", text.len());
        self.control.write_all(frame.as_bytes()).expect("baresip lives");
    }

    /// Dials a number on the switch.
    pub fn dial(&mut self, number: &str) {
        let target = format!("sip:{number}@{}", host(&self.setup));
        self.command("dial", &target);
    }

    /// Presses keys, as RFC 4733 events.
    pub fn press(&mut self, digits: &str) {
        for digit in digits.chars() {
            self.command("sndcode", &digit.to_string());
            // Key up.
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

    /// Transfers the call to a number, blind. baresip holds it first.
    pub fn transfer(&mut self, number: &str) {
        self.command("transfer", number);
    }

    /// Waits for an event of a type (`CALL_ESTABLISHED`); events before it are forgotten.
    ///
    /// # Panics
    /// When it does not come in time.
    #[track_caller]
    pub fn expect(&mut self, kind: &str) -> Value {
        let end = wait::deadline(wait::SOON);
        loop {
            if let Some(at) = self.events.iter().position(|event| event["type"] == kind) {
                return self.events.drain(..=at).next_back().expect("up to that one");
            }
            if wait::passed(end) {
                let seen: Vec<_> = self.events.iter().map(|event| event["type"].to_string()).collect();
                panic!("{}: no {kind} in time; seen {seen:?}; see {}", self.setup.user, self.setup.folder.display());
            }
            self.read();
        }
    }

    /// Whether an event of a type has come by now, behind what was expected last.
    pub fn has(&mut self, kind: &str) -> bool {
        self.read();
        self.events.iter().any(|event| event["type"] == kind)
    }

    fn read(&mut self) {
        let mut piece = [0; 4_096];
        match self.control.read(&mut piece) {
            Ok(0) => panic!("{}: baresip is gone; see {}", self.setup.user, self.setup.folder.display()),
            Ok(n) => self.unread.extend_from_slice(&piece[..n]),
            // Nothing came within the read timeout.
            Err(_) => {}
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

    /// What it heard in its last call, up to now.
    #[must_use]
    pub fn heard(&self) -> tone::Heard {
        self.dump().map(|path| tone::read(&path, 0)).unwrap_or_default()
    }

    /// The file of what it heard in its last call, up to now.
    #[must_use]
    pub fn dump(&self) -> Option<PathBuf> {
        let entries = fs::read_dir(&self.setup.folder).expect("its folder");
        let dumps = entries.map(|entry| entry.expect("a readable folder").path());
        // Their names begin with their times.
        dumps.filter(|path| path.to_string_lossy().ends_with("-dec.wav")).max()
    }

    /// Waits until it has heard a tone for so long in its last call.
    #[track_caller]
    pub fn until_heard(&self, hz: f64, seconds: f64) {
        let what = format!("{} hears {hz} Hz for {seconds} s", self.setup.user);
        wait::until_true(&what, || self.heard().seconds_of(hz) >= seconds);
    }
}

impl Drop for Phone {
    fn drop(&mut self) {
        let _already_gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// Ports of the block: SIP (and TLS behind it), control, audio.
const SIP: u16 = 0;
const CONTROL: u16 = 2;
const AUDIO: (u16, u16) = (4, 16);

fn host(setup: &Setup) -> String {
    format!("{};transport={}", setup.switch.ip(), setup.transport)
}

fn config(setup: &Setup, tone: &Path, ports: &Ports) -> String {
    // DTLS has keys for one port only here.
    let mux = if setup.keys.contains("dtls") { "module ice.so\nrtcp_mux yes\n" } else { "" };
    let folder = &setup.folder;
    let (folder, tone) = (folder.display(), tone.display());
    let (sip, control, first, last) = (ports.at(SIP), ports.at(CONTROL), ports.at(AUDIO.0), ports.at(AUDIO.1));
    format!(
        "poll_method epoll\nsip_listen 127.0.0.1:{sip}\nnet_interface 127.0.0.1\nmodule_path /usr/lib/baresip/modules\n\
         module g711.so\nmodule g722.so\nmodule opus.so\nmodule srtp.so\nmodule dtls_srtp.so\nmodule aufile.so\nmodule aubridge.so\nmodule sndfile.so\n\
         module_app account.so\nmodule_app menu.so\nmodule_app ctrl_tcp.so\nctrl_tcp_listen 127.0.0.1:{control}\n\
         audio_player aubridge,ear\nausrc_srate 8000\nauplay_srate 8000\nausrc_channels 1\nauplay_channels 1\naudio_alert aubridge,bell\naudio_source aufile,{tone}\nsnd_path {folder}\n\
         call_local_timeout 120\naudio_telev_pt 101\n{mux}rtp_ports {first}-{last}\n"
    )
}

fn account(setup: &Setup) -> String {
    let Setup { user, password, codec, keys, registers, .. } = setup;
    let expires = if *registers { 600 } else { 0 };
    let mode = if setup.answers { "auto" } else { "manual" };
    let host = host(setup);
    // A codec without its rate is one that baresip does not find; then it offers all that it has.
    let codec = match *codec {
        "opus" => "opus/48000/2",
        "G722" => "G722/16000/1",
        codec => codec,
    };
    format!(
        "<sip:{user}@{host}>;auth_user={user};auth_pass={password};regint={expires};answermode={mode};audio_codecs={codec}{keys}\n"
    )
}
