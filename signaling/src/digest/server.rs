//! The server's side: challenges, nonces and the check of credentials.
//!
//! A nonce is self-proving: when it was made, a running number, and an HMAC over both and the
//! client's address. So an unanswered challenge costs no memory. Only a nonce that was once used
//! with the right password is remembered, for its counter.

use std::{
    borrow::Cow,
    collections::{HashMap, VecDeque},
    net::IpAddr,
    time::Duration,
};

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::{Algorithm, Ha1, Hex, Proof, bare};
use crate::{
    hashing::Seeded,
    message::{AuthValue, Quoted},
};

/// How many used nonces are remembered. One more, and the oldest can no longer be used.
const MOST_USED_NONCES: usize = 32_768;
/// The nonce: 8 bytes time, 8 bytes number, 16 bytes HMAC, in hexadecimal.
const NONCE_BYTES: usize = 32;

/// Makes challenges for one realm and checks what comes back.
#[derive(Debug)]
pub struct Challenger {
    realm: String,
    algorithms: Vec<Algorithm>,
    secret: [u8; 32],
    lifetime_ms: u64,
    next: u64,
    used: HashMap<u64, Used, Seeded>,
    order: VecDeque<u64>,
    /// Nonces with a number below this are not taken any more, for their counters were forgotten.
    forgotten_below: u64,
}

/// Which counters of a nonce were seen: the highest, and a window of 64 below it.
#[derive(Clone, Copy, Debug)]
struct Used {
    highest: u32,
    window: u64,
    made_ms: u64,
}

/// What a request proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It comes from this user.
    Proved,
    /// The password is right, but the nonce is old, used up or not ours: challenge with `stale`.
    Stale,
    /// The user is unknown or the password wrong; nobody can tell which.
    Wrong,
}

/// Credentials of a request that are for our realm and that we can check.
#[derive(Clone, Debug)]
pub struct Claim<'a> {
    algorithm: Algorithm,
    user: Cow<'a, str>,
    uri: &'a str,
    nonce: &'a str,
    cnonce: &'a str,
    nc: &'a str,
    response: &'a str,
}

impl<'a> Claim<'a> {
    /// Reads an `Authorization` or `Proxy-Authorization` value. `None` for anything that counts as
    /// "no credentials": another scheme, realm or algorithm, no `qop=auth`, missing parts.
    #[must_use]
    pub fn read(value: &AuthValue<'a>, realm: &str) -> Option<Self> {
        let get = |name| value.get_written(name).map(bare);
        let for_us = value.is("Digest") && value.get("realm")? == realm && get("qop")?.eq_ignore_ascii_case("auth");
        let algorithm = Algorithm::from_name(get("algorithm").unwrap_or("MD5"))?;
        let (user, uri, nonce) = (value.get("username")?, get("uri")?, get("nonce")?);
        let (cnonce, nc, response) = (get("cnonce")?, get("nc")?, get("response")?);
        for_us.then_some(Self { algorithm, user, uri, nonce, cnonce, nc, response })
    }

    /// Who it claims to be, escapes undone.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.user
    }

    /// What it was computed for: to be compared with the Request-URI.
    #[must_use]
    pub const fn uri(&self) -> &'a str {
        self.uri
    }
}

impl Challenger {
    /// A challenger whose nonces are proved by `secret`.
    #[must_use]
    pub fn new(realm: impl Into<String>, algorithms: Vec<Algorithm>, secret: [u8; 32], lifetime: Duration) -> Self {
        let half = |i: usize| u64::from_le_bytes(std::array::from_fn(|k| secret[i + k]));
        Self {
            realm: realm.into(),
            algorithms,
            secret,
            lifetime_ms: u64::try_from(lifetime.as_millis()).unwrap_or(u64::MAX),
            next: 1,
            used: HashMap::with_hasher(Seeded::new(half(8), half(16))),
            order: VecDeque::new(),
            forgotten_below: 0,
        }
    }

    /// The realm.
    #[must_use]
    pub fn realm(&self) -> &str {
        &self.realm
    }

    /// The challenge values for one reply, in the order of preference (RFC 8760 section 2.3).
    pub fn challenges(&mut self, now_ms: u64, source: IpAddr, stale: bool) -> Vec<String> {
        let nonce = self.nonce(now_ms, self.next, source);
        self.next += 1;
        let stale = if stale { ", stale=true" } else { "" };
        let challenge = |algorithm: &Algorithm| {
            let (realm, nonce, algorithm) = (Quoted(&self.realm), nonce.as_str(), algorithm.as_str());
            format!("Digest realm={realm}, nonce=\"{nonce}\", algorithm={algorithm}, qop=\"auth\"{stale}")
        };
        self.algorithms.iter().map(challenge).collect()
    }

