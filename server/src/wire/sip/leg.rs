//! The SIP and SDP state of one leg.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tandem_dialplan::Dtmf;
use tandem_media::{
    codec::{Codec, OpusLimits},
    contract::{Configure, Format, LearnPolicy, OpenError},
};
use tandem_signaling::{
    endpoint::{Diverted, InviteId},
    sdp::{AudioCodec, Direction, KeyRule, LocalAudio, LocalSession, Negotiated, OpusWishes, SdpOffer, SessionDescription},
};
use tandem_switch::{
    cause::Cause,
    name::{Extension, TrunkName},
};

use super::{
    Settings, codecs,
    keys::{LegKeys, stream_keys, terms},
    outgoing::Ways,
    parse, usable,
};
use crate::wire::{LegRef, media::MediaEdge};

/// Where somebody is who will be found by ICE.
const NOWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 9);

/// One leg. It is written down as long as it is up, for the next process.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct SipLeg {
    /// Named anew by each process.
    #[serde(skip, default = "nobody")]
    pub(super) invite: InviteId,
    answered: bool,
    /// Hops that a call of ours on behalf of this leg may still take: so a loop through ourselves ends.
    pub(super) max_forwards: Option<u8>,
    /// It came in by a trunk: its caller is nobody whom we know.
    pub(super) from_trunk: bool,
    /// The trunk that it came in or goes out by.
    #[serde(default)]
    pub(super) trunk: Option<TrunkName>,
    /// Silence is sent when nothing else was for so many ms.
    #[serde(default)]
    pub(super) keep_alive_ms: Option<u32>,
    /// Its party does not want to be shown to others.
    pub(super) is_withheld: bool,
    /// Who diverted its call before it came to us, as a trusted trunk says.
    pub(super) diverted_by: Vec<Diverted>,
    /// Who asked for the transfer that it was made for.
    #[serde(skip)]
    pub(super) referred_by: Option<Extension>,
    /// What else can be tried, for a call through a carrier.
    #[serde(skip)]
    pub(super) ways: Option<Ways>,
    incoming: bool,
    /// Codecs that the plan allows here, in its order.
    allowed: Vec<AudioCodec>,
    /// Whether its audio is encrypted.
    #[serde(default)]
    pub(super) keys: LegKeys,
    /// How keys reach its party.
    #[serde(default)]
    pub(super) dtmf: Dtmf,
    /// Address that its signalling comes from; audio may be learned from there.
    pub(super) signalling: Option<IpAddr>,
    session: LocalSession,
    /// Their offer that we have not answered yet.
    #[serde(skip)]
    theirs: Option<SessionDescription>,
    /// What we described last: an offer, answered or not, or an answer, which is what the endpoint offers
    /// again when it refreshes the session.
    ours: Option<SdpOffer>,
    /// What others of the called devices were offered: those that come by WebSocket, or those that do not, whichever did not
    /// answer last. Once one is up there are no others.
    #[serde(skip)]
    other: Option<Box<(LocalSession, Option<SdpOffer>)>>,
    /// All devices that it may reach come by WebSocket.
    #[serde(skip)]
    pub(super) is_web: bool,
    /// Our offer went out in an answer: their ACK owes us theirs.
    answer_owed: bool,
    /// Our description as it was sent: an answer is the same in 183 and 200.
    #[serde(skip)]
    described: Option<Bytes>,
    negotiated: Option<Negotiated>,
    /// Where audio went last: kept while they hold us by an empty address.
    remote: Option<SocketAddr>,
    held: bool,
    /// Silence of theirs counts.
    #[serde(skip)]
    watched: bool,
}

