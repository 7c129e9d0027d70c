//! One UDP port for many streams, for browsers behind firewalls that open one.
//!
//! **Whose a datagram is.** A check of ICE says by name whose it is: our name is the first half of its USERNAME (RFC 8445
//! section 7.2.2), and no two descriptions of a process have the same. Everything else is told by where it comes from: an
//! address belongs to the stream whose peer proved by a check to be there, and goes over to another stream by a check of
//! that one's peer only. The answer to a check of ours has the transaction of that check, which no two have. A datagram of
//! nobody is dropped and counted.
//!
//! **One port a thread.** The kernel shares a port among sockets by a hash that knows no calls, so the datagrams of a port
//! must come to one reader. If that handed them over to the threads of their calls, each packet would pay for a wake-up of
//! another thread (some µs, as much as the relay itself). So each media thread has a port of its own, and the streams of its
//! calls are on it: the price is a look into a table. Only a stream that was brought to another thread, to a room of several
//! calls, has its packets carried there: they are copied into a box for that thread.
//!
//! **No lock in the way of packets.** The table is changed under a lock by whichever thread has the stream; the reader has a
//! copy, and takes a new one when the number of changes says so. Checks, some a minute for each stream, take the lock.

use std::{
    collections::{HashMap, VecDeque},
    io,
    net::{SocketAddr, UdpSocket},
    ops::Deref,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use super::{
    lending::{Borrower, Lending, Wanted},
    mailbox::Letter,
    socket,
    worker::Worker,
};
use crate::{
    browser::{self, Identity, Transaction},
    contract::StreamId,
    turn::{self, Server},
};

/// Datagrams taken from a shared port per wake-up, so that other sockets have their turn.
const AT_ONCE: usize = 32;
/// Checks of a stream whose answers find it; those to older ones do not.
const ASKED: usize = 64;

/// A port and the streams that are on it.
pub(super) struct SharedPort {
    socket: UdpSocket,
    address: SocketAddr,
    routes: Mutex<Routes>,
    /// Counts the changes of who is where.
    changes: AtomicU64,
    /// Datagrams that nobody wanted.
    nobodys: AtomicU64,
    /// The address that a server lends to it.
    lending: Option<Lending>,
}

#[derive(Default)]
struct Routes {
    names: HashMap<Box<str>, StreamId>,
    places: HashMap<SocketAddr, StreamId>,
    /// Whose checks may be answered.
    asked: HashMap<Transaction, StreamId>,
    /// The same of each stream, in the order in which they were sent.
    asked_of: HashMap<StreamId, VecDeque<Transaction>>,
    /// The thread of each stream.
    threads: HashMap<StreamId, usize>,
}

impl SharedPort {
    pub(super) fn bind(address: SocketAddr, server: Option<SocketAddr>) -> io::Result<Arc<Self>> {
        Ok(Arc::new(Self {
            socket: socket::bind_shared(address)?,
            address,
            routes: Mutex::default(),
            changes: AtomicU64::new(0),
            nobodys: AtomicU64::new(0),
            lending: server.map(Lending::new),
        }))
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) const fn socket(&self) -> &UdpSocket {
        &self.socket
    }

    pub(super) const fn lending(&self) -> Option<&Lending> {
        self.lending.as_ref()
    }

    pub(super) fn nobodys(&self) -> u64 {
        self.nobodys.load(Ordering::Relaxed)
    }

    /// A place on it for a stream of a thread.
    pub(super) fn berth(self: &Arc<Self>, stream: StreamId, thread: usize) -> Berth {
        self.routes().threads.insert(stream, thread);
        Berth { port: Arc::clone(self), stream, wanted: Wanted::default() }
    }

    fn routes(&self) -> MutexGuard<'_, Routes> {
        // Whoever panicked with it left a table that is whole: each change is one insertion or removal.
        self.routes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn changed(&self) {
        self.changes.fetch_add(1, Ordering::Release);
    }
}

/// A stream's place on a shared port; dropping it gives up its names and addresses.
pub(super) struct Berth {
    port: Arc<SharedPort>,
    stream: StreamId,
    /// Of the server that lends an address to the port.
    pub(super) wanted: Wanted,
}

impl Berth {
    pub(super) fn port(&self) -> &SharedPort {
        &self.port
    }

    /// The name that checks for the stream have, instead of the one before. `false`: another stream has it.
    pub(super) fn named(&self, name: &str) -> bool {
        let mut routes = self.port.routes();
        if let Some(owner) = routes.names.get(name) {
            return *owner == self.stream;
        }
        routes.names.retain(|_, owner| *owner != self.stream);
        routes.names.insert(name.into(), self.stream);
        true
    }

    /// The peer proved to be there. `is_known` says of its other places whether they still count.
    pub(super) fn proved(&self, place: SocketAddr, is_known: impl Fn(SocketAddr) -> bool) {
        let mut routes = self.port.routes();
        if routes.places.insert(place, self.stream) == Some(self.stream) {
            return;
        }
        routes.places.retain(|at, owner| *owner != self.stream || *at == place || is_known(*at));
        drop(routes);
        self.port.changed();
    }

    /// The stream sends a check, maybe again.
    pub(super) fn asked(&self, transaction: Transaction) {
        let mut routes = self.port.routes();
        let Routes { asked, asked_of, .. } = &mut *routes;
        if asked.insert(transaction, self.stream).is_some() {
            return;
        }
        let of = asked_of.entry(self.stream).or_default();
        of.push_back(transaction);
        if of.len() > ASKED
            && let Some(oldest) = of.pop_front()
        {
            asked.remove(&oldest);
        }
    }

    /// The stream is on another thread now.
    pub(super) fn moved(&self, thread: usize) {
        self.port.routes().threads.insert(self.stream, thread);
    }
}

impl Drop for Berth {
    fn drop(&mut self) {
        let mut routes = self.port.routes();
        routes.names.retain(|_, owner| *owner != self.stream);
        routes.places.retain(|_, owner| *owner != self.stream);
        for transaction in routes.asked_of.remove(&self.stream).unwrap_or_default() {
            routes.asked.remove(&transaction);
        }
        routes.threads.remove(&self.stream);
        drop(routes);
        self.port.changed();
    }
}

/// What a stream sends from.
pub(super) enum Line {
    /// A socket of its own.
    Own(UdpSocket),
    /// A port that it shares with others.
    Shared(Berth),
}

impl Line {
    /// Its own socket, for those who listen to it.
    pub(super) const fn own(&self) -> Option<&UdpSocket> {
        if let Self::Own(socket) = self { Some(socket) } else { None }
    }

    pub(super) const fn berth(&self) -> Option<&Berth> {
        if let Self::Shared(berth) = self { Some(berth) } else { None }
    }

    pub(super) const fn berth_mut(&mut self) -> Option<&mut Berth> {
        if let Self::Shared(berth) = self { Some(berth) } else { None }
    }

    /// Sends there, by the server that lends an address where the place says so.
    pub(super) fn send_to(&self, bytes: &[u8], to: SocketAddr) -> io::Result<usize> {
        match (self, turn::behind(to)) {
            (Self::Shared(berth), Some(peer)) => berth.send_behind(bytes, peer),
            (Self::Own(_), Some(_)) => Err(io::ErrorKind::NotConnected.into()),
            (_, None) => UdpSocket::send_to(self, bytes, to),
        }
    }
}

impl Deref for Line {
    type Target = UdpSocket;

    fn deref(&self) -> &UdpSocket {
        match self {
            Self::Own(socket) => socket,
            Self::Shared(berth) => &berth.port.socket,
        }
    }
}

impl std::fmt::Debug for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.own().is_some() { "a socket" } else { "a shared port" })
    }
}

