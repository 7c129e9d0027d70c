//! The plans that ship: listed by a sentence each, and unpacked for an admin to read and change.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use rust_embed::RustEmbed;
use serde::Serialize;

#[derive(RustEmbed)]
#[folder = "../dialplans/demo"]
struct Demo;

#[derive(RustEmbed)]
#[folder = "../dialplans/plans"]
struct Plans;

/// The plan that is served when nothing else is said.
pub const DEMO: &str = "demo";
/// Says what a plan is for: its first paragraph is the sentence of the list.
const README: &str = "README.md";

/// One of the plans that ship.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ShippedPlan {
    /// The word for it: `demo`, `small-office`.
    pub name: String,
    /// For whom it is.
    pub sentence: String,
}

/// All of them, the demo first.
#[must_use]
pub fn plans() -> Vec<ShippedPlan> {
    let mut names = vec![DEMO.to_owned()];
    let folders = Plans::iter().filter_map(|path| path.split_once('/').map(|(folder, _)| folder.to_owned()));
    for name in folders {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names[1..].sort();
    names.into_iter().map(|name| ShippedPlan { sentence: sentence(&name), name }).collect()
}

fn sentence(plan: &str) -> String {
    let readme = files(plan).into_iter().find(|(name, _)| name == README);
    let text = readme.map(|(_, content)| String::from_utf8_lossy(&content).into_owned()).unwrap_or_default();
    // The title, and what follows it up to an empty line.
    let mut paragraphs = text.split("\n\n").map(str::trim);
    paragraphs.nth(1).unwrap_or_default().replace('\n', " ")
}

/// The files of a plan by name; none when no plan of that name ships.
fn files(plan: &str) -> Vec<(String, Vec<u8>)> {
    if plan == DEMO {
        return Demo::iter()
            .filter_map(|name| Demo::get(&name).map(|file| (name.into_owned(), file.data.into_owned())))
            .collect();
    }
    let of = |path: &str| path.strip_prefix(plan).and_then(|rest| rest.strip_prefix('/')).map(str::to_owned);
    Plans::iter().filter_map(|path| Some((of(&path)?, Plans::get(&path)?.data.into_owned()))).collect()
}

/// Why a plan was not copied.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// No plan of that name ships.
    #[error("no plan `{0}` ships")]
    Unknown(String),
    /// Something is there already, and stays as it is.
    #[error("{} is there already, and is not empty", .0.display())]
    Taken(PathBuf),
    /// A file or folder cannot be written.
    #[error("{} cannot be written: {error}", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

/// Writes a plan into a folder that is new or empty, and says which files it has.
///
/// # Errors
/// There is no such plan, the folder has something in it, or it cannot be written.
pub fn copy(plan: &str, to: &Path) -> Result<Vec<String>, CopyError> {
    let mut files = files(plan);
    if files.is_empty() {
        return Err(CopyError::Unknown(plan.to_owned()));
    }
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |error| CopyError::Write { path, error }
    };
    match fs::read_dir(to).map(Iterator::count) {
        Ok(0) => {}
        Ok(_) => return Err(CopyError::Taken(to.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => fs::create_dir_all(to).map_err(failed(to))?,
        Err(error) => return Err(failed(to)(error)),
    }
    files.sort();
    for (name, content) in &files {
        let path = to.join(name);
        let folder = path.parent().unwrap_or(to);
        fs::create_dir_all(folder).map_err(failed(folder))?;
        // Whoever else writes here at this moment keeps what is theirs.
        let mut file = fs::File::create_new(&path).map_err(failed(&path))?;
        io::Write::write_all(&mut file, content).map_err(failed(&path))?;
    }
    Ok(files.into_iter().map(|(name, _)| name).collect())
}

/// The folder that a word of `--config` means: that folder, or the plan that ships under this name, which is unpacked into
/// the data folder unless it lies there. What was unpacked is the admin's: a later version adds nothing to a plan that may
/// have changed.
///
/// # Errors
/// The plan cannot be written.
pub(super) fn find(config: &str, data: &Path) -> Result<PathBuf, CopyError> {
    if Path::new(config).is_dir() || files(config).is_empty() {
        return Ok(config.into());
    }
    let path = data.join(config);
    if !path.is_dir() {
        // Somebody may have stopped us halfway, the last time.
        let new = data.join(format!("{config}.new"));
        let failed = |error| CopyError::Write { path: new.clone(), error };
        if new.is_dir() {
            fs::remove_dir_all(&new).map_err(failed)?;
        }
        copy(config, &new)?;
        fs::rename(&new, &path).map_err(failed)?;
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

    use super::*;

    fn ground(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("tandem-shipped-{}-{name}", std::process::id()));
        let _gone = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn each_plan_has_a_name_and_one_sentence() {
        let plans = plans();
        assert_eq!(plans[0].name, DEMO);
        assert!(plans.len() >= 8, "{plans:?}");
        for ShippedPlan { name, sentence } in plans {
            let row = format!("| `{name}` | {sentence} |");
            assert!(include_str!("../../../docs/plans.md").contains(&row), "docs/plans.md has no row {row}");
            assert!(sentence.ends_with('.') && sentence.len() > 40 && sentence.len() < 200, "{name}: {sentence}");
        }
    }

    #[test]
    fn a_copy_is_whole_and_overwrites_nothing() {
        let ground = ground("copy");
        let to = ground.join("etc/office");
        let files = copy("small-office", &to).unwrap();
        assert!(files.contains(&"10-firm.kdl".to_owned()) && files.contains(&"holidays-it.ics".to_owned()), "{files:?}");
        assert!(files.iter().all(|file| to.join(file).is_file()) && to.join("prompts/it/office-menu.wav").is_file());
        assert!(matches!(copy("demo", &to), Err(CopyError::Taken(_))));
        assert!(matches!(copy("smal-office", &ground.join("other")), Err(CopyError::Unknown(_))));
        assert!(!ground.join("other").exists());
        assert!(matches!(copy("demo", &to.join(README)), Err(CopyError::Write { .. })));
        fs::remove_dir_all(ground).unwrap();
    }

    #[test]
    fn a_plan_is_unpacked_once_and_is_the_admins_from_then_on() {
        let ground = ground("find");
        // What is left of a copy that was interrupted.
        fs::create_dir_all(ground.join("demo.new")).unwrap();
        fs::write(ground.join("demo.new/10-switch.kdl"), "half").unwrap();
        let folder = find("demo", &ground).unwrap();
        assert_eq!(folder, ground.join("demo"));
        fs::write(folder.join("10-switch.kdl"), "mine").unwrap();
        assert_eq!(find("demo", &ground).unwrap(), folder);
        assert_eq!(fs::read_to_string(folder.join("10-switch.kdl")).unwrap(), "mine");
        assert_eq!(find("/etc/tandem", &ground).unwrap(), Path::new("/etc/tandem"));
        fs::remove_dir_all(ground).unwrap();
    }
}
