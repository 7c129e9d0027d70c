//! Programs that look for switches to abuse: they get no answer, so that they find none.

use super::peek::{self, Peek};

/// What they call themselves, in small letters.
const AGENTS: &[&[u8]] = &[
    b"friendly-scanner",
    b"friendly-request",
    b"sipvicious",
    b"sipcli",
    b"sip-scan",
    b"sundayddr",
    b"vaxsipuseragent",
    b"pplsip",
    b"sippts",
    b"siparmyknife",
    b"sivus",
    b"smap",
    b"iwar",
];
/// What else of them stands in addresses, in small letters.
const MARKS: &[&[u8]] = &[b"sipvicious", b"sip:nm@nm", b"'or'", b"' or ", b"'--"];
/// The rest of a long value is not looked at.
const LOOKED_AT: usize = 256;

/// Whether a request comes from such a program, by its own words.
pub(super) fn is_scanner(peek: &Peek<'_>) -> bool {
    has_any(peek.agent, AGENTS) || [peek.from, peek.to].iter().any(|address| has_any(address, MARKS)) || is_probe(peek.uri)
}

/// `sip:nm`, which nmap asks for.
fn is_probe(uri: &[u8]) -> bool {
    uri.eq_ignore_ascii_case(b"sip:nm")
}

/// Whether a request names another domain than those that are served.
pub(super) fn is_for_others(peek: &Peek<'_>, hosts: &[String]) -> bool {
    let host = peek::host_of(peek.uri);
    !hosts.is_empty() && !hosts.iter().any(|ours| ours.as_bytes().eq_ignore_ascii_case(host))
}

fn has_any(text: &[u8], words: &[&[u8]]) -> bool {
    if text.is_empty() {
        return false;
    }
    let text = &text[..text.len().min(LOOKED_AT)];
    words.iter().any(|word| text.windows(word.len()).any(|piece| piece.eq_ignore_ascii_case(word)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scans(uri: &str, from: &str, agent: &str) -> bool {
        let text = format!("OPTIONS {uri} SIP/2.0\r\nFrom: {from}\r\nUser-Agent: {agent}\r\n\r\n");
        is_scanner(&Peek::request(text.as_bytes()).unwrap())
    }

    #[test]
    fn scanners_are_known_by_their_words_and_phones_are_not_taken_for_them() {
        assert!(scans("sip:100@h", "<sip:100@h>;tag=1", "Friendly-Scanner"));
        assert!(scans("sip:100@h", "\"SIPvicious\"<sip:100@1.1.1.1>;tag=1", ""));
        assert!(scans("sip:nm", "<sip:nm@nm>;tag=root", ""));
        assert!(scans("sip:h", "<sip:a'or'3=3--@h>", "x"));
        for agent in ["Yealink SIP-T46S 66.86.0.15", "baresip v1.0.0 (x86_64/linux)", "sipsak 0.9.8.1", "SIPp/Linux", ""] {
            assert!(!scans("sip:1001@h", "<sip:1001@h>;tag=1", agent), "{agent}");
        }
    }

    #[test]
    fn domains_that_are_served_are_known_by_name_only_when_some_are_named() {
        let ours = |uri: &str, hosts: &[&str]| {
            let text = format!("OPTIONS {uri} SIP/2.0\r\n\r\n");
            let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
            !is_for_others(&Peek::request(text.as_bytes()).unwrap(), &hosts)
        };
        assert!(ours("sip:1@other.example", &[]));
        assert!(ours("sip:1@PBX.example:5060;transport=udp", &["pbx.example"]) && ours("sip:pbx.example", &["pbx.example"]));
        assert!(!ours("sip:1@other.example", &["pbx.example"]) && !ours("sip:", &["pbx.example"]));
    }
}
