//! Where a node stands among lines, comments and blank lines; what goes with it, and what comes before a new one.

use std::ops::Range;

use super::{
    NotEdited,
    tree::{Node, Tree},
};

/// One deeper, where no neighbour shows what the file does.
const UNIT: &str = "    ";

/// What a text is to become: bytes that others take the place of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Splice {
    pub(super) range: Range<usize>,
    pub(super) text: String,
}

impl Splice {
    pub(super) const fn new(range: Range<usize>, text: String) -> Self {
        Self { range, text }
    }
}

/// How a node stands in its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    /// The node, and the comments that belong to it: those right above, and behind it on its last line. Whole lines
    /// when the lines are its own.
    pub(super) whole: Range<usize>,
    /// Nothing else stands on its lines.
    pub(super) own_lines: bool,
}

/// Between which nodes a new one goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Gap {
    /// The node whose braces it is in; empty at the top of the file.
    pub(super) parent: Vec<usize>,
    /// How many of the nodes there are before it.
    pub(super) index: usize,
    /// It belongs to the one before rather than the one after.
    pub(super) after: bool,
}

fn line_begin(text: &str, at: usize) -> usize {
    let begin = text[..at].rfind('\n').map_or(0, |at| at + 1);
    if begin == 0 && text.starts_with('\u{feff}') { '\u{feff}'.len_utf8().min(at) } else { begin }
}

fn blanks(text: &str) -> usize {
    text.len() - text.trim_start_matches([' ', '\t']).len()
}

fn is_blank(text: &str) -> bool {
    text.chars().all(char::is_whitespace)
}

/// Bytes of the line's end at the beginning of `text`.
fn line_break(text: &str) -> usize {
    if text.starts_with("\r\n") { 2 } else { usize::from(text.starts_with('\n')) }
}

/// Bytes of the blank line that `text` begins with.
fn blank_line(text: &str) -> usize {
    let blanks = blanks(text);
    match line_break(&text[blanks..]) {
        0 => 0,
        end => blanks + end,
    }
}

/// Where the blank line begins that ends at `at`, which begins a line; `at` when that line is none.
fn blank_line_before(text: &str, at: usize) -> usize {
    match text[..at].strip_suffix('\n') {
        Some(before) => {
            let begin = line_begin(text, before.len());
            if is_blank(&text[begin..at]) { begin } else { at }
        }
        None => at,
    }
}

pub(super) fn line_end(text: &str) -> &'static str {
    if text.contains("\r\n") { "\r\n" } else { "\n" }
}

impl Standing {
    pub(super) fn of(text: &str, tree: &Tree, node: &Node) -> Self {
        let mut begin = node.at.start;
        loop {
            let above = tree.comments.partition_point(|comment| comment.end <= begin);
            let Some(comment) = above.checked_sub(1).map(|at| &tree.comments[at]) else { break };
            let between = &text[comment.end..begin];
            let lines = between.matches('\n').count();
            let first_in_line = is_blank(&text[line_begin(text, comment.start)..comment.start]);
            if !is_blank(between) || lines > 1 || lines == 1 && !first_in_line {
                break;
            }
            begin = comment.start;
        }
        let (mut end, mut semicolon) = (node.at.end, false);
        loop {
            end += blanks(&text[end..]);
            if !semicolon && text[end..].starts_with(';') {
                (semicolon, end) = (true, end + 1);
            } else if let Some(comment) = tree.comments.iter().find(|comment| comment.start == end) {
                end = comment.end;
            } else {
                break;
            }
        }
        let line = line_begin(text, begin);
        let behind = &text[end..];
        let own_lines = is_blank(&text[line..begin]) && (behind.is_empty() || line_break(behind) > 0);
        if own_lines {
            Self { whole: line..end + line_break(behind), own_lines }
        } else {
            Self { whole: node.at.clone(), own_lines }
        }
    }

    pub(super) fn indent<'a>(&self, text: &'a str) -> &'a str {
        if self.own_lines { &text[self.whole.start..self.whole.start + blanks(&text[self.whole.start..])] } else { "" }
    }
}

/// Takes a node out, and the blank line that would be one too many.
pub(super) fn cut(text: &str, standing: &Standing, is_last: bool) -> Splice {
    let Range { mut start, mut end } = standing.whole;
    if standing.own_lines {
        let (blank_before, blank_after) = (blank_line_before(text, start) < start, blank_line(&text[end..]));
        let first = is_blank(&text[line_begin(text, 0)..start]) || text[..start].trim_end().ends_with('{');
        if (blank_before || first) && blank_after > 0 {
            end += blank_after;
        } else if is_last && blank_before {
            start = blank_line_before(text, start);
        }
        // The last line of a file may have no end: then the one before it has none.
        if end == text.len() && !text.ends_with('\n') && !first {
            start = text[..start].strip_suffix('\n').map_or(start, |text| text.trim_end_matches('\r').len());
        }
        return Splice::new(start..end, String::new());
    }
    let before = text[..start].trim_end_matches([' ', '\t']);
    let own_end = semicolon(text, end).unwrap_or(end);
    if before.ends_with(';') {
        start = if own_end > end { before.len() } else { before.len() - 1 };
        end = own_end;
    } else {
        end = own_end + blanks(&text[own_end..]);
    }
    Splice::new(start..end, String::new())
}

