//! Our own registration with a carrier (RFC 3261 section 10.2), for trunks that ask for it.

use super::{
    Endpoint,
    client_transaction::{ClientMethod, NewClient, Purpose, new_branch},
    contract::Destination,
    text::{MAX_FORWARDS, Token},
    timers::{Ms, NEVER},
};
use crate::message::{Message, Name, RequestBuilder};

/// What we ask for, in seconds.
const WISH_S: u32 = 3_600;
/// How long after a failure it is tried again.
const RETRY_MS: Ms = 30_000;
/// No carrier gets more than one refresh in so many seconds.
const LEAST_S: u32 = 20;

/// How a trunk's registration stands.
#[derive(Debug)]
pub(super) struct TrunkRegistration {
    wanted: bool,
    good: bool,
    /// When the next REGISTER goes out.
    pub(super) due_at: Ms,
    call_id: u64,
    cseq: u32,
    wish_s: u32,
}

impl TrunkRegistration {
    pub(super) const fn new(wanted: bool, now: Ms) -> Self {
        Self { wanted, good: false, due_at: if wanted { now } else { NEVER }, call_id: 0, cseq: 0, wish_s: WISH_S }
    }

    /// Nothing is to be awaited before the trunk can be used.
    pub(super) const fn is_settled(&self) -> bool {
        !self.wanted
    }

    pub(super) const fn is_good(&self) -> bool {
        !self.wanted || self.good
    }
}

impl Endpoint {
    pub(super) fn trunk_registration_due(&mut self, number: usize) {
        let now = self.now;
        let (branch, tag, call_id) = (self.random(), self.random(), self.random());
        let Some(state) = self.trunks.number_mut(number) else { return };
        if state.registration.due_at > now {
            return;
        }
        // Should no reply come at all, not even silence, it is tried again.
        state.registration.due_at = now + 2 * RETRY_MS;
        if state.registration.call_id == 0 {
            state.registration.call_id = call_id.max(1);
        }
        state.registration.cseq += 1;
        let (trunk, registration) = (&state.trunk, &state.registration);
        let (name, cseq, call_id, wish_s) = (trunk.name.clone(), registration.cseq, registration.call_id, registration.wish_s);
        let (Some(peer), Some(credentials)) = (trunk.peers.first().copied(), &trunk.credentials) else { return };
        let domain = trunk.from_domain.clone().unwrap_or_else(|| peer.address.to_string());
        let user = super::text::EscapedUser(&credentials.user).to_string();
        let to = Destination::Address { transport: peer.transport, to: peer.address };
        let (transport, address) = self.our_address(&to);
        let own = format!("sip:{user}@{domain}");
        let contact = self.our_contact(&to).replacen("sip:", &format!("sip:{user}@"), 1);
        let message = RequestBuilder::new("REGISTER", format_args!("sip:{domain}"))
            .via(transport, address, &new_branch(branch))
            .max_forwards(MAX_FORWARDS)
            .from("", &own, Token::new(tag).as_str())
            .to("", &own, None)
            .call_id(Token::new(call_id).as_str())
            .cseq(cseq)
            .contact(contact)
            .header(Name::Expires, wish_s)
            .build();
        if let Ok(message) = message {
            let new = NewClient::new(branch, ClientMethod::Other, to, message);
            let purpose = Purpose::Register { trunk: name.clone() };
            self.start_client(NewClient { purpose, trunk: Some(name), ..new });
        }
    }

    /// A final reply to our REGISTER (challenges that we could answer apart).
    pub(super) fn trunk_register_result(&mut self, trunk: &str, response: &Message, code: u16) {
        let now = self.now;
        let Some((number, state)) = self.trunks.get_mut(trunk).filter(|(_, state)| state.registration.wanted) else { return };
        let registration = &mut state.registration;
        // The number may have grown by a try with credentials.
        registration.cseq = registration.cseq.max(response.cseq().map(|cseq| cseq.number).unwrap_or_default());
        let min = response.header(Name::MinExpires).and_then(crate::message::read_seconds);
        match (code, min) {
            (200..=299, _) => {
                let granted = granted_s(response, registration.wish_s).max(LEAST_S);
                registration.good = true;
                registration.due_at = now + Ms::from(granted) * 800;
            }
            (423, Some(min)) if min > registration.wish_s => {
                registration.wish_s = min;
                registration.due_at = now;
            }
            _ => return self.trunk_register_failed(trunk, code),
        }
        self.say_trunk(number, code);
        self.arm_trunk(number);
    }

    /// Our REGISTER failed, or was not answered.
    pub(super) fn trunk_register_failed(&mut self, trunk: &str, code: u16) {
        let now = self.now;
        // A late word on a registration that is not wanted any more must not begin another.
        let Some((number, state)) = self.trunks.get_mut(trunk).filter(|(_, state)| state.registration.wanted) else { return };
        state.registration.good = false;
        state.registration.due_at = now + RETRY_MS;
        self.say_trunk(number, code);
        self.arm_trunk(number);
    }
}

/// How long the registration holds: the shortest that the reply names.
fn granted_s(response: &Message, wish_s: u32) -> u32 {
    let contacts = response.contacts().filter_map(|contact| contact.ok()?.expires());
    contacts.chain(response.expires()).min().unwrap_or(wish_s)
}
