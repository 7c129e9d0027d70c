//! Accounts and the devices registered for them (RFC 3261 section 10.3), as plain data: who may
//! register is decided before, and messages are read and written elsewhere.

mod contact;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    endpoint::{Account, Binding, RegistrationLimits, RemovedWhy},
    flow::{ConnectionId, Flow},
    hashing::Seeded,
};

pub use contact::{ContactWish, Registration, Wishes};

/// All accounts and bindings of one endpoint.
#[derive(Debug)]
pub struct Registrar {
    limits: RegistrationLimits,
    records: HashMap<Arc<str>, Record, Seeded>,
    /// Ends of bindings in order of time; the number tells apart those of one instant.
    ends: BTreeMap<(Instant, u64), Arc<str>>,
    by_connection: HashMap<ConnectionId, Vec<Arc<str>>, Seeded>,
    next_serial: u64,
    bindings: usize,
}

#[derive(Debug)]
struct Record {
    account: Account,
    stored: Vec<Stored>,
}

#[derive(Debug)]
struct Stored {
    binding: Binding,
    serial: u64,
    /// What the device calls itself, whatever its addresses.
    instance: Option<Box<str>>,
    call_id: Box<str>,
    cseq: u32,
}

/// What became of one binding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// New.
    Added(Binding),
    /// Known already.
    Refreshed(Binding),
    /// Gone.
    Removed {
        /// Whose.
        account: Arc<str>,
        /// The contact as registered.
        contact: Arc<str>,
        /// Why.
        why: RemovedWhy,
        /// How many are left.
        left: usize,
    },
}

/// Why a registration was refused as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegisterError {
    /// There is no such account.
    #[error("no such account")]
    NoAccount,
    /// An older request arrived after a newer one (RFC 3261 section 10.3 step 7).
    #[error("older than what is registered")]
    OutOfOrder,
    /// A wish shorter than the least we grant.
    #[error("shorter than {0} s")]
    TooBrief(u32),
    /// More contacts than the account may have.
    #[error("too many contacts")]
    TooMany,
}

impl Registrar {
    pub(crate) fn new(limits: RegistrationLimits, hasher: Seeded) -> Self {
        Self {
            limits,
            records: HashMap::with_hasher(hasher),
            ends: BTreeMap::new(),
            by_connection: HashMap::with_hasher(hasher),
            next_serial: 0,
            bindings: 0,
        }
    }

    /// The account of a user.
    #[must_use]
    pub fn account(&self, user: &str) -> Option<&Account> {
        self.records.get(user).map(|record| &record.account)
    }

    /// Live bindings of a user, best `q` first.
    pub fn bindings(&self, user: &str) -> impl Iterator<Item = &Binding> {
        self.records.get(user).into_iter().flat_map(|record| record.stored.iter().map(|stored| &stored.binding))
    }

    /// What the device of a contact calls itself, whatever its addresses, if it does.
    pub(crate) fn instance(&self, user: &str, contact: &str) -> Option<&str> {
        let mut stored = self.records.get(user)?.stored.iter();
        stored.find(|stored| *stored.binding.contact == *contact)?.instance.as_deref()
    }