/// Where the semicolon ends that comes next.
fn semicolon(text: &str, at: usize) -> Option<usize> {
    let blanks = blanks(&text[at..]);
    text[at + blanks..].starts_with(';').then_some(at + blanks + 1)
}

/// Puts nodes into a gap.
pub(super) fn paste(text: &str, tree: &Tree, gap: &Gap, new: &str) -> Result<Splice, NotEdited> {
    let siblings = tree.children(&gap.parent);
    let neighbours = |left: usize, right: usize| {
        let (left, right) = (siblings.get(left)?, siblings.get(right)?);
        Some((Standing::of(text, tree, left), Standing::of(text, tree, right)))
    };
    let anchor = if gap.after { gap.index.checked_sub(1) } else { Some(gap.index) };
    let Some(anchor) = anchor.filter(|at| *at < siblings.len()) else { return Ok(paste_first(text, tree, &gap.parent, new)) };
    let standing = Standing::of(text, tree, &siblings[anchor]);
    if !standing.own_lines {
        let new = new.trim();
        if new.contains('\n') || new.contains("//") {
            return Err(NotEdited::OneLine);
        }
        let (at, new) = match (gap.after, semicolon(text, standing.whole.end)) {
            (true, Some(at)) => (at, format!(" {new};")),
            (true, None) => (standing.whole.end, format!("; {new}")),
            (false, _) => (standing.whole.start, format!("{new}; ")),
        };
        return Ok(Splice::new(at..at, new));
    }
    let end = line_end(text);
    let new = indented(new, standing.indent(text), end);
    // As the nodes on both sides are set apart; else those on the other side of the anchor; else as is usual at the top.
    let here = gap.index.checked_sub(1).and_then(|left| neighbours(left, gap.index));
    let beside =
        if gap.after { anchor.checked_sub(1).and_then(|left| neighbours(left, anchor)) } else { neighbours(anchor, anchor + 1) };
    let apart = match here.or(beside) {
        Some((left, right)) => text.get(left.whole.end..right.whole.start).is_some_and(|between| between.contains('\n')),
        None => gap.parent.is_empty() && new.trim().contains('\n'),
    };
    let blank = if apart { end } else { "" };
    if gap.after {
        let at = standing.whole.end;
        Ok(match text[..at].ends_with('\n') {
            true => Splice::new(at..at, format!("{blank}{new}{end}")),
            false => Splice::new(at..at, format!("{end}{blank}{new}")),
        })
    } else {
        let at = standing.whole.start;
        Ok(Splice::new(at..at, format!("{new}{end}{blank}")))
    }
}

/// Puts nodes where there are none: into empty braces, braces to come, or a file without nodes.
fn paste_first(text: &str, tree: &Tree, parent: &[usize], new: &str) -> Splice {
    let end = line_end(text);
    let Some(node) = tree.node(parent) else {
        let before = if text.is_empty() || text.ends_with('\n') { "" } else { end };
        // What is said at the head of a file does not belong to its first node.
        let apart = if is_blank(text.lines().next_back().unwrap_or_default()) { "" } else { end };
        return Splice::new(text.len()..text.len(), format!("{before}{apart}{}{end}", indented(new, "", end)));
    };
    let outer = Standing::of(text, tree, node).indent(text).to_owned();
    let inner = format!("{outer}{}", unit(text, &outer));
    let block = indented(new, &inner, end);
    let Some(body) = &node.body else {
        let at = node.entries_end;
        return Splice::new(at..at, format!(" {{{end}{block}{end}{outer}}}"));
    };
    let inside = body.braces.start + 1..body.braces.end - 1;
    let held = &text[inside.clone()];
    match held.rfind('\n') {
        // What stands there is kept: it may be a comment.
        Some(line) if is_blank(&held[line..]) => {
            let at = inside.start + line + 1;
            Splice::new(at..at, format!("{block}{end}"))
        }
        _ if is_blank(held) && !new.trim().contains('\n') && !new.contains("//") => {
            Splice::new(inside, format!(" {} ", new.trim()))
        }
        _ => Splice::new(inside.end..inside.end, format!("{end}{block}{end}{outer}")),
    }
}

/// One step deeper, as this file does it.
fn unit<'a>(text: &'a str, outer: &str) -> &'a str {
    let indents = text.lines().map(|line| &line[..blanks(line)]).filter(|indent| indent.len() > outer.len());
    let deeper = indents.filter_map(|indent| indent.strip_prefix(outer));
    deeper.min_by_key(|unit| unit.len()).unwrap_or(UNIT)
}

/// Nodes with their lines at another depth. Where they come from is told by the brace that closes the last, else by
/// the first line.
pub(super) fn indented(new: &str, indent: &str, end: &str) -> String {
    let new = new.trim_start_matches(['\r', '\n']).trim_end();
    let base = match new.lines().next_back() {
        Some(last) if last.trim_start().starts_with('}') => &last[..blanks(last)],
        _ => &new[..blanks(new)],
    };
    let lines = new.lines().enumerate().map(|(at, line)| {
        let line = if at == 0 { line.trim_start() } else { line.strip_prefix(base).unwrap_or_else(|| line.trim_start()) };
        if line.is_empty() { String::new() } else { format!("{indent}{line}") }
    });
    lines.collect::<Vec<_>>().join(end)
}
