//! The client in simulated time, with a server that does as RFC 8656 says. The real one is in `media/tests/turn.rs`.

use ::stun::{
    attributes::{ATTR_LIFETIME, ATTR_NONCE, ATTR_REALM, ATTR_USERNAME, ATTR_XOR_PEER_ADDRESS, ATTR_XOR_RELAYED_ADDRESS},
    error_code::{ErrorCode, ErrorCodeAttribute},
    integrity::MessageIntegrity,
    message::{
        CLASS_ERROR_RESPONSE, CLASS_SUCCESS_RESPONSE, METHOD_ALLOCATE, METHOD_CHANNEL_BIND, METHOD_CREATE_PERMISSION,
        METHOD_REFRESH, Message, MessageType, Setter as _,
    },
    xoraddr::XorMappedAddress,
};

use super::*;

const STEP: Duration = Duration::from_millis(200);
const RELAYED: &str = "203.0.113.9:50000";

fn at(address: &str) -> SocketAddr {
    address.parse().unwrap()
}

/// What a server says of a request instead of granting it.
type Objection = fn(&Turn, &Message) -> Option<u16>;

/// A server with one client.
struct Turn {
    identity: Arc<Identity>,
    password: &'static str,
    nonce: String,
    is_away: bool,
    is_lent: bool,
    objection: Objection,
    /// What was asked: method and the addresses named.
    log: Vec<(u16, Vec<IpAddr>)>,
    proofs: bool,
}

impl Turn {
    fn new(identity: &Arc<Identity>) -> Self {
        Self {
            identity: Arc::clone(identity),
            password: "secret",
            nonce: "n1".to_owned(),
            is_away: false,
            is_lent: false,
            objection: |_, _| None,
            log: Vec::new(),
            proofs: true,
        }
    }

    fn peers(request: &Message) -> Vec<SocketAddr> {
        let named = request.attributes.0.iter().filter(|attribute| attribute.typ == ATTR_XOR_PEER_ADDRESS);
        named
            .map(|attribute| {
                let mut one = request.clone();
                one.attributes.0.retain(|other| other.value == attribute.value && other.typ == attribute.typ);
                let mut peer = XorMappedAddress::default();
                peer.get_from_as(&one, ATTR_XOR_PEER_ADDRESS).unwrap();
                SocketAddr::new(peer.ip, peer.port)
            })
            .collect()
    }

    fn key(&self) -> Vec<u8> {
        let of = |text: &str| text.to_owned();
        MessageIntegrity::long_term_integrity_key(of("user"), of("example"), of(self.password), self.identity.crypto()).unwrap()
    }

    fn answer(&mut self, datagram: &[u8]) -> Option<Vec<u8>> {
        let mut request = Message::default();
        request.unmarshal_binary(datagram).unwrap();
        if self.is_away {
            return None;
        }
        let is_proved = request.get(ATTR_USERNAME).is_ok()
            && MessageIntegrity::check(&mut request.clone(), &self.key(), self.identity.crypto()).is_ok();
        let is_fresh = request.get(ATTR_NONCE).is_ok_and(|nonce| nonce == self.nonce.as_bytes());
        if !is_proved || !is_fresh {
            let code = if is_proved { 438 } else { 401 };
            return Some(self.reply(&request, Err(code), |reply| {
                reply.add(ATTR_REALM, b"example");
            }));
        }
        let method = request.typ.method;
        self.log
            .push((u16::from_be_bytes([datagram[0], datagram[1]]), Self::peers(&request).iter().map(SocketAddr::ip).collect()));
        let releases = method == METHOD_REFRESH && request.get(ATTR_LIFETIME).is_ok_and(|value| value == [0; 4]);
        let mut objection = (self.objection)(self, &request);
        if (method == METHOD_ALLOCATE) == self.is_lent {
            objection = Some(437);
        }
        if let Some(code) = objection {
            return Some(self.reply(&request, Err(code), |_| {}));
        }
        self.is_lent = !releases;
        Some(self.reply(&request, Ok(()), |reply| match method {
            METHOD_ALLOCATE => {
                let SocketAddr::V4(relayed) = at(RELAYED) else { unreachable!() };
                let relayed = XorMappedAddress { ip: (*relayed.ip()).into(), port: relayed.port() };
                relayed.add_to_as(reply, ATTR_XOR_RELAYED_ADDRESS).unwrap();
                reply.add(ATTR_LIFETIME, &600_u32.to_be_bytes());
            }
            METHOD_REFRESH => reply.add(ATTR_LIFETIME, &(if releases { 0_u32 } else { 600 }).to_be_bytes()),
            METHOD_CREATE_PERMISSION | METHOD_CHANNEL_BIND => {}
            other => panic!("{other:?}"),
        }))
    }

