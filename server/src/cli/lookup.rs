//! `tandem lookup`: the CRM that is asked about a number when a call comes.

use clap::Subcommand;
use reqwest::Method;

use super::{
    CliError, Common,
    client::Client,
    print,
    table::{instant, list, maybe, tick},
};
use crate::http::{
    lookup::{LookupTest, LookupTested, LookupView, NewLookup},
    view::Done,
};

#[derive(Debug, Subcommand)]
pub(super) enum LookupCommand {
    /// How it is asked, and whether it answers.
    Show,
    /// Ask a CRM about each number from now on.
    Set {
        /// Where: https, or http to a network that `tandem serve --reach` names. Of a GET with {number} in it.
        url: String,
        /// By POST, with the number in the body.
        #[arg(long)]
        post: bool,
        /// What it wants of whoever asks, sent as a bearer token; "" for none. Others can see what stands on a command line.
        #[arg(long, env = "TANDEM_LOOKUP_TOKEN", hide_env_values = true)]
        lookup_token: Option<String>,
        /// What is shown, as in Name=/contact/name; all words and numbers at the top of an answer unless said. Repeat it for more.
        #[arg(long = "field", value_name = "NAME=POINTER", value_parser = field)]
        fields: Vec<(String, String)>,
        /// A screen waits so long for it; 10 to 150.
        #[arg(long, value_name = "MS")]
        wait: Option<u64>,
        /// It may take so long at all, and is shown late then.
        #[arg(long, value_name = "MS")]
        limit: Option<u64>,
        /// An answer holds so long.
        #[arg(long, value_name = "SECONDS")]
        keep: Option<u64>,
    },
    /// Ask no CRM any more.
    Remove,
    /// Ask it about a number now.
    Test {
        /// As a carrier would show it.
        number: String,
    },
}

fn field(text: &str) -> Result<(String, String), String> {
    let both = text.split_once('=').ok_or("expected NAME=POINTER, as in Name=/contact/name")?;
    Ok((both.0.to_owned(), both.1.to_owned()))
}

pub(super) async fn run(command: LookupCommand, common: &Common) -> Result<(), CliError> {
    let client = Client::find(common)?;
    match command {
        LookupCommand::Show => shown(common, &client.get(&["lookup"]).await?),
        LookupCommand::Set { url, post, lookup_token, fields, wait, limit, keep } => {
            let fields = fields.into_iter().collect();
            let new = NewLookup { url, post, token: lookup_token, fields, wait_ms: wait, limit_ms: limit, keep_s: keep };
            shown(common, &client.order(Method::PUT, &["lookup"], &new).await?)
        }
        LookupCommand::Remove => {
            let done: Done = client.delete(&["lookup"]).await?;
            print(common, &done, |_| "No CRM is asked any more.\n".to_owned())
        }
        LookupCommand::Test { number } => {
            let tested: LookupTested = client.order(Method::POST, &["lookup", "test"], &LookupTest { number }).await?;
            print(common, &tested, drawn)?;
            match tested.error {
                None => Ok(()),
                Some(error) => Err(CliError::failed(format!("it says nothing of {}: {error}", tested.number))),
            }
        }
    }
}

fn drawn(tested: &LookupTested) -> String {
    let Some(looked) = &tested.looked else { return String::new() };
    let how = if looked.kept { "it said so before".to_owned() } else { format!("after {} ms", looked.took_ms) };
    if looked.fields.is_empty() {
        return format!("Nobody has {} ({how}).\n", tested.number);
    }
    let rows: Vec<(&str, String)> = looked.fields.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
    format!("{} ({how}):\n{}", tested.number, list(&rows))
}

fn shown(common: &Common, lookup: &LookupView) -> Result<(), CliError> {
    print(common, lookup, |lookup| {
        let fields: Vec<String> = lookup.fields.iter().map(|(name, place)| format!("{name}={place}")).collect();
        list(&[
            ("url", lookup.url.clone()),
            ("by", if lookup.post { "POST" } else { "GET" }.to_owned()),
            ("token", tick(lookup.has_token)),
            ("fields", if fields.is_empty() { "all at the top".to_owned() } else { fields.join(", ") }),
            ("a screen waits", format!("{} ms", lookup.wait_ms)),
            ("limit", format!("{} ms", lookup.limit_ms)),
            ("kept for", format!("{} s", lookup.keep_s)),
            ("left alone until", maybe(lookup.rests_until.map(instant))),
        ])
    })
}