impl SipLeg {
    /// A leg that arrived with an offer, or without one.
    ///
    /// # Errors
    /// The status code and reason phrase to refuse it with.
    pub(super) fn incoming(
        invite: InviteId,
        from: IpAddr,
        sdp: Option<&[u8]>,
        allowed: Vec<AudioCodec>,
        keys: LegKeys,
    ) -> Result<Self, (u16, String)> {
        let theirs = match sdp {
            None => None,
            Some(sdp) => Some(SessionDescription::parse(sdp).map_err(|error| (400, format!("Bad SDP: {error}")))?),
        };
        if let Some(offer) = &theirs
            && !offered(offer, keys.rule()).iter().any(|codec| allowed.contains(codec))
        {
            return Err((488, String::new()));
        }
        Ok(Self { incoming: true, signalling: Some(from), theirs, ..Self::outgoing(invite, allowed, keys) })
    }

    /// A leg that we make.
    pub(super) fn outgoing(invite: InviteId, allowed: Vec<AudioCodec>, keys: LegKeys) -> Self {
        Self {
            invite,
            answered: false,
            max_forwards: None,
            from_trunk: false,
            trunk: None,
            keep_alive_ms: None,
            is_withheld: false,
            diverted_by: Vec::new(),
            referred_by: None,
            ways: None,
            incoming: false,
            allowed,
            keys,
            dtmf: Dtmf::Auto,
            signalling: None,
            session: LocalSession::new(invite.0),
            theirs: None,
            ours: None,
            other: None,
            is_web: false,
            answer_owed: false,
            described: None,
            negotiated: None,
            remote: None,
            held: false,
            watched: false,
        }
    }

    pub(super) const fn is_incoming(&self) -> bool {
        self.incoming
    }

    pub(super) const fn is_answered(&self) -> bool {
        self.answered
    }

    pub(super) const fn is_negotiated(&self) -> bool {
        self.negotiated.is_some()
    }

    /// Whether audio can be sent to it, now or as soon as the answer that it owes us is here.
    pub(super) const fn can_hear(&self) -> bool {
        self.remote.is_some() || self.answered && self.answer_owed
    }

    /// It was answered.
    pub(super) fn up(&mut self, at: LegRef, media: &mut MediaEdge) {
        self.answered = true;
        self.watch(at, media);
    }

    /// The codec it speaks.
    pub(super) fn codec(&self) -> Option<AudioCodec> {
        self.negotiated.as_ref().map(|negotiated| negotiated.codec)
    }

    /// The codecs that a partner of this leg should speak, best first: then nothing is transcoded.
    pub(super) fn wanted_codecs(&self) -> Vec<AudioCodec> {
        match (self.codec(), &self.theirs) {
            (Some(codec), _) => vec![codec],
            (None, Some(offer)) => {
                offered(offer, self.keys.rule()).into_iter().filter(|codec| self.allowed.contains(codec)).collect()
            }
            (None, None) => Vec::new(),
        }
    }

    /// Our side of it for the caller: the answer to their offer, or an offer if they made none.
    pub(super) fn describe(
        &mut self,
        at: LegRef,
        partner: Option<AudioCodec>,
        settings: &Settings,
        media: &mut MediaEdge,
    ) -> Result<Bytes, Cause> {
        if let Some(described) = &self.described {
            return Ok(described.clone());
        }
        let text = match self.theirs.take() {
            Some(offer) => {
                let codecs = codecs::answer(partner, &offered(&offer, self.keys.rule()), &self.allowed);
                let local = self.local(at, codecs, is_checked(&offer, self.keys.rule()), settings, media)?;
                let (text, negotiated) = self.session.answer(&offer, &local).map_err(|_| Cause::Incompatible)?;
                self.ours = Some(SdpOffer { text: text.clone(), local });
                self.take(at, negotiated, media);
                text
            }
            None => {
                self.answer_owed = true;
                self.new_offer(at, &partner.into_iter().collect::<Vec<_>>(), settings, media)?
            }
        };
        let described = Bytes::from(text);
        self.described = Some(described.clone());
        Ok(described)
    }

    /// Our offer to a party we call.
    pub(super) fn offer(
        &mut self,
        at: LegRef,
        wanted: &[AudioCodec],
        settings: &Settings,
        media: &mut MediaEdge,
    ) -> Result<Bytes, Cause> {
        self.new_offer(at, wanted, settings, media).map(Bytes::from)
    }

