//! A step in a few words, for the live trace and for `explain`. No number of anybody outside.

use tandem_switch::{
    name::Extension,
    step::{AgentRequest, Audio, Phrase, RingStrategy, Step, Target, Whom},
};

/// One line about a step.
#[must_use]
pub fn describe(step: &Step) -> String {
    match step {
        Step::Ring => "ring".into(),
        Step::Answer => "answer".into(),
        Step::Play { audio, .. } => format!("play {}", heard(audio)),
        Step::Collect(collect) => format!("play {} and gather up to {} digits", heard(&collect.audio), collect.max_digits),
        Step::Queue(queue) => {
            let skills: Vec<_> = queue.skills.iter().map(|s| format!("{} {}", s.skill, s.level)).collect();
            let skills = if skills.is_empty() { String::new() } else { format!(" for {}", skills.join(", ")) };
            format!("wait in queue {}{skills}", queue.queue)
        }
        Step::Dial(dial) => {
            let order = if dial.strategy == RingStrategy::All { " + " } else { ", then " };
            let targets: Vec<_> = dial.targets.iter().map(target).collect();
            format!("dial {} for {} s", targets.join(order), dial.ring_ms / 1_000)
        }
        Step::HandBack { .. } => "hand the caller back to the carrier".into(),
        Step::Echo => "echo".into(),
        Step::Fork { program, sides } => format!("{} of the call to {program}", sides.describe()),
        Step::Stream { program } => format!("talk to {program}"),
        Step::Conference { room, muted } => format!("conference {room}{}", if *muted { ", muted" } else { "" }),
        Step::Supervise { agent, role } => format!("supervise {agent}: {}", role.as_str()),
        Step::Park(park) => format!("park in {}", park.lot),
        Step::Voicemail(step) => format!("take a message for {}", step.mailbox),
        Step::Take(Whom::Parked(slot)) => format!("take who is parked in {slot}"),
        Step::Take(Whom::Calling(extensions)) => {
            let extensions: Vec<_> = extensions.iter().map(Extension::as_str).collect();
            format!("pick up what rings at {}", extensions.join(" or "))
        }
        Step::Ask(ask) => format!("ask {}", ask.service),
        Step::Agent(AgentRequest::SignIn) => "agent signs in".into(),
        Step::Agent(AgentRequest::SignOut) => "agent signs out".into(),
        Step::Agent(AgentRequest::Ready) => "agent is ready".into(),
        Step::Agent(AgentRequest::MoreWrapUp) => "agent wants more wrap-up".into(),
        Step::Agent(AgentRequest::NotReady { reason }) => format!("agent is not ready: {reason}"),
        Step::Hangup { cause } => format!("hang up: {}", cause.as_str()),
    }
}

/// What some audio is, in its language.
pub(crate) fn heard(audio: &Audio) -> String {
    let phrases = audio.phrases.iter().map(|phrase| match phrase {
        Phrase::Prompt(prompt) => prompt.to_string(),
        Phrase::Number(_) => "a number".into(),
        Phrase::Digits(_) => "digits".into(),
        Phrase::Position(_) => "the position".into(),
        Phrase::EstimatedWait(_) => "the estimated wait".into(),
        Phrase::Time { .. } => "the time".into(),
    });
    let phrases: Vec<String> = phrases.collect();
    if phrases.is_empty() { "nothing".into() } else { format!("{} ({})", phrases.join(", "), audio.language) }
}

fn target(target: &Target) -> String {
    match target {
        Target::Extension(extension) => extension.to_string(),
        Target::Trunk { trunk, .. } => format!("a number through {trunk}"),
        Target::Fixed(_) => "a fixed device".into(),
    }
}
