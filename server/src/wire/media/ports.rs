//! Where the legs of calls receive: ports of their own, or the one that browsers share, and the same ones after a restart.

use std::net::{IpAddr, SocketAddr};

use tandem_media::contract::{KeptMedia, OpenError, Opened};

use super::{KeysInAudio, MediaEdge, Open};
use crate::wire::LegRef;

impl MediaEdge {
    /// Streams in use, and free ports on an address.
    #[must_use]
    pub fn load(&self, address: IpAddr) -> (usize, usize) {
        (self.engine.open_streams(), self.engine.free_ports(address))
    }

    /// Where the leg receives; opened on `address` at the first call for the leg, on the port that browsers share if there is
    /// one and the leg is sure to be checked (ICE).
    ///
    /// # Errors
    /// No port is free, or the media thread is overloaded.
    pub fn open(&mut self, leg: LegRef, address: IpAddr, is_checked: bool) -> Result<Opened, OpenError> {
        if let Some(open) = self.streams.get(&leg) {
            return Ok(open.opened);
        }
        let stream = self.next_stream();
        let group = self.place(leg.call);
        let opened = match is_checked {
            true => self.engine.open_shared(stream, group, address)?,
            false => self.engine.open(stream, group, address)?,
        };
        self.opened(leg, Open { stream, opened, heard_from: None, is_stray: false, keys: KeysInAudio::default() });
        Ok(opened)
    }

    /// Opens a leg of before a restart on the ports that it had, as it was agreed.
    ///
    /// # Errors
    /// The ports cannot be had, or what was kept cannot be right.
    pub fn reopen(&mut self, leg: LegRef, kept: &KeptMedia) -> Result<(), OpenError> {
        let stream = self.next_stream();
        let opened = self.engine.reopen(stream, leg.call.0, kept)?;
        // The engine does not tell again what it was told: the next process, too, must know where the peer is.
        self.opened(leg, Open { stream, opened, heard_from: kept.heard_from(), is_stray: false, keys: KeysInAudio::default() });
        Ok(())
    }

    /// Whether the leg is on the port that browsers share: then it must be checked (ICE).
    #[must_use]
    pub fn is_shared(&self, leg: LegRef) -> bool {
        self.stream(leg).is_some_and(|stream| self.engine.is_shared(stream))
    }

    /// The address that a TURN server lends the leg now, if one does.
    #[must_use]
    pub fn lent(&self, leg: LegRef) -> Option<SocketAddr> {
        self.engine.lent(self.stream(leg)?)
    }

    /// Addresses that a TURN server lends now.
    #[must_use]
    pub fn lent_addresses(&self) -> usize {
        self.engine.lent_addresses()
    }

    /// Datagrams on ports that browsers share that were nobody's.
    #[must_use]
    pub fn datagrams_of_nobody(&self) -> u64 {
        self.engine.datagrams_of_nobody()
    }

    /// What another process needs to open the leg again.
    #[must_use]
    pub fn keep(&self, leg: LegRef) -> Option<KeptMedia> {
        let open = self.streams.get(&leg)?;
        self.engine.keep(open.stream, open.heard_from)
    }
}