    /// Our offer to those of its devices that come by WebSocket, which want their keys by DTLS.
    pub(super) fn offer_web(
        &mut self,
        at: LegRef,
        wanted: &[AudioCodec],
        settings: &Settings,
        media: &mut MediaEdge,
    ) -> Result<Bytes, Cause> {
        let local = self.local(at, codecs::offer(wanted, &self.allowed), self.has_checks(), settings, media)?;
        let keys = self.keys.policy_by(KeyRule::Dtls, media.certificate()).with_ice(settings.ice).with_lent(media.lent(at));
        let local = LocalAudio { keys, ..local };
        let mut session = LocalSession::new(self.invite.0);
        let offer = session.offer(&local);
        let text = offer.text.clone();
        self.other = Some(Box::new((session, Some(offer))));
        Ok(text.into())
    }

    /// Whether whoever answers our offer is sure to check us (ICE).
    fn has_checks(&self) -> bool {
        self.is_web || self.negotiated.as_ref().is_some_and(has_ice)
    }

    /// Whether its keys are nobody's after a restart: those by DTLS are.
    pub(super) fn wants_keys(&self) -> bool {
        self.negotiated.as_ref().is_some_and(|negotiated| negotiated.dtls.is_some())
    }

    /// Our offer to a party that is up, of what our side is now. Until it is answered their audio goes on as it was
    /// agreed before.
    pub(super) fn offer_again(&mut self, at: LegRef, settings: &Settings, media: &mut MediaEdge) -> Result<Bytes, Cause> {
        let codec: Vec<_> = self.codec().into_iter().collect();
        let sdp = self.new_offer(at, &codec, settings, media)?;
        if let Some(negotiated) = self.negotiated.clone() {
            self.take(at, negotiated, media);
        }
        Ok(sdp.into())
    }

    fn new_offer(
        &mut self,
        at: LegRef,
        wanted: &[AudioCodec],
        settings: &Settings,
        media: &mut MediaEdge,
    ) -> Result<String, Cause> {
        let local = self.local(at, codecs::offer(wanted, &self.allowed), self.has_checks(), settings, media)?;
        let offer = self.session.offer(&local);
        let text = offer.text.clone();
        self.ours = Some(offer);
        Ok(text)
    }

    fn local(
        &mut self,
        at: LegRef,
        codecs: Vec<AudioCodec>,
        is_checked: bool,
        settings: &Settings,
        media: &mut MediaEdge,
    ) -> Result<LocalAudio, Cause> {
        if codecs.is_empty() {
            return Err(Cause::Incompatible);
        }
        let opened = media.open(at, settings.rtp_address, is_checked).map_err(|error| match error {
            OpenError::PortsExhausted(_) | OpenError::Busy => Cause::Congestion,
            error => {
                tracing::error!(%error, "no audio for a leg");
                Cause::Fault
            }
        })?;
        Ok(LocalAudio {
            address: settings.advertised(opened.rtp.ip()),
            port: opened.rtp.port(),
            codecs,
            direction: Direction::SendRecv,
            rtcp_mux: true,
            keys: self.keys.policy(media.certificate()).with_ice(settings.ice).with_lent(media.lent(at)),
        })
    }

    /// Reads their answer to our offer; tells whether they hold us now, if that changed.
    pub(super) fn read_answer(&mut self, at: LegRef, sdp: &[u8], media: &mut MediaEdge) -> Result<Option<bool>, Cause> {
        let answer = parse(sdp).ok_or(Cause::Incompatible)?;
        let is_dtls = answer.media.iter().any(tandem_signaling::sdp::Media::is_dtls_audio);
        if let Some(other) = self.other.as_mut().filter(|other| is_dtls == other.0.is_dtls()) {
            std::mem::swap(&mut self.session, &mut other.0);
            std::mem::swap(&mut self.ours, &mut other.1);
        }
        if self.answered {
            self.other = None;
        }
        let offer = self.ours.as_ref().ok_or(Cause::Incompatible)?;
        let negotiated = self.session.read_answer(offer, &answer).map_err(|_| Cause::Incompatible)?;
        if media.is_shared(at) && !has_ice(&negotiated) {
            return Err(Cause::Incompatible);
        }
        Ok(self.take(at, negotiated, media))
    }

