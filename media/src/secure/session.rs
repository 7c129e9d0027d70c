//! The session keys of one direction, and what they do to one packet in its place: RFC 3711 with AES-CM, RFC 6188, RFC 7714.
//!
//! Nothing here remembers a packet: which index one has, and whether it came before, is the caller's to know. Nothing
//! allocates after the keys are made.

use aes::{
    Aes128Enc, Aes256Enc,
    cipher::{BlockCipher, BlockEncrypt, BlockSizeUser, InnerIvInit as _, KeyInit as _, StreamCipherCore as _, consts::U16},
};
use ctr::{CtrCore, flavors};
use hmac::{Hmac, Mac as _};
use ring::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use sha1::Sha1;
use zeroize::Zeroizing;

use crate::keys::{StreamKey, Suite};

/// RTCP's fixed part, which is not encrypted.
const RTCP_HEAD: usize = 8;
/// Index and flag behind encrypted RTCP.
const RTCP_INDEX: usize = 4;
/// The flag: encrypted.
const ENCRYPTED: u32 = 1 << 31;
/// AES-CM keeps tags of 80 bits on RTCP, also where those of RTP are short (RFC 4568 section 6.2).
const RTCP_TAG: usize = 10;
const GCM_TAG: usize = 16;
const MAC_KEY: usize = 20;
/// The longest tag with index.
pub(super) const MOST_MORE: usize = GCM_TAG + RTCP_INDEX;

/// Labels of what is derived (RFC 3711 section 4.3.2): key, authentication key, salt.
const RTP_LABELS: [u8; 3] = [0, 1, 2];
const RTCP_LABELS: [u8; 3] = [3, 4, 5];

/// The keys of both protocols.
pub(super) struct Session {
    rtp: Keys,
    rtcp: Keys,
    rtp_tag: usize,
}

struct Keys {
    salt: [u8; 14],
    cipher: Cipher,
}

enum Cipher {
    Cm { block: Block, mac: Box<Hmac<Sha1>> },
    Gcm(Box<LessSafeKey>),
}

enum Block {
    Aes128(Box<Aes128Enc>),
    Aes256(Box<Aes256Enc>),
}

/// A packet of RTP: where its payload begins, and what the ciphers know it by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) head: usize,
    pub(super) ssrc: u32,
    /// Rollover counter and sequence number.
    pub(super) index: u64,
}

impl Session {
    /// `None` when a cipher refuses its key, which has the right length.
    pub(super) fn new(key: &StreamKey) -> Option<Self> {
        let prf = Block::new(key.key())?;
        let mut salt = [0; 14];
        salt[..key.salt().len()].copy_from_slice(key.salt());
        let derive = |labels| Keys::derive(&prf, salt, labels, key.suite());
        let rtp_tag = match key.suite() {
            Suite::AesCm128HmacSha1_80 | Suite::AesCm256HmacSha1_80 => 10,
            Suite::AesCm128HmacSha1_32 => 4,
            Suite::AeadAes128Gcm | Suite::AeadAes256Gcm => GCM_TAG,
        };
        Some(Self { rtp: derive(RTP_LABELS)?, rtcp: derive(RTCP_LABELS)?, rtp_tag })
    }

    /// Seals the first `length` bytes of `room`, and gives the length with the tag; `None` when there is no room for it.
    pub(super) fn seal_rtp(&self, at: Place, room: &mut [u8], length: usize) -> Option<usize> {
        let whole = length + self.rtp_tag;
        let (packet, tag) = room.get_mut(..whole)?.split_at_mut(length);
        let (head, payload) = packet.split_at_mut_checked(at.head)?;
        match &self.rtp.cipher {
            Cipher::Gcm(key) => {
                let sealed = key.seal_in_place_separate_tag(self.rtp.gcm_rtp(at), Aad::from(head), payload).ok()?;
                tag.copy_from_slice(sealed.as_ref());
            }
            Cipher::Cm { block, mac } => {
                block.apply(self.rtp.cm(at.ssrc, at.index), payload);
                let full = (**mac).clone().chain_update(&*packet).chain_update(rollover(at.index)).finalize().into_bytes();
                tag.copy_from_slice(&full[..self.rtp_tag]);
            }
        }
        Some(whole)
    }

