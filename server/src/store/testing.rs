//! Databases for tests: a fresh one for each test, on SQLite and on PostgreSQL.
//!
//! PostgreSQL is the server that `TANDEM_TEST_POSTGRES` names, or a private one that this process starts on a
//! socket in a folder of its own. A shell watches over the private one: when this process is gone, however it
//! ended, its pipe breaks, and the shell stops the server and removes the folder.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use tandem_switch::{
    callback::{Callback, Tries},
    cdr::Origin,
    id::CustomerId,
    ladder::Ladder,
    step::{QueueStep, Target},
    time::Timestamp,
};

use super::Store;

/// Prints the folder once the server answers; `read` ends when our side of the pipe does.
const WATCH: &str = r#"
set -e
bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | tail -1); PATH="$bin:$PATH"
dir=$(mktemp -d "${TMPDIR:-/tmp}/tandem-pg.XXXXXX")
trap 'pg_ctl -D "$dir/d" stop -m immediate >/dev/null 2>&1; rm -rf "$dir"' EXIT
trap 'exit 1' INT TERM HUP
initdb -D "$dir/d" -A trust -U postgres -E UTF8 --locale=C --no-sync >/dev/null 2>&1
pg_ctl -D "$dir/d" -o "-c listen_addresses='' -c unix_socket_directories='$dir' -c fsync=off -c max_connections=200" \
    -l "$dir/log" -w start >/dev/null 2>&1
echo "$dir"
read -r _ || true
"#;

struct Cluster {
    url: String,
    /// Its standard input is the pipe; held until the process ends.
    _watch: Option<Child>,
}

fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| {
        if let Ok(url) = std::env::var("TANDEM_TEST_POSTGRES") {
            return Cluster { url, _watch: None };
        }
        // initdb does not run as root.
        let root = std::fs::metadata("/proc/self").is_ok_and(|me| std::os::unix::fs::MetadataExt::uid(&me) == 0);
        let mut command = if root { Command::new("runuser") } else { Command::new("sh") };
        if root {
            command.args(["-u", "postgres", "--", "sh"]);
        }
        let mut watch = command
            .args(["-c", WATCH])
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("PostgreSQL 15 is installed, or TANDEM_TEST_POSTGRES names a server");
        let mut dir = String::new();
        BufReader::new(watch.stdout.take().expect("piped")).read_line(&mut dir).expect("the watching shell prints a folder");
        assert!(!dir.trim().is_empty(), "no PostgreSQL: install it, or set TANDEM_TEST_POSTGRES to the URL of a server");
        Cluster { url: format!("postgres://postgres@localhost/postgres?host={}", dir.trim()), _watch: Some(watch) }
    })
}

/// Connections that nobody else gets.
struct Hung(Vec<super::db::Tx>);

impl Drop for Hung {
    fn drop(&mut self) {
        self.0.clear();
    }
}

impl Store {
    /// Takes every connection, so that the database answers nobody while this is held.
    pub(crate) async fn hang(&self) -> impl Drop + use<> {
        let mut held = Vec::new();
        while let Ok(Ok(tx)) = tokio::time::timeout(std::time::Duration::from_millis(200), self.db.begin()).await {
            held.push(tx);
        }
        Hung(held)
    }

    /// Changes tables behind the journal's back.
    pub(crate) async fn scribble(&self, statement: &'static str) {
        self.db.execute(statement, &[]).await.unwrap();
    }
}

/// A database of a test, empty at first.
pub(crate) struct TestDb {
    /// What [`Store::open`] takes.
    pub(crate) url: String,
    folder: Option<std::path::PathBuf>,
}

impl TestDb {
    /// A file in a folder of its own.
    pub(crate) fn lite() -> Self {
        let folder = std::env::temp_dir().join(fresh_name());
        Self { url: folder.join("tandem.db").to_str().expect("a plain path").to_owned(), folder: Some(folder) }
    }

    /// A database of its own on the server.
    pub(crate) async fn pg() -> Self {
        let name = fresh_name();
        let url = &cluster().url;
        let admin = sqlx::PgPool::connect(url).await.expect("the PostgreSQL for tests answers");
        sqlx::query(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&admin).await.unwrap();
        admin.close().await;
        let (server, options) = url.split_once('?').map_or((url.as_str(), ""), |(server, options)| (server, options));
        let server = server.rsplit_once('/').expect("the URL names a database").0;
        Self { url: format!("{server}/{name}?{options}"), folder: None }
    }

    /// Opens it, tables and all.
    pub(crate) async fn open(&self) -> Store {
        let store = Store::open(&self.url).await.unwrap();
        store.migrate().await.unwrap();
        store
    }
}

impl Drop for TestDb {
    fn drop(&mut self) {
        if let Some(folder) = &self.folder {
            let _ = std::fs::remove_dir_all(folder);
        }
    }
}

/// One of each.
pub(crate) async fn both() -> [TestDb; 2] {
    [TestDb::lite(), TestDb::pg().await]
}

fn fresh_name() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("tandem_test_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A promise to call somebody by a trunk.
pub(crate) fn promise() -> Callback {
    Callback {
        target: Target::Trunk { trunk: "carrier".into(), number: "+390212345".into() },
        tries: Tries { left: 2, apart_ms: 60_000, ring_ms: 20_000 },
        not_before: moment(50_000),
        origin: Origin::Trunk("carrier".into()),
        dialled: "1800".into(),
        arrived_at: moment(40),
        step: QueueStep {
            queue: "support".into(),
            skills: Vec::new(),
            priority_minutes: 2,
            max_wait_ms: None,
            music: None,
            language: "en".into(),
            announce_every_ms: None,
            comfort: None,
            record: true,
            wait_without_agents: true,
            ladder: Ladder::default(),
            callback: None,
        },
        customer: Some(CustomerId(5)),
    }
}

fn moment(ms: i64) -> Timestamp {
    Timestamp::from_ms(1_790_000_000_000 + ms)
}
