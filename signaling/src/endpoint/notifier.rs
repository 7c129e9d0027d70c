//! SUBSCRIBE and NOTIFY, the notifier's side (RFC 6665 section 4.2).
//!
//! Only accounts may subscribe, each SUBSCRIBE with its password, to what other accounts are doing. A
//! subscription has a dialog of its own (section 4.5) and goes by the flow that its watcher was last heard on.

use std::sync::Arc;

use super::{
    Endpoint,
    client_transaction::{ClientMethod, NewClient, Purpose, new_branch},
    contract::InviteId,
    dialog::{Dialog, Trust},
    package::{ALLOW_EVENTS, Package, ResourceState},
    server_transaction::Incoming,
    subscription::{Duty, Full, Over, Subscription, Topic},
    text::{Token, phrase},
    timers::{Alarm, Ms, Owner},
};
use crate::message::{ContactHeader, Event as EventHeader, Message, Name, Uri};

/// Longer hosts and Event ids are refused, in bytes.
const LONGEST_WORD: usize = 255;
/// A watcher who asks for a pause gets no longer one, in seconds.
const LONGEST_PAUSE_S: u32 = 300;

/// Alarms are set no further ahead: one outlives its subscription, and whoever subscribes and takes it back again
/// and again must not fill the table of timers.
const LONGEST_ALARM: Ms = 60_000;

/// A code of refusal, and nothing to add to it.
type Refusal = u16;

impl Endpoint {
    /// A SUBSCRIBE outside any dialog.
    pub(super) fn subscribe(&mut self, incoming: &Incoming<'_>) {
        let Incoming { flow, message, .. } = *incoming;
        if self.draining || !self.has_room(false) {
            return self.overloaded(flow, message);
        }
        let Some(watcher) = self.proved_account(flow, message) else { return };
        if self.is_merged(incoming) {
            return self.refuse(flow, message, 482, phrase(482), |builder| builder);
        }
        let topic = match self.topic_of(message, &watcher) {
            Ok(topic) => topic,
            Err(489) => return self.bad_event(incoming),
            Err(code) => return self.answer(incoming, code, |builder| builder),
        };
        let Some(expires_s) = self.granted_expiry(incoming) else { return };
        if expires_s > 0
            && let Err(full) = self.subscriptions.has_room(&watcher, &topic.resource)
        {
            return match full {
                Full::Watcher => self.answer(incoming, 403, |builder| builder),
                Full::Table => self.overloaded(flow, message),
            };
        }
        let tag = self.random();
        let dialog = match Dialog::uas(message, flow, tag, Trust::Source) {
            Ok(dialog) => dialog,
            Err(fault) => return self.refuse(flow, message, fault.code, fault.reason, |builder| builder),
        };
        self.accept_subscription(incoming, tag, expires_s);
        let subscription = Subscription {
            watcher,
            topic,
            dialog,
            version: 0,
            is_awaiting: false,
            is_stale: true,
            quiet_until: self.now,
            end_at: self.now + Ms::from(expires_s) * 1_000,
            over: None,
            alarm: Alarm::new(),
        };
        // One that asks only how things stand is over as it begins (section 4.4.3).
        self.subscriptions.insert(tag, subscription);
        self.settle_subscription(tag);
    }

    /// What a SUBSCRIBE asks for, if this watcher may see it.
    fn topic_of(&self, message: &Message, watcher: &str) -> Result<Topic, Refusal> {
        let from = message.from().ok().and_then(|from| from.uri()).and_then(|uri| uri.user_decoded());
        if from.as_deref() != Some(watcher) {
            return Err(403);
        }
        let (package, id) = read_event(message)?;
        let has_contact = message.contacts().next().is_some_and(|contact| is_device(contact.as_ref().ok()));
        if !has_contact {
            return Err(400);
        }
        if !accepts(message, package) {
            return Err(406);
        }
        let uri = Uri::parse(message.request_uri()).filter(Uri::is_sip).ok_or(416_u16)?;
        let user = uri.user_decoded().ok_or(404_u16)?;
        let resource = self.watched(&user).ok_or(404_u16)?;
        // A place has no mail, and is not on duty.
        if package != Package::Dialog && self.registrar.account(&user).is_none() {
            return Err(404);
        }
        if !self.hosts(&uri) || uri.host.len() > LONGEST_WORD {
            return Err(404);
        }
        // Whose mail waits is nobody else's business.
        if package == Package::MessageSummary && *resource != *watcher {
            return Err(403);
        }
        Ok(Topic { package, id, resource, host: uri.host.into() })
    }

