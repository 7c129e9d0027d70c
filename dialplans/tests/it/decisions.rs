//! Runs that values and services decide.

use std::sync::Arc;

use tandem_dialplan::{Input, Output, Run};
use tandem_switch::{
    ask::{Answer, Unanswered},
    step::{Step, StepOutcome},
};

use crate::{facts, ladder, noon, plan};

fn answered(word: &str, values: &[(&str, &str)]) -> StepOutcome {
    let values = values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    StepOutcome::Answered(Answer { word: word.into(), values })
}

const CRM: &str = r#"
    extensions from=1001 to=1009
    languages "it"
    decision-service "crm" { url "https://crm.example.com/decide"; }
    queue "support"
    route "customers" {
        from any
        to "4{line:3}"
        ask "crm" budget="2s" {
            send "line"
            receive "lang" "contact"
            outcome "gold" "silver" {
                set language="{lang}"
                dial extension="{contact}" { unreachable { play "unavailable"; }; }
            }
            otherwise { play "closed"; }
        }
        queue "support"
    }
    "#;

#[test]
fn a_service_is_asked_what_the_plan_names_and_nothing_else() {
    let mut run = Run::new(plan(CRM), facts("1001", "4321"));
    run.handle(noon(), Input::Start);
    let ask = std::iter::from_fn(|| run.poll()).find_map(|output| match output {
        Output::Step(Step::Ask(ask)) => Some(ask),
        _ => None,
    });
    let ask = ask.unwrap();
    assert_eq!((ask.service.as_str(), ask.budget_ms, ask.words.join(" ")), ("crm", 2_000, "gold silver".to_owned()));
    assert_eq!((ask.route.unwrap().as_str(), ask.language.as_str()), ("customers", "en"));
    assert_eq!((ask.from.as_str(), ask.to.as_str()), ("1001", "4321"));
    assert_eq!(ask.variables, [("line".to_owned(), "321".to_owned())]);
    assert_eq!(ask.receives, ["lang", "contact"]);
}

#[test]
fn an_answer_leads_to_its_branch_and_everything_else_to_the_default() {
    let plan = plan(CRM);
    let after = |outcome: StepOutcome| ladder(&plan, facts("1001", "4321"), &[outcome]);
    insta::assert_snapshot!(after(answered("silver", &[("lang", "it"), ("contact", "1002")])), @r"
    [customers]
      ask crm
      (answered: silver)
      (language: it)
      dial 1002 for 30 s
    ");
    insta::assert_snapshot!(after(answered("gold", &[("lang", "../../etc"), ("contact", "1002&1003")])), @r"
    [customers]
      ask crm
      (answered: gold)
      (language: en still: the plan does not speak what was asked for)
      (ended: unreachable)
      play unavailable (en)
      wait in queue support
    ");
    insta::assert_snapshot!(after(StepOutcome::Unanswered(Unanswered::Status(500))), @r"
    [customers]
      ask crm
      (unanswered: (status 500 instead of 200))
      play closed (en)
      wait in queue support
    ");
    let default = |outcome: StepOutcome| after(outcome).contains("\n  play closed (en)\n");
    for outcome in [
        answered("otherwise", &[]),
        answered("Gold", &[]),
        answered("", &[]),
        StepOutcome::Unanswered(Unanswered::Late),
        StepOutcome::Unanswered(Unanswered::Restart),
        StepOutcome::Error,
        StepOutcome::Done,
    ] {
        assert!(default(outcome.clone()), "{outcome:?}");
    }
}

#[test]
fn a_run_that_asks_goes_on_after_a_restart_on_another_plan_too() {
    let plan_of = |default: &str| {
        plan(&format!(
            r#"
            decision-service "crm" {{ url "https://crm.example.com/"; }}
            route "r" {{
                from any
                play "welcome"
                if "{{caller}}" is="1001" {{
                    switch "{{dialled}}" {{
                        fits "4{{line:3}}" {{
                            ask "crm" {{ outcome "gold" {{ play "welcome"; }}; otherwise {{ {default} }}; }}
                            say digits="{{line}}"
                        }}
                    }}
                }}
            }}
            "#
        ))
    };
    let one = plan_of("play \"closed\";");
    let mut run = Run::new(one, facts("1001", "4321"));
    for input in [Input::Start, Input::Outcome(StepOutcome::Done)] {
        run.handle(noon(), input);
        while run.poll().is_some() {}
    }
    let kept = serde_json::from_str(&serde_json::to_string(&run.keep()).unwrap()).unwrap();
    let mut back = Run::restore(plan_of("play \"goodbye\";"), &kept).expect("its place is there still");
    let mut shown = Vec::new();
    for outcome in [StepOutcome::Unanswered(Unanswered::Restart), StepOutcome::Done] {
        back.handle(noon(), Input::Outcome(outcome));
        while let Some(output) = back.poll() {
            if let Output::Step(step) = output {
                shown.push(tandem_dialplan::describe(&step));
            }
        }
    }
    assert_eq!(shown, ["play goodbye (en)", "play digits (en)"], "the variable of the branch is known still");
    let gone = plan(r#"route "r" { from any; play "welcome"; }"#);
    assert!(Run::restore(Arc::clone(&gone), &kept).is_none());
}

#[test]
fn what_is_typed_in_secret_is_sent_to_its_service_and_kept_nowhere() {
    let plan = plan(
        r#"
        decision-service "crm" { url "https://crm.example.com/"; }
        route "r" {
            from any
            answer
            collect "ext-enter" max=8 as="pin" secret=#true
            collect "ext-enter" max=8 as="account"
            if "{pin}" type="number" { play "please-hold"; }
            ask "crm" {
                send "account" "pin"
                outcome "right" { play "welcome"; }
                otherwise { play "closed"; }
            }
        }
        "#,
    );
    let mut run = Run::new(plan, facts("1001", "9"));
    let digits = |keys: &str| Input::Outcome(StepOutcome::Digits(keys.into()));
    let done = || Input::Outcome(StepOutcome::Done);
    let mut told = None;
    for input in [Input::Start, done(), digits("73914628"), digits("4711"), done()] {
        run.handle(noon(), input);
        while let Some(output) = run.poll() {
            assert!(!format!("{output:?}").contains("73914628"), "{output:?}");
            if let Output::Step(Step::Ask(ask)) = output {
                told = Some(ask.variables);
            }
        }
        let kept = serde_json::to_string(&run.keep()).unwrap();
        assert!(!kept.contains("73914628"), "{kept}");
    }
    let told = told.expect("the service is asked");
    assert_eq!(told, [("account".to_owned(), "4711".to_owned()), ("pin".to_owned(), "73914628".to_owned())]);
    assert!(serde_json::to_string(&run.keep()).unwrap().contains("4711"), "what is no secret is kept");
}

#[test]
fn a_value_that_grows_beyond_its_bound_is_nobodys() {
    let mut text = String::from(
        "extensions from=1001 to=1009\nroute \"r\" {\n from any\n set \"a0\" to=\"{caller}{caller}{caller}{caller}\"\n",
    );
    for n in 1..6 {
        let before = n - 1;
        text += &format!(" set \"a{n}\" to=\"{{a{before}}}{{a{before}}}{{a{before}}}{{a{before}}}\"\n");
    }
    text += " if \"{a5}\" known=#false { play \"closed\"; hangup; }\n play \"welcome\"\n}\n";
    let shown = ladder(&plan(&text), facts("1001", "9"), &[]);
    assert!(shown.contains("(set: a2)\n  (set: a3: no value, or too long)\n  (set: a4)"), "{shown}");
    assert!(shown.contains("play closed"), "{shown}");
}
