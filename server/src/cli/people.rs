//! `tandem user`: by the running server when there is one, else in the database itself.

use std::{io::Read as _, str::FromStr};

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::json;
use tandem_switch::name::Extension;

use super::{
    CliError, Common,
    client::Client,
    floor::skills,
    print,
    table::{draw, maybe, tick},
};
use crate::{
    clock,
    http::{
        people::{PasswordChange, PersonChange, read_extension, read_password},
        view::{CapacityView, Done, PersonView, SkillView},
    },
    store::{Person, Store},
};

/// How the audit names the command line when it writes to the database itself.
pub(super) const WHO: &str = "command line";
/// Letters of passwords made here: none that looks like another one. 32 of them, so that a byte chooses evenly.
const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

#[derive(Debug, Subcommand)]
pub(super) enum UserCommand {
    /// Add somebody. Prints the password that was made for them, once.
    Add {
        /// Their internal number, also the user name of their devices.
        extension: String,
        #[command(flatten)]
        change: ChangeArgs,
        /// Read the password from standard input instead of making one.
        #[arg(long)]
        password_stdin: bool,
    },
    /// Everybody.
    List,
    /// Change queues, skills, name or device.
    Set {
        /// Whose.
        extension: String,
        #[command(flatten)]
        change: ChangeArgs,
    },
    /// Set a password. Prints the one that was made, unless it is read from standard input.
    SetPassword {
        /// Whose.
        extension: String,
        /// Read it from standard input instead of making one.
        #[arg(long)]
        password_stdin: bool,
    },
    /// Remove somebody.
    Remove {
        /// Whom.
        extension: String,
    },
}

#[derive(Debug, Default, Args)]
pub(super) struct ChangeArgs {
    /// Shown to others.
    #[arg(long)]
    name: Option<String>,
    /// A queue they serve; give it once for each. Replaces what was there.
    #[arg(long = "queue", conflicts_with = "no_queues")]
    queues: Vec<String>,
    /// Serve no queue: be no agent.
    #[arg(long)]
    no_queues: bool,
    /// A skill and its level from 1 to 10, as in billing=3; give it once for each. Replaces what was there.
    #[arg(long = "skill", value_name = "SKILL=LEVEL", conflicts_with = "no_skills")]
    skills: Vec<SkillArg>,
    /// Have no skill.
    #[arg(long)]
    no_skills: bool,
    /// A fixed address to ring, as in sip:agent7@127.0.0.3:5090; "" to ring their registered devices.
    #[arg(long)]
    device: Option<String>,
    /// Signed in from the start, and taken as reachable: for a fixed device.
    #[arg(long)]
    always_on: Option<bool>,
    /// Thousandths of them that one conversation takes, as in chat=333; 0 for none of that channel. Give it once for each.
    #[arg(long = "takes", value_name = "CHANNEL=THOUSANDTHS")]
    takes: Vec<String>,
    /// A channel that may interrupt another, as in voice=email; give it once for each pair. Replaces what was there.
    #[arg(long = "interrupts", value_name = "CHANNEL=CHANNEL")]
    interrupts: Vec<String>,
}

impl ChangeArgs {
    fn capacity(&self) -> Result<Option<CapacityView>, CliError> {
        if self.takes.is_empty() && self.interrupts.is_empty() {
            return Ok(None);
        }
        let pair = |text: &String, form: &str| {
            let (first, second) = text.split_once('=').ok_or_else(|| CliError::failed(format!("`{text}`: give it as {form}")))?;
            Ok::<_, CliError>((first.to_owned(), second.to_owned()))
        };
        let mut capacity = CapacityView::default();
        for text in &self.takes {
            let (channel, weight) = pair(text, "CHANNEL=THOUSANDTHS")?;
            let weight = weight.parse().map_err(|_| CliError::failed(format!("`{text}`: give a number from 0 to 1000")))?;
            capacity.weights.insert(channel, weight);
        }
        let pairs = self.interrupts.iter().map(|text| pair(text, "CHANNEL=CHANNEL")).collect::<Result<Vec<_>, _>>()?;
        capacity.interrupts = (!pairs.is_empty()).then_some(pairs);
        Ok(Some(capacity))
    }
}