    /// 489 says what there is (section 4.2.1.1).
    fn bad_event(&mut self, incoming: &Incoming<'_>) {
        self.answer(incoming, 489, |builder| builder.header(Name::AllowEvents, ALLOW_EVENTS));
    }

    /// For how long it is granted, in seconds; `None` when the wish was refused.
    fn granted_expiry(&mut self, incoming: &Incoming<'_>) -> Option<u32> {
        let limits = self.config.subscriptions;
        let wanted_s = incoming.message.expires().unwrap_or(limits.default_expires_s);
        if (1..limits.min_expires_s).contains(&wanted_s) {
            self.answer(incoming, 423, |builder| builder.header(Name::MinExpires, limits.min_expires_s));
            return None;
        }
        Some(wanted_s.min(limits.max_expires_s))
    }

    fn accept_subscription(&mut self, incoming: &Incoming<'_>, tag: u64, expires_s: u32) {
        let message = incoming.message;
        let key = self.open_server(incoming, InviteId(0), tag);
        let Some(to) = self.servers.get(key).map(super::server_transaction::ServerTransaction::to) else { return };
        let contact = self.our_contact(&to);
        let add = |builder: crate::message::ResponseBuilder| {
            builder.copy(message, Name::RecordRoute).contact(contact).header(Name::Expires, expires_s)
        };
        self.reply(key, 200, "", add, None);
    }

    /// The subscription that a request says to belong to.
    pub(super) fn subscription_of(&self, incoming: &Incoming<'_>) -> Option<u64> {
        let tag = Token::read(incoming.to_tag?)?;
        let row = self.subscriptions.get(tag)?;
        row.dialog.matches(incoming.from_tag, incoming.call_id).then_some(tag)
    }

    /// A SUBSCRIBE in the dialog of a subscription: it goes on, or is taken back.
    pub(super) fn resubscribe(&mut self, incoming: &Incoming<'_>) {
        let Incoming { flow, message, .. } = *incoming;
        let Some(tag) = self.subscription_of(incoming) else { return };
        // Whoever overheard the tags must not move the subscription to another place.
        let Some(proved) = self.proved_account(flow, message) else { return };
        let now = self.now;
        let Some(row) = self.subscriptions.get_mut(tag) else { return };
        if row.watcher != proved {
            return self.answer(incoming, 403, |builder| builder);
        }
        if !row.dialog.take_cseq(incoming.cseq) {
            return self.answer(incoming, 500, |builder| builder);
        }
        let same = read_event(message).is_ok_and(|(package, id)| package == row.topic.package && id == row.topic.id);
        if !same || row.over.is_some() {
            return self.answer(incoming, 481, |builder| builder);
        }
        let Some(expires_s) = self.granted_expiry(incoming) else { return };
        self.accept_subscription(incoming, tag, expires_s);
        if let Some(row) = self.subscriptions.get_mut(tag) {
            row.dialog.refresh(message, flow);
            row.end_at = now + Ms::from(expires_s) * 1_000;
            // Told at once, whether or not there is news (section 4.2.1.2).
            row.is_stale = true;
            row.quiet_until = now;
        }
        self.settle_subscription(tag);
    }

    /// [`Command::Publish`](super::Command::Publish).
    pub(super) fn publish(&mut self, user: &str, state: ResourceState) {
        let Some(user) = self.watched(user) else { return };
        for tag in self.subscriptions.publish(user, state) {
            self.settle_subscription(tag);
        }
    }

    /// A user, or a place, that can be watched.
    fn watched(&self, name: &str) -> Option<Arc<str>> {
        self.registrar.account(name).map(|account| account.user.clone()).or_else(|| self.subscriptions.place(name))
    }

    /// Accounts went: so do their subscriptions, and those to them.
    pub(super) fn forget_watched(&mut self) {
        let registrar = &self.registrar;
        for tag in self.subscriptions.forget_users(|user| registrar.account(user).is_some()) {
            self.settle_subscription(tag);
        }
    }

    /// A heap entry of a subscription was popped.
    pub(super) fn subscription_due(&mut self, tag: u64, at: Ms) {
        if self.subscriptions.get_mut(tag).is_some_and(|row| row.alarm.popped(at)) {
            self.settle_subscription(tag);
        }
    }

