//! Queues, agents and items.

use clap::{Args, Subcommand};
use reqwest::Method;

use super::{
    CliError, Common,
    client::Client,
    print,
    table::{draw, duration, instant, list, maybe, tick},
};
use crate::http::{
    priority::PriorityChange,
    view::{AgentView, ItemStoryView, ItemView, QueueDetail, QueueView, SkillView, StateChange},
};

#[derive(Debug, Subcommand)]
pub(super) enum QueueCommand {
    /// All queues.
    List,
    /// One queue and who waits in it.
    Show {
        /// Its name.
        queue: String,
    },
}

/// Orders about what waits.
#[derive(Debug, Subcommand)]
pub(super) enum FloorCommand {
    /// Move a waiting item ahead or back in its queue.
    Priority {
        /// The item, as `tandem queue show` names it.
        item: String,
        /// Minutes of waiting ahead, from now on; 0 takes an earlier order back.
        minutes: u32,
        /// Why, for the journal and the audit.
        reason: String,
    },
}

#[derive(Debug, Args)]
pub(super) struct AgentArgs {
    /// The agent: the extension of their device.
    agent: String,
    #[command(subcommand)]
    change: Change,
}

#[derive(Debug, Subcommand)]
enum Change {
    /// Begin duty.
    SignIn,
    /// End duty, after a conversation in progress.
    SignOut,
    /// Take offers again.
    Ready,
    /// More time for the paperwork of the last conversation.
    MoreWrapUp,
    /// Take no more offers.
    NotReady {
        /// Why (`lunch`).
        reason: String,
    },
}

#[derive(Debug, Args)]
pub(super) struct WhyArgs {
    /// The item, as `tandem queue show` and the journal name it.
    item: String,
}

pub(super) async fn queue(command: QueueCommand, common: &Common) -> Result<(), CliError> {
    let client = Client::find(common)?;
    match command {
        QueueCommand::List => {
            let queues: Vec<QueueView> = client.get(&["queues"]).await?;
            print(common, &queues, |queues| draw(&QUEUE_HEADS, &queues.iter().map(queue_row).collect::<Vec<_>>()))
        }
        QueueCommand::Show { queue } => {
            let queue: QueueDetail = client.get(&["queues", &queue]).await?;
            print(common, &queue, shown_queue)
        }
    }
}

pub(super) async fn order(command: FloorCommand, common: &Common) -> Result<(), CliError> {
    let client = Client::find(common)?;
    match command {
        FloorCommand::Priority { item, minutes, reason } => {
            let change = PriorityChange { minutes, reason };
            let item: ItemView = client.order(Method::PUT, &["items", &item, "priority"], &change).await?;
            print(common, &item, |item| {
                let place = maybe(item.position);
                let skills = skills(&item.skills);
                let row = vec![place, item.item.clone(), item.queue.clone(), item.priority_minutes.to_string(), skills];
                draw(&["PLACE", "ITEM", "QUEUE", "MINUTES AHEAD", "SKILLS"], &[row])
            })
        }
    }
}

const QUEUE_HEADS: [&str; 9] = ["QUEUE", "WAITING", "CALLBACKS", "LONGEST", "ESTIMATE", "TALKING", "FREE", "SIGNED IN", "AGENTS"];

fn queue_row(queue: &QueueView) -> Vec<String> {
    vec![
        queue.queue.clone(),
        queue.waiting.to_string(),
        queue.callbacks.to_string(),
        duration(queue.longest_wait_ms),
        maybe(queue.estimated_wait_ms.map(duration)),
        queue.engaged.to_string(),
        queue.agents_free.to_string(),
        queue.agents_signed_in.to_string(),
        queue.agents.to_string(),
    ]
}

