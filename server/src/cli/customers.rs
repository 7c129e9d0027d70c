//! `tandem customer`: who is outside, by the running switch.

mod cases;

use std::path::{Path, PathBuf};

use bytes::Bytes;
use clap::{Subcommand, ValueEnum};
use futures_util::{Stream, StreamExt as _, stream};
use reqwest::Method;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{
    CliError, Common,
    client::Client,
    print,
    table::{clean, draw, instant, list, maybe},
};
use crate::{
    customers::import::ImportReport,
    http::{
        customers::{
            CustomerWish, IdentityName, IdentityWish,
            consents::MayContact,
            files::ImportLine,
            merges::{MergeWish, SplitWish},
            timeline::NoteWish,
            view::{CaseView, CustomerDetail, CustomerPage, Timeline},
        },
        view::Done,
    },
};

/// Bytes of a file that are read at once.
const PIECE_BYTES: usize = 64 * 1024;
/// Bytes of one line of an answer, at most.
const MAX_LINE_BYTES: usize = 64 * 1024;

#[derive(Debug, Subcommand)]
pub(super) enum CustomerCommand {
    /// Customers, newest first, or those with an address.
    List {
        /// With this phone number, however it is written.
        #[arg(long)]
        number: Option<String>,
        /// With this email address.
        #[arg(long)]
        email: Option<String>,
        /// Called so by another program, as in crm:4711.
        #[arg(long)]
        external: Option<String>,
        /// Words of their name begin so.
        #[arg(long)]
        name: Option<String>,
        /// The next page: older than this customer.
        #[arg(long)]
        before: Option<String>,
        /// Rows at most.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=500))]
        limit: u32,
    },
    /// One customer with addresses and merges.
    Show {
        /// Their identifier.
        customer: String,
    },
    /// Add a customer.
    Add(#[command(flatten)] WishArgs),
    /// Change a customer, or add addresses.
    Set {
        /// Their identifier.
        customer: String,
        #[command(flatten)]
        wish: WishArgs,
    },
    /// Write something about a customer.
    Note {
        /// Their identifier.
        customer: String,
        /// What.
        text: String,
    },
    /// What happened with a customer, newest first.
    Timeline {
        /// Their identifier.
        customer: String,
        /// The next page: older than this entry.
        #[arg(long)]
        before: Option<String>,
    },
    /// The cases of a customer.
    Cases {
        /// Their identifier.
        customer: String,
    },
    /// Make another customer one with this one, who gives the name.
    Merge {
        /// Who gives the name.
        customer: String,
        /// Who is the same.
        other: String,
        /// Why.
        #[arg(long)]
        why: String,
    },
    /// Undo a merge.
    Unmerge {
        /// The merge, as `show` lists it.
        link: String,
    },
    /// Make two customers of one: addresses, and what came by them, go to a new one.
    Split {
        /// Their identifier.
        customer: String,
        /// KIND=ADDRESS, as in phone=+390230412345; may be given several times.
        #[arg(long, required = true, value_name = "KIND=ADDRESS")]
        identity: Vec<String>,
        /// What the new customer is called.
        #[arg(long, default_value = "")]
        name: String,
    },
    /// Cases: what customers want, and how far it is.
    #[command(subcommand)]
    Case(cases::CaseCommand),
    /// What interactions were, and the codes that say so.
    #[command(subcommand)]
    Disposition(cases::DispositionCommand),
    /// Who may be contacted, and who may not.
    #[command(subcommand)]
    Consent(cases::ConsentCommand),
    /// May somebody be contacted, and why.
    MayContact {
        /// phone, email, whatsapp, chat-token or external.
        kind: String,
        /// The address.
        value: String,
        /// What for: service, marketing or another word.
        #[arg(long)]
        purpose: String,
        /// voice, email, sms, whatsapp or chat.
        #[arg(long)]
        channel: String,
    },
    /// Import customers from a CSV file. Exit status 1 when the file was not read to its end.
    Import {
        /// The file.
        file: PathBuf,
        /// Only say what would become of it.
        #[arg(long)]
        dry_run: bool,
        /// Between fields.
        #[arg(long, value_enum, default_value_t)]
        separator: SeparatorArg,
    },
    /// Export customers as CSV.
    Export {
        /// To this file, which must not be there yet.
        file: PathBuf,
    },
}

#[derive(Clone, Debug, clap::Args)]
pub(super) struct WishArgs {
    /// What they are called.
    #[arg(long)]
    name: Option<String>,
    /// The language that they prefer, as in en.
    #[arg(long)]
    language: Option<String>,
    /// A phone number; may be given several times.
    #[arg(long)]
    phone: Vec<String>,
    /// An email address; may be given several times.
    #[arg(long)]
    email: Vec<String>,
    /// What another program calls them, as in crm:4711.
    #[arg(long)]
    external: Vec<String>,
    /// NAME=VALUE; without a value the attribute goes.
    #[arg(long, value_name = "NAME=VALUE")]
    attribute: Vec<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum SeparatorArg {
    #[default]
    Comma,
    Semicolon,
    Tab,
}

impl WishArgs {
    fn wish(self) -> Result<CustomerWish, CliError> {
        let kinds = [("phone", self.phone), ("email", self.email), ("external", self.external)];
        let identities = kinds.into_iter().flat_map(|(kind, values)| values.into_iter().map(move |value| (kind, value)));
        let identity = |(kind, value): (&str, String)| IdentityWish {
            kind: kind.to_owned(),
            value,
            verified: false,
            confidence: None,
            source: None,
            valid_from: None,
            valid_to: None,
        };
        let pair = |text: &String| {
            let (name, value) = text.split_once('=')?;
            Some((name.to_owned(), value.to_owned()))
        };
        let attributes = self
            .attribute
            .iter()
            .map(|text| pair(text).ok_or_else(|| CliError::failed(format!("`{text}` is no attribute")).todo("give NAME=VALUE")));
        Ok(CustomerWish {
            name: self.name,
            language: self.language,
            attributes: (!self.attribute.is_empty()).then(|| attributes.collect::<Result<_, _>>()).transpose()?,
            identities: identities.map(identity).collect(),
        })
    }
}

pub(super) async fn run(command: CustomerCommand, common: &Common) -> Result<(), CliError> {
    let client = Client::find(common)?;
    match command {
        CustomerCommand::List { number, email, external, name, before, limit } => {
            let all = [("number", number), ("email", email), ("external", external), ("name", name), ("before", before)];
            let mut query: Vec<(&str, String)> = all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
            query.push(("limit", limit.to_string()));
            let page: CustomerPage = client.search(&["customers"], &query).await?;
            print(common, &page, page_drawn)
        }
        CustomerCommand::Show { customer } => {
            let detail: CustomerDetail = client.get(&["customers", &customer]).await?;
            print(common, &detail, detail_drawn)
        }
        CustomerCommand::Add(wish) => {
            let detail: CustomerDetail = client.order(Method::POST, &["customers"], &wish.wish()?).await?;
            print(common, &detail, detail_drawn)
        }
        CustomerCommand::Set { customer, wish } => {
            let detail: CustomerDetail = client.order(Method::PATCH, &["customers", &customer], &wish.wish()?).await?;
            print(common, &detail, detail_drawn)
        }
        CustomerCommand::Note { customer, text } => {
            let wish = NoteWish { body: text, case: None };
            let done: Done = client.order(Method::POST, &["customers", &customer, "notes"], &wish).await?;
            print(common, &done, |_| "The note is written.\n".to_owned())
        }
        CustomerCommand::Timeline { customer, before } => {
            let query: Vec<(&str, String)> = before.into_iter().map(|before| ("before", before)).collect();
            let timeline: Timeline = client.search(&["customers", &customer, "timeline"], &query).await?;
            print(common, &timeline, timeline_drawn)
        }
        CustomerCommand::Cases { customer } => {
            let cases: Vec<CaseView> = client.get(&["customers", &customer, "cases"]).await?;
            print(common, &cases, |cases| cases_drawn(cases))
        }
        CustomerCommand::Merge { customer, other, why } => {
            let wish = MergeWish { customer: other, why };
            let detail: CustomerDetail = client.order(Method::POST, &["customers", &customer, "merge"], &wish).await?;
            print(common, &detail, detail_drawn)
        }
        CustomerCommand::Unmerge { link } => {
            let detail: CustomerDetail = client.delete(&["merges", &link]).await?;
            print(common, &detail, detail_drawn)
        }
        CustomerCommand::Split { customer, identity, name } => {
            let read = |text: &String| {
                let (kind, value) = text.split_once('=')?;
                Some(IdentityName { kind: kind.to_owned(), value: value.to_owned() })
            };
            let bad = |text: &String| CliError::failed(format!("`{}` is no address", clean(text))).todo("give KIND=ADDRESS");
            let identities = identity.iter().map(|text| read(text).ok_or_else(|| bad(text))).collect::<Result<_, _>>()?;
            let wish = SplitWish { identities, name };
            let detail: CustomerDetail = client.order(Method::POST, &["customers", &customer, "split"], &wish).await?;
            print(common, &detail, detail_drawn)
        }
        CustomerCommand::Case(command) => cases::case(command, &client, common).await,
        CustomerCommand::Disposition(command) => cases::disposition(command, &client, common).await,
        CustomerCommand::Consent(command) => cases::consent(command, &client, common).await,
        CustomerCommand::MayContact { kind, value, purpose, channel } => {
            let query = [("kind", kind), ("value", value), ("purpose", purpose), ("channel", channel)];
            let answer: MayContact = client.search(&["may-contact"], &query).await?;
            print(common, &answer, |it| format!("{}: {}.\n", if it.may { "yes" } else { "no" }, clean(&it.reason)))
        }
        CustomerCommand::Import { file, dry_run, separator } => import(&client, common, &file, dry_run, separator).await,
        CustomerCommand::Export { file } => export(&client, common, &file).await,
    }
}

async fn import(client: &Client, common: &Common, path: &Path, dry_run: bool, separator: SeparatorArg) -> Result<(), CliError> {
    let unreadable = |error: std::io::Error| CliError::failed(format!("{} cannot be read: {error}", path.display()));
    let file = tokio::fs::File::open(path).await.map_err(unreadable)?;
    let separator = match separator {
        SeparatorArg::Comma => "comma",
        SeparatorArg::Semicolon => "semicolon",
        SeparatorArg::Tab => "tab",
    };
    let query = [("dry_run", dry_run.to_string()), ("separator", separator.to_owned())];
    let mut answer =
        Box::pin(client.upload(&["customers-import"], &query, "text/csv", reqwest::Body::wrap_stream(pieces(file))).await?);
    let mut rest: Vec<u8> = Vec::new();
    let mut report: Option<ImportReport> = None;
    while let Some(piece) = answer.next().await {
        rest.extend_from_slice(&piece?);
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = rest.drain(..=end).collect();
            match serde_json::from_slice(&line).map_err(|_| CliError::failed("the server answered something unexpected"))? {
                ImportLine::Refused(row) => eprintln!("line {}: {}", row.line, clean(&row.reason)),
                ImportLine::Report(done) => report = Some(done),
                ImportLine::Ended { error } => return Err(CliError::failed(error)),
            }
        }
        if rest.len() > MAX_LINE_BYTES {
            return Err(CliError::failed("the server answered something unexpected"));
        }
    }
    let report = report.ok_or_else(|| {
        CliError::unreachable("the server went away before the end of the file").todo("give it again: nothing is taken twice")
    })?;
    print(common, &report, |it| {
        let tried = if it.dry_run { "Nothing was written. It would be: " } else { "" };
        let ImportReport { rows, added, changed, same, refused, .. } = it;
        format!("{tried}{rows} rows: {added} added, {changed} changed, {same} as they were, {refused} refused.\n")
    })
}

fn pieces(file: tokio::fs::File) -> impl Stream<Item = std::io::Result<Bytes>> + Send + 'static {
    stream::try_unfold(file, |mut file| async move {
        let mut piece = vec![0; PIECE_BYTES];
        let read = file.read(&mut piece).await?;
        piece.truncate(read);
        Ok((read > 0).then(|| (Bytes::from(piece), file)))
    })
}