    fn reply(&self, request: &Message, said: Result<(), u16>, add: impl Fn(&mut Message)) -> Vec<u8> {
        let mut reply = Message::new();
        let class = if said.is_ok() { CLASS_SUCCESS_RESPONSE } else { CLASS_ERROR_RESPONSE };
        (reply.typ, reply.transaction_id) = (MessageType::new(request.typ.method, class), request.transaction_id);
        reply.write_header();
        if let Err(code) = said {
            let reason = b"no\x07t so".to_vec();
            ErrorCodeAttribute { code: ErrorCode(code), reason }.add_to(&mut reply).unwrap();
        }
        add(&mut reply);
        if let Err(401 | 438) = said {
            reply.add(ATTR_NONCE, self.nonce.as_bytes());
        } else if self.proofs {
            let proof = MessageIntegrity::new_raw_integrity_with_provider(self.key(), self.identity.crypto());
            proof.add_to(&mut reply).unwrap();
        }
        reply.raw
    }

    fn count(&self, method: u16) -> usize {
        self.log.iter().filter(|(asked, _)| *asked == method).count()
    }
}

/// A client with its server, and the time.
struct Scene {
    now: Instant,
    client: Client,
    server: Turn,
    address: Option<SocketAddr>,
    /// Why there was none, each time.
    reasons: Vec<String>,
    sent: usize,
}

impl Scene {
    #[expect(clippy::disallowed_methods, reason = "any instant will do as the start of simulated time")]
    fn new() -> Self {
        let (now, identity) = (Instant::now(), Arc::new(Identity::new().unwrap()));
        let text = |text: &str| text.to_owned();
        let server = Server { address: at("192.0.2.1:3478"), username: text("user"), password: text("secret") };
        let client = Client::new(now, server, false, &identity);
        Self { now, client, server: Turn::new(&identity), address: None, reasons: Vec::new(), sent: 0 }
    }

    /// Lets what was said be answered until nothing is left to say.
    fn settle(&mut self) {
        while let Some(output) = self.client.poll() {
            match output {
                Output::Send(bytes) => {
                    self.sent += 1;
                    if let Some(answer) = self.server.answer(&bytes) {
                        self.client.handle(self.now, &answer);
                    }
                }
                Output::Lent(address) => self.address = Some(address),
                Output::Lost(why) => {
                    self.address = None;
                    self.reasons.push(why);
                }
            }
        }
    }

    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.client.tick(self.now);
            self.settle();
            self.now += STEP;
        }
    }

    fn lent() -> Self {
        let mut scene = Self::new();
        scene.run(STEP);
        assert_eq!((scene.address, scene.reasons.len()), (Some(at(RELAYED)), 0));
        scene
    }
}

const HOUR: Duration = Duration::from_secs(3_600);

#[test]
fn an_address_is_lent_to_who_proves_and_stays_for_hours() {
    let mut scene = Scene::lent();
    assert_eq!((scene.sent, scene.server.count(3)), (2, 1), "once without a proof, once with it");
    scene.run(3 * HOUR);
    assert_eq!((scene.address, scene.server.count(3)), (Some(at(RELAYED)), 1));
    assert_eq!(scene.server.count(4), 20, "a refresh each nine minutes");
}