    /// Opens a packet in its place and gives its length without the tag; `None` when it is not authentic: then its bytes are
    /// spoiled.
    pub(super) fn open_rtp(&self, at: Place, packet: &mut [u8]) -> Option<usize> {
        let length = packet.len().checked_sub(self.rtp_tag).filter(|length| *length >= at.head)?;
        match &self.rtp.cipher {
            Cipher::Gcm(key) => {
                let (head, sealed) = packet.split_at_mut_checked(at.head)?;
                key.open_in_place(self.rtp.gcm_rtp(at), Aad::from(head), sealed).ok()?;
            }
            Cipher::Cm { block, mac } => {
                let (sealed, tag) = packet.split_at_mut(length);
                let check = (**mac).clone().chain_update(&*sealed).chain_update(rollover(at.index));
                check.verify_truncated_left(tag).ok()?;
                block.apply(self.rtp.cm(at.ssrc, at.index), sealed.get_mut(at.head..)?);
            }
        }
        Some(length)
    }

    /// The same for a compound RTCP packet of `length` bytes, under an index of 31 bits that was never used.
    pub(super) fn seal_rtcp(&self, index: u32, room: &mut [u8], length: usize) -> Option<usize> {
        let ssrc = source(room.get(..length)?)?;
        let word = (index | ENCRYPTED).to_be_bytes();
        let whole = length + self.rtcp.rtcp_more();
        let (packet, more) = room.get_mut(..whole)?.split_at_mut(length);
        match &self.rtcp.cipher {
            Cipher::Gcm(key) => {
                let (head, body) = packet.split_at_mut(RTCP_HEAD);
                let aad = associated(head, word)?;
                let tag = key.seal_in_place_separate_tag(self.rtcp.gcm_rtcp(ssrc, index), Aad::from(aad), body).ok()?;
                more[..GCM_TAG].copy_from_slice(tag.as_ref());
                more[GCM_TAG..].copy_from_slice(&word);
            }
            Cipher::Cm { block, mac } => {
                block.apply(self.rtcp.cm(ssrc, u64::from(index)), packet.get_mut(RTCP_HEAD..)?);
                let full = (**mac).clone().chain_update(&*packet).chain_update(word).finalize().into_bytes();
                more[..RTCP_INDEX].copy_from_slice(&word);
                more[RTCP_INDEX..].copy_from_slice(&full[..RTCP_TAG]);
            }
        }
        Some(whole)
    }

    /// Who sends a compound packet, under which index; `None` when it is too short, or not encrypted: nobody need be able to
    /// read it to change it.
    pub(super) fn read_rtcp(&self, packet: &[u8]) -> Option<(u32, u32)> {
        let length = packet.len().checked_sub(self.rtcp.rtcp_more()).filter(|length| *length >= RTCP_HEAD)?;
        let at = if matches!(self.rtcp.cipher, Cipher::Gcm(_)) { length + GCM_TAG } else { length };
        let word = u32::from_be_bytes(*packet.get(at..)?.first_chunk()?);
        (packet[0] >> 6 == 2 && word & ENCRYPTED != 0).then_some((source(packet)?, word & !ENCRYPTED))
    }

    /// Opens a compound packet whose index was read, as [`Self::open_rtp`].
    pub(super) fn open_rtcp(&self, (ssrc, index): (u32, u32), packet: &mut [u8]) -> Option<usize> {
        let length = packet.len().checked_sub(self.rtcp.rtcp_more())?;
        match &self.rtcp.cipher {
            Cipher::Gcm(key) => {
                let (sealed, word) = packet.split_at_mut(length + GCM_TAG);
                let (head, body) = sealed.split_at_mut(RTCP_HEAD);
                let aad = associated(head, *word.first_chunk()?)?;
                key.open_in_place(self.rtcp.gcm_rtcp(ssrc, index), Aad::from(aad), body).ok()?;
            }
            Cipher::Cm { block, mac } => {
                let (signed, tag) = packet.split_at_mut(length + RTCP_INDEX);
                (**mac).clone().chain_update(&*signed).verify_truncated_left(tag).ok()?;
                block.apply(self.rtcp.cm(ssrc, u64::from(index)), signed.get_mut(RTCP_HEAD..length)?);
            }
        }
        Some(length)
    }
}

