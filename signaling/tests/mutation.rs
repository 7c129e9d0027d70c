//! A seeded storm of damaged messages: nothing may panic, and what is read must print and read again alike.
//!
//! The long version of this is the fuzz crate; this one runs with every test.
#![expect(clippy::unwrap_used, reason = "a test ends at what it did not expect")]

use std::path::Path;

use bytes::Bytes;
use rand_chacha::ChaCha8Rng;
use rand_core::{RngCore as _, SeedableRng as _};
use tandem_signaling::message::{
    Frame, Framer, Kind, Message, Name, NameAddr, ParseError, RequestBuilder, ResponseBuilder, Uri, auth_values,
};
use tandem_signaling::sdp::{AudioCodec, Direction, KeyRule, KeySeed, LocalAudio, LocalSession, SessionDescription};

const SEED: u64 = 20_260_101;
const ROUNDS: usize = 120;

fn corpus() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/torture");
    let mut messages = Vec::new();
    for part in ["rfc4475", "rfc5118", "rfc5118-fixed"] {
        let entries = std::fs::read_dir(folder.join(part)).unwrap();
        let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        messages.extend(paths.into_iter().map(|path| std::fs::read(path).unwrap()));
    }
    messages
}

/// A number below `bound`.
fn below(random: &mut ChaCha8Rng, bound: usize) -> usize {
    usize::try_from(random.next_u32()).unwrap() % bound.max(1)
}

/// Bytes that mean something to a SIP reader, and some that do not.
const SPICE: [&[u8]; 24] = [
    b"\r\n",
    b"\n",
    b"\r",
    b"\r\n ",
    b"\r\n\r\n",
    b"\0",
    b",",
    b";",
    b"=",
    b"\"",
    b"\\",
    b"<",
    b">",
    b"@",
    b":",
    b"[",
    b"]",
    b"%",
    b"%00",
    b"?",
    b"\xFF\xFE",
    b"4294967296",
    b"-1",
    b"\tl: 3\r\n",
];

fn damage(message: &[u8], random: &mut ChaCha8Rng) -> Vec<u8> {
    let mut bytes = message.to_vec();
    for _ in 0..=below(random, 4) {
        let (from, to) = (below(random, bytes.len() + 1), below(random, bytes.len() + 1));
        let (from, to) = (from.min(to), from.max(to));
        match below(random, 5) {
            0 if from < bytes.len() => bytes[from] = random.next_u32().to_le_bytes()[0],
            1 => drop(bytes.splice(from..from, SPICE[below(random, SPICE.len())].iter().copied())),
            2 => drop(bytes.drain(from..to.min(from + 40))),
            3 => {
                let copy = bytes[from..to.min(from + 200)].to_vec();
                drop(bytes.splice(to..to, copy));
            }
            _ => drop(bytes.splice(from..to.min(from + 8), SPICE[below(random, SPICE.len())].iter().copied())),
        }
    }
    bytes
}

/// Looks at everything a message offers.
fn look(message: &Message) {
    let _ = (message.validate_request(), message.via(), message.cseq(), message.call_id(), message.max_forwards());
    let _ = (message.expires(), message.content_type(), message.contacts().count(), message.lists(Name::Require, "x"));
    for name in [Name::Route, Name::Contact, Name::To, Name::From] {
        for address in message.addresses(name).flatten() {
            let _ = (address.display_name(), address.tag(), address.is_loose_route());
            if let Some(uri) = address.uri() {
                assert!(uri.is_equivalent(&uri), "{uri}");
                let record = uri.address_of_record();
                assert!(!uri.is_sip() || Uri::parse(&record).is_some(), "{uri} gives {record}");
            }
        }
    }
    for name in [Name::Authorization, Name::WwwAuthenticate] {
        message.auth_values(name).for_each(|value| value.params().for_each(drop));
    }
    for (_, value) in message.lines() {
        let value = String::from_utf8_lossy(value);
        auth_values(&value).for_each(|value| value.params().for_each(drop));
        let _ = NameAddr::parse(&value).map(|address| address.display_name().len());
    }
}

/// Prints a request again from its parts.
fn reprint(message: &Message) -> Option<Bytes> {
    let Kind::Request { method, uri } = message.kind() else { return None };
    let mut builder = RequestBuilder::new(method, uri);
    for (name, value) in message.lines().filter(|(name, _)| Name::of(name) != Name::ContentLength) {
        let (name, value) = (str::from_utf8(name).ok()?, str::from_utf8(value).ok()?);
        let name = if Name::of(name.as_bytes()) == Name::ContentType { "X-Content-Type" } else { name };
        builder = builder.header_named(name, value);
    }
    builder.build_with_body("application/octet-stream", message.body()).ok()
}

