//! Header names: the ones we know, their compact forms, and which may hold a comma-separated list.
//!
//! Names compare without case (RFC 3261 section 7.3.1). Unknown names are `Name::Other`; their bytes stay in
//! the message.

macro_rules! names {
    ($($variant:ident $text:literal $compact:literal $list:ident,)*) => {
        /// A header field name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Name {
            $(#[doc = concat!("`", $text, "`")] $variant,)*
            /// Any other name; see [`Message::header_named`](super::Message::header_named).
            Other,
        }

        /// Canonical text, compact letter (or 0) and whether commas separate values, in the order of `Name`.
        const TABLE: &[(Name, &str, u8, bool)] = &[$((Name::$variant, $text, $compact, names!(@$list)),)*];
    };
    (@list) => { true };
    (@one) => { false };
}

// Compact forms: RFC 3261 section 7.3.3, RFC 3265, 3515, 3892, 4028, 8224. Lists: `#` or comma rules of section 25.1.
names! {
    Accept "Accept" 0 list,
    AcceptEncoding "Accept-Encoding" 0 list,
    AcceptLanguage "Accept-Language" 0 list,
    AlertInfo "Alert-Info" 0 list,
    Allow "Allow" 0 list,
    AllowEvents "Allow-Events" b'u' list,
    AuthenticationInfo "Authentication-Info" 0 one,
    Authorization "Authorization" 0 one,
    CallId "Call-ID" b'i' one,
    CallInfo "Call-Info" 0 list,
    Contact "Contact" b'm' list,
    ContentDisposition "Content-Disposition" 0 one,
    ContentEncoding "Content-Encoding" b'e' list,
    ContentLanguage "Content-Language" 0 list,
    ContentLength "Content-Length" b'l' one,
    ContentType "Content-Type" b'c' one,
    CSeq "CSeq" 0 one,
    Date "Date" 0 one,
    Diversion "Diversion" 0 list,
    ErrorInfo "Error-Info" 0 list,
    Event "Event" b'o' one,
    Expires "Expires" 0 one,
    FlowTimer "Flow-Timer" 0 one,
    From "From" b'f' one,
    HistoryInfo "History-Info" 0 list,
    Identity "Identity" b'y' one,
    InReplyTo "In-Reply-To" 0 list,
    MaxForwards "Max-Forwards" 0 one,
    MimeVersion "MIME-Version" 0 one,
    MinExpires "Min-Expires" 0 one,
    MinSe "Min-SE" 0 one,
    Organization "Organization" 0 one,
    PAssertedIdentity "P-Asserted-Identity" 0 list,
    PPreferredIdentity "P-Preferred-Identity" 0 list,
    Path "Path" 0 list,
    Priority "Priority" 0 one,
    Privacy "Privacy" 0 one,
    ProxyAuthenticate "Proxy-Authenticate" 0 one,
    ProxyAuthorization "Proxy-Authorization" 0 one,
    ProxyRequire "Proxy-Require" 0 list,
    RAck "RAck" 0 one,
    Reason "Reason" 0 list,
    RecordRoute "Record-Route" 0 list,
    ReferTo "Refer-To" b'r' one,
    ReferredBy "Referred-By" b'b' one,
    RemotePartyId "Remote-Party-ID" 0 list,
    Replaces "Replaces" 0 one,
    ReplyTo "Reply-To" 0 one,
    Require "Require" 0 list,
    RetryAfter "Retry-After" 0 one,
    Route "Route" 0 list,
    RSeq "RSeq" 0 one,
    Server "Server" 0 one,
    ServiceRoute "Service-Route" 0 list,
    SessionExpires "Session-Expires" b'x' one,
    SipEtag "SIP-ETag" 0 one,
    SipIfMatch "SIP-If-Match" 0 one,
    Subject "Subject" b's' one,
    SubscriptionState "Subscription-State" 0 one,
    Supported "Supported" b'k' list,
    Timestamp "Timestamp" 0 one,
    To "To" b't' one,
    Unsupported "Unsupported" 0 list,
    UserAgent "User-Agent" 0 one,
    UserToUser "User-to-User" 0 one,
    Via "Via" b'v' list,
    Warning "Warning" 0 list,
    WwwAuthenticate "WWW-Authenticate" 0 one,
}

