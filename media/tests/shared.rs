//! Many browsers on one port.

#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod support;

use std::{net::UdpSocket, time::Duration};

use support::{Bench, Phone, page::Page};
use tandem_media::{
    codec::Codec,
    contract::{Command, CommandError, KeptMedia, MixMember, MixRole, OpenError, StreamId},
};

const PORT: u16 = 19_900;
const SOON: Duration = Duration::from_secs(5);
const NEVER: Duration = Duration::from_millis(100);

/// Beside the engine's own streams of tests, so that their numbers do not meet.
const FIRST: u64 = 100;

fn bench(host: u8, threads: usize, clock: fn() -> std::time::Instant) -> Bench {
    Bench::with(host, clock, |config| (config.shared_port, config.threads) = (Some(PORT), threads))
}

simulated_clock!(CROWD, crowd);

#[test]
fn twenty_pages_on_one_port_hear_whom_they_talk_to_and_nobody_else() {
    let mut bench = bench(110, 1, crowd);
    let mut phones: Vec<Phone> = Vec::new();
    let mut pages: Vec<Page> = Vec::new();
    for number in 0..20 {
        let page = Page::connected(&mut bench, FIRST + number, crowd);
        assert_eq!(page.at.port(), PORT);
        let phone = bench.phone_in(FIRST + number, Codec::Pcma);
        bench.command(Command::Join { a: page.stream, b: phone.stream });
        phones.push(phone);
        pages.push(page);
    }
    assert_eq!(bench.engine.open_streams(), 40);
    for round in 0..5_u8 {
        for (number, (page, phone)) in (100_u8..).zip(pages.iter_mut().zip(&mut phones)) {
            page.says(number + round);
            phone.send(8, false, &[number - round; 160]);
        }
        for (number, (page, phone)) in (100_u8..).zip(pages.iter_mut().zip(&phones)) {
            assert_eq!(phone.receive().payload[..], [number + round; 160]);
            assert_eq!(page.hears(SOON), Some(number - round));
        }
        CROWD.advance_ms(20);
    }
    assert_eq!(bench.engine.datagrams_of_nobody(), 0);

    // One goes; the others do not notice.
    bench.close(pages[0].stream);
    pages[0].says(1);
    pages[1].says(2);
    assert_eq!(phones[1].receive().payload[..], [2; 160]);
    assert_eq!(bench.engine.datagrams_of_nobody(), 1, "a late packet of an old call is nobody's");
    for page in &pages[1..] {
        let (_, quality) = bench.close(page.stream);
        assert_eq!((quality.malformed, quality.foreign), (0, 0), "{quality:?}");
    }
}

simulated_clock!(THIEF, thief);

#[test]
fn an_address_goes_over_to_another_stream_by_an_authentic_check_only() {
    let mut bench = bench(111, 1, thief);
    let mut pages = [0, 1].map(|number| Page::connected(&mut bench, FIRST + number, thief));
    let phones = [0, 1].map(|number| bench.phone_in(FIRST + number, Codec::Pcma));
    for (page, phone) in pages.iter().zip(&phones) {
        bench.command(Command::Join { a: page.stream, b: phone.stream });
    }
    let [one, other] = &mut pages;
    // From its own address, in the other's name without the other's password, or for a name that nobody has.
    for forged in [Page::check(&other.ufrag, "a-guess"), Page::check("nobody", &one.password())] {
        one.socket.send_to(&forged, one.at).unwrap();
        one.says(3);
        assert_eq!(phones[0].receive().payload[..], [3; 160], "nothing moved");
    }
    let stranger = UdpSocket::bind("127.0.72.3:0").unwrap();
    let before = bench.engine.datagrams_of_nobody();
    for datagram in [&one.packet(9)[..], &Page::check("nobody", "x"), b"\x16\xfe\xfd", b"\0", b""] {
        stranger.send_to(datagram, one.at).unwrap();
    }
    one.says(4);
    assert_eq!(phones[0].receive().payload[..], [4; 160]);
    assert_eq!(bench.engine.datagrams_of_nobody() - before, 5);

    // A NAT gave the address to the other one, who proves it.
    let proof = Page::check(&other.ufrag, &other.password());
    one.socket.send_to(&proof, one.at).unwrap();
    one.socket.send_to(&other.packet(5), one.at).unwrap();
    assert_eq!(phones[1].receive().payload[..], [5; 160]);
    one.says(6);
    other.says(7);
    assert_eq!(phones[1].receive().payload[..], [7; 160]);
    let (_, quality) = bench.close(one.stream);
    assert_eq!(quality.malformed, 0);
    let (_, quality) = bench.close(other.stream);
    assert_eq!(quality.malformed, 1, "what the first one says there is not authentic");
    assert!(phones[0].try_receive(NEVER).is_none());
}