    /// How many bindings there are in all.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.bindings
    }

    /// When the next binding ends.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.ends.keys().next().map(|&(at, _)| at)
    }

    /// Adds or changes an account. Whoever registered with another password has to do it again: a device that
    /// was lost must not ring until its registration ends by itself.
    pub fn put_account(&mut self, account: Account) -> Vec<Change> {
        let known = self.records.get(&account.user).map(|record| (record.account.ha1_md5, record.account.ha1_sha256));
        let renewed = known.is_some_and(|known| known != (account.ha1_md5, account.ha1_sha256));
        let changes = if renewed { self.remove_where(&account.user, RemovedWhy::PasswordChanged, |_| true) } else { Vec::new() };
        match self.records.get_mut(&account.user) {
            Some(record) => record.account = account,
            None => {
                self.records.insert(account.user.clone(), Record { account, stored: Vec::new() });
            }
        }
        changes
    }

    /// Replaces all accounts.
    pub fn set_accounts(&mut self, accounts: Vec<Account>) -> Vec<Change> {
        let keep: std::collections::BTreeSet<Arc<str>> = accounts.iter().map(|account| account.user.clone()).collect();
        let mut gone: Vec<_> = self.records.keys().filter(|user| !keep.contains(*user)).cloned().collect();
        gone.sort_unstable();
        let mut changes: Vec<_> = gone.iter().flat_map(|user| self.remove_account(user)).collect();
        changes.extend(accounts.into_iter().flat_map(|account| self.put_account(account)));
        changes
    }

    /// Takes an account away, with its bindings.
    pub fn remove_account(&mut self, user: &str) -> Vec<Change> {
        let changes = self.remove_where(user, RemovedWhy::ByCommand, |_| true);
        self.records.remove(user);
        changes
    }

    /// Forgets one contact of a user, or all.
    pub fn unregister(&mut self, user: &str, contact: Option<&str>) -> Vec<Change> {
        self.remove_where(user, RemovedWhy::ByCommand, |stored| contact.is_none_or(|contact| *stored.binding.contact == *contact))
    }

    /// Puts back a binding known from before a restart; not one that is over, or without an account.
    pub fn restore(&mut self, now: Instant, binding: Binding) {
        let known = self.records.get(&binding.account);
        let room = known.is_some_and(|record| {
            record.stored.len() < record.account.max_bindings
                && record.stored.iter().all(|stored| stored.binding.contact != binding.contact)
        });
        if room && binding.expires_at > now {
            let _serial = self.store(binding, None, "", 0);
        }
    }

    /// Carries out a REGISTER of an account that has proved itself: all of it or nothing.
    ///
    /// # Errors
    /// Says why nothing was changed.
    pub fn register(&mut self, now: Instant, user: &str, registration: &Registration) -> Result<Vec<Change>, RegisterError> {
        let record = self.records.get(user).ok_or(RegisterError::NoAccount)?;
        record.check_order(registration)?;
        match &registration.wishes {
            Wishes::RemoveAll => Ok(self.remove_where(user, RemovedWhy::Unregistered, |_| true)),
            Wishes::Each(wishes) => {
                let asked = |wish: &ContactWish| wish.expires_s.unwrap_or(self.limits.default_expires_s);
                if wishes.iter().any(|wish| (1..self.limits.min_expires_s).contains(&asked(wish))) {
                    return Err(RegisterError::TooBrief(self.limits.min_expires_s));
                }
                if wishes.iter().filter(|wish| asked(wish) > 0).count() > record.account.max_bindings {
                    return Err(RegisterError::TooMany);
                }
                let mut changes = Vec::with_capacity(wishes.len());
                for wish in wishes {
                    self.apply(now, user, wish, registration, &mut changes);
                }
                Ok(changes)
            }
        }
    }

    fn apply(&mut self, now: Instant, user: &str, wish: &ContactWish, registration: &Registration, changes: &mut Vec<Change>) {
        let asked_s = wish.expires_s.unwrap_or(self.limits.default_expires_s);
        if asked_s == 0 {
            changes.extend(self.remove_where(user, RemovedWhy::Unregistered, |stored| stored.is_of(wish)));
            return;
        }
        let Some(record) = self.records.get(user) else { return };
        let most = record.account.max_bindings.max(1);
        let binding = Binding {
            account: record.account.user.clone(),
            contact: wish.contact.clone(),
            q: wish.q,
            expires_at: now + Duration::from_secs(u64::from(asked_s.min(self.limits.max_expires_s))),
            flow: registration.flow,
            user_agent: registration.user_agent.clone(),
            outbound: wish.outbound.clone(),
            path: Arc::clone(&registration.path),
        };
        let known = |stored: &Stored| stored.binding.outbound == wish.outbound && stored.binding.contact == wish.contact;
        let is_known = record.stored.iter().any(known);
        let _refreshed = self.remove_where(user, RemovedWhy::Replaced, known);
        // The new one first: a device that comes by another way is reachable all the time.
        let serial = self.store(binding.clone(), wish.instance.clone(), &registration.call_id, registration.cseq);
        changes.push(if is_known { Change::Refreshed(binding) } else { Change::Added(binding) });
        let before = |stored: &Stored| stored.serial != serial && stored.is_before(wish, &registration.call_id);
        changes.extend(self.remove_where(user, RemovedWhy::Replaced, before));
        while self.records.get(user).is_some_and(|record| record.stored.len() > most) {
            let others =
                self.records.get(user).into_iter().flat_map(|record| &record.stored).filter(|stored| stored.serial != serial);
            let soonest = others.min_by_key(|stored| stored.binding.expires_at).map(|stored| stored.serial);
            changes.extend(self.remove_where(user, RemovedWhy::Replaced, |stored| Some(stored.serial) == soonest));
        }
    }

    fn store(&mut self, binding: Binding, instance: Option<Box<str>>, call_id: &str, cseq: u32) -> u64 {
        let serial = self.next_serial;
        let Some(record) = self.records.get_mut(&binding.account) else { return serial };
        self.next_serial += 1;
        self.bindings += 1;
        self.ends.insert((binding.expires_at, serial), binding.account.clone());
        if let Some(connection) = connection_of(&binding.flow) {
            let users = self.by_connection.entry(connection).or_default();
            if !users.contains(&binding.account) {
                users.push(binding.account.clone());
            }
        }
        record.stored.push(Stored { binding, serial, instance, call_id: call_id.into(), cseq });
        record.stored.sort_by_key(|stored| (std::cmp::Reverse(stored.binding.q), stored.serial));
        serial
    }

    /// Bindings that are over.
    pub fn expire(&mut self, now: Instant) -> Vec<Change> {
        let mut changes = Vec::new();
        while let Some((&(at, serial), user)) = self.ends.first_key_value() {
            if at > now {
                break;
            }
            let user = user.clone();
            self.ends.pop_first();
            changes.extend(self.remove_where(&user, RemovedWhy::Expired, |stored| stored.serial == serial));
        }
        changes
    }

    /// A proxy says that its way to a contact is gone.
    pub fn flow_failed(&mut self, user: &str, contact: &str) -> Vec<Change> {
        self.remove_where(user, RemovedWhy::FlowFailed, |stored| *stored.binding.contact == *contact)
    }

    /// Bindings that came by a connection which is gone.
    pub fn connection_closed(&mut self, connection: ConnectionId) -> Vec<Change> {
        let users = self.by_connection.remove(&connection).unwrap_or_default();
        let by_it = |stored: &Stored| connection_of(&stored.binding.flow) == Some(connection);
        users.iter().flat_map(|user| self.remove_where(user, RemovedWhy::ConnectionClosed, by_it)).collect()
    }

    fn remove_where(&mut self, user: &str, why: RemovedWhy, goes: impl Fn(&Stored) -> bool) -> Vec<Change> {
        let Some(record) = self.records.get_mut(user) else { return Vec::new() };
        let gone: Vec<Stored> = record.stored.extract_if(.., |stored| goes(stored)).collect();
        let mut left = record.stored.len() + gone.len();
        let mut changes = Vec::with_capacity(gone.len());
        for Stored { binding, serial, .. } in gone {
            left -= 1;
            self.bindings -= 1;
            self.ends.remove(&(binding.expires_at, serial));
            self.forget_connection(&binding);
            changes.push(Change::Removed { account: binding.account, contact: binding.contact, why, left });
        }
        changes
    }

    /// Drops the index entry of a connection when its last binding of the account is gone.
    fn forget_connection(&mut self, gone: &Binding) {
        let Some(connection) = connection_of(&gone.flow) else { return };
        if self.bindings(&gone.account).any(|binding| connection_of(&binding.flow) == Some(connection)) {
            return;
        }
        if let Some(users) = self.by_connection.get_mut(&connection) {
            users.retain(|user| *user != gone.account);
            if users.is_empty() {
                self.by_connection.remove(&connection);
            }
        }
    }
}

