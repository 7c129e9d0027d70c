//! Nodes of the plan, built by the crate that reads them: text of others is a value there, never a piece of syntax.

use kdl::{KdlDocument, KdlEntry, KdlNode, KdlNodeFormat, KdlValue};

/// A node without anything.
pub(super) fn node(name: &str) -> KdlNode {
    KdlNode::new(name)
}

/// Values and braces, one after another.
pub(super) trait Build: Sized {
    /// One more value.
    fn arg(self, value: impl Into<KdlValue>) -> Self;
    /// One more `name=value`.
    fn prop(self, name: &str, value: impl Into<KdlValue>) -> Self;
    /// `name=value`, when there is a value.
    fn maybe(self, name: &str, value: Option<impl Into<KdlValue>>) -> Self;
    /// One more node in its braces.
    fn child(self, child: KdlNode) -> Self;
    /// More nodes in its braces.
    fn children_of(self, children: Vec<KdlNode>) -> Self;
}

impl Build for KdlNode {
    fn arg(mut self, value: impl Into<KdlValue>) -> Self {
        self.push(KdlEntry::new(value));
        self
    }

    fn prop(mut self, name: &str, value: impl Into<KdlValue>) -> Self {
        self.push(KdlEntry::new_prop(name, value));
        self
    }

    fn maybe(self, name: &str, value: Option<impl Into<KdlValue>>) -> Self {
        match value {
            Some(value) => self.prop(name, value),
            None => self,
        }
    }

    fn child(mut self, child: KdlNode) -> Self {
        self.ensure_children().nodes_mut().push(child);
        self
    }

    fn children_of(mut self, children: Vec<KdlNode>) -> Self {
        self.ensure_children().nodes_mut().extend(children);
        self
    }
}

/// The text of a node, with comment lines before it.
pub(super) fn text(node: &KdlNode, comments: &[String]) -> String {
    let mut node = node.clone();
    // A comment ends with its line, so a line break in a file's name must not get into it.
    let one_line = |comment: &String| comment.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>();
    let leading = comments.iter().map(|comment| format!("// {}\n", one_line(comment))).collect();
    node.set_format(KdlNodeFormat { leading, terminator: "\n".into(), before_children: " ".into(), ..Default::default() });
    let mut document = KdlDocument::new();
    document.nodes_mut().push(node);
    document.autoformat();
    document.to_string()
}

/// Calls `visit` on each node of a tree of steps.
pub(super) fn walk(nodes: &[KdlNode], visit: &mut impl FnMut(&KdlNode)) {
    for node in nodes {
        visit(node);
        if let Some(children) = node.children() {
            walk(children.nodes(), visit);
        }
    }
}

/// The route that a `goto` names.
pub(super) fn goto_target(node: &KdlNode) -> Option<&str> {
    if node.name().value() != "goto" {
        return None;
    }
    node.entries().first().and_then(|entry| entry.value().as_string())
}

/// `20s`, as durations are written; whole seconds, at most a day.
pub(super) fn seconds(n: u64) -> String {
    format!("{}s", n.clamp(1, 86_400))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_wrote_stays_a_value() {
        let hostile = "x\" }\nroute \"evil\" { from any; answer; }";
        let route = node("route").arg("a b").child(node("play").arg(hostile).prop("interrupt", true));
        let text = text(&route, &["extensions.conf:1\nqueue \"evil\"".to_owned()]);
        let read = KdlDocument::parse(&text).unwrap();
        assert_eq!(read.nodes().len(), 1, "{text}");
        let play = &read.nodes()[0].children().unwrap().nodes()[0];
        assert_eq!(play.get(0).and_then(KdlValue::as_string), Some(hostile));
    }
}
