//! Whether somebody may be contacted: one question, and its answer with the reason.
//!
//! A rule says yes (a consent) or no (a suppression) of one address, or of a whole customer, for one purpose or all, on one
//! channel or all, in one country or all, for a time. A no that holds beats every yes. Where no rule says anything, service
//! (what the customer asked for) is allowed and everything else is not.

use serde::{Deserialize, Serialize};

use super::{Channel, Identity};
use crate::{
    id::{ConsentId, CustomerId},
    time::Timestamp,
};

/// The purpose that needs no consent: what the customer asked for.
pub const SERVICE: &str = "service";

/// Whose word a rule is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Whose {
    /// One address, whoever has it.
    Identity(Identity),
    /// All addresses of a customer.
    Customer(CustomerId),
}

/// One consent or suppression.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Which.
    pub consent: ConsentId,
    /// Whose.
    pub whose: Whose,
    /// `true`: they may be contacted; `false`: not.
    pub allowed: bool,
    /// `service`, `marketing`, …; `None`: all.
    pub purpose: Option<String>,
    /// `None`: all.
    pub channel: Option<Channel>,
    /// Two letters of the country of the address; `None`: all.
    pub jurisdiction: Option<String>,
    /// Who says so: a form, an agent, a public register.
    pub source: String,
    /// What proves it: the name of a recording, a document, an entry.
    pub proof: Option<String>,
    /// From when on.
    pub valid_from: Timestamp,
    /// Until when; `None`: until it is withdrawn.
    pub valid_to: Option<Timestamp>,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// They may be contacted.
    pub may: bool,
    /// The rule that says so; `None`: no rule says anything.
    pub rule: Option<ConsentId>,
    /// Why, in a sentence.
    pub reason: String,
}

/// What is to be done with whom.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// At this address.
    pub identity: &'a Identity,
    /// Of this customer, where known; after all merges.
    pub customer: Option<CustomerId>,
    /// What for.
    pub purpose: &'a str,
    /// On which channel.
    pub channel: Channel,
    /// When.
    pub at: Timestamp,
}