    /// Reads what their ACK brought; tells whether they hold us now, if that changed. Without an offer of ours it
    /// has nothing to bring, and what it brings all the same means nothing (RFC 3261 section 13.2.2.4).
    ///
    /// # Errors
    /// They owed us the first answer, and it does not fit or is not there.
    pub(super) fn confirmed(&mut self, at: LegRef, sdp: Option<&[u8]>, media: &mut MediaEdge) -> Result<Option<bool>, Cause> {
        match sdp {
            _ if !std::mem::take(&mut self.answer_owed) => Ok(None),
            Some(sdp) => self.read_answer(at, sdp, media),
            // What was agreed before goes on.
            None if self.is_negotiated() => Ok(None),
            None => Err(Cause::Incompatible),
        }
    }

    /// Answers a new offer of theirs; the call does not hear of it but for hold.
    ///
    /// # Errors
    /// The status code to refuse it with.
    pub(super) fn reoffered(
        &mut self,
        at: LegRef,
        sdp: Option<&[u8]>,
        settings: &Settings,
        media: &mut MediaEdge,
    ) -> Result<(Bytes, Option<bool>), u16> {
        let current = self.codec();
        let refusal = |cause| if cause == Cause::Incompatible { 488_u16 } else { 500 };
        let Some(sdp) = sdp else {
            let current: Vec<_> = current.into_iter().collect();
            let text = self.new_offer(at, &current, settings, media).map_err(refusal)?;
            self.answer_owed = true;
            return Ok((text.into(), None));
        };
        let offer = SessionDescription::parse(sdp).map_err(|_| 400_u16)?;
        let codecs = codecs::answer(current, &offered(&offer, self.keys.rule()), &self.allowed);
        let is_checked = is_checked(&offer, self.keys.rule());
        if media.is_shared(at) && !is_checked {
            return Err(488);
        }
        let local = self.local(at, codecs, is_checked, settings, media).map_err(refusal)?;
        let (text, negotiated) = self.session.answer(&offer, &local).map_err(|_| 488_u16)?;
        self.ours = Some(SdpOffer { text: text.clone(), local });
        let held = self.take(at, negotiated, media);
        Ok((text.into(), held))
    }

    /// Sets the leg's audio up as agreed; tells whether they hold us now, if that changed.
    fn take(&mut self, at: LegRef, negotiated: Negotiated, media: &mut MediaEdge) -> Option<bool> {
        let sends = matches!(negotiated.direction, Direction::SendRecv | Direction::SendOnly);
        let receives = matches!(negotiated.direction, Direction::SendRecv | Direction::RecvOnly);
        let is_checked = has_ice(&negotiated);
        let said = if is_checked { Some(NOWHERE) } else { negotiated.remote_rtp.filter(|remote| usable(remote.ip())) };
        if let Some(remote) = said.or(self.remote) {
            self.remote = Some(remote);
            let to = Configure {
                remote,
                remote_rtcp: negotiated.remote_rtcp,
                learn: LearnPolicy::SameHost,
                signalling: self.signalling,
                format: format(&negotiated, self.dtmf),
                send: sends && (is_checked || negotiated.remote_rtp.is_some()),
                receive: receives,
                rtcp_mux: negotiated.rtcp_mux,
                rtcp_xr: negotiated.rtcp_xr,
                keep_alive_ms: self.keep_alive_ms,
                keys: negotiated.keys.as_deref().map(stream_keys),
                dtls: negotiated.dtls.as_deref().map(terms),
            };
            if let Err(error) = media.configure(at, to) {
                tracing::warn!(call = %at.call, leg = at.leg.0, %error, "audio of a leg cannot be set up as agreed");
            }
        }
        self.negotiated = Some(negotiated);
        self.watch(at, media);
        let was = std::mem::replace(&mut self.held, !sends);
        (was != self.held).then_some(self.held)
    }