/// A shared port as the thread that reads it has it.
pub(super) struct Reader {
    pub(super) port: Arc<SharedPort>,
    /// A copy of who is where, and of which change.
    places: HashMap<SocketAddr, StreamId>,
    change: u64,
    /// Whoever asks the server for an address.
    pub(super) borrower: Option<Borrower>,
}

impl Reader {
    pub(super) fn new(port: &Arc<SharedPort>) -> Self {
        Self { port: Arc::clone(port), places: HashMap::new(), change: 0, borrower: None }
    }

    /// The same with an address that a server lends.
    pub(super) fn lent_by(self, server: Option<&Server>, now: Instant, identity: &Arc<Identity>) -> Self {
        let is_v6 = self.port.address.is_ipv6();
        Self { borrower: server.map(|server| Borrower::new(now, server.clone(), is_v6, identity)), ..self }
    }

    /// What waits to be read.
    pub(super) fn socket(&self) -> &UdpSocket {
        &self.port.socket
    }

    fn owner(&mut self, datagram: &[u8], from: SocketAddr) -> Option<StreamId> {
        if let Some(name) = browser::name_in(datagram)
            && let Some(owner) = self.port.routes().names.get(name)
        {
            return Some(*owner);
        }
        if let Some(transaction) = browser::answered_in(datagram)
            && let Some(owner) = self.port.routes().asked.get(&transaction)
        {
            return Some(*owner);
        }
        let change = self.port.changes.load(Ordering::Acquire);
        if change != self.change {
            self.places.clone_from(&self.port.routes().places);
            self.change = change;
        }
        self.places.get(&from).copied()
    }
}

