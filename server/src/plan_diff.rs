//! What differs between two plans, for people: by name, and line by line.

use std::{collections::BTreeSet, fmt::Write as _, ptr, time::Duration};

use similar::TextDiff;
use tandem_dialplan::{Source, changes};

use crate::http::view::PlanDiff;

/// How long the shortest difference of one file is looked for; then a longer one is as good.
const PATIENCE: Duration = Duration::from_millis(500);
/// Lines around each difference.
const CONTEXT: usize = 3;

/// What differs, by name and line by line.
#[must_use]
pub fn differ(old: &[Source], new: &[Source]) -> PlanDiff {
    let mut diff = String::new();
    for (path, old, new) in sides(old, new) {
        let text = TextDiff::configure().timeout(PATIENCE).diff_lines(old, new);
        let header = |side: &str, text: &str| if text.is_empty() { "/dev/null".to_owned() } else { format!("{side}/{path}") };
        let unified = text.unified_diff().context_radius(CONTEXT).header(&header("a", old), &header("b", new)).to_string();
        diff.push_str(&unified);
    }
    PlanDiff { changes: summary(old, new), diff }
}

/// What differs by name, and how many lines of which files, in sentences.
#[must_use]
pub fn summary(old: &[Source], new: &[Source]) -> Vec<String> {
    let lines = sides(old, new).map(|(path, old, new)| {
        let (before, after) = trimmed(old, new);
        let text = TextDiff::configure().timeout(PATIENCE).diff_lines(before, after);
        let (mut gone, mut come) = (0_usize, 0_usize);
        for op in text.ops().iter().filter(|op| op.tag() != similar::DiffTag::Equal) {
            gone += op.old_range().len();
            come += op.new_range().len();
        }
        let mut told = format!("{path}: ");
        // Writing to a String cannot fail.
        let _ = match (old.is_empty(), new.is_empty()) {
            (true, false) => write!(told, "new, {come} lines"),
            (false, true) => write!(told, "gone, {gone} lines"),
            _ => write!(told, "+{come} -{gone} lines"),
        };
        told
    });
    lines.collect::<Vec<_>>().into_iter().chain(changes(old, new).iter().map(ToString::to_string)).collect()
}

/// Each file that differs, with both texts; that of a side that has no such file is empty.
fn sides<'a>(old: &'a [Source], new: &'a [Source]) -> impl Iterator<Item = (&'a str, &'a str, &'a str)> {
    let text = |side: &'a [Source], path: &str| side.iter().find(|it| it.path == path).map_or("", |it| &*it.text);
    let paths: BTreeSet<&str> = old.iter().chain(new).map(|source| source.path.as_str()).collect();
    paths
        .into_iter()
        .map(move |path| (path, text(old, path), text(new, path)))
        .filter(|(_, old, new)| !ptr::eq(*old, *new) && old != new)
}

/// Two texts without the lines that both begin and end with: what is left is small for a small change of a large file.
fn trimmed<'a>(old: &'a str, new: &'a str) -> (&'a str, &'a str) {
    let first: usize = lines(old).zip(lines(new)).take_while(|(old, new)| old == new).map(|(line, _)| line.len()).sum();
    let (old, new) = (&old[first..], &new[first..]);
    let last =
        lines(old).rev().zip(lines(new).rev()).take_while(|(old, new)| old == new).map(|(line, _)| line.len()).sum::<usize>();
    (&old[..old.len() - last], &new[..new.len() - last])
}

fn lines(text: &str) -> std::str::SplitInclusive<'_, char> {
    text.split_inclusive('\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_told_by_name_and_by_line() {
        let old = [Source::new("a.kdl", "route \"x\" {\n    from any\n    hangup\n}\n"), Source::new("b.kdl", "queue \"q\"\n")];
        let new = [Source::new("a.kdl", "route \"x\" {\n    from any\n    hangup \"busy\"\n}\n"), Source::new("c.ics", "X\n")];
        let PlanDiff { changes, diff } = differ(&old, &new);
        assert_eq!(
            changes,
            [
                "a.kdl: +1 -1 lines",
                "b.kdl: gone, 1 lines",
                "c.ics: new, 1 lines",
                "calendar `c.ics` added",
                "queue `q` removed",
                "route `x` changed"
            ]
        );
        assert_eq!(
            diff,
            "--- a/a.kdl\n+++ b/a.kdl\n@@ -1,4 +1,4 @@\n route \"x\" {\n     from any\n-    hangup\n+    hangup \"busy\"\n }\n\
             --- a/b.kdl\n+++ /dev/null\n@@ -1 +0,0 @@\n-queue \"q\"\n--- /dev/null\n+++ b/c.ics\n@@ -0,0 +1 @@\n+X\n"
        );
        for (old, new, sizes) in
            [("a\nb\n", "a\nb\n", "+0 -0"), ("a\na\n", "a\na\na\n", "+1 -0"), ("a\nb\nc", "a\nc", "+0 -1"), ("a", "a\n", "+1 -1")]
        {
            let told = summary(&[Source::new("a.ics", old)], &[Source::new("a.ics", new)]);
            assert!(old == new || told[0] == format!("a.ics: {sizes} lines"), "{old:?} {new:?} {told:?}");
        }
        assert_eq!(differ(&old, &old), PlanDiff { changes: Vec::new(), diff: String::new() });
    }
}
