//! The reference part of `docs/dialplan.md`, made from the table.

use std::fmt::Write;

use crate::grammar::{Body, NodeSpec, Place, Times};

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

fn entry(out: &mut String, spec: &NodeSpec) {
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
        let about = if arg.about.is_empty() { String::new() } else { format!(": {}", arg.about) };
        let _ = writeln!(out, "  - *{}* ({}){about}", arg.name, arg.kind.title());
    }
    for prop in spec.props {
        let standing = match (prop.required, prop.default) {
            (true, _) => ", required".to_owned(),
            (false, "") => String::new(),
            (false, default) => format!(", `{default}` when absent"),
        };
        let about = if prop.about.is_empty() { String::new() } else { format!(": {}", prop.about) };
        let _ = writeln!(out, "  - `{}=` ({}{standing}){about}", prop.name, prop.kind.title());
    }
}

const fn inside(place: Place) -> &'static str {
    match place {
        Place::Steps => "steps",
        Place::Route => "guards and steps",
        _ => "…",
    }
}
