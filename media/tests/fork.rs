//! What a stream receives as it comes through a pipe, and a voice that comes through another: on loopback, with a clock that
//! the test moves.

#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod support;

use std::{f64::consts::TAU, sync::Arc, time::Duration};

use support::{Bench, Clock, Phone, share_of};
use tandem_media::{
    codec::{Codec, Encoder},
    contract::{Command, FORK_HEAD, Fork, ForkHead},
    pipe::Pipe,
};

const HZ: f64 = 300.0;

fn tone(samples: usize, rate: u32) -> Vec<i16> {
    #[expect(clippy::cast_possible_truncation, reason = "a test tone of less than full scale")]
    (0..samples).map(|at| (8_000.0 * (TAU * HZ * at as f64 / f64::from(rate)).sin()) as i16).collect()
}

/// A phone says a tone for so many ms.
fn say(phone: &mut Phone, control: &mut Phone, clock: &Clock, ms: usize) {
    let mut encoder = Encoder::with_rate(Codec::Pcmu, 8_000).unwrap();
    let pcm = tone(ms * 8, 8_000);
    for piece in pcm.chunks(160) {
        let mut payload = [0; 1_500];
        let bytes = encoder.encode(piece, &mut payload).unwrap();
        phone.send(0, false, &payload[..bytes]);
        phone.timestamp = phone.timestamp.wrapping_add(160);
        control.settle();
        clock.advance_ms(20);
    }
}

/// What came through a pipe since it was looked at last: heads, and all samples.
fn came(pipe: &Pipe, rate: u32) -> (Vec<ForkHead>, Vec<i16>) {
    let (mut heads, mut pcm) = (Vec::new(), Vec::new());
    let mut piece = vec![0; FORK_HEAD + rate as usize / 50];
    while pipe.read(&mut piece) == piece.len() {
        heads.push(ForkHead::of([piece[0], piece[1], piece[2]]));
        pcm.extend(&piece[FORK_HEAD..]);
    }
    (heads, pcm)
}

simulated_clock!(FORK, fork);
#[test]
fn a_fork_gives_a_piece_each_twenty_ms_silence_of_a_masked_stream_and_ends_with_its_pipe() {
    let mut bench = Bench::new(117, fork);
    let mut phone = bench.phone(Codec::Pcmu);
    let mut control = bench.control();
    let pipes = [8_000, 16_000].map(|rate_hz| {
        let into = Arc::new(Pipe::new((FORK_HEAD + rate_hz as usize / 50) * 200));
        let to = Fork { into: Arc::clone(&into), rate_hz, epoch: fork() };
        bench.command(Command::Fork { stream: phone.stream, to });
        (into, rate_hz)
    });
    say(&mut phone, &mut control, &FORK, 1_000);
    for (pipe, rate) in &pipes {
        let (heads, pcm) = came(pipe, *rate);
        assert!((47..=51).contains(&heads.len()), "{} pieces", heads.len());
        assert!(heads.windows(2).all(|pair| pair[1].at_ms == pair[0].at_ms + 20) && heads.iter().all(|head| !head.masked));
        assert!(share_of(&pcm[pcm.len() / 2..], *rate, HZ) > 0.9, "at {rate} Hz");
    }
    bench.command(Command::Mask { stream: phone.stream, masked: true });
    say(&mut phone, &mut control, &FORK, 40);
    pipes.iter().for_each(|(pipe, rate)| drop(came(pipe, *rate)));
    say(&mut phone, &mut control, &FORK, 400);
    for (pipe, rate) in &pipes {
        let (heads, pcm) = came(pipe, *rate);
        assert!(heads.len() >= 18 && heads.iter().all(|head| head.masked), "{heads:?}");
        assert!(pcm.iter().all(|sample| *sample == 0));
    }
    pipes[0].0.close();
    say(&mut phone, &mut control, &FORK, 40);
    let written = pipes[0].0.written_up_to();
    say(&mut phone, &mut control, &FORK, 200);
    assert_eq!(pipes[0].0.written_up_to(), written, "a closed pipe is not written to");
    assert!(!came(&pipes[1].0, 16_000).0.is_empty());
}

simulated_clock!(SPEAK, speak);
#[test]
fn a_voice_from_a_pipe_is_heard_cut_off_and_ends_with_its_pipe() {
    let mut bench = Bench::new(118, speak);
    let mut phone = bench.phone(Codec::Pcmu);
    let mut control = bench.control();
    let pipe = Arc::new(Pipe::new(16_000));
    assert!(pipe.write(&tone(16_000, 16_000)));
    bench.command(Command::Speak { stream: phone.stream, from: Arc::clone(&pipe), rate_hz: 16_000 });
    let mut heard = |clock: &Clock, control: &mut Phone, ms: u64| {
        let mut pcm = Vec::new();
        for _ in 0..ms / 20 {
            control.settle();
            clock.advance_ms(20);
            control.settle();
            while let Some(packet) = phone.try_receive(Duration::from_millis(5)) {
                phone.listen(&packet, &mut pcm);
            }
        }
        pcm
    };
    let pcm = heard(&SPEAK, &mut control, 400);
    assert!(pcm.len() > 300 * 8 && share_of(&pcm, 8_000, HZ) > 0.9, "{} samples", pcm.len());
    pipe.cut();
    drop(heard(&SPEAK, &mut control, 60));
    let pcm = heard(&SPEAK, &mut control, 200);
    assert!(pcm.len() > 100 * 8 && pcm.iter().all(|sample| sample.unsigned_abs() < 20), "silence when nothing comes");
    pipe.close();
    drop(heard(&SPEAK, &mut control, 60));
    assert!(heard(&SPEAK, &mut control, 200).is_empty());
}
