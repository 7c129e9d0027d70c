//! The gate: decides of each message, before the endpoint reads it, whether it is heard.
//!
//! - **Overload.** When messages wait too long ([`Load`]), new calls are refused with 503 and Retry-After, made from
//!   the bytes of the request at once (`refusal`), so many that those that are let in are served well (`pressure`).
//!   Who comes first says [`Class`]. What belongs to something that is under way is never refused.
//! - **Sources.** What an address may send has a bound (`Prefix`: an IPv6 customer is one source). Who guesses
//!   passwords, scans or floods is not heard for a while, and longer each time ([`Ban`]).
//! - **Scanners** get no answer (`scanners`).
//!
//! **Addresses of datagrams can be forged.** A source is banned only for what proves its address: what came by a
//! connection, and wrong passwords for a nonce that was sent there. And whoever is known is heard in spite of a ban of
//! their address and has a measure of their own: carriers, the allow-list, and devices that proved a password, by the
//! flow (address, port, transport) that they proved it on.
//!
//! It is a core: no clock, no sockets. It knows no dialogs; whether a request is a repetition it asks of the caller.

mod bans;
mod contract;
mod peek;
mod prefix;
mod pressure;
mod refusal;
mod scanners;
#[cfg(test)]
mod tests;

use std::{
    collections::{HashMap, HashSet, VecDeque},
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

pub use bans::{Ban, Offence};
pub use contract::{Dropped, GateSettings, News, SourceLimits, Tally, Verdict};
pub use prefix::Prefix;
pub use pressure::{Class, Load};
pub use refusal::Refusal;

use crate::{
    buckets::{Buckets, TOKEN},
    flow::{Flow, Transport},
    hashing::Seeded,
    message::Via,
};

use bans::Bans;
use peek::Peek;
use pressure::{CALL, Pressure};

/// What was turned away is told so often, in ms.
const TELL_MS: u64 = 10_000;
/// A flow on which somebody made a call is known for so long after it.
const KNOWN_FOR: Duration = Duration::from_secs(600);
/// Flows that are known at most; more stay strangers.
const MOST_FLOWS: usize = 200_000;
/// The ACK of a refusal comes within 64 T1, in ms.
const ACK_MS: u64 = 32_000;
/// Shorter than any request: the keep-alives of devices behind NATs.
const KEEP_ALIVE_BYTES: usize = 4;
/// Of numbers that are expected back, so many last digits count: the other side may write them in another form.
const TAIL_DIGITS: usize = 9;
/// `Retry-After` in seconds: this and up to [`RETRY_SPREAD_S`] more, so that not all come back at once.
const RETRY_S: u32 = 5;
const RETRY_SPREAD_S: u32 = 10;
/// What a request of a stranger costs that is no call, in thousandths of one, while new calls are refused.
const SMALL: u64 = CALL / 4;

/// Somebody who proved a password.
#[derive(Debug)]
struct Device {
    account: Arc<str>,
    until: u64,
}

/// How far a sender is known.
enum Standing {
    /// A carrier, or on the allow-list.
    Trusted,
    Device(Arc<str>),
    Stranger(Prefix),
}

/// The gate. See the module.
#[derive(Debug)]
pub struct Gate {
    settings: GateSettings,
    started: Option<Instant>,
    now: u64,
    hasher: Seeded,
    pressure: Pressure,
    devices: HashMap<(Transport, SocketAddr), Device, Seeded>,
    on_duty: HashSet<Arc<str>>,
    /// Callers whose place is kept: the ends of their numbers, and until when.
    expected: HashMap<Box<[u8]>, u64, Seeded>,
    requests: Buckets<Prefix>,
    calls: Buckets<Prefix>,
    device_requests: Buckets<(Transport, SocketAddr)>,
    device_calls: Buckets<(Transport, SocketAddr)>,
    patience: Buckets<Prefix>,
    emergencies: Buckets<()>,
    device_emergencies: Buckets<(Transport, SocketAddr)>,
    bans: Bans,
    news: VecDeque<News>,
    tally: Tally,
    told_at: u64,
}

impl Gate {
    /// A gate that knows nobody. Two gates never share a seed.
    #[must_use]
    pub fn new(settings: GateSettings, limits: &SourceLimits, seed: [u64; 2]) -> Self {
        let hasher = Seeded::new(seed[0], seed[1]);
        let forgiven = TOKEN * 1_000 / limits.forgiven_ms.max(1);
        fn pair<K: Clone + Eq + std::hash::Hash>((rate, burst): (u32, u32), most: usize, hasher: Seeded) -> Buckets<K> {
            Buckets::new(rate, burst, most, hasher)
        }
        Self {
            pressure: Pressure::new(settings.max_calls),
            settings,
            started: None,
            now: 0,
            hasher,
            devices: HashMap::with_hasher(hasher),
            on_duty: HashSet::new(),
            expected: HashMap::with_hasher(hasher),
            requests: pair(limits.requests, limits.most, hasher),
            calls: pair(limits.calls, limits.most, hasher),
            device_requests: pair(limits.device_requests, limits.most, hasher),
            device_calls: pair(limits.device_calls, limits.most, hasher),
            patience: Buckets::fine(forgiven, limits.offences, limits.most, hasher),
            emergencies: pair(limits.emergencies, 1, hasher),
            device_emergencies: pair(limits.device_emergencies, limits.most, hasher),
            bans: Bans::new(hasher),
            news: VecDeque::new(),
            tally: Tally::default(),
            told_at: 0,
        }
    }

    /// Takes new settings.
    pub fn set(&mut self, settings: GateSettings) {
        self.pressure.set_max_calls(settings.max_calls);
        self.settings = settings;
    }

    /// The next thing that happened.
    pub fn poll(&mut self) -> Option<News> {
        self.news.pop_front()
    }

    /// How the loop is doing. To be told about ten times a second.
    pub fn look(&mut self, now: Instant, load: &Load) {
        let now = self.observe(now);
        if self.pressure.look(now, load) {
            self.news.push_back(News::Shedding(self.pressure.calls_per_s()));
        }
        if now.saturating_sub(self.told_at) >= TELL_MS {
            self.told_at = now;
            self.bans.tidy(now);
            self.devices.retain(|_, device| device.until > now);
            self.expected.retain(|_, until| *until > now);
            let tally = std::mem::take(&mut self.tally);
            if tally != Tally::default() {
                self.news.push_back(News::Turned(tally));
            }
        }
    }

    /// New calls a second that are let in; `None` for all.
    #[must_use]
    pub fn calls_per_s(&self) -> Option<u64> {
        self.pressure.calls_per_s()
    }

    /// A device proved itself on a flow: it is known there until then.
    pub fn know(&mut self, now: Instant, flow: &Flow, account: &Arc<str>, until: Instant) {
        let now_ms = self.observe(now);
        let until = now_ms + millis(until.saturating_duration_since(now));
        let key = (flow.transport, flow.remote);
        if self.devices.len() < MOST_FLOWS || self.devices.contains_key(&key) {
            let device = self.devices.entry(key).or_insert_with(|| Device { account: Arc::clone(account), until });
            (device.account, device.until) = (Arc::clone(account), until.max(device.until));
        }
    }

    /// A device made a call on a flow.
    pub fn proved(&mut self, now: Instant, flow: &Flow, account: &Arc<str>) {
        self.know(now, flow, account, now + KNOWN_FOR);
    }

    /// An agent is on duty, or no longer.
    pub fn set_on_duty(&mut self, account: &str, is: bool) {
        if is {
            self.on_duty.insert(account.into());
        } else {
            self.on_duty.remove(account);
        }
    }

    /// The place of a caller is kept for so long.
    pub fn expect_back(&mut self, now: Instant, number: &str, for_ms: u64) {
        let until = self.observe(now) + for_ms;
        if let Some(tail) = tail(number.as_bytes()) {
            self.expected.insert(tail.into(), until);
        }
    }

    /// A wrong password. `proved`: for a nonce that was sent to this address, or over a connection.
    pub fn wrong_password(&mut self, now: Instant, source: IpAddr, proved: bool) {
        self.observe(now);
        if proved && !self.is_allowed(source) {
            self.offend(Prefix::of(source), Offence::Passwords, TOKEN);
        }
    }

    /// Puts back a ban of before a restart.
    pub fn restore(&mut self, now: Instant, ban: Ban) {
        let now = self.observe(now);
        self.bans.put(now, ban);
    }

    /// Hears a source again; `false` when it was not banned.
    pub fn lift(&mut self, source: Prefix) -> bool {
        self.patience.forgive(&source);
        self.bans.lift(self.now, source)
    }

    /// The sources that are not heard now.
    #[must_use]
    pub fn bans(&self) -> Vec<Ban> {
        self.bans.list(self.now)
    }

    /// What becomes of a message. `is_carrier`: its flow is one of a trunk. `is_known`: whether the endpoint has this
    /// request already, by its topmost Via.
    pub fn judge(
        &mut self,
        now: Instant,
        (flow, bytes): (&Flow, &[u8]),
        is_carrier: bool,
        is_known: impl FnOnce(&Via<'_>, &str) -> bool,
    ) -> Verdict {
        let now = self.observe(now);
        let standing = self.standing(flow, is_carrier);
        if let Standing::Stranger(source) = standing
            && self.bans.is_banned(now, source)
        {
            return self.dropped(Dropped::Banned);
        }
        if bytes.starts_with(b"SIP/2.0 ") || bytes.len() <= KEEP_ALIVE_BYTES {
            return Verdict::Pass;
        }
        let hurried = self.pressure.calls_per_s().is_some() || self.pressure.refused_within(now, ACK_MS);
        let is_invite = bytes.starts_with(b"INVITE ");
        if matches!(standing, Standing::Trusted) && !is_invite && !hurried {
            return Verdict::Pass;
        }
        let Some(peek) = Peek::request(bytes) else { return self.unreadable(&standing, flow) };
        let to_tag = peek.to_tag();
        if peek.method == b"ACK" && hurried && to_tag.is_some_and(refusal::is_ours) {
            return self.dropped(Dropped::Ack);
        }
        let is_emergency = peek.method == b"INVITE" && to_tag.is_none() && self.is_emergency(&standing, flow, &peek);
        if let Some(why) = self.over_bound(&standing, flow, &peek, (to_tag.is_some(), is_emergency)) {
            return self.dropped(why);
        }
        let class = match (peek.method, to_tag) {
            (_, Some(_)) | (b"ACK" | b"CANCEL", _) => return Verdict::Pass,
            (b"INVITE", None) if is_emergency => Class::Emergency,
            (b"INVITE", None) => self.class(&standing, &peek),
            _ if !matches!(standing, Standing::Stranger(_)) => return Verdict::Pass,
            _ => Class::New,
        };
        let cost = if !is_invite {
            SMALL
        } else if matches!(standing, Standing::Trusted) || peek.has_credentials {
            CALL
        } else {
            // It asks for a challenge: the call is the one that answers it.
            0
        };
        if self.pressure.admit(now, class, cost) { Verdict::Pass } else { self.refused(class, flow, &peek, is_known) }
    }

    fn observe(&mut self, now: Instant) -> u64 {
        let started = *self.started.get_or_insert(now);
        // Time begins at one, so that zero can mean never.
        self.now = self.now.max(millis(now.saturating_duration_since(started)) + 1);
        self.now
    }

    fn standing(&self, flow: &Flow, is_carrier: bool) -> Standing {
        if is_carrier || self.is_allowed(flow.remote.ip()) {
            return Standing::Trusted;
        }
        match self.devices.get(&(flow.transport, flow.remote)).filter(|device| device.until > self.now) {
            Some(device) => Standing::Device(Arc::clone(&device.account)),
            None => Standing::Stranger(Prefix::of(flow.remote.ip())),
        }
    }

    fn is_allowed(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.settings.allow.iter().any(|network| network.contains(address))
    }

    /// What is no request at all. Those who are known have it looked at by the endpoint.
    fn unreadable(&mut self, standing: &Standing, flow: &Flow) -> Verdict {
        let Standing::Stranger(source) = standing else { return Verdict::Pass };
        self.offended_by(flow, *source, Offence::Malformed, TOKEN / 2);
        self.requests.take(self.now, *source);
        self.dropped(Dropped::Malformed)
    }

    /// Why a request is not answered, if it is not. What else a source sends is no reason to leave an emergency alone.
    fn over_bound(
        &mut self,
        standing: &Standing,
        flow: &Flow,
        peek: &Peek<'_>,
        (in_dialog, is_emergency): (bool, bool),
    ) -> Option<Dropped> {
        let (now, key) = (self.now, (flow.transport, flow.remote));
        let cost = if in_dialog { TOKEN / 10 } else { TOKEN };
        let is_call = peek.method == b"INVITE" && !in_dialog;
        match standing {
            Standing::Trusted => None,
            Standing::Device(_) => {
                let within = self.device_requests.pay(now, key, cost) && (!is_call || self.device_calls.take(now, key));
                (!within && !is_emergency).then_some(Dropped::Rate)
            }
            Standing::Stranger(source) => {
                if scanners::is_scanner(peek) {
                    self.offended_by(flow, *source, Offence::Scan, 5 * TOKEN);
                    return Some(Dropped::Scanner);
                }
                let within = self.requests.pay(now, *source, cost) && (!is_call || self.calls.take(now, *source));
                if !within && !is_emergency {
                    self.offended_by(flow, *source, Offence::Flood, TOKEN / 50);
                    return Some(Dropped::Rate);
                }
                (!in_dialog && scanners::is_for_others(peek, &self.settings.hosts)).then_some(Dropped::OtherDomain)
            }
        }
    }

    /// A connection proves the address of whoever sends by it; a datagram does not.
    fn offended_by(&mut self, flow: &Flow, source: Prefix, offence: Offence, cost: u64) {
        if flow.transport.is_reliable() {
            self.offend(source, offence, cost);
        }
    }

    fn offend(&mut self, source: Prefix, offence: Offence, cost: u64) {
        if self.patience.pay(self.now, source, cost) {
            return;
        }
        if let Some(ban) = self.bans.ban(self.now, source, offence) {
            self.patience.forgive(&source);
            self.news.push_back(News::Banned(ban));
        }
    }

    /// Whether a call is one to an emergency number, and so comes before all. What anybody can dial has a bound: for
    /// all together who proved nothing, and for each device.
    fn is_emergency(&mut self, standing: &Standing, flow: &Flow, peek: &Peek<'_>) -> bool {
        let dialled = peek::user_of(peek.uri);
        let is_dialled = self.settings.emergency.iter().any(|number| number.as_bytes() == dialled);
        is_dialled
            && match standing {
                Standing::Trusted => true,
                Standing::Device(_) => self.device_emergencies.take(self.now, (flow.transport, flow.remote)),
                Standing::Stranger(_) => self.emergencies.take(self.now, ()),
            }
    }

    fn class(&self, standing: &Standing, peek: &Peek<'_>) -> Class {
        let is_expected = |user: &[u8]| {
            !self.expected.is_empty()
                && tail(user).and_then(|tail| self.expected.get(tail)).is_some_and(|until| *until > self.now)
        };
        match standing {
            Standing::Trusted if is_expected(peek::user_of(peek.from)) => Class::InQueue,
            Standing::Device(account) if is_expected(account.as_bytes()) => Class::InQueue,
            Standing::Device(account) if self.on_duty.contains(account) => Class::Agent,
            _ => Class::New,
        }
    }

    fn refused(&mut self, class: Class, flow: &Flow, peek: &Peek<'_>, is_known: impl FnOnce(&Via<'_>, &str) -> bool) -> Verdict {
        // What is not plain is left to the endpoint: it says what is wrong.
        let Some(via) = refusal::top_via(peek) else { return Verdict::Pass };
        if str::from_utf8(peek.method).is_ok_and(|method| is_known(&via, method)) {
            return Verdict::Pass;
        }
        let mark = self.hasher.short_key(&[peek.call_id, peek.cseq]);
        let spread = u32::try_from(mark % u64::from(RETRY_SPREAD_S + 1)).unwrap_or(0);
        match refusal::refuse(*flow, peek, &via, RETRY_S + spread, mark) {
            Some(refusal) => {
                let at = Class::ALL.iter().position(|known| *known == class).unwrap_or(0);
                self.tally.refused[at] += 1;
                Verdict::Refuse(class, refusal)
            }
            None => Verdict::Pass,
        }
    }

    fn dropped(&mut self, why: Dropped) -> Verdict {
        let at = Dropped::ALL.iter().position(|known| *known == why).unwrap_or(0);
        self.tally.dropped[at] += 1;
        Verdict::Drop(why)
    }
}

/// The end of a number; `None` for what is too short to tell callers apart.
fn tail(number: &[u8]) -> Option<&[u8]> {
    let from = number.len().saturating_sub(TAIL_DIGITS);
    Some(&number[from..]).filter(|tail| tail.len() >= 3)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