async fn export(client: &Client, common: &Common, path: &Path) -> Result<(), CliError> {
    let failed = |error: std::io::Error| CliError::failed(format!("{} cannot be written: {error}", path.display()));
    let mut options = tokio::fs::OpenOptions::new();
    options.write(true).create_new(true);
    // It is full of personal data.
    #[cfg(unix)]
    options.mode(0o600);
    let mut file = options.open(path).await.map_err(failed)?;
    let mut answer = Box::pin(client.download(&["customers-export"]).await?);
    while let Some(piece) = answer.next().await {
        file.write_all(&piece?).await.map_err(failed)?;
    }
    file.sync_all().await.map_err(failed)?;
    print(common, &Done { done: true }, |_| format!("The customers are in {}.\n", path.display()))
}

fn page_drawn(page: &CustomerPage) -> String {
    let rows =
        page.customers.iter().map(|it| vec![it.customer.clone(), it.name.clone(), it.language.clone(), instant(it.created_at)]);
    let more = page.next.as_ref().map(|next| format!("\nMore: --before {next}\n")).unwrap_or_default();
    format!("{}{more}", draw(&["CUSTOMER", "NAME", "LANGUAGE", "SINCE"], &rows.collect::<Vec<_>>()))
}

fn detail_drawn(it: &CustomerDetail) -> String {
    let attributes: Vec<String> = it.customer.attributes.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let head = list(&[
        ("customer", it.customer.customer.clone()),
        ("name", it.customer.name.clone()),
        ("language", it.customer.language.clone()),
        ("attributes", attributes.join(" ")),
        ("since", instant(it.customer.created_at)),
    ]);
    let rows = it.identities.iter().map(|it| {
        let verified = if it.verified { "yes" } else { "" };
        vec![it.kind.clone(), it.value.clone(), it.confidence.to_string(), verified.to_owned(), it.source.clone()]
    });
    let identities = draw(&["KIND", "ADDRESS", "CONFIDENCE", "VERIFIED", "SOURCE"], &rows.collect::<Vec<_>>());
    let rows =
        it.merges.iter().map(|it| vec![it.link.clone(), it.kept.clone(), it.folded.clone(), it.by.clone(), it.why.clone()]);
    let rows: Vec<_> = rows.collect();
    let merges =
        if rows.is_empty() { String::new() } else { format!("\n{}", draw(&["MERGE", "KEPT", "FOLDED", "BY", "WHY"], &rows)) };
    format!("{head}\n{identities}{merges}")
}

fn timeline_drawn(timeline: &Timeline) -> String {
    let rows = timeline.entries.iter().map(|it| {
        let what = it.body.clone().or_else(|| it.disposition.clone()).unwrap_or_default();
        let kind = maybe(it.direction.clone().zip(it.channel.clone()).map(|(way, channel)| format!("{way} {channel}")));
        let kind = if kind.is_empty() { it.kind.clone() } else { kind };
        vec![it.id.clone(), instant(it.at), kind, maybe(it.queue.clone()), maybe(it.by.clone()), maybe(it.case.clone()), what]
    });
    let more = timeline.next.as_ref().map(|next| format!("\nMore: --before {next}\n")).unwrap_or_default();
    format!("{}{more}", draw(&["ENTRY", "AT", "KIND", "QUEUE", "BY", "CASE", "WHAT"], &rows.collect::<Vec<_>>()))
}

fn cases_drawn(cases: &[CaseView]) -> String {
    let rows = cases
        .iter()
        .map(|it| vec![it.case.clone(), it.status.clone(), maybe(it.topic.clone()), instant(it.touched_at), it.subject.clone()]);
    draw(&["CASE", "STATUS", "TOPIC", "TOUCHED", "SUBJECT"], &rows.collect::<Vec<_>>())
}
