//! A PostgreSQL database of a test's own.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
};

/// A database, dropped with this.
#[derive(Debug)]
pub struct Database {
    server: String,
    name: String,
}

impl Database {
    /// A new, empty database called `name`, on the server that `TANDEM_TEST_POSTGRES` names; without it,
    /// on one that is started for this process.
    ///
    /// # Panics
    /// When PostgreSQL does not do it.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let given = std::env::var("TANDEM_TEST_POSTGRES").ok();
        let server = given.unwrap_or_else(|| Server::own().to_owned());
        let database = Self { server, name: format!("{name}_{}", std::process::id()) };
        database.sql(&format!("create database {}", database.name));
        database
    }

    /// Its address for `--database`.
    #[must_use]
    pub fn url(&self) -> String {
        let (server, _) = self.server.rsplit_once('/').expect("a database in TANDEM_TEST_POSTGRES");
        format!("{server}/{}", self.name)
    }

    /// Throws everybody out and lets nobody in.
    pub fn shut(&self) {
        self.sql(&format!("alter database {} with allow_connections false", self.name));
        self.sql(&format!("select pg_terminate_backend(pid) from pg_stat_activity where datname = '{}'", self.name));
    }

    /// Lets everybody in again.
    pub fn open(&self) {
        self.sql(&format!("alter database {} with allow_connections true", self.name));
    }

    /// Keeps everybody from tables, readers too, until this is dropped.
    ///
    /// # Panics
    /// When PostgreSQL does not do it.
    #[must_use]
    pub fn hold(&self, tables: &str) -> Held {
        let mut psql = Command::new("psql")
            .args(["-q", "-X", "-t", "-v", "ON_ERROR_STOP=1", &self.url()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("psql runs");
        let command = format!("begin; lock table {tables} in access exclusive mode; select 'held';\n");
        psql.stdin.as_mut().expect("piped").write_all(command.as_bytes()).expect("psql listens");
        let mut said = String::new();
        BufReader::new(psql.stdout.as_mut().expect("piped")).read_line(&mut said).expect("psql says so");
        assert_eq!(said.trim(), "held");
        Held(psql)
    }

    fn sql(&self, command: &str) {
        let out = Command::new("psql")
            .args(["-q", "-X", "-v", "ON_ERROR_STOP=1", "-c", command, &self.server])
            .output()
            .expect("psql runs");
        assert!(out.status.success(), "{command}: {}", String::from_utf8_lossy(&out.stderr));
    }
}

/// Tables that nobody reads.
#[derive(Debug)]
pub struct Held(Child);

impl Drop for Held {
    fn drop(&mut self) {
        // The end of its input is the end of its transaction.
        drop(self.0.stdin.take());
        let _ended = self.0.wait();
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        self.sql(&format!("drop database {} with (force)", self.name));
    }
}

/// A server that runs until this process ends: a watchdog stops it.
struct Server;

impl Server {
    fn own() -> &'static str {
        static URL: OnceLock<String> = OnceLock::new();
        URL.get_or_init(|| {
            let folder = std::env::temp_dir().join(format!("tandem-{}-postgres", std::process::id()));
            let out = script(&["start", &folder.to_string_lossy()]);
            let url = out.trim().rsplit_once('=').expect("`export TANDEM_TEST_POSTGRES=…`").1.to_owned();
            let stop =
                format!("while kill -0 {}; do sleep 1; done; {} stop {}", std::process::id(), path().display(), folder.display());
            let watchdog = format!("({stop}) >/dev/null 2>&1 &");
            let started = Command::new("bash").args(["-c", &watchdog]).status().expect("bash runs");
            assert!(started.success(), "the watchdog does not start");
            url
        })
    }
}

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("postgres.sh")
}

fn script(arguments: &[&str]) -> String {
    let out = Command::new(path()).args(arguments).output().expect("tests/postgres.sh runs");
    assert!(out.status.success(), "tests/postgres.sh: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8_lossy(&out.stdout).into_owned()
}
