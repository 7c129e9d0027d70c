//! What the rest of the program asks of the line loop, and the answers.

use std::{net::IpAddr, sync::Arc};

use tandem_dialplan::Overrides;
use tandem_switch::{
    call::Input,
    cause::Cause,
    id::{CallId, RecordingId},
    name::{Language, PromptName, RoomName},
};
use tokio::sync::oneshot;

use super::{LAST_RECORDS, Line, Service};
use crate::{
    decisions::Decided,
    http::{
        control::{AnnounceAnswer, Hearers, MemberOrder, PaymentAnswer, StreamAnswer},
        view::{CallView, ConferenceView, ParkedView},
    },
    programs::ProgramNews,
    store::Ban,
    wire::{
        calls::{KeptFork, LiveCall},
        payments::Secret,
        sip::finder::Found,
    },
};

/// Questions and orders from the rest of the program.
pub enum LineAsk {
    /// Take a new plan into service; calls that are up keep theirs.
    Plan(Service),
    /// How the emergency switches of schedules stand from now on, for calls that are up too.
    Switches(Arc<Overrides>),
    /// The peers of a trunk were found by name, or changed.
    Found(Found),
    /// People changed: accounts of devices.
    People(Vec<crate::store::Person>),
    /// All calls that are up.
    Calls(oneshot::Sender<Vec<CallView>>),
    /// Who is parked in which slot.
    Parked(oneshot::Sender<Vec<ParkedView>>),
    /// A message was heard or not, or is gone (`None`).
    Message {
        /// Which.
        message: RecordingId,
        /// What became of it.
        heard: Option<bool>,
    },
    /// End a call. Answers whether there was one.
    Hangup {
        /// Which.
        call: CallId,
        /// Whether it was there.
        done: oneshot::Sender<bool>,
    },
    /// Pause or resume the recording of a call. Answers whether it is recorded; `None` when there is no such call.
    PauseRecording {
        /// Which.
        call: CallId,
        /// Silence from now on.
        paused: bool,
        /// What became of it.
        done: oneshot::Sender<Option<bool>>,
    },
    /// Begin or end the payment of a call.
    Payment {
        /// Which.
        call: CallId,
        /// It begins.
        begins: bool,
        /// What became of it.
        done: oneshot::Sender<PaymentAnswer>,
    },
    /// The keys of a payment, once.
    ReadPayment {
        /// Of which call.
        call: CallId,
        /// They, when there are any to be read.
        done: oneshot::Sender<Option<Secret>>,
    },
    /// All rooms that somebody is in.
    Conferences(oneshot::Sender<Vec<ConferenceView>>),
    /// Do something with a member of a room. Answers whether there is such a member.
    Member {
        /// In which room.
        room: RoomName,
        /// Whose call.
        call: CallId,
        /// What.
        order: MemberOrder,
        /// Whether there was such a member.
        done: oneshot::Sender<bool>,
    },
    /// Play a recording into a conversation or a room.
    Announce {
        /// Which recording.
        prompt: PromptName,
        /// In which language.
        language: Option<Language>,
        /// Who hears it.
        to: Hearers,
        /// What became of it.
        done: oneshot::Sender<AnnounceAnswer>,
    },
    /// A program hears a call from now on, or none does any more.
    Stream {
        /// Which call.
        call: CallId,
        /// Which program, and what.
        wanted: Option<KeptFork>,
        /// What became of it.
        done: oneshot::Sender<StreamAnswer>,
    },
    /// A stream to a program told something.
    Program(Box<ProgramNews>),
    /// A service that a call asked has answered, or will not.
    Decided(Box<Decided>),
    /// Take no new calls; answered when the last one is gone.
    Drain(oneshot::Sender<()>),
    /// The sources that are not heard now.
    Bans(oneshot::Sender<Vec<Ban>>),
    /// Hear a source again. Answers whether it was banned.
    LiftBan {
        /// An address of it.
        address: IpAddr,
        /// Whether it was.
        done: oneshot::Sender<bool>,
    },
    /// End all calls now; answered when their records are with the writer.
    EndAll(oneshot::Sender<()>),
    /// End the loop, when what is under way is written down.
    Stop,
}

