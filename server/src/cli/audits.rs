//! `tandem audit`: who did what, by the running server.

use clap::Args;

use super::{
    CliError, Common,
    client::Client,
    print,
    table::{draw, instant, maybe},
};
use crate::http::audits::{AuditPage, AuditView};

/// Rows asked for at a time.
const PAGE: usize = 500;

#[derive(Debug, Args)]
pub(super) struct AuditArgs {
    /// This stands in who did it, or in the address they came from.
    #[arg(long)]
    who: Option<String>,
    /// What was done, whole: recording-read, login-failed, person-changed.
    #[arg(long)]
    what: Option<String>,
    /// This stands in what it was done to.
    #[arg(long)]
    subject: Option<String>,
    /// Then or later, RFC 3339.
    #[arg(long)]
    from: Option<String>,
    /// Before, RFC 3339.
    #[arg(long)]
    to: Option<String>,
    /// Rows at most.
    #[arg(long, default_value_t = 50)]
    limit: usize,
}

pub(super) async fn run(args: AuditArgs, common: &Common) -> Result<(), CliError> {
    let client = Client::find(common)?;
    let AuditArgs { who, what, subject, from, to, limit } = args;
    let words = [("who", who), ("what", what), ("subject", subject), ("from", from), ("to", to)];
    let words: Vec<_> = words.into_iter().filter_map(|(name, word)| Some((name, word?))).collect();
    let (mut audits, mut next) = (Vec::new(), None::<i64>);
    while audits.len() < limit {
        let mut query = words.clone();
        query.push(("limit", (limit - audits.len()).min(PAGE).to_string()));
        query.extend(next.map(|next| ("before", next.to_string())));
        let page: AuditPage = client.search(&["audit"], &query).await?;
        audits.extend(page.audits);
        next = page.next;
        if next.is_none() {
            break;
        }
    }
    print(common, &audits, |audits| drawn(audits))
}

fn drawn(audits: &[AuditView]) -> String {
    let rows = audits.iter().map(|audit| {
        vec![instant(audit.at), audit.who.clone(), maybe(audit.from.as_ref()), audit.what.clone(), audit.subject.clone()]
    });
    draw(&["AT", "WHO", "FROM", "WHAT", "SUBJECT"], &rows.collect::<Vec<_>>())
}
