//! How long a call takes and how much it holds: two endpoints in one process, no sockets.
//!
//! `cargo run --release -p tandem-signaling --example endpoint_speed`

use std::{
    alloc::{GlobalAlloc, Layout, System},
    net::SocketAddr,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    time::{Duration, Instant},
};

use bytes::Bytes;
use tandem_signaling::{
    endpoint::{
        Command, Destination, Endpoint, EndpointConfig, Event, Input, Invite, InviteId, Listener, Output, PartyIdentity, Peer,
        Target, Trunk,
    },
    flow::{Flow, Transport},
};

const SDP: &[u8] = b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
m=audio 20000 RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=ptime:20\r\n";

/// Counts live bytes and allocations.
struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static MADE: AtomicUsize = AtomicUsize::new(0);

#[expect(unsafe_code, reason = "an allocator that counts has to be one")]
// SAFETY: every call goes to the system allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size(), Relaxed);
        MADE.fetch_add(1, Relaxed);
        // SAFETY: as above.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Caller and callee, and what is on its way between them.
struct Pair {
    now: Instant,
    ends: [Endpoint; 2],
    wire: Vec<(usize, Flow, Bytes)>,
    heard: Vec<(usize, Event)>,
}

fn address(end: usize) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, if end == 0 { 1 } else { 2 }], 5060))
}

impl Pair {
    fn new() -> Self {
        #[expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]
        let now = Instant::now();
        let ends = [0, 1].map(|end| {
            let config = EndpointConfig::new("speed", vec![Listener::new(Transport::Udp, address(end))]);
            Endpoint::new(config, [if end == 0 { 1 } else { 2 }; 32])
        });
        let mut pair = Self { now, ends, wire: Vec::new(), heard: Vec::new() };
        for end in [0, 1] {
            let trunk = Trunk::new("other", vec![Peer::new(Transport::Udp, address(1 - end))]);
            pair.input(end, Input::Command(Command::SetTrunks(vec![trunk])));
        }
        pair.heard.clear();
        pair
    }

    fn input(&mut self, end: usize, input: Input) {
        self.ends[end].handle(self.now, input);
        while let Some(output) = self.ends[end].poll() {
            match output {
                Output::Event(event) => self.heard.push((end, event)),
                Output::Transmit {
                    to: Destination::Flow(Flow { remote, .. }) | Destination::Address { to: remote, .. },
                    bytes,
                } => {
                    let other = 1 - end;
                    debug_assert_eq!(remote, address(other));
                    self.wire.push((other, Flow::udp(address(other), address(end)), bytes));
                }
            }
        }
    }

    /// Delivers until the wire is empty.
    fn deliver(&mut self) {
        while let Some((end, flow, bytes)) = self.wire.pop() {
            self.input(end, Input::Received { flow, bytes });
        }
    }

    /// INVITE, 100, 180, 200, ACK; the caller's name of the call.
    fn call(&mut self) -> InviteId {
        let invite = self.ends[0].next_invite();
        let target = Target::Trunk { name: "other".into(), user: "1000".to_owned() };
        let sdp = Bytes::from_static(SDP);
        let wish = Invite {
            party: PartyIdentity::default(),
            invite,
            target,
            from_user: "c0".to_owned(),
            from_display: String::new(),
            sdp,
            headers: Vec::new(),
            is_emergency: false,
            web_sdp: None,
        };
        self.input(0, Input::Command(Command::Invite(Box::new(wish))));
        self.deliver();
        let invited = self
            .heard
            .drain(..)
            .find_map(|(_, event)| if let Event::Invited(invited) = event { Some(invited.invite) } else { None });
        let callee = invited.expect("the call arrives");
        self.input(1, Input::Command(Command::Progress { invite: callee, code: 180, sdp: None }));
        self.deliver();
        self.input(1, Input::Command(Command::Answer { invite: callee, sdp: Bytes::from_static(SDP) }));
        self.deliver();
        self.heard.clear();
        invite
    }

    /// BYE, 200.
    fn hang_up(&mut self, invite: InviteId) {
        self.input(0, Input::Command(Command::End { invite, code: 200, reason: String::new() }));
        self.deliver();
        self.heard.clear();
    }
}

/// What this thread had of a core so far: other work on the machine does not count.
fn cpu_time() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let spent = text.split(' ').next().and_then(|text| text.parse().ok());
    Duration::from_nanos(spent.expect("this measurement needs Linux with scheduler statistics"))
}

fn main() {
    speed();
    memory();
}

/// Back-to-back calls with 500 a simulated second, so that timers and dying transactions are there.
fn speed() {
    const CALLS: u32 = 50_000;
    let mut pair = Pair::new();
    let mut best = Duration::MAX;
    for round in 0..3 {
        let started = cpu_time();
        let made = MADE.load(Relaxed);
        for _ in 0..CALLS {
            let invite = pair.call();
            pair.hang_up(invite);
            pair.now += Duration::from_millis(2);
            pair.input(0, Input::Tick);
            pair.input(1, Input::Tick);
        }
        let took = cpu_time().saturating_sub(started);
        best = best.min(took);
        let allocations = (MADE.load(Relaxed) - made) / CALLS as usize;
        println!(
            "round {round}: {:.1} µs a call, {allocations} allocations, both ends",
            took.as_secs_f64() * 1e6 / f64::from(CALLS)
        );
    }
    println!(
        "best {:.1} µs a call (INVITE, 100, 180, 200, ACK, BYE, 200; written and read)",
        best.as_secs_f64() * 1e6 / f64::from(CALLS)
    );
    println!("{:?}", pair.ends.each_ref().map(Endpoint::counts));
}

/// What a call holds while it is up, and after its end.
fn memory() {
    const CALLS: usize = 10_000;
    let mut pair = Pair::new();
    let before = LIVE.load(Relaxed);
    let report = |pair: &Pair, what: &str| {
        let live = LIVE.load(Relaxed).saturating_sub(before);
        println!("{what}: {} bytes a call, both ends; {:?}", live / CALLS, pair.ends[0].counts());
    };
    let calls: Vec<InviteId> = (0..CALLS).map(|_| pair.call()).collect();
    report(&pair, "just answered");
    let later = |pair: &mut Pair, s: u64| {
        pair.now += Duration::from_secs(s);
        for end in [0, 1] {
            pair.input(end, Input::Tick);
        }
        pair.wire.clear();
    };
    later(&mut pair, 33);
    report(&pair, "up for 33 s");
    for call in calls {
        pair.hang_up(call);
    }
    report(&pair, "just hung up");
    later(&mut pair, 33);
    report(&pair, "hung up for 33 s");
}
