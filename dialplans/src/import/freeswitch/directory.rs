//! The directory: users with numbers and passwords, and groups of them.

use super::{
    super::draft::{Draft, Traits, extension_number},
    Known,
    xml::Element,
};

/// Params and variables that the switch decides itself, or that say nothing for it.
const LEFT_OUT: &[&str] = &[
    "dial-string",
    "jsonrpc-allowed-methods",
    "jsonrpc-allowed-event-channels",
    "toll_allow",
    "accountcode",
    "record_stereo",
    "default_gateway",
    "default_areacode",
    "transfer_fallback_extension",
    "callgroup",
    "vm-password",
    "vm-enabled",
    "allow-empty-password",
    "http-allowed",
    "mwi-account",
    "presence_id",
    "sip-force-contact",
    "sip-force-expires",
    "verto-context",
    "verto-dialplan",
];

/// Declares the users of a domain, or one user by itself.
pub(super) fn declare(element: &Element, draft: &mut Draft, known: &mut Known) {
    if element.name == "user" {
        return user(element, None, draft, known);
    }
    draft.ledger.left_out(element.at, "the switch has one realm and any domain: see `realm` and `protect`");
    let usual = element.param("user_context").map(str::to_owned);
    for part in element.params() {
        draft.ledger.left_out(part.at, "settings of all users");
    }
    inside(element, None, usual.as_deref(), draft, known);
}

fn inside(element: &Element, group: Option<&str>, context: Option<&str>, draft: &mut Draft, known: &mut Known) {
    for child in &element.children {
        match child.name.as_str() {
            "groups" | "users" => {
                draft.ledger.left_out(child.at, "the frame of what stands in it");
                inside(child, group, context, draft, known);
            }
            "group" => {
                let name = child.get("name").unwrap_or_default().to_owned();
                draft.ledger.converted(child.at, "whom a group rings, where a route dials it");
                known.groups.entry(name.clone()).or_default();
                inside(child, Some(&name), context, draft, known);
            }
            "user" => {
                if let (Some(group), Some(number)) = (group, child.get("id").and_then(extension_number)) {
                    known.groups.entry(group.to_owned()).or_default().push(number);
                }
                if child.get("type") == Some("pointer") {
                    draft.ledger.converted(child.at, "a member of its group");
                } else {
                    user(child, context, draft, known);
                }
            }
            "params" | "variables" => draft.ledger.left_out(child.at, "settings of all users"),
            "param" | "variable" => {}
            _ => draft.ledger.not_converted(child.at, "nothing of this kind is read", "see whether calls need it"),
        }
    }
}

fn user(element: &Element, context: Option<&str>, draft: &mut Draft, known: &mut Known) {
    let id = element.get("number-alias").or(element.get("id")).unwrap_or_default();
    let Some(number) = extension_number(id) else {
        let why = format!("`{id}` is a name, and devices have numbers here");
        let todo = "choose a number, declare it by `extensions`, and add them: tandem user add";
        return element.walk(&mut |part| draft.ledger.not_converted(part.at, why.clone(), todo));
    };
    draft.extensions.insert(number, Traits::default());
    draft.ledger.converted(element.at, format!("extension {number}"));
    let mut name = String::new();
    let mut own = context.map(str::to_owned);
    for child in element.children.iter().filter(|child| matches!(child.name.as_str(), "params" | "variables")) {
        draft.ledger.left_out(child.at, "the frame of what stands in it");
    }
    for param in element.params() {
        let value = param.get("value").unwrap_or_default();
        match param.get("name").unwrap_or_default() {
            "password" if !value.contains("$${") => {
                draft.ledger.converted(param.at, format!("the password of {number}, in a file of its own"));
                let file = draft.secret("person", &number.to_string(), value);
                draft.person(number).password_file = Some(file);
            }
            "password" => {
                draft.ledger.not_converted(param.at, "a password that is set nowhere", "set one: tandem user set-password")
            }
            "a1-hash" => {
                let todo = "set a new password: tandem user set-password";
                draft.ledger.not_converted(param.at, "a hash that counts in one realm only", todo);
            }
            "effective_caller_id_name" => {
                value.clone_into(&mut name);
                draft.ledger.converted(param.at, "the name of the person");
            }
            "user_context" => {
                own = Some(value.to_owned());
                draft.ledger.converted(param.at, "the routes that they may use");
            }
            "effective_caller_id_number" if value == number.to_string() => {
                draft.ledger.converted(param.at, "the number of the extension");
            }
            "outbound_caller_id_name" | "outbound_caller_id_number" | "effective_caller_id_number" => {
                draft.ledger.not_converted(
                    param.at,
                    "the number that is shown outside",
                    "write `caller-id` for the trunk or the step",
                );
            }
            word if LEFT_OUT.contains(&word) => draft.ledger.left_out(param.at, "the switch needs no such setting"),
            word => {
                let why = format!("the setting `{word}` has no counterpart");
                draft.ledger.not_converted(param.at, why, "see whether the calls need it");
            }
        }
    }
    for child in
        element.children.iter().filter(|child| !matches!(child.name.as_str(), "params" | "variables" | "param" | "variable"))
    {
        let todo = "see whether the calls need it";
        child.walk(&mut |part| draft.ledger.not_converted(part.at, "a part of a user without a counterpart", todo));
    }
    let person = draft.person(number);
    if !name.is_empty() && !name.contains("${") {
        person.name = name.chars().filter(|c| !c.is_control()).take(64).collect();
    }
    known.contexts.entry(own.unwrap_or_else(|| "default".to_owned())).or_default().push(number);
}
