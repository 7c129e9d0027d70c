//! More callers wait than a media thread has music for.

mod support;

use std::{sync::Arc, time::Duration};

use support::{Bench, Phone};
use tandem_media::{
    codec::{Audio, Codec},
    contract::Command,
};

fn packets(phone: &mut Phone) -> usize {
    std::iter::from_fn(|| phone.try_receive(Duration::from_millis(2))).count()
}

simulated_clock!(CROWD, crowd);
#[test]
fn those_who_came_first_hear_music_and_the_others_a_sign_of_life_until_it_is_their_turn() {
    let mut bench = Bench::with(61, crowd, |config| config.most_sounds = 2);
    let mut phones: Vec<Phone> = (0..4).map(|_| bench.phone(Codec::Pcma)).collect();
    for phone in &phones {
        let music = vec![Arc::new(Audio::tone(600.0, -12.0, 1_000, 0))];
        bench.command(Command::Play { stream: phone.stream, play: 1, audio: music, repeat: true });
    }
    let pass = |phones: &mut Vec<Phone>, seconds: u64| {
        let mut heard = vec![0; phones.len()];
        for _ in 0..seconds * 50 {
            CROWD.advance_ms(20);
            for (phone, heard) in phones.iter_mut().zip(&mut heard) {
                *heard += packets(phone);
            }
        }
        heard
    };
    let heard = pass(&mut phones, 2);
    assert!(heard[..2].iter().all(|count| *count > 60), "{heard:?}");
    assert!(heard[2..].iter().all(|count| (1..=4).contains(count)), "{heard:?}");
    // Somebody who talks is not one of those who wait.
    let talking = phones.remove(0);
    bench.command(Command::StopPlay { stream: talking.stream });
    let heard = pass(&mut phones, 2);
    assert_eq!(heard.iter().filter(|count| **count > 60).count(), 2, "{heard:?}");
    assert_eq!(heard.iter().filter(|count| **count <= 4).count(), 1, "{heard:?}");
}
