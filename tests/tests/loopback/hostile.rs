//! What callers send, as the next carrier sees it: every text of `hostile/texts.json` in every place of an INVITE.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr, UdpSocket},
    time::Duration,
};

use rsip::prelude::{HeadersExt as _, ToTypedHeader as _};
use tandem_tests::{ground::Ground, switch::Switch, wait, words::Words};

/// The number of the call that comes last.
const LAST: &str = "4790012345";
/// Headers that an INVITE of ours may have, and the body's.
const OURS: &[&str] = &[
    "via",
    "max-forwards",
    "from",
    "to",
    "call-id",
    "cseq",
    "contact",
    "allow",
    "supported",
    "content-type",
    "content-length",
    "user-agent",
    "session-expires",
    "min-se",
    "p-asserted-identity",
    "diversion",
    "history-info",
    "privacy",
    "allow-events",
    "accept",
    "identity",
    "date",
    "p-early-media",
];

/// The next carrier: declines every call and keeps what it was sent.
struct Decliner {
    socket: UdpSocket,
    heard: BTreeMap<String, String>,
}

impl Decliner {
    fn at(ip: IpAddr) -> Self {
        let socket = UdpSocket::bind((ip, 5_060)).expect("an address of our own");
        socket.set_read_timeout(Some(Duration::from_millis(20))).expect("a socket");
        Self { socket, heard: BTreeMap::new() }
    }

    /// Takes what has come; the INVITEs so far, one a call.
    fn listen(&mut self) -> &BTreeMap<String, String> {
        let mut buffer = [0; 65_536];
        while let Ok((length, from)) = self.socket.recv_from(&mut buffer) {
            let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
            if text.starts_with("INVITE ") {
                self.decline(&text, from);
                let call = header(&text, "Call-ID").to_owned();
                self.heard.insert(call, text);
            }
        }
        &self.heard
    }

    fn decline(&self, invite: &str, to: SocketAddr) {
        let line = |name: &str| format!("{name}: {}\r\n", header(invite, name));
        let vias: String = invite.lines().filter(|line| line.starts_with("Via:")).map(|line| format!("{line}\r\n")).collect();
        let rest = ["From", "Call-ID", "CSeq"].map(line).concat();
        let reply =
            format!("SIP/2.0 486 Busy Here\r\n{vias}{rest}To: {};tag=no\r\nContent-Length: 0\r\n\r\n", header(invite, "To"));
        self.socket.send_to(reply.as_bytes(), to).expect("a loopback address");
    }
}

fn header<'a>(text: &'a str, name: &str) -> &'a str {
    let found = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    found.unwrap_or_else(|| panic!("no {name} in:\n{text}")).trim()
}

fn texts() -> Vec<(String, String)> {
    serde_json::from_str(include_str!("../../../dialplans/tests/hostile/texts.json")).expect("texts")
}

fn escaped(text: &str) -> String {
    text.bytes().map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

/// An INVITE of the carrier with a text in one place.
fn invites(words: &Words, text: &str, number: usize) -> Vec<String> {
    let (switch, local) = (words.switch(), words.local);
    let quoted = text.replace('\\', "\\\\").replace('"', "\\\"");
    let invite = |kind: usize, to: &str, display: &str, from: &str, more: &str| {
        let name = format!("h{number}x{kind}");
        format!(
            "INVITE sip:{to}@{switch} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bK{name};rport\r\nMax-Forwards: 70\r\n\
             From: {display}<sip:{from}@{local}>;tag={name}\r\nTo: <sip:{to}@{switch}>\r\nCall-ID: {name}@test\r\nCSeq: 1 INVITE\r\n\
             Contact: <sip:x@{local}>\r\n{more}Content-Length: 0\r\n\r\n"
        )
    };
    let (plain, hidden) = (LAST, escaped(text));
    let all = [
        (text, "", plain, String::new()),
        (&hidden, "", plain, String::new()),
        (plain, "", text, String::new()),
        (plain, "", &hidden, String::new()),
        (plain, &format!("{text} "), plain, String::new()),
        (plain, &format!("\"{quoted}\" "), plain, String::new()),
        (plain, "", plain, format!("X-Account: {text}\r\n")),
        (plain, "", plain, format!("P-Asserted-Identity: \"{quoted}\" <sip:{hidden}@{local}>\r\n")),
        (plain, "", plain, format!("Diversion: <sip:{hidden}@{local}>;reason={text}\r\n")),
        (plain, "", plain, format!("Subject: {text}\r\nReply-To: <sip:{hidden}@{local}>\r\nAlert-Info: <{text}>\r\n")),
    ];
    all.iter().enumerate().map(|(kind, (to, display, from, more))| invite(kind, to, display, from, more)).collect()
}

fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or(text);
    (1..=32).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit() || b"*#".contains(&b))
}