/// Whether somebody may be contacted. Rules of others, of other purposes or of other times do not count.
#[must_use]
pub fn may_contact(rules: &[Rule], question: Question<'_>) -> Answer {
    let country = question.identity.country();
    let counts = |rule: &&Rule| {
        let whose = match &rule.whose {
            Whose::Identity(identity) => identity == question.identity,
            Whose::Customer(customer) => Some(*customer) == question.customer,
        };
        whose
            && rule.purpose.as_deref().is_none_or(|purpose| purpose == question.purpose)
            && rule.channel.is_none_or(|channel| channel == question.channel)
            && rule.valid_from <= question.at
            && rule.valid_to.is_none_or(|end| question.at < end)
            // A country that nobody can tell is none that a no can be left out for.
            && rule.jurisdiction.as_deref().is_none_or(|law| country.as_deref().map_or(!rule.allowed, |country| country == law))
    };
    let last = |allowed: bool| {
        rules.iter().filter(|rule| rule.allowed == allowed).filter(counts).max_by_key(|rule| (rule.valid_from, rule.consent))
    };
    let told = |rule: &Rule| {
        let what = if rule.allowed { "consented" } else { "is suppressed" };
        let purpose = rule.purpose.as_deref().unwrap_or("all purposes");
        let channel = rule.channel.map_or("all channels", Channel::word);
        let reason = format!("{what} for {purpose} on {channel}, by {}", rule.source);
        Answer { may: rule.allowed, rule: Some(rule.consent), reason }
    };
    if let Some(rule) = last(false).or_else(|| last(true)) {
        return told(rule);
    }
    let may = question.purpose == SERVICE;
    let reason = match may {
        true => "service needs no consent, and nothing suppresses it".to_owned(),
        false => format!("no consent for {} on {}", question.purpose, question.channel.word()),
    };
    Answer { may, rule: None, reason }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

    use super::*;
    use crate::customers::Country;

    fn ada() -> Identity {
        Identity::of_caller("+393471234567", Country::default()).unwrap()
    }

    fn rule(consent: u64, allowed: bool, purpose: Option<&str>, channel: Option<Channel>) -> Rule {
        Rule {
            consent: ConsentId(consent),
            whose: Whose::Identity(ada()),
            allowed,
            purpose: purpose.map(str::to_owned),
            channel,
            jurisdiction: None,
            source: "web form".into(),
            proof: None,
            valid_from: Timestamp(10),
            valid_to: None,
        }
    }

    fn asked(rules: &[Rule], purpose: &str, channel: Channel, at: i64) -> Answer {
        let question = Question { identity: &ada(), customer: Some(CustomerId(7)), purpose, channel, at: Timestamp(at) };
        may_contact(rules, question)
    }

    #[test]
    fn without_a_word_only_service_is_allowed() {
        assert!(asked(&[], SERVICE, Channel::Voice, 20).may);
        let no = asked(&[], "marketing", Channel::Voice, 20);
        assert_eq!((no.may, no.reason.as_str()), (false, "no consent for marketing on voice"));
    }

    #[test]
    fn a_no_beats_every_yes_whichever_came_last() {
        let yes = Rule { valid_from: Timestamp(15), ..rule(1, true, Some("marketing"), Some(Channel::Voice)) };
        assert!(asked(std::slice::from_ref(&yes), "marketing", Channel::Voice, 20).may);
        assert!(!asked(std::slice::from_ref(&yes), "marketing", Channel::Email, 20).may, "another channel");
        assert!(!asked(std::slice::from_ref(&yes), "marketing", Channel::Voice, 14).may, "before it");
        let no = rule(2, false, None, None);
        let answer = asked(&[yes.clone(), no.clone()], "marketing", Channel::Voice, 20);
        assert_eq!((answer.may, answer.rule), (false, Some(ConsentId(2))));
        assert_eq!(answer.reason, "is suppressed for all purposes on all channels, by web form");
        assert!(!asked(std::slice::from_ref(&no), SERVICE, Channel::Voice, 20).may);
        let over = Rule { valid_to: Some(Timestamp(20)), ..no };
        assert!(asked(&[yes, over], "marketing", Channel::Voice, 20).may, "the no is over");
    }

    #[test]
    fn a_rule_of_a_country_counts_there_and_one_of_a_customer_for_all_their_addresses() {
        let british = Rule { jurisdiction: Some("GB".into()), ..rule(1, false, None, None) };
        assert!(asked(&[british], SERVICE, Channel::Voice, 20).may);
        let italian = Rule { jurisdiction: Some("IT".into()), ..rule(1, false, None, None) };
        assert!(!asked(&[italian], SERVICE, Channel::Voice, 20).may);
        let theirs = Rule { whose: Whose::Customer(CustomerId(7)), ..rule(1, false, None, None) };
        assert!(!asked(&[theirs], SERVICE, Channel::Voice, 20).may);
        let others = Rule { whose: Whose::Customer(CustomerId(8)), ..rule(1, false, None, None) };
        assert!(asked(&[others], SERVICE, Channel::Voice, 20).may);
        let mail = Identity::read(crate::customers::IdentityKind::Email, "ada@example.com", Country::default()).unwrap();
        let rules = [true, false].map(|allowed| {
            let jurisdiction = Some("IT".into());
            Rule { whose: Whose::Identity(mail.clone()), jurisdiction, ..rule(1, allowed, Some("marketing"), None) }
        });
        let of = |rules: &[Rule]| {
            let (customer, channel) = (None, Channel::Email);
            may_contact(rules, Question { identity: &mail, customer, purpose: "marketing", channel, at: Timestamp(20) })
        };
        assert_eq!(of(&rules[..1]).rule, None, "nobody knows whether that yes is for here");
        assert_eq!(of(&rules).rule, Some(ConsentId(1)), "a no counts where nobody knows");
    }
}
