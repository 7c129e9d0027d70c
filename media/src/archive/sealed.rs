//! Sealed files: AES-256-GCM in records, under a key of the file's own that the configured key wraps.
//!
//! ```text
//! head:   "TNDMSEAL" | bytes of a record (4, 0: as they came) | id of the configured key (8)
//!         | nonce (12) | the file's key, sealed with all before it as associated data (48)
//! record: length and last-record mark (4) | ciphertext | tag (16)
//! ```
//!
//! A record's nonce is its number, and number and mark are its associated data (NIST SP 800-38D section 8.2.1: no key has
//! two of a nonce, as each file has a key of its own). So records that are missing, exchanged or of another file are
//! noticed, and so is a file that lost its end. Files of one record length are opened at any place; captures, whose
//! records are as long as what was there to be written, only from the begin.

use std::{
    io::{self, ErrorKind, Read, Seek, SeekFrom, Write},
    sync::Arc,
};

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use zeroize::Zeroizing;

const MAGIC: &[u8; 8] = b"TNDMSEAL";
/// Magic, record length and key id: what the wrapped key is bound to.
const BOUND_BYTES: usize = 20;
const HEAD_BYTES: usize = BOUND_BYTES + NONCE_BYTES + KEY_BYTES + TAG_BYTES;
const NONCE_BYTES: usize = 12;
const TAG_BYTES: usize = 16;
const LENGTH_BYTES: u64 = 4;
/// Bytes of a key.
pub const KEY_BYTES: usize = 32;
/// Random bytes that a new file needs.
pub const SEED_BYTES: usize = KEY_BYTES + NONCE_BYTES;
/// Bytes of a record in finished files.
pub const RECORD_BYTES: u32 = 64 * 1024;
/// Bytes of a record at most.
const MAX_RECORD_BYTES: usize = 1 << 20;
/// Marks the last record in its length.
const LAST: u32 = 1 << 31;

/// Why something sealed cannot be opened or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// Another key is needed.
    #[error("it is sealed with key {needed}, and the configured keys are {}", if have.is_empty() { "none".to_owned() } else { have.join(", ") })]
    OtherKey {
        /// The key that is needed.
        needed: String,
        /// Those that are there.
        have: Vec<String>,
    },
    /// It was changed, cut or put together anew.
    #[error("it was changed or cut after it was sealed: {0}")]
    Damaged(&'static str),
    /// It is not sealed.
    #[error("it is not sealed")]
    Clear,
    /// The cipher refused.
    #[error("it cannot be sealed")]
    Cipher,
}

impl From<SealError> for io::Error {
    fn from(error: SealError) -> Self {
        Self::new(ErrorKind::InvalidData, error)
    }
}

/// A configured key.
pub struct Key {
    id: [u8; 8],
    cipher: LessSafeKey,
}

impl Key {
    /// A key of these bytes.
    ///
    /// # Errors
    /// The cipher refuses them.
    pub fn new(bytes: &[u8; KEY_BYTES]) -> Result<Self, SealError> {
        let digest = ring::digest::digest(&ring::digest::SHA256, &[b"tandem recording key".as_slice(), bytes].concat());
        let mut id = [0; 8];
        id.copy_from_slice(&digest.as_ref()[..8]);
        Ok(Self { id, cipher: cipher(bytes)? })
    }

    /// What files call it: 16 hexadecimal digits that say nothing of its bytes.
    #[must_use]
    pub fn id(&self) -> String {
        name(self.id)
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "key {}", self.id())
    }
}