    fn nonce(&self, made_ms: u64, number: u64, source: IpAddr) -> Hex {
        let mut bytes = [0u8; NONCE_BYTES];
        bytes[..8].copy_from_slice(&made_ms.to_be_bytes());
        bytes[8..16].copy_from_slice(&number.to_be_bytes());
        let address = match source {
            IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
            IpAddr::V6(v6) => v6.octets(),
        };
        let mac = hmac(&self.secret, &[&bytes[..16], &address]);
        bytes[16..].copy_from_slice(&mac[..16]);
        Hex::new(&bytes)
    }

    /// Checks credentials. `ha1` is what is stored for the claimed user, if there is one.
    pub fn check(&mut self, now_ms: u64, source: IpAddr, method: &str, claim: &Claim<'_>, ha1: Option<&Ha1>) -> Verdict {
        // For an unknown user the same work is done with a password that nobody knows.
        let made_up = self.made_up_ha1(claim.user());
        let ha1 = ha1.and_then(|ha1| ha1.hex(claim.algorithm)).or_else(|| made_up.hex(claim.algorithm));
        let Some(ha1) = ha1 else { return Verdict::Wrong };
        let counted = Some((claim.nc, claim.cnonce));
        let proof = Proof { algorithm: claim.algorithm, method, uri: claim.uri, nonce: claim.nonce, counted };
        let ours = proof.response(ha1);
        let theirs = claim.response.to_ascii_lowercase();
        let wanted = self.algorithms.contains(&claim.algorithm);
        if !wanted || !bool::from(ours.as_bytes().ct_eq(theirs.as_bytes())) {
            return Verdict::Wrong;
        }
        let counter = u32::from_str_radix(claim.nc, 16).unwrap_or(0);
        match self.known_nonce(now_ms, source, claim.nonce) {
            Some((number, made_ms)) if counter > 0 && self.count(now_ms, number, made_ms, counter) => Verdict::Proved,
            _ => Verdict::Stale,
        }
    }

    /// Whether a claim answers a challenge that was sent to this address not long ago, whatever it proves.
    #[must_use]
    pub fn is_ours(&self, now_ms: u64, source: IpAddr, claim: &Claim<'_>) -> bool {
        self.known_nonce(now_ms, source, claim.nonce).is_some()
    }

    fn made_up_ha1(&self, user: &str) -> Ha1 {
        let sha256 = hmac(&self.secret, &[b"nobody", user.as_bytes()]);
        Ha1 { md5: std::array::from_fn(|i| sha256[i]), sha256, sha512_256: Some(sha256) }
    }

    /// Number and time of a nonce that we made for this client and that has not expired.
    fn known_nonce(&self, now_ms: u64, source: IpAddr, text: &str) -> Option<(u64, u64)> {
        let (made, number) = (text.get(..16)?, text.get(16..32)?);
        let (made_ms, number) = (u64::from_str_radix(made, 16).ok()?, u64::from_str_radix(number, 16).ok()?);
        let genuine = self.nonce(made_ms, number, source);
        let fresh = now_ms.saturating_sub(made_ms) < self.lifetime_ms && number >= self.forgotten_below;
        (bool::from(genuine.as_bytes().ct_eq(text.as_bytes())) && fresh).then_some((number, made_ms))
    }

    /// Marks a counter as used; `false` if it was already.
    fn count(&mut self, now_ms: u64, number: u64, made_ms: u64, counter: u32) -> bool {
        self.forget_old(now_ms);
        let Some(used) = self.used.get_mut(&number) else {
            self.used.insert(number, Used { highest: counter, window: 1, made_ms });
            self.order.push_back(number);
            return true;
        };
        if counter > used.highest {
            let shift = counter - used.highest;
            used.window = used.window.checked_shl(shift).unwrap_or(0) | 1;
            used.highest = counter;
            return true;
        }
        let bit = 1u64.checked_shl(used.highest - counter).unwrap_or(0);
        if bit == 0 || used.window & bit != 0 {
            return false;
        }
        used.window |= bit;
        true
    }

    fn forget_old(&mut self, now_ms: u64) {
        while let Some(&oldest) = self.order.front() {
            let expired = self.used.get(&oldest).is_none_or(|used| now_ms.saturating_sub(used.made_ms) >= self.lifetime_ms);
            if !expired && self.order.len() < MOST_USED_NONCES {
                return;
            }
            self.order.pop_front();
            self.used.remove(&oldest);
            if !expired {
                self.forgotten_below = self.forgotten_below.max(oldest + 1);
            }
        }
    }
}

