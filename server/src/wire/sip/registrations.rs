//! People and their devices: accounts for the endpoint, registrations kept over a restart.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tandem_signaling::{
    endpoint::{Account, Binding, Command, Event, Outbound, Rights},
    flow::{Flow, Transport},
};
use tandem_switch::{name::Extension, time::Timestamp};

use super::{SipEdge, SipEvent};
use crate::{
    metrics::METRICS,
    store::{self, BindingWay, Person, Record},
};

/// Devices at a time that one extension may have.
const MAX_DEVICES: usize = 5;

impl SipEdge {
    /// Takes people's passwords into service. Devices of people who are gone are signed off.
    pub fn set_people(&mut self, people: &[Person]) {
        let accounts = people.iter().filter_map(account).collect();
        self.command(Command::SetAccounts(accounts));
    }

    /// Puts registrations of before a restart back: those whose devices, or the proxies before them, can be reached
    /// without the connection that they came by.
    pub fn restore(&mut self, bindings: &[store::Binding]) {
        for kept in bindings {
            let Some(binding) = self.binding_again(kept) else { continue };
            self.gate.know(self.now.instant, &binding.flow, &binding.account, binding.expires_at);
            self.command(Command::RestoreBinding(binding));
            self.came(&kept.extension);
        }
    }

    fn binding_again(&self, kept: &store::Binding) -> Option<Binding> {
        let (transport, remote) = kept.source.split_once(':')?;
        let (transport, remote) = (Transport::from_name(transport)?, remote.parse::<SocketAddr>().ok()?);
        let local = self.settings.listener_like(transport, remote)?;
        let left = Duration::from_millis(kept.expires_at.ms_since(self.now.at));
        let way = kept.way.clone().unwrap_or(BindingWay { q: 1_000, path: Vec::new(), outbound: None });
        let binding = Binding {
            account: kept.extension.as_str().into(),
            contact: kept.contact.as_str().into(),
            q: way.q.min(1_000),
            expires_at: self.now.instant + left,
            flow: Flow { transport, local, remote, connection: None },
            user_agent: kept.user_agent.as_deref().unwrap_or_default().into(),
            outbound: way.outbound.map(|(instance, reg_id)| Outbound { instance: instance.into(), reg_id }),
            path: way.path.into_iter().map(String::into_boxed_str).collect(),
        };
        Some(binding).filter(|_| !left.is_zero())?.after_restart()
    }

    pub(super) fn registration_told(&mut self, event: Event) {
        match event {
            Event::BindingAdded(binding) => {
                self.keep(&binding, false);
                self.came(&Extension::from(&*binding.account));
            }
            Event::BindingRefreshed(binding) => self.keep(&binding, true),
            Event::BindingRemoved { account, contact, left, .. } => {
                let extension = Extension::from(&*account);
                let (contact, at) = (contact.to_string(), self.now.at);
                let gone = Record::BindingRemoved { extension: extension.clone(), contact, at };
                self.events.push_back(SipEvent::Keep(Box::new(gone)));
                METRICS.registrations.dec();
                if left == 0 {
                    self.bindings.remove(&extension);
                    self.events.push_back(SipEvent::Reachable { extension, reachable: false });
                } else {
                    self.bindings.insert(extension, left);
                }
            }
            Event::TrunkUp { name } => tracing::info!(trunk = %name, "a trunk answers"),
            Event::TrunkDown { name, code } => tracing::warn!(trunk = %name, code, "a trunk does not answer"),
            Event::AuthFailed { source, proved, .. } => {
                METRICS.sip_auth_failed.inc();
                tracing::warn!(%source, "wrong credentials");
                self.gate.wrong_password(self.now.instant, source, proved);
            }
            _ => {}
        }
    }

    fn came(&mut self, extension: &Extension) {
        let devices = self.bindings.entry(extension.clone()).or_insert(0);
        *devices += 1;
        METRICS.registrations.inc();
        if *devices == 1 {
            self.events.push_back(SipEvent::Reachable { extension: extension.clone(), reachable: true });
        }
    }

    fn keep(&mut self, binding: &Binding, refreshed: bool) {
        self.gate.know(self.now.instant, &binding.flow, &binding.account, binding.expires_at);
        let left = binding.expires_at.saturating_duration_since(self.now.instant);
        let kept = store::Binding {
            extension: Extension::from(&*binding.account),
            contact: binding.contact.to_string(),
            source: format!("{}:{}", binding.flow.transport.word(), binding.flow.remote),
            register_call_id: String::new(),
            register_cseq: 0,
            user_agent: (!binding.user_agent.is_empty()).then(|| binding.user_agent.to_string()),
            registered_at: self.now.at,
            expires_at: Timestamp(self.now.at.0.saturating_add(i64::try_from(left.as_micros()).unwrap_or(i64::MAX))),
            way: Some(BindingWay {
                q: binding.q,
                path: binding.path.iter().map(|proxy| proxy.to_string()).collect(),
                outbound: binding.outbound.as_ref().map(|flow| (flow.instance.to_string(), flow.reg_id)),
            }),
        };
        self.events.push_back(SipEvent::Keep(Box::new(Record::BindingPut { binding: kept, refreshed })));
    }
}

/// A person's account; `None` for people without a password.
fn account(person: &Person) -> Option<Account> {
    let ha1_md5 = bytes(person.ha1_md5.as_ref()?.expose())?;
    let ha1_sha256 = bytes(person.ha1_sha256.as_ref()?.expose())?;
    let ha1_sha512_256 = person.ha1_sha512_256.as_ref().and_then(|hash| bytes(hash.expose()));
    Some(Account {
        user: Arc::from(person.extension.as_str()),
        ha1_md5,
        ha1_sha256,
        ha1_sha512_256,
        max_bindings: MAX_DEVICES,
        rights: Rights { transfers: true, ..Rights::default() },
    })
}

/// Hexadecimal digits as bytes.
fn bytes<const N: usize>(hex: &str) -> Option<[u8; N]> {
    let digits = hex.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let mut out = [0; N];
    for (byte, pair) in out.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(out)
}
