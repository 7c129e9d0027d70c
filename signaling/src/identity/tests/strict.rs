//! Every rule of a `shaken` PASSporT that can be broken, broken once.

use super::*;

const JOSE: &str = r#"{"alg":"ES256","ppt":"shaken","typ":"passport","x5u":"https://certificates.example/1.pem"}"#;
const CLAIMS: &str = r#"{"attest":"A","dest":{"tn":["41445550100"]},"iat":1800000000,"orig":{"tn":"12155551212"},"origid":"123e4567-e89b-12d3-a456-426655440000"}"#;

fn check(jose: &str, claims: &str) -> &'static str {
    let mut world = World::new();
    let header = signed(&world.carrier, jose, claims);
    world.verdict(&header)
}

#[test]
fn the_rules_kept() {
    assert_eq!(check(JOSE, CLAIMS), "verified-a");
    // White space, other order, more members and more destinations are allowed.
    assert_eq!(check(&JOSE.replace(",", " , "), CLAIMS), "verified-a");
    assert_eq!(check(&JOSE.replace("{", r#"{"kid":"1","#), &CLAIMS.replace("{\"attest", "{\"mky\":[],\"attest")), "verified-a");
    assert_eq!(check(JOSE, &CLAIMS.replace(r#"["4144"#, r#"["1","4144"#)), "verified-a");
}

#[test]
fn rules_of_the_header_broken() {
    for (from, to) in [
        ("ES256", "none"),
        ("ES256", "HS256"),
        ("ES256", "es256"),
        ("\"shaken\"", "\"div\""),
        ("\"passport\"", "\"JWT\""),
        (r#""typ":"passport","#, ""),
        (r#""ppt":"shaken","#, ""),
        ("https://", "http://"),
        ("https://certificates.example/1.pem", "https://"),
        ("certificates.example/1", "certificates.example/2"),
        (r#","x5u":"https://certificates.example/1.pem""#, ""),
        ("{", r#"{"crit":["exp"],"#),
        ("{", r#"{"alg":"none","#),
        ("{", "[["),
        ("}", "}}"),
    ] {
        assert_eq!(check(&JOSE.replacen(from, to, 1), CLAIMS), "malformed", "{from} {to}");
    }
}

#[test]
fn rules_of_the_claims_broken() {
    for (from, to) in [
        ("\"A\"", "\"D\""),
        ("\"A\"", "\"\""),
        ("\"A\"", "1"),
        (r#""attest":"A","#, ""),
        ("1800000000", "\"1800000000\""),
        ("1800000000", "-1"),
        ("1800000000", "1800000000.5"),
        (r#""iat":1800000000,"#, ""),
        (r#"["41445550100"]"#, "[]"),
        (r#"["41445550100"]"#, "\"41445550100\""),
        ("41445550100", "+41445550100"),
        (r#"{"tn":["41445550100"]}"#, r#"{"uri":["sip:41445550100@x"]}"#),
        ("12155551212", "+12155551212"),
        ("12155551212", "1-215"),
        ("12155551212", ""),
        (r#""orig":{"tn":"12155551212"},"#, ""),
        ("123e4567-", "123e4567"),
        ("123e4567", "123g4567"),
        (r#","origid":"123e4567-e89b-12d3-a456-426655440000""#, ""),
        ("{", r#"{"attest":"C","#),
        ("}", ""),
    ] {
        assert_eq!(check(JOSE, &CLAIMS.replacen(from, to, 1)), "malformed", "{from} {to}");
    }
}

#[test]
fn no_letter_of_a_token_can_be_changed() {
    let mut world = World::new();
    let header = world.sign("+12155551212", "+41445550100", Attestation::A, NOW_S);
    let token = header.split(';').next().unwrap().len();
    for at in 0..token {
        for other in ["A", "B", "_", ".", "\u{e9}", ""] {
            let changed = format!("{}{other}{}", &header[..at], &header[at + 1..]);
            if changed != header {
                let verdict = world.verdict(&format!("Identity: {changed}\r\n"));
                assert!(!verdict.starts_with("verified"), "{at} {other}");
            }
        }
    }
}

#[test]
fn rules_of_the_text_broken() {
    let mut world = World::new();
    let header = world.sign("+12155551212", "+41445550100", Attestation::A, NOW_S);
    let signature = header.split(['.', ';']).nth(2).unwrap().to_owned();
    let compact = format!("..{signature};info=<{URL}>;ppt=shaken");
    let long = format!("{header};x={}", "a".repeat(6_144));
    for text in [
        String::new(),
        compact,
        long,
        header.replace(&signature, &signature[..85]),
        header.replace(&signature, &format!("{signature}AA")),
        header.replace(&signature, &format!("{signature}==")),
        header.replace("alg=ES256", "alg=RS256"),
        header.replace(&format!("<{URL}>"), URL),
    ] {
        assert_eq!(world.verdict(&format!("Identity: {text}\r\n")), "malformed", "{text}");
    }
    assert_eq!(world.fetches, 0, "nothing is asked for on behalf of what is broken");
}
