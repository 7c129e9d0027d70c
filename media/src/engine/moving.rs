//! Streams that move to another media thread, so that those of several calls can be in one room.
//!
//! The thread that has the stream puts it into a [`Handover`]; the one that gets it takes no other order until it is there.
//! So the order of commands holds, and nothing of the packets' path knows of it. No two threads can wait for each other: each
//! was told to give before it was told to wait, in the order in which the handle moved the streams.

use std::sync::{Arc, Mutex, PoisonError};

use rustix::event::epoll;

use super::{Engine, stream::Stream, wake::Wake, worker::Order, worker::Worker};
use crate::contract::{CommandError, StreamId};

/// A stream between two threads.
#[derive(Clone, Default)]
pub(super) struct Handover(Arc<Mutex<Handed>>);

#[derive(Default)]
enum Handed {
    #[default]
    NotYet,
    /// There was no such stream any more.
    Gone,
    Here(Box<Stream>),
}

impl Handover {
    fn put(&self, stream: Option<Box<Stream>>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = stream.map_or(Handed::Gone, Handed::Here);
    }

    fn take(&self) -> Handed {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl std::fmt::Debug for Handover {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a stream between two threads")
    }
}

impl Engine {
    /// Moves a stream to the thread of another one, if it is not there: it leaves its partner, its room and its
    /// recording, and is otherwise as it was.
    ///
    /// # Errors
    /// See [`CommandError`]; nothing was moved then.
    pub fn bring(&mut self, stream: StreamId, beside: StreamId) -> Result<(), CommandError> {
        self.flush();
        let to = self.streams.get(&beside).ok_or(CommandError::NotOpen)?.thread;
        let from = self.streams.get(&stream).ok_or(CommandError::NotOpen)?.thread;
        if from == to {
            return Ok(());
        }
        let handover = Handover::default();
        let wake = Arc::clone(&self.threads[to].wake);
        self.order(from, Order::Give { stream, into: handover.clone(), wake })?;
        // When there is no room for it now, it goes before whatever comes next.
        if self.order(to, Order::Take(handover.clone())).is_err() {
            self.owed.push_back((to, handover));
        }
        if let Some(open) = self.streams.get_mut(&stream) {
            open.thread = to;
        }
        Ok(())
    }
}

impl Worker {
    /// Takes a stream out of this thread.
    pub(super) fn give(&mut self, stream: StreamId, into: &Handover, wake: &Wake) {
        into.put(self.take_out(stream));
        wake.raise();
        wake.wake();
    }

    fn take_out(&mut self, stream: StreamId) -> Option<Box<Stream>> {
        let slot = self.slots.get(&stream).copied()?;
        self.part(slot);
        let mut stream = self.streams[slot].take()?;
        if let Some(rtp) = stream.outbound.rtp.own() {
            let _ = epoll::delete(&self.epoll, rtp);
        }
        if let Some(rtcp) = &stream.outbound.rtcp {
            let _ = epoll::delete(&self.epoll, rtcp);
        }
        if let Some(tap) = stream.inbound.tap.take() {
            *self.recordings.entry(tap.recording).or_default() += tap.dropped;
        }
        self.slots.remove(&stream.id);
        self.paced.retain(|&paced| paced != slot);
        stream.paced = false;
        self.free.push(slot);
        Some(stream)
    }

    /// Whether a stream that was to come is here, or will not come: then the next orders may follow.
    pub(super) fn has_come(&mut self) -> bool {
        let Some(handover) = self.awaited.take() else { return true };
        match handover.take() {
            Handed::NotYet => self.awaited = Some(handover),
            Handed::Gone => {}
            Handed::Here(stream) => self.settle_in(stream),
        }
        self.awaited.is_none()
    }

    fn settle_in(&mut self, stream: Box<Stream>) {
        let plays = stream.outbound.player.is_some()
            || stream.outbound.has_keys()
            || !stream.branches.is_empty()
            || stream.listening.is_some();
        if let Some(berth) = stream.outbound.rtp.berth() {
            berth.moved(self.index);
        }
        let slot = self.seat(stream);
        if plays {
            self.start_pacing(slot);
        }
    }
}
