//! The live trace of a number's calls.

use clap::Args;
use futures_util::StreamExt as _;
use tokio_tungstenite::{
    connect_async,
    tungstenite::{Error, Message, client::IntoClientRequest as _, http::HeaderValue},
};

use super::{
    CliError, Common, Format, client,
    client::Client,
    ladder::{Ladder, Rung},
    table::clean,
};
use crate::http::follow::FollowMessage;

#[derive(Debug, Args)]
pub(super) struct FollowArgs {
    /// Caller's or dialled number, whole; every call unless said.
    number: Option<String>,
    /// One line for each thing that happens, instead of a ladder.
    #[arg(long)]
    lines: bool,
}

pub(super) async fn run(args: FollowArgs, common: &Common) -> Result<(), CliError> {
    let mut ladder = Ladder::default();
    let query: Vec<_> = args.number.map(|number| ("number", number)).into_iter().collect();
    let (url, bearer) = Client::find(common)?.socket(&["follow"], &query);
    let mut request = url.into_client_request().map_err(CliError::failed)?;
    let bearer = HeaderValue::from_str(&bearer).map_err(|_| CliError::failed("the token holds letters that no token has"))?;
    request.headers_mut().insert("authorization", bearer);
    let (mut socket, _) = connect_async(request).await.map_err(|error| match error {
        Error::Http(response) => {
            let text = response.body().as_ref().map(|body| String::from_utf8_lossy(body).into_owned()).unwrap_or_default();
            client::refused(response.status(), &text)
        }
        _ => CliError::unreachable("the server cannot be reached").todo("is it running? see `tandem serve`"),
    })?;
    while let Some(message) = socket.next().await {
        match message {
            Ok(Message::Text(text)) if common.format == Format::Json => println!("{text}"),
            Ok(Message::Text(text)) if args.lines => println!("{}", line(&text)),
            Ok(Message::Text(text)) => drawn(&mut ladder, &text).iter().for_each(|line| println!("{line}")),
            Ok(Message::Close(_)) | Err(_) => break,
            Ok(_) => {}
        }
    }
    Err(CliError::unreachable("the server closed the trace").todo("its token may have been revoked, or it stopped"))
}

/// What happened as lines of the ladder.
fn drawn(ladder: &mut Ladder, text: &str) -> Vec<String> {
    match serde_json::from_str(text) {
        Ok(FollowMessage::Message { at, peer, sent, from, to, what, .. }) => {
            let Ok(peer) = peer.parse() else { return vec![line(text)] };
            // Who began it is at the far end of what they sent first, and we are at that of what we sent.
            let name = if ladder.knows(peer) || (sent == what.starts_with(|c: char| c.is_ascii_digit())) { &from } else { &to };
            ladder.rung(&Rung { at: &moment(&at.to_string()), peer, name, sent, what: &what })
        }
        Ok(FollowMessage::Line { at, part, text, .. }) => vec![ladder.note(&moment(&at.to_string()), &format!("{part}: {text}"))],
        _ => vec![line(text)],
    }
}

/// The time of the day.
fn moment(at: &str) -> String {
    let time = at.split_once('T').map_or(at, |(_, time)| time);
    time.trim_end_matches('Z').chars().take("12:00:00.000".len()).collect()
}

fn line(text: &str) -> String {
    match serde_json::from_str(text) {
        Ok(FollowMessage::Line { at, call, from, to, part, text }) => {
            clean(&format!("{at}  {call}  {from} > {to}  {part:5}  {text}"))
        }
        Ok(FollowMessage::Message { at, peer, transport, sent, from, to, what, .. }) => {
            let way = if sent { "to" } else { "from" };
            clean(&format!("{at}  {from} > {to}  sip    {way} {peer} {transport}: {what}"))
        }
        Ok(FollowMessage::Gap { lost }) => format!("… {lost} lines were lost: this reader is too slow"),
        Err(_) => clean(text),
    }
}
