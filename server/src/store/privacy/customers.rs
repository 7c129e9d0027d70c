//! Customers whom somebody wants gone: their names, addresses, notes and the words of their cases go, from the tables and from
//! the journal in one transaction; what they were to the figures stays. The addresses at which they must not be contacted stay,
//! as something that can be compared and not be read.

use std::collections::BTreeSet;

use ring::hmac;
use serde_json::Value;
use tandem_switch::{
    customers::{Identity, consent::Rule, folded},
    id::CustomerId,
    time::Timestamp,
};

use super::{Number, Redaction, erase};
use crate::store::{
    Record, Store, StoreError,
    customers_read::{identity_row, rule_row},
    db::{Arg, Row, args},
    sql::statements,
};

statements! {
    CUSTOMERS_WITH = "SELECT DISTINCT customers.root_id FROM identities JOIN customers ON customers.customer_id = identities.customer_id \
        WHERE LTRIM(REPLACE(identities.value, '+', ''), '0') = $1 ORDER BY customers.root_id LIMIT 100";
    MEMBERS = "SELECT customer_id FROM customers WHERE root_id = $1 ORDER BY customer_id LIMIT 1000";
    IDENTITIES_OF_MEMBER = "SELECT kind, value, customer_id, verified, source, confidence, valid_from_us, valid_to_us FROM identities \
        WHERE customer_id = $1 ORDER BY kind, value LIMIT 1000";
    HELD_TOO = "SELECT customers.root_id FROM identities JOIN customers ON customers.customer_id = identities.customer_id \
        WHERE identities.kind = $1 AND identities.value = $2 AND customers.root_id <> $3 LIMIT 1";
    CALLS_OF_CUSTOMER = "SELECT interactions.call_id FROM interactions JOIN conversations \
        ON conversations.conversation_id = interactions.conversation_id JOIN customers \
        ON customers.customer_id = conversations.customer_id WHERE customers.root_id = $1 AND interactions.call_id > $2 \
        ORDER BY interactions.call_id LIMIT $3";
    CONSENTS_OF_NUMBER = "SELECT consent_id, kind, value, customer_id, allowed, purpose, channel, jurisdiction, source, proof, \
        valid_from_us, valid_to_us FROM consents WHERE LTRIM(REPLACE(value, '+', ''), '0') = $1 ORDER BY consent_id LIMIT 1000";
    CONSENTS_OF_MEMBER = "SELECT consent_id, kind, value, customer_id, allowed, purpose, channel, jurisdiction, source, proof, \
        valid_from_us, valid_to_us FROM consents WHERE customer_id = $1 ORDER BY consent_id LIMIT 1000";
    JOURNAL_OF_CUSTOMER = "SELECT seq, kind, body FROM journal WHERE kind IN ('customer-put', 'identity-put', 'identity-gone', \
        'identity-moved', 'customers-merged', 'customer-noted', 'case-put', 'interaction-started', 'consent-put') \
        AND body LIKE $1 AND seq > $2 ORDER BY seq LIMIT $3";
    BLANK_CUSTOMER = "UPDATE customers SET name = $2, name_folded = $3, language = '', attributes = '{}' WHERE customer_id = $1";
    BLANK_NOTES = "UPDATE customer_notes SET body = $2 WHERE customer_id = $1";
    BLANK_CASES = "UPDATE cases SET subject = $2, outcome = CASE WHEN outcome IS NULL THEN NULL ELSE $2 END WHERE customer_id = $1";
    BLANK_LINKS = "UPDATE customer_links SET why = $2 WHERE kept = $1 OR folded = $1";
    BLANK_CONSENT = "UPDATE consents SET proof = NULL, value = $2 WHERE consent_id = $1";
    BLANK_INTERACTIONS = "UPDATE interactions SET value = $2 WHERE LTRIM(REPLACE(value, '+', ''), '0') = $1";
    SUPPRESSION_KEY = "SELECT secret FROM suppression_key WHERE only_row = 1";
    MAKE_SUPPRESSION_KEY = "INSERT INTO suppression_key (only_row, secret) VALUES (1, $1) ON CONFLICT DO NOTHING";
    IDLE_CUSTOMERS = "SELECT customer_id FROM customers AS roots WHERE customer_id > $2 AND root_id = customer_id AND erased_us IS NULL \
        AND changed_us < $1 AND NOT EXISTS (SELECT 1 FROM customers AS members \
            JOIN cases ON cases.customer_id = members.customer_id WHERE members.root_id = roots.customer_id \
            AND (cases.touched_us >= $1 OR cases.status IN ('open', 'pending'))) \
        AND NOT EXISTS (SELECT 1 FROM customers AS members \
            JOIN conversations ON conversations.customer_id = members.customer_id \
            JOIN interactions ON interactions.conversation_id = conversations.conversation_id \
            WHERE members.root_id = roots.customer_id AND interactions.started_us >= $1) \
        AND NOT EXISTS (SELECT 1 FROM customers AS members \
            JOIN customer_notes ON customer_notes.customer_id = members.customer_id \
            WHERE members.root_id = roots.customer_id AND customer_notes.at_us >= $1) \
        ORDER BY customer_id LIMIT $3";
}