fn name(id: [u8; 8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn cipher(bytes: &[u8; KEY_BYTES]) -> Result<LessSafeKey, SealError> {
    UnboundKey::new(&AES_256_GCM, bytes).map(LessSafeKey::new).map_err(|_| SealError::Cipher)
}

fn nonce(record: u64) -> Nonce {
    let mut nonce = [0; NONCE_BYTES];
    nonce[4..].copy_from_slice(&record.to_be_bytes());
    Nonce::assume_unique_for_key(nonce)
}

fn associated(record: u64, last: bool) -> Aad<[u8; 9]> {
    let mut data = [0; 9];
    data[..8].copy_from_slice(&record.to_be_bytes());
    data[8] = u8::from(last);
    Aad::from(data)
}

/// Seals what is written.
pub struct Writer<W: Write> {
    out: W,
    cipher: LessSafeKey,
    /// 0: what is there when it is flushed is a record.
    record_bytes: usize,
    records: u64,
    waiting: Vec<u8>,
}

impl<W: Write> Writer<W> {
    /// Begins a file. `seed` must be random and used for no other; `record_bytes` is 0 for a capture.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn new(mut out: W, key: &Key, seed: &[u8; SEED_BYTES], record_bytes: u32) -> io::Result<Self> {
        let mut head = MAGIC.to_vec();
        head.extend(record_bytes.to_be_bytes());
        head.extend(key.id);
        let (mut own, mut wrap_nonce) = (Zeroizing::new([0; KEY_BYTES]), [0; NONCE_BYTES]);
        own.copy_from_slice(&seed[..KEY_BYTES]);
        wrap_nonce.copy_from_slice(&seed[KEY_BYTES..]);
        let mut wrapped = own.to_vec();
        let nonce = Nonce::assume_unique_for_key(wrap_nonce);
        key.cipher.seal_in_place_append_tag(nonce, Aad::from(&head), &mut wrapped).map_err(|_| SealError::Cipher)?;
        head.extend(wrap_nonce);
        head.extend(wrapped);
        out.write_all(&head)?;
        let record_bytes = usize::try_from(record_bytes).unwrap_or(MAX_RECORD_BYTES).min(MAX_RECORD_BYTES);
        Ok(Self { out, cipher: cipher(&own)?, record_bytes, records: 0, waiting: Vec::new() })
    }

    const fn full(&self) -> usize {
        if self.record_bytes == 0 { MAX_RECORD_BYTES } else { self.record_bytes }
    }

    fn seal(&mut self, last: bool) -> io::Result<()> {
        let length = u32::try_from(self.waiting.len() + TAG_BYTES).map_err(|_| SealError::Cipher)?;
        let sealed = self.cipher.seal_in_place_append_tag(nonce(self.records), associated(self.records, last), &mut self.waiting);
        sealed.map_err(|_| SealError::Cipher)?;
        self.out.write_all(&(length | if last { LAST } else { 0 }).to_be_bytes())?;
        self.out.write_all(&self.waiting)?;
        self.records += 1;
        self.waiting.clear();
        Ok(())
    }

    /// Marks what waits as the end.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn finish(mut self) -> io::Result<W> {
        self.seal(true)?;
        self.out.flush()?;
        Ok(self.out)
    }
}

impl<W: Write> std::fmt::Debug for Writer<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a sealed file of {} records", self.records)
    }
}

impl<W: Write> Write for Writer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A full record waits for what comes after it: it may be the last.
        if self.waiting.len() == self.full() {
            self.seal(false)?;
        }
        let taken = bytes.len().min(self.full() - self.waiting.len());
        self.waiting.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    /// Of a capture, all that was written is on its way when it returns.
    fn flush(&mut self) -> io::Result<()> {
        if self.record_bytes == 0 && !self.waiting.is_empty() {
            self.seal(false)?;
        }
        self.out.flush()
    }
}

/// Opens what was sealed.
pub struct Reader<R> {
    input: R,
    cipher: LessSafeKey,
    record_bytes: u64,
    /// The record to be read next.
    next: u64,
    open: Vec<u8>,
    taken: usize,
    ended: bool,
    /// Bytes inside; of a finished file only.
    bytes: Option<u64>,
}

impl<R: Read> Reader<R> {
    /// Reads the head of a file that is read from begin to end.
    ///
    /// # Errors
    /// It is not sealed, or with a key that is not among `keys`, or was changed.
    pub fn new(mut input: R, keys: &[Arc<Key>]) -> io::Result<Self> {
        let mut head = [0; HEAD_BYTES];
        let read = fill(&mut input, &mut head)?;
        if !head.starts_with(MAGIC) {
            return Err(SealError::Clear.into());
        }
        if read < HEAD_BYTES {
            return Err(SealError::Damaged("its head is cut").into());
        }
        let (bound, rest) = head.split_at(BOUND_BYTES);
        let (wrap_nonce, wrapped) = rest.split_at(NONCE_BYTES);
        let mut id = [0; 8];
        id.copy_from_slice(&bound[12..]);
        let key = keys
            .iter()
            .find(|key| key.id == id)
            .ok_or_else(|| SealError::OtherKey { needed: name(id), have: keys.iter().map(|key| key.id()).collect() })?;
        let damaged = |_| SealError::Damaged("its key does not open");
        let wrap_nonce = Nonce::try_assume_unique_for_key(wrap_nonce).map_err(damaged)?;
        let mut own = Zeroizing::new(wrapped.to_vec());
        let opened = key.cipher.open_in_place(wrap_nonce, Aad::from(bound), &mut own).map_err(damaged)?;
        let own: Zeroizing<[u8; KEY_BYTES]> =
            Zeroizing::new((&*opened).try_into().map_err(|_| SealError::Damaged("its key is too short"))?);
        let record_bytes = u64::from(u32::from_be_bytes([bound[8], bound[9], bound[10], bound[11]]));
        if record_bytes > MAX_RECORD_BYTES as u64 {
            return Err(SealError::Damaged("its records are too long").into());
        }
        let cipher = cipher(&own)?;
        Ok(Self { input, cipher, record_bytes, next: 0, open: Vec::new(), taken: 0, ended: false, bytes: None })
    }

