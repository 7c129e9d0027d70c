//! An address that a TURN server lends us (RFC 8656), so that browsers which reach none of ours may reach that one.
//!
//! Sans-I/O: [`Client::handle`] takes what comes from the server, [`Client::tick`] the time, and [`Client::poll`] gives what
//! follows. It has one allocation, over UDP, which it keeps for as long as it lives: a port that streams share has one
//! client, so an address is there before a call needs it, and no call waits for a server.
//!
//! - **Who may send there** is on us: the server passes on what comes from addresses that we named (permissions, section 9).
//!   Whoever wants to hear from somebody says so with [`Client::permit`], and again each [`WANTED_FOR`] at least.
//! - **Channels** (section 12) spare 32 bytes a packet: [`Client::bind`] asks for one, and tells by a number that is read
//!   without a lock when it stands.
//! - **The server is not needed**: while it is away or refuses, there is no address, and we ask again from time to time.
//!   Whatever was lent before is gone then, with its permissions and channels.
//! - Its answers must prove to know the password (section 5), but those that tell how to prove it.

mod lent;
mod requests;
#[cfg(test)]
mod tests;

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU16, Ordering},
    },
    time::{Duration, Instant},
};

use crate::browser::{Identity, Timer, Transaction};
use lent::CHANNELS;
pub use lent::{MOST_FRAME_BYTES, Passed, behind, lent, passed, seen, wrapped};
use requests::{Answer, Ask, Login, answer};

/// A wish for a permission or a channel lasts so long.
pub const WANTED_FOR: Duration = Duration::from_secs(150);
/// So long permissions last (section 9).
const PERMISSION: Duration = Duration::from_secs(300);
/// So long channels last (section 12), and so long their number rests before it is another one's.
const CHANNEL: Duration = Duration::from_secs(600);
const CHANNEL_REST: Duration = Duration::from_secs(300);
/// What is wanted is asked for again so long before it ends.
const EARLY: Duration = Duration::from_secs(60);
/// After an attempt that nobody answered.
const AWAY: Duration = Duration::from_secs(15);
/// After one that was refused.
const REFUSED: Duration = Duration::from_secs(60);
/// The time before a request is sent again for the first time (RFC 8489 section 6.2.1).
const INTERVAL: Duration = Duration::from_millis(500);
/// Addresses that one request permits.
const AT_ONCE: usize = 16;
/// Requests whose answers are awaited at a time.
const MOST_ASKED: usize = 64;
/// Permissions at a time.
const MOST_PERMISSIONS: usize = 4_096;
/// A request is sent anew with other proofs so often.
const MOST_PROOFS: u8 = 3;

/// A server and who we are to it.
#[derive(Clone, PartialEq, Eq)]
pub struct Server {
    /// Where it is, by UDP.
    pub address: SocketAddr,
    /// Our name.
    pub username: String,
    /// Our password.
    pub password: String,
}

impl fmt::Debug for Server {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Server({}, {})", self.address, self.username)
    }
}

/// What follows from what came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// A datagram for the server.
    Send(Vec<u8>),
    /// It lends us that address from now on.
    Lent(SocketAddr),
    /// It lends us none any more, or none yet, and why.
    Lost(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// There is nothing; when to ask.
    Waiting(Instant),
    /// There is nothing, and the server was asked.
    Asking,
    /// There is an address, and when to ask for it to last longer.
    Lent(SocketAddr, Instant),
}

#[derive(Debug)]
struct Permission {
    wanted_until: Instant,
    /// `None`: the server has not granted it.
    until: Option<Instant>,
    /// Not before: it was asked, or it was refused.
    ask_at: Instant,
}

#[derive(Debug)]
struct Channel {
    number: u16,
    wanted_until: Instant,
    until: Option<Instant>,
    ask_at: Instant,
    /// The number for whoever sends, 0 while it does not stand.
    told: Arc<AtomicU16>,
}

/// A request whose answer is awaited.
#[derive(Debug)]
struct Asked {
    id: Transaction,
    ask: Ask,
    bytes: Vec<u8>,
    timer: Timer,
    /// How often it was made anew.
    proofs: u8,
    /// It proved to know the password.
    is_proved: bool,
}

/// One address of one server.
pub struct Client {
    server: Server,
    is_v6: bool,
    identity: Arc<Identity>,
    state: State,
    login: Option<Login>,
    permissions: HashMap<IpAddr, Permission>,
    channels: HashMap<SocketAddr, Channel>,
    numbers: HashMap<u16, SocketAddr>,
    next_number: u16,
    asked: Vec<Asked>,
    outputs: VecDeque<Output>,
}

impl Client {
    /// Nothing was asked. `is_v6`: the address is to be one of IPv6.
    pub fn new(now: Instant, server: Server, is_v6: bool, identity: &Arc<Identity>) -> Self {
        Self {
            server,
            is_v6,
            identity: Arc::clone(identity),
            state: State::Waiting(now),
            login: None,
            permissions: HashMap::new(),
            channels: HashMap::new(),
            numbers: HashMap::new(),
            next_number: *CHANNELS.start(),
            asked: Vec::new(),
            outputs: VecDeque::new(),
        }
    }

