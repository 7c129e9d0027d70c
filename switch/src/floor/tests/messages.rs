//! Messages and events read back as they were written.

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    cause::Cause,
    channel::Channel,
    demand::Load,
    floor::{
        AgentState, Considered, Conversation, Decision, FloorEvent, GoingOn, HeldConversation, OfferOutcome, Preferred, Restored,
        RestoredAgent, RestoredOffer, ReturnReason, Side, Standing, WaitingItem, Work,
    },
    id::{CallId, ItemId, OfferId},
    link::{Enqueue, FloorSays, LeaveReason, Place, RefuseReason, ToFloor, ToLine},
    name::SkillLevel,
    step::{AgentRequest, Target},
    time::Timestamp,
};

const AT: Timestamp = Timestamp::from_ms(1_790_000_000_123);
const ITEM: ItemId = ItemId(7_000_000_000_000_000_001);
const CALL: CallId = CallId(42);
const OFFER: OfferId = OfferId(u64::MAX);

fn check<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(all: &[T]) {
    for one in all {
        let text = serde_json::to_string(one).unwrap();
        assert_eq!(&serde_json::from_str::<T>(&text).unwrap(), one, "{text}");
    }
}

fn skills() -> Vec<SkillLevel> {
    vec![SkillLevel { skill: "billing".into(), level: 3 }]
}

fn waiting() -> WaitingItem {
    WaitingItem {
        item: ITEM,
        call: CALL,
        queue: "support".into(),
        caller: "+391234".into(),
        skills: skills(),
        priority_minutes: 5,
        virtual_arrival_at: AT,
        callback: None,
        work: Work::default(),
    }
}

/// A chat that is kept for somebody.
fn written() -> Work {
    let preferred = Some(Preferred { agent: "1001".into(), until_at: AT });
    Work { channel: Channel::Chat, load: Load::Heavy, preferred, deadline_at: Some(AT) }
}

fn held() -> HeldConversation {
    let item = WaitingItem { work: written(), ..waiting() };
    let conversation = Conversation { item, agent: "1001".into(), since_at: AT };
    HeldConversation { conversation, standing: Standing::Parked, turn: Side::Customer }
}

fn states() -> Vec<AgentState> {
    vec![
        AgentState::Offline,
        AgentState::Ready,
        AgentState::Reserved { offer: OFFER },
        AgentState::Engaged { item: None },
        AgentState::Engaged { item: Some(ITEM) },
        AgentState::WrapUp { until_at: AT },
        AgentState::NotReady { reason: "lunch".into() },
    ]
}

#[test]
fn every_event_reads_back() {
    let decision = Decision {
        waited_ms: 12_345,
        skills: skills(),
        considered: vec![Considered { agent: "1001".into(), why: "chosen: idle 3 s".into() }],
    };
    let ended = |outcome| FloorEvent::OfferEnded { offer: OFFER, item: ITEM, agent: "1001".into(), outcome, at: AT };
    let mut events: Vec<_> =
        states().into_iter().map(|state| FloorEvent::AgentChanged { agent: "1001".into(), state, at: AT }).collect();
    events.extend([
        FloorEvent::AgentAsked { agent: "1001".into(), request: AgentRequest::SignOut, at: AT },
        FloorEvent::AgentAsked { agent: "1001".into(), request: AgentRequest::MoreWrapUp, at: AT },
        FloorEvent::AgentAsked { agent: "1001".into(), request: AgentRequest::NotReady { reason: "x".into() }, at: AT },
        FloorEvent::Queued { item: waiting(), rejoined: Some(ITEM), at: AT },
        FloorEvent::Queued { item: waiting(), rejoined: None, at: AT },
        FloorEvent::Refused { call: CALL, queue: "support".into(), reason: RefuseReason::Full, at: AT },
        FloorEvent::Offered { offer: OFFER, item: ITEM, agent: "1001".into(), decision, at: AT },
        ended(OfferOutcome::Accepted),
        ended(OfferOutcome::Declined(Cause::Busy)),
        ended(OfferOutcome::Expired),
        ended(OfferOutcome::Withdrawn),
        FloorEvent::Prioritised { item: waiting(), from_minutes: 3, reason: "a complaint".into(), at: AT },
        FloorEvent::ConversationChanged {
            item: ITEM,
            agent: "1001".into(),
            standing: Standing::Interrupted,
            turn: Side::Agent,
            at: AT,
        },
        FloorEvent::Returned { item: held().conversation.item, agent: "1001".into(), reason: ReturnReason::Lease, at: AT },
        FloorEvent::Left { item: ITEM, reason: LeaveReason::NoAgents, at: AT },
        FloorEvent::Finished { item: ITEM, agent: "1001".into(), cause: Cause::Normal, at: AT },
    ]);
    check(&events);
}

#[test]
fn every_message_to_the_floor_reads_back() {
    let enqueue = Enqueue {
        item: ITEM,
        call: CALL,
        queue: "support".into(),
        caller: "+391234".into(),
        skills: skills(),
        priority_minutes: 1,
        wait_without_agents: false,
        arrived_at: AT,
        work: written(),
    };
    check(&[
        ToFloor::Enqueue(enqueue),
        ToFloor::Leave { item: ITEM, reason: LeaveReason::TimedOut },
        ToFloor::Ringing { offer: OFFER },
        ToFloor::Accept { offer: OFFER },
        ToFloor::Decline { offer: OFFER, cause: Cause::NotRegistered },
        ToFloor::Finished { item: ITEM, cause: Cause::MediaTimeout },
        ToFloor::Wrote { item: ITEM, by: Side::Customer },
        ToFloor::DeviceBusy { agent: "1001".into(), legs: 2 },
        ToFloor::DeviceReachable { agent: "1001".into(), reachable: true },
        ToFloor::Agent { call: CALL, agent: "1001".into(), request: AgentRequest::SignIn },
    ]);
}

#[test]
fn every_message_to_the_line_reads_back() {
    let place = Place { position: 3, estimated_wait_ms: Some(60_000) };
    let says = [
        FloorSays::Queued { item: ITEM, place },
        FloorSays::Place { item: ITEM, place: Place { position: 1, estimated_wait_ms: None } },
        FloorSays::Refused { item: ITEM, reason: RefuseReason::NoSuchQueue },
        FloorSays::Offer {
            offer: OFFER,
            item: ITEM,
            agent: "1001".into(),
            devices: Target::Fixed("sip:7@127.0.0.3".into()).into(),
            ring_ms: 20_000,
        },
        FloorSays::Withdraw { offer: OFFER },
        FloorSays::Connect { offer: OFFER },
        FloorSays::AgentReply { done: true },
    ];
    check(&says.map(|say| ToLine { call: CALL, say }));
}

#[test]
fn what_a_restart_is_given_reads_back() {
    let agent = |state| RestoredAgent {
        agent: "1001".into(),
        state,
        since_at: AT,
        idle_since_at: Some(AT),
        pending: Some(AgentRequest::SignOut),
    };
    check(&[Restored {
        waiting: vec![waiting()],
        agents: states().into_iter().map(agent).collect(),
        offers: vec![RestoredOffer { offer: OFFER, item: ITEM, agent: "1001".into() }],
        going_on: GoingOn {
            waiting: [ITEM].into(),
            talking: vec![Conversation { item: waiting(), agent: "1001".into(), since_at: AT }],
            legs: [("1002".into(), 1)].into(),
            cut_off: [ITEM].into(),
            promised: vec![("+411".into(), 2)],
        },
        held: vec![held()],
    }]);
}