    /// Whether the record that ends the file was read. A capture without one was cut by the end of a process.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.ended
    }

    /// Reads the next record; `false` at the end, and of a capture also where it was cut.
    fn advance(&mut self) -> io::Result<bool> {
        if self.ended {
            return Ok(false);
        }
        let cut = |what| if self.record_bytes == 0 { Ok(false) } else { Err(SealError::Damaged(what).into()) };
        let mut length = [0; 4];
        if fill(&mut self.input, &mut length)? < length.len() {
            return cut("its end is missing");
        }
        let length = u32::from_be_bytes(length);
        let (bytes, last) = (usize::try_from(length & !LAST).unwrap_or(usize::MAX), length & LAST != 0);
        let most = if self.record_bytes == 0 { MAX_RECORD_BYTES } else { usize::try_from(self.record_bytes).unwrap_or(0) };
        if !(TAG_BYTES..=most + TAG_BYTES).contains(&bytes) {
            return Err(SealError::Damaged("a record has a length that none has").into());
        }
        self.open.resize(bytes, 0);
        if fill(&mut self.input, &mut self.open)? < bytes {
            self.open.clear();
            self.taken = 0;
            return cut("a record is cut");
        }
        let opened = self.cipher.open_in_place(nonce(self.next), associated(self.next, last), &mut self.open);
        let inside = opened.map_err(|_| SealError::Damaged("a record does not open"))?.len();
        self.open.truncate(inside);
        self.taken = 0;
        self.next += 1;
        self.ended = last;
        Ok(true)
    }
}

impl<R: Read + Seek> Reader<R> {
    /// Opens a finished file for reading at any place, when its end is there.
    ///
    /// # Errors
    /// As [`Reader::new`]; or it is a capture, or lost its end.
    pub fn at_any_place(input: R, keys: &[Arc<Key>]) -> io::Result<Self> {
        let mut reader = Self::new(input, keys)?;
        if reader.record_bytes == 0 {
            return Err(SealError::Damaged("it is a capture").into());
        }
        let whole = reader.record_bytes + LENGTH_BYTES + TAG_BYTES as u64;
        let body = reader.input.seek(SeekFrom::End(0))?.saturating_sub(HEAD_BYTES as u64);
        let last = body.saturating_sub(1) / whole;
        reader.go_to(last)?;
        let there =
            reader.advance()? && reader.ended && last * whole + LENGTH_BYTES + (reader.open.len() + TAG_BYTES) as u64 == body;
        if !there {
            return Err(SealError::Damaged("its end is missing").into());
        }
        reader.bytes = Some(last * reader.record_bytes + reader.open.len() as u64);
        reader.go_to(0)?;
        Ok(reader)
    }

    /// Bytes inside.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.bytes.unwrap_or_default()
    }

    fn go_to(&mut self, record: u64) -> io::Result<()> {
        let whole = self.record_bytes + LENGTH_BYTES + TAG_BYTES as u64;
        self.input.seek(SeekFrom::Start(HEAD_BYTES as u64 + record.saturating_mul(whole)))?;
        self.next = record;
        self.open.clear();
        (self.taken, self.ended) = (0, false);
        Ok(())
    }
}

impl<R: Read> Read for Reader<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.taken == self.open.len() {
            if !self.advance()? {
                return Ok(0);
            }
        }
        let bytes = into.len().min(self.open.len() - self.taken);
        into[..bytes].copy_from_slice(&self.open[self.taken..self.taken + bytes]);
        self.taken += bytes;
        Ok(bytes)
    }
}

impl<R: Read + Seek> Seek for Reader<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let bytes = self.bytes.ok_or(ErrorKind::NotSeekable)?;
        let to = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => bytes.checked_add_signed(by),
            SeekFrom::Current(_) => None,
        };
        let to = to.filter(|&to| to <= bytes).ok_or(ErrorKind::InvalidInput)?;
        // The place after a full last record is its end, not the begin of one that is not there.
        let record = (to / self.record_bytes).min(bytes.saturating_sub(1) / self.record_bytes);
        self.go_to(record)?;
        self.advance()?;
        self.taken = usize::try_from(to - record * self.record_bytes).unwrap_or(usize::MAX).min(self.open.len());
        Ok(to)
    }
}

impl<R> std::fmt::Debug for Reader<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a sealed file, at record {}", self.next)
    }
}

/// Reads until `into` is full or the input ends.
fn fill(input: &mut impl Read, into: &mut [u8]) -> io::Result<usize> {
    let mut read = 0;
    while read < into.len() {
        match input.read(&mut into[read..]) {
            Ok(0) => break,
            Ok(bytes) => read += bytes,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(read)
}

#[cfg(test)]
mod tests;
