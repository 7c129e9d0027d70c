//! `application/dialog-info+xml` (RFC 4235 section 4): what the devices of one user are doing, for busy lamps.
//!
//! Always the full state, so a lost document harms nobody. Call-IDs and tags are never told: whoever knows
//! them could reach into the dialog.

use std::fmt::Write as _;

use super::{Entity, xml::Escaped};
use crate::endpoint::text::EscapedUser;

/// More dialogs of one user are not listed: the lamp is lit all the same, and the document stays small.
const MOST_LISTED: usize = 16;
/// Longer names and users are cut, in letters.
const LONGEST_NAME: usize = 64;

/// One dialog of one of our users.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchedDialog {
    /// Tells it from the other dialogs of this user, for as long as it lasts.
    pub id: String,
    /// Who called.
    pub direction: DialogDirection,
    /// How far it is.
    pub stage: DialogStage,
    /// The other party: shown only to the user themselves.
    pub remote: Option<RemoteParty>,
}

/// Who began a dialog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DialogDirection {
    /// The user calls.
    Initiator,
    /// The user is called.
    Recipient,
}

/// How far a dialog is (RFC 4235 section 3.7.1). One that has ended is not listed any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DialogStage {
    /// Invited, no news yet.
    Trying,
    /// It rings.
    Early,
    /// Answered.
    Confirmed,
}

/// The other party of a dialog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteParty {
    /// User part of the address, plain.
    pub user: String,
    /// Display name; empty for none.
    pub display: String,
}

pub(super) fn document(dialogs: &[WatchedDialog], of: Entity<'_>, version: u32, whole: bool) -> String {
    let entity = Escaped(of);
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <dialog-info xmlns=\"urn:ietf:params:xml:ns:dialog-info\" version=\"{version}\" state=\"full\" entity=\"sip:{entity}\">\n"
    );
    for dialog in dialogs.iter().take(MOST_LISTED) {
        let remote = dialog.remote.as_ref().filter(|_| whole);
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "<dialog id=\"{}\" direction=\"{}\"><state>{}</state>",
            Escaped(&dialog.id),
            direction(dialog.direction),
            stage(dialog.stage)
        );
        if let Some(RemoteParty { user, display }) = remote {
            let display: String = display.chars().take(LONGEST_NAME).collect();
            let user: String = user.chars().take(LONGEST_NAME).collect();
            text.push_str("<remote><identity");
            if !display.is_empty() {
                let _ = write!(text, " display=\"{}\"", Escaped(display));
            }
            let _ = write!(text, ">sip:{}@{}</identity></remote>", Escaped(EscapedUser(&user)), Escaped(of.host));
        }
        text.push_str("</dialog>\n");
    }
    text.push_str("</dialog-info>\n");
    text
}

const fn direction(direction: DialogDirection) -> &'static str {
    match direction {
        DialogDirection::Initiator => "initiator",
        DialogDirection::Recipient => "recipient",
    }
}

const fn stage(stage: DialogStage) -> &'static str {
    match stage {
        DialogStage::Trying => "trying",
        DialogStage::Early => "early",
        DialogStage::Confirmed => "confirmed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: Entity<'_> = Entity { user: "alice", host: "example.com" };

    fn ringing() -> WatchedDialog {
        WatchedDialog {
            id: "as7d900as8".to_owned(),
            direction: DialogDirection::Recipient,
            stage: DialogStage::Early,
            remote: Some(RemoteParty { user: "+39 2".to_owned(), display: "<Bob> & \"Co\"".to_owned() }),
        }
    }

    /// The shape of RFC 4235 section 6.1.
    #[test]
    fn a_called_user_is_early_and_the_caller_is_for_the_user_alone() {
        let head = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<dialog-info xmlns=\"urn:ietf:params:xml:ns:dialog-info\" \
                    version=\"7\" state=\"full\" entity=\"sip:alice@example.com\">\n";
        let others = "<dialog id=\"as7d900as8\" direction=\"recipient\"><state>early</state></dialog>\n</dialog-info>\n";
        assert_eq!(document(&[ringing()], ALICE, 7, false), format!("{head}{others}"));
        let own = "<dialog id=\"as7d900as8\" direction=\"recipient\"><state>early</state><remote>\
                   <identity display=\"&lt;Bob&gt; &amp; &quot;Co&quot;\">sip:+39%202@example.com</identity></remote></dialog>\n\
                   </dialog-info>\n";
        assert_eq!(document(&[ringing()], ALICE, 7, true), format!("{head}{own}"));
        assert_eq!(document(&[], ALICE, 7, true), format!("{head}</dialog-info>\n"), "nobody calls: a full list of nothing");
    }

    #[test]
    fn every_stage_and_direction_has_its_word_and_the_list_is_bounded() {
        let of = |direction, stage| document(&[WatchedDialog { direction, stage, remote: None, ..ringing() }], ALICE, 0, true);
        assert!(
            of(DialogDirection::Initiator, DialogStage::Trying)
                .contains("direction=\"initiator\"><state>trying</state></dialog>")
        );
        assert!(of(DialogDirection::Recipient, DialogStage::Confirmed).contains("<state>confirmed</state>"));
        let many = vec![ringing(); 100];
        assert_eq!(document(&many, ALICE, 0, false).matches("<dialog id").count(), MOST_LISTED);
    }
}
