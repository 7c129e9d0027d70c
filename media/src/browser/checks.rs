//! The full role of ICE (RFC 8445 sections 6 to 8): we check whether the other side is where its candidates say, and where
//! it checks us from; of what answers, one is chosen by the side that controls. Sans-I/O.
//!
//! - We have one address, and the one that a TURN server lends us: a pair is named by the other side's candidate, marked where
//!   the way goes by that server. There is one stream and one component: no pair
//!   waits for another of its foundation, as those of several streams do (section 6.1.2.6); they go by their priority.
//! - **Bounded** (section 19.5.1): 32 pairs in the life of a name and password, one new check in [`PACE`],
//!   each of them sent seven times at most. An address that is the victim of a lying description gets that, and no more.
//! - **Chosen** is by regular nomination (section 8.1.1): the best pair that answered, when nothing better is under way or
//!   was awaited for [`SETTLE`]. The side that does not control takes what is nominated once it answered us, too.
//! - **Roles** (sections 6.1.1 and 7.3.1.1): who has the lower tie-breaker gives in.
//! - A place that lost consent is not used again until a restart (RFC 7675 section 5.1).

use std::{
    collections::VecDeque,
    net::SocketAddr,
    time::{Duration, Instant},
};

use super::{
    Identity, Transaction,
    asks::{Answer, Timer, Wording, answered_in},
    consent::{self, Consent},
    pairs::{Pairs, State},
    stun::Said,
    terms::{CheckTerms, IceTerms},
};
use crate::turn::behind;

/// Time between two new checks (Ta of section 14.2).
const PACE: Duration = Duration::from_millis(50);
/// A check is sent again not before (section 14.3).
const LEAST_INTERVAL: Duration = Duration::from_millis(500);
/// So long better pairs are awaited when one answered.
const SETTLE: Duration = Duration::from_millis(300);
/// Checks whose answers are awaited at a time; the oldest makes room.
const MOST_ASKED: usize = 64;
/// That of the candidate that the other side would learn from our check (section 7.1.1): peer-reflexive.
const REFLEXIVE_PRIORITY: u32 = (110 << 24) | (65_535 << 8) | 255;
/// The same of one that goes by a TURN server: below the other one.
const LENT_PRIORITY: u32 = (110 << 24) | (65_534 << 8) | 255;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Way,
    Nomination,
    Consent,
}

/// A check whose answer is awaited.
#[derive(Debug)]
struct Asked {
    id: Transaction,
    remote: SocketAddr,
    purpose: Purpose,
    /// The role that it says we have.
    is_controlling: bool,
    bytes: Vec<u8>,
    timer: Timer,
}

/// The checks of one name and password.
#[derive(Debug)]
pub(super) struct Checks {
    username: String,
    password: String,
    is_controlling: bool,
    tie_breaker: u64,
    pairs: Pairs,
    /// What is checked before all others (section 7.3.1.4).
    triggered: VecDeque<SocketAddr>,
    asked: Vec<Asked>,
    /// No new check before.
    next_at: Instant,
    /// When what answered is good enough.
    settled_at: Option<Instant>,
    selected: Option<SocketAddr>,
    /// Something was selected and lost: who controls chooses once (section 8.1.1).
    is_over: bool,
    /// That of where packets go, which may be a place of before a restart.
    consent: Option<Consent>,
    requests: VecDeque<(SocketAddr, Vec<u8>)>,
}

impl Checks {
    /// Of what was agreed. `consent` is that of the place before a restart.
    pub(super) fn new(now: Instant, ice: &IceTerms, checks: &CheckTerms, consent: Option<Consent>, identity: &Identity) -> Self {
        let mut checks = Self {
            username: format!("{}:{}", ice.their_ufrag, ice.ufrag),
            password: checks.their_password.clone(),
            is_controlling: checks.is_controlling,
            tie_breaker: identity.random().map_or(0, u64::from_be_bytes),
            pairs: Pairs::new(&checks.candidates),
            triggered: VecDeque::new(),
            asked: Vec::new(),
            next_at: now,
            settled_at: None,
            selected: None,
            is_over: false,
            consent,
            requests: VecDeque::new(),
        };
        checks.tick(now, identity);
        checks
    }

    /// The next request to send.
    pub(super) fn transmit(&mut self) -> Option<(SocketAddr, Vec<u8>)> {
        self.requests.pop_front()
    }

    /// Where packets go.
    pub(super) const fn selected(&self) -> Option<SocketAddr> {
        self.selected
    }

    #[cfg(test)]
    pub(super) const fn is_controlling(&self) -> bool {
        self.is_controlling
    }

    /// The consent that goes on through a restart.
    pub(super) const fn consent(&self) -> Option<Consent> {
        self.consent
    }

    /// Whether it answered a check.
    pub(super) fn has_answered(&self, place: SocketAddr) -> bool {
        self.pairs.state(place) == Some(State::Succeeded)
    }

    /// Whether any place did.
    pub(super) fn has_ways(&self) -> bool {
        self.pairs.has(State::Succeeded)
    }

