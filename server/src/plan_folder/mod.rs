//! The folder of a plan: which files of it are the plan, in which order, and the one way to write them.
//!
//! The files are those that [`tandem_dialplan::read_sources`] reads: what lies in the folder itself, and what is imported
//! from folders below it. Whoever changes a plan, by `tandem apply`, by an edit or by going back, writes by [`write()`].

mod disk;

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    ffi::OsStr,
    io::ErrorKind,
    path::Path,
    sync::Arc,
};

use sha2::{Digest as _, Sha256};
use tandem_dialplan::{
    LoadError, MAX_FILE_BYTES, MAX_FILES, MAX_PLAN_BYTES, Source, read_source_below, read_sources, with_imports,
};

pub use self::disk::{DiskError, Write, complete, write};

/// Folders below one another that a path may lead through, and the file.
const MAX_PARTS: usize = 8;

/// The texts of a plan, with paths below its folder, in the order in which they are read. Blocks.
///
/// # Errors
/// The folder or a file of it cannot be read.
pub fn read(folder: &Path) -> Result<Vec<Source>, LoadError> {
    read_sources(folder).map(|sources| below(folder, sources))
}

/// The same sources with paths below the folder.
#[must_use]
pub fn below(folder: &Path, sources: Vec<Source>) -> Vec<Source> {
    let below = |source: Source| match Path::new(&source.path).strip_prefix(folder) {
        Ok(path) => Source { path: path.display().to_string(), ..source },
        Err(_) => source,
    };
    sources.into_iter().map(below).collect()
}

/// The same sources, each sharing its text with that of `known` which has the same path and text: most of a plan is as it
/// was, and need not be looked at again to know it.
#[must_use]
pub fn sharing(sources: Vec<Source>, known: &[Source]) -> Vec<Source> {
    let known: BTreeMap<&str, &Source> = known.iter().map(|known| (known.path.as_str(), known)).collect();
    let share = |source: Source| match known.get(source.path.as_str()) {
        Some(known) if known.text == source.text => Source { text: Arc::clone(&known.text), ..source },
        _ => source,
    };
    sources.into_iter().map(share).collect()
}

