//! `application/pidf+xml` (RFC 3863), with the activity of RFC 4480 that tells "busy" from "away".

use super::{Entity, xml::Escaped};

/// Longer notes are cut, in letters.
const LONGEST_NOTE: usize = 120;

/// Whether one of our users can be had.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Presence {
    /// In one word.
    pub availability: Availability,
    /// In the words of whoever set it; empty for none.
    pub note: String,
}

/// Whether somebody can be had, in one word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Availability {
    /// Not on duty.
    #[default]
    Offline,
    /// Takes calls.
    Available,
    /// On duty, but takes none.
    Away,
    /// In conversation.
    Busy,
}

pub(super) fn document(presence: &Presence, of: Entity<'_>) -> String {
    let (basic, activity) = match presence.availability {
        Availability::Offline => ("closed", None),
        Availability::Available => ("open", None),
        Availability::Away => ("open", Some("away")),
        Availability::Busy => ("open", Some("busy")),
    };
    let note: String = presence.note.chars().take(LONGEST_NOTE).collect();
    let note = if note.is_empty() { String::new() } else { format!("<note>{}</note>\n", Escaped(note)) };
    let person = activity
        .map(|activity| format!("<dm:person id=\"person\"><rpid:activities><rpid:{activity}/></rpid:activities></dm:person>\n"));
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <presence xmlns=\"urn:ietf:params:xml:ns:pidf\" xmlns:dm=\"urn:ietf:params:xml:ns:pidf:data-model\" \
         xmlns:rpid=\"urn:ietf:params:xml:ns:pidf:rpid\" entity=\"pres:{}\">\n\
         <tuple id=\"voice\"><status><basic>{basic}</basic></status></tuple>\n{note}{}</presence>\n",
        Escaped(of),
        person.unwrap_or_default()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(availability: Availability, note: &str) -> String {
        let presence = Presence { availability, note: note.to_owned() };
        document(&presence, Entity { user: "someone", host: "example.com" })
    }

    /// The shape of RFC 3863 section 4.1 and RFC 4480 section 4.
    #[test]
    fn a_tuple_then_notes_then_the_person() {
        assert_eq!(
            said(Availability::Away, "lunch <til 2>"),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<presence xmlns=\"urn:ietf:params:xml:ns:pidf\" \
             xmlns:dm=\"urn:ietf:params:xml:ns:pidf:data-model\" xmlns:rpid=\"urn:ietf:params:xml:ns:pidf:rpid\" \
             entity=\"pres:someone@example.com\">\n<tuple id=\"voice\"><status><basic>open</basic></status></tuple>\n\
             <note>lunch &lt;til 2&gt;</note>\n\
             <dm:person id=\"person\"><rpid:activities><rpid:away/></rpid:activities></dm:person>\n</presence>\n"
        );
        assert!(
            said(Availability::Busy, "")
                .contains("<basic>open</basic></status></tuple>\n<dm:person id=\"person\"><rpid:activities><rpid:busy/>")
        );
        assert!(said(Availability::Available, "").ends_with("<basic>open</basic></status></tuple>\n</presence>\n"));
        assert!(said(Availability::Offline, "").ends_with("<basic>closed</basic></status></tuple>\n</presence>\n"));
        assert_eq!(
            said(Availability::Away, &"x".repeat(500)).matches('x').count(),
            LONGEST_NOTE + said(Availability::Away, "").matches('x').count()
        );
    }
}
