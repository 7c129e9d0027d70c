//! Runs: what a caller goes through, step by step.

use std::sync::Arc;

use tandem_dialplan::{CallFacts, Input, Output, Override, Overrides, Run, Switch};
use tandem_switch::{
    cause::Cause,
    name::ScheduleName,
    step::{LeaveMessage, Park, Step, StepOutcome, Supervision, Target, Whom},
    time::Timestamp,
};

use crate::{facts, ladder, noon, plan};

fn digits(keys: &str) -> StepOutcome {
    StepOutcome::Digits(keys.into())
}

/// The first step that is not simply done.
fn first_choice(text: &str, facts: CallFacts) -> Step {
    let mut run = Run::new(plan(text), facts);
    run.handle(noon(), Input::Start);
    loop {
        match run.poll() {
            Some(Output::Step(Step::Answer | Step::Play { .. } | Step::Ring)) => {
                run.handle(noon(), Input::Outcome(StepOutcome::Done))
            }
            Some(Output::Step(step)) => return step,
            Some(_) => {}
            None => panic!("no step"),
        }
    }
}

#[test]
fn routes_match_in_file_order_by_origin_number_and_caller() {
    let plan = plan(
        r#"
        trunk "carrier" { match "192.0.2.1"; }
        trunk "other" { match "192.0.2.2"; }
        route "vip" { from trunk="carrier"; to "+3902XXXX"; caller "+39347{rest:7}"; play "welcome"; }
        route "carrier" { from trunk="carrier"; to "+3902{rest:1..8}"; play "welcome"; }
        route "regex" { from any; to matches="00(?<rest>[1-9]{2,5})"; say digits="{rest}"; }
        route "others" { from trunk="other"; play "closed"; }
        "#,
    );
    let route = |from: &str, to: &str| ladder(&plan, facts(from, to), &[]).lines().next().unwrap().to_owned();
    assert_eq!(route("trunk:carrier", "+39021234"), "[vip]");
    assert_eq!(route("trunk:carrier", "+390212345"), "[carrier]");
    assert_eq!(route("trunk:other", "+39021234"), "[others]");
    assert_eq!(route("1001", "0049"), "[regex]");
    assert_eq!(route("1001", "00049"), "  (route: none fits)");
    assert_eq!(route("1001", "x0049"), "  (route: none fits)");
}

