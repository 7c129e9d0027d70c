//! The gate at the edge: what of all that arrives the endpoint hears, and what becomes of the rest.

use std::{
    hash::{BuildHasher as _, RandomState},
    net::IpAddr,
    sync::Arc,
};

use bytes::Bytes;
use tandem_signaling::{
    admission::{Ban, Gate, GateSettings, Load, News, Offence, Prefix, SourceLimits, Tally, Verdict},
    endpoint::{Input, PeerMatch},
    flow::{ConnectionId, Flow},
};
use tandem_switch::name::PartyNumber;

use super::{Network, SipEdge, SipEvent};
use crate::{
    metrics::METRICS,
    store::{self, Record},
};

/// What is done at once with a message that the endpoint does not hear.
pub(super) enum Answer {
    /// This is sent.
    Send(Flow, Bytes),
    /// Its connection is closed.
    Close(ConnectionId),
}

/// A gate that knows no plan yet.
pub(super) fn gate(seed: [u8; 32]) -> Gate {
    // The seed is the endpoint's: what it becomes here tells nothing of that.
    let half = |from: usize| RandomState::new().hash_one(&seed[from..]);
    Gate::new(GateSettings::default(), &SourceLimits::default(), [half(0), half(8)])
}

fn settings(plan: &tandem_dialplan::Plan) -> GateSettings {
    let usual = GateSettings::default();
    let protect = &plan.protect;
    GateSettings {
        allow: protect
            .allow
            .iter()
            .map(|network| PeerMatch { ip: network.address, prefix: network.prefix, port: None, transport: None })
            .collect(),
        emergency: protect.emergency().map(str::to_owned).collect(),
        hosts: protect.domains.clone(),
        max_calls: protect.max_calls.map_or(usual.max_calls, |calls| calls as usize),
    }
}

impl SipEdge {
    /// A message came in: the endpoint hears it, or it is turned away at once.
    pub(super) fn received(&mut self, flow: Flow, bytes: Bytes) -> Option<Answer> {
        let (endpoint, now) = (&self.endpoint, self.now.instant);
        let is_carrier = endpoint.is_of_trunk(&flow);
        let verdict = self.gate.judge(now, (&flow, &bytes), is_carrier, |via, method| endpoint.has_request(&flow, via, method));
        match verdict {
            Verdict::Pass => {
                self.capture.note((flow.remote, flow.local), (flow.transport, false), self.now.at, &bytes);
                self.give(Input::Received { flow, bytes });
                None
            }
            Verdict::Refuse(class, refusal) => {
                METRICS.sip_refused.inc(class.as_str());
                Some(Answer::Send(refusal.to, refusal.bytes))
            }
            Verdict::Drop(why) => {
                METRICS.sip_dropped.inc(why.as_str());
                if why.closes() { flow.connection.map(Answer::Close) } else { None }
            }
        }
    }

    /// How the loop is doing. What the gate has to tell is told.
    pub fn look(&mut self, load: Load) {
        METRICS.sip_wait_ms.set(u64::from(load.waited_ms));
        self.gate.look(self.now.instant, &load);
        METRICS.calls_let_in.set(self.gate.calls_per_s().unwrap_or(0));
        while let Some(news) = self.gate.poll() {
            self.gate_told(news);
        }
    }

    fn gate_told(&mut self, news: News) {
        match news {
            News::Banned(ban) => {
                METRICS.bans_begun.inc(ban.offence.as_str());
                let (source, offence, seconds) = (ban.source, ban.offence.as_str(), ban.left_ms / 1_000);
                tracing::warn!(%source, offence, seconds, times = ban.times, "a source is banned");
                self.events.push_back(SipEvent::Keep(Box::new(Record::Banned(self.kept(ban)))));
            }
            News::Shedding(Some(calls_per_s)) => {
                tracing::warn!(calls_per_s, "messages wait too long: new calls are refused from now on");
            }
            News::Shedding(None) => tracing::info!("messages are served in time again: no call is refused any more"),
            News::Turned(Tally { refused, dropped }) => {
                let [emergency, in_queue, agent, new] = refused;
                let [banned, scanner, other_domain, rate, malformed, ack] = dropped;
                tracing::info!(emergency, in_queue, agent, new, "refused since the last such line");
                tracing::info!(banned, scanner, other_domain, rate, malformed, ack, "not answered since the last such line");
            }
        }
    }

    fn kept(&self, ban: Ban) -> store::Ban {
        store::Ban {
            source: ban.source.first(),
            offence: ban.offence.as_str().to_owned(),
            times: ban.times,
            at: self.now.at,
            until: self.now.at.plus_ms(ban.left_ms),
        }
    }

    /// The sources that are not heard now.
    #[must_use]
    pub fn bans(&self) -> Vec<store::Ban> {
        self.gate.bans().into_iter().map(|ban| self.kept(ban)).collect()
    }

    /// Hears a source again. `false`: it was not banned.
    pub fn lift_ban(&mut self, address: IpAddr) -> bool {
        let lifted = self.gate.lift(Prefix::of(address));
        if lifted {
            let gone = Record::BanLifted { source: Prefix::of(address).first(), at: self.now.at };
            self.events.push_back(SipEvent::Keep(Box::new(gone)));
        }
        lifted
    }

    /// Puts bans of before a restart back.
    pub fn restore_bans(&mut self, bans: &[store::Ban]) {
        for kept in bans {
            let (left_ms, offence) = (kept.until.ms_since(self.now.at), Offence::from_word(&kept.offence));
            let (Some(offence), 1..) = (offence, left_ms) else { continue };
            let ban = Ban { source: Prefix::of(kept.source), offence, times: kept.times, left_ms };
            self.gate.restore(self.now.instant, ban);
        }
    }

    /// Callers whose places in line are kept for so long.
    pub fn expect_back<'a>(&mut self, callers: impl Iterator<Item = &'a PartyNumber>, for_ms: u64) {
        for caller in callers {
            self.gate.expect_back(self.now.instant, caller.as_str(), for_ms);
        }
    }

    /// Whether a number is one of an emergency service, by the plan in service.
    #[must_use]
    pub fn is_emergency(&self, number: &PartyNumber) -> bool {
        self.settings.plan().is_some_and(|plan| plan.is_emergency(number))
    }

    pub(super) fn set_gate(&mut self, plan: &tandem_dialplan::Plan) {
        self.gate.set(settings(plan));
    }

    /// An account proved itself on a flow.
    pub(super) fn proved(&mut self, flow: &Flow, account: &Arc<str>) {
        self.gate.proved(self.now.instant, flow, account);
    }
}

impl Network {
    /// Does at once what a message that was turned away asks for.
    pub(super) fn settle_with(&mut self, answer: Option<Answer>) {
        match answer {
            Some(Answer::Send(to, bytes)) => {
                // Who cannot be reached is not helped by another try.
                let _gone = self.send(tandem_signaling::endpoint::Destination::Flow(to), bytes);
            }
            Some(Answer::Close(connection)) => self.close(connection),
            None => {}
        }
    }
}
