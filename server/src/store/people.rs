//! People: an extension, its password's hashes, and what it does as an agent.

use std::fmt;

use md5::{Digest as _, Md5};
use sha2::{Sha256, Sha512_256};
use tandem_switch::{
    channel::Capacity,
    device::Devices,
    floor::AgentProfile,
    name::{AgentName, Extension, QueueName, SkillLevel},
    step::Target,
    time::Timestamp,
};

use super::{
    Audit, Doer, Record, Store, StoreError,
    db::{Row, args, json},
    sql,
};

/// Something that must not be printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text itself: to compare or to store, never to print.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// Somebody with an extension.
#[derive(Clone, Debug, PartialEq)]
pub struct Person {
    /// Their internal number, also the user name of their devices.
    pub extension: Extension,
    /// Shown to others.
    pub display_name: String,
    /// Realm that the hashes are made for; a new realm needs the password again.
    pub realm: String,
    /// MD5 of `user:realm:password` in hexadecimal (RFC 8760 section 2.6); `None` without a password.
    pub ha1_md5: Option<Secret>,
    /// SHA-256 of the same.
    pub ha1_sha256: Option<Secret>,
    /// SHA-512-256 of the same; `None` for passwords that were set before it was kept.
    pub ha1_sha512_256: Option<Secret>,
    /// Queues they serve; none makes them no agent.
    pub queues: Vec<QueueName>,
    /// What they can do.
    pub skills: Vec<SkillLevel>,
    /// Where they are rung.
    pub device: Target,
    /// Signed in from the start, and taken as reachable.
    pub always_on: bool,
    /// What they can do at a time.
    pub capacity: Capacity,
    /// What rings for them instead of `device`, when there is any. Changed by `Store::put_devices` alone.
    pub devices: Devices,
}

impl Person {
    /// Somebody with an extension and nothing else, rung at its registered devices.
    #[must_use]
    pub fn new(extension: Extension, realm: &str) -> Self {
        Self {
            display_name: extension.to_string(),
            realm: realm.into(),
            ha1_md5: None,
            ha1_sha256: None,
            ha1_sha512_256: None,
            queues: Vec::new(),
            skills: Vec::new(),
            device: Target::Extension(extension.clone()),
            always_on: false,
            capacity: Capacity::default(),
            devices: Devices::default(),
            extension,
        }
    }

    /// Keeps the hashes of a password; the password itself is kept nowhere.
    pub fn set_password(&mut self, password: &str) {
        let secret = format!("{}:{}:{password}", self.extension, self.realm);
        self.ha1_md5 = Some(Secret(hex(&Md5::digest(&secret))));
        self.ha1_sha256 = Some(Secret(hex(&Sha256::digest(&secret))));
        self.ha1_sha512_256 = Some(Secret(hex(&Sha512_256::digest(&secret))));
    }

    /// Whether they have a password, but one for another realm: none of their devices can register with it.
    #[must_use]
    pub fn needs_password(&self, realm: &str) -> bool {
        self.ha1_md5.is_some() && self.realm != realm
    }

    /// What the floor is told of them; `None` for somebody who serves no queue.
    #[must_use]
    pub fn profile(&self) -> Option<AgentProfile> {
        (!self.queues.is_empty()).then(|| AgentProfile {
            agent: AgentName::from(self.extension.as_str()),
            queues: self.queues.clone(),
            skills: self.skills.clone(),
            device: self.device.clone(),
            always_on: self.always_on,
            capacity: self.capacity.clone(),
            devices: self.devices.clone(),
        })
    }
}

impl Store {
    /// Everybody, by extension.
    pub async fn people(&self) -> Result<Vec<Person>, StoreError> {
        self.db.fetch(sql::PEOPLE, &[]).await?.iter().map(person).collect()
    }

    /// One person.
    pub async fn person(&self, extension: &Extension) -> Result<Option<Person>, StoreError> {
        self.db.fetch_one(sql::PERSON, &args![extension.as_str()]).await?.as_ref().map(person).transpose()
    }

    /// Adds a person or changes one. `by` whom, for the audit.
    pub async fn put_person(&self, person: &Person, by: impl Into<Doer>, at: Timestamp) -> Result<(), StoreError> {
        let Person {
            extension,
            display_name,
            realm,
            ha1_md5,
            ha1_sha256,
            ha1_sha512_256,
            queues,
            skills,
            device,
            always_on,
            capacity,
            devices: _,
        } = person;
        let row = args![
            extension.as_str(),
            display_name.as_str(),
            realm.as_str(),
            ha1_md5.as_ref().map(Secret::expose),
            ha1_sha256.as_ref().map(Secret::expose),
            json(queues),
            json(skills),
            json(device),
            *always_on,
            at,
            ha1_sha512_256.as_ref().map(Secret::expose),
            (*capacity != Capacity::default()).then(|| json(capacity)),
        ];
        let audit = Audit::of(by, "person-changed", extension.as_str(), at);
        // A device that knows only the old password must not be rung, and not come back with the next start.
        let old = args![extension.as_str(), ha1_sha256.as_ref().map(Secret::expose)];
        let statements = [(sql::DROP_BINDINGS_OF_OLD_PASSWORD, old.into()), (sql::PUT_PERSON, row.into())];
        self.change(&statements, &[Record::Audit(audit)]).await
    }

    /// Removes a person. `false` when there was none.
    pub async fn remove_person(&self, extension: &Extension, by: impl Into<Doer>, at: Timestamp) -> Result<bool, StoreError> {
        if self.person(extension).await?.is_none() {
            return Ok(false);
        }
        let audit = Audit::of(by, "person-removed", extension.as_str(), at);
        let of = || args![extension.as_str()].into();
        self.change(&[(sql::DROP_BINDINGS_OF, of()), (sql::REMOVE_PERSON, of())], &[Record::Audit(audit)]).await?;
        Ok(true)
    }
}

fn person(row: &Row) -> Result<Person, StoreError> {
    Ok(Person {
        extension: Extension::from(row.get::<&str>("extension")?),
        display_name: row.get("display_name")?,
        realm: row.get("realm")?,
        ha1_md5: row.get::<Option<String>>("ha1_md5")?.map(Secret),
        ha1_sha256: row.get::<Option<String>>("ha1_sha256")?.map(Secret),
        ha1_sha512_256: row.get::<Option<String>>("ha1_sha512_256")?.map(Secret),
        queues: row.json("queues")?,
        skills: row.json("skills")?,
        device: row.json("device")?,
        always_on: row.get("always_on")?,
        capacity: match row.get::<Option<&str>>("capacity")? {
            Some(_) => row.json("capacity")?,
            None => Capacity::default(),
        },
        devices: match row.get::<Option<&str>>("devices")? {
            Some(_) => row.json("devices")?,
            None => Devices::default(),
        },
    })
}

/// Bytes in lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        for half in [byte >> 4, byte & 15] {
            text.push(char::from(b"0123456789abcdef"[usize::from(half)]));
        }
        text
    })
}
