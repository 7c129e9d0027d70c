//! Offer and answer for one audio stream (RFC 3264 sections 6 and 7).

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::description::{Connection, Media, SessionDescription};
use super::opus::OpusWishes;
use super::payload_types::PayloadTypes;
use super::session::{LocalAudio, own_address};
use super::{AudioCodec, Direction, MediaDtls, MediaKeys};

/// The packet length when nobody asks for another, in ms.
pub(super) const DEFAULT_PTIME_MS: u16 = 20;

/// The clock of events that every phone knows.
pub(super) const EVENT_CLOCK_HZ: u32 = 8_000;

/// Packet lengths we send, in ms.
const PTIMES_MS: [u16; 5] = [10, 20, 30, 40, 60];

/// What both sides agreed on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Negotiated {
    /// The codec, both ways.
    pub codec: AudioCodec,
    /// The payload type we send it with.
    pub send_payload_type: u8,
    /// The payload type we receive it with.
    pub receive_payload_type: u8,
    /// The payload type of RFC 4733 events we send.
    pub dtmf_send: Option<u8>,
    /// The payload type of RFC 4733 events we receive.
    pub dtmf_receive: Option<u8>,
    /// The clock of these events, in Hz: the codec's, or 8,000 beside Opus when the peer has no other.
    pub dtmf_clock_hz: u32,
    /// The length of packets we send, in ms: 10, 20, 30, 40 or 60.
    pub ptime_ms: u16,
    /// Where RTP goes. `None` when the peer holds by the address 0.0.0.0 or `::`, or will be found by ICE.
    pub remote_rtp: Option<SocketAddr>,
    /// Where RTCP goes.
    pub remote_rtcp: Option<SocketAddr>,
    /// What we do: the peer holds us when we do not send.
    pub direction: Direction,
    /// RTP and RTCP share a port.
    pub rtcp_mux: bool,
    /// The peer wants to be told how it is heard (RFC 3611): in reports of ours, whatever it sends itself.
    #[serde(default)]
    pub rtcp_xr: bool,
    /// The keys of SRTP that the descriptions say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<Box<MediaKeys>>,
    /// How they are agreed, where that is by DTLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dtls: Option<Box<MediaDtls>>,
    /// What they want of the Opus that we send; `None` with other codecs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opus: Option<OpusWishes>,
}

/// Why an offer or answer gives no audio. A SIP offer is then answered with 488.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Incompatible {
    /// No audio over RTP, or refused with port 0.
    #[error("no usable audio")]
    NoAudio,
    /// Audio in the clear where it must be encrypted or the other way round, or no key that can be used.
    #[error("no usable key")]
    NoKey,
    /// No codec in common.
    #[error("no common codec")]
    NoCommonCodec,
    /// No `c=` line for the audio.
    #[error("no address for the audio")]
    NoAddress,
    /// Multicast, a host name, or our own address.
    #[error("address that media is not sent to")]
    UnusableAddress,
    /// Sections vanished, or an answer has another number of them than its offer.
    #[error("number of media sections changed")]
    SectionsChanged,
}

