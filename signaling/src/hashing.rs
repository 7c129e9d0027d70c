//! Hashing with a secret from the seed: nobody outside can choose keys that collide, and a run with
//! the same seed walks its tables in the same order.

use std::hash::{BuildHasher, DefaultHasher, Hasher};

/// A SipHash that begins with a secret.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seeded {
    a: u64,
    b: u64,
}

impl Seeded {
    pub(crate) const fn new(a: u64, b: u64) -> Self {
        Self { a, b }
    }

    /// A key of 128 bits for a list of byte strings. Two different lists share a key as rarely as two
    /// random numbers do, so the strings themselves need not be kept.
    pub(crate) fn key(self, parts: &[&[u8]]) -> u128 {
        let salted = Self { a: self.a, b: self.b.wrapping_add(0x9e37_79b9_7f4a_7c15) };
        u128::from(self.short_key(parts)) << 64 | u128::from(salted.short_key(parts))
    }
}

impl Seeded {
    /// As [`key`](Self::key), where 64 bits do.
    pub(crate) fn short_key(self, parts: &[&[u8]]) -> u64 {
        let mut hasher = self.build_hasher();
        for part in parts {
            hasher.write_usize(part.len());
            hasher.write(part);
        }
        hasher.finish()
    }
}

impl BuildHasher for Seeded {
    type Hasher = DefaultHasher;

    fn build_hasher(&self) -> DefaultHasher {
        let mut hasher = DefaultHasher::new();
        hasher.write_u64(self.a);
        hasher.write_u64(self.b);
        hasher
    }
}
