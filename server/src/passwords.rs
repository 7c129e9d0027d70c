//! Passwords of logins: hashed by Argon2id (RFC 9106) with what OWASP asks for, a few at a time and off the loops.
//!
//! Who guesses must not take the processor from who talks: so many hashes are made at once, so many more wait, and what
//! comes then is refused.

use std::sync::{Arc, LazyLock};

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHasher as _, PasswordVerifier as _, phc::PasswordHash},
};
use tokio::sync::Semaphore;

use crate::store::Secret;

/// Memory of one hash, passes over it, and lanes (OWASP's cheat sheet on password storage).
const MEMORY_KIB: u32 = 19 * 1_024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// Hashes that are made at once.
const AT_ONCE: usize = 2;
/// Hashes that are made or waited for.
const PLACES: usize = 32;
/// Letters of passwords made here: none that looks like another one. 32 of them, so that a byte chooses evenly.
const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// There are as many passwords to look at as may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many passwords are looked at")]
pub(crate) struct Busy;

/// Makes and compares hashes, so many at a time.
#[derive(Clone, Debug)]
pub(crate) struct Passwords {
    places: Arc<Semaphore>,
    hands: Arc<Semaphore>,
}

impl Default for Passwords {
    fn default() -> Self {
        Self { places: Arc::new(Semaphore::new(PLACES)), hands: Arc::new(Semaphore::new(AT_ONCE)) }
    }
}

impl Passwords {
    async fn do_one<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Busy> {
        let _place = self.places.clone().try_acquire_owned().map_err(|_| Busy)?;
        let hand = self.hands.clone().acquire_owned().await.map_err(|_| Busy)?;
        // The hand goes along: who gives up waiting does not make room for one more.
        let done = tokio::task::spawn_blocking(move || {
            let _hand = hand;
            work()
        });
        done.await.map_err(|_| Busy)
    }

    /// The hash of a password, with a salt of its own.
    pub(crate) async fn hash(&self, password: String) -> Result<Secret, Busy> {
        self.do_one(move || hash(&password)).await
    }

    /// Whether a password is the one of a hash. Without a hash it takes as long and is not.
    pub(crate) async fn matches(&self, password: String, hash: Option<Secret>) -> Result<bool, Busy> {
        self.do_one(move || {
            let is_known = hash.is_some();
            let hash = hash.unwrap_or_else(|| NOBODYS.clone());
            let same =
                PasswordHash::new(hash.expose()).is_ok_and(|hash| hasher().verify_password(password.as_bytes(), &hash).is_ok());
            same && is_known
        })
        .await
    }
}

/// What is compared when there is no such user.
static NOBODYS: LazyLock<Secret> = LazyLock::new(|| hash(&made()));

fn hasher() -> Argon2<'static> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).expect("the constants are within Argon2's bounds");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

/// The hash of a password, here and now: some twenty milliseconds of one processor.
pub(crate) fn hash(password: &str) -> Secret {
    let mut salt = [0u8; 16];
    getrandom::fill(&mut salt).expect("the operating system gives random bytes");
    let hash = hasher().hash_password_with_salt(password.as_bytes(), &salt);
    hash.expect("a salt of 16 bytes and a bounded password are taken").to_string().into()
}

/// A password that nobody guesses: 100 random bits.
pub(crate) fn made() -> String {
    let mut bytes = [0u8; 20];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes.iter().map(|byte| char::from(LETTERS[usize::from(byte % 32)])).collect()
}

/// A password that a login may have.
///
/// # Errors
/// A sentence on what is expected.
pub(crate) fn read(text: &str) -> Result<&str, String> {
    let good = (12..=128).contains(&text.chars().count()) && !text.contains(char::is_control);
    good.then_some(text).ok_or_else(|| "the password of a login has 12 to 128 characters".into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

    use super::*;

    #[tokio::test]
    async fn a_password_matches_its_own_hash_only() {
        let passwords = Passwords::default();
        let kept = passwords.hash("correct horse battery".into()).await.unwrap();
        assert!(kept.expose().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", kept.expose());
        assert_ne!(passwords.hash("correct horse battery".into()).await.unwrap(), kept, "each has its own salt");
        assert!(passwords.matches("correct horse battery".into(), Some(kept.clone())).await.unwrap());
        assert!(!passwords.matches("correct horse batterx".into(), Some(kept)).await.unwrap());
        assert!(!passwords.matches("correct horse battery".into(), None).await.unwrap());
        assert!(!passwords.matches(String::new(), Some(Secret::from("no hash".to_owned()))).await.unwrap());
    }

    /// Of the reference implementation: `echo -n password | argon2 somesalt -id -t 2 -m 16 -p 1 -e`.
    #[test]
    fn hashes_of_other_programs_are_understood() {
        let known = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        let hash = PasswordHash::new(known).unwrap();
        assert!(hasher().verify_password(b"password", &hash).is_ok());
        assert!(hasher().verify_password(b"passwore", &hash).is_err());
    }

    #[tokio::test]
    async fn a_flood_of_guesses_is_refused_and_not_queued() {
        let passwords = Passwords::default();
        let places = passwords.places.clone().try_acquire_many_owned(u32::try_from(PLACES).unwrap()).unwrap();
        assert_eq!(passwords.matches("x".into(), None).await, Err(Busy));
        drop(places);
        assert_eq!(passwords.matches("x".into(), None).await, Ok(false));
    }

    #[test]
    fn made_passwords_are_such_as_may_be_set() {
        assert!(read(&made()).is_ok() && made() != made());
        assert!(read("eleven char").is_err() && read(&"x".repeat(129)).is_err() && read("twelve\nchars").is_err());
    }
}
