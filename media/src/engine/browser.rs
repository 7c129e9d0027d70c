//! Streams whose keys are agreed by DTLS: what comes besides RTP and RTCP goes to the stream's [`Peer`], and what that says
//! is done. Nothing of it touches streams without one.

use std::net::SocketAddr;

use super::{
    context::Context,
    stream::{Outbound, Stream},
};
use crate::{
    browser::{Candidate, MOST_CANDIDATES, Output, Peer, Terms, asked_in},
    contract::{Configure, Event},
    keys::StreamKeys,
    learn::Verdict,
    turn::{behind, lent},
};

/// What a stream knows of its peer.
pub(super) struct Browser {
    peer: Peer,
    /// What came out of the handshake.
    keys: Option<Box<StreamKeys>>,
    /// Where packets go.
    selected: Option<SocketAddr>,
    /// Where audio came from last.
    heard_from: Option<SocketAddr>,
}

/// Whether a datagram is neither RTP nor RTCP (RFC 7983 section 7).
const fn is_other(datagram: &[u8]) -> bool {
    !matches!(datagram.first(), Some(128..=191))
}

impl Browser {
    /// Whether there are keys.
    pub(super) const fn has_keys(&self) -> bool {
        self.keys.is_some()
    }

    /// Where packets go, once there are keys.
    pub(super) fn target(&self) -> Option<SocketAddr> {
        self.selected.filter(|_| self.keys.is_some())
    }

    /// Judges a packet that is authentic.
    pub(super) fn judge(&mut self, from: SocketAddr) -> Verdict {
        if self.heard_from == Some(from) {
            return Verdict::Accept;
        }
        if !self.peer.is_known(from) {
            return Verdict::Foreign;
        }
        self.heard_from = Some(from);
        Verdict::AcceptNew
    }

    /// Whether packets from there are worth a look.
    pub(super) fn is_known(&self, from: SocketAddr) -> bool {
        self.heard_from == Some(from) || self.peer.is_known(from)
    }
}

impl Stream {
    /// Takes over what was negotiated of DTLS.
    pub(super) fn configure_browser(&mut self, to: &Configure, cx: &mut Context) {
        let terms = to.dtls.as_deref().map(|terms| self.reachable(terms, cx));
        let remote = to.remote;
        match (&mut self.browser, terms.as_ref()) {
            (_, None) => self.browser = None,
            (Some(browser), Some(terms)) => {
                if browser.peer.renegotiate(cx.now, terms, remote) {
                    browser.keys = None;
                    self.take_keys(None);
                }
            }
            (none, Some(terms)) => {
                let peer = Peer::new(cx.now, &cx.identity, terms, remote);
                *none = Some(Box::new(Browser { peer, keys: None, selected: None, heard_from: None }));
            }
        }
        let name = terms.as_ref().and_then(|terms| terms.ice.as_ref()).map(|ice| &*ice.ufrag);
        if let (Some(name), Some(berth)) = (name, self.outbound.rtp.berth())
            && !berth.named(name)
        {
            tracing::error!(stream = %self.id, "another stream of the shared port has the same name; this one is silent");
        }
        let checks = terms.as_ref().and_then(|terms| terms.ice.as_ref()?.checks.as_ref());
        if let (Some(checks), Some(berth)) = (checks, self.outbound.rtp.berth_mut()) {
            // Behind a NAT it is where its signalling comes from, which none of its candidates may say.
            let named = checks.candidates.iter().filter_map(|candidate| behind(candidate.address)).map(|peer| peer.ip());
            berth.expect(cx.now, named.chain(to.signalling));
        }
        self.follow_browser(cx);
    }

