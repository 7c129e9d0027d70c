//! Payments: the keys of a party whom nobody may hear, gathered in memory and handed out once.
//!
//! They go nowhere else: not to the call's core or its plan, whose state is written to the database, not to the trace, the
//! log or another leg. What was gathered is wiped when it was read, after a minute, and with its call as long as the payment
//! goes on; a restart forgets it.

use std::{collections::HashMap, fmt};

use tandem_media::hidden::HiddenKey;
use tandem_switch::{id::CallId, time::Timestamp};
use zeroize::Zeroize as _;

use super::{LegRef, media::MediaEdge};

/// How long what was gathered can be read after the payment ended, in ms.
const KEPT_MS: u64 = 60_000;
/// Keys that count; more are dropped.
const MOST_KEYS: usize = 64;
/// Payments whose keys wait to be read; with more, the oldest goes.
const MOST_WAITING: usize = 1_024;
/// A key that was held when the payment ended and is told in a message comes so late at most, in ms.
const AFTERMATH_MS: u64 = 2_000;

/// Text that cannot be printed or written, and is wiped when it is dropped.
#[derive(Default)]
pub struct Secret(String);

impl Secret {
    /// The text: for the one answer that it is meant for.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Never grows beyond its first memory, so that no copy stays behind.
    fn push(&mut self, key: HiddenKey) {
        if self.0.capacity() < MOST_KEYS {
            self.0.reserve_exact(MOST_KEYS);
        }
        if self.0.len() < MOST_KEYS {
            self.0.push(key.expose());
        }
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// All of one line loop.
#[derive(Debug, Default)]
pub struct Payments {
    /// Under way.
    open: HashMap<CallId, Open>,
    /// Over, and not read yet.
    waiting: HashMap<CallId, Waiting>,
}

#[derive(Debug)]
struct Open {
    payer: LegRef,
    keys: Secret,
}

#[derive(Debug)]
struct Waiting {
    payer: LegRef,
    keys: Secret,
    ended_at: Timestamp,
}

impl Payments {
    /// A payment of this leg is under way: nobody hears it from now on. `false`: that could not be brought about.
    #[must_use]
    pub fn hide(&mut self, payer: LegRef, media: &mut MediaEdge) -> bool {
        if self.open.get(&payer.call).is_some_and(|open| open.payer == payer) {
            return true;
        }
        if !media.mask(payer) {
            return false;
        }
        self.waiting.remove(&payer.call);
        self.open.insert(payer.call, Open { payer, keys: Secret::default() });
        true
    }

    /// No payment of the call is under way any more. What was gathered is gone, unless it was [`complete`](Self::complete).
    pub fn show(&mut self, call: CallId, media: &mut MediaEdge) {
        self.open.remove(&call);
        media.unmask(call);
    }

    /// What was gathered so far is for whoever asks: the payment ends in good order.
    pub fn complete(&mut self, call: CallId, now: Timestamp) {
        let Some(Open { payer, keys }) = self.open.remove(&call) else { return };
        if self.waiting.len() >= MOST_WAITING
            && let Some(oldest) = self.waiting.iter().min_by_key(|(_, waiting)| waiting.ended_at).map(|(call, _)| *call)
        {
            self.waiting.remove(&oldest);
        }
        self.waiting.insert(call, Waiting { payer, keys, ended_at: now });
    }

    /// Takes a key that the engine hid. It counts if it is one of a payment that is under way or just ended.
    pub fn pressed(&mut self, at: LegRef, key: HiddenKey) {
        if let Some(open) = self.open.get_mut(&at.call).filter(|open| open.payer == at) {
            open.keys.push(key);
        } else if let Some(waiting) = self.waiting.get_mut(&at.call).filter(|waiting| waiting.payer == at) {
            waiting.keys.push(key);
        }
    }

    /// Whether a key that a message told is nobody's: it was pressed in a payment.
    pub fn takes(&mut self, at: LegRef, key: char, now: Timestamp) -> bool {
        let is_open = self.open.get(&at.call).is_some_and(|open| open.payer == at);
        let just_ended = |waiting: &Waiting| waiting.payer == at && now < waiting.ended_at.plus_ms(AFTERMATH_MS);
        let is_taken = is_open || self.waiting.get(&at.call).is_some_and(just_ended);
        if is_taken {
            self.pressed(at, HiddenKey::new(key));
        }
        is_taken
    }

    /// What was gathered, once.
    pub fn read(&mut self, call: CallId) -> Option<Secret> {
        self.waiting.remove(&call).map(|waiting| waiting.keys)
    }

    /// Forgets what nobody read in time.
    pub fn expire(&mut self, now: Timestamp) {
        self.waiting.retain(|_, waiting| now < waiting.ended_at.plus_ms(KEPT_MS));
    }
}

#[cfg(test)]
mod tests {
    use tandem_switch::id::LegId;

    use super::*;

    const PAYER: LegRef = LegRef { call: CallId(1), leg: LegId(0) };

    fn paid(keys: &str) -> Payments {
        let mut payments = Payments::default();
        payments.open.insert(PAYER.call, Open { payer: PAYER, keys: Secret::default() });
        keys.chars().for_each(|key| payments.pressed(PAYER, HiddenKey::new(key)));
        payments
    }

    #[test]
    fn what_was_gathered_is_read_once_and_never_printed() {
        let mut payments = paid("4111");
        payments.pressed(LegRef { leg: LegId(1), ..PAYER }, HiddenKey::new('9'));
        assert!(payments.read(PAYER.call).is_none(), "before its end");
        payments.complete(PAYER.call, Timestamp(0));
        assert!(payments.takes(PAYER, '#', Timestamp(1_000_000)), "held at the end");
        assert!(!payments.takes(PAYER, '5', Timestamp(3_000_000)), "pressed afterwards");
        assert!(!format!("{payments:?} {:?}", HiddenKey::new('4')).contains('4'));
        assert_eq!(payments.read(PAYER.call).unwrap().expose(), "4111#");
        assert!(payments.read(PAYER.call).is_none());
    }

    #[test]
    fn nothing_waits_longer_than_a_minute_or_without_bound() {
        let mut payments = paid(&"1".repeat(1_000));
        payments.complete(PAYER.call, Timestamp(0));
        payments.expire(Timestamp(59_999_000));
        assert_eq!(payments.waiting[&PAYER.call].keys.expose().len(), MOST_KEYS);
        payments.expire(Timestamp(60_000_000));
        assert!(payments.read(PAYER.call).is_none());
        for n in 0..2 * MOST_WAITING as u64 {
            let payer = LegRef { call: CallId(n), ..PAYER };
            payments.open.insert(payer.call, Open { payer, keys: Secret::default() });
            payments.complete(payer.call, Timestamp(i64::try_from(n).unwrap()));
        }
        assert_eq!(payments.waiting.len(), MOST_WAITING);
        assert!(payments.read(CallId(0)).is_none() && payments.read(CallId(2 * MOST_WAITING as u64 - 1)).is_some());
    }
}