    /// Whether something is to be done in steps of [`PACE`].
    pub(super) fn is_busy(&self) -> bool {
        !self.triggered.is_empty() || self.pairs.open().next().is_some() || self.may_choose() && self.has_ways()
    }

    /// Whether a request has the role that we have and keep (section 7.3.1.1). Whoever has the lower tie-breaker gives in.
    pub(super) fn is_conflict(&mut self, said: &Said) -> bool {
        let Some((is_controlling, theirs)) = said.role else { return false };
        if is_controlling != self.is_controlling {
            return false;
        }
        // Between two that control the higher one stays so; between two that do not, the higher one begins to.
        let is_ours = self.tie_breaker >= theirs;
        if is_ours == self.is_controlling {
            return true;
        }
        self.change_role();
        false
    }

    /// They checked us from there with the right password (sections 7.3.1.3 to 7.3.1.5).
    pub(super) fn was_checked(&mut self, now: Instant, from: SocketAddr, said: &Said, identity: &Identity) {
        self.pairs.add(from, said.priority);
        let is_nominated = said.is_nominated && !self.is_controlling;
        let Some(pair) = self.pairs.get_mut(from) else { return };
        pair.is_nominated |= is_nominated;
        match pair.state {
            State::Lost => {}
            State::Succeeded if is_nominated => self.select(now, from, identity),
            State::Succeeded => {}
            State::Waiting | State::Failed | State::InProgress => {
                pair.state = State::Waiting;
                // What is under way to there may have been too early; its answer counts on.
                self.asked.iter_mut().filter(|asked| asked.remote == from).for_each(|asked| asked.timer.stop());
                self.trigger(from);
            }
        }
        self.tick(now, identity);
    }

    /// Takes an answer. `true`: it proved that the peer is there.
    pub(super) fn was_answered(&mut self, now: Instant, from: SocketAddr, datagram: &[u8], identity: &Identity) -> bool {
        let Some(at) = answered_in(datagram).and_then(|id| self.asked.iter().position(|asked| asked.id == id)) else {
            return false;
        };
        let Some(answer) = Answer::read(datagram, &self.password, identity.crypto()) else { return false };
        let asked = self.asked.swap_remove(at);
        // Section 7.2.5.2.1: who answers from elsewhere is not reached by this way.
        let is_symmetric = from == asked.remote;
        let is_proof = is_symmetric && answer == Answer::Success;
        match answer {
            Answer::Success if is_symmetric => self.succeeded(now, &asked, identity),
            Answer::RoleConflict if is_symmetric && asked.purpose != Purpose::Consent => {
                if asked.is_controlling == self.is_controlling {
                    self.change_role();
                    self.tie_breaker = identity.random().map_or(0, u64::from_be_bytes);
                }
                self.pairs.set(asked.remote, State::Waiting);
                self.trigger(asked.remote);
            }
            // An answer that gives no consent takes none: it lasts until it ends.
            _ if asked.purpose == Purpose::Consent => {}
            _ => self.pairs.set(asked.remote, State::Failed),
        }
        self.tick(now, identity);
        is_proof
    }

    /// Does what is due.
    pub(super) fn tick(&mut self, now: Instant, identity: &Identity) {
        self.repeat(now);
        if now >= self.next_at
            && let Some(remote) = self.next()
        {
            self.pairs.set(remote, State::InProgress);
            self.ask(now, remote, Purpose::Way, identity);
            self.next_at = now + PACE;
        }
        self.nominate(now, identity);
        if let (Some(place), Some(consent)) = (self.selected, &mut self.consent)
            && now >= consent.ask_at
        {
            consent.asked(now, chance(identity));
            self.ask(now, place, Purpose::Consent, identity);
        }
    }

