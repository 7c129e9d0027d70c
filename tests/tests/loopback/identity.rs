//! Signed caller ids: certificates from a real HTTPS server, verdicts in replies, calls and records, and calls of ours
//! that a verifier believes.

use std::{
    fs,
    io::{Read, Write},
    net::{IpAddr, SocketAddr, TcpListener, UdpSocket},
    sync::{
        Arc, Mutex,
        mpsc::{SyncSender, sync_channel},
    },
    thread,
    time::Duration,
};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, PKCS_ECDSA_P256_SHA256};
use ring::rand::SystemRandom;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use tandem_signaling::{
    identity::{Attestation, Case, Fetched, Input, Output, Presented, Signer, TelephoneNumber, TrustList, Verdict, Verifier},
    message::Message,
};
use tandem_tests::{ground::Ground, switch::Switch, wait};

const ORIGID: &str = "123e4567-e89b-12d3-a456-426655440000";
const CALLER: &str = "+12155551212";
const CALLED: &str = "+390212345678";

const PLAN: &str = r#"
listen {
    sip-udp "127.0.0.1:5060"
    http "127.0.0.1:8080"
    tls certificate="https.pem" key="https-key.pem"
}
trunk "shows" {
    match "{shows}"
    identity { verify "show" trust="authorities.pem"; certificates-from "{ip}"; }
}
trunk "requires" {
    match "{requires}"
    identity { verify "require" trust="authorities.pem"; certificates-from "{ip}"; }
}
trunk "signs" {
    peer "udp" "{signs}:5060"
    international #true
    identity { sign key="signing-key.pem" certificate="{url}" origid="123e4567-e89b-12d3-a456-426655440000"; own "+3902123456XX"; }
}
route "out" {
    from any
    to "+4{rest:1..20}"
    dial trunk="signs" number="+4{rest}" caller-id="+390212345678"
}
route "in" {
    from any
    answer
    echo
}
"#;

/// A carrier, the web server with its certificate, and a switch that trusts its authority.
struct World {
    switch: Switch,
    signer: Signer,
    url: String,
    root: String,
    chain: String,
    shows: UdpSocket,
    requires: UdpSocket,
    signs: UdpSocket,
    /// Lets the web server answer once.
    answer: SyncSender<()>,
}

fn world() -> World {
    let ground = Ground::new();
    let addresses = [(); 3].map(|()| ground.carrier());
    let authority = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key");
    let mut params = CertificateParams::new(Vec::<String>::new()).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = params.self_signed(&authority).expect("a certificate").pem();
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key");
    let carrier = CertificateParams::new(Vec::<String>::new()).expect("no names");
    let chain = carrier.signed_by(&key, &Issuer::new(params, authority)).expect("a certificate").pem();
    let https = rcgen::generate_simple_self_signed([ground.ip.to_string()]).expect("a certificate");
    let (answer, url) = serve(ground.ip, &https.cert.pem(), &https.signing_key.serialize_pem(), chain.clone());

    let text = ["shows", "requires", "signs"]
        .into_iter()
        .zip(addresses)
        .fold(PLAN.to_owned(), |plan, (name, address)| plan.replace(&format!("{{{name}}}"), &address.to_string()));
    let config = ground.plan(&text.replace("{ip}", &ground.ip.to_string()).replace("{url}", &url));
    for (file, text) in [
        ("authorities.pem", root.clone()),
        ("signing-key.pem", key.serialize_pem()),
        ("https.pem", https.cert.pem()),
        ("trusted.pem", https.cert.pem()),
        ("https-key.pem", https.signing_key.serialize_pem()),
    ] {
        fs::write(config.join(file), text).expect("a writable folder");
    }
    let signer = Signer::new(key.serialize_pem().as_bytes(), &url, ORIGID, &SystemRandom::new()).expect("a signer");
    let [shows, requires, signs] = addresses.map(|address| {
        let socket = UdpSocket::bind((address, 5_060)).expect("a free port");
        socket.set_read_timeout(Some(wait::SOON)).expect("a socket");
        socket
    });
    let switch = Switch::start(ground, config.to_str().expect("plain paths"), None, 5_060);
    World { switch, signer, url, root, chain, shows, requires, signs, answer }
}

/// A web server that answers one request, with `chain`, each time it is let.
fn serve(ip: IpAddr, certificate: &str, key: &str, chain: String) -> (SyncSender<()>, String) {
    let _installed = rustls::crypto::ring::default_provider().install_default();
    let listener = TcpListener::bind((ip, 0)).expect("a free port");
    let url = format!("https://{}/carrier.pem", listener.local_addr().expect("bound"));
    let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).expect("PEM");
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("PEM");
    let config = rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate], key);
    let config = Arc::new(config.expect("they belong together"));
    let (answer, may_answer) = sync_channel(16);
    let may_answer = Mutex::new(may_answer);
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut tls = rustls::ServerConnection::new(Arc::clone(&config)).expect("a configuration");
            let mut stream = rustls::Stream::new(&mut tls, &mut stream);
            let mut request = [0; 4_096];
            let length = stream.read(&mut request).unwrap_or(0);
            if !request[..length].starts_with(b"GET /carrier.pem HTTP/1.1\r\n") {
                continue;
            }
            if may_answer.lock().expect("one thread").recv().is_err() {
                return;
            }
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nCache-Control: max-age=60\r\n\r\n", chain.len());
            let _gone = stream.write_all((head + &chain).as_bytes());
        }
    });
    (answer, url)
}