#[test]
fn a_menu_asks_again_and_then_goes_by_otherwise_or_no_input() {
    let plan = plan(
        r#"
        route "menu" {
            from any
            answer
            menu "welcome" tries=2 {
                press "1" "2" { play "closed"; }
                press "42" { play "please-hold"; }
                otherwise { play "goodbye"; }
                no-input { hangup "no-answer"; }
            }
            play "echo-start"
        }
        "#,
    );
    insta::assert_snapshot!(ladder(&plan, facts("1", "9"), &[digits("7"), digits("42")]), @r"
    [menu]
      answer
      play welcome (en) and gather up to 2 digits
      (again: invalid)
      play invalid-key, welcome (en) and gather up to 2 digits
      (pressed: 42)
      play please-hold (en)
      play echo-start (en)
      hang up: normal
    ");
    insta::assert_snapshot!(ladder(&plan, facts("1", "9"), &[digits("7"), digits("")]), @r"
    [menu]
      answer
      play welcome (en) and gather up to 2 digits
      (again: invalid)
      play invalid-key, welcome (en) and gather up to 2 digits
      (ended: no-input)
      hang up: no-answer
    ");
    insta::assert_snapshot!(ladder(&plan, facts("1", "9"), &[StepOutcome::NoInput, digits("8")]), @r"
    [menu]
      answer
      play welcome (en) and gather up to 2 digits
      (again: no-input)
      play no-input, welcome (en) and gather up to 2 digits
      (ended: invalid)
      play goodbye (en)
      play echo-start (en)
      hang up: normal
    ");
}

#[test]
fn collected_digits_are_held_against_their_type_before_they_are_used() {
    let text = r#"
        extensions from=1001 to=1010
        route "ask" {
            from any
            answer
            collect "ext-enter" max=4 as="wanted" type="extension" tries=2 {
                invalid { play "goodbye"; hangup; }
            }
            dial extension="{wanted}" ring="10s" { unreachable { play "unavailable"; } }
        }
        "#;
    let plan = plan(text);
    insta::assert_snapshot!(ladder(&plan, facts("1", "9"), &[digits("1099"), digits("1003"), StepOutcome::Unreachable]), @r"
    [ask]
      answer
      play ext-enter (en) and gather up to 4 digits
      (again: invalid)
      play invalid-key, ext-enter (en) and gather up to 4 digits
      (collected: 4 digits)
      dial 1003 for 10 s
      (ended: unreachable)
      play unavailable (en)
      hang up: normal
    ");
    insta::assert_snapshot!(ladder(&plan, facts("1", "9"), &[digits("1099"), digits("*")]), @r"
    [ask]
      answer
      play ext-enter (en) and gather up to 4 digits
      (again: invalid)
      play invalid-key, ext-enter (en) and gather up to 4 digits
      (ended: invalid)
      play goodbye (en)
      hang up: normal
    ");
}

#[test]
fn what_a_caller_sends_becomes_no_other_target() {
    let text = r#"
        extensions from=1001 to=1010
        trunk "carrier" { match "192.0.2.9"; peer "udp" "192.0.2.1"; }
        route "carrier-first" { from trunk="carrier"; play "closed"; }
        route "inside" { from extension; to matches="1(?<rest>.*)"; dial extension="1{rest}"; }
        route "outside" { from extension; to matches="0(?<rest>.*)"; dial trunk="carrier" number="{rest}" caller-id="{caller}"; }
        "#;
    let dialled = |to: &str| match first_choice(text, facts("1001", to)) {
        Step::Dial(dial) => format!("{:?}", dial.targets),
        Step::Hangup { cause } => cause.as_str().to_owned(),
        step => panic!("{step:?}"),
    };
    assert_eq!(dialled("1005"), r#"[Extension("1005")]"#);
    for evil in ["1099", "1005&PJSIP/1", "1005@evil.example", "1 005", "10050000"] {
        assert_eq!(dialled(evil), "unavailable", "{evil}");
    }
    assert!(dialled("0+390212345").contains("carrier"));
    for evil in ["0", "0sip:a@b", "01;phone-context=x", "01\r\nX:1"] {
        assert!(["unavailable", "not-found"].contains(&dialled(evil).as_str()), "{evil}");
    }
    let Step::Dial(dial) = first_choice(text, facts("1001", "0800")) else { panic!() };
    assert_eq!(dial.caller_id.unwrap().as_str(), "1001");
    assert_eq!(dial.targets, [Target::Trunk { trunk: "carrier".into(), number: "800".into() }]);
}

#[test]
fn schedules_decide_and_the_emergency_switch_overrules_them() {
    let plan = plan(
        r#"
        schedule "office" tz="Europe/Rome" { open "mon-fri" "08:00-18:00"; }
        route "office" { from any; unless-open "office" { goto "night"; }; play "welcome"; }
        route "night" { play "closed"; hangup "unavailable"; }
        "#,
    );
    insta::assert_snapshot!(ladder(&plan, facts("1", "9"), &[]), @r"
    [office]
      (schedule: office is closed)
    [night]
      play closed (en)
      hang up: unavailable
    ");
    let mut overrides = Overrides::default();
    overrides.turn(ScheduleName::from("office"), Override::ForceOpen);
    insta::assert_snapshot!(ladder(&plan, CallFacts { overrides: Arc::new(overrides), ..facts("1", "9") }, &[]), @r"
    [office]
      (schedule: office is forced open by the emergency switch)
      play welcome (en)
      hang up: normal
    ");
}

#[test]
fn a_switch_that_is_turned_while_a_call_is_up_counts_from_its_next_step() {
    let plan = plan(
        r#"
        schedule "office" { open "daily" "00:00-24:00"; }
        route "office" { from any; play "welcome"; unless-open "office" { play "closed"; }; hangup; }
        "#,
    );
    let by_anna = |until| Switch { says: Override::ForceClosed, by: Some("anna".into()), until };
    let minute = Timestamp(noon().0 + 60_000_000);
    for (until, expected) in [
        (None, "office is forced closed by anna"),
        (Some(minute), "office is forced closed by anna until Sun 2026-11-22 12:01 UTC"),
        (Some(noon()), "office is open"),
    ] {
        let mut run = Run::new(Arc::clone(&plan), facts("1", "9"));
        run.handle(noon(), Input::Start);
        while run.poll().is_some() {}
        run.turn(&Arc::new([(ScheduleName::from("office"), by_anna(until))].into_iter().collect()));
        run.handle(noon(), Input::Outcome(StepOutcome::Done));
        let traced = std::iter::from_fn(|| run.poll()).find_map(|output| match output {
            Output::Trace("schedule", what) => Some(what.to_string()),
            _ => None,
        });
        assert_eq!(traced.as_deref(), Some(expected));
    }
}

#[test]
fn endings_are_answered_at_the_step_by_the_plan_or_built_in() {
    let text = r#"
        extensions from=1001 to=1010
        queue "support"
        defaults { busy { play "all-agents-busy"; hangup "busy"; } }
        route "dial" {
            from any
            to "1"
            dial ring="5s" strategy="in-order" { extension "1001" "1002"; no-answer { play "closed"; } }
            play "goodbye"
        }
        route "queue" { from any; to "2"; answer; queue "support" { full { play "closed"; }; }; play "goodbye"; }
        "#;
    let plan = plan(text);
    insta::assert_snapshot!(ladder(&plan, facts("1", "1"), &[StepOutcome::Busy]), @r"
    [dial]
      dial 1001, then 1002 for 5 s
      (ended, by default: busy)
      play all-agents-busy (en)
      hang up: busy
    ");
    insta::assert_snapshot!(ladder(&plan, facts("1", "1"), &[StepOutcome::NoAnswer]), @r"
    [dial]
      dial 1001, then 1002 for 5 s
      (ended: no-answer)
      play closed (en)
      play goodbye (en)
      hang up: normal
    ");
    insta::assert_snapshot!(ladder(&plan, facts("1", "1"), &[StepOutcome::Unreachable]), @r"
    [dial]
      dial 1001, then 1002 for 5 s
      (ended, by default: unreachable)
      play unavailable (en)
      hang up: unavailable
    ");
    insta::assert_snapshot!(ladder(&plan, facts("1", "2"), &[StepOutcome::Full]), @r"
    [queue]
      answer
      wait in queue support
      (ended: full)
      play closed (en)
      play goodbye (en)
      hang up: normal
    ");
    insta::assert_snapshot!(ladder(&plan, facts("1", "2"), &[StepOutcome::NoAgents]), @r"
    [queue]
      answer
      wait in queue support
      (ended, by default: no-agents)
      play no-agents, try-later (en)
      hang up: unavailable
    ");
}

#[test]
fn queue_steps_carry_what_the_queue_and_the_step_say() {
    let text = r#"
        skill "billing"; skill "english"
        queue "support" { music "music/hold"; comfort "please-hold"; announce every="20s"; record #true; max-wait "5m"; when-empty "wait"; }
        route "r" {
            from any
            set language="it"
            answer
            queue "support" skill="billing" level=3 priority=5 max-wait="1m" record=#false { skill "english" level=2; }
        }
        "#;
    let Step::Queue(queue) = first_choice(text, facts("1", "9")) else { panic!() };
    let skills: Vec<_> = queue.skills.iter().map(|s| format!("{} {}", s.skill, s.level)).collect();
    assert_eq!(skills, ["billing 3", "english 2"]);
    assert_eq!((queue.priority_minutes, queue.max_wait_ms, queue.announce_every_ms), (5, Some(60_000), Some(20_000)));
    assert_eq!((queue.language.as_str(), queue.record, queue.wait_without_agents), ("it", false, true));
    assert_eq!((queue.music.unwrap().as_str(), queue.comfort.unwrap().as_str()), ("music/hold", "please-hold"));
}

#[test]
fn a_call_that_goes_round_for_ever_is_ended() {
    let plan = plan("route \"r\" { from any; answer; play \"welcome\"; goto \"r\"; }");
    let lines = ladder(&plan, facts("1", "9"), &[]);
    assert!(lines.ends_with("  (fault: too many steps)\n  hang up: fault\n"));
    assert!(lines.lines().count() < 2_000);
}

#[test]
fn inputs_that_are_not_awaited_mean_nothing() {
    let mut run = Run::new(plan("route \"r\" { from any; answer; hangup; play \"closed\"; }"), facts("1", "9"));
    run.handle(noon(), Input::Outcome(StepOutcome::Done));
    assert_eq!(run.poll(), None);
    run.handle(noon(), Input::Start);
    run.handle(noon(), Input::Start);
    run.handle(noon(), Input::Outcome(StepOutcome::Done));
    run.handle(noon(), Input::Outcome(StepOutcome::Done));
    let steps: Vec<_> =
        std::iter::from_fn(|| run.poll()).filter_map(|o| if let Output::Step(step) = o { Some(step) } else { None }).collect();
    assert_eq!(steps, [Step::Answer, Step::Hangup { cause: Cause::Normal }]);
}

#[test]
fn a_caller_is_handed_back_only_to_a_carrier_that_takes_them() {
    let text = r#"
        trunk "takes" { match "192.0.2.1"; takes-refer #true; }
        trunk "other" { match "192.0.2.2"; }
        route "back" {
            from any
            to "1{n:number}"
            answer
            play "welcome"
            hand-back "0{n}" {
                error { hangup "forbidden"; }
            }
        }
        route "nonsense" { from any; to matches="x(?<n>.*)"; hand-back "{n}" { unreachable { hangup "unavailable"; }; }; }
        "#;
    assert_eq!(first_choice(text, facts("trunk:takes", "1234")), Step::HandBack { number: "0234".into() });
    for from in ["trunk:other", "1001"] {
        assert_eq!(first_choice(text, facts(from, "1234")), Step::Hangup { cause: Cause::Forbidden }, "{from}");
    }
    assert_eq!(first_choice(text, facts("trunk:takes", "xsip:a@b")), Step::Hangup { cause: Cause::Unavailable });
}

#[test]
fn a_conference_is_named_by_what_was_dialled_and_by_nothing_else() {
    let text = r#"
        route "rooms" { from any; to "3{n:3}"; conference "room-{n}" muted=#true { full { hangup "busy"; }; error { hangup "not-found"; }; }; }
        route "names" { from any; to matches="x(?<n>.*)"; conference "{n}" { error { hangup "not-found"; }; }; }
    "#;
    assert_eq!(first_choice(text, facts("1001", "3012")), Step::Conference { room: "room-012".into(), muted: true });
    assert_eq!(first_choice(text, facts("1001", "xWeekly")), Step::Conference { room: "weekly".into(), muted: false });
    for nonsense in ["x", "xa b", "x../../etc", &format!("x{}", "a".repeat(33))] {
        assert_eq!(first_choice(text, facts("1001", nonsense)), Step::Hangup { cause: Cause::NotFound }, "{nonsense}");
    }
}

#[test]
fn only_a_supervisor_at_their_own_phone_listens_to_agents() {
    let text = r#"
        extensions from=1001 to=1020
        supervisors "1010"
        route "listen" { from extension; to "70{agent:extension}"; supervise "{agent}" as="whisper" { error { hangup "forbidden"; }; }; }
        route "others" { from trunk="carrier"; to "1800"; answer; play "welcome"; hangup; }
        trunk "carrier" { match "192.0.2.1"; }
    "#;
    let listens = Step::Supervise { agent: "1001".into(), role: Supervision::Whisper };
    assert_eq!(first_choice(text, facts("1010", "701001")), listens);
    assert_eq!(first_choice(text, facts("1011", "701001")), Step::Hangup { cause: Cause::Forbidden });
}

#[test]
fn callers_are_parked_taken_from_slots_only_and_picked_up_within_groups_only() {
    let text = r#"
        extensions from=1001 to=1020
        parking "main" from=701 to=720 timeout="1m" music="music/hold"
        pickup-group "sales" { extension "1001" "1002" "1003"; }
        pickup-group "support" { extension "1003" "1004"; }
        route "park" { from any; to "700"; park "main" { full { hangup "busy"; }; }; }
        route "slots" { from extension; to "{slot:3}"; retrieve "{slot}" { error { hangup "not-found"; }; }; }
        route "one" { from extension; to "*8{whose:extension}"; pickup "{whose}" { error { hangup "forbidden"; }; }; }
        route "sales" { from extension; to "*81"; pickup group="sales" { error { hangup "forbidden"; }; }; }
        route "mine" { from extension; to "*8"; pickup { error { hangup "forbidden"; }; }; }
    "#;
    let park = Park {
        lot: "main".into(),
        slots: (701, 720),
        timeout_ms: 60_000,
        music: Some("music/hold".into()),
        language: "en".into(),
    };
    assert_eq!(first_choice(text, facts("trunk:carrier", "700")), Step::Park(park));
    assert_eq!(first_choice(text, facts("1001", "720")), Step::Take(Whom::Parked("720".into())));
    let forbidden = Step::Hangup { cause: Cause::Forbidden };
    assert_eq!(first_choice(text, facts("1001", "721")), Step::Hangup { cause: Cause::NotFound });
    let calling = |from, to| match first_choice(text, facts(from, to)) {
        Step::Take(Whom::Calling(extensions)) => extensions.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
        step => {
            assert_eq!(step, forbidden);
            "forbidden".to_owned()
        }
    };
    assert_eq!(calling("1001", "*81002"), "1002");
    assert_eq!(calling("1001", "*81004"), "forbidden", "another group");
    assert_eq!(calling("1001", "*81001"), "forbidden", "their own phone");
    assert_eq!(calling("1003", "*8"), "1001 1002 1004");
    assert_eq!(calling("1004", "*81"), "forbidden", "not a member");
    assert_eq!(calling("1002", "*81"), "1001 1003");
    assert_eq!(calling("1009", "*8"), "forbidden", "in no group");
}

#[test]
fn a_message_is_left_in_a_box_that_there_is_and_in_no_other() {
    let text = r#"
        extensions from=1001 to=1020
        mailbox "support" { greeting "closed"; max "1m"; messages 7; extension "1001"; }
        mailbox "1002" { max "10s"; }
        route "support" { from any; to "1800"; voicemail "support"; }
        route "own" { from any; to matches="x(?<n>.*)"; voicemail "{n}" { error { hangup "not-found"; }; }; }
    "#;
    let left = |to| match first_choice(text, facts("trunk:carrier", to)) {
        Step::Voicemail(LeaveMessage { mailbox, greeting, max_ms, most }) => {
            let heard = tandem_dialplan::say(&greeting).iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
            format!("{mailbox}: {heard}, {max_ms} ms, {most}")
        }
        step => {
            assert_eq!(step, Step::Hangup { cause: Cause::NotFound });
            "nowhere".to_owned()
        }
    };
    assert_eq!(left("1800"), "support: closed music/beep, 60000 ms, 7");
    assert_eq!(left("x1001"), "1001: voicemail-greeting music/beep, 180000 ms, 100");
    assert_eq!(left("x1002"), "1002: voicemail-greeting music/beep, 10000 ms, 100");
    for nonsense in ["x", "x1999", "x../../etc", "xSupport"] {
        assert_eq!(left(nonsense), "nowhere", "{nonsense}");
    }
    let plan = plan(text);
    let shown = |name: &str| plan.shown_to(&name.into()).map(|it| it.to_string()).collect::<Vec<_>>().join(" ");
    assert_eq!((shown("support"), shown("1002"), shown("1003")), ("1001".into(), "1002".into(), "1003".into()));
}

#[test]
fn a_program_is_done_with_a_word_or_fails_and_each_has_its_answer() {
    let plan = plan(
        r#"
        extensions from=1001 to=1020
        audio-stream "ears" { url "wss://ears.example.com/"; }
        audio-stream "bot" { url "ws://127.0.0.1:9000/"; token "env:CARRIER_SECRET"; rate "16000"; }
        defaults { stalled { play "try-later"; hangup; } }
        route "bot" {
            from any
            fork "ears" sides="caller"
            stream "bot" {
                outcome "sales" "orders" { play "welcome"; hangup "busy"; }
                failed { hangup "unavailable"; }
            }
            hangup "rejected"
        }
        "#,
    );
    let stream = &plan.audio_streams["bot"];
    assert_eq!((stream.url.text().as_str(), stream.rate_hz), ("ws://127.0.0.1:9000/", 16_000));
    let ends = |outcome: StepOutcome| {
        let ladder = ladder(&plan, facts("1001", "4000"), &[StepOutcome::Done, outcome]);
        assert!(ladder.starts_with("[bot]\n  the caller's side of the call to ears\n  talk to bot\n"), "{ladder}");
        ladder.lines().last().unwrap().to_owned()
    };
    assert_eq!(ends(StepOutcome::Said("orders".into())), "  hang up: busy");
    assert_eq!(ends(StepOutcome::Said("weather".into())), "  hang up: rejected");
    assert_eq!(ends(StepOutcome::Done), "  hang up: rejected");
    assert_eq!(ends(StepOutcome::Failed), "  hang up: unavailable");
    assert_eq!(ends(StepOutcome::Stalled), "  hang up: normal");
}
