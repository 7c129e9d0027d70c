//! Says which thread of the engine ended: none should before the engine is dropped.

use std::sync::Arc;

use tokio::sync::watch;

/// Held by a thread for as long as it runs, a panic included.
pub(super) struct Life {
    pub(super) thread: String,
    pub(super) ended: Arc<watch::Sender<Option<String>>>,
}

impl Drop for Life {
    fn drop(&mut self) {
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
    fn the_first_thread_that_ends_is_named() {
        let (tx, ended) = watch::channel(None);
        let tx = Arc::new(tx);
        let other = Life { thread: "media-0".to_owned(), ended: Arc::clone(&tx) };
        let life = Life { thread: "media-1".to_owned(), ended: tx };
        let thread = std::thread::spawn(move || {
            let _life = life;
            panic!("a fault in a media thread");
        });
        assert!(thread.join().is_err());
        drop(other);
        assert_eq!(ended.borrow().as_deref(), Some("media-1"));
    }
}
