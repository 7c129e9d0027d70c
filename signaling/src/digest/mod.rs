//! Digest authentication (RFC 7616 as used by SIP: RFC 3261 section 22, RFC 8760), both sides.
//!
//! `qop=auth` always. Not here: `auth-int` and the `-sess` algorithms, which no phone we know of needs.

mod client;
mod server;

use md5::Md5;
use sha2::{Sha256, Sha512_256};

pub use client::{Answer, Answered, Challenge};
pub use server::{Challenger, Claim, Verdict};

/// A hash function of RFC 8760, the stronger the greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// `MD5`, also meant when a challenge names none.
    Md5,
    /// `SHA-256`.
    Sha256,
    /// `SHA-512-256`.
    Sha512_256,
}

impl Algorithm {
    /// The name in headers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Sha256 => "SHA-256",
            Self::Sha512_256 => "SHA-512-256",
        }
    }

    /// Reads a name from a header; `None` for one that we do not serve.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Md5, Self::Sha256, Self::Sha512_256].into_iter().find(|a| a.as_str().eq_ignore_ascii_case(name))
    }

    /// The lower-case hexadecimal hash of the parts joined by colons.
    fn hex(self, parts: &[&[u8]]) -> Hex {
        let mut bytes = [0u8; 32];
        let len = match self {
            Self::Md5 => {
                bytes[..16].copy_from_slice(&joined::<Md5>(parts));
                16
            }
            Self::Sha256 => {
                bytes.copy_from_slice(&joined::<Sha256>(parts));
                32
            }
            Self::Sha512_256 => {
                bytes.copy_from_slice(&joined::<Sha512_256>(parts));
                32
            }
        };
        Hex::new(&bytes[..len])
    }
}

fn joined<D: sha2::Digest>(parts: &[&[u8]]) -> sha2::digest::Output<D> {
    let mut hash = D::new();
    for (i, part) in parts.iter().enumerate() {
        if i > 0 {
            hash.update(b":");
        }
        hash.update(part);
    }
    hash.finalize()
}

/// Up to 32 bytes in lower-case hexadecimal, without an allocation.
#[derive(Clone, Copy)]
struct Hex {
    text: [u8; 64],
    len: usize,
}

impl Hex {
    fn new(bytes: &[u8]) -> Self {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = [0u8; 64];
        for (pair, byte) in text.chunks_exact_mut(2).zip(bytes) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        Self { text, len: bytes.len().min(32) * 2 }
    }

    fn as_bytes(&self) -> &[u8] {
        &self.text[..self.len]
    }

    fn as_str(&self) -> &str {
        str::from_utf8(self.as_bytes()).expect("hexadecimal digits are ASCII")
    }
}

/// What a server keeps instead of a password, for each algorithm.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Ha1 {
    /// MD5 of `user:realm:password`.
    pub md5: [u8; 16],
    /// SHA-256 of the same.
    pub sha256: [u8; 32],
    /// SHA-512-256 of the same; `None` for passwords that were set before it was kept.
    pub sha512_256: Option<[u8; 32]>,
}

impl std::fmt::Debug for Ha1 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ha1")
    }
}

impl Ha1 {
    fn hex(&self, algorithm: Algorithm) -> Option<Hex> {
        match algorithm {
            Algorithm::Md5 => Some(Hex::new(&self.md5)),
            Algorithm::Sha256 => Some(Hex::new(&self.sha256)),
            Algorithm::Sha512_256 => self.sha512_256.as_ref().map(|hash| Hex::new(hash)),
        }
    }
}

/// Hashes a password for storage (RFC 7616 section 3.4.2).
#[must_use]
pub fn ha1(user: &str, realm: &str, password: &str) -> Ha1 {
    let parts = [user.as_bytes(), realm.as_bytes(), password.as_bytes()];
    Ha1 {
        md5: joined::<Md5>(&parts).into(),
        sha256: joined::<Sha256>(&parts).into(),
        sha512_256: Some(joined::<Sha512_256>(&parts).into()),
    }
}

/// What stands between the quotes of a written value: hashes are taken over just that.
fn bare(written: &str) -> &str {
    written.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(written)
}

/// What a client proves knowledge of (RFC 7616 section 3.4.1); `qop` is absent for RFC 2069 peers.
struct Proof<'a> {
    algorithm: Algorithm,
    method: &'a str,
    uri: &'a str,
    nonce: &'a str,
    /// `(nc, cnonce)` with `qop=auth`.
    counted: Option<(&'a str, &'a str)>,
}

impl Proof<'_> {
    fn response(&self, ha1: Hex) -> Hex {
        let ha2 = self.algorithm.hex(&[self.method.as_bytes(), self.uri.as_bytes()]);
        let nonce = self.nonce.as_bytes();
        match self.counted {
            Some((nc, cnonce)) => {
                let parts = [ha1.as_bytes(), nonce, nc.as_bytes(), cnonce.as_bytes(), b"auth", ha2.as_bytes()];
                self.algorithm.hex(&parts)
            }
            None => self.algorithm.hex(&[ha1.as_bytes(), nonce, ha2.as_bytes()]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(algorithm: Algorithm) -> String {
        let ha1 = ha1("Mufasa", "http-auth@example.org", "Circle of Life").hex(algorithm).unwrap();
        let proof = Proof {
            algorithm,
            method: "GET",
            uri: "/dir/index.html",
            nonce: "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
            counted: Some(("00000001", "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ")),
        };
        proof.response(ha1).as_str().to_owned()
    }

    #[test]
    fn the_examples_of_rfc_7616_section_3_9_1() {
        assert_eq!(response(Algorithm::Md5), "8ca523f5e9506fed4657c9700eebdbec");
        assert_eq!(response(Algorithm::Sha256), "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1");
    }

    #[test]
    fn the_example_of_rfc_2617_without_qop_as_in_rfc_2069() {
        let ha1 = ha1("Mufasa", "testrealm@host.com", "CircleOfLife").hex(Algorithm::Md5).unwrap();
        let proof = Proof {
            algorithm: Algorithm::Md5,
            method: "GET",
            uri: "/dir/index.html",
            nonce: "dcd98b7102dd2f0e8b11d0f600bfb0c093",
            counted: None,
        };
        // RFC 2069 errata: the printed example was wrong; this is the corrected value.
        assert_eq!(proof.response(ha1).as_str(), "1949323746fe6a43ef61f9606e7febea");
    }

    #[test]
    fn sha_512_256_is_that_of_fips_180_4_with_its_own_start() {
        let empty = Algorithm::Sha512_256.hex(&[b"abc"]);
        assert_eq!(empty.as_str(), "53048e2681941ef99b2e29b76b4c7dabe4c2d0c634fc6d46e0e2f13107e7af23");
        let names = [Algorithm::Md5, Algorithm::Sha256, Algorithm::Sha512_256].map(Algorithm::as_str);
        assert_eq!(names, ["MD5", "SHA-256", "SHA-512-256"]);
        assert!(names.iter().all(|name| Algorithm::from_name(name).is_some_and(|read| read.as_str() == *name)));
    }
}
