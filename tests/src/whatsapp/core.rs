//! The edge without its sockets: calls in both directions, each rule where it is broken, and what is remembered of it.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr, UdpSocket},
    sync::{Mutex, Weak},
};

use tokio::sync::mpsc;

use super::{
    REALM, ROUTES, Setup,
    audio::{Agreed, Audio},
    digest::{self, Case},
    keys::{self, Key, Keys},
    message::{Sip, user_host},
    rules::{self, Challenges, Refusal},
};

const ALLOW: &str = "INVITE, ACK, BYE, CANCEL, NOTIFY, OPTIONS";

/// How far a call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It is asked for.
    Calling,
    /// It rings.
    Ringing,
    /// It is answered, and acknowledged.
    Up,
    /// It is over.
    Over,
}

/// What becomes of calls that the switch makes.
#[derive(Clone, Copy, Debug)]
pub enum Behaviour {
    /// They are answered.
    Answer,
    /// They ring.
    Ring,
    /// They are refused: code, reason phrase, text of a Warning.
    Refuse(u16, &'static str, Option<&'static str>),
}

/// One call.
pub(super) struct Call {
    pub(super) id: String,
    pub(super) stage: Stage,
    /// The final reply to our INVITE, or what we replied.
    pub(super) code: u16,
    /// Why it ended.
    pub(super) ended: Option<String>,
    pub(super) audio: Option<Audio>,
    by_switch: bool,
    connection: u64,
    invite: Sip,
    /// From and To of our requests.
    local: String,
    remote: String,
    target: String,
    cseq: u32,
    socket: Option<UdpSocket>,
    agreed: Option<Agreed>,
    /// What our audio is encrypted with.
    key: Key,
}

pub(super) struct Core {
    pub(super) setup: Setup,
    pub(super) calls: Vec<Call>,
    /// First lines of the requests that came.
    pub(super) requests: Vec<String>,
    /// Rules that the switch broke.
    pub(super) violations: Vec<String>,
    pub(super) behaviour: Behaviour,
    pub(super) connections: HashMap<u64, mpsc::Sender<String>>,
    /// What was asked of calls of the switch, and by which request.
    challenged: HashMap<String, (u32, Challenges)>,
    ip: IpAddr,
    number: u64,
    me: Weak<Mutex<Self>>,
}

impl Core {
    pub(super) fn new(setup: Setup, ip: IpAddr, me: Weak<Mutex<Self>>) -> Self {
        Self {
            setup,
            calls: Vec::new(),
            requests: Vec::new(),
            violations: Vec::new(),
            behaviour: Behaviour::Answer,
            connections: HashMap::new(),
            challenged: HashMap::new(),
            ip,
            number: 0,
            me,
        }
    }

    pub(super) const fn next(&mut self) -> u64 {
        self.number += 1;
        self.number
    }

    fn send(&self, connection: u64, sip: &Sip) {
        if let Some(out) = self.connections.get(&connection) {
            let _gone = out.try_send(sip.text());
        }
    }

    fn broken(&mut self, rule: &str, sip: &Sip) {
        self.violations.push(format!("{rule}: {}", sip.line));
    }

    pub(super) fn call(&mut self, id: &str) -> Option<&mut Call> {
        self.calls.iter_mut().find(|call| call.id == id)
    }

    pub(super) fn handle(&mut self, connection: u64, sip: &Sip) {
        if let Some(code) = sip.code() {
            return self.replied(sip, code);
        }
        self.requests.push(sip.line.clone());
        let in_dialog = sip.get("To").is_some_and(|to| to.contains(";tag="));
        match sip.method().unwrap_or_default() {
            "INVITE" if in_dialog => {
                self.broken("no re-INVITE", sip);
                self.send(connection, &sip.reply(500, "Internal Server Error", ""));
            }
            "INVITE" => self.invited(connection, sip),
            "ACK" => self.acknowledged(sip),
            "BYE" => self.hung_up(connection, sip),
            "CANCEL" => self.cancelled(connection, sip),
            "OPTIONS" if in_dialog => self.send(connection, &sip.reply(200, "OK", "")),
            // Nobody answers.
            "OPTIONS" => self.broken("no pings", sip),
            "REGISTER" => {
                self.broken("no REGISTER", sip);
                self.send(connection, &sip.reply(403, "Forbidden", "edge"));
            }
            method => {
                self.broken(&format!("no {method}"), sip);
                self.send(connection, &sip.reply(405, "Method Not Allowed", "edge").with("Allow", ALLOW));
            }
        }
    }

