//! Says which thread of the engine ended: none should before the engine is dropped.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::sync::watch;

/// Held by a thread for as long as it runs, a panic included.
pub(super) struct Life {
    pub(super) thread: String,
    pub(super) ended: Arc<watch::Sender<Option<String>>>,
    /// The engine is being dropped: now all end, and none of them is news.
    pub(super) closing: Arc<AtomicBool>,
}

impl Drop for Life {
    fn drop(&mut self) {
        if self.closing.load(Ordering::Relaxed) {
            return;
        }
        let thread = std::mem::take(&mut self.thread);
        self.ended.send_if_modified(|first| {
            let is_first = first.is_none();
            first.get_or_insert(thread);
            is_first
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_thread_that_ends_is_named_unless_all_do() {
        let closing = Arc::new(AtomicBool::new(false));
        let (tx, ended) = watch::channel(None);
        let tx = Arc::new(tx);
        let life = |name: &str| Life { thread: name.to_owned(), ended: Arc::clone(&tx), closing: Arc::clone(&closing) };
        closing.store(true, Ordering::Relaxed);
        drop(life("media-2"));
        assert_eq!(*ended.borrow(), None);
        closing.store(false, Ordering::Relaxed);
        let (first, second) = (life("media-1"), life("media-0"));
        let thread = std::thread::spawn(move || {
            let _life = first;
            panic!("a fault in a media thread");
        });
        assert!(thread.join().is_err());
        drop(second);
        assert_eq!(ended.borrow().as_deref(), Some("media-1"));
    }
}
