//! How long one INVITE takes to read, and how often it allocates.
//!
//! `cargo run --release -p tandem-signaling --example lexer_speed`
#![expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use bytes::Bytes;
use tandem_signaling::message::Message;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

/// The system's allocator, counting.
struct Counting;

#[expect(unsafe_code, reason = "counting allocations needs a global allocator; it only forwards")]
// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static GLOBAL: Counting = Counting;

const ROUNDS: u32 = 500;
/// Short runs and many: the best of them fell between the other work of the machine.
const RUNS: u32 = 2_000;

fn invite() -> Bytes {
    let body = "v=0\r\no=- 3894 3894 IN IP4 192.0.2.10\r\ns=call\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\nm=audio 49170 RTP/AVP 0 8 9 101\r\n\
                a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:9 G722/8000\r\na=rtpmap:101 telephone-event/8000\r\n\
                a=fmtp:101 0-16\r\na=ptime:20\r\na=sendrecv\r\na=rtcp:49171\r\na=ssrc:1234567890 cname:user@example.com\r\n";
    let length = body.len();
    let head = "INVITE sip:1800@pbx.example.com:5060;transport=udp SIP/2.0\r\n\
                Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK-524287-1---8d5f1e2b9c0a7f33;rport\r\n\
                Max-Forwards: 70\r\n\
                Contact: <sip:1001@192.0.2.10:5060;transport=udp>;+sip.instance=\"<urn:uuid:00000000-0000-1000-8000-000a95a0e128>\"\r\n\
                To: \"Support\" <sip:1800@pbx.example.com>\r\n\
                From: \"Agent One\" <sip:1001@pbx.example.com>;tag=9fxced76sl\r\n\
                Call-ID: 3848276298220188511@phone.example.com\r\n\
                CSeq: 31862 INVITE\r\n\
                Allow: INVITE, ACK, CANCEL, BYE, NOTIFY, REFER, MESSAGE, OPTIONS, INFO, SUBSCRIBE\r\n\
                Supported: replaces, norefersub, outbound, gruu, timer\r\n\
                Session-Expires: 1800\r\n\
                Accept: application/sdp, application/dtmf-relay\r\n\
                Allow-Events: presence, dialog, message-summary\r\n\
                User-Agent: Softphone 5.4.1 (build 20250101)\r\n\
                P-Asserted-Identity: \"Agent One\" <sip:1001@pbx.example.com>\r\n\
                Content-Type: application/sdp\r\n";
    Bytes::from(format!("{head}Content-Length: {length}\r\n\r\n{body}"))
}

/// Runs `work` and prints nanoseconds and allocations of one round, the best of all runs.
fn measure(name: &str, work: impl Fn()) {
    let mut best = f64::MAX;
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    for _ in 0..RUNS {
        let start = Instant::now();
        for _ in 0..ROUNDS {
            work();
        }
        best = best.min(start.elapsed().as_secs_f64() * 1e9 / f64::from(ROUNDS));
    }
    let allocations = ALLOCATIONS.load(Ordering::Relaxed) - before;
    println!("{name}: {best:.0} ns, {} allocations", allocations / u64::from(RUNS * ROUNDS));
}

/// What a user agent asks of every request.
fn typed(message: &Message) -> Option<usize> {
    let via = message.via().ok()?;
    let tags = (message.from().ok()?.tag()?, message.to().ok()?.tag());
    let contact = message.contacts().next()?.ok()?;
    let sizes = via.branch()?.len() + tags.0.len() + contact.address()?.uri_text.len();
    Some(sizes + message.call_id().ok()?.len() + message.cseq().ok()?.method.len())
}

fn main() {
    let invite = invite();
    println!("an INVITE of {} bytes", invite.len());
    measure("parse", || {
        let _ = black_box(Message::parse(black_box(invite.clone())));
    });
    measure("parse, branch, tags, Contact, Call-ID, CSeq", || {
        let message = Message::parse(black_box(invite.clone()));
        black_box(message.ok().and_then(|message| typed(&message)));
    });
    measure("parse, validate", || {
        let message = Message::parse(black_box(invite.clone()));
        let _ = black_box(message.map(|message| message.validate_request()));
    });
}
