//! What a service is sent, and what counts as its answer.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tandem_switch::{
    ask::{Answer, Ask, Unanswered},
    cdr::Origin,
    id::CallId,
};

/// Bytes of an answer at most.
pub(super) const MAX_ANSWER_BYTES: usize = 8 * 1024;

#[derive(Serialize)]
struct Question<'a> {
    service: &'a str,
    call: String,
    from: &'a str,
    to: &'a str,
    origin: From<'a>,
    route: Option<&'a str>,
    language: &'a str,
    budget_ms: u64,
    answers: &'a [String],
    variables: BTreeMap<&'a str, &'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
enum From<'a> {
    Trunk(&'a str),
    Extension(&'a str),
}

/// The body of a request.
pub(super) fn question(call: CallId, ask: &Ask) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(&Question {
        service: ask.service.as_str(),
        call: call.to_string(),
        from: ask.from.as_str(),
        to: ask.to.as_str(),
        origin: match &ask.origin {
            Origin::Trunk(trunk) => From::Trunk(trunk.as_str()),
            Origin::Extension(extension) => From::Extension(extension.as_str()),
        },
        route: ask.route.as_ref().map(|route| route.as_str()),
        language: ask.language.as_str(),
        budget_ms: ask.budget_ms,
        answers: &ask.words,
        variables: ask.variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect(),
    })
}

#[derive(Deserialize)]
struct Said {
    answer: String,
    #[serde(default)]
    values: BTreeMap<String, serde_json::Value>,
}

/// What the body of a response answers.
pub(super) fn answer(ask: &Ask, body: &[u8]) -> Result<Answer, Unanswered> {
    let Said { answer, values } = serde_json::from_slice(body).map_err(|_| Unanswered::Malformed)?;
    let mut given = Vec::new();
    for (name, value) in values {
        match value {
            serde_json::Value::String(text) => given.push((name, text)),
            _ if ask.receives.contains(&name) => return Err(Unanswered::BadValue),
            _ => {}
        }
    }
    ask.judge(&answer, given)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

    use super::*;

    fn ask() -> Ask {
        Ask {
            service: "crm".into(),
            budget_ms: 800,
            words: vec!["gold".into(), "silver".into()],
            receives: vec!["language".into()],
            origin: Origin::Trunk("carrier".into()),
            from: "+393471234567".into(),
            to: "100".into(),
            route: Some("customers".into()),
            language: "en".into(),
            variables: vec![("branch".into(), "\"}\r\n".into())],
        }
    }

    #[test]
    fn a_question_is_json_whatever_a_caller_sent() {
        let body: serde_json::Value = serde_json::from_slice(&question(CallId(7), &ask()).unwrap()).unwrap();
        assert_eq!(body["origin"], serde_json::json!({ "trunk": "carrier" }));
        assert_eq!(body["variables"], serde_json::json!({ "branch": "\"}\r\n" }));
        assert_eq!((body["from"].as_str(), body["answers"][1].as_str()), (Some("+393471234567"), Some("silver")));
        assert_eq!(body.as_object().unwrap().len(), 10, "nothing else is told");
    }

    #[test]
    fn an_answer_is_a_known_word_with_values_that_are_text() {
        let said = |body: &str| answer(&ask(), body.as_bytes()).map(|answer| (answer.word, answer.values[0].1.clone()));
        let gold = |language: &str| Ok(("gold".to_owned(), language.to_owned()));
        assert_eq!(said(r#"{"answer":"gold"}"#), gold(""));
        assert_eq!(said(r#"{"answer":"gold","values":{"language":"it","more":1},"also":[]}"#), gold("it"));
        for bad in ["", "gold", "[]", r#"{"answer":1}"#, r#"{"values":{}}"#, r#"{"answer":"gold"} x"#, "{\"answer\":\"\u{0}"] {
            assert_eq!(said(bad), Err(Unanswered::Malformed), "{bad}");
        }
        let deep = format!(r#"{{"answer":"gold","values":{}{}}}"#, "[".repeat(4_000), "]".repeat(4_000));
        assert_eq!(said(&deep), Err(Unanswered::Malformed));
        assert_eq!(said(r#"{"answer":"otherwise"}"#), Err(Unanswered::UnknownWord));
        for bad in ["1", "null", r#"["it"]"#, r#""\r\nX: y""#] {
            assert_eq!(
                said(&format!(r#"{{"answer":"gold","values":{{"language":{bad}}}}}"#)),
                Err(Unanswered::BadValue),
                "{bad}"
            );
        }
    }
}
