//! The reference part of `docs/dialplan.md`, made from the table.

use std::fmt::Write;

use crate::grammar::{Arg, Body, NodeSpec, Place, Prop, Times};

/// The reference as Markdown: one section for each place, one entry for each node.
#[must_use]
pub fn reference() -> String {
    let mut out = String::new();
    for place in Place::ALL {
        let title = place.title();
        let _ = writeln!(out, "### {}{}\n", title[..1].to_uppercase(), &title[1..]);
        if *place == Place::Route {
            out.push_str("Beside these, every step of the next section.\n\n");
        }
        for spec in place.nodes() {
            entry(&mut out, spec);
        }
        out.push('\n');
    }
    out
}

/// One node with its values and properties.
pub(crate) fn entry(out: &mut String, spec: &NodeSpec) {
    let _ = write!(out, "- **`{}`**", spec.name);
    for arg in spec.args {
        let many = if matches!(arg.times, Times::OneOrMore | Times::Any) { "…" } else { "" };
        let optional = matches!(arg.times, Times::Optional | Times::Any);
        let (open, close) = if optional { ("[", "]") } else { ("", "") };
        let _ = write!(out, " {open}*{}*{many}{close}", arg.name);
    }
    match spec.body {
        Body::None => {}
        Body::Optional(place) => {
            let _ = write!(out, " [`{{` {} `}}`]", inside(place));
        }
        Body::Required(place) => {
            let _ = write!(out, " `{{` {} `}}`", inside(place));
        }
    }
    let _ = writeln!(out, " — {}{}", spec.about, if spec.repeats { "" } else { " Once." });
    for arg in spec.args {
        let _ = writeln!(out, "  - {}", arg_entry(arg));
    }
    for prop in spec.props {
        let _ = writeln!(out, "  - {}", prop_entry(prop));
    }
}

/// One value, in a line.
pub(crate) fn arg_entry(arg: &Arg) -> String {
    let about = if arg.about.is_empty() { String::new() } else { format!(": {}", arg.about) };
    format!("*{}* ({}){about}", arg.name, arg.kind.title())
}

/// One property, in a line.
pub(crate) fn prop_entry(prop: &Prop) -> String {
    let standing = match (prop.required, prop.default) {
        (true, _) => ", required".to_owned(),
        (false, "") => String::new(),
        (false, default) => format!(", `{default}` when absent"),
    };
    let about = if prop.about.is_empty() { String::new() } else { format!(": {}", prop.about) };
    format!("`{}=` ({}{standing}){about}", prop.name, prop.kind.title())
}

const fn inside(place: Place) -> &'static str {
    match place {
        Place::Steps => "steps",
        Place::Route => "guards and steps",
        _ => "…",
    }
}
