//! Writes a plan into its folder so that a kill leaves something that can be completed: all new files are on the disk
//! before the first one takes its place.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use tandem_dialplan::{MAX_FILE_BYTES, MAX_FILES, MAX_PLAN_BYTES, Source};

/// What a file is called until it takes its place.
const NEW: &str = "tandem-new";

/// Whether texts from outside may be a plan at all; a sentence on what is wrong.
///
/// # Errors
/// A path leads out of the folder, is no plan's, or there is too much of anything.
pub fn fit(sources: &[Source]) -> Result<(), String> {
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
            return Err(format!("`{shown}` is no path of a plan's file: expected a name that ends in .kdl or .ics"));
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

/// The name of a visible file in the folder itself: what lies deeper is not read.
fn is_path(path: &str) -> bool {
    let kind = Path::new(path).extension().and_then(OsStr::to_str);
    path.len() <= 255 && !path.starts_with('.') && !path.contains(['/', '\\', '\0', '\n']) && matches!(kind, Some("kdl" | "ics"))
}

/// Puts `new` in the place of `present`, which is all that lies there of a plan.
///
/// # Errors
/// The folder cannot be written. What was done up to then stays done.
pub fn write(folder: &Path, present: &[Source], new: &[Source]) -> io::Result<()> {
    let lies_there = |source: &Source| present.iter().any(|it| it.path == source.path && it.text == source.text);
    let changed: Vec<&Source> = new.iter().filter(|source| !lies_there(source)).collect();
    let gone = present.iter().filter(|source| new.iter().all(|it| it.path != source.path));
    for source in &changed {
        let path = folder.join(&source.path);
        let mut file = File::create(beside(&path))?;
        if let Ok(old) = fs::metadata(&path) {
            file.set_permissions(old.permissions())?;
        }
        file.write_all(source.text.as_bytes())?;
        file.sync_all()?;
    }
    for (_done, source) in changed.iter().enumerate() {
        #[cfg(debug_assertions)]
        crate::wire::fault::in_apply(folder, _done);
        let path = folder.join(&source.path);
        fs::rename(beside(&path), path)?;
    }
    for source in gone {
        fs::remove_file(folder.join(&source.path))?;
    }
    File::open(folder)?.sync_all()
}

/// Whether what lies in a folder can be the work of somebody who was killed while putting `new` in the place of `old`:
/// each file is as in the one or as in the other.
#[must_use]
pub fn is_between(present: &[Source], old: &[Source], new: &[Source]) -> bool {
    let text = |side: &'_ [Source], path: &str| side.iter().find(|it| it.path == path).map(|it| it.text.clone());
    let mut paths = present.iter().chain(old).chain(new).map(|source| source.path.as_str());
    paths.all(|path| {
        let there = text(present, path);
        there == text(old, path) || there == text(new, path)
    })
}

fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
    path.with_file_name(format!(".{name}.{NEW}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::plans::read_below;

    fn sources(files: &[(&str, &str)]) -> Vec<Source> {
        files.iter().map(|(path, text)| Source::new(*path, *text)).collect()
    }

    #[test]
    fn only_files_of_a_plan_in_its_own_folder_are_taken() {
        for good in ["plan.kdl", "it-holidays.ics", "90 tests.kdl"] {
            assert_eq!(fit(&sources(&[(good, "")])), Ok(()), "{good}");
        }
        for bad in [
            "",
            "plan",
            "plan.txt",
            "/etc/x.kdl",
            "../x.kdl",
            "a/../x.kdl",
            "routes/night.kdl",
            "./x.kdl",
            "a//x.kdl",
            ".kdl",
            ".x.kdl",
            "a/.b/x.kdl",
            "a\\x.kdl",
            "x\0.kdl",
            "x\n.kdl",
        ] {
            assert!(fit(&sources(&[(bad, "")])).is_err(), "{bad:?}");
        }
        assert!(fit(&sources(&[("a.kdl", ""), ("a.kdl", "")])).unwrap_err().contains("twice"));
        assert!(fit(&[]).is_err());
        let large = "x".repeat(MAX_FILE_BYTES + 1);
        assert!(fit(&sources(&[("a.kdl", &large)])).unwrap_err().contains("larger"));
        let many: Vec<_> = (0..=MAX_FILES).map(|n| Source::new(format!("{n}.kdl"), "")).collect();
        assert!(fit(&many).unwrap_err().contains("more than"));
    }

    #[test]
    fn a_folder_holds_the_new_plan_and_keeps_what_is_no_plan() {
        let folder = std::env::temp_dir().join(format!("tandem-folder-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let old = sources(&[("a.kdl", "a"), ("b.kdl", "b"), ("c.ics", "c")]);
        write(&folder, &[], &old).unwrap();
        fs::write(folder.join("secret"), "s").unwrap();
        assert_eq!(read_below(&folder).unwrap(), old);
        let new = sources(&[("a.kdl", "a"), ("b.kdl", "B"), ("d.kdl", "d")]);
        write(&folder, &old, &new).unwrap();
        assert_eq!(read_below(&folder).unwrap(), new);
        assert_eq!(fs::read_to_string(folder.join("secret")).unwrap(), "s");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 4, "no temporary file is left");
        assert!(write(&folder.join("secret"), &[], &new).is_err());
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
}
