//! People: who has which extension, password, queues and skills.

use axum::{Extension, Json, extract::State};
use serde::{Deserialize, Serialize};
use tandem_switch::{name::Extension as Number, step::Target};
use utoipa::ToSchema;

use super::{
    Api,
    auth::Caller,
    control::ControlRequest,
    problem::{JsonBody, Path, Problem},
    view::{CapacityView, Done, PersonView, SkillView},
};
use crate::{clock, store::Person};

/// A person as an admin writes them. What is absent stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PersonChange {
    /// Shown to others; 1 to 100 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// Queues they serve; none makes them no agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queues: Option<Vec<String>>,
    /// What they can do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skills: Option<Vec<SkillView>>,
    /// A fixed address to ring (`sip:agent7@127.0.0.3:5090`), or "" to ring their registered devices.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// Signed in from the start, and taken as reachable: for a fixed device.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub always_on: Option<bool>,
    /// What they can do at a time; what is absent stays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capacity: Option<CapacityView>,
}

/// A new password.
#[derive(Clone, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordChange {
    /// 8 to 128 characters.
    pub password: String,
}

impl PersonChange {
    /// Writes the change into a person, or says what does not fit.
    ///
    /// # Errors
    /// A sentence, with the name of the field first.
    pub fn apply(self, person: &mut Person) -> Result<(), String> {
        let fits =
            |text: &str, most: usize| !text.trim().is_empty() && text.chars().count() <= most && !text.contains(char::is_control);
        if let Some(name) = self.display_name {
            fits(&name, 100).then_some(()).ok_or("display_name: give 1 to 100 characters")?;
            person.display_name = name;
        }
        if let Some(queues) = self.queues {
            let good = queues.len() <= 100 && queues.iter().all(|queue| fits(queue, 64));
            good.then_some(()).ok_or("queues: give at most 100 names of 1 to 64 characters")?;
            person.queues = queues.iter().map(|queue| queue.as_str().into()).collect();
        }
        if let Some(skills) = self.skills {
            let good =
                skills.len() <= 100 && skills.iter().all(|skill| fits(&skill.skill, 64) && (1..=10).contains(&skill.level));
            good.then_some(()).ok_or("skills: give at most 100 names of 1 to 64 characters, each with a level from 1 to 10")?;
            person.skills = skills.iter().map(Into::into).collect();
        }
        if let Some(device) = self.device {
            person.device = if device.is_empty() {
                Target::Extension(person.extension.clone())
            } else {
                Target::Fixed(
                    read_address(&device)
                        .map_err(|_| "device: give an address like sip:agent7@127.0.0.3:5090, or nothing")?
                        .into(),
                )
            };
        }
        if let Some(capacity) = self.capacity {
            person.capacity = capacity.onto(&person.capacity).map_err(|bad| format!("capacity: {bad}"))?;
        }
        person.always_on = self.always_on.unwrap_or(person.always_on);
        if person.always_on && matches!(person.device, Target::Extension(_)) {
            return Err("always_on: only a person with a fixed device can be; give `device` too".into());
        }
        Ok(())
    }
}

/// An extension that a person may have.
///
/// # Errors
/// A sentence on what is expected.
pub fn read_extension(text: &str) -> Result<Number, String> {
    let good = (1..=32).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    good.then(|| Number::from(text)).ok_or_else(|| "an extension is 1 to 32 letters, digits, dots, dashes or underscores".into())
}

/// A fixed address that a person may be rung at.
///
/// # Errors
/// A sentence on what is expected.
pub fn read_address(text: &str) -> Result<&str, String> {
    let scheme = text.starts_with("sip:") || text.starts_with("sips:");
    let good = scheme && text.chars().count() <= 200 && !text.contains(|c: char| c.is_control() || " <>\",".contains(c));
    good.then_some(text).ok_or_else(|| "address: give one like sip:agent7@127.0.0.3:5090".into())
}

/// A password that is long enough and can be typed.
///
/// # Errors
/// A sentence on what is expected.
pub fn read_password(text: &str) -> Result<&str, String> {
    let good = (8..=128).contains(&text.chars().count()) && !text.contains(char::is_control);
    good.then_some(text).ok_or_else(|| "a password has 8 to 128 characters".into())
}

pub(super) fn extension(text: &str) -> Result<Number, Problem> {
    read_extension(text).map_err(|sentence| Problem::bad(sentence).at("path"))
}

