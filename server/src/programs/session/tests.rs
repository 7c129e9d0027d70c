//! Streams in simulated time: what is said, what is dropped, and when one is given up.

use tandem_switch::step::Sides;

use super::*;

/// A session and all that it said.
struct World {
    now: Instant,
    session: Session,
    /// What it wants, in words.
    said: Vec<String>,
    /// Answers each message at once.
    takes: bool,
}

impl World {
    #[expect(clippy::disallowed_methods, reason = "some first instant; nothing depends on which")]
    fn new(mode: Mode) -> Self {
        let facts = Facts { call: "c1".into(), program: "p".into(), mode, sides: Sides::Both, rate_hz: 8_000 };
        let now = Instant::now();
        let mut world = Self { now, session: Session::new(now, facts), said: Vec::new(), takes: true };
        world.drain();
        world
    }

    fn connected(mode: Mode) -> Self {
        let mut world = Self::new(mode);
        world.tell(Input::Opened);
        world.said.clear();
        world
    }

    fn tell(&mut self, input: Input<'_>) {
        self.session.handle(self.now, input);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.session.poll() {
            let sent = matches!(output, Output::Send(_));
            self.said.push(match output {
                Output::Send(Message::Text(text)) => text,
                Output::Send(Message::Audio(bytes)) => format!("frame {} {}", bytes[0], bytes[4]),
                Output::Send(Message::Ping) => "ping".to_owned(),
                Output::Close(code) => format!("close {code}"),
                Output::Ended(ending) => format!("ended {ending:?}"),
                Output::Trace(_) => continue,
                Output::Open => "open".to_owned(),
                Output::Cut => "cut".to_owned(),
            });
            if sent && self.takes {
                self.session.handle(self.now, Input::Sent);
            }
        }
    }

    /// Lets time go by, with the looks of the task.
    fn wait(&mut self, ms: u64) {
        for _ in 0..ms / 20 {
            self.now += Duration::from_millis(20);
            self.tell(Input::Tick);
        }
    }

    fn frame(&mut self, side: Side) {
        self.tell(Input::Frame { side, masked: false, at_ms: 0, samples: &[1; 160] });
    }

    fn take(&mut self) -> Vec<String> {
        std::mem::take(&mut self.said)
    }
}

#[test]
fn a_stream_begins_with_start_counts_frames_by_side_and_ends_with_stop() {
    let mut world = World::new(Mode::Listen);
    assert_eq!(world.take(), ["open"]);
    world.frame(Side::Caller);
    world.tell(Input::Opened);
    world.frame(Side::Agent);
    world.frame(Side::Caller);
    world.tell(Input::End("call-ended"));
    let start = r#"{"event":"start","version":1,"call":"c1","stream":"p","mode":"listen","sides":["caller","agent"],"rate":8000,"frame_ms":20,"sequence":0}"#;
    let stop = r#"{"event":"stop","reason":"call-ended"}"#;
    world.tell(Input::Tick);
    assert_eq!(world.take(), [start, "frame 0 0", "frame 1 0", "frame 0 1", stop, "close 1000", "ended Stopped"]);
    assert_eq!(world.session.counts(), Counts { connections: 1, frames_sent: 3, ..Counts::default() });
}