impl Worker {
    /// A shared port of this thread has datagrams.
    pub(super) fn on_shared(&mut self, index: usize) {
        for _ in 0..AT_ONCE {
            let Some(reader) = self.readers.get_mut(index) else { return };
            let Ok((bytes, from)) = reader.port.socket.recv_from(&mut self.datagram[..]) else { return };
            let Some((bytes, from)) = reader.unwrapped(self.cx.now, &mut self.datagram[..bytes], from) else { continue };
            // It may have come after this wake-up began, and then after a command.
            self.obey();
            let Some(reader) = self.readers.get_mut(index) else { return };
            let owner = reader.owner(&self.datagram[..bytes], from);
            let is_taken = owner.is_some_and(|stream| self.hand_on(index, stream, bytes, from));
            if !is_taken {
                self.readers[index].port.nobodys.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Gives the datagram that was read to its stream, wherever that is.
    fn hand_on(&mut self, index: usize, stream: StreamId, bytes: usize, from: SocketAddr) -> bool {
        if let Some(&slot) = self.slots.get(&stream) {
            self.guarded(slot, |worker| worker.received(slot, bytes, from));
            return true;
        }
        let thread = self.readers[index].port.routes().threads.get(&stream).copied();
        let Some(mailbox) = thread.and_then(|thread| self.mail.get(thread)) else { return false };
        mailbox.put(Letter { stream, from, datagram: self.datagram[..bytes].into() })
    }

    /// What other threads read for streams of this one.
    pub(super) fn take_letters(&mut self) {
        let Some(mailbox) = self.mail.get(self.index) else { return };
        for Letter { stream, from, datagram } in mailbox.take() {
            let Some(&slot) = self.slots.get(&stream) else { continue };
            self.datagram[..datagram.len()].copy_from_slice(&datagram);
            self.guarded(slot, |worker| worker.received(slot, datagram.len(), from));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(address: &str) -> SocketAddr {
        address.parse().unwrap()
    }

    fn port(number: u16) -> Arc<SharedPort> {
        SharedPort::bind(SocketAddr::from(([127, 0, 71, 61], number)), None).unwrap()
    }

    #[test]
    fn a_place_is_whose_peer_proved_to_be_there_last_and_a_name_is_one_streams() {
        let port = port(21_900);
        let mut reader = Reader::new(&port);
        let (one, other) = (port.berth(StreamId(1), 0), port.berth(StreamId(2), 0));
        assert!(one.named("first") && one.named("first") && !other.named("first") && other.named("second"));
        let here = at("192.0.2.1:4000");
        assert_eq!(reader.owner(&[0x80; 20], here), None);
        one.proved(here, |_| true);
        assert_eq!(reader.owner(&[0x80; 20], here), Some(StreamId(1)));
        other.proved(here, |_| true);
        assert_eq!(reader.owner(&[0x80; 20], here), Some(StreamId(2)));
        drop(other);
        assert_eq!(reader.owner(&[0x80; 20], here), None);
        assert!(one.named("second"), "a name that was given up is free");
    }

    #[test]
    fn a_stream_has_no_more_places_than_its_peer() {
        let port = port(21_902);
        let mut reader = Reader::new(&port);
        let one = port.berth(StreamId(1), 0);
        for number in 1..1_000_u16 {
            one.proved(SocketAddr::from(([192, 0, 2, 1], number)), |at| at.port() + 8 > number);
        }
        assert_eq!(port.routes().places.len(), 8);
        assert_eq!(reader.owner(b"", at("192.0.2.1:999")), Some(StreamId(1)));
        assert_eq!(reader.owner(b"", at("192.0.2.1:900")), None);
    }

    #[test]
    fn an_answer_is_whose_check_had_its_transaction_and_these_are_bounded() {
        let port = port(21_904);
        let mut reader = Reader::new(&port);
        let (one, other) = (port.berth(StreamId(1), 0), port.berth(StreamId(2), 0));
        let answer = |number: u8| [&[1, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42][..], &[number; 12]].concat();
        let mut owner = |number| reader.owner(&answer(number), at("192.0.2.1:4000"));
        one.asked([1; 12]);
        other.asked([2; 12]);
        one.asked([1; 12]);
        assert_eq!((owner(1), owner(2), owner(3)), (Some(StreamId(1)), Some(StreamId(2)), None));
        for number in 10..=250 {
            one.asked([number; 12]);
        }
        assert_eq!((owner(1), owner(250), owner(2)), (None, Some(StreamId(1)), Some(StreamId(2))));
        assert_eq!(port.routes().asked.len(), ASKED + 1);
        drop(one);
        assert_eq!(owner(250), None);
        assert_eq!(port.routes().asked.len(), 1);
        assert_eq!(port.routes().asked_of.len(), 1);
    }
}
