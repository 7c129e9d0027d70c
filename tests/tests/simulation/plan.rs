//! The plan of the simulated switch, checked from its text, and who works there.

use std::collections::{BTreeMap, BTreeSet};

use tandem_dialplan::{Plan, Source, World, check, vocabulary};
use tandem_switch::{
    floor::AgentProfile,
    name::{AgentName, Language, PromptName, SkillLevel},
    step::Target,
};

use crate::{Shape, dice::Dice};

const TEXT: &str = include_str!("plan.kdl");

/// The checked plan.
pub(crate) fn plan() -> Plan {
    let english = Language::from("en");
    let said = ["welcome", "goodbye", "recording-notice", "no-agents", "not-found", "please-hold", "enter-number", "done"];
    let own = said.map(PromptName::from).into_iter().chain(vocabulary(&english).into_iter().flatten());
    let world = World {
        prompts: BTreeMap::from([(english, own.collect::<BTreeSet<_>>())]),
        shared_prompts: BTreeSet::from([PromptName::from("music/hold")]),
        ..World::default()
    };
    let (plan, report) = check(&[Source::new("plan.kdl", TEXT)], &world);
    plan.unwrap_or_else(|| panic!("the plan is wrong:\n{}", report.lines()))
}

/// Agents with fixed devices (`agent0`…) and with registered ones (`1001`…).
pub(crate) fn agents(dice: &mut Dice, shape: Shape) -> Vec<AgentProfile> {
    let fixed = (0..shape.fixed).map(|n| (format!("agent{n}"), Some(format!("sip:agent{n}@127.0.0.3:5090"))));
    let registered = (0..shape.registered).map(|n| (format!("{}", 1001 + n), None));
    let all: Vec<(String, Option<String>)> = fixed.chain(registered).collect();
    let profile = |(name, address): (String, Option<String>)| AgentProfile {
        agent: AgentName::from(name.as_str()),
        queues: match dice.below(3) {
            0 => vec!["sales".into()],
            1 => vec!["support".into()],
            _ => vec!["sales".into(), "support".into()],
        },
        skills: match dice.below(7) {
            0 => Vec::new(),
            level => vec![SkillLevel { skill: "billing".into(), level: u8::try_from(level).expect("below seven") }],
        },
        always_on: address.is_some(),
        capacity: tandem_switch::channel::Capacity::default(),
        device: address.map_or_else(|| Target::Extension(name.as_str().into()), |address| Target::Fixed(address.into())),
        devices: tandem_switch::device::Devices::default(),
    };
    all.into_iter().map(profile).collect()
}