/// What an address looks like that can only be compared.
const HASHED: &str = "hashed-";
/// Letters of it: 128 bits.
const HASH_LETTERS: usize = 32;

/// What belongs to a customer, or to the numbers of somebody who is none.
#[derive(Clone, Debug, Default)]
pub struct Belongings {
    /// Everybody whom they were merged with.
    pub members: Vec<CustomerId>,
    /// Their addresses that nobody else has.
    pub identities: Vec<Identity>,
    /// How many of their addresses somebody else has, too: these stay theirs.
    pub shared: u64,
    /// What was said about contacting them.
    pub rules: Vec<Rule>,
}

/// What was taken out with them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ErasedCustomer {
    /// Rows of the journal that were changed.
    pub events: u64,
}

impl Store {
    /// Who has a number, after all merges.
    pub async fn customers_with(&self, number: &Number) -> Result<Vec<CustomerId>, StoreError> {
        self.db.fetch(CUSTOMERS_WITH, &args![number.as_str()]).await?.iter().map(|row| row.parsed("root_id")).collect()
    }

    /// What belongs to a customer, if there is one, and to numbers.
    pub async fn belongings(&self, root: Option<CustomerId>, numbers: &[Number]) -> Result<Belongings, StoreError> {
        let mut all = Belongings::default();
        if let Some(root) = root {
            let rows = self.db.fetch(MEMBERS, &args![root.to_string()]).await?;
            all.members = rows.iter().map(|row| row.parsed("customer_id")).collect::<Result<_, _>>()?;
        }
        for member in &all.members {
            for row in self.db.fetch(IDENTITIES_OF_MEMBER, &args![member.to_string()]).await? {
                let identity = identity_row(&row)?.identity;
                if all.identities.contains(&identity) {
                    continue;
                }
                let root = root.map(|root| root.to_string()).unwrap_or_default();
                let of = args![identity.kind().word(), identity.value(), root];
                match self.db.fetch_one(HELD_TOO, &of).await? {
                    Some(_) => all.shared += 1,
                    None => all.identities.push(identity),
                }
            }
            let rows = self.db.fetch(CONSENTS_OF_MEMBER, &args![member.to_string()]).await?;
            add_rules(&mut all.rules, &rows)?;
        }
        let theirs = all.identities.iter().filter_map(|identity| identity.value().parse().ok());
        for number in theirs.chain(numbers.iter().cloned()).collect::<Vec<Number>>() {
            let rows = self.db.fetch(CONSENTS_OF_NUMBER, &args![number.as_str()]).await?;
            add_rules(&mut all.rules, &rows)?;
        }
        Ok(all)
    }

    /// Calls of a customer, by whichever number, after one of them.
    pub async fn calls_of_customer(
        &self,
        root: CustomerId,
        after: Option<tandem_switch::id::CallId>,
        limit: u32,
    ) -> Result<Vec<tandem_switch::id::CallId>, StoreError> {
        let after = after.map(|call| call.to_string()).unwrap_or_default();
        let rows = self.db.fetch(CALLS_OF_CUSTOMER, &args![root.to_string(), after, limit]).await?;
        rows.iter().map(|row| row.parsed("call_id")).collect()
    }

    /// Customers of whom nothing was heard since a time and who have no open case, after one of them.
    pub async fn idle_customers(
        &self,
        since: Timestamp,
        after: Option<CustomerId>,
        limit: u32,
    ) -> Result<Vec<CustomerId>, StoreError> {
        let after = after.map(|customer| customer.to_string()).unwrap_or_default();
        let rows = self.db.fetch(IDLE_CUSTOMERS, &args![since, after, limit]).await?;
        rows.iter().map(|row| row.parsed("customer_id")).collect()
    }

