//! Which records of DTLS reach the library (RFC 6347 section 4.1). It keeps what it cannot use yet and puts fragments
//! together by recursion, both without a bound that counts; and it ends a handshake for records that anybody can forge.
//!
//! So only what a handshake and its end are made of goes through, and only so much of it. What is dropped here is dropped
//! in silence (section 4.1.2.7): what was true comes again.

/// Bytes of a record's header.
const HEAD_BYTES: usize = 13;
/// Bytes of the header of a handshake message.
const MESSAGE_HEAD_BYTES: usize = 12;
/// Longest handshake message: a certificate has some hundred bytes, a hello with keys after quanta under two thousand.
const LONGEST_MESSAGE: u32 = 16 * 1024;
/// Messages of a handshake are numbered from 0; there are a dozen.
const LAST_MESSAGE: u16 = 31;
/// Records and fragments that a handshake may take, repetitions included.
const HANDSHAKE_RECORDS: u16 = 256;
/// Records that may come after it: the last flight again, and the end.
const LATER_RECORDS: u16 = 64;

/// How many more may come.
#[derive(Debug)]
pub(super) struct Budget {
    records: u16,
}

impl Budget {
    pub(super) const fn new() -> Self {
        Self { records: HANDSHAKE_RECORDS }
    }

    /// The handshake is over.
    pub(super) const fn complete(&mut self) {
        self.records = LATER_RECORDS;
    }

    /// Whether all records of a datagram may be read.
    pub(super) fn admits(&mut self, datagram: &[u8]) -> bool {
        let mut rest = datagram;
        let mut records = 0_u16;
        while !rest.is_empty() {
            let Some((head, after)) = rest.split_first_chunk::<HEAD_BYTES>() else { return false };
            let [kind, major, _, epoch_high, epoch_low, .., length_high, length_low] = *head;
            let length = usize::from(u16::from_be_bytes([length_high, length_low]));
            let Some((body, next)) = after.split_at_checked(length) else { return false };
            let is_clear = u16::from_be_bytes([epoch_high, epoch_low]) == 0;
            let Some(pieces) = pieces(kind, is_clear, body).filter(|_| major == 0xfe) else { return false };
            records = records.saturating_add(pieces);
            rest = next;
        }
        let is_within = records > 0 && records <= self.records;
        if is_within {
            self.records -= records;
        }
        is_within
    }
}

/// What a record counts for; `None` when nobody wants it.
fn pieces(kind: u8, is_clear: bool, body: &[u8]) -> Option<u16> {
    match kind {
        // ChangeCipherSpec has one form.
        20 => (is_clear && body == [1]).then_some(1),
        // An alert in the clear can be anybody's: a handshake that the peer gave up ends by its time.
        21 => (!is_clear && !body.is_empty()).then_some(1),
        22 if is_clear => fragments(body),
        22 => (!body.is_empty()).then_some(1),
        // Nothing is said over DTLS itself.
        _ => None,
    }
}

/// How many handshake messages, or fragments of them, a record has; `None` when they cannot be told apart.
fn fragments(mut body: &[u8]) -> Option<u16> {
    let mut count = 0_u16;
    while !body.is_empty() {
        let (head, data) = body.split_first_chunk::<MESSAGE_HEAD_BYTES>()?;
        let number = |bytes: [u8; 3]| u32::from_be_bytes([0, bytes[0], bytes[1], bytes[2]]);
        let [_, l0, l1, l2, s0, s1, o0, o1, o2, f0, f1, f2] = *head;
        let (length, offset, fragment) = (number([l0, l1, l2]), number([o0, o1, o2]), number([f0, f1, f2]));
        let is_sound = offset + fragment <= length && length <= LONGEST_MESSAGE && (fragment > 0 || length == 0);
        if !is_sound || u16::from_be_bytes([s0, s1]) > LAST_MESSAGE {
            return None;
        }
        body = data.get(usize::try_from(fragment).ok()?..)?;
        count = count.saturating_add(1);
    }
    (count > 0).then_some(count)
}