simulated_clock!(ROOM, room);

#[test]
fn a_page_that_was_brought_to_another_thread_is_heard_there() {
    let mut bench = bench(112, 2, room);
    // Groups of two threads, and so two ports.
    let mut pages = [100, 101].map(|number| Page::connected(&mut bench, number, room));
    assert_eq!(pages.each_ref().map(|page| page.at.port()), [PORT, PORT + 1]);
    let [one, other] = &mut pages;
    bench.engine.bring(other.stream, one.stream).unwrap();
    let members = [one.stream, other.stream].map(|stream| MixMember { stream, role: MixRole::Party });
    bench.command(Command::Mix { room: 1, members: members.to_vec() });
    let mut is_heard = |from: usize, to: usize, payload: u8| {
        for _ in 0..200 {
            pages[from].says(payload);
            ROOM.advance_ms(20);
            let heard = pages[to].hears(Duration::from_millis(40));
            if heard.is_some_and(|heard| heard != 0xd5 && heard != 0x55) {
                return true;
            }
        }
        false
    };
    assert!(is_heard(0, 1, 0x90) && is_heard(1, 0, 0x91), "both hear each other in the room");
    // A new address of who was brought is learned all the same.
    let socket = UdpSocket::bind("127.0.72.2:0").unwrap();
    socket.set_read_timeout(Some(SOON)).unwrap();
    pages[1].socket = socket;
    pages[1].proves();
    for page in &pages {
        page.proves();
    }
    let mut is_heard_still = |from: usize, to: usize, payload: u8| {
        (0..200).any(|_| {
            pages[from].says(payload);
            ROOM.advance_ms(20);
            pages[to].hears(Duration::from_millis(40)).is_some_and(|heard| heard != 0xd5 && heard != 0x55)
        })
    };
    assert!(is_heard_still(1, 0, 0x90) && is_heard_still(0, 1, 0x91));
}

simulated_clock!(AGAIN, again);

#[test]
fn the_shared_port_is_the_same_after_a_restart_and_its_streams_find_each_other_by_new_keys() {
    let mut before = bench(113, 2, again);
    let page = Page::connected(&mut before, 101, again);
    let kept = before.engine.keep(page.stream, None).unwrap();
    let kept: KeptMedia = serde_json::from_str(&serde_json::to_string(&kept).unwrap()).unwrap();
    drop(before);
    let mut after = bench(113, 2, again);
    assert_eq!(after.engine.reopen(page.stream, 101, &kept).unwrap().rtp, page.at);
    // Checks are answered before anything else is agreed.
    page.proves();
    // A new offer with a restart of ICE: another name, and another certificate of ours.
    let mut renewed = Page::of(&mut after, page.stream, (page.at, "again".to_owned()), again);
    renewed.connect(again);
    let phone = after.phone_in(101, Codec::Pcma);
    after.command(Command::Join { a: page.stream, b: phone.stream });
    renewed.says(42);
    assert_eq!(phone.receive().payload[..], [42; 160]);
}

simulated_clock!(RULES, rules);

#[test]
fn who_is_not_to_be_checked_has_no_place_on_the_shared_port() {
    let mut bench = bench(114, 1, rules);
    let opened = bench.engine.open_shared(StreamId(7), 1, bench.local).unwrap();
    let free = bench.engine.free_ports(bench.local);
    let to = Phone::plain("127.0.72.1:4000".parse().unwrap());
    let refused = bench.engine.command(Command::Configure { stream: StreamId(7), to: to.clone() });
    assert_eq!(refused, Err(CommandError::NotChecked));
    // Nothing is sent to the port itself.
    let phone = bench.phone(Codec::Pcma);
    let refused = bench
        .engine
        .command(Command::Configure { stream: phone.stream, to: tandem_media::contract::Configure { remote: opened.rtp, ..to } });
    assert_eq!(refused, Err(CommandError::ForbiddenRemote));
    assert!(matches!(bench.engine.open_shared(StreamId(7), 1, bench.local), Err(OpenError::AlreadyOpen(_))));
    bench.close(StreamId(7));
    assert_eq!(bench.engine.free_ports(bench.local), free - 1, "the shared port is none of the others");
}

simulated_clock!(NONE, none);

#[test]
fn without_a_shared_port_each_stream_has_its_own() {
    let mut bench = Bench::new(115, none);
    let opened = bench.engine.open_shared(StreamId(7), 1, bench.local).unwrap();
    assert!((20_000..20_100).contains(&opened.rtp.port()));
}