    /// Takes the words about somebody out of tables and journal and writes `records` beside it, all or none. Numbers of calls
    /// are not among it: [`Store::erase_call`].
    pub async fn erase_customer(
        &self,
        all: &Belongings,
        redaction: &Redaction,
        numbers: &[Number],
        records: &[Record],
    ) -> Result<ErasedCustomer, StoreError> {
        let ids = all.members.iter().map(ToString::to_string).collect::<BTreeSet<_>>();
        let consents = all.rules.iter().map(|rule| rule.consent.to_string()).collect::<BTreeSet<_>>();
        let mut changes: Vec<(&'static str, Vec<Arg>)> = Vec::new();
        let (mut seen, mut erased) = (BTreeSet::new(), ErasedCustomer::default());
        let named = ids.iter().chain(&consents).map(|id| format!("%\"{id}\"%"));
        for like in named.chain(numbers.iter().map(Number::pattern)) {
            let mut after = 0_i64;
            loop {
                let rows = self.db.fetch(JOURNAL_OF_CUSTOMER, &args![like.as_str(), after, erase::PAGE]).await?;
                let Some(last) = rows.last() else { break };
                after = last.get("seq")?;
                for row in &rows {
                    let seq: i64 = row.get("seq")?;
                    if seen.insert(seq)
                        && let Some(body) = blanked(row, (&ids, &consents), redaction)?
                    {
                        erased.events += 1;
                        changes.push((erase::ERASE_EVENT, args![seq, body].into()));
                    }
                }
            }
        }
        let mark = redaction.tombstone();
        for id in &ids {
            changes.push((BLANK_CUSTOMER, args![id.as_str(), mark, folded(mark)].into()));
            for statement in [BLANK_NOTES, BLANK_CASES, BLANK_LINKS] {
                changes.push((statement, args![id.as_str(), mark].into()));
            }
        }
        for number in numbers {
            changes.push((BLANK_INTERACTIONS, args![number.as_str(), redaction.of_number(number).unwrap_or(mark)].into()));
        }
        for rule in &all.rules {
            let value = match &rule.whose {
                tandem_switch::customers::consent::Whose::Identity(identity) => identity.value(),
                tandem_switch::customers::consent::Whose::Customer(_) => "",
            };
            let value = redaction.text(value).unwrap_or_else(|| value.to_owned());
            changes.push((BLANK_CONSENT, args![rule.consent.to_string(), value].into()));
        }
        self.change(&changes, records).await?;
        Ok(erased)
    }

    /// An address as it is kept of somebody who was erased; `None` when nobody ever was.
    pub(in crate::store) async fn hashed(&self, identity: &Identity) -> Result<Option<Identity>, StoreError> {
        let key = self.db.fetch_one(SUPPRESSION_KEY, &[]).await?;
        key.map(|row| Ok(hashed(row.get("secret")?, identity))).transpose()
    }

    /// The same, with a key that is made when there is none.
    pub async fn hashed_for_good(&self, identity: &Identity) -> Result<Identity, StoreError> {
        let mut bytes = [0u8; 32];
        getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
        self.db.execute(MAKE_SUPPRESSION_KEY, &args![hex(&bytes)]).await?;
        Ok(self.hashed(identity).await?.unwrap_or_else(|| hashed(&hex(&bytes), identity)))
    }
}

/// Whether an address can only be compared.
#[must_use]
pub fn is_hashed(identity: &Identity) -> bool {
    identity.value().starts_with(HASHED)
}

fn hashed(secret: &str, identity: &Identity) -> Identity {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let tag = hmac::sign(&key, format!("{}:{}", identity.kind().word(), identity.value()).as_bytes());
    Identity::kept(identity.kind(), format!("{HASHED}{}", &hex(tag.as_ref())[..HASH_LETTERS]))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn add_rules(rules: &mut Vec<Rule>, rows: &[Row]) -> Result<(), StoreError> {
    for row in rows {
        let rule = rule_row(row)?;
        if rules.iter().all(|known| known.consent != rule.consent) {
            rules.push(rule);
        }
    }
    Ok(())
}

/// A row of the journal without the words about somebody; `None` when there are none in it.
fn blanked(
    row: &Row,
    (members, consents): (&BTreeSet<String>, &BTreeSet<String>),
    redaction: &Redaction,
) -> Result<Option<String>, StoreError> {
    let (kind, text): (&str, &str) = (row.get("kind")?, row.get("body")?);
    let unreadable = |_| StoreError::Unreadable { column: "journal.body" };
    let before: Value = serde_json::from_str(text).map_err(unreadable)?;
    let mut body = before.clone();
    let is = |field: &str, among: &BTreeSet<String>| before[field].as_str().is_some_and(|id| among.contains(id));
    let mark = Value::from(redaction.tombstone());
    let blank: &[(&str, Value)] = match kind {
        "customer-put" if is("customer", members) => {
            &[("name", mark), ("language", Value::from("")), ("attributes", Value::Object(serde_json::Map::new()))]
        }
        "customer-noted" if is("customer", members) => &[("body", mark)],
        "case-put" if is("customer", members) => match before["outcome"] {
            Value::Null => &[("subject", mark)],
            _ => &[("subject", mark.clone()), ("outcome", mark)],
        },
        "customers-merged" if is("kept", members) || is("folded", members) => &[("why", mark)],
        "consent-put" if is("consent", consents) => &[("proof", Value::Null)],
        _ => &[],
    };
    for (field, value) in blank {
        body[*field] = value.clone();
    }
    redaction.value(&mut body, false);
    Ok((body != before).then(|| body.to_string()))
}
