//! Rooms: everybody hears the others, supervisors only whom they may, on real sockets in simulated time.

mod support;

use std::sync::Arc;

use support::{Bench, Clock, Phone, share_of};
use tandem_media::{
    codec::{Audio, Codec},
    contract::{Command, CommandError, EngineConfig, MixMember, MixRole, StreamId},
};

/// A tone that is part of what somebody hears; one that is not.
const HEARD: f64 = 0.2;
const UNHEARD: f64 = 0.001;

/// Somebody in a room, and the tone that they say all the time.
struct Talker {
    phone: Phone,
    hz: f64,
    rate: u32,
    role: MixRole,
}

fn talker(bench: &mut Bench, codec: Codec, hz: f64) -> Talker {
    Talker { phone: bench.phone(codec), hz, rate: codec.sample_rate_hz(), role: MixRole::Party }
}

fn mix(bench: &mut Bench, talkers: &[Talker]) {
    let members = talkers.iter().map(|t| MixMember { stream: t.phone.stream, role: t.role }).collect();
    bench.command(Command::Mix { room: 1, members });
}

/// Lets everybody talk for so many packets, and gives what each heard of the last second.
fn talk(clock: &Clock, talkers: &mut [Talker], packets: usize) -> Vec<Vec<i16>> {
    let mut heard = vec![Vec::new(); talkers.len()];
    for _ in 0..packets {
        talkers.iter_mut().for_each(|talker| talker.phone.send_tone(talker.hz));
        clock.advance_ms(20);
        for (talker, pcm) in talkers.iter_mut().zip(&mut heard) {
            let packet = talker.phone.receive();
            talker.phone.listen(&packet, pcm);
        }
    }
    for (talker, pcm) in talkers.iter().zip(&mut heard) {
        let second = talker.rate as usize;
        pcm.drain(..pcm.len().saturating_sub(second));
    }
    heard
}

/// Whose tone is in it, by index.
fn in_it(pcm: &[i16], rate: u32, talkers: &[Talker]) -> Vec<usize> {
    let share = |talker: &Talker| share_of(pcm, rate, talker.hz);
    let shares: Vec<f64> = talkers.iter().map(share).collect();
    let unclear = shares.iter().any(|share| (UNHEARD..HEARD).contains(share));
    assert!(!unclear, "neither heard nor unheard: {shares:?}");
    (0..talkers.len()).filter(|index| shares[*index] >= HEARD).collect()
}

fn who_hears_whom(clock: &Clock, talkers: &mut [Talker]) -> Vec<Vec<usize>> {
    let heard = talk(clock, talkers, 90);
    heard.iter().zip(talkers.iter()).map(|(pcm, talker)| in_it(pcm, talker.rate, talkers)).collect()
}

simulated_clock!(PARTIES, parties);
#[test]
fn everybody_hears_the_others_in_their_own_codec_and_not_themselves() {
    let mut bench = Bench::new(101, parties);
    let codecs = [(Codec::Pcmu, 500.0), (Codec::Opus, 900.0), (Codec::G722, 1_400.0), (Codec::Pcma, 2_000.0)];
    let mut talkers: Vec<_> = codecs.map(|(codec, hz)| talker(&mut bench, codec, hz)).into();
    mix(&mut bench, &talkers);
    assert_eq!(who_hears_whom(&PARTIES, &mut talkers), [vec![1, 2, 3], vec![0, 2, 3], vec![0, 1, 3], vec![0, 1, 2]]);

    // One leaves: the others go on, and it is as if it had never been together with anybody.
    let gone = talkers.remove(1);
    mix(&mut bench, &talkers);
    assert_eq!(who_hears_whom(&PARTIES, &mut talkers), [[1, 2], [0, 2], [0, 1]]);
    bench.close(talkers[2].phone.stream);
    talkers.pop();
    assert_eq!(who_hears_whom(&PARTIES, &mut talkers), [[1], [0]], "who hangs up leaves the room");
    bench.join(&gone.phone, &talkers[0].phone);
    bench.close(gone.phone.stream);
}