impl Line {
    pub(super) fn answer(&mut self, ask: LineAsk) {
        match ask {
            LineAsk::Plan(service) => {
                self.edges.sip.set_service(&service);
                self.edges.media.set_service(&service);
                self.edges.decider.set_targets(&service.decisions);
                self.edges.ledger.set_archive(Arc::clone(&service.archive));
                self.service = service;
                self.show_all_mail();
            }
            LineAsk::Switches(switches) => self.edges.switches = switches,
            LineAsk::Found(found) => self.edges.sip.found(found),
            LineAsk::People(people) => {
                self.edges.sip.set_people(&people);
                self.show_all_mail();
            }
            LineAsk::Calls(answer) => {
                let _asker_is_gone = answer.send(self.calls.values().map(view).collect());
            }
            LineAsk::Parked(answer) => {
                let _asker_is_gone = answer.send(self.parked());
            }
            LineAsk::Message { message, heard } => self.message_changed(message, heard),
            LineAsk::Hangup { call, done } => {
                let _asker_is_gone = done.send(self.calls.contains_key(&call));
                self.todo.push_back((call, Input::Hangup { cause: Cause::Normal }));
            }
            LineAsk::PauseRecording { call, paused, done } => {
                let recorded = self.calls.get(&call).map(|live| live.view().recording.is_some());
                let _asker_is_gone = done.send(recorded);
                self.todo.push_back((call, Input::PauseRecording { paused }));
            }
            LineAsk::Payment { call, begins, done } => {
                let _asker_is_gone = done.send(self.pay(call, begins));
            }
            LineAsk::ReadPayment { call, done } => {
                let _asker_is_gone = done.send(self.edges.payments.read(call));
            }
            LineAsk::Conferences(answer) => {
                let _asker_is_gone = answer.send(self.conferences());
            }
            LineAsk::Member { room, call, order, done } => {
                let _asker_is_gone = done.send(self.order_member(&room, call, order));
            }
            LineAsk::Announce { prompt, language, to, done } => {
                let _asker_is_gone = done.send(self.announce(&prompt, language, &to));
            }
            LineAsk::Stream { call, wanted, done } => {
                let _asker_is_gone = done.send(self.stream(call, wanted));
            }
            LineAsk::Program(news) => self.program_told(*news),
            LineAsk::Decided(decided) => self.decided(*decided),
            LineAsk::Drain(done) => {
                self.taking = false;
                self.edges.sip.drain();
                if self.calls.is_empty() {
                    let _asker_is_gone = done.send(());
                } else {
                    self.draining = Some(done);
                }
            }
            LineAsk::Bans(answer) => {
                let _asker_is_gone = answer.send(self.edges.sip.bans());
            }
            LineAsk::LiftBan { address, done } => {
                let _asker_is_gone = done.send(self.edges.sip.lift_ban(address));
            }
            LineAsk::EndAll(done) => {
                self.taking = false;
                // Who waits keeps the place: the floor is not told, and its journal says "waiting".
                self.edges.floor.close();
                for call in self.calls.keys() {
                    self.todo.push_back((*call, Input::Hangup { cause: Cause::Restart }));
                }
                if self.calls.is_empty() {
                    let _asker_is_gone = done.send(());
                } else {
                    self.ending = Some(done);
                }
            }
            LineAsk::Stop => self.stop_at = Some(self.edges.now.instant + LAST_RECORDS),
        }
    }
}

/// What others see of a call.
fn view(live: &LiveCall) -> CallView {
    CallView { identity: live.identity().map(|identity| identity.as_str().into()), ..CallView::from(&live.view()) }
}
