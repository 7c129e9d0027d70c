//! The live trace of a number's calls.

use clap::Args;
use futures_util::StreamExt as _;
use tokio_tungstenite::{
    connect_async,
    tungstenite::{Error, Message, client::IntoClientRequest as _, http::HeaderValue},
};

use super::{CliError, Common, Format, client, client::Client, table::clean};
use crate::http::follow::FollowMessage;

#[derive(Debug, Args)]
pub(super) struct FollowArgs {
    /// Caller's or dialled number, whole; every call unless said.
    number: Option<String>,
}

pub(super) async fn run(args: FollowArgs, common: &Common) -> Result<(), CliError> {
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
            Ok(Message::Text(text)) => println!("{}", line(&text)),
            Ok(Message::Close(_)) | Err(_) => break,
            Ok(_) => {}
        }
    }
    Err(CliError::unreachable("the server closed the trace").todo("its token may have been revoked, or it stopped"))
}

fn line(text: &str) -> String {
    match serde_json::from_str(text) {
        Ok(FollowMessage::Line { at, call, from, to, part, text }) => {
            clean(&format!("{at}  {call}  {from} > {to}  {part:5}  {text}"))
        }
        Ok(FollowMessage::Gap { lost }) => format!("… {lost} lines were lost: this reader is too slow"),
        Err(_) => clean(text),
    }
}