    /// Where the server is.
    pub const fn server(&self) -> SocketAddr {
        self.server.address
    }

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Whose a channel is.
    pub fn peer_of(&self, number: u16) -> Option<SocketAddr> {
        self.numbers.get(&number).copied()
    }

    /// We end: the server may lend the address to somebody else.
    pub fn release(&mut self, now: Instant) {
        if let State::Lent(..) = self.state {
            self.ask(now, Ask::Release, 0);
        }
    }

    /// Whoever is there may send to us by the server, for [`WANTED_FOR`].
    pub fn permit(&mut self, now: Instant, peer: IpAddr) {
        let wanted_until = now + WANTED_FOR;
        let has_room = self.permissions.len() < MOST_PERMISSIONS && peer.is_ipv6() == self.is_v6;
        if let Some(permission) = self.permissions.get_mut(&peer) {
            permission.wanted_until = wanted_until;
        } else if has_room {
            self.permissions.insert(peer, Permission { wanted_until, until: None, ask_at: now });
        }
    }

    /// Much is sent to that peer, for [`WANTED_FOR`] at least: by a channel, whose number is `told` while it stands.
    pub fn bind(&mut self, now: Instant, peer: SocketAddr, told: &Arc<AtomicU16>) {
        self.permit(now, peer.ip());
        let wanted_until = now + WANTED_FOR;
        if let Some(channel) = self.channels.get_mut(&peer) {
            if !Arc::ptr_eq(&channel.told, told) {
                told.store(channel.told.load(Ordering::Relaxed), Ordering::Relaxed);
                channel.told = Arc::clone(told);
            }
            channel.wanted_until = wanted_until;
            return;
        }
        let Some(number) = self.free_number().filter(|_| peer.is_ipv6() == self.is_v6) else { return };
        self.numbers.insert(number, peer);
        self.channels.insert(peer, Channel { number, wanted_until, until: None, ask_at: now, told: Arc::clone(told) });
    }

    fn free_number(&mut self) -> Option<u16> {
        let number = (self.next_number..=*CHANNELS.end()).chain(CHANNELS).find(|number| !self.numbers.contains_key(number))?;
        self.next_number = if number == *CHANNELS.end() { *CHANNELS.start() } else { number + 1 };
        Some(number)
    }

    /// Takes an answer of the server.
    pub fn handle(&mut self, now: Instant, datagram: &[u8]) {
        let Some(id) = requests::answered_in(datagram) else { return };
        let Some(at) = self.asked.iter().position(|asked| asked.id == id) else { return };
        let login = self.login.as_ref().filter(|_| self.asked[at].is_proved);
        // What proves nothing is as if it had not come.
        let Some(answer) = answer(datagram, &self.asked[at].ask, login, &self.identity) else { return };
        let asked = self.asked.swap_remove(at);
        match answer {
            Answer::Granted { relayed, lifetime } => self.granted(now, asked.ask, relayed, lifetime),
            Answer::Prove { realm, nonce, is_stale } => {
                let is_known = asked.is_proved && !is_stale;
                let login = Login::new(&self.server, realm, nonce, &self.identity);
                match login.filter(|_| !is_known && asked.proofs < MOST_PROOFS) {
                    Some(login) => {
                        self.login = Some(login);
                        self.ask(now, asked.ask, asked.proofs + 1);
                    }
                    None => self.refused(now, asked.ask, 401, "it does not take the user or the password"),
                }
            }
            Answer::Refused { code, reason } => self.refused(now, asked.ask, code, &reason),
        }
        self.tick(now);
    }

    fn granted(&mut self, now: Instant, ask: Ask, relayed: Option<SocketAddr>, lifetime: Option<Duration>) {
        let lasts = lifetime.unwrap_or(CHANNEL);
        let again = now + lasts.saturating_sub(EARLY).max(lasts / 2);
        match ask {
            Ask::Allocate => match relayed {
                Some(address) => {
                    self.state = State::Lent(address, again);
                    self.outputs.push_back(Output::Lent(address));
                }
                None => self.lost(now + REFUSED, "its answer names no address".to_owned()),
            },
            Ask::Refresh => match self.state {
                State::Lent(address, _) if lasts > Duration::ZERO => self.state = State::Lent(address, again),
                _ => self.lost(now, "the address was taken back".to_owned()),
            },
            Ask::Release => self.ask(now, Ask::Allocate, 0),
            Ask::Permit(peers) => peers.into_iter().for_each(|peer| self.permitted(now, peer)),
            Ask::Bind(peer, _) => {
                if let Some(channel) = self.channels.get_mut(&peer) {
                    (channel.until, channel.ask_at) = (Some(now + CHANNEL), now + PERMISSION - EARLY);
                    channel.told.store(channel.number, Ordering::Relaxed);
                }
                self.permitted(now, peer.ip());
            }
        }
    }

