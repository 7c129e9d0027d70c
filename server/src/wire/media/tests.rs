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
        programs: programs::Programs::default(),
    }
}

#[test]
fn where_audio_came_from_is_known_after_every_restart_and_not_only_the_first() {
    let leg = LegRef { call: CallId(1), leg: LegId(0) };
    let from = "127.0.73.2:4000".parse().unwrap();
    let mut first = edge();
    first.open(leg, [127, 0, 73, 1].into(), false).unwrap();
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

#[test]
fn a_thread_that_is_behind_with_its_commands_makes_nobody_leave_a_room() {
    let mut edge = edge();
    let leg = LegRef { call: CallId(1), leg: LegId(0) };
    let weekly = tandem_switch::name::RoomName::from("weekly");
    edge.open(leg, [127, 0, 73, 1].into(), false).unwrap();
    let stream = edge.stream(leg).unwrap();
    assert_eq!(edge.enter_room(leg, &weekly, true), Entering::In);
    edge.commit();
    let mut voice = true;
    // Whether it is depends on who has the cores: it is tried until it is.
    let is_owed = (0..50_000).any(|_| {
        while edge.engine.command(Command::Watch { stream, silence: None }).is_ok() {}
        voice = !voice;
        assert_eq!(edge.enter_room(leg, &weekly, voice), Entering::In);
        let owed = edge.rooms.take_owed();
        owed.iter().for_each(|room| edge.rooms.owe(room));
        !owed.is_empty()
    });
    assert!(is_owed, "the thread was never behind");
    let is_done = (0..1_000_000).any(|_| {
        edge.commit();
        edge.lay_owed_rooms();
        let owed = edge.rooms.take_owed();
        owed.iter().for_each(|room| edge.rooms.owe(room));
        owed.is_empty()
    });
    assert!(is_done);
    let role = if voice { MixRole::Party } else { MixRole::Listener };
    assert_eq!(edge.rooms.laid(&weekly).unwrap().members, [MixMember { stream, role }]);
}
