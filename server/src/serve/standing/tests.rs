//! What a start makes of what a stop or a kill left.

use std::{fs, path::PathBuf};

use super::*;
use crate::store::testing::both;

const HEAD: &str = "extensions from=1001 to=1020\nlisten { sip-udp \"127.0.0.1:5060\"; }\n";

fn at(s: i64) -> Timestamp {
    Timestamp::from_ms(1_790_000_000_000 + s * 1_000)
}

fn route(cause: &str) -> String {
    format!("route \"a\" {{ from any; hangup \"{cause}\"; }}\n")
}

/// A folder of its own, with these files.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str, files: &[(&str, &str)]) -> Self {
        let folder = Self(std::env::temp_dir().join(format!("tandem-standing-{}-{name}", std::process::id())));
        let _none_yet = fs::remove_dir_all(&folder.0);
        fs::create_dir_all(&folder.0).unwrap();
        for (file, text) in files {
            fs::write(folder.0.join(file), text).unwrap();
        }
        folder
    }

    fn names(&self) -> Vec<String> {
        plan_folder::read(&self.0).unwrap().into_iter().map(|source| source.path).collect()
    }

    fn sources(&self) -> Vec<Source> {
        plan_folder::read(&self.0).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _not_worth_failing = fs::remove_dir_all(&self.0);
    }
}

/// Starts, and writes down what the start tells; the generation in service.
async fn start(store: &Store, folder: &Folder, s: i64) -> (u64, usize) {
    complete(store, &folder.0, at(s)).await.unwrap();
    let found = find(store, &plans::check(&folder.0).unwrap(), at(s)).await.unwrap();
    store.commit(&found.records).await.unwrap();
    (found.standing.taken.generation, found.records.len())
}

async fn state(store: &Store, generation: u64) -> (PlanState, String) {
    let row = store.generation(generation).await.unwrap().unwrap();
    (row.taken.state, row.news.map(|news| news.why).unwrap_or_default())
}

/// Begins to take a plan of two files, and is killed.
async fn half(store: &Store, folder: &Folder) -> Vec<Source> {
    let new = vec![Source::new("10-head.kdl", HEAD), Source::new("20-routes.kdl", route("busy"))];
    let mut taken = find(store, &plans::check(&folder.0).unwrap(), at(1)).await.unwrap().standing.taken;
    taken.generation += 1;
    (taken.state, taken.files) = (PlanState::Applying, plans::files_of(&new));
    store.commit(&written(&taken, &new, &Generation { files: Vec::new(), ..taken.clone() })).await.unwrap();
    fs::write(folder.0.join("10-head.kdl"), HEAD).unwrap();
    new
}

#[tokio::test]
async fn a_start_is_a_generation_only_when_the_folder_holds_another_plan() {
    for (n, db) in both().await.into_iter().enumerate() {
        let store = db.open().await;
        let folder = Folder::new(&format!("same-{n}"), &[("plan.kdl", &format!("{HEAD}{}", route("busy")))]);
        assert_eq!(start(&store, &folder, 0).await.0, 1);
        assert_eq!(start(&store, &folder, 1).await, (1, 0), "nothing new");
        fs::write(folder.0.join("plan.kdl"), format!("{HEAD}{}", route("rejected"))).unwrap();
        assert_eq!(start(&store, &folder, 2).await.0, 2);
        let row = store.generation(2).await.unwrap().unwrap();
        assert_eq!(row.taken.changes, ["plan.kdl: +1 -1 lines", "route `a` changed"]);
        assert_eq!((row.taken.how, row.taken.state), (How::Start, PlanState::InService));
        let (state, why) = state(&store, 1).await;
        assert_eq!((state, why.as_str()), (PlanState::Replaced, "the folder held another plan at the start: generation 2"));
        assert_eq!(start(&store, &folder, 3).await, (2, 0));
    }
}

#[tokio::test]
async fn a_folder_that_was_half_written_is_completed() {
    for (n, db) in both().await.into_iter().enumerate() {
        let store = db.open().await;
        let folder = Folder::new(&format!("half-{n}"), &[("plan.kdl", &format!("{HEAD}{}", route("rejected")))]);
        start(&store, &folder, 0).await;
        let new = half(&store, &folder).await;
        assert_eq!(folder.names(), ["10-head.kdl", "plan.kdl"]);
        assert_eq!(start(&store, &folder, 2).await.0, 2);
        assert_eq!(folder.sources(), new);
        assert_eq!(state(&store, 2).await.0, PlanState::InService);
        assert_eq!(state(&store, 1).await, (PlanState::Replaced, "generation 2 took its place".to_owned()));
        assert_eq!(start(&store, &folder, 3).await, (2, 0));
    }
}

#[tokio::test]
async fn what_somebody_wrote_meanwhile_is_left_alone() {
    for (n, db) in both().await.into_iter().enumerate() {
        let store = db.open().await;
        let folder = Folder::new(&format!("mine-{n}"), &[("plan.kdl", &format!("{HEAD}{}", route("rejected")))]);
        start(&store, &folder, 0).await;
        half(&store, &folder).await;
        fs::write(folder.0.join("plan.kdl"), route("forbidden")).unwrap();
        let mine = folder.sources();
        assert_eq!(start(&store, &folder, 2).await.0, 3);
        assert_eq!(folder.sources(), mine);
        let (state, why) = state(&store, 2).await;
        assert!(state == PlanState::Failed && why.contains("somebody changed the folder"), "{why}");
        assert!(matches!(store.generations(None, 1).await.unwrap()[0].taken.how, How::Start));
    }
}