    /// Only who is answered, holds nobody and is not held must be heard: before the answer, and on hold, many phones
    /// and carriers send nothing.
    fn watch(&mut self, at: LegRef, media: &mut MediaEdge) {
        if let Some(negotiated) = &self.negotiated {
            media.listen_for_keys(at, negotiated.dtmf_receive.is_none());
        }
        let both_ways = |negotiated: &Negotiated| negotiated.direction == Direction::SendRecv;
        let watched = self.answered && self.negotiated.as_ref().is_some_and(both_ways);
        if std::mem::replace(&mut self.watched, watched) != watched {
            media.watch(at, watched);
        }
    }
}

fn has_ice(negotiated: &Negotiated) -> bool {
    negotiated.dtls.as_ref().is_some_and(|dtls| dtls.ice.is_some())
}

/// Whether the audio section of an offer that is answered comes with checks (ICE).
fn is_checked(offer: &SessionDescription, rule: KeyRule) -> bool {
    offer.audio(rule).next().is_some_and(|(_, media)| offer.is_checked(media))
}

const fn nobody() -> InviteId {
    InviteId(0)
}

/// The codecs of the first audio section of an offer that the rule allows, in its order.
fn offered(offer: &SessionDescription, rule: KeyRule) -> Vec<AudioCodec> {
    let audio = offer.audio(rule).next();
    audio.map(|(_, media)| media.audio_formats().map(|format| format.codec).collect()).unwrap_or_default()
}

fn format(negotiated: &Negotiated, dtmf: Dtmf) -> Format {
    Format {
        codec: match negotiated.codec {
            AudioCodec::Pcmu => Codec::Pcmu,
            AudioCodec::Pcma => Codec::Pcma,
            AudioCodec::G722 => Codec::G722,
            AudioCodec::Opus => Codec::Opus,
            AudioCodec::G729 => Codec::G729,
        },
        payload_type: negotiated.send_payload_type,
        receive_payload_type: negotiated.receive_payload_type,
        dtmf_payload_type: negotiated.dtmf_send.filter(|_| dtmf == Dtmf::Auto),
        receive_dtmf_payload_type: negotiated.dtmf_receive,
        dtmf_clock_hz: negotiated.dtmf_clock_hz,
        ptime_ms: u8::try_from(negotiated.ptime_ms).unwrap_or(20),
        opus: negotiated.opus.map(limits).unwrap_or_default(),
        signalled_keys: dtmf == Dtmf::Info,
    }
}

const fn limits(wishes: OpusWishes) -> OpusLimits {
    let OpusWishes { most_bps, most_playback_hz, fec, dtx } = wishes;
    OpusLimits { most_bps, most_playback_hz, fec, dtx }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_they_want_of_opus_reaches_the_engine() {
        let address = "127.0.0.1".parse().unwrap();
        let (codecs, direction) = (vec![AudioCodec::Opus], Direction::SendRecv);
        let local = LocalAudio { address, port: 20_000, codecs, direction, rtcp_mux: true, keys: Default::default() };
        let offer = "v=0\r\no=- 1 1 IN IP4 127.0.0.2\r\ns=-\r\nc=IN IP4 127.0.0.2\r\nt=0 0\r\nm=audio 4000 RTP/AVP 111\r\n\
                     a=rtpmap:111 opus/48000/2\r\na=fmtp:111 maxaveragebitrate=20000;maxplaybackrate=16000;useinbandfec=1;usedtx=1\r\n";
        let offer = SessionDescription::parse(offer.as_bytes()).unwrap();
        let (_, negotiated) = LocalSession::new(1).answer(&offer, &local).unwrap();
        assert_eq!(
            format(&negotiated, Dtmf::Auto).opus,
            OpusLimits { most_bps: 20_000, most_playback_hz: 16_000, fec: true, dtx: true }
        );
    }
}
