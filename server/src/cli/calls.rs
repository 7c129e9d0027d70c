//! Calls that are up, and records of those that are over.

use clap::{Args, Subcommand, ValueEnum};
use reqwest::Method;

use super::{
    CliError, Common,
    client::Client,
    print,
    table::{draw, duration, instant, list, maybe},
};
use crate::http::calls::RecordingOrder;
use crate::http::conferences::{CallAnnouncement, HeardBy};
use crate::http::payments::PaymentOrder;
use crate::http::streams::{HeardSides, StreamOrder};
use crate::http::view::{CallDetail, CallView, CdrPage, CdrView, Done, ParkedView};

#[derive(Debug, Subcommand)]
pub(super) enum CallsCommand {
    /// All calls that are up.
    List,
    /// Who is parked in which slot.
    Parked,
    /// One call, up or over.
    Show {
        /// Its identifier.
        call: String,
    },
    /// End a call.
    Hangup {
        /// Its identifier.
        call: String,
    },
    /// Record silence from now on: card numbers.
    PauseRecording {
        /// Its identifier.
        call: String,
    },
    /// Record audio again.
    ResumeRecording {
        /// Its identifier.
        call: String,
    },
    /// Play a recording into a conversation.
    Announce {
        /// Its identifier.
        call: String,
        /// The recording, as in `please-hold`.
        prompt: String,
        /// Who hears it: `caller`, `agent` or `both`.
        #[arg(long, default_value = "both")]
        to: AnnounceTo,
    },
    /// From now on nobody in the call hears the customer, who enters card numbers; or all is as before.
    Payment {
        /// Its identifier.
        call: String,
        /// `begin` or `end`.
        action: PaymentAction,
    },
    /// Let a program that the plan names hear a call, or none any more.
    Stream {
        /// Its identifier.
        call: String,
        /// An `audio-stream` of the plan.
        #[arg(required_unless_present = "end", conflicts_with = "end")]
        stream: Option<String>,
        /// Whom it hears: `both`, `caller` or `agent`.
        #[arg(long, default_value = "both")]
        sides: AnnounceTo,
        /// Samples a second: 8000 or 16000; as the plan has it unless said.
        #[arg(long)]
        rate: Option<u32>,
        /// Stop the program that hears it.
        #[arg(long)]
        end: bool,
    },
    /// Records of calls that are over, newest first.
    Cdr(CdrArgs),
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum AnnounceTo {
    Caller,
    Agent,
    Both,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum PaymentAction {
    Begin,
    End,
}

#[derive(Debug, Args)]
pub(super) struct CdrArgs {
    /// Started then or later, as in 2026-11-02T09:30:00Z.
    #[arg(long)]
    from: Option<String>,
    /// Started before.
    #[arg(long)]
    to: Option<String>,
    /// Caller's or dialled number, whole.
    #[arg(long)]
    number: Option<String>,
    /// Waited in this queue.
    #[arg(long)]
    queue: Option<String>,
    /// This agent talked.
    #[arg(long)]
    agent: Option<String>,
    /// Ended with this cause (`no-answer`).
    #[arg(long)]
    cause: Option<String>,
    /// Older than this call: the next page.
    #[arg(long)]
    before: Option<String>,
    /// Rows at most.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=500))]
    limit: u32,
}

pub(super) async fn run(command: CallsCommand, common: &Common) -> Result<(), CliError> {
    let client = Client::find(common)?;
    match command {
        CallsCommand::List => {
            let calls: Vec<CallView> = client.get(&["calls"]).await?;
            print(common, &calls, |calls| drawn_calls(calls))
        }
        CallsCommand::Parked => {
            let parked: Vec<ParkedView> = client.get(&["parked"]).await?;
            print(common, &parked, |parked| drawn_parked(parked))
        }
        CallsCommand::Show { call } => {
            let call: CallDetail = client.get(&["calls", &call]).await?;
            print(common, &call, shown)
        }
        CallsCommand::Hangup { call } => {
            let done: Done = client.order(Method::POST, &["calls", &call, "hangup"], &()).await?;
            print(common, &done, |_| "The call is ended.\n".to_owned())
        }
        CallsCommand::PauseRecording { call } => {
            let done: Done = client.order(Method::POST, &["calls", &call, "recording"], &RecordingOrder::Pause).await?;
            print(common, &done, |_| "The recording is silent until you resume it.\n".to_owned())
        }
        CallsCommand::ResumeRecording { call } => {
            let done: Done = client.order(Method::POST, &["calls", &call, "recording"], &RecordingOrder::Resume).await?;
            print(common, &done, |_| "The recording has audio again.\n".to_owned())
        }
        CallsCommand::Announce { call, prompt, to } => {
            let to = match to {
                AnnounceTo::Caller => HeardBy::Caller,
                AnnounceTo::Agent => HeardBy::Agent,
                AnnounceTo::Both => HeardBy::Both,
            };
            let order = CallAnnouncement { prompt, to, language: None };
            let done: Done = client.order(Method::POST, &["calls", &call, "announce"], &order).await?;
            print(common, &done, |_| "It is heard.\n".to_owned())
        }
        CallsCommand::Payment { call, action } => {
            let (order, said) = match action {
                PaymentAction::Begin => (PaymentOrder::Begin, "Nobody in the call hears the customer until you end it.\n"),
                PaymentAction::End => (PaymentOrder::End, "The customer is heard again; the keys can be read for a minute.\n"),
            };
            let done: Done = client.order(Method::POST, &["calls", &call, "payment"], &order).await?;
            print(common, &done, |_| said.to_owned())
        }
        CallsCommand::Stream { call, stream: Some(stream), sides, rate, .. } => {
            let sides = match sides {
                AnnounceTo::Caller => HeardSides::Caller,
                AnnounceTo::Agent => HeardSides::Agent,
                AnnounceTo::Both => HeardSides::Both,
            };
            let order = StreamOrder { stream, sides, rate };
            let done: Done = client.order(Method::POST, &["calls", &call, "stream"], &order).await?;
            print(common, &done, |_| "The program is being connected.\n".to_owned())
        }
        CallsCommand::Stream { call, stream: None, .. } => {
            let done: Done = client.order(Method::DELETE, &["calls", &call, "stream"], &()).await?;
            print(common, &done, |_| "The program hears the call no more.\n".to_owned())
        }
        CallsCommand::Cdr(args) => {
            let page: CdrPage = client.search(&["cdrs"], &query(args)).await?;
            print(common, &page, drawn_cdrs)
        }
    }
}

fn query(args: CdrArgs) -> Vec<(&'static str, String)> {
    let CdrArgs { from, to, number, queue, agent, cause, before, limit } = args;
    let all = [
        ("from", from),
        ("to", to),
        ("number", number),
        ("queue", queue),
        ("agent", agent),
        ("cause", cause),
        ("before", before),
        ("limit", Some(limit.to_string())),
    ];
    all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

fn drawn_calls(calls: &[CallView]) -> String {
    let rows = calls.iter().map(|call| {
        vec![
            call.call.clone(),
            call.from.clone(),
            call.to.clone(),
            maybe(call.identity.as_ref()),
            call.state.clone(),
            instant(call.since),
            maybe(call.route.as_ref()),
            maybe(call.queue.as_ref()),
            maybe(call.agent.as_ref()),
        ]
    });
    draw(&["CALL", "FROM", "TO", "IDENTITY", "STATE", "SINCE", "ROUTE", "QUEUE", "AGENT"], &rows.collect::<Vec<_>>())
}

fn drawn_parked(parked: &[ParkedView]) -> String {
    let rows = parked.iter().map(|it| {
        vec![it.slot.clone(), it.lot.clone(), it.party.clone(), maybe(it.by.as_ref()), instant(it.since), it.call.clone()]
    });
    draw(&["SLOT", "LOT", "PARTY", "BY", "SINCE", "CALL"], &rows.collect::<Vec<_>>())
}

fn drawn_cdrs(page: &CdrPage) -> String {
    let rows = page.cdrs.iter().map(|cdr| {
        vec![
            cdr.call.clone(),
            instant(cdr.started_at),
            cdr.from.clone(),
            cdr.to.clone(),
            maybe(cdr.queue.as_ref()),
            maybe(cdr.agent.as_ref().or(cdr.answered_by.as_ref())),
            duration(cdr.waited_ms),
            duration(cdr.talked_ms),
            cdr.cause.clone(),
            cdr.blame.clone(),
        ]
    });
    let heads = ["CALL", "STARTED", "FROM", "TO", "QUEUE", "AGENT", "WAITED", "TALKED", "CAUSE", "BLAME"];
    let more = page.next.as_ref().map(|next| format!("\nMore: --before {next}\n")).unwrap_or_default();
    format!("{}{more}", draw(&heads, &rows.collect::<Vec<_>>()))
}

fn shown(call: &CallDetail) -> String {
    match call {
        CallDetail::Live(call) => list(&[
            ("call", call.call.clone()),
            ("origin", call.origin.clone()),
            ("from", call.from.clone()),
            ("to", call.to.clone()),
            ("identity", maybe(call.identity.as_ref())),
            ("state", format!("{} since {}", call.state, instant(call.since))),
            ("step", call.step.clone()),
            ("route", maybe(call.route.as_ref())),
            ("queue", maybe(call.queue.as_ref())),
            ("agent", maybe(call.agent.as_ref())),
            ("started", instant(call.started_at)),
            ("answered", maybe(call.answered_at.map(instant))),
            ("payment", if call.payment { "under way" } else { "-" }.to_owned()),
            ("legs", call.legs.to_string()),
        ]),
        CallDetail::Ended(cdr) => shown_cdr(cdr),
    }
}

fn shown_cdr(cdr: &CdrView) -> String {
    let facts = list(&[
        ("call", cdr.call.clone()),
        ("origin", cdr.origin.clone()),
        ("from", cdr.from.clone()),
        ("to", cdr.to.clone()),
        ("identity", maybe(cdr.identity.as_ref())),
        ("route", maybe(cdr.route.as_ref())),
        ("queue", maybe(cdr.queue.as_ref())),
        ("agent", maybe(cdr.agent.as_ref())),
        ("answered by", maybe(cdr.answered_by.as_ref())),
        ("started", instant(cdr.started_at)),
        ("answered", maybe(cdr.answered_at.map(instant))),
        ("connected", maybe(cdr.connected_at.map(instant))),
        ("ended", instant(cdr.ended_at)),
        ("waited", duration(cdr.waited_ms)),
        ("talked", duration(cdr.talked_ms)),
        ("cause", format!("{} (by: {})", cdr.cause, cdr.blame)),
        ("recording", maybe(cdr.recording.as_ref())),
        ("quality", maybe(cdr.quality.as_ref())),
        ("plan", cdr.generation.to_string()),
    ]);
    let rows = cdr.segments.iter().map(|segment| {
        let lasted = segment.to_at.0.ms_since(segment.from_at.0);
        let (agent, cause) = (maybe(segment.agent.as_ref()), maybe(segment.cause.as_ref()));
        vec![segment.state.clone(), agent, instant(segment.from_at), duration(lasted), cause]
    });
    format!("{facts}\n{}", draw(&["STATE", "AGENT", "FROM", "FOR", "CAUSE"], &rows.collect::<Vec<_>>()))
}