impl World {
    /// A header that vouches for a caller, signed some seconds ago.
    fn identity(&self, orig: &str, ago_s: u64) -> String {
        let number = |user| TelephoneNumber::from_user(user).expect("a number");
        let signed = self.signer.sign((&number(orig), &number(CALLED)), Attestation::A, unix_s() - ago_s, &SystemRandom::new());
        format!("Identity: {}\r\n", signed.expect("randomness"))
    }

    /// Sends an INVITE and waits for the final reply: its status line and the tag of the switch.
    fn invite(&self, from: &UdpSocket, to: &str, call_id: &str, headers: &str) -> (String, String) {
        let own = from.local_addr().expect("bound");
        let sdp = format!("v=0\r\no=- 1 1 IN IP4 {0}\r\ns=-\r\nc=IN IP4 {0}\r\nt=0 0\r\nm=audio 30000 RTP/AVP 8\r\n", own.ip());
        let request = request("INVITE", self.switch.sip, own, to, call_id, "")
            + &format!("{headers}Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}", sdp.len());
        from.send_to(request.as_bytes(), self.switch.sip).expect("sent");
        let ours = format!("Call-ID: {call_id}\r\n");
        let is_final = |text: &str| text.starts_with("SIP/2.0 ") && !text.starts_with("SIP/2.0 1");
        let reply = wait_for(from, |text| is_final(text) && text.contains(&ours));
        let line = reply.lines().next().expect("a line").trim_start_matches("SIP/2.0 ").to_owned();
        let to_line = reply.lines().find(|line| line.starts_with("To:")).expect("To");
        let tag = to_line.split(";tag=").nth(1).expect("a tag").to_owned();
        let ack = request_end("ACK", self.switch.sip, own, to, call_id, &tag);
        from.send_to(ack.as_bytes(), self.switch.sip).expect("sent");
        (line, tag)
    }

    /// What a verifier elsewhere says of a call.
    fn verdict(&self, invite: &str, shown: &str) -> Verdict {
        let message = Message::parse(invite.to_owned().into()).expect("a message");
        let case = Case {
            id: 1,
            presented: Presented::of(&message).map(Box::new),
            shown: shown.to_owned(),
            trust: Arc::new(TrustList::from_pem(self.root.as_bytes()).expect("an authority")),
            window_s: 60,
            country_code: None,
            hosts: Arc::default(),
            unix_s: unix_s(),
        };
        let (mut verifier, now) = (Verifier::default(), instant());
        verifier.handle(now, Input::Examine(Box::new(case)));
        let Some(Output::Fetch { url, .. }) = verifier.poll() else { panic!("a certificate is asked for") };
        assert_eq!(*url, *self.url);
        let chain = Fetched { bytes: self.chain.clone().into_bytes(), max_age: Duration::ZERO };
        verifier.handle(now, Input::Fetched { url, outcome: Some(chain) });
        let Some(Output::Judged { verdict, .. }) = verifier.poll() else { panic!("it is judged") };
        verdict
    }

    fn hang_up(&self, from: &UdpSocket, call_id: &str, tag: &str) {
        let own = from.local_addr().expect("bound");
        let bye = request_end("BYE", self.switch.sip, own, CALLED, call_id, tag);
        from.send_to(bye.as_bytes(), self.switch.sip).expect("sent");
        wait_for(from, |text| text.starts_with("SIP/2.0 200") && text.contains("BYE"));
    }
}

fn request(method: &str, switch: SocketAddr, own: SocketAddr, to: &str, call_id: &str, tag: &str) -> String {
    let tag = if tag.is_empty() { String::new() } else { format!(";tag={tag}") };
    let number = if method == "BYE" { 2 } else { 1 };
    format!(
        "{method} sip:{to}@{switch} SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bK{call_id}{method}\r\nMax-Forwards: 70\r\n\
         From: <sip:{CALLER}@{own}>;tag=1\r\nTo: <sip:{to}@{switch}>{tag}\r\nCall-ID: {call_id}\r\nCSeq: {number} {method}\r\n\
         Contact: <sip:{own}>\r\n"
    )
}

fn request_end(method: &str, switch: SocketAddr, own: SocketAddr, to: &str, call_id: &str, tag: &str) -> String {
    request(method, switch, own, to, call_id, tag) + "Content-Length: 0\r\n\r\n"
}

fn wait_for(socket: &UdpSocket, wanted: impl Fn(&str) -> bool) -> String {
    let mut buffer = [0; 16_384];
    loop {
        let (length, _) = socket.recv_from(&mut buffer).expect("a message in time");
        let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
        if wanted(&text) {
            return text;
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "signatures are made now")]
fn unix_s() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(Duration::ZERO, |since| since).as_secs()
}

