//! Words and keys that are no part of a plan.

/// Where a secret is kept. The plan itself never holds one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Secret {
    /// In an environment variable.
    Env(String),
    /// In a file, relative to the folder of the plan; its first line is the secret.
    File(String),
}