#[test]
fn a_nonce_that_is_stale_is_replaced_and_costs_one_more_request() {
    let mut scene = Scene::lent();
    scene.server.nonce = "n2".to_owned();
    let before = scene.sent;
    scene.client.permit(scene.now, at("198.51.100.1:0").ip());
    scene.run(STEP);
    assert_eq!((scene.sent - before, scene.server.count(8), scene.reasons.len()), (2, 1, 0));
}

#[test]
fn a_wrong_password_is_told_and_not_tried_more_than_once_a_minute() {
    let mut scene = Scene::new();
    scene.server.password = "another";
    scene.run(10 * 60 * Duration::from_secs(1));
    assert_eq!(scene.reasons.first().map(String::as_str), Some("401 it does not take the user or the password"));
    assert!(scene.reasons.len() == 10 && scene.sent == 20, "{} {}", scene.reasons.len(), scene.sent);
    scene.server.password = "secret";
    scene.run(Duration::from_secs(61));
    assert_eq!(scene.address, Some(at(RELAYED)));
}

#[test]
fn what_a_process_before_us_was_lent_is_given_back() {
    let mut scene = Scene::new();
    scene.server.is_lent = true;
    scene.run(STEP);
    assert_eq!((scene.address, scene.server.count(3), scene.server.count(4)), (Some(at(RELAYED)), 2, 1));
    scene.client.release(scene.now);
    scene.settle();
    assert!(scene.server.count(4) == 2 && scene.server.count(3) == 3);
}

#[test]
fn a_server_that_is_away_is_asked_again_and_one_that_comes_back_lends() {
    let mut scene = Scene::new();
    scene.server.is_away = true;
    scene.run(Duration::from_secs(120));
    assert_eq!(scene.reasons, ["it does not answer"; 2]);
    assert!(scene.sent < 25, "{}", scene.sent);
    scene.server.is_away = false;
    scene.run(Duration::from_secs(30));
    assert_eq!(scene.address, Some(at(RELAYED)));
    // It was started again and knows nothing of us.
    (scene.server.is_lent, scene.server.nonce) = (false, "n3".to_owned());
    scene.run(Duration::from_secs(600));
    assert_eq!((scene.address, &*scene.reasons[2]), (Some(at(RELAYED)), "it does not know of it any more"));
}

#[test]
fn who_does_not_know_the_password_answers_for_nobody() {
    let mut scene = Scene::new();
    scene.server.proofs = false;
    scene.run(Duration::from_secs(30));
    assert_eq!((scene.address, scene.reasons.len()), (None, 0));
    // Nor does an answer of another transaction, or one that is cut short.
    let mut scene = Scene::lent();
    scene.client.permit(scene.now, at("198.51.100.1:0").ip());
    scene.client.tick(scene.now);
    let Some(Output::Send(request)) = scene.client.poll() else { panic!() };
    let answer = scene.server.answer(&request).unwrap();
    for end in 0..answer.len() {
        scene.client.handle(scene.now, &answer[..end]);
    }
    let mut other = answer.clone();
    other[19] ^= 1;
    scene.client.handle(scene.now, &other);
    assert_eq!(scene.client.asked.len(), 1);
    scene.client.handle(scene.now, &answer);
    assert_eq!(scene.client.asked.len(), 0);
}

#[test]
fn peers_are_permitted_together_for_as_long_as_they_are_wanted() {
    let mut scene = Scene::lent();
    let peers: Vec<IpAddr> = (1..=20).map(|n| IpAddr::from([198, 51, 100, n])).collect();
    for _ in 0..10 {
        peers.iter().for_each(|peer| scene.client.permit(scene.now, *peer));
        scene.run(Duration::from_secs(60));
    }
    assert_eq!(scene.server.count(8), 6, "two requests each four minutes");
    scene.run(HOUR);
    assert_eq!((scene.server.count(8), scene.client.permissions.len()), (6, 0));
    scene.client.permit(scene.now, at("[2001:db8::1]:0").ip());
    assert_eq!(scene.client.permissions.len(), 0, "an address of IPv4 hears nobody of IPv6");
}

