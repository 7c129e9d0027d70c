//! Streams that outlive the process: opened again by the next one on the very ports that the peer sends to.
//!
//! **What the peer sees.** It goes on to send where it sent, and is heard from where it was heard from: the address
//! that was learned counts again from the first packet, so a peer behind NAT needs no new trial. From us it hears a new
//! source (SSRC, sequence numbers, timestamps) under the name that it knows, the CNAME of RTCP: that is what RFC 3550
//! sections 6.5.1 and 8.2 have for a program that was started again. To go on with the old SSRC would need the last
//! sequence number, which changes fifty times a second and is not known after `kill -9`; a guess that falls short
//! makes the peer drop what comes as late, and one that jumps is what section A.1 calls a restart anyway.
//!
//! **Keys** are kept with the stream, counters are not. The new SSRC is also what makes that safe: it is part of what the
//! keystream is made from (RFC 3711 section 4.1.1, RFC 7714 section 8.1), so packets under the old key and counters that
//! begin at zero have a keystream that was never used, unless two of 2³² random numbers are the same. The peer sees a new
//! source, whose counter begins at zero for it too (RFC 3711 section 3.3.1). Its own counter we find by trying: see
//! `secure`. What was received before the restart could be replayed once, until the peer's next packet is there.
//!
//! **DTLS** has no keys that are kept: the certificate is another one. Checks of ICE are answered as before, so that the
//! peer does not give up; keys come with the new offer that the wiring makes.
//!
//! **How the wiring uses it.** Whenever a leg is kept, [`Engine::keep`] says what belongs to its stream; the
//! `from` of the last [`MediaStarted`](crate::contract::Event::MediaStarted) goes with it. After a restart, before any new call may
//! take the ports, [`Engine::reopen`] is asked for each stream, under a new [`StreamId`] and the group of its call; then
//! the streams are joined, watched, recorded and played to as new ones are. When a port cannot be had again
//! ([`OpenError::PortTaken`]) the stream is opened on another one, and the peer gets a new offer.

use std::{
    io,
    net::{IpAddr, SocketAddr},
};

use super::{Engine, OpenStream, is_forbidden, shared::Line, socket};
use crate::contract::{Configure, KEPT_VERSION, KeptMedia, OpenError, Opened, StreamId};

impl Engine {
    /// What must be known of a stream to open it again in another process. `heard_from` is where its audio was last
    /// said to come from, if anything was. `None` when there is no such stream.
    #[must_use]
    pub fn keep(&self, stream: StreamId, heard_from: Option<SocketAddr>) -> Option<KeptMedia> {
        let open = self.streams.get(&stream)?;
        let rtp = SocketAddr::new(open.address, open.port);
        Some(KeptMedia { v: KEPT_VERSION, rtp, to: open.to.clone(), heard_from, name: open.name })
    }

    /// Opens a stream of before a restart on the ports that it had, negotiated as it was.
    ///
    /// # Errors
    /// See [`OpenError`]; nothing is left open then.
    pub fn reopen(&mut self, stream: StreamId, group: u64, kept: &KeptMedia) -> Result<Opened, OpenError> {
        self.flush();
        self.check_kept(kept)?;
        if self.streams.contains_key(&stream) {
            return Err(OpenError::AlreadyOpen(stream));
        }
        let (local, port) = (kept.rtp.ip(), kept.rtp.port());
        let thread = self.thread_of(group);
        // The port of another thread than the call's will do: its packets are carried over.
        let shared = self.threads.iter().flat_map(|thread| &thread.shared).find(|shared| shared.address() == kept.rtp);
        let (is_shared, rtp) = match shared {
            Some(shared) => (true, Line::Shared(shared.berth(stream, thread))),
            None => (false, self.take_back(local, port)?),
        };
        let new = OpenStream { thread, group, address: local, port, is_shared, name: kept.name, to: kept.to.clone() };
        self.adopt(stream, new, rtp, kept.heard_from)
    }

    /// Media goes only where a negotiation of ours could have led.
    fn check_kept(&self, kept: &KeptMedia) -> Result<(), OpenError> {
        let remotes = |to: &Configure| [to.goes_to_remote().then_some(to.remote), to.remote_rtcp];
        let mut remotes = kept.to.iter().flat_map(remotes).chain([kept.heard_from]).flatten();
        let is_sound = kept.v == KEPT_VERSION && !remotes.any(|remote| is_forbidden(&self.config, remote));
        if is_sound { Ok(()) } else { Err(OpenError::Nonsense) }
    }

    fn take_back(&mut self, local: IpAddr, port: u16) -> Result<Line, OpenError> {
        let taken = OpenError::PortTaken(SocketAddr::new(local, port));
        let (_, pool) = self.pools.iter_mut().find(|(address, _)| *address == local).ok_or(OpenError::UnknownAddress(local))?;
        if !pool.take_this(port) {
            return Err(taken);
        }
        socket::bind(SocketAddr::new(local, port)).map(Line::Own).map_err(|error| {
            self.release(local, port);
            if error.kind() == io::ErrorKind::AddrInUse { taken } else { OpenError::Socket(error) }
        })
    }
}
