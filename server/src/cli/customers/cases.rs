//! `tandem customer case`, `disposition` and `consent`.

use clap::{Args, Subcommand};
use reqwest::Method;
use tandem_switch::customers::clocks::ClockState;

use super::{
    super::{
        CliError, Common,
        client::Client,
        print,
        table::{clean, draw, instant, list, maybe},
    },
    cases_drawn,
};
use crate::http::{
    customers::{
        IdentityName,
        cases::CaseWish,
        clocks::{CaseDetail, ClockView},
        consents::{ConsentView, ConsentWish},
        dispositions::{CodeWish, DispositionView, DispositionWish},
        view::{CaseStateView, CaseView},
    },
    view::Done,
};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum CaseCommand {
    /// One case.
    Show {
        /// Its identifier.
        case: String,
    },
    /// Open a case.
    Open {
        /// The customer's identifier.
        customer: String,
        #[command(flatten)]
        wish: CaseArgs,
    },
    /// Change a case.
    Set {
        /// Its identifier.
        case: String,
        #[command(flatten)]
        wish: CaseArgs,
    },
    /// Open cases of which an answer or a solution is promised, the one that is due first first.
    Due,
    /// Each status that a case had, who made it so and when.
    States {
        /// Its identifier.
        case: String,
    },
}