    // Calls of the switch.

    fn invited(&mut self, connection: u64, invite: &Sip) {
        if let Err(refusal) = self.judge(connection, invite) {
            if let Some(refusal) = refusal {
                self.refuse(connection, invite, &refusal);
            }
            return;
        }
        let tag = format!("e{}", self.next());
        match self.behaviour {
            Behaviour::Refuse(code, reason, warning) => {
                return self.refuse_with(connection, invite, &Refusal { code, reason, warning });
            }
            Behaviour::Answer | Behaviour::Ring => {}
        }
        self.send(connection, &invite.reply(100, "Trying", ""));
        self.send(connection, &invite.reply(180, "Ringing", &tag));
        let answers = matches!(self.behaviour, Behaviour::Answer);
        let call = self.taken(connection, invite, &tag, if answers { Stage::Calling } else { Stage::Ringing });
        if answers {
            self.answer(connection, invite, &tag, &call);
        }
    }

    /// Looks at an INVITE. `Err(None)`: it was challenged.
    fn judge(&mut self, connection: u64, invite: &Sip) -> Result<(), Option<Refusal>> {
        rules::address(&self.setup, invite).map_err(Some)?;
        let call = invite.get("Call-ID").unwrap_or_default().to_owned();
        if invite.get("Proxy-Authorization").is_none() {
            self.challenge(connection, invite, call);
            return Err(None);
        }
        let known = self.challenged.get(&call).filter(|(cseq, _)| cseq + 1 == invite.cseq()).map(|(_, challenges)| challenges);
        rules::proof(&self.setup, known.unwrap_or(&Vec::new()), invite).map_err(Some)?;
        rules::permission(&self.setup, invite).map_err(Some)
    }

    /// Two challenges, the stronger first, each with a nonce of its own.
    fn challenge(&mut self, connection: u64, invite: &Sip, call: String) {
        let number = self.next();
        let one = |algorithm: &'static str| (algorithm, format!("n{number}-{algorithm}"), format!("o{number}-{algorithm}"));
        let challenges: Challenges = ["SHA-256", "MD5"].map(one).to_vec();
        let mut reply = invite.reply(407, "Proxy Authentication Required", "edge");
        for (algorithm, nonce, opaque) in &challenges {
            let value =
                format!("Digest realm=\"{REALM}\",nonce=\"{nonce}\",opaque=\"{opaque}\",algorithm={algorithm},qop=\"auth\"");
            reply = reply.with("Proxy-Authenticate", value);
        }
        self.challenged.insert(call, (invite.cseq(), challenges));
        self.send(connection, &reply);
    }

    fn refuse(&mut self, connection: u64, invite: &Sip, refusal: &Refusal) {
        // Without permission nobody may be called, but nothing is wrong with the call.
        if refusal.warning.is_none() {
            self.broken(refusal.reason, invite);
        }
        self.refuse_with(connection, invite, refusal);
    }

    fn refuse_with(&mut self, connection: u64, invite: &Sip, refusal: &Refusal) {
        let mut reply = invite.reply(refusal.code, refusal.reason, "edge");
        if let Some(warning) = refusal.warning {
            reply = reply.with("Warning", format!("399 {REALM} \"{warning}\""));
        }
        self.send(connection, &reply);
    }

    /// A call of the switch that is wanted; its name.
    fn taken(&mut self, connection: u64, invite: &Sip, tag: &str, stage: Stage) -> String {
        let get = |name: &str| invite.get(name).unwrap_or_default().to_owned();
        let (id, key) = (get("Call-ID"), keys::key(self.next()));
        self.calls.push(Call {
            id: id.clone(),
            stage,
            code: 0,
            ended: None,
            audio: None,
            by_switch: true,
            connection,
            invite: invite.clone(),
            local: format!("{};tag={tag}", get("To")),
            remote: get("From"),
            target: invite.uris("Contact").into_iter().next().unwrap_or_default(),
            cseq: 1,
            socket: None,
            agreed: None,
            key,
        });
        id
    }

