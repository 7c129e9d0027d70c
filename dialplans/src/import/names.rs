//! Names that the dialplan takes: lower-case words with dashes, each once.

use std::collections::{BTreeMap, BTreeSet};

/// Longest name that is made; the language takes 64 bytes, and a number may follow.
const MAX_NAME_BYTES: usize = 48;

/// Names of one kind, and what each was made of.
#[derive(Debug, Default)]
pub(super) struct Names {
    given: BTreeMap<String, String>,
    taken: BTreeSet<String>,
}

impl Names {
    /// The name for something that others call `original`: the same each time.
    pub(super) fn of(&mut self, original: &str) -> String {
        if let Some(known) = self.given.get(original) {
            return known.clone();
        }
        let name = self.unique(original);
        self.given.insert(original.to_owned(), name.clone());
        name
    }

    /// A name like `wish` that nothing has yet.
    pub(super) fn unique(&mut self, wish: &str) -> String {
        let wish = kebab(wish);
        let free = |name: &String| !self.taken.contains(name);
        let name = std::iter::once(wish.clone()).chain((2..).map(|n: u32| format!("{wish}-{n}"))).find(free).unwrap_or(wish);
        self.taken.insert(name.clone());
        name
    }
}

/// Letters, digits and single dashes; never empty. Letters beyond ASCII are left out.
pub(super) fn kebab(text: &str) -> String {
    let mut name = String::new();
    for c in text.chars() {
        match c {
            'a'..='z' | '0'..='9' => name.push(c),
            'A'..='Z' => name.push(c.to_ascii_lowercase()),
            '*' => name.push_str("star"),
            '#' => name.push_str("hash"),
            '+' => name.push_str("plus"),
            _ if !name.is_empty() && !name.ends_with('-') => name.push('-'),
            _ => {}
        }
        if name.len() >= MAX_NAME_BYTES {
            break;
        }
    }
    let name = name.trim_end_matches('-');
    if name.is_empty() { "unnamed".to_owned() } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_made_valid_and_never_twice() {
        let mut names = Names::default();
        assert_eq!(names.of("from-internal"), "from-internal");
        assert_eq!(names.of("From_Internal"), "from-internal-2");
        assert_eq!(names.of("from-internal"), "from-internal");
        assert_eq!((names.of("_9NXX."), names.of("*98"), names.of("é")), ("9nxx".into(), "star98".into(), "unnamed".into()));
        assert!(names.of(&"x".repeat(500)).len() <= 64);
    }
}