    /// When [`tick`](Self::tick) has something to do.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let is_waiting = !self.triggered.is_empty() || self.pairs.has(State::Waiting);
        let settled_at = self.settled_at.filter(|_| self.may_choose() && self.has_ways() && !self.is_nominating());
        let asking = self.consent.filter(|_| self.selected.is_some()).map(|consent| consent.ask_at);
        let asked = self.asked.iter().map(|asked| asked.timer.due).min();
        let consent = self.consent.map(|consent| consent.until);
        [is_waiting.then_some(self.next_at), settled_at, asking, asked, consent].into_iter().flatten().min()
    }

    /// Forgets where packets went when its consent ran out; whether it did.
    pub(super) fn ran_out(&mut self, now: Instant) -> bool {
        let is_over = self.consent.take_if(|consent| now >= consent.until).is_some();
        if let Some(place) = self.selected.take_if(|_| is_over) {
            self.is_over = true;
            self.pairs.set(place, State::Lost);
            self.asked.retain(|asked| asked.remote != place);
        }
        is_over
    }

    /// Whether it is on us to nominate.
    const fn may_choose(&self) -> bool {
        self.is_controlling && self.selected.is_none() && !self.is_over
    }

    fn is_nominating(&self) -> bool {
        self.asked.iter().any(|asked| asked.purpose == Purpose::Nomination)
    }

    fn trigger(&mut self, remote: SocketAddr) {
        if !self.triggered.contains(&remote) {
            self.triggered.push_back(remote);
        }
    }

    fn change_role(&mut self) {
        self.is_controlling = !self.is_controlling;
        self.pairs.forget_nominations();
    }

    /// Whom to check next.
    fn next(&mut self) -> Option<SocketAddr> {
        while let Some(remote) = self.triggered.pop_front() {
            if self.pairs.state(remote) == Some(State::Waiting) {
                return Some(remote);
            }
        }
        self.pairs.best(State::Waiting, self.is_controlling).map(|pair| pair.remote)
    }

    /// Sends again what was not answered, and gives up what never is.
    fn repeat(&mut self, now: Instant) {
        let mut given_up = Vec::new();
        let requests = &mut self.requests;
        self.asked.retain_mut(|asked| {
            if now < asked.timer.due {
                return true;
            }
            let is_alive = asked.timer.again();
            if is_alive {
                requests.push_back((asked.remote, asked.bytes.clone()));
            } else {
                given_up.push((asked.remote, asked.purpose));
            }
            is_alive
        });
        for (remote, purpose) in given_up {
            self.give_up(remote, purpose);
        }
    }

    /// A check was not answered. Another one may be under way to there.
    fn give_up(&mut self, remote: SocketAddr, purpose: Purpose) {
        let is_asked = self.asked.iter().any(|asked| asked.remote == remote && asked.purpose != Purpose::Consent);
        let is_open = self.pairs.state(remote) == Some(State::InProgress);
        let is_unchosen = purpose == Purpose::Nomination && self.selected != Some(remote);
        if !is_asked && (is_open || is_unchosen) {
            self.pairs.set(remote, State::Failed);
        }
    }

    fn ask(&mut self, now: Instant, remote: SocketAddr, purpose: Purpose, identity: &Identity) {
        let wording = Wording {
            username: &self.username,
            password: &self.password,
            is_controlling: self.is_controlling,
            tie_breaker: self.tie_breaker,
            priority: if behind(remote).is_some() { LENT_PRIORITY } else { REFLEXIVE_PRIORITY },
            nominates: purpose == Purpose::Nomination,
        };
        let Some((id, bytes)) = wording.request(identity) else { return };
        let under_way = self.pairs.open().count();
        let interval = LEAST_INTERVAL.max(PACE * u32::try_from(under_way).unwrap_or(u32::MAX));
        let timer = match purpose {
            // Asked anew instead of again (RFC 7675 section 5.1).
            Purpose::Consent => Timer::once(now, consent::LASTS),
            Purpose::Way | Purpose::Nomination => Timer::new(now, interval),
        };
        if self.asked.len() >= MOST_ASKED {
            let oldest = self.asked.remove(0);
            self.give_up(oldest.remote, oldest.purpose);
        }
        self.requests.push_back((remote, bytes.clone()));
        self.asked.push(Asked { id, remote, purpose, is_controlling: self.is_controlling, bytes, timer });
    }

    /// Section 7.2.5.3.
    fn succeeded(&mut self, now: Instant, asked: &Asked, identity: &Identity) {
        let place = asked.remote;
        let Some(pair) = self.pairs.get_mut(place).filter(|pair| pair.state != State::Lost) else { return };
        pair.state = State::Succeeded;
        let is_nominated = pair.is_nominated;
        self.asked.retain(|asked| asked.remote != place || asked.purpose != Purpose::Way);
        self.settled_at.get_or_insert(now + SETTLE);
        let is_chosen = if self.is_controlling { asked.purpose == Purpose::Nomination } else { is_nominated };
        if self.selected == Some(place) {
            self.consent.iter_mut().for_each(|consent| consent.renew(now));
        } else if is_chosen && (self.may_choose() || !self.is_controlling) {
            self.select(now, place, identity);
        }
    }

    /// Chooses a pair when that is on us and it is time (section 8.1.1).
    fn nominate(&mut self, now: Instant, identity: &Identity) {
        let Some(settled_at) = self.settled_at else { return };
        if !self.may_choose() || self.is_nominating() {
            return;
        }
        let Some(best) = self.pairs.best(State::Succeeded, self.is_controlling) else { return };
        let priority = best.priority(self.is_controlling);
        let has_better = self.pairs.open().any(|pair| pair.priority(self.is_controlling) > priority);
        if !has_better || now >= settled_at {
            self.ask(now, best.remote, Purpose::Nomination, identity);
        }
    }

    /// Packets go there from now on, and nothing else is checked of ourselves (section 8.1.2).
    fn select(&mut self, now: Instant, place: SocketAddr, identity: &Identity) {
        if self.selected == Some(place) {
            return;
        }
        self.selected = Some(place);
        self.consent = Some(Consent::new(now, chance(identity)));
        self.triggered.clear();
        self.asked.retain(|asked| asked.remote == place);
        self.pairs.close();
    }
}

fn chance(identity: &Identity) -> u16 {
    identity.random().map_or(0, u16::from_be_bytes)
}
