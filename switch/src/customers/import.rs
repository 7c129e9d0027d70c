//! Rows of a file as customers: which column is what, and what is wrong in a row.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    BadIdentity, Country, Identity, IdentityKind, MAX_ATTRIBUTES, MAX_IDENTITIES, MAX_NAME, MAX_VALUE, MAX_WORD, csv, fits,
};

/// The columns of an export, in this order; an import takes them too, in any order. Others are named `attribute:NAME`.
pub const COLUMNS: [&str; 8] = ["external_id", "name", "language", "phone", "email", "whatsapp", "chat_token", "attributes"];
/// Between several addresses in one field.
const BETWEEN: char = ';';

/// What a column holds.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Column {
    Name,
    Language,
    Identity(IdentityKind),
    /// All of them, as JSON.
    Attributes,
    Attribute(String),
}

/// The head of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Columns(Vec<Column>);

/// A head that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadHead {
    /// A column that nobody knows.
    #[error("column {0} is none of external_id, name, language, phone, email, whatsapp, chat_token, attributes, attribute:NAME")]
    Unknown(usize),
    /// The same twice.
    #[error("column {0} is there twice; several addresses go into one field, with ; between them")]
    Twice(usize),
    /// No address at all.
    #[error("no column holds an address: give external_id, phone, email, whatsapp or chat_token")]
    NoAddress,
}

impl Columns {
    /// Reads the first row of a file.
    ///
    /// # Errors
    /// Which column is wrong, counted from 1.
    pub fn read(head: &[String]) -> Result<Self, BadHead> {
        let mut columns = Vec::new();
        for (number, name) in (1..).zip(head) {
            let column = match name.trim().to_lowercase().as_str() {
                "external_id" => Column::Identity(IdentityKind::External),
                "name" => Column::Name,
                "language" => Column::Language,
                "phone" => Column::Identity(IdentityKind::Phone),
                "email" => Column::Identity(IdentityKind::Email),
                "whatsapp" => Column::Identity(IdentityKind::Whatsapp),
                "chat_token" => Column::Identity(IdentityKind::ChatToken),
                "attributes" => Column::Attributes,
                _ => match name.trim().split_once(':') {
                    Some((word, name)) if word.eq_ignore_ascii_case("attribute") && fits(name, MAX_WORD) => {
                        Column::Attribute(name.trim().to_owned())
                    }
                    _ => return Err(BadHead::Unknown(number)),
                },
            };
            if columns.contains(&column) {
                return Err(BadHead::Twice(number));
            }
            columns.push(column);
        }
        match columns.iter().any(|column| matches!(column, Column::Identity(_))) {
            true => Ok(Self(columns)),
            false => Err(BadHead::NoAddress),
        }
    }
}

/// One customer of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImportedCustomer {
    /// `None`: stays as it is.
    pub name: Option<String>,
    /// `None`: stays as it is.
    pub language: Option<String>,
    /// All addresses, none twice.
    pub identities: BTreeSet<Identity>,
    /// Attributes to set; one with an empty value goes.
    pub attributes: BTreeMap<String, String>,
}

impl ImportedCustomer {
    /// What the file's own program calls them.
    #[must_use]
    pub fn external(&self) -> Option<&Identity> {
        self.identities.iter().find(|identity| identity.kind() == IdentityKind::External)
    }
}

/// A row that is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadCustomer {
    /// Other fields than the head has.
    #[error("the row has {there} fields and the head {wanted}")]
    Fields {
        /// How many it has.
        there: usize,
        /// How many the head has.
        wanted: usize,
    },
    /// An address cannot be used.
    #[error("{}: {why}", .kind.word())]
    Identity {
        /// What it should be.
        kind: IdentityKind,
        /// Why not.
        why: BadIdentity,
    },
    /// No address.
    #[error("the row has no address: a customer without one is never found")]
    NoAddress,
    /// Too many.
    #[error("the row has more than 64 addresses or attributes")]
    TooMany,
    /// More than one identifier of another program.
    #[error("external_id: one row is one customer; give one identifier")]
    ManyExternals,
    /// A name that is too long.
    #[error("name: give at most 200 characters, none of them a control character")]
    Name,
    /// No language.
    #[error("language: give a tag like en or pt-BR")]
    Language,
    /// An attribute that does not fit.
    #[error(
        "attributes: give names of at most 64 and values of at most 1000 characters; the column `attributes` is a JSON object of texts"
    )]
    Attribute,
}

/// A language tag, roughly as BCP 47 writes them.
#[must_use]
pub fn is_language(text: &str) -> bool {
    let part = |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let first = text.split('-').next().unwrap_or_default();
    text.len() <= 35
        && (2..=3).contains(&first.len())
        && first.bytes().all(|byte| byte.is_ascii_alphabetic())
        && text.split('-').all(part)
}