#[test]
fn what_a_slow_program_does_not_take_is_dropped_the_oldest_first_and_told() {
    let mut world = World::connected(Mode::Listen);
    world.takes = false;
    for _ in 0..150 {
        world.frame(Side::Caller);
    }
    assert_eq!(world.take(), ["frame 0 0"], "one is under way");
    assert_eq!(world.session.counts().frames_dropped, 49);
    world.takes = true;
    world.tell(Input::Sent);
    world.wait(40);
    let said = world.take();
    assert_eq!(said[0], r#"{"event":"dropped","from":"call","ms":20}"#, "the first at once");
    assert_eq!((said[1].as_str(), said.len()), ("frame 0 50", 101));
    world.wait(1_000);
    assert_eq!(world.take(), [r#"{"event":"dropped","from":"call","ms":960}"#], "the others a second later");
}

#[test]
fn pings_keep_a_silent_program_and_one_that_does_not_answer_stalls() {
    let mut world = World::connected(Mode::Talk);
    for _ in 0..10 {
        world.wait(5_000);
        assert_eq!(world.take(), ["ping"]);
        world.tell(Input::Alive);
    }
    world.wait(9_980);
    assert_eq!(world.take(), ["ping"]);
    world.wait(20);
    assert_eq!(world.take(), ["close 1001", "ended Stalled"]);

    let mut world = World::connected(Mode::Talk);
    world.takes = false;
    world.frame(Side::Caller);
    for _ in 0..4 {
        world.wait(2_500);
        world.tell(Input::Alive);
    }
    assert_eq!(world.take().last().map(String::as_str), Some("ended Stalled"), "it lives, and takes nothing");
}

#[test]
fn a_listener_is_connected_once_more_and_again_when_it_has_stood_for_a_minute() {
    let mut world = World::new(Mode::Listen);
    world.take();
    world.tell(Input::Lost("refused"));
    world.wait(980);
    assert_eq!(world.take(), ["close 1000"]);
    world.wait(20);
    assert_eq!(world.take(), ["open"]);
    world.wait(5_000);
    assert_eq!(world.take(), ["close 1000", "ended Failed"], "nobody answered in five seconds");

    let mut world = World::connected(Mode::Listen);
    for round in 0..3 {
        world.tell(Input::Lost("gone"));
        world.frame(Side::Caller);
        world.wait(1_000);
        world.tell(Input::Opened);
        let said = world.take();
        assert!(said[2].contains(&format!("\"sequence\":{}", round + 1)), "{said:?}");
        assert_eq!(said[3..], [format!("frame 0 {round}")], "what was said meanwhile is not lost");
        for _ in 0..60 {
            world.wait(1_000);
            world.tell(Input::Alive);
        }
        world.take();
    }
    world.tell(Input::Lost("gone"));
    world.wait(1_000);
    world.tell(Input::Lost("gone"));
    assert_eq!(world.take(), ["close 1000", "open", "close 1000", "ended Failed"]);
}

#[test]
fn a_talker_speaks_marks_is_cleared_and_is_done() {
    let mut world = World::connected(Mode::Talk);
    world.tell(Input::Binary(&[1; 640]));
    world.tell(Input::Text(r#"{"event":"mark","name":"a"}"#));
    world.tell(Input::Binary(&[1; 640]));
    world.tell(Input::Text(r#"{"event":"mark","name":"b"}"#));
    let mut out = [0; 400];
    assert_eq!(world.session.hand_on(&mut out), 400);
    world.tell(Input::Heard(319));
    world.tell(Input::Heard(320));
    assert_eq!(world.take(), [r#"{"event":"mark","name":"a","cleared":false}"#]);
    world.tell(Input::Key('5'));
    world.tell(Input::Text(r#"{"event":"clear"}"#));
    assert_eq!(world.session.hand_on(&mut out), 0);
    let said = world.take();
    assert_eq!(said[0], r#"{"event":"keys","keys":"5"}"#);
    assert!(said.contains(&"cut".to_owned()) && said.contains(&r#"{"event":"mark","name":"b","cleared":true}"#.to_owned()));
    world.tell(Input::Text(r#"{"event":"done","outcome":"sales"}"#));
    assert_eq!(world.take(), ["close 1000", "ended Done(Some(\"sales\"))"]);
    world.tell(Input::Text(r#"{"event":"hangup"}"#));
    assert_eq!(world.take(), [] as [&str; 0], "nothing follows");
}

#[test]
fn floods_and_nonsense_of_a_talker_end_it_and_a_listener_is_not_listened_to() {
    for (bad, code) in [("x", 1_007), (r#"{"event":"mark"}"#, 1_007)] {
        let mut world = World::connected(Mode::Talk);
        world.tell(Input::Text(bad));
        assert_eq!(world.take(), [format!("close {code}"), "ended Failed".to_owned()], "{bad}");
    }
    let long = format!(r#"{{"event":"done","outcome":"{}"}}"#, "x".repeat(LONGEST_NAME + 1));
    let mut world = World::connected(Mode::Talk);
    world.tell(Input::Text(&long));
    assert_eq!(world.take(), ["close 1007", "ended Failed"]);
    let mut world = World::connected(Mode::Talk);
    world.tell(Input::Binary(&[1; 3]));
    assert_eq!(world.take(), ["close 1007", "ended Failed"]);

    // Audio beyond ten seconds is dropped and told; thirty seconds of that end it.
    let mut world = World::connected(Mode::Talk);
    let second = vec![0; 16_000];
    (0..12).for_each(|_| world.tell(Input::Binary(&second)));
    world.wait(1_000);
    let dropped = world.take();
    let told = |ms| format!(r#"{{"event":"dropped","from":"program","ms":{ms}}}"#);
    assert_eq!(dropped, [told(1_000), told(1_000)]);
    let more = (0..60).position(|_| {
        world.tell(Input::Binary(&second));
        world.said.iter().any(|said| said == "close 1008")
    });
    assert!(more.is_some_and(|more| (28..=30).contains(&more)), "{more:?}");

    // Messages of any size are counted.
    for mode in [Mode::Talk, Mode::Listen] {
        let mut world = World::connected(mode);
        let allowed = (0..2_000).position(|_| {
            world.tell(Input::Text(r#"{"event":"smile"}"#));
            !world.said.is_empty()
        });
        assert_eq!((allowed, world.take()), (Some(1_000), vec!["close 1008".to_owned(), "ended Failed".to_owned()]));
    }
    let mut world = World::connected(Mode::Listen);
    world.tell(Input::Text("whatever"));
    world.tell(Input::Binary(&[1; 3]));
    world.tell(Input::Text(r#"{"event":"hangup"}"#));
    assert_eq!(world.take(), [] as [&str; 0]);
}

#[test]
fn the_end_of_a_call_does_not_wait_for_a_program_that_takes_nothing() {
    let mut world = World::connected(Mode::Listen);
    world.takes = false;
    (0..20).for_each(|_| world.frame(Side::Caller));
    world.tell(Input::End("call-ended"));
    world.wait(980);
    assert_eq!(world.take(), ["frame 0 0"]);
    world.wait(20);
    assert_eq!(world.take(), ["close 1000", "ended Stopped"]);
    assert_eq!(world.session.counts().frames_dropped, 19);
    let mut world = World::new(Mode::Talk);
    world.tell(Input::End("call-ended"));
    assert_eq!(world.take(), ["open", "ended Stopped"], "never connected");
}