#[derive(Clone, Debug)]
struct SkillArg(SkillView);

impl FromStr for SkillArg {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let (skill, level) = text.split_once('=').ok_or("give it as SKILL=LEVEL")?;
        let level = level.parse().ok().filter(|level| (1..=10).contains(level)).ok_or("the level is a number from 1 to 10")?;
        Ok(Self(SkillView { skill: skill.into(), level }))
    }
}

impl TryFrom<ChangeArgs> for PersonChange {
    type Error = CliError;

    fn try_from(args: ChangeArgs) -> Result<Self, CliError> {
        let capacity = args.capacity()?;
        let skills: Vec<_> = args.skills.into_iter().map(|skill| skill.0).collect();
        Ok(Self {
            display_name: args.name,
            queues: (args.no_queues || !args.queues.is_empty()).then_some(args.queues),
            skills: (args.no_skills || !skills.is_empty()).then_some(skills),
            device: args.device,
            always_on: args.always_on,
            capacity,
        })
    }
}

/// Where people are changed.
pub(super) enum People {
    Server(Client),
    Database(Store),
}

pub(super) async fn run(command: UserCommand, common: &Common) -> Result<(), CliError> {
    let people = People::find(common).await?;
    match command {
        UserCommand::List => {
            let all = people.all().await?;
            print(common, &all, |all| drawn(all))
        }
        UserCommand::Add { extension, change, password_stdin } => {
            let extension = read_extension(&extension).map_err(CliError::failed)?;
            if people.all().await?.iter().any(|person| person.extension == extension.as_str()) {
                return Err(
                    CliError::failed(format!("there is a `{extension}` already")).todo("change them by `tandem user set`")
                );
            }
            let (password, made) = password(password_stdin)?;
            let person = people.put(&extension, change.try_into()?).await?;
            people.set_password(&extension, &password).await?;
            told_password(common, &person, made.then_some(&password))
        }
        UserCommand::Set { extension, change } => {
            let extension = people.existing(&extension).await?;
            let person = people.put(&extension, change.try_into()?).await?;
            print(common, &person, |person| drawn(std::slice::from_ref(person)))
        }
        UserCommand::SetPassword { extension, password_stdin } => {
            let extension = people.existing(&extension).await?;
            let (password, made) = password(password_stdin)?;
            let person = people.set_password(&extension, &password).await?;
            told_password(common, &person, made.then_some(&password))
        }
        UserCommand::Remove { extension } => {
            let extension = people.existing(&extension).await?;
            people.remove(&extension).await?;
            print(common, &Done { done: true }, |_| format!("{extension} is removed.\n"))
        }
    }
}

impl People {
    /// The server that was named, or the one that runs on the data folder; without one, the database.
    pub(super) async fn find(common: &Common) -> Result<Self, CliError> {
        match Client::find(common) {
            Ok(client) => match client.get::<serde_json::Value>(&["whoami"]).await {
                // What the data folder names may have stopped long ago; what was named by hand is meant.
                Err(error) if error.code == 3 && common.server.is_none() => Ok(Self::Database(open(common).await?)),
                Err(error) => Err(error),
                Ok(_) => Ok(Self::Server(client)),
            },
            Err(error) if common.server.is_some() => Err(error),
            Err(_) => Ok(Self::Database(open(common).await?)),
        }
    }

    async fn all(&self) -> Result<Vec<PersonView>, CliError> {
        match self {
            Self::Server(client) => client.get(&["people"]).await,
            Self::Database(store) => Ok(store.people().await?.iter().map(PersonView::from).collect()),
        }
    }

    pub(super) async fn existing(&self, extension: &str) -> Result<Extension, CliError> {
        let extension = read_extension(extension).map_err(CliError::failed)?;
        let known = self.all().await?.iter().any(|person| person.extension == extension.as_str());
        known
            .then(|| extension.clone())
            .ok_or_else(|| CliError::not_found("person", extension.as_str()).todo("see `tandem user list`"))
    }

    pub(super) async fn one(&self, extension: &Extension) -> Result<PersonView, CliError> {
        match self {
            Self::Server(client) => client.get(&["people", extension.as_str()]).await,
            Self::Database(store) => {
                let person = store.person(extension).await?;
                person.as_ref().map(PersonView::from).ok_or_else(|| CliError::not_found("person", extension.as_str()))
            }
        }
    }