    /// What was negotiated, without candidates that are ours or that we have no way to, and with each of them a second time
    /// where a server lends us an address: as it is reached from there.
    fn reachable(&self, terms: &Terms, cx: &Context) -> Terms {
        let mut terms = terms.clone();
        let is_v6 = self.outbound.rtp.local_addr().is_ok_and(|local| local.is_ipv6());
        if let Some(checks) = terms.ice.as_mut().and_then(|ice| ice.checks.as_mut()) {
            let is_reachable = |at: SocketAddr| at.is_ipv6() == is_v6 && behind(at).is_none() && !cx.own.forbids(at);
            checks.candidates.retain(|candidate| is_reachable(candidate.address));
            if self.outbound.rtp.berth().is_some_and(|berth| berth.lent().is_some()) {
                checks.candidates.truncate(MOST_CANDIDATES / 2);
                let way = |candidate: &Candidate| Candidate { address: lent(candidate.address), ..*candidate };
                checks.candidates.extend(checks.candidates.iter().map(way).collect::<Vec<_>>());
            }
        }
        terms
    }

    /// Whether a way to the peer is looked for, in steps of some ms.
    pub(super) fn is_checking(&self) -> bool {
        self.browser.as_ref().is_some_and(|browser| browser.peer.is_checking())
    }

    /// Sends the checks that are due; whether there are more soon.
    pub(super) fn pace_checks(&mut self, cx: &mut Context) -> bool {
        let Some(browser) = self.browser.as_mut().filter(|browser| browser.peer.is_checking()) else { return false };
        browser.peer.tick(cx.now);
        self.follow_browser(cx);
        self.is_checking()
    }

    /// Takes a datagram that is for the peer and not for the stream; `true` when it was.
    pub(super) fn take_other(&mut self, datagram: &[u8], from: SocketAddr, cx: &mut Context) -> bool {
        let Some(browser) = self.browser.as_mut().filter(|_| is_other(datagram)) else { return false };
        if cx.own.contains(from) {
            self.inbound.foreign += 1;
            return true;
        }
        let is_proof = browser.peer.handle(cx.now, from, datagram);
        if let (true, Some(berth)) = (is_proof, self.outbound.rtp.berth()) {
            berth.proved(from, |place| browser.peer.is_known(place));
        }
        self.follow_browser(cx);
        true
    }

    /// What is due; whether something is soon.
    pub(super) fn tick_browser(&mut self, cx: &mut Context) -> bool {
        let Some(browser) = &mut self.browser else { return false };
        browser.peer.tick(cx.now);
        let is_busy = browser.keys.is_none();
        if let Some(berth) = self.outbound.rtp.berth_mut() {
            berth.keep_wanting(cx.now);
        }
        self.follow_browser(cx);
        is_busy
    }

    fn follow_browser(&mut self, cx: &mut Context) {
        let Self { id, browser: Some(browser), outbound, .. } = self else { return };
        let mut keys = None;
        while let Some(output) = browser.peer.poll() {
            match output {
                Output::Send { to, bytes } => outbound.send_other(&bytes, to),
                Output::Selected(place) => {
                    browser.selected = Some(place);
                    if let Some(berth) = outbound.rtp.berth_mut() {
                        berth.selected(cx.now, place);
                    }
                }
                Output::Keys(agreed) => {
                    tracing::debug!(stream = %id, suite = ?agreed.send.suite(), "keys by DTLS");
                    keys = Some(agreed);
                }
                Output::Silent(_) => {
                    tracing::info!(stream = %id, "nobody answers for the address of a peer any more; nothing is sent there");
                    browser.selected = None;
                }
                Output::NoKeys(verdict) => {
                    tracing::warn!(stream = %id, why = %verdict, "no keys by DTLS; the stream is silent");
                    cx.events.push_back(Event::NoKeys { stream: *id, verdict });
                }
            }
        }
        if let Some(agreed) = keys {
            browser.keys = Some(agreed.clone());
            self.take_keys(Some(&agreed));
        }
        self.retarget();
    }
}

impl Outbound {
    /// Sends what is no media.
    fn send_other(&self, bytes: &[u8], to: SocketAddr) {
        if let (Some(berth), Some(transaction)) = (self.rtp.berth(), asked_in(bytes)) {
            berth.asked(transaction);
        }
        // What the kernel does not take now is sent again when nobody answers.
        let _ = self.rtp.send_to(bytes, to);
    }
}
