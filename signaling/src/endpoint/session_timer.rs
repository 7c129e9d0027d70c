//! Session timers (RFC 4028): what a request asks for, what is agreed, and when that falls due.
//!
//! `refresh` acts on it. Here are only the rules.

use super::{config::SessionTimers, receive::SUPPORTED_INSIDE, timers::Ms};
use crate::message::{Message, Name, RequestBuilder, ResponseBuilder, SessionExpires, read_seconds};

/// The option tag.
pub(super) const TIMER: &str = "timer";

/// No interval is shorter, in seconds (RFC 4028 section 4).
const SHORTEST_S: u32 = 90;

/// The most that a peer may make us ask for after a 422, in seconds.
pub(super) const LONGEST_S: u32 = 86_400;

/// An agreed session timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Session {
    pub(super) interval_s: u32,
    /// The largest interval that a 422 of theirs asked for; 0 for none (RFC 4028 section 7.4).
    pub(super) min_s: u32,
    /// Whether the refreshes are ours; else the session ends when theirs do not come.
    pub(super) is_ours: bool,
    /// When we refresh, or give up.
    pub(super) at: Ms,
}

impl Session {
    /// One that begins, or begins anew, now. Whoever refreshes does so at half of the interval; the
    /// other gives up a little before its end (RFC 4028 sections 7.2, 10).
    pub(super) fn new(now: Ms, interval_s: u32, min_s: u32, is_ours: bool) -> Self {
        let interval_s = interval_s.max(SHORTEST_S);
        let interval = Ms::from(interval_s) * 1_000;
        let at = now + if is_ours { interval / 2 } else { interval - (interval / 3).min(32_000) };
        Self { interval_s, min_s, is_ours, at }
    }

    /// When a refresh that failed is tried again.
    pub(super) fn half(&self) -> Ms {
        Ms::from(self.interval_s) * 500
    }
}

/// A side of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// Whoever sent the request.
    Uac,
    /// Whoever replies.
    Uas,
}

impl Side {
    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::Uac => "uac",
            Self::Uas => "uas",
        }
    }

    fn read(text: &str) -> Option<Self> {
        [Self::Uac, Self::Uas].into_iter().find(|side| text.eq_ignore_ascii_case(side.text()))
    }
}

/// What a 2xx of ours says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The session does not expire.
    Off,
    /// 422.
    TooBrief,
    On {
        interval_s: u32,
        refresher: Side,
        /// They are to refresh, so they must know how.
        is_required: bool,
    },
}

/// Answers what a request says of session timers (RFC 4028 section 9).
pub(super) fn answer(policy: &SessionTimers, request: &Message) -> Verdict {
    let asked = request.header(Name::SessionExpires).and_then(SessionExpires::parse);
    let knows = request.lists(Name::Supported, TIMER);
    let min_s = min_of(request).unwrap_or(SHORTEST_S);
    let ours_s = if policy.expires_s == 0 { u32::MAX } else { policy.expires_s.max(min_s).max(shortest(policy)) };
    let refresher = asked.and_then(|asked| asked.refresher).and_then(Side::read);
    let interval_s = match asked {
        Some(asked) if asked.seconds < shortest(policy) => {
            // A proxy asked for it: the caller would not know what a 422 wants of it.
            return if knows { Verdict::TooBrief } else { Verdict::Off };
        }
        // It may be made shorter, but not longer.
        Some(asked) => asked.seconds.min(ours_s),
        None if knows && policy.expires_s > 0 => ours_s,
        None => return Verdict::Off,
    };
    let refresher = match refresher {
        Some(side) if knows => side,
        // Where it is ours to choose, the caller refreshes: it began the call.
        None if knows => Side::Uac,
        _ => Side::Uas,
    };
    Verdict::On { interval_s, refresher, is_required: knows && refresher == Side::Uac }
}

/// What a 2xx of theirs says: seconds, and who refreshes. `None`: the session does not expire.
pub(super) fn agreed(response: &Message) -> Option<(u32, Side)> {
    let said = response.header(Name::SessionExpires).and_then(SessionExpires::parse)?;
    Some((said.seconds, said.refresher.and_then(Side::read).unwrap_or(Side::Uac)))
}

/// The interval to ask for after a 422 (RFC 4028 section 7.3), when it differs from what was asked.
pub(super) fn after_422(request: &Message, response: &Message) -> Option<u32> {
    let wanted_s = min_of(response).filter(|wanted_s| *wanted_s <= LONGEST_S)?;
    let asked = request.header(Name::SessionExpires).and_then(SessionExpires::parse)?;
    (wanted_s > asked.seconds).then_some(wanted_s)
}

/// Asks for a timer in a new INVITE: who refreshes is theirs to say (RFC 4028 section 7.1).
pub(super) fn ask(policy: &SessionTimers, builder: RequestBuilder) -> RequestBuilder {
    if policy.expires_s == 0 {
        return builder;
    }
    let interval_s = policy.expires_s.max(shortest(policy));
    say_min(shortest(policy), builder.header(Name::SessionExpires, interval_s))
}