    fn answer(&mut self, connection: u64, invite: &Sip, tag: &str, call: &str) {
        let (opus, events) = (format_of(&invite.body, "opus/48000/2"), format_of(&invite.body, "telephone-event/8000"));
        let socket = UdpSocket::bind((self.ip, 0)).expect("a loopback address");
        let key = self.call(call).expect("just taken").key;
        let number = keys::of(&invite.body).map_or_else(|| "1".to_owned(), |(number, _)| number);
        let sdp = self.sdp(&socket, (opus, events), &keys::line(&number, &key));
        let agreed = self.agreed(&invite.body, opus, &key);
        if let Some(call) = self.call(call) {
            (call.socket, call.agreed, call.code) = (Some(socket), agreed, 200);
        }
        let mut reply = invite.reply(200, "OK", tag);
        // As the proxies on the way put them on top of each other.
        for route in ROUTES.iter().rev() {
            reply = reply.with("Record-Route", format!("<{route}>"));
        }
        let contact = format!("<{}>", self.contact());
        let reply = reply.with("Contact", contact).with("Allow", ALLOW).with("Supported", "timer");
        self.send(connection, &reply.with_sdp(&sdp));
    }

    fn contact(&self) -> String {
        format!("sip:+{}@{REALM};transport=tls;ob", self.setup.customer)
    }

    /// Whether a request in a dialog comes by both proxies to where we are.
    fn is_routed(&mut self, sip: &Sip) -> bool {
        let is_routed = sip.uris("Route") == ROUTES && sip.uri() == self.contact();
        if !is_routed {
            self.broken("both Routes, the nearest first", sip);
        }
        is_routed
    }

    fn acknowledged(&mut self, ack: &Sip) {
        let id = ack.get("Call-ID").unwrap_or_default().to_owned();
        let awaits = self.call(&id).is_some_and(|call| call.by_switch && call.stage == Stage::Calling && call.code == 200);
        if awaits && self.is_routed(ack) {
            self.begin(&id);
        }
    }

    /// A call is up: audio begins.
    fn begin(&mut self, id: &str) {
        let me = self.me.clone();
        let Some(call) = self.call(id) else { return };
        call.stage = Stage::Up;
        if let Some((socket, agreed)) = call.socket.take().zip(call.agreed.take()) {
            let id = call.id.clone();
            call.audio = Some(Audio::start(socket, agreed, move |why| {
                if let Some(core) = me.upgrade() {
                    core.lock().expect("nobody panics with it").hang_up(&id, why);
                }
            }));
        }
    }

    fn hung_up(&mut self, connection: u64, bye: &Sip) {
        let is_routed = self.is_routed(bye);
        let id = bye.get("Call-ID").unwrap_or_default().to_owned();
        let Some(call) = self.call(&id).filter(|_| is_routed) else {
            return self.send(connection, &bye.reply(481, "Call/Transaction Does Not Exist", "edge"));
        };
        call.over("by the switch");
        self.send(connection, &bye.reply(200, "OK", ""));
    }

    fn cancelled(&mut self, connection: u64, cancel: &Sip) {
        let id = cancel.get("Call-ID").unwrap_or_default().to_owned();
        self.send(connection, &cancel.reply(200, "OK", "edge"));
        let Some(call) = self.call(&id).filter(|call| call.stage == Stage::Ringing) else { return };
        call.over("cancelled");
        let reply = call.invite.reply(487, "Request Terminated", "edge");
        self.send(connection, &reply);
    }

    // Calls of ours.

