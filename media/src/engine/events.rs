//! Events on their way to the line loop.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::sync::mpsc::{Sender, error::TrySendError};

use crate::contract::Event;

/// One thread's end of the event channel. When the channel is full, events wait here in order, as
/// many as the channel holds; when that is full too, the newest is dropped and counted.
pub(super) struct EventQueue {
    channel: Sender<Event>,
    waiting: VecDeque<Event>,
    capacity: usize,
    dropped: Arc<AtomicU64>,
}

impl EventQueue {
    pub(super) const fn new(channel: Sender<Event>, capacity: usize, dropped: Arc<AtomicU64>) -> Self {
        Self { channel, waiting: VecDeque::new(), capacity, dropped }
    }

    pub(super) fn push(&mut self, event: Event) {
        self.flush();
        if self.waiting.is_empty() {
            match self.channel.try_send(event) {
                // Nobody listens any more: the engine is about to be dropped.
                Ok(()) | Err(TrySendError::Closed(_)) => {}
                Err(TrySendError::Full(event)) => self.waiting.push_back(event),
            }
        } else if self.waiting.len() < self.capacity {
            self.waiting.push_back(event);
        } else if self.dropped.fetch_add(1, Ordering::Relaxed) == 0 {
            tracing::error!("media events are dropped: the line loop does not take them");
        }
    }

    /// Sends what waits, as far as there is room.
    pub(super) fn flush(&mut self) {
        while let Some(event) = self.waiting.pop_front() {
            if let Err(TrySendError::Full(event)) = self.channel.try_send(event) {
                self.waiting.push_front(event);
                return;
            }
        }
    }

    /// Whether something waits for room.
    pub(super) fn is_behind(&self) -> bool {
        !self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::StreamId;

    #[test]
    fn a_full_channel_keeps_order_and_bounds() {
        let (tx, mut rx) = tokio::sync::mpsc::channel(2);
        let dropped = Arc::new(AtomicU64::new(0));
        let mut queue = EventQueue::new(tx, 3, Arc::clone(&dropped));
        let event = |n| Event::MediaLost { stream: StreamId(n) };
        for n in 0..8 {
            queue.push(event(n));
        }
        assert_eq!(dropped.load(Ordering::Relaxed), 3);
        let mut taken = Vec::new();
        while let Ok(event) = rx.try_recv() {
            taken.push(event);
            queue.flush();
        }
        assert_eq!(taken, (0..5).map(event).collect::<Vec<_>>());
        assert!(!queue.is_behind());
    }
}