#[expect(clippy::disallowed_methods, reason = "a verifier is told an instant")]
fn instant() -> std::time::Instant {
    std::time::Instant::now()
}

#[test]
fn a_call_begins_before_its_certificate_is_there_and_its_record_tells_the_verdict() {
    let world = world();
    let (line, tag) = world.invite(&world.shows, CALLED, "pending", &world.identity(CALLER, 0));
    assert!(line.starts_with("200 "), "{line}");
    assert_eq!(world.switch.until_call(CALLER, "plan")["identity"], "pending");
    world.answer.send(()).expect("the web server lives");
    wait::until_true("the verdict comes", || world.switch.calls().iter().any(|call| call["identity"] == "verified-a"));
    assert!(world.switch.cli(&["calls", "list"]).contains("verified-a"));
    world.hang_up(&world.shows, "pending", &tag);
    assert_eq!(world.switch.until_cdr(CALLER)["identity"], "verified-a");
    assert_eq!(world.switch.metric("tandem_caller_identity_total{verdict=\"verified-a\"}"), 1.0);
    // Where callers are only looked at, a call without a signature goes on.
    let (line, tag) = world.invite(&world.shows, CALLED, "unsigned", "");
    assert!(line.starts_with("200 "), "{line}");
    world.hang_up(&world.shows, "unsigned", &tag);
    let cdrs = world.switch.until_cdrs(&format!("number={}", CALLER.replace('+', "%2B")), 2);
    assert_eq!(cdrs[0]["identity"], "no-identity");
}

#[test]
fn where_a_signature_is_required_others_are_refused_as_the_rfc_says() {
    let world = world();
    let good = world.identity(CALLER, 0);
    // Only the first of these needs the certificate.
    world.answer.send(()).expect("the web server lives");
    let (line, tag) = world.invite(&world.requires, CALLED, "good", &good);
    assert!(line.starts_with("200 "), "{line}");
    world.hang_up(&world.requires, "good", &tag);
    let elsewhere = world.url.replace("carrier.pem", "nothing.pem");
    for (name, headers, expected) in [
        ("none", String::new(), "428 Use Identity Header"),
        ("stale", world.identity(CALLER, 3_600), "403 Stale Date"),
        ("other", world.identity("+12155559999", 0), "438 Invalid Identity Header"),
        ("broken", "y: broken\r\n".to_owned(), "438 Invalid Identity Header"),
        ("moved", good.replace(&world.url, &elsewhere), "438 Invalid Identity Header"),
        ("changed", change_signature(&good), "438 Invalid Identity Header"),
    ] {
        assert_eq!(world.invite(&world.requires, CALLED, name, &headers).0, expected, "{name}");
    }
}

#[test]
fn without_its_certificate_a_required_signature_counts_for_nothing() {
    let world = world();
    let (line, _) = world.invite(&world.requires, CALLED, "slow", &world.identity(CALLER, 0));
    assert_eq!(line, "436 Bad Identity Info", "the web server does not answer in time");
}

/// Another signature of the right length.
fn change_signature(header: &str) -> String {
    let end = header.find(";info").expect("a parameter");
    let at = end - 40;
    let other = if header.as_bytes()[at] == b'A' { "B" } else { "A" };
    format!("{}{other}{}", &header[..at], &header[at + 1..])
}

#[test]
fn our_calls_carry_a_signature_that_others_believe() {
    let world = world();
    let own = world.requires.local_addr().expect("bound");
    let request = request("INVITE", world.switch.sip, own, "+41445550100", "through", "");
    // The trunk asks for a signature, for the number that is dialled there.
    let number = |user| TelephoneNumber::from_user(user).expect("a number");
    let signed = world.signer.sign((&number(CALLER), &number("+41445550100")), Attestation::C, unix_s(), &SystemRandom::new());
    let sdp = format!("v=0\r\no=- 1 1 IN IP4 {0}\r\ns=-\r\nc=IN IP4 {0}\r\nt=0 0\r\nm=audio 30000 RTP/AVP 8\r\n", own.ip());
    let rest = format!("Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}", sdp.len());
    let text = format!("{request}Identity: {}\r\n{rest}", signed.expect("randomness"));
    world.answer.send(()).expect("the web server lives");
    world.requires.send_to(text.as_bytes(), world.switch.sip).expect("sent");

    let invite = wait_for(&world.signs, |text| text.starts_with("INVITE "));
    let header = invite.lines().find_map(|line| line.strip_prefix("Identity: ")).expect("it is signed");
    assert!(header.ends_with(&format!(";info=<{}>;alg=ES256;ppt=shaken", world.url)), "{header}");
    assert!(invite.lines().any(|line| line.starts_with("Date: ") && line.ends_with(" GMT")), "{invite}");
    // The caller id is a number of ours.
    assert_eq!(world.verdict(&invite, CALLED), Verdict::Verified(Attestation::A));
}