/// Asks for the timer to go on, with the refresher that it has (RFC 4028 section 7.4).
pub(super) fn ask_again(policy: &SessionTimers, session: Option<&Session>, builder: RequestBuilder) -> RequestBuilder {
    let Some(session) = session else { return builder };
    let refresher = if session.is_ours { Side::Uac } else { Side::Uas };
    let value = format_args!("{};refresher={}", session.interval_s, refresher.text());
    say_min(session.min_s.max(shortest(policy)), builder.header(Name::SessionExpires, value))
}

/// The usual minimum need not be said.
fn say_min(min_s: u32, builder: RequestBuilder) -> RequestBuilder {
    if min_s > SHORTEST_S { builder.header(Name::MinSe, min_s) } else { builder }
}

/// Says a verdict in a 2xx.
pub(super) fn say(verdict: Verdict, builder: ResponseBuilder) -> ResponseBuilder {
    let builder = builder.header(Name::Supported, SUPPORTED_INSIDE);
    let Verdict::On { interval_s, refresher, is_required } = verdict else { return builder };
    let builder = builder.header(Name::SessionExpires, format_args!("{interval_s};refresher={}", refresher.text()));
    if is_required { builder.header(Name::Require, TIMER) } else { builder }
}

/// `Min-SE`, in seconds.
pub(super) fn min_of(message: &Message) -> Option<u32> {
    message.header(Name::MinSe).and_then(read_seconds)
}

/// The shortest interval that we take, in seconds.
pub(super) fn shortest(policy: &SessionTimers) -> u32 {
    policy.min_s.max(SHORTEST_S)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(policy: (u32, u32), headers: &str) -> String {
        let text = format!("INVITE sip:a@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\n{headers}\r\n");
        let request = Message::parse(text.into()).unwrap();
        match answer(&SessionTimers { expires_s: policy.0, min_s: policy.1 }, &request) {
            Verdict::Off => "off".to_owned(),
            Verdict::TooBrief => "422".to_owned(),
            Verdict::On { interval_s, refresher, is_required } => {
                format!("{interval_s} {}{}", refresher.text(), if is_required { " required" } else { "" })
            }
        }
    }

    /// RFC 4028 section 9 with its table 2.
    #[test]
    fn who_refreshes_and_how_often() {
        let timer = "Supported: timer\r\n";
        let on = |more: &str| format!("{timer}{more}");
        for (policy, headers, expected) in [
            // They do not know of it.
            ((1800, 90), String::new(), "off"),
            ((1800, 90), "Session-Expires: 600\r\n".to_owned(), "600 uas"),
            ((1800, 90), "Session-Expires: 600;refresher=uac\r\n".to_owned(), "600 uas"),
            ((1800, 90), "Session-Expires: 60\r\n".to_owned(), "off"),
            // They do.
            ((1800, 90), on(""), "1800 uac required"),
            ((0, 90), on(""), "off"),
            ((0, 90), on("Session-Expires: 7200\r\n"), "7200 uac required"),
            ((1800, 90), on("x: 600\r\n"), "600 uac required"),
            ((1800, 90), on("Session-Expires: 600;refresher=UAC\r\n"), "600 uac required"),
            ((1800, 90), on("Session-Expires: 600;refresher=uas\r\n"), "600 uas"),
            ((1800, 90), on("Session-Expires: 600;refresher=me\r\n"), "600 uac required"),
            ((1800, 90), on("Session-Expires: 89\r\n"), "422"),
            ((1800, 90), on("Session-Expires: 90\r\n"), "90 uac required"),
            ((1800, 300), on("Session-Expires: 299\r\n"), "422"),
            ((1800, 10), on("Session-Expires: 89\r\n"), "422"),
            // Shorter than asked, but never below what they take.
            ((1800, 90), on("Session-Expires: 7200\r\n"), "1800 uac required"),
            ((1800, 90), on("Session-Expires: 7200\r\nMin-SE: 3600\r\n"), "3600 uac required"),
            ((1800, 90), on("Min-SE: 3600\r\n"), "3600 uac required"),
            // What cannot be read was not said.
            ((1800, 90), on("Session-Expires: soon\r\n"), "1800 uac required"),
            ((1800, 90), on("Session-Expires: 4294967296\r\n"), "1800 uac required"),
        ] {
            assert_eq!(verdict(policy, &headers), expected, "{policy:?} {headers}");
        }
    }

    #[test]
    fn half_for_the_refresher_and_a_little_early_for_the_other() {
        for (interval_s, is_ours, at) in
            [(1_800, true, 900_000), (1_800, false, 1_768_000), (90, true, 45_000), (90, false, 60_000), (1, true, 45_000)]
        {
            assert_eq!(Session::new(5, interval_s, 0, is_ours).at, 5 + at);
        }
        assert!(Session::new(0, u32::MAX, 0, false).at > 0);
    }
}
