//! A table whose rows keep their place. A key names a row for as long as that row lives, and nothing
//! after: places are used again, keys are not.

/// One row of a [`Slab`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    place: u32,
    generation: u32,
}

#[derive(Debug)]
pub(super) struct Slab<T> {
    rows: Vec<(u32, Option<T>)>,
    free: Vec<u32>,
}

impl<T> Slab<T> {
    pub(super) const fn new() -> Self {
        Self { rows: Vec::new(), free: Vec::new() }
    }

    pub(super) const fn len(&self) -> usize {
        self.rows.len() - self.free.len()
    }

    /// Puts a row in. The callers bound how many there are, far below 2³².
    pub(super) fn insert(&mut self, value: T) -> Key {
        if let Some(place) = self.free.pop() {
            let row = &mut self.rows[place as usize];
            row.1 = Some(value);
            return Key { place, generation: row.0 };
        }
        let place = u32::try_from(self.rows.len()).expect("tables are bounded far below 2^32 rows");
        self.rows.push((0, Some(value)));
        Key { place, generation: 0 }
    }

    pub(super) fn get(&self, key: Key) -> Option<&T> {
        let (generation, value) = self.rows.get(key.place as usize)?;
        if *generation == key.generation { value.as_ref() } else { None }
    }

    pub(super) fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        let (generation, value) = self.rows.get_mut(key.place as usize)?;
        if *generation == key.generation { value.as_mut() } else { None }
    }

    pub(super) fn remove(&mut self, key: Key) -> Option<T> {
        let (generation, value) = self.rows.get_mut(key.place as usize)?;
        if *generation != key.generation {
            return None;
        }
        let value = value.take()?;
        *generation = generation.wrapping_add(1);
        self.free.push(key.place);
        Some(value)
    }

    /// All rows with their keys, in order of place.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Key, &T)> {
        (0u32..).zip(&self.rows).filter_map(|(place, (generation, value))| {
            value.as_ref().map(|value| (Key { place, generation: *generation }, value))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_dies_with_its_row() {
        let mut slab = Slab::new();
        let a = slab.insert("a");
        assert_eq!((slab.remove(a), slab.remove(a), slab.get(a)), (Some("a"), None, None));
        let b = slab.insert("b");
        assert_eq!((slab.get(a), slab.get(b).copied(), slab.len()), (None, Some("b"), 1));
        assert_eq!(slab.iter().map(|(key, _)| key).collect::<Vec<_>>(), [b]);
    }
}
