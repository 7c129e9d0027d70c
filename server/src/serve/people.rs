//! The first start: people whom the plan wants to begin with, and their passwords.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    path::PathBuf,
};

use tandem_dialplan::Plan;
use tandem_switch::{name::Extension, step::Target, time::Timestamp};

use super::data::{DataFolder, write_private};
use crate::store::{Person, Store, StoreError};

/// Letters and digits that are not mistaken for one another.
const LETTERS: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz23456789A";
const PASSWORD_LETTERS: usize = 12;

/// A first password that was made, to be shown once.
#[derive(Debug)]
pub struct FirstPassword {
    /// Whose.
    pub extension: Extension,
    /// The password.
    pub password: String,
}

/// Why the first people could not be made.
#[derive(Debug, thiserror::Error)]
pub enum StarterError {
    /// The database refused.
    #[error("the first people cannot be kept")]
    Store(#[from] StoreError),
    /// The passwords cannot be written down.
    #[error("the first passwords cannot be written to {path}: {error}")]
    File {
        /// Where.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
}

/// Puts the plan's starter agents into an empty database; does nothing when there is anybody already.
///
/// # Errors
/// The database or the password file cannot be written. Nobody is made then whose password is lost.
pub async fn ensure_starters(plan: &Plan, store: &Store, data: &DataFolder, at: Timestamp) -> Result<(), StarterError> {
    if !store.people().await?.is_empty() {
        return Ok(());
    }
    // Several of them may name one file.
    let mut written: BTreeMap<&str, String> = BTreeMap::new();
    for starters in &plan.starter_agents {
        let mut people = Vec::new();
        let mut text = String::new();
        for agent in starters.agents() {
            let extension = Extension::from(agent.agent.as_str());
            let mut person = Person::new(extension.clone(), &plan.realm);
            person.display_name = format!("Agent {extension}");
            (person.queues, person.skills, person.always_on) = (agent.queues, agent.skills, agent.always_on);
            if let Target::Extension(_) = agent.device {
                let password = password();
                person.set_password(&password);
                // Writing to a String cannot fail.
                let _ = writeln!(text, "{extension} {password}");
            }
            (person.device, person.devices) = (agent.device, agent.devices);
            people.push(person);
        }
        // Written down before anybody can need them.
        if let Some(name) = starters.password_file.as_ref().filter(|_| !text.is_empty()) {
            let path = data.join(name);
            let whole = written.entry(name).or_default();
            whole.push_str(&text);
            write_private(&path, whole).map_err(|error| StarterError::File { path, error })?;
        }
        for person in &people {
            store.put_person(person, "first start", at).await?;
            if !person.devices.is_none() {
                let all = person.devices.list.iter().map(|device| device.name.as_str()).collect::<Vec<_>>().join(" ");
                store.put_devices((&person.extension, &person.devices), ("device-added", &all), "first start", at).await?;
            }
        }
    }
    Ok(())
}

/// Says so when the realm of the plan changed: every stored hash is for one realm, and all phones would be refused.
///
/// # Errors
/// The database cannot be read.
pub async fn warn_of_old_realm(store: &Store, realm: &str) -> Result<(), StoreError> {
    let people = store.people().await?.iter().filter(|person| person.needs_password(realm)).count();
    if people > 0 {
        tracing::warn!(
            people,
            "{people} people need a new password because the realm of the plan changed: `tandem user list` shows whom, \
             `tandem user set-password` sets it"
        );
    }
    Ok(())
}

/// The passwords that the first start wrote down, as far as they still lie there.
#[must_use]
pub fn first_passwords(plan: &Plan, data: &DataFolder) -> Vec<FirstPassword> {
    let files: BTreeSet<_> = plan.starter_agents.iter().filter_map(|starters| starters.password_file.as_ref()).collect();
    let texts = files.into_iter().filter_map(|name| std::fs::read_to_string(data.join(name)).ok());
    let mut found = Vec::new();
    for text in texts {
        for (extension, password) in text.lines().filter_map(|line| line.split_once(' ')) {
            found.push(FirstPassword { extension: extension.into(), password: password.to_owned() });
        }
    }
    found
}

/// A random password: 60 bits.
fn password() -> String {
    let mut random = [0u8; PASSWORD_LETTERS];
    // Without randomness the process must not go on.
    getrandom::fill(&mut random).expect("the operating system gives random bytes");
    random.iter().map(|byte| char::from(LETTERS[usize::from(byte % 32)])).collect()
}