    /// Calls the switch; the name of the call.
    pub(super) fn dial(&mut self, connection: u64, headers: &[(&str, &str)]) -> String {
        let number = self.next();
        let id = format!("outgoing:wacid.{number:04}==");
        let Setup { business, customer, host, .. } = self.setup;
        let socket = UdpSocket::bind((self.ip, 0)).expect("a loopback address");
        let key = keys::key(number);
        let sdp = self.sdp(&socket, (Some(111), Some(126)), &keys::line("1", &key));
        let local = format!("\"{customer}\" <sip:+{customer}@{REALM}>;tag=f{number}");
        let remote = format!("<sip:+{business}@{host}>");
        let mut invite =
            Sip::new(format!("INVITE sip:+{business};tgrp=wacall;trunk-context={host}@{host};transport=tls SIP/2.0"))
                .with("Via", self.via())
                .with("Record-Route", format!("<{}>", ROUTES[0]))
                .with("Record-Route", format!("<{}>", ROUTES[1]))
                .with("Max-Forwards", "69")
                .with("From", local.clone())
                .with("To", remote.clone())
                .with("Contact", format!("<{}>;isfocus", self.contact()))
                .with("Call-ID", id.clone())
                .with("CSeq", "2824 INVITE")
                .with("X-FB-External-Domain", REALM)
                .with("Supported", "timer")
                .with("Allow", ALLOW)
                .with("User-Agent", "Facebook SipGateway");
        for (name, value) in headers {
            invite = invite.with(name, *value);
        }
        let invite = invite.with_sdp(&sdp);
        self.send(connection, &invite);
        self.calls.push(Call {
            id: id.clone(),
            stage: Stage::Calling,
            code: 0,
            ended: None,
            audio: None,
            by_switch: false,
            connection,
            invite,
            local,
            remote,
            target: String::new(),
            cseq: 2824,
            socket: Some(socket),
            agreed: None,
            key,
        });
        id
    }

    fn via(&mut self) -> String {
        let (ip, number) = (self.ip, self.next());
        format!("SIP/2.0/TLS {ip}:5061;rport;branch=z9hG4bKPj{number};alias")
    }

    fn replied(&mut self, reply: &Sip, code: u16) {
        let id = reply.get("Call-ID").unwrap_or_default().to_owned();
        let is_invite = reply.get("CSeq").is_some_and(|cseq| cseq.ends_with("INVITE"));
        let Some(call) = self.call(&id).filter(|call| is_invite && !call.by_switch) else { return };
        match code {
            ..=179 => {}
            180..=199 => call.stage = Stage::Ringing,
            200..=299 => self.answered(&id, reply),
            401 | 407 if call.code == 0 => self.prove(&id, reply),
            _ => {
                (call.stage, call.code) = (Stage::Over, code);
                let ack = self.ack(&id, reply, true);
                self.acknowledge(&id, &ack);
            }
        }
    }

    /// Answers a challenge of the switch: the next number in the same call.
    fn prove(&mut self, id: &str, reply: &Sip) {
        let ack = self.ack(id, reply, true);
        self.acknowledge(id, &ack);
        let via = self.via();
        let Setup { business, password, host, .. } = self.setup;
        // Without the parameters that the Request-URI has.
        let uri = format!("sip:+{business}@{host}");
        let case = Case { user: business, password, method: "INVITE", uri: &uri };
        let mut asked = reply.all("Proxy-Authenticate").chain(reply.all("WWW-Authenticate"));
        let proof = asked.find_map(|challenge| digest::answer(challenge, case)).expect("a challenge that can be answered");
        let Some(call) = self.call(id) else { return };
        (call.cseq, call.code) = (call.cseq + 1, 407);
        let cseq = format!("{} INVITE", call.cseq);
        call.invite = call.invite.clone().but("Via", via).but("CSeq", cseq).with("Proxy-Authorization", proof);
        let (connection, invite) = (call.connection, call.invite.clone());
        self.send(connection, &invite);
    }

    fn ack(&mut self, id: &str, reply: &Sip, is_failure: bool) -> Sip {
        let via = self.via();
        let get = |name: &str| reply.get(name).unwrap_or_default().to_owned();
        let call = self.call(id).expect("it was found before");
        let (uri, via) = if is_failure {
            (call.invite.uri().to_owned(), call.invite.get("Via").unwrap_or_default().to_owned())
        } else {
            (call.target.clone(), via)
        };
        Sip::new(format!("ACK {uri} SIP/2.0"))
            .with("Via", via)
            .with("Max-Forwards", "69")
            .with("From", get("From"))
            .with("To", get("To"))
            .with("Call-ID", get("Call-ID"))
            .with("CSeq", format!("{} ACK", call.invite.cseq()))
    }

    fn acknowledge(&mut self, id: &str, ack: &Sip) {
        let connection = self.call(id).map_or(0, |call| call.connection);
        self.send(connection, ack);
    }

