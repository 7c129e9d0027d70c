use tandem_media::contract::EngineConfig;
use tandem_switch::id::LegId;

use super::*;

fn edge() -> MediaEdge {
    let mut config = EngineConfig::new(crate::clock::instant);
    (config.addresses, config.first_port, config.last_port) = (vec![[127, 0, 73, 1].into()], 20_000, 20_019);
    MediaEdge {
        engine: Engine::start(config).unwrap().0,
        prompts: Arc::new(Prompts::find(None)),
        silence: None,
        streams: HashMap::new(),
        legs: HashMap::new(),
        next: 1,
        rooms: Rooms::default(),
        music: None,
        masked: HashMap::new(),
        beside: HashMap::new(),
    }
}

#[test]
fn where_audio_came_from_is_known_after_every_restart_and_not_only_the_first() {
    let leg = LegRef { call: CallId(1), leg: LegId(0) };
    let from = "127.0.73.2:4000".parse().unwrap();
    let mut first = edge();
    first.open(leg, [127, 0, 73, 1].into()).unwrap();
    let stream = first.stream(leg).unwrap();
    first.translate(Event::MediaStarted { stream, from });
    let mut kept = first.keep(leg).unwrap();
    drop(first);
    for _ in 0..2 {
        let mut next = edge();
        next.reopen(leg, &kept).unwrap();
        kept = next.keep(leg).unwrap();
        assert_eq!(kept.heard_from(), Some(from));
    }
}