const NONE: u8 = u8::MAX;
const SLOTS: usize = 256;

/// Indexes into `TABLE` by `slot_of`; the next free slot takes what collides.
const BY_HASH: [u8; SLOTS] = by_hash();

/// Indexes into `TABLE` by compact letter.
const BY_LETTER: [u8; 26] = by_letter();

/// Length, first and last letter tell nearly all names apart.
const fn slot_of(text: &[u8]) -> usize {
    let (first, last) = (text[0] | 0x20, text[text.len() - 1] | 0x20);
    (text.len() * 7 + first as usize * 3 + last as usize * 11) % SLOTS
}

#[expect(clippy::cast_possible_truncation, reason = "evaluated at compile time; the table has fewer than 255 rows")]
const fn by_hash() -> [u8; SLOTS] {
    let mut slots = [NONE; SLOTS];
    let mut row = 0;
    while row < TABLE.len() {
        let mut slot = slot_of(TABLE[row].1.as_bytes());
        while slots[slot] != NONE {
            slot = (slot + 1) % SLOTS;
        }
        slots[slot] = row as u8;
        row += 1;
    }
    slots
}

#[expect(clippy::cast_possible_truncation, reason = "evaluated at compile time; the table has fewer than 255 rows")]
const fn by_letter() -> [u8; 26] {
    let mut letters = [NONE; 26];
    let mut row = 0;
    while row < TABLE.len() {
        if TABLE[row].2 != 0 {
            letters[(TABLE[row].2 - b'a') as usize] = row as u8;
        }
        row += 1;
    }
    letters
}

impl Name {
    /// Reads a name as written on the wire: any case, long or compact.
    #[must_use]
    pub fn of(text: &[u8]) -> Self {
        if let [letter] = text {
            let letter = letter.to_ascii_lowercase();
            let row = letter.checked_sub(b'a').and_then(|at| BY_LETTER.get(usize::from(at)));
            return row.and_then(|row| TABLE.get(usize::from(*row))).map_or(Self::Other, |entry| entry.0);
        }
        if text.is_empty() {
            return Self::Other;
        }
        let mut slot = slot_of(text);
        while let Some((name, known, ..)) = TABLE.get(usize::from(BY_HASH[slot])) {
            let known = known.as_bytes();
            // Most senders write the usual case: comparing that first is the quick way.
            if known.len() == text.len() && (known == text || known.eq_ignore_ascii_case(text)) {
                return *name;
            }
            slot = (slot + 1) % SLOTS;
        }
        Self::Other
    }

    /// The name as we print it; empty for `Other`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        TABLE.get(self as usize).map_or("", |entry| entry.1)
    }

    /// True when one header line may hold several values separated by commas (RFC 3261 section 7.3.1).
    #[must_use]
    pub fn is_list(self) -> bool {
        TABLE.get(self as usize).is_some_and(|entry| entry.3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_in_any_case_and_by_its_compact_letter() {
        for (name, text, compact, _) in TABLE {
            assert_eq!(Name::of(text.as_bytes()), *name);
            assert_eq!(Name::of(text.to_ascii_uppercase().as_bytes()), *name);
            assert_eq!(name.as_str(), *text);
            if *compact != 0 {
                assert_eq!(Name::of(&[*compact]), *name);
                assert_eq!(Name::of(&[compact.to_ascii_uppercase()]), *name);
            }
        }
    }

    #[test]
    fn other_names_are_other() {
        for text in ["", "z", "9", "X-Foo", "C%6Fntact", "Vi\0", "a-name-longer-than-any-that-we-know"] {
            assert_eq!(Name::of(text.as_bytes()), Name::Other, "{text}");
        }
        assert_eq!(Name::Other.as_str(), "");
    }
}
