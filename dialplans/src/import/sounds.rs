//! Which shipped prompt says the same as a sound of Asterisk or FreeSWITCH.

/// Name of theirs, name of ours. Only where the words mean the same to a caller.
const SAME: &[(&str, &str)] = &[
    ("vm-goodbye", "goodbye"),
    ("demo-thanks", "goodbye"),
    ("goodbye", "goodbye"),
    ("demo-echotest", "echo-start"),
    ("invalid", "invalid-key"),
    ("pbx-invalid", "invalid-key"),
    ("option-is-invalid", "invalid-key"),
    ("ss-noservice", "not-found"),
    ("cannot-complete-as-dialed", "not-found"),
    ("check-number-dial-again", "not-found"),
    ("queue-thankyou", "please-hold"),
    ("queue-periodic-announce", "please-hold"),
    ("pls-hold-while-try", "connecting"),
    ("pls-wait-connect-call", "connecting"),
    ("all-reps-busy", "all-agents-busy"),
    ("im-sorry", "unavailable"),
    ("allison7/connection-failed", "unavailable"),
    ("vm-nobodyavail", "no-answer"),
    ("vm-isunavail", "unavailable"),
    ("vm-isonphone", "busy"),
    ("office-iclosed", "closed"),
    ("ivr/ivr-that_was_an_invalid_entry.wav", "invalid-key"),
    ("ivr/ivr-no_user_response.wav", "no-input"),
    ("ivr/ivr-call_cannot_be_completed_as_dialed.wav", "not-found"),
    ("ivr/ivr-hold_connect_call.wav", "connecting"),
    ("ivr/ivr-one_moment_please.wav", "please-hold"),
    ("voicemail/vm-goodbye.wav", "goodbye"),
];

/// The shipped prompt, if there is one.
pub(super) fn shipped(sound: &str) -> Option<&'static str> {
    let sound = sound.trim();
    SAME.iter().find(|(theirs, _)| *theirs == sound).map(|(_, ours)| *ours)
}

/// A name for a recording that does not ship: below `imported`, so that it meets neither a shipped prompt nor the
/// folder of a language.
pub(super) fn imported(sound: &str) -> String {
    let bare = sound.trim().trim_start_matches('/');
    let bare = bare.rsplit_once('.').filter(|(_, end)| (2..=4).contains(&end.len())).map_or(bare, |(bare, _)| bare);
    let part = |part: &str| {
        let safe = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_') { c } else { '-' };
        let text: String = part.chars().map(safe).take(40).collect();
        if text.is_empty() { "-".to_owned() } else { text }
    };
    // The last two parts are what people know a recording by; installations differ in what stands before.
    let parts: Vec<String> = bare.split('/').filter(|p| !p.is_empty()).map(part).collect();
    let last = parts.len().saturating_sub(2);
    let name = parts[last..].join("/");
    format!("imported/{}", if name.is_empty() { "unnamed" } else { &name })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_keeps_the_name_that_people_know() {
        assert_eq!(imported("custom/welcome"), "imported/custom/welcome");
        assert_eq!(imported("/usr/share/sounds/en/ivr/ivr-welcome.wav"), "imported/ivr/ivr-welcome");
        assert_eq!(imported("../../etc/passwd"), "imported/etc/passwd");
        assert_eq!(imported("a b\"c"), "imported/a-b-c");
        assert_eq!(imported(""), "imported/unnamed");
        assert_eq!(shipped("vm-goodbye"), Some("goodbye"));
    }
}
