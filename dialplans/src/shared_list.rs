//! A list of shared things, copied in a blink: whoever changes one place of a copy makes a few of its places anew.
//!
//! Two plans of ten thousand routes that differ in one of them have all but some of their list in common.

use std::{fmt, iter::FlatMap, ops::Index, slice, sync::Arc};

/// Places that are copied when one of them changes.
const CHUNK: usize = 128;

type Chunk<T> = Arc<Vec<Arc<T>>>;

/// Goes through a [`SharedList`] in its order.
pub type Iter<'a, T> = FlatMap<slice::Iter<'a, Chunk<T>>, slice::Iter<'a, Arc<T>>, fn(&'a Chunk<T>) -> slice::Iter<'a, Arc<T>>>;

/// A list that shares with its copies what is the same in them.
pub struct SharedList<T> {
    /// All but the last have [`CHUNK`] places.
    chunks: Vec<Chunk<T>>,
    len: usize,
}

impl<T> SharedList<T> {
    /// How many places it has.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether it has none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// What stands at a place.
    #[must_use]
    pub fn get(&self, at: usize) -> Option<&Arc<T>> {
        self.chunks.get(at / CHUNK)?.get(at % CHUNK)
    }

    /// All in their order.
    pub fn iter(&self) -> Iter<'_, T> {
        self.chunks.iter().flat_map(|chunk| chunk.iter())
    }

    /// Puts something in the place of what stands there; `None` where there is no such place.
    pub(crate) fn put(&mut self, at: usize, item: Arc<T>) -> Option<()> {
        *Arc::make_mut(self.chunks.get_mut(at / CHUNK)?).get_mut(at % CHUNK)? = item;
        Some(())
    }
}

impl<T> FromIterator<Arc<T>> for SharedList<T> {
    fn from_iter<I: IntoIterator<Item = Arc<T>>>(items: I) -> Self {
        let (mut items, mut list) = (items.into_iter(), Self::default());
        loop {
            let chunk: Vec<_> = items.by_ref().take(CHUNK).collect();
            if chunk.is_empty() {
                return list;
            }
            list.len += chunk.len();
            list.chunks.push(Arc::new(chunk));
        }
    }
}

impl<T> Index<usize> for SharedList<T> {
    type Output = Arc<T>;

    fn index(&self, at: usize) -> &Self::Output {
        &self.chunks[at / CHUNK][at % CHUNK]
    }
}

impl<'a, T> IntoIterator for &'a SharedList<T> {
    type Item = &'a Arc<T>;
    type IntoIter = Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<T> Clone for SharedList<T> {
    fn clone(&self) -> Self {
        Self { chunks: self.chunks.clone(), len: self.len }
    }
}

impl<T> Default for SharedList<T> {
    fn default() -> Self {
        Self { chunks: Vec::new(), len: 0 }
    }
}

impl<T: fmt::Debug> fmt::Debug for SharedList<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self).finish()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]
    use super::*;

    #[test]
    fn a_copy_that_is_changed_shares_all_but_some_places() {
        for len in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 7] {
            let list: SharedList<usize> = (0..len).map(Arc::new).collect();
            assert_eq!((list.len(), list.is_empty()), (len, len == 0));
            assert!(list.iter().map(|item| **item).eq(0..len));
            assert!((0..len).all(|at| *list[at] == at && **list.get(at).unwrap() == at));
            let mut copy = list.clone();
            assert!(list.get(len).is_none() && copy.put(len, Arc::new(0)).is_none());
            let Some(last) = len.checked_sub(1) else { continue };
            copy.put(last, Arc::new(usize::MAX)).unwrap();
            assert_eq!((*list[last], *copy[last]), (last, usize::MAX));
            let same = list.chunks.iter().zip(&copy.chunks).filter(|(one, other)| Arc::ptr_eq(one, other)).count();
            assert_eq!(same, list.chunks.len() - 1);
        }
    }
}