simulated_clock!(SUPERVISED, supervised);
#[test]
fn a_supervisor_is_heard_by_nobody_then_by_the_agent_then_by_all() {
    let mut bench = Bench::new(102, supervised);
    let tones = [600.0, 1_000.0, 1_700.0];
    let mut talkers: Vec<_> = tones.map(|hz| talker(&mut bench, Codec::Pcmu, hz)).into();
    let agent = talkers[1].phone.stream;
    // Customer, agent, supervisor.
    for (role, expected) in [
        (MixRole::Listener, [vec![1], vec![0], vec![0, 1]]),
        (MixRole::Whisper { to: agent }, [vec![1], vec![0, 2], vec![0, 1]]),
        (MixRole::Party, [vec![1, 2], vec![0, 2], vec![0, 1]]),
        (MixRole::Whisper { to: StreamId(999) }, [vec![1], vec![0], vec![0, 1]]),
        (MixRole::Whisper { to: agent }, [vec![1], vec![0, 2], vec![0, 1]]),
    ] {
        talkers[2].role = role;
        mix(&mut bench, &talkers);
        assert_eq!(who_hears_whom(&SUPERVISED, &mut talkers), expected, "{role:?}");
    }
    // The agent hangs up under a whisper: it does not reach the customer.
    bench.close(agent);
    talkers.remove(1);
    assert_eq!(who_hears_whom(&SUPERVISED, &mut talkers), [vec![], vec![0]]);
}

simulated_clock!(MOMENT, moment);
#[test]
fn not_one_sample_of_a_supervisor_reaches_the_customer_while_roles_change() {
    let mut bench = Bench::new(103, moment);
    let mut talkers: Vec<_> = [0.0, 1_000.0, 1_700.0].map(|hz| talker(&mut bench, Codec::Pcma, hz)).into();
    talkers[0].hz = 0.0;
    talkers[1].hz = 0.0;
    let agent = talkers[1].phone.stream;
    let mut customer = Vec::new();
    for turn in 0..60 {
        talkers[2].role = if turn % 2 == 0 { MixRole::Listener } else { MixRole::Whisper { to: agent } };
        mix(&mut bench, &talkers);
        customer.extend(talk(&MOMENT, &mut talkers, 3).swap_remove(0));
    }
    let loudest = customer.iter().map(|sample| sample.unsigned_abs()).max();
    assert!(loudest <= Some(8), "silence of A-law is 8: {loudest:?}");
}

simulated_clock!(PROMPT, prompt);
#[test]
fn who_is_played_to_hears_that_and_then_the_room_again() {
    let mut bench = Bench::new(104, prompt);
    let mut talkers: Vec<_> = [600.0, 1_000.0].map(|hz| talker(&mut bench, Codec::Pcmu, hz)).into();
    mix(&mut bench, &talkers);
    talk(&PROMPT, &mut talkers, 20);
    let audio = vec![Arc::new(Audio::tone(425.0, -12.0, 1_000, 0))];
    bench.command(Command::Play { stream: talkers[0].phone.stream, play: 1, audio, repeat: true });
    talk(&PROMPT, &mut talkers, 10);
    let heard = talk(&PROMPT, &mut talkers, 50);
    assert!(share_of(&heard[0], 8_000, 425.0) > 0.95);
    assert_eq!(in_it(&heard[1], 8_000, &talkers), [0], "the others hear on");
    bench.command(Command::StopPlay { stream: talkers[0].phone.stream });
    assert_eq!(who_hears_whom(&PROMPT, &mut talkers), [[1], [0]]);
}

simulated_clock!(LENGTHS, lengths);
#[test]
fn each_gets_packets_of_the_length_that_it_agreed() {
    let mut bench = Bench::new(105, lengths);
    let wanted = [10, 30, 60];
    let mut phones: Vec<_> = wanted.map(|ms| bench.phone_with(Codec::Pcmu, |to| to.format.ptime_ms = ms)).into();
    let speaker = bench.phone(Codec::Pcmu);
    phones.push(speaker);
    let members = phones.iter().map(|phone| MixMember { stream: phone.stream, role: MixRole::Party }).collect();
    bench.command(Command::Mix { room: 9, members });
    // 120 ms are some packets of each.
    for _ in 0..6 {
        LENGTHS.advance_ms(20);
        phones[3].receive();
    }
    for (phone, (bytes, packets)) in phones.iter().zip([(80, 12), (240, 4), (480, 2)]) {
        let heard: Vec<_> = (0..packets).map(|_| phone.receive()).collect();
        assert!(heard.iter().all(|packet| packet.payload.len() == bytes));
        let steps = heard.windows(2).map(|pair| pair[1].header.timestamp.wrapping_sub(pair[0].header.timestamp));
        assert!(steps.into_iter().all(|step| step as usize == bytes));
    }
}