    async fn put(&self, extension: &Extension, change: PersonChange) -> Result<PersonView, CliError> {
        match self {
            Self::Server(client) => client.order(Method::PUT, &["people", extension.as_str()], &change).await,
            Self::Database(store) => {
                let mut person = match store.person(extension).await? {
                    Some(person) => person,
                    None => Person::new(extension.clone(), &realm(store).await?),
                };
                change.apply(&mut person).map_err(CliError::failed)?;
                store.put_person(&person, WHO, clock::now().at).await?;
                Ok(PersonView::from(&person))
            }
        }
    }

    async fn set_password(&self, extension: &Extension, password: &str) -> Result<PersonView, CliError> {
        match self {
            Self::Server(client) => {
                let change = PasswordChange { password: password.into() };
                let _: Done = client.order(Method::PUT, &["people", extension.as_str(), "password"], &change).await?;
                client.get(&["people", extension.as_str()]).await
            }
            Self::Database(store) => {
                let known = store.person(extension).await?;
                let mut person = known.ok_or_else(|| CliError::not_found("person", extension.as_str()))?;
                person.set_password(password);
                store.put_person(&person, WHO, clock::now().at).await?;
                Ok(PersonView::from(&person))
            }
        }
    }

    async fn remove(&self, extension: &Extension) -> Result<(), CliError> {
        match self {
            Self::Server(client) => client.delete::<Done>(&["people", extension.as_str()]).await.map(drop),
            Self::Database(store) => {
                store.remove_person(extension, WHO, clock::now().at).await?;
                Ok(())
            }
        }
    }
}

/// The database that `serve` would use.
pub(super) async fn open(common: &Common) -> Result<Store, CliError> {
    let store = match &common.database {
        Some(url) => Store::open(url).await?,
        None if common.data.is_dir() => Store::open_folder(&common.data).await?,
        None => {
            let sentence = format!("there is no data folder {}", common.data.display());
            return Err(CliError::unreachable(sentence).todo("name it by --data, or start the server once: `tandem serve`"));
        }
    };
    store.migrate().await?;
    Ok(store)
}

/// Hashes are made for one realm: that of the people who are there already.
async fn realm(store: &Store) -> Result<String, CliError> {
    Ok(store.people().await?.first().map_or_else(|| "tandem".to_owned(), |person| person.realm.clone()))
}

/// From standard input, or made here. Never from the command line: others can see that.
fn password(from_stdin: bool) -> Result<(String, bool), CliError> {
    if from_stdin {
        let mut text = String::new();
        std::io::stdin().take(1_024).read_to_string(&mut text).map_err(CliError::failed)?;
        let line = text.lines().next().unwrap_or_default();
        return Ok((read_password(line).map_err(CliError::failed)?.to_owned(), false));
    }
    let mut bytes = [0u8; 16];
    getrandom::fill(&mut bytes).map_err(CliError::failed)?;
    Ok((bytes.iter().map(|byte| char::from(LETTERS[usize::from(byte % 32)])).collect(), true))
}

fn told_password(common: &Common, person: &PersonView, made: Option<&String>) -> Result<(), CliError> {
    let mut value = json!(person);
    if let Some(password) = made {
        value["password"] = json!(password);
    }
    print(common, &value, |_| {
        let table = drawn(std::slice::from_ref(person));
        let shown = made.map(|password| format!("\nThe password, shown this once: {password}\n"));
        format!("{table}{}", shown.unwrap_or_default())
    })
}

fn drawn(people: &[PersonView]) -> String {
    let rows = people.iter().map(|person| {
        vec![
            person.extension.clone(),
            person.display_name.clone(),
            if person.needs_password { "new one needed".to_owned() } else { tick(person.has_password) },
            person.queues.join(" "),
            skills(&person.skills),
            maybe(person.device.as_ref()),
            tick(person.always_on),
        ]
    });
    draw(&["EXTENSION", "NAME", "PASSWORD", "QUEUES", "SKILLS", "DEVICE", "ALWAYS ON"], &rows.collect::<Vec<_>>())
}
