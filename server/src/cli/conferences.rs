//! Rooms: who is in them, and what is done with that.

use clap::Subcommand;
use reqwest::Method;

use super::{
    CliError, Common,
    client::Client,
    print,
    table::{draw, instant},
};
use crate::http::{
    conferences::RoomAnnouncement,
    view::{ConferenceView, Done},
};

#[derive(Debug, Subcommand)]
pub(super) enum ConferencesCommand {
    /// All rooms that somebody is in, with their members.
    List,
    /// A member only listens from now on.
    Mute {
        /// The room.
        room: String,
        /// The member's call.
        call: String,
    },
    /// A member speaks again.
    Unmute {
        /// The room.
        room: String,
        /// The member's call.
        call: String,
    },
    /// End a member's call.
    Remove {
        /// The room.
        room: String,
        /// The member's call.
        call: String,
    },
    /// Play a recording to everybody in a room.
    Announce {
        /// The room.
        room: String,
        /// The recording, as in `please-hold`.
        prompt: String,
    },
}

pub(super) async fn run(command: ConferencesCommand, common: &Common) -> Result<(), CliError> {
    let client = Client::find(common)?;
    let (room, call, word, said) = match command {
        ConferencesCommand::List => {
            let rooms: Vec<ConferenceView> = client.get(&["conferences"]).await?;
            return print(common, &rooms, |rooms| drawn(rooms));
        }
        ConferencesCommand::Announce { room, prompt } => {
            let order = RoomAnnouncement { prompt, language: None };
            let done: Done = client.order(Method::POST, &["conferences", &room, "announce"], &order).await?;
            return print(common, &done, |_| "It is heard.\n".to_owned());
        }
        ConferencesCommand::Mute { room, call } => (room, call, "mute", "The member only listens.\n"),
        ConferencesCommand::Unmute { room, call } => (room, call, "unmute", "The member is heard again.\n"),
        ConferencesCommand::Remove { room, call } => (room, call, "remove", "The member's call is ended.\n"),
    };
    let done: Done = client.order(Method::POST, &["conferences", &room, "members", &call, word], &()).await?;
    print(common, &done, |_| said.to_owned())
}

fn drawn(rooms: &[ConferenceView]) -> String {
    let rows = rooms.iter().flat_map(|room| {
        room.members.iter().map(|member| {
            let voice = match (member.held, member.muted) {
                (true, _) => "holds",
                (false, true) => "muted",
                (false, false) => "speaks",
            };
            vec![room.room.clone(), member.from.clone(), voice.to_owned(), instant(member.since), member.call.clone()]
        })
    });
    draw(&["ROOM", "MEMBER", "VOICE", "SINCE", "CALL"], &rows.collect::<Vec<_>>())
}