#[derive(Clone, Debug, Args)]
pub(in crate::cli) struct CaseArgs {
    /// What it is, in words; a new case needs it.
    #[arg(long)]
    subject: Option<String>,
    /// What it is about, in one word: the name of a queue.
    #[arg(long)]
    topic: Option<String>,
    /// open, pending, solved or closed.
    #[arg(long)]
    status: Option<String>,
    /// What came of it, in one word.
    #[arg(long)]
    outcome: Option<String>,
    /// Promise an answer within that: seconds; 0 takes the promise back.
    #[arg(long, value_name = "SECONDS")]
    respond_within: Option<u32>,
    /// Promise a solution within that, not counting while it is pending: seconds; 0 takes the promise back.
    #[arg(long, value_name = "SECONDS")]
    resolve_within: Option<u32>,
    /// A conversation that is about it; may be given several times.
    #[arg(long)]
    conversation: Vec<String>,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum DispositionCommand {
    /// The codes that there are.
    List,
    /// Offer a code, or change what it means.
    Set {
        /// The code.
        code: String,
        /// What it means.
        #[arg(long)]
        label: String,
        /// Do not offer it any more.
        #[arg(long)]
        retired: bool,
    },
    /// Say what an interaction was.
    Say {
        /// The interaction: that of a call is the call's identifier.
        interaction: String,
        /// The code.
        code: String,
    },
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum ConsentCommand {
    /// Consents and suppressions of a customer and of their addresses.
    List {
        /// Their identifier.
        customer: String,
    },
    /// They may be contacted.
    Allow(#[command(flatten)] ConsentArgs),
    /// They may not.
    Suppress(#[command(flatten)] ConsentArgs),
    /// End a consent or a suppression now.
    End {
        /// Which, as `list` shows it.
        consent: String,
    },
}

#[derive(Clone, Debug, Args)]
pub(in crate::cli) struct ConsentArgs {
    /// All addresses of this customer.
    #[arg(long, conflicts_with = "phone", required_unless_present_any = ["phone", "email"])]
    customer: Option<String>,
    /// This phone number.
    #[arg(long, conflicts_with = "email")]
    phone: Option<String>,
    /// This email address.
    #[arg(long, conflicts_with = "customer")]
    email: Option<String>,
    /// What for: service, marketing or another word; everything unless said.
    #[arg(long)]
    purpose: Option<String>,
    /// voice, email, sms, whatsapp or chat; all unless said.
    #[arg(long)]
    channel: Option<String>,
    /// Two letters of a country; all unless said.
    #[arg(long)]
    jurisdiction: Option<String>,
    /// Who says so, as in "web form".
    #[arg(long)]
    source: String,
    /// What proves it.
    #[arg(long)]
    proof: Option<String>,
}

impl From<CaseArgs> for CaseWish {
    fn from(args: CaseArgs) -> Self {
        let CaseArgs { subject, topic, status, outcome, respond_within, resolve_within, conversation } = args;
        Self {
            subject,
            topic,
            status,
            outcome,
            reopen_window_s: None,
            respond_within_s: respond_within,
            resolve_within_s: resolve_within,
            conversations: conversation,
        }
    }
}

impl ConsentArgs {
    fn wish(self, allowed: bool) -> ConsentWish {
        let name = |kind: &str, value| IdentityName { kind: kind.to_owned(), value };
        ConsentWish {
            identity: self.phone.map(|it| name("phone", it)).or_else(|| self.email.map(|it| name("email", it))),
            customer: self.customer,
            allowed,
            purpose: self.purpose,
            channel: self.channel,
            jurisdiction: self.jurisdiction,
            source: self.source,
            proof: self.proof,
            valid_from: None,
            valid_to: None,
        }
    }
}

fn clocks_drawn(cases: &[CaseDetail]) -> String {
    let told = |clock: Option<ClockView>| {
        let Some(ClockView { state, within_ms, used_ms, due_at }) = clock else { return "-".to_owned() };
        let due = due_at.map(|at| format!(", due {}", instant(at))).unwrap_or_default();
        format!("{} {} of {} min{due}", words(state), used_ms / 60_000, within_ms / 60_000)
    };
    let rows = cases.iter().map(|CaseDetail { case, response, resolution }| {
        vec![case.case.clone(), case.status.clone(), told(*response), told(*resolution), case.subject.clone()]
    });
    draw(&["CASE", "STATUS", "ANSWER", "SOLUTION", "SUBJECT"], &rows.collect::<Vec<_>>())
}

const fn words(state: ClockState) -> &'static str {
    match state {
        ClockState::Running => "running",
        ClockState::Paused => "paused",
        ClockState::Met => "met",
        ClockState::Missed => "missed",
    }
}

pub(super) async fn case(command: CaseCommand, client: &Client, common: &Common) -> Result<(), CliError> {
    let one = |case: &CaseView| cases_drawn(std::slice::from_ref(case));
    match command {
        CaseCommand::Show { case } => {
            let case: CaseDetail = client.get(&["cases", &case]).await?;
            print(common, &case, |case| clocks_drawn(std::slice::from_ref(case)))
        }
        CaseCommand::Open { customer, wish } => {
            let wish = CaseWish::from(wish);
            let case: CaseView = client.order(Method::POST, &["customers", &customer, "cases"], &wish).await?;
            print(common, &case, one)
        }
        CaseCommand::Set { case, wish } => {
            let case: CaseView = client.order(Method::PATCH, &["cases", &case], &CaseWish::from(wish)).await?;
            print(common, &case, one)
        }
        CaseCommand::Due => {
            let cases: Vec<CaseDetail> = client.get(&["cases"]).await?;
            print(common, &cases, |cases| clocks_drawn(cases))
        }
        CaseCommand::States { case } => {
            let states: Vec<CaseStateView> = client.get(&["cases", &case, "states"]).await?;
            print(common, &states, |states| {
                let rows = states.iter().map(|it| vec![instant(it.at), it.status.clone(), it.by.clone()]);
                draw(&["AT", "STATUS", "BY"], &rows.collect::<Vec<_>>())
            })
        }
    }
}

pub(super) async fn disposition(command: DispositionCommand, client: &Client, common: &Common) -> Result<(), CliError> {
    match command {
        DispositionCommand::List => {
            let codes: Vec<DispositionView> = client.get(&["dispositions"]).await?;
            print(common, &codes, |codes| codes_drawn(codes))
        }
        DispositionCommand::Set { code, label, retired } => {
            let wish = CodeWish { label, offered: !retired };
            let code: DispositionView = client.order(Method::PUT, &["dispositions", &code], &wish).await?;
            print(common, &code, |code| codes_drawn(std::slice::from_ref(code)))
        }
        DispositionCommand::Say { interaction, code } => {
            let wish = DispositionWish { disposition: code };
            let done: Done = client.order(Method::PUT, &["interactions", &interaction, "disposition"], &wish).await?;
            print(common, &done, |_| "It is written down.\n".to_owned())
        }
    }
}

pub(super) async fn consent(command: ConsentCommand, client: &Client, common: &Common) -> Result<(), CliError> {
    let (wish, allowed) = match command {
        ConsentCommand::List { customer } => {
            let all: Vec<ConsentView> = client.get(&["customers", &customer, "consents"]).await?;
            return print(common, &all, |all| consents_drawn(all));
        }
        ConsentCommand::End { consent } => {
            let done: Done = client.delete(&["consents", &consent]).await?;
            return print(common, &done, |_| "It has ended.\n".to_owned());
        }
        ConsentCommand::Allow(wish) => (wish, true),
        ConsentCommand::Suppress(wish) => (wish, false),
    };
    let rule: ConsentView = client.order(Method::POST, &["consents"], &wish.wish(allowed)).await?;
    print(common, &rule, |it| {
        let may = if it.allowed { "yes" } else { "no" };
        list(&[("consent", it.consent.clone()), ("may", may.to_owned()), ("from", instant(it.valid_from))])
    })
}

fn codes_drawn(codes: &[DispositionView]) -> String {
    let rows = codes.iter().map(|it| vec![it.code.clone(), if it.offered { "yes" } else { "no" }.to_owned(), clean(&it.label)]);
    draw(&["CODE", "OFFERED", "MEANS"], &rows.collect::<Vec<_>>())
}

fn consents_drawn(all: &[ConsentView]) -> String {
    let rows = all.iter().map(|it| {
        let everything = |word: &Option<String>| word.clone().unwrap_or_else(|| "all".to_owned());
        vec![
            it.consent.clone(),
            if it.allowed { "yes" } else { "no" }.to_owned(),
            maybe(it.value.clone()),
            everything(&it.purpose),
            everything(&it.channel),
            everything(&it.jurisdiction),
            it.source.clone(),
            maybe(it.valid_to.map(instant)),
        ]
    });
    draw(&["CONSENT", "MAY", "ADDRESS", "FOR", "CHANNEL", "COUNTRY", "SOURCE", "ENDS"], &rows.collect::<Vec<_>>())
}