    fn answered(&mut self, id: &str, reply: &Sip) {
        if reply.uris("Record-Route") != ROUTES {
            self.broken("both Record-Routes come back", reply);
        }
        let Some(key) = self.call(id).map(|call| call.key) else { return };
        let agreed = self.agreed(&reply.body, Some(111), &key);
        let Some(call) = self.call(id) else { return };
        let is_first = call.stage != Stage::Up;
        call.target = reply.uris("Contact").into_iter().next().unwrap_or_default();
        reply.get("To").unwrap_or_default().clone_into(&mut call.remote);
        (call.agreed, call.code) = (agreed, 200);
        let ack = self.ack(id, reply, false);
        self.acknowledge(id, &ack);
        if is_first {
            self.begin(id);
        }
    }

    /// Hangs up, in whatever direction the call is.
    pub(super) fn hang_up(&mut self, id: &str, why: &str) {
        let via = self.via();
        let Some(call) = self.call(id).filter(|call| call.stage == Stage::Up) else { return };
        call.over(why);
        call.cseq += 1;
        let wacid = call.id.trim_start_matches("outgoing:").to_owned();
        let bye = Sip::new(format!("BYE {} SIP/2.0", call.target))
            .with("Via", via)
            .with("Max-Forwards", "69")
            .with("From", call.local.clone())
            .with("To", call.remote.clone())
            .with("Call-ID", call.id.clone())
            .with("CSeq", format!("{} BYE", call.cseq))
            .with("x-wa-meta-wacid", wacid)
            .with("x-wa-meta-call-duration", "42");
        let connection = call.connection;
        self.send(connection, &bye);
    }

    /// Our audio.
    fn sdp(&self, socket: &UdpSocket, (opus, events): (Option<u8>, Option<u8>), crypto: &str) -> String {
        let (ip, port) = (self.ip, socket.local_addr().expect("bound").port());
        let (opus, events) = (opus.unwrap_or(111), events.unwrap_or(126));
        format!(
            "v=0\r\no=- 1790000000 2 IN IP4 {ip}\r\ns=-\r\nt=0 0\r\na=group:BUNDLE audio\r\n\
             m=audio {port} {} {opus} {events}\r\nc=IN IP4 {ip}\r\na=rtcp:9 IN IP4 0.0.0.0\r\na=mid:audio\r\na=sendrecv\r\n\
             a=rtcp-mux\r\n{crypto}a=rtpmap:{opus} opus/48000/2\r\n\
             a=fmtp:{opus} maxaveragebitrate=20000;maxplaybackrate=16000;minptime=20;sprop-maxcapturerate=16000;useinbandfec=1\r\n\
             a=rtpmap:{events} telephone-event/8000\r\na=maxptime:20\r\na=ptime:20\r\na=ssrc:1 cname:x\r\n",
            self.setup.protocol
        )
    }

    fn agreed(&mut self, sdp: &str, opus: Option<u8>, key: &Key) -> Option<Agreed> {
        let line = |start: &str| sdp.lines().find_map(|line| line.strip_prefix(start));
        let ip: IpAddr = line("c=IN IP4 ")?.trim().parse().ok()?;
        let port: u16 = line("m=audio ")?.split(' ').next()?.parse().ok()?;
        if !sdp.contains("opus/48000/2") || !line("m=audio ")?.contains(self.setup.protocol) {
            self.violations.push("Opus in the agreed form".to_owned());
        }
        let keys = keys::of(sdp).map(|(_, theirs)| Keys::new(&theirs, key));
        if keys.is_none() {
            self.violations.push("a key in the SDP".to_owned());
        }
        Some(Agreed { to: SocketAddr::new(ip, port), payload_type: opus?, keys: keys?, speed: self.setup.speed })
    }
}

impl Call {
    fn over(&mut self, why: &str) {
        (self.stage, self.ended) = (Stage::Over, Some(why.to_owned()));
        if let Some(audio) = &self.audio {
            audio.stop();
        }
    }

    /// Who is called or calls, in digits.
    pub(super) fn number(&self) -> &str {
        user_host(self.invite.uri()).0
    }
}

/// The payload type of a format in a description.
fn format_of(sdp: &str, encoding: &str) -> Option<u8> {
    let maps = sdp.lines().filter_map(|line| line.strip_prefix("a=rtpmap:")?.split_once(' '));
    maps.filter(|(_, name)| name.trim() == encoding).find_map(|(number, _)| number.parse().ok())
}