#[test]
fn a_peer_that_the_server_forbids_takes_nothing_from_the_others() {
    let mut scene = Scene::lent();
    let bad = IpAddr::from([10, 0, 0, 1]);
    scene.server.objection =
        |_, request| Turn::peers(request).iter().any(|peer| peer.ip() == IpAddr::from([10, 0, 0, 1])).then_some(403);
    for peer in [IpAddr::from([198, 51, 100, 1]), bad, IpAddr::from([198, 51, 100, 2])] {
        scene.client.permit(scene.now, peer);
    }
    scene.run(Duration::from_secs(5));
    let granted = |peer: [u8; 4]| scene.client.permissions[&IpAddr::from(peer)].until.is_some();
    assert!(granted([198, 51, 100, 1]) && granted([198, 51, 100, 2]) && !granted([10, 0, 0, 1]));
    assert_eq!((scene.server.count(8), scene.address), (4, Some(at(RELAYED))));
}

#[test]
fn a_channel_stands_while_it_is_wanted_and_its_number_rests_then() {
    let mut scene = Scene::lent();
    let (one, other) = (at("198.51.100.1:4000"), at("198.51.100.2:4000"));
    let told = Arc::new(AtomicU16::new(0));
    for _ in 0..30 {
        scene.client.bind(scene.now, one, &told);
        scene.run(Duration::from_secs(60));
        assert_eq!((told.load(Ordering::Relaxed), scene.client.peer_of(0x4000)), (0x4000, Some(one)));
    }
    // A second stream to the same peer has the same one.
    let again = Arc::new(AtomicU16::new(0));
    scene.client.bind(scene.now, one, &again);
    assert_eq!(again.load(Ordering::Relaxed), 0x4000);
    scene.run(Duration::from_secs(13 * 60));
    assert_eq!((again.load(Ordering::Relaxed), scene.client.peer_of(0x4000)), (0, Some(one)), "it rests");
    scene.client.next_number = 0x4000;
    scene.client.bind(scene.now, other, &told);
    assert_eq!((scene.client.peer_of(0x4001), scene.client.peer_of(0x4000)), (Some(other), Some(one)));
    scene.run(HOUR);
    assert!(scene.client.numbers.is_empty() && scene.client.channels.is_empty());
}

#[test]
fn with_the_address_its_channels_are_gone() {
    let mut scene = Scene::lent();
    let told = Arc::new(AtomicU16::new(0));
    scene.client.bind(scene.now, at("198.51.100.1:4000"), &told);
    scene.run(STEP);
    assert_eq!(told.load(Ordering::Relaxed), 0x4000);
    scene.server.is_away = true;
    scene.run(Duration::from_secs(11 * 60));
    assert_eq!((told.load(Ordering::Relaxed), scene.address), (0, None));
    assert!(scene.client.numbers.is_empty() && scene.client.permissions.is_empty());
}

#[test]
fn many_peers_are_bounded_and_asked_for_little_by_little() {
    let mut scene = Scene::lent();
    let told = Arc::new(AtomicU16::new(0));
    for n in 0..10_000_u16 {
        let [high, low] = n.to_be_bytes();
        scene.client.permit(scene.now, IpAddr::from([198, 18, high, low]));
        scene.client.bind(scene.now, SocketAddr::from(([198, 18, high, low], 4_000)), &told);
    }
    assert_eq!((scene.client.permissions.len(), scene.client.channels.len()), (MOST_PERMISSIONS, 4_096));
    scene.server.is_away = true;
    for _ in 0..50 {
        scene.client.tick(scene.now);
        assert!(scene.client.asked.len() <= MOST_ASKED + 1, "{}", scene.client.asked.len());
        scene.settle();
        scene.now += STEP;
    }
}
