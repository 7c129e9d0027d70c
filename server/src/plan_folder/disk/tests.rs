//! What is written is whole, and nobody's text is lost, whoever else writes and whenever the process is killed.

#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use super::*;

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("tandem-disk-{}-{name}", std::process::id()));
        let _not_there = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        fs::write(path.join("a.kdl"), "a").unwrap();
        fs::write(path.join("b.kdl"), "b").unwrap();
        Self(path)
    }

    /// Every file with its text.
    fn texts(&self) -> Vec<(String, String)> {
        let all = fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().path());
        let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
        let mut all: Vec<_> = all.map(|path| (name(&path), fs::read_to_string(&path).unwrap())).collect();
        all.sort();
        all
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _gone = fs::remove_dir_all(&self.0);
    }
}

fn change(name: &str, before: Option<&str>, after: Option<&str>) -> Write {
    Write { name: name.into(), before: before.map(Arc::from), after: after.map(Arc::from) }
}

fn pairs(all: &[(&str, &str)]) -> Vec<(String, String)> {
    all.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

#[test]
fn files_change_come_and_go_together() {
    let folder = Folder::new("together");
    fs::set_permissions(folder.0.join("a.kdl"), fs::Permissions::from_mode(0o600)).unwrap();
    let all = [change("a.kdl", Some("a"), Some("A")), change("b.kdl", Some("b"), None), change("c.kdl", None, Some("c"))];
    write(&folder.0, &all).unwrap();
    assert_eq!(folder.texts(), pairs(&[("a.kdl", "A"), ("c.kdl", "c")]));
    assert_eq!(fs::metadata(folder.0.join("a.kdl")).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn another_text_than_expected_keeps_all_as_they_are() {
    let folder = Folder::new("expected");
    let first = change("a.kdl", Some("a"), Some("A"));
    for wrong in [
        change("b.kdl", Some("x"), Some("B")),
        change("b.kdl", Some("x"), None),
        change("b.kdl", None, Some("B")),
        change("c.kdl", Some("c"), Some("C")),
    ] {
        let told = write(&folder.0, &[first.clone(), wrong.clone()]);
        assert!(matches!(&told, Err(DiskError::Changed(name)) if *name == wrong.name), "{told:?}");
        assert_eq!(folder.texts(), pairs(&[("a.kdl", "a"), ("b.kdl", "b")]));
    }
}

#[test]
fn what_an_editor_saves_in_the_last_moment_is_not_lost() {
    let folder = Folder::new("editor");
    let save = |name: &str, text: &str| {
        // As editors do: a new file over the old one.
        fs::write(folder.0.join(".saved"), text).unwrap();
        fs::rename(folder.0.join(".saved"), folder.0.join(name)).unwrap();
    };
    for last in [change("b.kdl", Some("b"), Some("B")), change("b.kdl", Some("b"), None)] {
        let all = [change("a.kdl", Some("a"), Some("A")), change("c.kdl", None, Some("c")), last];
        let told = write_with(&folder.0, &all, || save("b.kdl", "mine"));
        assert!(matches!(&told, Err(DiskError::Changed(name)) if name == "b.kdl"), "{told:?}");
        assert_eq!(folder.texts(), pairs(&[("a.kdl", "a"), ("b.kdl", "mine")]));
        save("b.kdl", "b");
    }
    let told = write_with(&folder.0, &[change("c.kdl", None, Some("c"))], || save("c.kdl", "mine"));
    assert!(matches!(told, Err(DiskError::Changed(_))), "{told:?}");
    let told = write_with(&folder.0, &[change("b.kdl", Some("b"), Some("B"))], || {
        fs::remove_file(folder.0.join("b.kdl")).unwrap();
    });
    assert!(matches!(told, Err(DiskError::Changed(_))), "{told:?}");
    assert_eq!(folder.texts(), pairs(&[("a.kdl", "a"), ("c.kdl", "mine")]));
}

#[test]
fn what_is_put_back_is_not_put_over_what_was_saved_meanwhile() {
    let folder = Folder::new("back");
    let write = change("a.kdl", Some("a"), Some("A"));
    let prepared = Prepared::new(&folder.0, &write).unwrap();
    prepared.commit().unwrap();
    fs::write(folder.0.join("a.kdl"), "mine").unwrap();
    assert!(matches!(prepared.undo(), Err(DiskError::Torn { .. })));
    drop(prepared);
    let texts: Vec<_> = folder.texts().into_iter().map(|(_, text)| text).collect();
    assert_eq!(texts, ["a", "mine", "b"], "the old text is kept beside it");
}

#[test]
fn links_and_a_second_writer_are_refused() {
    let folder = Folder::new("links");
    std::os::unix::fs::symlink(folder.0.join("a.kdl"), folder.0.join("l.kdl")).unwrap();
    let told = write(&folder.0, &[change("l.kdl", Some("a"), Some("A"))]);
    assert!(matches!(told, Err(DiskError::NoFile(_))), "{told:?}");
    let all = [change("a.kdl", Some("a"), Some("A"))];
    let told = write_with(&folder.0, &all, || {
        let second = write(&folder.0, &[change("b.kdl", Some("b"), Some("B"))]);
        assert!(matches!(second, Err(DiskError::Busy)), "{second:?}");
    });
    assert!(told.is_ok());
    let link = pairs(&[("a.kdl", "A"), ("b.kdl", "b"), ("l.kdl", "A")]);
    assert_eq!(folder.texts(), link);
}

#[test]
fn files_in_folders_below_come_and_go_with_their_folders() {
    let folder = Folder::new("below");
    write(&folder.0, &[change("shared/deep/x.kdl", None, Some("x")), change("a.kdl", Some("a"), Some("A"))]).unwrap();
    assert_eq!(fs::read_to_string(folder.0.join("shared/deep/x.kdl")).unwrap(), "x");
    write(&folder.0, &[change("shared/deep/x.kdl", Some("x"), None)]).unwrap();
    assert!(!folder.0.join("shared/deep").exists());
    fs::create_dir_all(folder.0.join("elsewhere")).unwrap();
    std::os::unix::fs::symlink(folder.0.join("elsewhere"), folder.0.join("link")).unwrap();
    for out in ["link/x.kdl", "../x.kdl", "/tmp/x.kdl", ".x.kdl", "a.kdl/x.kdl"] {
        let told = write(&folder.0, &[change(out, None, Some("x"))]);
        assert!(matches!(told, Err(DiskError::NoFile(_))), "{out}: {told:?}");
    }
    assert_eq!(fs::read_dir(folder.0.join("elsewhere")).unwrap().count(), 0);
}

/// Leaves a folder as a kill does that comes when some files are in their place.
fn killed(folder: &Folder, all: &[Write], done: usize) {
    let prepared: Vec<_> = all.iter().map(|write| Prepared::new(&folder.0, write).unwrap()).collect();
    note(&folder.0, &prepared).unwrap();
    prepared[..done].iter().for_each(|it| it.commit().unwrap());
    prepared.iter().for_each(|it| it.kept.set(true));
}

#[test]
fn a_kill_is_completed_by_whoever_comes_next() {
    let all = [change("a.kdl", Some("a"), Some("A")), change("b.kdl", Some("b"), None), change("c/c.kdl", None, Some("c"))];
    for done in 0..=all.len() {
        let folder = Folder::new("killed");
        killed(&folder, &all, done);
        if done % 2 == 0 {
            complete(&folder.0).unwrap();
        } else {
            write(&folder.0, &[]).unwrap();
        }
        assert_eq!(fs::read_to_string(folder.0.join("c/c.kdl")).unwrap(), "c");
        fs::remove_dir_all(folder.0.join("c")).unwrap();
        assert_eq!(folder.texts(), pairs(&[("a.kdl", "A")]), "after {done}");
        complete(&folder.0).unwrap();
    }
}

#[test]
fn what_was_saved_after_a_kill_stays() {
    let folder = Folder::new("saved");
    killed(&folder, &[change("a.kdl", Some("a"), Some("A")), change("b.kdl", Some("b"), None)], 1);
    fs::write(folder.0.join("b.kdl"), "mine").unwrap();
    complete(&folder.0).unwrap();
    assert_eq!(folder.texts(), pairs(&[("a.kdl", "A"), ("b.kdl", "mine")]));
    // The process was killed before it saw that an editor was faster.
    let all = [change("a.kdl", Some("A"), Some("B"))];
    killed(&folder, &all, 0);
    fs::write(folder.0.join("a.kdl"), "mine too").unwrap();
    let found = fs::read_dir(&folder.0).unwrap().map(|entry| entry.unwrap().path());
    let beside = found.into_iter().find(|path| path.to_string_lossy().contains(".a.kdl.")).unwrap();
    rename(&beside, &folder.0.join("a.kdl"), RenameFlags::EXCHANGE).unwrap();
    complete(&folder.0).unwrap();
    assert_eq!(
        (fs::read_to_string(folder.0.join("a.kdl")).unwrap(), fs::read_to_string(&beside).unwrap()),
        ("B".into(), "mine too".into())
    );
}