/// One file, also one that nothing imports; `None` where there is none. Blocks.
///
/// # Errors
/// It cannot be read, or leads out of the folder.
pub fn read_one(folder: &Path, path: &str) -> Result<Option<Source>, LoadError> {
    if !is_path(path) {
        return Ok(None);
    }
    match read_source_below(folder, path) {
        Ok(source) => Ok(Some(Source { path: path.to_owned(), ..source })),
        Err(LoadError::Read { source, .. }) if [ErrorKind::NotFound, ErrorKind::NotADirectory].contains(&source.kind()) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// The order in which a folder with these files would be read. What the files import and is not among them is asked for;
/// what nothing imports goes out.
///
/// # Errors
/// That of `fetch`.
pub fn arranged<E>(
    sources: Vec<Source>,
    mut fetch: impl FnMut(&str) -> Result<Option<Source>, E>,
) -> Result<(Vec<Source>, Vec<Source>), E> {
    let (mut here, deeper): (Vec<_>, Vec<_>) = sources.into_iter().partition(|source| !source.path.contains('/'));
    here.sort_by(|a, b| Path::new(&a.path).cmp(Path::new(&b.path)));
    let mut deeper: BTreeMap<String, Source> = deeper.into_iter().map(|source| (source.path.clone(), source)).collect();
    let arranged = with_imports(here, |path| match deeper.remove(path) {
        Some(source) => Ok(Some(source)),
        None => fetch(path),
    })?;
    Ok((arranged, deeper.into_values().collect()))
}

/// Texts from outside as a folder with them would be read; a sentence where they may not be a plan at all.
///
/// # Errors
/// A path leads out of the folder, is no plan's or imported by nothing, or there is too much of anything.
pub fn fitting(sources: Vec<Source>) -> Result<Vec<Source>, String> {
    fit(&sources)?;
    let Ok((arranged, unread)) = arranged(sources, |_| Ok::<_, Infallible>(None));
    match unread.first() {
        None => Ok(arranged),
        Some(Source { path, .. }) => {
            Err(format!("no file imports `{path}`: expected an `import`, or the file in the folder of the plan itself"))
        }
    }
}

fn fit(sources: &[Source]) -> Result<(), String> {
    if sources.is_empty() {
        return Err("there is no file in it".to_owned());
    }
    if sources.len() > MAX_FILES {
        return Err(format!("there are more than {MAX_FILES} files"));
    }
    if sources.iter().map(|source| source.text.len()).sum::<usize>() > MAX_PLAN_BYTES {
        return Err(format!("the files are larger than {} MiB in all", MAX_PLAN_BYTES >> 20));
    }
    let mut paths = BTreeSet::new();
    for Source { path, text } in sources {
        let shown: String = path.chars().take(64).collect();
        if !is_path(path) {
            let expected = "expected one below the plan's folder, without hidden parts, that ends in .kdl or .ics";
            return Err(format!("`{shown}` is no path of a plan's file: {expected}"));
        }
        if text.len() > MAX_FILE_BYTES {
            return Err(format!("`{shown}` is larger than {} KiB", MAX_FILE_BYTES >> 10));
        }
        if !paths.insert(path) {
            return Err(format!("`{shown}` is there twice"));
        }
    }
    Ok(())
}

/// Whether a path can be that of a plan's file: it leads down only, and nothing of it is hidden.
#[must_use]
pub fn is_path(path: &str) -> bool {
    let kind = Path::new(path).extension().and_then(OsStr::to_str);
    let is_part = |part: &str| !part.is_empty() && !part.starts_with('.');
    path.len() <= 255
        && matches!(kind, Some("kdl" | "ics"))
        && !path.contains(|c: char| c == '\\' || c.is_control())
        && path.split('/').count() <= MAX_PARTS
        && path.split('/').all(is_part)
}

/// What turns one plan into another.
#[must_use]
pub fn writes(old: &[Source], new: &[Source]) -> Vec<Write> {
    let text = |side: &[Source], path: &str| side.iter().find(|it| it.path == path).map(|it| it.text.clone());
    let gone = old.iter().filter(|source| new.iter().all(|it| it.path != source.path));
    let all = new.iter().chain(gone).map(|source| Write {
        name: source.path.clone(),
        before: text(old, &source.path),
        after: text(new, &source.path),
    });
    all.filter(|write| write.before != write.after).collect()
}

/// Whether what lies in a folder can be the work of somebody who was killed while putting `new` in the place of `old`:
/// each file is as in the one or as in the other.
#[must_use]
pub fn is_between(present: &[Source], old: &[Source], new: &[Source]) -> bool {
    let text = |side: &[Source], path: &str| side.iter().find(|it| it.path == path).map(|it| it.text.clone());
    let mut paths = present.iter().chain(old).chain(new).map(|source| source.path.as_str());
    paths.all(|path| {
        let there = text(present, path);
        there == text(old, path) || there == text(new, path)
    })
}

/// SHA-256 in hexadecimal.
#[must_use]
pub fn hash(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn sources(files: &[(&str, &str)]) -> Vec<Source> {
        files.iter().map(|(path, text)| Source::new(*path, *text)).collect()
    }

    #[test]
    fn only_files_below_the_folder_are_taken() {
        for good in ["plan.kdl", "it-holidays.ics", "90 tests.kdl", "shared/hours.kdl", "a/b/c/d.ics"] {
            assert_eq!(fit(&sources(&[(good, "")])), Ok(()), "{good}");
        }
        for bad in [
            "",
            "plan",
            "plan.txt",
            "/etc/x.kdl",
            "../x.kdl",
            "a/../x.kdl",
            "./x.kdl",
            "a//x.kdl",
            ".kdl",
            ".x.kdl",
            "a/.b/x.kdl",
            "a/.x.kdl",
            "a\\x.kdl",
            "x\0.kdl",
            "x\n.kdl",
            "1/2/3/4/5/6/7/8/x.kdl",
        ] {
            assert!(fit(&sources(&[(bad, "")])).is_err(), "{bad:?}");
        }
        assert!(fit(&sources(&[("a.kdl", ""), ("a.kdl", "")])).unwrap_err().contains("twice"));
        assert!(fitting(Vec::new()).is_err());
        let large = "x".repeat(MAX_FILE_BYTES + 1);
        assert!(fit(&sources(&[("a.kdl", &large)])).unwrap_err().contains("larger"));
        let many: Vec<_> = (0..=MAX_FILES).map(|n| Source::new(format!("{n}.kdl"), "")).collect();
        assert!(fit(&many).unwrap_err().contains("more than"));
        let unread = sources(&[("a.kdl", "import \"shared/x.kdl\"\n"), ("shared/x.kdl", ""), ("shared/y.kdl", "")]);
        assert!(fitting(unread).unwrap_err().contains("no file imports `shared/y.kdl`"));
    }

    #[test]
    fn what_is_sent_is_in_the_order_in_which_its_folder_is_read() {
        let folder = std::env::temp_dir().join(format!("tandem-folder-{}", std::process::id()));
        let _not_there = fs::remove_dir_all(&folder);
        fs::create_dir_all(folder.join("shared/deep")).unwrap();
        let sent = sources(&[
            ("shared/hours.kdl", "import \"deep/days.ics\"\n"),
            ("b.kdl", "import \"a b.kdl\"\n"),
            ("a.kdl", "import \"c.kdl\"\nimport \"shared/hours.kdl\"\n"),
            ("c.kdl", ""),
            ("shared/deep/days.ics", ""),
            ("a-1.kdl", ""),
        ]);
        for Source { path, text } in &sent {
            fs::write(folder.join(path), &**text).unwrap();
        }
        fs::write(folder.join("shared/unread.kdl"), "").unwrap();
        fs::write(folder.join(".a.kdl.swap.kdl"), "queue {").unwrap();
        std::os::unix::fs::symlink("nowhere", folder.join(".#a.kdl")).unwrap();
        let read = read(&folder).unwrap();
        assert_eq!(fitting(sent).unwrap(), read);
        let paths: Vec<_> = read.iter().map(|source| source.path.as_str()).collect();
        assert_eq!(paths, ["a-1.kdl", "c.kdl", "shared/deep/days.ics", "shared/hours.kdl", "a.kdl", "b.kdl"]);
        assert!(read_one(&folder, "shared/unread.kdl").unwrap().is_some());
        for none in ["shared/none.kdl", "a.kdl/x.kdl", "../x.kdl", ".#a.kdl"] {
            assert_eq!(read_one(&folder, none).unwrap(), None, "{none}");
        }
        std::os::unix::fs::symlink("/", folder.join("out")).unwrap();
        std::os::unix::fs::symlink("/etc/hostname", folder.join("shared/link.kdl")).unwrap();
        assert!(matches!(read_one(&folder, "shared/link.kdl"), Err(LoadError::Outside { .. })));
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn half_of_a_work_is_told_from_what_an_admin_did() {
        let (old, new) = (sources(&[("a.kdl", "a"), ("b.kdl", "b")]), sources(&[("a.kdl", "A"), ("c.kdl", "c")]));
        for half in [&[("a.kdl", "a"), ("b.kdl", "b")][..], &[("a.kdl", "A"), ("b.kdl", "b")], &[("a.kdl", "A"), ("c.kdl", "c")]]
        {
            assert!(is_between(&sources(half), &old, &new), "{half:?}");
        }
        assert!(!is_between(&sources(&[("a.kdl", "mine"), ("b.kdl", "b")]), &old, &new));
        assert!(!is_between(&sources(&[("a.kdl", "A"), ("mine.kdl", "")]), &old, &new));
        assert!(!is_between(&sources(&[("b.kdl", "b")]), &old, &new), "a.kdl is in both");
    }

    #[test]
    fn a_text_that_is_known_is_there_once() {
        let known = sources(&[("a.kdl", "a"), ("b.kdl", "b"), ("c.kdl", "c")]);
        let read = sources(&[("b.kdl", "b"), ("a.kdl", "A"), ("d.kdl", "c")]);
        let shared = sharing(read.clone(), &known);
        assert_eq!(shared, read);
        let is_known = |source: &Source| known.iter().any(|known| Arc::ptr_eq(&known.text, &source.text));
        assert_eq!(shared.iter().map(is_known).collect::<Vec<_>>(), [true, false, false]);
    }

    #[test]
    fn what_turns_one_plan_into_another_and_back_is_what_differs() {
        let (old, new) = (sources(&[("a.kdl", "a"), ("b.kdl", "b")]), sources(&[("a.kdl", "a"), ("c/c.kdl", "c")]));
        let names =
            |all: &[Write]| all.iter().map(|it| format!("{} {:?}>{:?}", it.name, it.before, it.after)).collect::<Vec<_>>();
        let there = writes(&old, &new);
        assert_eq!(names(&there), ["c/c.kdl None>Some(\"c\")", "b.kdl Some(\"b\")>None"]);
        let back: Vec<_> = there.iter().rev().map(Write::back).collect();
        assert_eq!(names(&back), names(&writes(&new, &old)));
    }
}