/// HMAC-SHA-256 (RFC 2104) of the parts one after the other.
fn hmac(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    let pad = |byte: u8| -> [u8; 64] { std::array::from_fn(|i| key.get(i).copied().unwrap_or(0) ^ byte) };
    let mut inner = Sha256::new_with_prefix(pad(0x36));
    for part in parts {
        inner.update(part);
    }
    Sha256::new_with_prefix(pad(0x5c)).chain_update(inner.finalize()).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        digest::{Challenge, ha1},
        message::auth_values,
    };

    const SOURCE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7));

    fn challenger() -> Challenger {
        Challenger::new("here", vec![Algorithm::Sha256, Algorithm::Md5, Algorithm::Sha512_256], [7; 32], Duration::from_secs(60))
    }

    /// What a client with this password answers to challenge `i` with the given counter.
    fn answer(challenges: &[String], i: usize, password: &str, nc: u32) -> String {
        let challenge = Challenge::read(&auth_values(&challenges[i]).next().unwrap()).unwrap();
        challenge.answer("alice", password, "REGISTER", "sip:here", nc, "c0ffee")
    }

    fn check(server: &mut Challenger, now_ms: u64, source: IpAddr, value: &str) -> Verdict {
        let claim = Claim::read(&auth_values(value).next().unwrap(), "here").unwrap();
        let stored = ha1("alice", "here", "secret");
        let stored = (claim.user() == "alice").then_some(&stored);
        server.check(now_ms, source, "REGISTER", &claim, stored)
    }

    #[test]
    fn every_algorithm_proves_the_user_and_a_wrong_password_does_not() {
        for i in [0, 1, 2] {
            let mut server = challenger();
            let challenges = server.challenges(1_000, SOURCE, false);
            assert!(challenges[0].contains("algorithm=SHA-256") && challenges[1].contains("algorithm=MD5"));
            assert_eq!(check(&mut server, 2_000, SOURCE, &answer(&challenges, i, "secret", 1)), Verdict::Proved);
            assert_eq!(check(&mut server, 2_000, SOURCE, &answer(&challenges, i, "guess", 2)), Verdict::Wrong);
        }
    }

    #[test]
    fn a_replay_an_old_nonce_and_a_nonce_of_somebody_else_are_stale() {
        let mut server = challenger();
        let challenges = server.challenges(1_000, SOURCE, false);
        let first = answer(&challenges, 0, "secret", 1);
        assert_eq!(check(&mut server, 1_000, SOURCE, &first), Verdict::Proved);
        assert_eq!(check(&mut server, 1_000, SOURCE, &first), Verdict::Stale);
        assert_eq!(check(&mut server, 1_000, SOURCE, &answer(&challenges, 0, "secret", 3)), Verdict::Proved);
        assert_eq!(
            check(&mut server, 1_000, SOURCE, &answer(&challenges, 0, "secret", 2)),
            Verdict::Proved,
            "late, not replayed"
        );
        assert_eq!(check(&mut server, 1_000, SOURCE, &answer(&challenges, 0, "secret", 2)), Verdict::Stale);
        assert_eq!(check(&mut server, 61_000, SOURCE, &answer(&challenges, 0, "secret", 4)), Verdict::Stale);
        let elsewhere = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 8));
        assert_eq!(check(&mut server, 1_000, elsewhere, &answer(&challenges, 0, "secret", 5)), Verdict::Stale);
        assert!(server.challenges(1_000, SOURCE, true)[0].ends_with("stale=true"));
    }

    #[test]
    fn a_user_whose_hash_is_not_kept_is_wrong_like_an_unknown_one() {
        let mut server = challenger();
        let challenges = server.challenges(0, SOURCE, false);
        let value = answer(&challenges, 2, "secret", 1);
        let claim = Claim::read(&auth_values(&value).next().unwrap(), "here").unwrap();
        let old = Ha1 { sha512_256: None, ..ha1("alice", "here", "secret") };
        assert_eq!(server.check(0, SOURCE, "REGISTER", &claim, Some(&old)), Verdict::Wrong);
    }

    #[test]
    fn an_unknown_user_is_wrong_like_a_wrong_password() {
        let mut server = challenger();
        let challenges = server.challenges(0, SOURCE, false);
        let value = answer(&challenges, 1, "secret", 1).replace("\"alice\"", "\"bob\"");
        assert_eq!(check(&mut server, 0, SOURCE, &value), Verdict::Wrong);
    }

    #[test]
    fn forgetting_counters_never_opens_a_replay_and_memory_is_bounded() {
        let mut server = challenger();
        let mut first = None;
        for _ in 0..MOST_USED_NONCES + 10 {
            let challenges = server.challenges(0, SOURCE, false);
            let number = server.next - 1;
            first.get_or_insert(answer(&challenges, 1, "secret", 1));
            assert!(server.count(0, number, 0, 1));
        }
        assert!(server.used.len() <= MOST_USED_NONCES && server.order.len() == server.used.len());
        assert_eq!(check(&mut server, 0, SOURCE, &first.unwrap()), Verdict::Stale);
    }

    #[test]
    fn hmac_matches_rfc_4231_test_case_1() {
        // That case has a key of 20 bytes, which the zero padding makes equal to this one.
        let mut key = [0u8; 32];
        key[..20].fill(0x0b);
        let mac = hmac(&key, &[b"Hi ", b"There"]);
        assert_eq!(Hex::new(&mac).as_str(), "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    }
}