/// What another parser than ours makes of what the next carrier was sent, and that it holds nothing of the caller's but
/// a number and a name.
fn harmless(invite: &str, out: IpAddr) {
    let (head, body) = invite.split_once("\r\n\r\n").expect("a whole message");
    for line in head.split("\r\n").skip(1) {
        let name = line.split(':').next().unwrap_or_default().to_ascii_lowercase();
        assert!(OURS.contains(&name.as_str()), "{name} is no header of ours:\n{invite}");
        assert!(!line.contains(char::is_control), "{line:?}");
    }
    assert!(body.is_empty() || body.starts_with("v=0\r\n"), "{invite}");
    let request = rsip::Request::try_from(invite.as_bytes().to_vec()).expect("a request for another parser");
    let user = request.uri.auth.as_ref().map(|auth| auth.user.as_str()).unwrap_or_default();
    assert!(is_number(user), "{user:?} was dialled");
    assert_eq!(request.uri.host_with_port.host.to_string(), out.to_string());
    let from = request.from_header().expect("From").typed().expect("From");
    let told = |name: &'static str| {
        let lines = head.split("\r\n").filter_map(move |line| line.strip_prefix(name)?.strip_prefix(": "));
        lines.filter_map(|line| Some(line.rsplit_once("<sip:")?.1.split_once('@')?.0.to_owned()))
    };
    let users = ["P-Asserted-Identity", "Diversion", "History-Info"].into_iter().flat_map(told);
    for user in users.chain(from.uri.auth.map(|auth| auth.user)) {
        let is_plain = user.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-_.*#".contains(&b));
        assert!(is_plain && user.len() <= 64, "{user:?} is told:\n{invite}");
    }
}

/// Every text in every place, then one good call; what arrived of all that.
fn after_all_texts(step: &str) -> usize {
    let ground = Ground::new();
    let (own, out) = (ground.carrier(), ground.device());
    let plan = format!(
        r##"
        listen {{ sip-udp "127.0.0.1:5060"; http "127.0.0.1:8080"; rtp "20000-29999"; }}
        country "IT"
        extensions from=1001 to=1010
        mailbox "support"
        trunk "carrier" {{ match "{{carrier}}"; max-calls 100000; trust "identity"; keep-header "X-Account" as="account"; }}
        trunk "next" {{ peer "udp" "{out}"; max-calls 100000; international #true; trust "identity"; }}
        route "last" {{ from trunk="carrier"; to "{LAST}"; dial trunk="next" number="{LAST}" caller-id="{{caller}}"; }}
        route "all" {{ from trunk="carrier"; to matches=#"(?s)(?<rest>.*)"#; {step}; dial trunk="next" number="900"; }}
        "##
    );
    let config = ground.plan(&plan);
    let switch = Switch::start(ground, config.to_str().expect("plain paths"), None, 5_060);
    let mut next = Decliner::at(out);
    let words = Words::new(own, switch.sip);
    for (number, (_, text)) in texts().iter().enumerate() {
        for invite in invites(&words, text, number) {
            words.send(invite.as_bytes());
        }
        next.listen();
        // What is refused at once is not kept for long: nobody here acknowledges.
        while words.hear(Duration::from_millis(1)).is_some() {}
    }
    let end = Words::new(own, switch.sip);
    end.send(end.request("INVITE", &format!("sip:{LAST}@{}", switch.sip), "390299", "theend", "").as_bytes());
    wait::until_true("the last call arrives", || next.listen().values().any(|invite| header(invite, "From").contains("390299")));
    for invite in next.heard.values() {
        harmless(invite, out);
    }
    assert_eq!(switch.metric("tandem_call_faults_total"), 0.0);
    next.heard.len()
}

#[test]
fn no_text_of_a_caller_leaves_as_more_than_a_number_and_a_name() {
    for step in [
        r#"dial trunk="next" number="{rest}""#,
        r#"dial trunk="next" number="0039{rest}" caller-id="{account}""#,
        r#"dial trunk="next" number="{account}" caller-id="{rest}""#,
    ] {
        // Most texts stand beside a good number: their calls go on.
        let arrived = after_all_texts(step);
        assert!(arrived > 200, "{step}: only {arrived} calls arrived");
    }
}
