//! Hashing with a secret from the seed: nobody outside can choose keys that collide, and a run with
//! the same seed walks its tables in the same order.

use std::{
    hash::{BuildHasher, DefaultHasher, Hasher},
    num::Wrapping,
};

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
        let half = |salt: u64| {
            let mut hasher = Self { a: self.a, b: (Wrapping(self.b) + Wrapping(salt)).0 }.build_hasher();
            for part in parts {
                hasher.write_usize(part.len());
                hasher.write(part);
            }
            u128::from(hasher.finish())
        };
        half(0) << 64 | half(0x9e37_79b9_7f4a_7c15)
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