/// Answers an offer's first usable audio section; gives its place as well.
pub(super) fn from_offer(offer: &SessionDescription, local: &LocalAudio) -> Result<(usize, Negotiated), Incompatible> {
    let is_there = offer.media.iter().any(Media::is_audio);
    let mut failure = if is_there { Incompatible::NoKey } else { Incompatible::NoAudio };
    for (at, media) in offer.audio(local.keys.rule()) {
        match answer_section(offer, media, local) {
            Ok(negotiated) => return Ok((at, negotiated)),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

fn answer_section(offer: &SessionDescription, media: &Media, local: &LocalAudio) -> Result<Negotiated, Incompatible> {
    let format_of = |codec: &AudioCodec| media.audio_formats().find(|format| format.codec == *codec);
    let format = local.codecs.iter().find_map(format_of).ok_or(Incompatible::NoCommonCodec)?;
    let (dtmf_clock_hz, dtmf) = first_clock(format.codec, |clock_hz| media.dtmf(clock_hz));
    let rtcp_mux = media.rtcp_mux && local.rtcp_mux;
    let remote = remote_of(offer, media, local, rtcp_mux)?;
    Ok(Negotiated {
        codec: format.codec,
        // The answer repeats the offer's numbers (RFC 3264 section 6.1), so both ways are one.
        send_payload_type: format.payload_type,
        receive_payload_type: format.payload_type,
        dtmf_send: dtmf,
        dtmf_receive: dtmf,
        dtmf_clock_hz,
        ptime_ms: choose_ptime(media),
        remote_rtp: remote.rtp,
        remote_rtcp: remote.rtcp,
        direction: local.direction.and(remote.direction.reversed()),
        rtcp_mux,
        rtcp_xr: media.rtcp_xr,
        keys: None,
        dtls: None,
        opus: opus_of(format.codec, media, format.payload_type),
    })
}

/// Reads the audio section of an answer to what we offered.
pub(super) fn from_answer(
    local: &LocalAudio,
    offered: &PayloadTypes,
    answer: &SessionDescription,
    media: &Media,
) -> Result<Negotiated, Incompatible> {
    if !media.is_audio() {
        return Err(Incompatible::NoAudio);
    }
    let (codec, send_payload_type) = answered_codec(local, offered, media).ok_or(Incompatible::NoCommonCodec)?;
    let (dtmf_clock_hz, dtmf_send) = first_clock(codec, |clock_hz| answered_dtmf(offered, media, clock_hz));
    let rtcp_mux = media.rtcp_mux && local.rtcp_mux;
    let remote = remote_of(answer, media, local, rtcp_mux)?;
    Ok(Negotiated {
        codec,
        send_payload_type,
        receive_payload_type: offered.codec(codec),
        dtmf_send,
        dtmf_receive: dtmf_send.map(|_| offered.dtmf(dtmf_clock_hz)),
        dtmf_clock_hz,
        ptime_ms: choose_ptime(media),
        remote_rtp: remote.rtp,
        remote_rtcp: remote.rtcp,
        direction: local.direction.and(remote.direction.reversed()),
        rtcp_mux,
        rtcp_xr: media.rtcp_xr,
        keys: None,
        dtls: None,
        opus: opus_of(codec, media, send_payload_type),
    })
}

fn opus_of(codec: AudioCodec, theirs: &Media, payload_type: u8) -> Option<OpusWishes> {
    (codec == AudioCodec::Opus).then(|| OpusWishes::read(theirs.params_of(payload_type)))
}

/// The first codec of the answer that we offered. Some gateways leave out `a=rtpmap` for the numbers we gave.
fn answered_codec(local: &LocalAudio, offered: &PayloadTypes, media: &Media) -> Option<(AudioCodec, u8)> {
    media.payload_types().find_map(|payload_type| {
        let named = media.audio_formats().find(|format| format.payload_type == payload_type);
        let ours = || {
            let is_bare = media.encoding(payload_type).is_none();
            local.codecs.iter().copied().find(|codec| is_bare && offered.codec(*codec) == payload_type)
        };
        let codec = named.map(|format| format.codec).or_else(ours)?;
        local.codecs.contains(&codec).then_some((codec, payload_type))
    })
}

fn answered_dtmf(offered: &PayloadTypes, media: &Media, clock_hz: u32) -> Option<u8> {
    let ours = offered.dtmf(clock_hz);
    let is_bare = || media.payload_types().any(|number| number == ours) && media.encoding(ours).is_none();
    media.dtmf(clock_hz).or_else(|| is_bare().then_some(ours))
}

/// The best clock that events beside a codec have a payload type for, with that. Events should have the codec's
/// clock (RFC 4733 section 2.1), but many phones with Opus know those of 8,000 Hz only: better these than no keys.
fn first_clock(codec: AudioCodec, payload_type: impl Fn(u32) -> Option<u8>) -> (u32, Option<u8>) {
    let clocks = [codec.clock_hz(), EVENT_CLOCK_HZ];
    let found = clocks.into_iter().find_map(|clock_hz| Some((clock_hz, Some(payload_type(clock_hz)?))));
    found.unwrap_or((codec.clock_hz(), None))
}

/// The other end of the stream.
struct Remote {
    rtp: Option<SocketAddr>,
    rtcp: Option<SocketAddr>,
    direction: Direction,
}

/// Where the peer wants its media. The address 0.0.0.0 is the hold of RFC 2543: nothing is sent to it
/// (RFC 3264 section 8.4).
fn remote_of(theirs: &SessionDescription, media: &Media, local: &LocalAudio, rtcp_mux: bool) -> Result<Remote, Incompatible> {
    if theirs.is_checked(media) {
        return Ok(Remote { rtp: None, rtcp: None, direction: media.direction });
    }
    let address = match theirs.connection_of(media).ok_or(Incompatible::NoAddress)? {
        Connection::Address(address) => *address,
        Connection::HostName => return Err(Incompatible::UnusableAddress),
    };
    if address.is_unspecified() {
        let direction = media.direction.and(Direction::SendOnly);
        return Ok(Remote { rtp: None, rtcp: None, direction });
    }
    let rtp = SocketAddr::new(address, media.port);
    let is_broadcast = address == std::net::IpAddr::V4(std::net::Ipv4Addr::BROADCAST);
    if address.is_multicast() || is_broadcast || rtp == own_address(local) {
        return Err(Incompatible::UnusableAddress);
    }
    let rtcp = if rtcp_mux { Some(rtp) } else { SessionDescription::rtcp_address(media, rtp) };
    Ok(Remote { rtp: Some(rtp), rtcp, direction: media.direction })
}

/// The longest of our packet lengths that is not over what the peer asks for, nor over its `a=maxptime`.
fn choose_ptime(media: &Media) -> u16 {
    let wanted = media.ptime_ms.filter(|ptime| PTIMES_MS.contains(ptime)).unwrap_or(DEFAULT_PTIME_MS);
    let limit = media.max_ptime_ms.unwrap_or(u16::MAX);
    PTIMES_MS.into_iter().rev().find(|ptime| *ptime <= wanted && *ptime <= limit).unwrap_or(PTIMES_MS[0])
}
