//! Files that a plan brings in beside those of its own folder: `import "shared/hours.kdl"`.
//!
//! A path is relative to the file that it stands in and leads only down, so nothing outside of the plan's folder can be
//! named. What is imported is read before the file that wants it, and once, whoever else wants it: so two files may import
//! each other. Without I/O; who has the files is asked for each.

use std::collections::BTreeSet;

use kdl::KdlNode;

use crate::{
    diagnostic::{Findings, did_you_mean},
    read::{Item, is_name, split},
    source::Source,
};

/// The node that imports.
pub(crate) const IMPORT: &str = "import";

/// Whether a text may be imported.
pub(crate) fn is_import(text: &str) -> bool {
    text.len() <= 256 && is_source(text) && text.split('/').all(is_name)
}

fn is_source(path: &str) -> bool {
    path.ends_with(".kdl") || path.ends_with(".ics")
}

/// The path of what a file imports.
pub(crate) fn resolve(importer: &str, import: &str) -> String {
    match importer.rsplit_once('/') {
        Some((folder, _)) => format!("{folder}/{import}"),
        None => import.to_owned(),
    }
}

/// Puts what files import before them. `fetch` gives the text at a path, or `None` where there is none, which the check
/// will tell of.
///
/// # Errors
/// That of `fetch`.
pub fn with_imports<E>(files: Vec<Source>, mut fetch: impl FnMut(&str) -> Result<Option<Source>, E>) -> Result<Vec<Source>, E> {
    let mut waiting: Vec<Option<Source>> = files.into_iter().map(Some).collect();
    let (mut begun, mut done) = (BTreeSet::new(), Vec::new());
    for at in 0..waiting.len() {
        let Some(first) = waiting[at].take().filter(|file| begun.insert(file.path.clone())) else { continue };
        // Files that await their imports, the innermost last, and what each still wants, in order from the end.
        let mut open = vec![wanted(first)];
        while let Some((_, wants)) = open.last_mut() {
            let Some(path) = wants.pop() else {
                done.extend(open.pop().map(|(file, _)| file));
                continue;
            };
            if !begun.insert(path.clone()) {
                continue;
            }
            let own = waiting.iter_mut().find(|file| file.as_ref().is_some_and(|file| file.path == path));
            let found = match own.and_then(Option::take) {
                Some(own) => Some(own),
                None => fetch(&path)?,
            };
            open.extend(found.map(wanted));
        }
    }
    Ok(done)
}

/// A file and the paths that it imports, the first one last.
fn wanted(file: Source) -> (Source, Vec<String>) {
    let mut wants = Vec::new();
    // Large files mostly import nothing, and need not be split to know it.
    if file.path.ends_with(".kdl") && file.text.contains(IMPORT) {
        // What cannot be read imports nothing; the check says why.
        for range in split::top_nodes(&file.text).unwrap_or_default() {
            let text = &file.text[range];
            if !text.contains(IMPORT) {
                continue;
            }
            let Ok(node) = KdlNode::parse(text) else { continue };
            let import =
                node.entries().first().filter(|entry| entry.name().is_none()).and_then(|entry| entry.value().as_string());
            if let Some(import) = import.filter(|import| node.name().value() == IMPORT && is_import(import)) {
                wants.push(resolve(&file.path, import));
            }
        }
    }
    wants.reverse();
    (file, wants)
}

/// Imports must stand first, since what they bring is read first, and must be there.
pub(crate) fn check(items: &[Item], sources: &[Source], findings: &mut Findings) {
    let mut begun = BTreeSet::new();
    for item in items {
        if item.spec.name != IMPORT {
            begun.insert(item.at.file);
            continue;
        }
        if begun.contains(&item.at.file) {
            findings.error("late-import", item.at, "imports stand at the top of a file: what they bring is read before it");
        }
        let Some(value) = item.args.first() else { continue };
        let (Some(import), Some(importer)) = (value.text(), sources.get(usize::from(item.at.file))) else { continue };
        let path = resolve(&importer.path, import);
        if !sources.iter().any(|source| source.path == path) {
            let folder = importer.path.strip_suffix(importer.file_name()).unwrap_or_default();
            let known = sources.iter().filter_map(|source| source.path.strip_prefix(folder));
            let message = format!("there is no file `{path}` in the folder of the plan");
            findings.error_with("missing-file", value.at, message, did_you_mean(import, known));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(roots: &[&str], files: &[(&str, &str)]) -> String {
        let find = |path: &str| files.iter().find(|(name, _)| *name == path).map(|(name, text)| Source::new(*name, *text));
        let roots = roots.iter().map(|root| find(root).unwrap()).collect();
        let mut asked = Vec::new();
        let fetch = |path: &str| {
            asked.push(path.to_owned());
            Ok::<_, ()>(find(path))
        };
        let sources = with_imports(roots, fetch).unwrap();
        let unique: BTreeSet<_> = asked.iter().collect();
        assert_eq!(unique.len(), asked.len(), "each is asked for once: {asked:?}");
        sources.iter().map(|source| source.path.as_str()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn what_is_imported_comes_before_who_wants_it_and_once() {
        let files = [
            ("p/a.kdl", "import \"shared/x.kdl\"\nimport \"c.kdl\"\nqueue \"a\"\n"),
            ("p/b.kdl", "// import \"no.kdl\"\n/-import \"no.kdl\"\nimport \"shared/x.kdl\"\n"),
            ("p/c.kdl", ""),
            ("p/shared/x.kdl", "import \"deep/y.kdl\"\nimport \"days.ics\"\n"),
            ("p/shared/deep/y.kdl", ""),
            ("p/shared/days.ics", "import \"no.kdl\""),
        ];
        let expected = "p/shared/deep/y.kdl p/shared/days.ics p/shared/x.kdl p/c.kdl p/a.kdl p/b.kdl";
        assert_eq!(order(&["p/a.kdl", "p/b.kdl", "p/c.kdl"], &files), expected);
    }

    #[test]
    fn circles_and_long_chains_end() {
        let circle = [("a.kdl", "import \"b.kdl\"\n"), ("b.kdl", "import \"a.kdl\"\nimport \"b.kdl\"\nimport \"none.kdl\"\n")];
        assert_eq!(order(&["a.kdl"], &circle), "b.kdl a.kdl");
        let chain: Vec<_> = (0..5_000).map(|n| (format!("{n}.kdl"), format!("import \"{}.kdl\"\n", n + 1))).collect();
        let chain: Vec<_> = chain.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        assert_eq!(order(&["0.kdl"], &chain).split(' ').count(), 5_000);
    }

    #[test]
    fn nothing_outside_can_be_named() {
        for good in ["x.kdl", "shared/x.kdl", "a/b/c.ics"] {
            assert!(is_import(good), "{good}");
        }
        for bad in
            ["../x.kdl", "a/../x.kdl", "/etc/x.kdl", "a//x.kdl", "./x.kdl", "x", "x.txt", "", ".kdl", "~/x.kdl", "a\\x.kdl"]
        {
            assert!(!is_import(bad), "{bad}");
        }
    }
}