simulated_clock!(BOUNDS, bounds);
#[test]
fn what_cannot_be_a_room_is_refused() {
    let mut bench = Bench::with(106, bounds, |config: &mut EngineConfig| config.threads = 2);
    let open = |bench: &mut Bench, id: u64, group: u64| {
        bench.engine.open(StreamId(id), group, bench.local).unwrap();
        MixMember { stream: StreamId(id), role: MixRole::Party }
    };
    let (here, there) = (open(&mut bench, 1, 2), open(&mut bench, 2, 3));
    let mut mix = |members: Vec<MixMember>| bench.engine.command(Command::Mix { room: 1, members });
    assert_eq!(mix(vec![here; 101]), Err(CommandError::RoomFull));
    assert_eq!(mix(vec![here, there]), Err(CommandError::DifferentGroups));
    assert_eq!(mix(vec![]), Err(CommandError::NotOpen), "it never was");
    assert_eq!(mix(vec![MixMember { stream: StreamId(7), ..here }]), Err(CommandError::NotOpen));
    assert_eq!(mix(vec![here, here]), Ok(()));
    assert_eq!(mix(vec![there]), Err(CommandError::DifferentGroups), "a room stays where it is");
    assert_eq!(mix(vec![]), Ok(()));
    assert_eq!(mix(vec![there]), Ok(()));
}

simulated_clock!(THREADS, threads);
#[test]
fn streams_of_two_threads_meet_in_one_room() {
    let mut bench = Bench::with(107, threads, |config: &mut EngineConfig| config.threads = 2);
    let mut talkers = vec![talker(&mut bench, Codec::Pcmu, 500.0)];
    for (group, codec, hz) in [(2, Codec::Opus, 900.0), (3, Codec::Pcma, 1_400.0), (4, Codec::G722, 2_000.0)] {
        let phone = bench.phone_in(group, codec);
        talkers.push(Talker { phone, hz, rate: codec.sample_rate_hz(), role: MixRole::Party });
    }
    // One is played to when it is brought.
    let audio = vec![Arc::new(Audio::tone(425.0, -12.0, 1_000, 0))];
    bench.command(Command::Play { stream: talkers[1].phone.stream, play: 1, audio, repeat: true });
    talkers[1].phone.receive();
    for index in 1..4 {
        bench.engine.bring(talkers[index].phone.stream, talkers[0].phone.stream).unwrap();
    }
    mix(&mut bench, &talkers);
    bench.command(Command::StopPlay { stream: talkers[1].phone.stream });
    // All are there before the clock goes on: the next mix is none that some of them miss.
    bench.control().settle();
    assert_eq!(who_hears_whom(&THREADS, &mut talkers), [vec![1, 2, 3], vec![0, 2, 3], vec![0, 1, 3], vec![0, 1, 2]]);
    // To the other thread and back, with orders for it all the way.
    let (last, other) = (talkers.pop().unwrap(), bench.phone_in(2, Codec::Pcmu));
    mix(&mut bench, &talkers);
    for beside in [other.stream, talkers[0].phone.stream, other.stream, talkers[0].phone.stream] {
        bench.engine.bring(last.phone.stream, beside).unwrap();
        bench.engine.command(Command::Echo { stream: last.phone.stream }).unwrap();
    }
    talkers.push(last);
    mix(&mut bench, &talkers);
    bench.control().settle();
    assert_eq!(who_hears_whom(&THREADS, &mut talkers), [vec![1, 2, 3], vec![0, 2, 3], vec![0, 1, 3], vec![0, 1, 2]]);
    let (gone, stays) = (talkers[3].phone.stream, talkers[0].phone.stream);
    bench.close(gone);
    assert_eq!(bench.engine.bring(gone, stays), Err(CommandError::NotOpen));
}

simulated_clock!(PRESSED, pressed);
#[test]
fn a_key_press_of_any_codec_ends_nobodys_voice() {
    for (host, codec) in [(130, Codec::Pcmu), (131, Codec::G722), (132, Codec::Opus)] {
        for (n, other_base) in [0u32, 1_000_000, 3_000_000_000, 40_000].into_iter().enumerate() {
            let mut bench = Bench::new(host + 10 * u8::try_from(n).unwrap(), pressed);
            let codecs = [(Codec::Pcmu, 500.0), (Codec::Pcmu, 900.0), (codec, 1_400.0)];
            let mut talkers: Vec<_> = codecs.map(|(codec, hz)| talker(&mut bench, codec, hz)).into();
            mix(&mut bench, &talkers);
            who_hears_whom(&PRESSED, &mut talkers);
            let phone = &mut talkers[2].phone;
            let audio = phone.timestamp;
            phone.timestamp = audio.wrapping_add(other_base);
            for flags in [0x0a, 0x8a, 0x8a, 0x8a] {
                phone.send(101, flags == 0x0a, &[2, flags, 0, 160]);
            }
            phone.timestamp = audio;
            assert_eq!(who_hears_whom(&PRESSED, &mut talkers), [vec![1, 2], vec![0, 2], vec![0, 1]], "{codec:?} {other_base}");
        }
    }
}
