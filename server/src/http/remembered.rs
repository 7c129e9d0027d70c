//! Who was let in a while ago, for while the database is away: supervisors look at the floor then more than ever.
//!
//! Nobody is let in who was not known before, and nobody for longer than a while: whoever revokes a token meanwhile cannot be
//! heard either.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use ring::digest::{SHA256, digest};
use tandem_switch::time::Timestamp;
use tokio::time::timeout;

use crate::store::StoreError;

/// Whoever was known so long ago is not any more.
const HOLDS_MS: u64 = 15 * 60 * 1_000;
/// A database that says nothing for so long is away.
const PATIENCE: Duration = Duration::from_millis(500);
/// It is asked again after so long, in ms; until then whoever is remembered does not wait for it.
const AWAY_MS: u64 = 2_000;
/// People and programs that are remembered.
const MOST: usize = 1_024;

/// Who was let in. What they showed is kept as a digest.
#[derive(Debug)]
pub(super) struct Remembered<Who>(Mutex<Inner<Who>>);

#[derive(Debug)]
struct Inner<Who> {
    known: HashMap<[u8; 32], (Who, Timestamp)>,
    away_since: Option<Timestamp>,
}

impl<Who> Default for Remembered<Who> {
    fn default() -> Self {
        Self(Mutex::new(Inner { known: HashMap::new(), away_since: None }))
    }
}

impl<Who: Clone> Remembered<Who> {
    /// Asks the database who shows this. While it is away, whoever it knew a short while ago is let in.
    pub(super) async fn ask(
        &self,
        shown: &str,
        now: Timestamp,
        question: impl Future<Output = Result<Option<Who>, StoreError>>,
    ) -> Result<Option<Who>, StoreError> {
        let mut key = [0; 32];
        key.copy_from_slice(digest(&SHA256, shown.as_bytes()).as_ref());
        if let Some(who) = self.while_away(&key, now) {
            return Ok(Some(who));
        }
        let known = self.inner(|inner| inner.known.get(&key).filter(|(_, at)| now.ms_since(*at) < HOLDS_MS).cloned());
        let answer = match known {
            // Whoever is not remembered waits for it.
            None => question.await,
            Some((who, _)) => match timeout(PATIENCE, question).await {
                Ok(Ok(answer)) => Ok(answer),
                Ok(Err(_)) | Err(_) => {
                    self.inner(|inner| inner.away_since = Some(now));
                    return Ok(Some(who));
                }
            },
        };
        if let Ok(answer) = &answer {
            self.inner(|inner| inner.heard(key, answer.as_ref(), now));
        }
        answer
    }

    fn while_away(&self, key: &[u8; 32], now: Timestamp) -> Option<Who> {
        self.inner(|inner| {
            inner.away_since.filter(|since| now.ms_since(*since) < AWAY_MS)?;
            inner.known.get(key).filter(|(_, at)| now.ms_since(*at) < HOLDS_MS).map(|(who, _)| who.clone())
        })
    }

    fn inner<T>(&self, change: impl FnOnce(&mut Inner<Who>) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<Who: Clone> Inner<Who> {
    fn heard(&mut self, key: [u8; 32], who: Option<&Who>, now: Timestamp) {
        self.away_since = None;
        let Some(who) = who else {
            self.known.remove(&key);
            return;
        };
        if self.known.len() >= MOST && !self.known.contains_key(&key) {
            self.known.retain(|_, (_, at)| now.ms_since(*at) < HOLDS_MS);
        }
        if self.known.len() < MOST || self.known.contains_key(&key) {
            self.known.insert(key, (who.clone(), now));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    type Answer = Result<Option<&'static str>, StoreError>;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_ms(1_790_000_000_000 + ms)
    }

    #[tokio::test]
    async fn whoever_was_known_is_let_in_for_a_while_and_a_no_counts_at_once() {
        let known: Remembered<&'static str> = Remembered::default();
        let yes = || ready(Answer::Ok(Some("ada")));
        assert_eq!(known.ask("a", at(0), yes()).await.ok(), Some(Some("ada")));
        assert_eq!(known.ask("a", at(1), pending::<Answer>()).await.ok(), Some(Some("ada")), "a database that hangs");
        assert_eq!(known.ask("a", at(2), pending::<Answer>()).await.ok(), Some(Some("ada")), "is not waited for again at once");
        let broken = || ready(Answer::Err(StoreError::BadUrl));
        assert_eq!(known.ask("a", at(3_000), broken()).await.ok(), Some(Some("ada")));
        assert!(known.ask("b", at(3_001), broken()).await.is_err(), "nobody else is let in");
        let old = i64::try_from(HOLDS_MS).unwrap_or(0);
        assert!(known.ask("a", at(old), broken()).await.is_err(), "and nobody for long");

        assert_eq!(known.ask("a", at(old), yes()).await.ok(), Some(Some("ada")));
        assert_eq!(known.ask("a", at(old + 1), ready(Answer::Ok(None))).await.ok(), Some(None), "they were shut out");
        assert!(known.ask("a", at(old + 2), broken()).await.is_err());
    }
}