/// Reads one row.
///
/// # Errors
/// Why it is refused, without repeating what it holds.
pub fn read(columns: &Columns, fields: &[String], country: Country) -> Result<ImportedCustomer, BadCustomer> {
    let Columns(columns) = columns;
    if fields.len() != columns.len() {
        return Err(BadCustomer::Fields { there: fields.len(), wanted: columns.len() });
    }
    let mut customer = ImportedCustomer::default();
    for (column, field) in columns.iter().zip(fields) {
        let field = field.trim();
        if field.is_empty() {
            continue;
        }
        match column {
            Column::Name => {
                let name = csv::unguarded(field);
                let good = fits(name, MAX_NAME) && !name.contains(char::is_control);
                customer.name = Some(good.then(|| name.to_owned()).ok_or(BadCustomer::Name)?);
            }
            Column::Language => {
                customer.language = Some(is_language(field).then(|| field.to_owned()).ok_or(BadCustomer::Language)?);
            }
            Column::Identity(kind) => identities(&mut customer, *kind, csv::unguarded(field), country)?,
            Column::Attributes => {
                let read: BTreeMap<String, String> = serde_json::from_str(field).map_err(|_| BadCustomer::Attribute)?;
                customer.attributes.extend(read);
            }
            Column::Attribute(name) => {
                customer.attributes.insert(name.clone(), csv::unguarded(field).to_owned());
            }
        }
    }
    let fitting = |(name, value): (&String, &String)| fits(name, MAX_WORD) && (value.is_empty() || fits(value, MAX_VALUE));
    if !customer.attributes.iter().all(fitting) {
        return Err(BadCustomer::Attribute);
    }
    if customer.identities.len() > MAX_IDENTITIES || customer.attributes.len() > MAX_ATTRIBUTES {
        return Err(BadCustomer::TooMany);
    }
    if customer.identities.is_empty() {
        return Err(BadCustomer::NoAddress);
    }
    match customer.identities.iter().filter(|identity| identity.kind() == IdentityKind::External).count() {
        0 | 1 => Ok(customer),
        _ => Err(BadCustomer::ManyExternals),
    }
}

fn identities(customer: &mut ImportedCustomer, kind: IdentityKind, field: &str, country: Country) -> Result<(), BadCustomer> {
    // What other programs call somebody may hold a `;`.
    let parts: Vec<&str> = if kind == IdentityKind::External { vec![field] } else { field.split(BETWEEN).collect() };
    for part in parts.into_iter().filter(|part| !part.trim().is_empty()).take(MAX_IDENTITIES + 1) {
        let identity = Identity::read(kind, part, country).map_err(|why| BadCustomer::Identity { kind, why })?;
        customer.identities.insert(identity);
    }
    Ok(())
}

/// One customer as a row of an export, under [`COLUMNS`].
#[must_use]
pub fn written(name: &str, language: &str, identities: &[Identity], attributes: &BTreeMap<String, String>) -> String {
    let of = |kind| {
        let all: Vec<&str> = identities.iter().filter(|identity| identity.kind() == kind).map(Identity::value).collect();
        all.join(&BETWEEN.to_string())
    };
    // After a merge somebody may have several; a row has one.
    let external = identities.iter().find(|identity| identity.kind() == IdentityKind::External).map_or("", Identity::value);
    let attributes = if attributes.is_empty() { String::new() } else { serde_json::to_string(attributes).unwrap_or_default() };
    csv::written(&[
        external.to_owned(),
        csv::guarded(name),
        language.to_owned(),
        of(IdentityKind::Phone),
        of(IdentityKind::Email),
        of(IdentityKind::Whatsapp),
        of(IdentityKind::ChatToken),
        attributes,
    ])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

    use super::*;

    fn texts(fields: &[&str]) -> Vec<String> {
        fields.iter().map(|field| (*field).to_owned()).collect()
    }

    #[test]
    fn a_row_is_normalised_or_refused_with_its_reason() {
        let columns = Columns::read(&texts(&["External_ID", "name", "phone", "email", "attribute:plan"])).unwrap();
        let read = |fields: &[&str]| read(&columns, &texts(fields), Country::of(Some("IT")));
        let ada = read(&["crm:1", "Ada", "02 30412345; +44 20 7946 0018", "Ada@Example.com", "gold"]).unwrap();
        let values: Vec<&str> = ada.identities.iter().map(Identity::value).collect();
        assert_eq!(values, ["+390230412345", "+442079460018", "ada@example.com", "crm:1"]);
        assert_eq!((ada.name.as_deref(), ada.attributes["plan"].as_str()), (Some("Ada"), "gold"));
        let why = |fields: &[&str]| read(fields).unwrap_err().to_string();
        assert_eq!(why(&["crm:1", "Ada"]), "the row has 2 fields and the head 5");
        assert!(why(&["", "Ada", "12", "", ""]).starts_with("phone: this is no phone number"));
        assert_eq!(why(&["", "Ada", "", "", "gold"]), "the row has no address: a customer without one is never found");
        assert!(why(&["", &"x".repeat(201), "", "a@b.it", ""]).starts_with("name: "));
        assert!(!why(&["", "Ada", "0391secret", "", ""]).contains("secret"));
    }

    #[test]
    fn a_head_says_what_is_wrong_with_it() {
        assert_eq!(Columns::read(&texts(&["phone", "shoe"])), Err(BadHead::Unknown(2)));
        assert_eq!(Columns::read(&texts(&["phone", "Phone"])), Err(BadHead::Twice(2)));
        assert_eq!(Columns::read(&texts(&["name"])), Err(BadHead::NoAddress));
    }

    #[test]
    fn an_export_is_an_import() {
        let columns = Columns::read(&COLUMNS.map(str::to_owned)).unwrap();
        let attributes = BTreeMap::from([("a,b".to_owned(), "=1+\"2\"".to_owned())]);
        let country = Country::default();
        let identities = [
            Identity::read(IdentityKind::External, "crm:4;7", country).unwrap(),
            Identity::read(IdentityKind::Phone, "+390230412345", country).unwrap(),
            Identity::read(IdentityKind::Email, "ada@example.com", country).unwrap(),
        ];
        let text = written("=Ada, L.", "it", &identities, &attributes);
        let mut reader = csv::Reader::default();
        reader.push(text.as_bytes());
        let back = read(&columns, &reader.next_row().unwrap().fields.unwrap(), country).unwrap();
        assert_eq!(back.name.as_deref(), Some("=Ada, L."));
        assert_eq!((back.attributes, back.language.as_deref()), (attributes, Some("it")));
        assert_eq!(back.identities, identities.into_iter().collect());
    }
}
