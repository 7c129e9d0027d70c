//! A shared port and the TURN server that lends it an address (`turn`).
//!
//! The thread that reads the port has the client: what comes from the server is unwrapped before it is looked at whose it is,
//! and is from a place with a mark from then on. Streams, which may be on other threads, send to such places by themselves
//! (`Berth`), and leave their wishes for whoever reads the port. There is a lock for these, some a minute for each stream,
//! and none in the way of packets.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU16, Ordering},
    },
    time::{Duration, Instant},
};

use super::shared::{Berth, Reader};
use crate::{
    browser::Identity,
    secure::SEALED_BYTES,
    turn::{self, Client, MOST_FRAME_BYTES, Output, Passed, Server, WANTED_FOR, lent},
};

/// Room for the largest packet on its way to the server, padded.
const FRAME_BYTES: usize = SEALED_BYTES + MOST_FRAME_BYTES + 3;
/// Streams say so often what they want.
const AGAIN: Duration = Duration::from_secs(60);
/// Wishes that wait for whoever reads the port; they are said again.
const WISHES: usize = 4_096;
/// Addresses of one peer that may send by the server.
const MOST_PEERS: usize = 17;

/// What a stream wants of the server.
#[derive(Debug)]
pub(super) enum Wish {
    /// That it passes on what comes from there.
    Permit(IpAddr),
    /// A channel to there, whose number is told while it stands.
    Bind(SocketAddr, Arc<AtomicU16>),
}

/// What streams and the reader of a port share of it.
#[derive(Debug)]
pub(super) struct Lending {
    server: SocketAddr,
    /// The address that is lent.
    address: Mutex<Option<SocketAddr>>,
    wishes: Mutex<Vec<Wish>>,
    has_wishes: AtomicBool,
}

/// Whoever panicked with one of these left a value that is whole.
fn locked<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Lending {
    pub(super) const fn new(server: SocketAddr) -> Self {
        Self { server, address: Mutex::new(None), wishes: Mutex::new(Vec::new()), has_wishes: AtomicBool::new(false) }
    }

    /// The address that is lent.
    pub(super) fn address(&self) -> Option<SocketAddr> {
        *locked(&self.address)
    }

    fn wish(&self, wishes: impl IntoIterator<Item = Wish>) {
        let mut waiting = locked(&self.wishes);
        let room = WISHES.saturating_sub(waiting.len());
        waiting.extend(wishes.into_iter().take(room));
        drop(waiting);
        self.has_wishes.store(true, Ordering::Release);
    }

    fn wishes(&self) -> Vec<Wish> {
        if !self.has_wishes.swap(false, Ordering::AcqRel) {
            return Vec::new();
        }
        std::mem::take(&mut *locked(&self.wishes))
    }
}

/// What one stream wants, to be said again.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    peers: Vec<IpAddr>,
    channel: Option<(SocketAddr, Arc<AtomicU16>)>,
    said_at: Option<Instant>,
}

/// Of a stream.
impl Berth {
    /// The address that the server lends the port now.
    pub(super) fn lent(&self) -> Option<SocketAddr> {
        self.port().lending()?.address()
    }

    /// These may send to the stream by the server, and nobody of before.
    pub(super) fn expect(&mut self, now: Instant, peers: impl IntoIterator<Item = IpAddr>) {
        self.wanted.peers.clear();
        for peer in peers {
            if self.wanted.peers.len() < MOST_PEERS && !self.wanted.peers.contains(&peer) {
                self.wanted.peers.push(peer);
            }
        }
        self.say_again(now);
    }

    /// Packets go to that peer from now on.
    pub(super) fn selected(&mut self, now: Instant, place: SocketAddr) {
        self.wanted.channel = turn::behind(place).map(|peer| (peer, Arc::default()));
        self.say_again(now);
    }

    /// What is wanted of the server lasts only as long as it is said.
    pub(super) fn keep_wanting(&mut self, now: Instant) {
        if self.wanted.said_at.is_some_and(|at| now.saturating_duration_since(at) >= AGAIN) {
            self.say_again(now);
        }
    }