fn assert_reads_alike(message: &Message) -> bool {
    let Some(bytes) = reprint(message) else { return false };
    let again = Message::parse(bytes).unwrap();
    assert_eq!((again.kind(), again.body()), (message.kind(), message.body()));
    for name in [Name::Via, Name::From, Name::To, Name::CallId, Name::CSeq, Name::Contact] {
        assert!(again.headers(name).eq(message.headers(name)));
    }
    assert!(message.validate_request().is_err() || again.validate_request().is_ok());
    true
}

/// A response to whatever was read is itself a message.
fn assert_answerable(message: &Message) {
    let source = "[2001:db8::1]:5060".parse().unwrap();
    let response = ResponseBuilder::from_request(message, 400, "Bad", source, Some("tag")).build();
    if let Ok(bytes) = response {
        let response = Message::parse(bytes);
        let is_fine = response.as_ref().is_ok_and(|response| response.code() == Some(400));
        // A bare carriage return is a fault of the request that the echo repeats.
        let has_bare_return = matches!(&response, Err(ParseError::Unanswerable(reason)) if reason.starts_with("Carriage"));
        assert!(is_fine || has_bare_return, "{response:?}\n{:?}", message.bytes());
    }
}

#[test]
fn damaged_messages_do_no_harm() {
    let mut random = ChaCha8Rng::seed_from_u64(SEED);
    let (mut read, mut printed) = (0, 0);
    for original in corpus() {
        for round in 0..ROUNDS {
            let bytes = if round == 0 { original.clone() } else { damage(&original, &mut random) };
            match Message::parse(Bytes::from(bytes)) {
                Ok(message) => {
                    look(&message);
                    read += 1;
                    printed += usize::from(assert_reads_alike(&message));
                    assert_answerable(&message);
                    describe(message.body());
                }
                Err(ParseError::Unacceptable(refused)) => {
                    look(&refused.message);
                    assert_answerable(&refused.message);
                }
                Err(_) => {}
            }
        }
    }
    assert!(read > 2_000 && printed > 1_000, "{read} read, {printed} printed");
}

/// Bodies as SDP: answered or refused.
fn describe(body: &[u8]) {
    let Ok(offer) = SessionDescription::parse(body) else { return };
    let codecs = AudioCodec::ALL.to_vec();
    let local = LocalAudio {
        address: "192.0.2.1".parse().unwrap(),
        port: 9,
        codecs,
        direction: Direction::SendRecv,
        rtcp_mux: true,
        keys: KeyRule::Optional.with(|| KeySeed::new([7; 32])),
    };
    let mut session = LocalSession::new(1);
    if let Ok((answer, _)) = session.answer(&offer, &local) {
        SessionDescription::parse(answer.as_bytes()).unwrap();
        let again = session.offer(&local);
        assert_eq!(SessionDescription::parse(again.text.as_bytes()).unwrap().media.len(), offer.media.len());
        let _ = session.read_answer(&again, &offer);
    }
}

#[test]
fn a_stream_cut_anywhere_gives_the_same_messages() {
    let mut random = ChaCha8Rng::seed_from_u64(SEED);
    let framed: Vec<_> = corpus().into_iter().filter(|bytes| cut(&[bytes]).is_some_and(|found| found.len() == 1)).collect();
    assert!(framed.len() > 30);
    let stream: Vec<u8> = framed.concat();
    let whole = cut(&[&stream]).unwrap();
    for _ in 0..20 {
        let mut pieces = Vec::new();
        let mut rest = &stream[..];
        while !rest.is_empty() {
            let (piece, after) = rest.split_at((below(&mut random, 700) + 1).min(rest.len()));
            pieces.push(piece);
            rest = after;
        }
        assert_eq!(cut(&pieces).unwrap(), whole);
    }
    let single: Vec<_> = stream.chunks(1).collect();
    assert_eq!(cut(&single).unwrap(), whole);
}

/// The messages of a stream that comes in pieces; `None` when it breaks.
fn cut(pieces: &[&[u8]]) -> Option<Vec<Bytes>> {
    let mut framer = Framer::new(65_535);
    let mut found = Vec::new();
    for piece in pieces {
        framer.push(piece);
        while let Some(frame) = framer.next().ok()? {
            if let Frame::Message(bytes) = frame {
                found.push(bytes);
            }
        }
    }
    Some(found)
}