    fn permitted(&mut self, now: Instant, peer: IpAddr) {
        if let Some(permission) = self.permissions.get_mut(&peer) {
            (permission.until, permission.ask_at) = (Some(now + PERMISSION), now + PERMISSION - EARLY);
        }
    }

    /// Codes of section 19.
    fn refused(&mut self, now: Instant, ask: Ask, code: u16, reason: &str) {
        match (ask, code) {
            // It lends this port an address already, to who we were before a restart: that one is given back.
            (Ask::Allocate, 437) => self.ask(now, Ask::Release, 0),
            (Ask::Release, 437) => self.ask(now, Ask::Allocate, 0),
            (_, 437) => self.lost(now, "it does not know of it any more".to_owned()),
            (Ask::Allocate | Ask::Release | Ask::Refresh, _) => self.lost(now + REFUSED, format!("{code} {reason}")),
            // One that is forbidden refuses all of a request (section 10.2).
            (Ask::Permit(peers), 403) if peers.len() > 1 => {
                peers.into_iter().for_each(|peer| self.ask(now, Ask::Permit(vec![peer]), 0));
            }
            (Ask::Permit(_) | Ask::Bind(..), _) => {}
        }
    }

    /// There is nothing from now on. What the streams want they say again.
    fn lost(&mut self, ask_at: Instant, why: String) {
        self.state = State::Waiting(ask_at);
        self.login = None;
        self.asked.clear();
        self.permissions.clear();
        self.numbers.clear();
        for (_, channel) in self.channels.drain() {
            channel.told.store(0, Ordering::Relaxed);
        }
        self.outputs.push_back(Output::Lost(why));
    }

    /// Does what is due.
    pub fn tick(&mut self, now: Instant) {
        self.repeat(now);
        match self.state {
            State::Waiting(at) if now >= at => {
                self.state = State::Asking;
                self.ask(now, Ask::Allocate, 0);
            }
            State::Lent(address, at) => {
                if now >= at {
                    self.state = State::Lent(address, now + EARLY);
                    self.ask(now, Ask::Refresh, 0);
                }
                self.ask_for_permissions(now);
                self.ask_for_channels(now);
            }
            State::Waiting(_) | State::Asking => {}
        }
    }

    fn ask_for_permissions(&mut self, now: Instant) {
        self.permissions
            .retain(|_, permission| now < permission.wanted_until || permission.until.is_some_and(|until| now < until));
        let is_due = |(_, permission): &(&IpAddr, &mut Permission)| now >= permission.ask_at && now < permission.wanted_until;
        let due = self.permissions.iter_mut().filter(is_due).take(AT_ONCE * MOST_ASKED.saturating_sub(self.asked.len()));
        let due: Vec<IpAddr> = due
            .map(|(peer, permission)| {
                permission.ask_at = now + PERMISSION - EARLY;
                *peer
            })
            .collect();
        for peers in due.chunks(AT_ONCE) {
            self.ask(now, Ask::Permit(peers.to_vec()), 0);
        }
    }

    fn ask_for_channels(&mut self, now: Instant) {
        let (numbers, mut due) = (&mut self.numbers, Vec::new());
        let mut room = MOST_ASKED.saturating_sub(self.asked.len());
        self.channels.retain(|peer, channel| {
            if channel.until.is_some_and(|until| now >= until) {
                channel.told.store(0, Ordering::Relaxed);
            }
            let is_wanted = now < channel.wanted_until;
            if is_wanted && now >= channel.ask_at && room > 0 {
                (channel.ask_at, room) = (now + PERMISSION - EARLY, room - 1);
                due.push(Ask::Bind(*peer, channel.number));
            }
            let is_kept = is_wanted || channel.until.is_some_and(|until| now < until + CHANNEL_REST);
            if !is_kept {
                numbers.remove(&channel.number);
            }
            is_kept
        });
        due.into_iter().for_each(|ask| self.ask(now, ask, 0));
    }

    /// Sends again what was not answered, and gives up what never is.
    fn repeat(&mut self, now: Instant) {
        let (outputs, mut given_up) = (&mut self.outputs, Vec::new());
        self.asked.retain_mut(|asked| {
            if now < asked.timer.due {
                return true;
            }
            let is_alive = asked.timer.again();
            if is_alive {
                outputs.push_back(Output::Send(asked.bytes.clone()));
            } else {
                given_up.push(std::mem::replace(&mut asked.ask, Ask::Release));
            }
            is_alive
        });
        // Who is away for a permission is away for the address, too, and that is found out when it is due.
        if given_up.iter().any(|ask| matches!(ask, Ask::Allocate | Ask::Release | Ask::Refresh)) {
            self.lost(now + AWAY, "it does not answer".to_owned());
        }
    }

    fn ask(&mut self, now: Instant, ask: Ask, proofs: u8) {
        let Some((id, bytes)) = ask.request(self.login.as_ref(), self.is_v6, &self.identity) else { return };
        self.outputs.push_back(Output::Send(bytes.clone()));
        let is_proved = self.login.is_some();
        self.asked.push(Asked { id, ask, bytes, timer: Timer::new(now, INTERVAL), proofs, is_proved });
    }
}
