//! SRTP with keys in the SDP (RFC 4568), by a crate that nobody here wrote.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use srtp::{context::Context, crypto, protection_profile::ProtectionProfile};

/// The only suite that the edge takes.
const SUITE: &str = "AES_CM_128_HMAC_SHA1_80";
const KEY_BYTES: usize = 16;
const SALT_BYTES: usize = 14;

/// A master key with its salt.
pub(super) type Key = [u8; KEY_BYTES + SALT_BYTES];

/// One that no other call has.
pub(super) fn key(number: u64) -> Key {
    let bytes = number.to_be_bytes();
    std::array::from_fn(|i| bytes[i % bytes.len()] ^ u8::try_from(i * 7).expect("below 256"))
}

/// What an `m=` section says of a key, and by which number.
pub(super) fn line(tag: &str, key: &Key) -> String {
    format!("a=crypto:{tag} {SUITE} inline:{}\r\n", STANDARD.encode(key))
}

/// The number and the key of a description.
pub(super) fn of(sdp: &str) -> Option<(String, Key)> {
    let mut lines = sdp.lines().filter_map(|line| line.strip_prefix("a=crypto:")).map(|line| line.split_whitespace());
    lines.find_map(|mut words| {
        let (tag, suite, params) = (words.next()?, words.next()?, words.next()?);
        let text = params.strip_prefix("inline:")?.split('|').next()?;
        let key = STANDARD.decode(text).ok()?.try_into().ok()?;
        (suite == SUITE).then(|| (tag.to_owned(), key))
    })
}

/// Both directions of a call.
pub(super) struct Keys {
    theirs: Context,
    ours: Context,
}

impl Keys {
    pub(super) fn new(theirs: &Key, ours: &Key) -> Self {
        let context = |key: &Key| {
            let provider = crypto::default_provider().expect("a cipher");
            let (key, salt) = key.split_at(KEY_BYTES);
            let profile = ProtectionProfile::Aes128CmHmacSha1_80;
            Context::new(key, salt, profile, None, None, provider.crypto()).expect("a key of the right length")
        };
        Self { theirs: context(theirs), ours: context(ours) }
    }

    /// What a packet of the switch says, RTP or RTCP; `None` when it is not theirs.
    pub(super) fn open(&mut self, packet: &[u8]) -> Option<Vec<u8>> {
        let is_rtcp = packet.get(1).is_some_and(|kind| (192..=223).contains(kind));
        let opened = if is_rtcp { self.theirs.decrypt_rtcp(packet) } else { self.theirs.decrypt_rtp(packet) };
        opened.ok().map(|opened| opened.to_vec())
    }

    pub(super) fn seal(&mut self, packet: &[u8]) -> Vec<u8> {
        self.ours.encrypt_rtp(packet).expect("a packet of ours").to_vec()
    }
}
