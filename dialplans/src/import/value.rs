//! Text with places that are filled in while a call runs, as others' dialplans write it.

/// A piece of a value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Piece {
    Text(String),
    /// What was dialled, from one of its characters on.
    Dialled(usize),
    /// Who calls.
    Caller,
    /// Digits that the caller pressed, by the name of our variable.
    Collected(String),
    /// Something that only a running Asterisk knows, as it was written.
    Unknown(String),
}

/// Text with what is filled in while a call runs.
pub(super) type Value = Vec<Piece>;

pub(super) fn text(text: &str) -> Value {
    if text.is_empty() { Vec::new() } else { vec![Piece::Text(text.to_owned())] }
}

/// The text, when nothing is to be filled in.
pub(super) fn literal(value: &[Piece]) -> Option<String> {
    value.iter().map(|piece| if let Piece::Text(text) = piece { Some(text.as_str()) } else { None }).collect()
}

/// What of a value nobody knows, as it was written.
pub(super) fn unknown(value: &[Piece]) -> Option<&str> {
    value.iter().find_map(|piece| if let Piece::Unknown(text) = piece { Some(text.as_str()) } else { None })
}

/// Whether a value is known in the route only where the call was dialled, or its digits pressed.
pub(super) fn is_local(value: &[Piece]) -> bool {
    value.iter().any(|piece| matches!(piece, Piece::Dialled(1..) | Piece::Collected(_)))
}

/// The value as a template of ours, and where the captures that it needs begin.
pub(super) fn template(value: &[Piece]) -> Option<(String, Vec<usize>)> {
    let (mut out, mut captures) = (String::new(), Vec::new());
    for piece in value {
        match piece {
            // Braces of others' text would be read as places to fill in.
            Piece::Text(text) if text.contains(['{', '}']) => return None,
            Piece::Text(text) => out.push_str(text),
            Piece::Dialled(0) => out.push_str("{dialled}"),
            Piece::Dialled(from) => {
                captures.push(*from);
                out.push_str(&format!("{{{}}}", capture_name(*from)));
            }
            Piece::Caller => out.push_str("{caller}"),
            Piece::Collected(name) => out.push_str(&format!("{{{name}}}")),
            Piece::Unknown(_) => return None,
        }
    }
    (1..=64).contains(&out.len()).then_some((out, captures))
}

/// The variable that holds a number from one of its characters on.
pub(super) fn capture_name(from: usize) -> String {
    format!("from{}", from + 1)
}

/// Adds to a value, joining texts.
pub(super) fn push(value: &mut Value, more: Value) {
    for piece in more {
        match (value.last_mut(), piece) {
            (Some(Piece::Text(text)), Piece::Text(more)) => text.push_str(&more),
            (_, piece) => value.push(piece),
        }
    }
}