impl Stored {
    /// Whether a wish is about this binding: the same flow of the same device (RFC 5626 section 6), or the same
    /// contact.
    fn is_of(&self, wish: &ContactWish) -> bool {
        match (&self.binding.outbound, &wish.outbound) {
            (Some(mine), Some(theirs)) => mine == theirs,
            _ => self.binding.contact == wish.contact,
        }
    }

    /// Whether what a wish registers takes the place of this: a flow that was opened again, or a device that began
    /// anew with another address; the old one leads nowhere any more.
    fn is_before(&self, wish: &ContactWish, call_id: &str) -> bool {
        let began_anew = self.binding.outbound.is_none() && *self.call_id != *call_id;
        let same_device = wish.instance.is_some() && self.instance == wish.instance;
        self.is_of(wish) || (same_device && wish.outbound.is_none() && began_anew)
    }
}

impl Record {
    fn check_order(&self, registration: &Registration) -> Result<(), RegisterError> {
        let touched = |stored: &&Stored| match &registration.wishes {
            Wishes::RemoveAll => true,
            Wishes::Each(wishes) => wishes.iter().any(|wish| stored.is_of(wish)),
        };
        let newer = |stored: &Stored| *stored.call_id == *registration.call_id && stored.cseq >= registration.cseq;
        if self.stored.iter().filter(touched).any(newer) { Err(RegisterError::OutOfOrder) } else { Ok(()) }
    }
}

const fn connection_of(flow: &Flow) -> Option<ConnectionId> {
    flow.connection
}