    fn say_again(&mut self, now: Instant) {
        const { assert!(WANTED_FOR.as_secs() > 2 * AGAIN.as_secs()) };
        let Some(lending) = self.port().lending() else { return };
        let peers = self.wanted.peers.iter().map(|peer| Wish::Permit(*peer));
        let channel = self.wanted.channel.iter().map(|(peer, told)| Wish::Bind(*peer, Arc::clone(told)));
        lending.wish(peers.chain(channel));
        self.wanted.said_at = Some(now);
    }

    /// Sends by the server.
    pub(super) fn send_behind(&self, bytes: &[u8], peer: SocketAddr) -> io::Result<usize> {
        let lending = self.port().lending().ok_or(io::ErrorKind::NotConnected)?;
        let channel = self.wanted.channel.as_ref().filter(|(bound, _)| *bound == peer);
        let number = channel.map(|(_, told)| told.load(Ordering::Relaxed)).filter(|number| *number != 0);
        let mut buffer = [0; FRAME_BYTES];
        let frame = turn::wrapped(peer, number, bytes, &mut buffer).ok_or(io::ErrorKind::InvalidInput)?;
        self.port().socket().send_to(frame, lending.server)
    }
}

/// The client of a port, with the thread that reads it.
pub(super) struct Borrower {
    client: Client,
    /// Why there is no address, as it was told last.
    told: Option<String>,
}

impl Borrower {
    pub(super) fn new(now: Instant, server: Server, is_v6: bool, identity: &Arc<Identity>) -> Self {
        Self { client: Client::new(now, server, is_v6, identity), told: None }
    }
}

/// Of the thread that reads.
impl Reader {
    /// A datagram from the server in the place of what it carries, with its length and whom it is from; any other one as it
    /// is. `None`: it was for the client.
    pub(super) fn unwrapped(&mut self, now: Instant, datagram: &mut [u8], from: SocketAddr) -> Option<(usize, SocketAddr)> {
        let Some(borrower) = self.borrower.as_mut().filter(|borrower| borrower.client.server() == from) else {
            return Some((datagram.len(), from));
        };
        let (peer, data) = match turn::passed(datagram) {
            Some(Passed::ByChannel(number, data)) => (borrower.client.peer_of(number)?, data),
            Some(Passed::From(peer, data)) => (peer, data),
            None => {
                borrower.client.handle(now, datagram);
                self.follow_borrower();
                return None;
            }
        };
        let (length, at) = (data.len(), data.as_ptr().addr() - datagram.as_ptr().addr());
        datagram.copy_within(at..at + length, 0);
        Some((length, lent(peer)))
    }

    /// Does what streams want and what is due.
    pub(super) fn borrow(&mut self, now: Instant, is_due: bool) {
        let (Some(borrower), Some(lending)) = (&mut self.borrower, self.port.lending()) else { return };
        let wishes = lending.wishes();
        if wishes.is_empty() && !is_due {
            return;
        }
        for wish in wishes {
            match wish {
                Wish::Permit(peer) => borrower.client.permit(now, peer),
                Wish::Bind(peer, told) => borrower.client.bind(now, peer, &told),
            }
        }
        borrower.client.tick(now);
        self.follow_borrower();
    }

    /// The address is given back.
    pub(super) fn give_back(&mut self, now: Instant) {
        if let Some(borrower) = &mut self.borrower {
            borrower.client.release(now);
            self.follow_borrower();
        }
    }

    fn follow_borrower(&mut self) {
        let (Some(borrower), Some(lending)) = (&mut self.borrower, self.port.lending()) else { return };
        let (server, port) = (lending.server, self.port.address());
        while let Some(output) = borrower.client.poll() {
            match output {
                // What the kernel does not take now is sent again when nobody answers.
                Output::Send(bytes) => drop(self.port.socket().send_to(&bytes, server)),
                Output::Lent(address) => {
                    tracing::info!(%server, %port, %address, "the TURN server lends an address to the audio of browsers");
                    (borrower.told, *locked(&lending.address)) = (None, Some(address));
                }
                Output::Lost(why) => {
                    let had = locked(&lending.address).take();
                    if had.is_some() || borrower.told.as_ref() != Some(&why) {
                        tracing::warn!(%server, %port, %why, "the TURN server lends no address; calls go without one, and we ask again");
                    }
                    borrower.told = Some(why);
                }
            }
        }
    }
}