impl Keys {
    fn derive(prf: &Block, master_salt: [u8; 14], labels: [u8; 3], suite: Suite) -> Option<Self> {
        let derive = |label: u8, out: &mut [u8]| {
            // RFC 3711 section 4.3.1, with a key derivation rate of 0.
            let mut iv = [0; 16];
            iv[..14].copy_from_slice(&master_salt);
            iv[7] ^= label;
            prf.apply(iv, out);
        };
        let mut key = Zeroizing::new([0; 32]);
        let key = &mut key[..suite.key_bytes()];
        let mut salt = [0; 14];
        derive(labels[0], key);
        derive(labels[2], &mut salt[..suite.salt_bytes()]);
        let cipher = match suite {
            Suite::AeadAes128Gcm => gcm(&AES_128_GCM, key)?,
            Suite::AeadAes256Gcm => gcm(&AES_256_GCM, key)?,
            Suite::AesCm128HmacSha1_80 | Suite::AesCm128HmacSha1_32 | Suite::AesCm256HmacSha1_80 => {
                let mut mac_key = Zeroizing::new([0; MAC_KEY]);
                derive(labels[1], &mut *mac_key);
                let mac = <Hmac<Sha1> as hmac::Mac>::new_from_slice(&*mac_key).ok()?;
                Cipher::Cm { block: Block::new(key)?, mac: Box::new(mac) }
            }
        };
        Some(Self { salt, cipher })
    }

    const fn rtcp_more(&self) -> usize {
        match self.cipher {
            Cipher::Gcm(_) => GCM_TAG + RTCP_INDEX,
            Cipher::Cm { .. } => RTCP_TAG + RTCP_INDEX,
        }
    }

    /// RFC 3711 section 4.1.1.
    fn cm(&self, ssrc: u32, index: u64) -> [u8; 16] {
        let mut iv = [0; 16];
        iv[..14].copy_from_slice(&self.salt);
        mix(&mut iv[4..8], &ssrc.to_be_bytes());
        mix(&mut iv[8..14], &index.to_be_bytes()[2..]);
        iv
    }

    /// RFC 7714 section 8.1.
    fn gcm_rtp(&self, at: Place) -> Nonce {
        let mut iv = [0; 12];
        iv.copy_from_slice(&self.salt[..12]);
        mix(&mut iv[2..6], &at.ssrc.to_be_bytes());
        mix(&mut iv[6..12], &at.index.to_be_bytes()[2..]);
        Nonce::assume_unique_for_key(iv)
    }

    /// RFC 7714 section 9.1.
    fn gcm_rtcp(&self, ssrc: u32, index: u32) -> Nonce {
        let mut iv = [0; 12];
        iv.copy_from_slice(&self.salt[..12]);
        mix(&mut iv[2..6], &ssrc.to_be_bytes());
        mix(&mut iv[8..12], &index.to_be_bytes());
        Nonce::assume_unique_for_key(iv)
    }
}

impl Block {
    fn new(key: &[u8]) -> Option<Self> {
        Some(match key.len() {
            16 => Self::Aes128(Box::new(Aes128Enc::new_from_slice(key).ok()?)),
            _ => Self::Aes256(Box::new(Aes256Enc::new_from_slice(key).ok()?)),
        })
    }

    /// Counter mode from this block on.
    fn apply(&self, iv: [u8; 16], data: &mut [u8]) {
        match self {
            Self::Aes128(block) => apply(&**block, iv, data),
            Self::Aes256(block) => apply(&**block, iv, data),
        }
    }
}

fn apply<C: BlockEncrypt + BlockCipher + BlockSizeUser<BlockSize = U16>>(block: &C, iv: [u8; 16], data: &mut [u8]) {
    CtrCore::<&C, flavors::Ctr128BE>::inner_iv_init(block, &iv.into()).apply_keystream_partial(data.into());
}

fn gcm(algorithm: &'static ring::aead::Algorithm, key: &[u8]) -> Option<Cipher> {
    UnboundKey::new(algorithm, key).ok().map(|key| Cipher::Gcm(Box::new(LessSafeKey::new(key))))
}

fn mix(into: &mut [u8], with: &[u8]) {
    into.iter_mut().zip(with).for_each(|(byte, other)| *byte ^= other);
}

/// The upper part of an index, which is authenticated and not sent.
fn rollover(index: u64) -> [u8; 4] {
    let [_, _, a, b, c, d, _, _] = index.to_be_bytes();
    [a, b, c, d]
}

fn source(packet: &[u8]) -> Option<u32> {
    packet.get(4..)?.first_chunk().map(|word| u32::from_be_bytes(*word))
}

/// What is authenticated and not encrypted of RTCP with GCM (RFC 7714 section 9.2).
fn associated(head: &[u8], word: [u8; 4]) -> Option<[u8; 12]> {
    let mut all = [0; 12];
    all[..RTCP_HEAD].copy_from_slice(head.get(..RTCP_HEAD)?);
    all[RTCP_HEAD..].copy_from_slice(&word);
    Some(all)
}