fn shown_queue(detail: &QueueDetail) -> String {
    let items = detail.items.iter().map(|item| {
        vec![
            maybe(item.position),
            item.item.clone(),
            item.caller.clone(),
            item.kind.clone(),
            item.stage.clone(),
            duration(item.waited_ms),
            maybe(item.agent.as_ref()),
            skills(&item.skills),
        ]
    });
    let items = draw(&["PLACE", "ITEM", "CALLER", "KIND", "STAGE", "WAITED", "AGENT", "SKILLS"], &items.collect::<Vec<_>>());
    format!("{}\n{items}", draw(&QUEUE_HEADS, &[queue_row(&detail.queue)]))
}

pub(super) fn skills(skills: &[SkillView]) -> String {
    skills.iter().map(|skill| format!("{}={}", skill.skill, skill.level)).collect::<Vec<_>>().join(" ")
}

pub(super) async fn agents(common: &Common) -> Result<(), CliError> {
    let agents: Vec<AgentView> = Client::find(common)?.get(&["agents"]).await?;
    print(common, &agents, |agents| drawn_agents(agents))
}

fn drawn_agents(agents: &[AgentView]) -> String {
    let rows = agents.iter().map(|agent| {
        vec![
            agent.agent.clone(),
            agent.state.clone(),
            maybe(agent.reason.as_ref()),
            instant(agent.since),
            maybe(agent.pending.as_ref()),
            maybe(agent.item.as_ref()),
            tick(agent.reachable),
            agent.queues.join(" "),
            skills(&agent.skills),
        ]
    });
    draw(&["AGENT", "STATE", "REASON", "SINCE", "THEN", "ITEM", "REACHABLE", "QUEUES", "SKILLS"], &rows.collect::<Vec<_>>())
}

pub(super) async fn agent(args: AgentArgs, common: &Common) -> Result<(), CliError> {
    let change = match args.change {
        Change::SignIn => StateChange::SignIn,
        Change::SignOut => StateChange::SignOut,
        Change::Ready => StateChange::Ready,
        Change::MoreWrapUp => StateChange::MoreWrapUp,
        Change::NotReady { reason } => StateChange::NotReady { reason },
    };
    let agent: AgentView = Client::find(common)?.order(Method::PUT, &["agents", &args.agent, "state"], &change).await?;
    print(common, &agent, |agent| drawn_agents(std::slice::from_ref(agent)))
}

pub(super) async fn why(args: WhyArgs, common: &Common) -> Result<(), CliError> {
    let story: ItemStoryView = Client::find(common)?.get(&["items", &args.item, "why"]).await?;
    print(common, &story, told)
}

fn told(story: &ItemStoryView) -> String {
    let mut text = list(&[
        ("item", story.item.clone()),
        ("call", story.call.clone()),
        ("queue", story.queue.clone()),
        ("caller", story.caller.clone()),
        ("kind", story.kind.clone()),
        ("state", story.state.clone()),
        ("agent", maybe(story.agent.as_ref())),
        ("queued", instant(story.queued_at)),
        ("served", maybe(story.served_at.map(instant))),
        ("ended", maybe(story.ended_at.map(instant))),
        ("reason", maybe(story.reason.as_ref())),
        ("waits because", maybe(story.waits_because.as_ref())),
    ]);
    let mut add = |title: String, considered: &[crate::http::view::ConsideredView]| {
        let rows: Vec<_> = considered.iter().map(|one| vec![one.agent.clone(), one.why.clone()]).collect();
        text.push_str(&format!("\n{}\n{}", super::table::clean(&title), draw(&["AGENT", "WHY"], &rows)));
    };
    for offer in &story.offers {
        let outcome = offer.outcome.as_deref().unwrap_or("rings");
        let cause = maybe(offer.cause.as_ref().map(|cause| format!(" ({cause})")));
        let waited = duration(offer.waited_ms);
        add(
            format!("offered to {} at {} after {waited}: {outcome}{cause}", offer.agent, instant(offer.offered_at)),
            &offer.considered,
        );
    }
    if !story.considered.is_empty() {
        add("now".to_owned(), &story.considered);
    }
    text
}