    /// Does what a subscription has to do now, and sets its alarm for the rest.
    fn settle_subscription(&mut self, tag: u64) {
        let now = self.now;
        let Some(row) = self.subscriptions.get(tag) else { return };
        match row.duty(now) {
            Duty::Nothing => {}
            Duty::Notify => {
                let left_s = row.end_at.saturating_sub(now) / 1_000;
                self.notify(tag, &format!("active;expires={left_s}"), true, Purpose::Notify(tag));
            }
            Duty::Finish(over) => {
                let state = format!("terminated;reason={}", over.reason());
                self.notify(tag, &state, over == Over::Timeout, Purpose::Nothing);
                self.subscriptions.remove(tag);
            }
        }
        if let Some(row) = self.subscriptions.get_mut(tag) {
            let due = row.due().min(now + LONGEST_ALARM);
            self.timers.set(&mut row.alarm, due, Owner::Subscription(tag));
        }
    }

    /// Sends one NOTIFY.
    fn notify(&mut self, tag: u64, state: &str, with_document: bool, purpose: Purpose) {
        let branch = self.random();
        let quiet_until = self.now + self.config.subscriptions.notify_interval_ms;
        let Some(row) = self.subscriptions.get_mut(tag) else { return };
        row.dialog.local_cseq += 1;
        (row.is_awaiting, row.is_stale, row.quiet_until) = (true, false, quiet_until);
        let version = row.version;
        row.version = version.wrapping_add(1);
        let Some(row) = self.subscriptions.get(tag) else { return };
        let Topic { package, id, .. } = &row.topic;
        let (to, cseq) = (row.dialog.to, row.dialog.local_cseq);
        let mut builder = row
            .dialog
            .request("NOTIFY", cseq, self.our_address(&to), &new_branch(branch))
            .contact(self.our_contact(&to))
            .header(Name::SubscriptionState, state);
        builder = match id {
            Some(id) => builder.header(Name::Event, format_args!("{};id={id}", package.name())),
            None => builder.header(Name::Event, package.name()),
        };
        let message = if with_document {
            let document = self.subscriptions.document(&row.topic, &row.watcher, version);
            builder.build_with_body(package.content_type(), document.as_bytes())
        } else {
            builder.build()
        };
        if let Ok(message) = message {
            let new = NewClient::new(branch, ClientMethod::Other, to, message);
            self.start_client(NewClient { purpose, ..new });
        } else {
            self.subscriptions.remove(tag);
        }
    }

    /// The final reply to a NOTIFY, or 408 for none. Any failure but one that asks for patience ends the
    /// subscription (section 4.2.2).
    pub(super) fn notified(&mut self, tag: u64, code: u16, retry_after_s: Option<u32>) {
        let now = self.now;
        let Some(row) = self.subscriptions.get_mut(tag) else { return };
        row.is_awaiting = false;
        match (code, retry_after_s) {
            (200..=299, _) => {}
            (300.., Some(pause_s)) if code != 481 => {
                row.is_stale = true;
                row.quiet_until = now + Ms::from(pause_s.clamp(1, LONGEST_PAUSE_S)) * 1_000;
            }
            _ => {
                self.subscriptions.remove(tag);
                return;
            }
        }
        self.settle_subscription(tag);
    }
}

/// Package and id of the Event header.
fn read_event(message: &Message) -> Result<(Package, Option<Box<str>>), Refusal> {
    let event = message.header(Name::Event).ok_or(489_u16)?;
    let event = EventHeader::parse(event).ok_or(400_u16)?;
    let package = Package::of(event.package).ok_or(489_u16)?;
    let id = event.params.get("id");
    if id.is_some_and(|id| id.is_empty() || id.len() > LONGEST_WORD) {
        return Err(400);
    }
    // One dialog of its own (RFC 4235 section 3.2) cannot be asked for: Call-IDs are not told.
    if event.params.has("call-id") {
        return Err(403);
    }
    Ok((package, id.map(Into::into)))
}

/// Whether the documents of a package may be sent; its own type is what a missing Accept means.
fn accepts(message: &Message, package: Package) -> bool {
    let fits = |value: &str| {
        let range = value.split(';').next().unwrap_or_default().trim();
        [package.content_type(), "application/*", "*/*"].iter().any(|wanted| range.eq_ignore_ascii_case(wanted))
    };
    !message.has(Name::Accept) || message.headers(Name::Accept).any(fits)
}

fn is_device(contact: Option<&ContactHeader<'_>>) -> bool {
    contact.and_then(ContactHeader::address).and_then(|address| address.uri()).is_some_and(|uri| uri.is_sip())
}