impl Api {
    pub(super) async fn existing(&self, extension: &Number) -> Result<Person, Problem> {
        let person = self.control.store.person(extension).await?;
        person.ok_or_else(|| Problem::not_found("person", extension.as_str()).todo("`PUT` makes one"))
    }

    fn seen(&self, person: &Person) -> PersonView {
        PersonView::in_realm(person, &self.control.realm)
    }

    async fn save(&self, person: &Person, caller: &Caller) -> Result<(), Problem> {
        self.control.store.put_person(person, caller.by(), clock::now().at).await?;
        Ok(self.control.tell(ControlRequest::PeopleChanged)?)
    }
}

/// Everybody
#[utoipa::path(get, path = "/api/v1/people", tag = "admin", security(("token" = ["admin"])), responses((status = 200, body = [PersonView])))]
pub(super) async fn people(State(api): State<Api>) -> Result<Json<Vec<PersonView>>, Problem> {
    let people = api.control.store.people().await?;
    Ok(Json(people.iter().map(|person| api.seen(person)).collect()))
}

/// One person
#[utoipa::path(get, path = "/api/v1/people/{extension}", tag = "admin", security(("token" = ["admin"])),
    params(("extension" = String, Path, description = "Their internal number")),
    responses((status = 200, body = PersonView), (status = 404, body = Problem)))]
pub(super) async fn person(State(api): State<Api>, Path(number): Path<String>) -> Result<Json<PersonView>, Problem> {
    Ok(Json(api.seen(&api.existing(&extension(&number)?).await?)))
}

/// Add a person, or change one
///
/// What is absent stays as it is. A new person has no password until one is set.
#[utoipa::path(put, path = "/api/v1/people/{extension}", tag = "admin", security(("token" = ["admin"])),
    params(("extension" = String, Path, description = "Their internal number")), request_body = PersonChange,
    responses((status = 200, body = PersonView), (status = 400, body = Problem)))]
pub(super) async fn put_person(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(number): Path<String>,
    JsonBody(change): JsonBody<PersonChange>,
) -> Result<Json<PersonView>, Problem> {
    let number = extension(&number)?;
    let known = api.control.store.person(&number).await?;
    let mut person = known.unwrap_or_else(|| Person::new(number, &api.control.realm));
    change.apply(&mut person).map_err(|sentence| Problem::bad(sentence).at("body"))?;
    api.save(&person, &caller).await?;
    Ok(Json(api.seen(&person)))
}

/// Set a password
///
/// Devices that registered with another password are signed off at once: a lost phone rings no more.
#[utoipa::path(put, path = "/api/v1/people/{extension}/password", tag = "admin", security(("token" = ["admin"])),
    params(("extension" = String, Path, description = "Their internal number")), request_body = PasswordChange,
    responses((status = 200, body = Done), (status = 400, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn put_password(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(number): Path<String>,
    JsonBody(change): JsonBody<PasswordChange>,
) -> Result<Json<Done>, Problem> {
    let mut person = api.existing(&extension(&number)?).await?;
    let password = read_password(&change.password).map_err(|sentence| Problem::bad(sentence).at("body.password"))?;
    person.realm.clone_from(&api.control.realm);
    person.set_password(password);
    api.save(&person, &caller).await?;
    Ok(Json(Done { done: true }))
}

/// Remove a person
///
/// A conversation they are in goes on; they are signed out after it.
#[utoipa::path(delete, path = "/api/v1/people/{extension}", tag = "admin", security(("token" = ["admin"])),
    params(("extension" = String, Path, description = "Their internal number")),
    responses((status = 200, body = Done), (status = 404, body = Problem)))]
pub(super) async fn delete_person(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(number): Path<String>,
) -> Result<Json<Done>, Problem> {
    let number = extension(&number)?;
    if !api.control.store.remove_person(&number, caller.by(), clock::now().at).await? {
        return Err(Problem::not_found("person", number.as_str()));
    }
    api.control.tell(ControlRequest::PeopleChanged)?;
    Ok(Json(Done { done: true }))
}

/// Read people again
///
/// After a program changed them in the database itself.
#[utoipa::path(post, path = "/api/v1/people/reload", tag = "admin", security(("token" = ["admin"])), responses((status = 200, body = Done)))]
pub(super) async fn changed(State(api): State<Api>) -> Result<Json<Done>, Problem> {
    api.control.tell(ControlRequest::PeopleChanged)?;
    Ok(Json(Done { done: true }))
}
