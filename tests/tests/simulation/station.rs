//! An endpoint with its address, watched: every invitation ends once, and nothing is heard of it after.

use std::{collections::BTreeSet, net::SocketAddr, time::Instant};

use tandem_signaling::{
    endpoint::{
        Account, Command, Endpoint, EndpointConfig, Event, Input, InviteId, KeptLeg, Listener, Moment, Output, Peer, Restored,
        Rights, Trunk, TrunkCredentials,
    },
    flow::Transport,
};

pub(crate) const REALM: &str = "sim.test";
/// What everybody's password is.
const PASSWORD: &str = "simulated";
/// 64 T1 of RFC 3261 with the usual T1, in ms: the life of most transactions.
pub(crate) const SIXTY_FOUR_T1_MS: u64 = 32_000;

/// One endpoint.
pub(crate) struct Station {
    endpoint: Endpoint,
    pub(crate) address: SocketAddr,
    /// Invitations that have not ended.
    open: BTreeSet<InviteId>,
    /// The first breach of the endpoint's contract.
    pub(crate) wrong: Option<String>,
}

impl Station {
    pub(crate) fn new(address: SocketAddr, seed: [u8; 32]) -> Self {
        let mut config = EndpointConfig::new(REALM, vec![Listener::new(Transport::Udp, address)]);
        // Devices come back so often that registrations happen amid the calls.
        config.registration.max_expires_s = 120;
        // Nobody here rings for longer; an INVITE of before a restart is waited for so long.
        config.longest_ring = std::time::Duration::from_secs(60);
        Self { endpoint: Endpoint::new(config, seed), address, open: BTreeSet::new(), wrong: None }
    }

    pub(crate) fn next_invite(&mut self) -> InviteId {
        self.endpoint.next_invite()
    }

    pub(crate) fn keep(&mut self, moment: Moment, invite: InviteId) -> Option<KeptLeg> {
        self.endpoint.keep(moment, invite)
    }

    pub(crate) fn next_changed(&mut self) -> Option<InviteId> {
        self.endpoint.next_changed()
    }

    pub(crate) fn restore(&mut self, moment: Moment, kept: &KeptLeg) -> Restored {
        let restored = self.endpoint.restore(moment, kept).expect("what was kept can be restored");
        if let Restored::Up { invite, .. } = restored {
            self.open.insert(invite);
        }
        restored
    }

    pub(crate) fn probe(&mut self, now: Instant, invite: InviteId) {
        self.endpoint.probe(now, invite);
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.endpoint.deadline()
    }

    pub(crate) fn handle(&mut self, now: Instant, input: Input) {
        match &input {
            Input::Command(Command::Invite(wish)) => {
                self.open.insert(wish.invite);
            }
            Input::Command(Command::End { invite, .. } | Command::Reject { invite, .. }) => {
                self.open.remove(invite);
            }
            _ => {}
        }
        self.endpoint.handle(now, input);
    }

    pub(crate) fn poll(&mut self) -> Option<Output> {
        let output = self.endpoint.poll()?;
        if let Output::Event(event) = &output {
            self.check(event);
        }
        Some(output)
    }

    fn check(&mut self, event: &Event) {
        let fits = match event {
            Event::Invited(invited) => self.open.insert(invited.invite),
            Event::Cancelled { invite } | Event::Rejected { invite, .. } | Event::Ended { invite, .. } => {
                self.open.remove(invite)
            }
            Event::Confirmed { invite, .. }
            | Event::Progressed { invite, .. }
            | Event::Answered { invite, .. }
            | Event::Reoffered { invite, .. }
            | Event::ReofferAnswered { invite, .. }
            | Event::ReofferRejected { invite, .. }
            | Event::InfoDigit { invite, .. } => self.open.contains(invite),
            _ => true,
        };
        if !fits && self.wrong.is_none() {
            self.wrong = Some(format!("{} tells of an invitation that is over: {event:?}", self.address));
        }
    }

    /// Invitations that this station still knows of.
    pub(crate) fn invites(&self) -> usize {
        self.endpoint.counts().invites
    }

    /// What is left but for registrations; `None` when nothing is.
    pub(crate) fn left_over(&self) -> Option<String> {
        let counts = self.endpoint.counts();
        let left = counts.client_transactions + counts.server_transactions + counts.dialogs + counts.invites + self.open.len();
        (left > 0).then(|| format!("{} still has {counts:?}, open {:?}", self.address, self.open))
    }
}

/// The account of an extension.
pub(crate) fn account(extension: &str) -> Account {
    let ha1 = tandem_signaling::digest::ha1(extension, REALM, PASSWORD);
    Account {
        user: extension.into(),
        ha1_md5: ha1.md5,
        ha1_sha256: ha1.sha256,
        ha1_sha512_256: ha1.sha512_256,
        max_bindings: 2,
        rights: Rights::default(),
    }
}

/// A link to another station. `user`: who proves a password there, and registers if `register`.
pub(crate) fn link(name: &str, to: SocketAddr, user: Option<&str>, register: bool) -> Trunk {
    let credentials = user.map(|user| TrunkCredentials { user: user.to_owned(), password: PASSWORD.to_owned(), realm: None });
    Trunk { credentials, from_domain: Some(REALM.to_owned()), register, ..Trunk::new(name, vec![Peer::new(Transport::Udp, to)]) }
}
