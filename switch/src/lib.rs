//! Every decision of the switch, and no I/O: calls and their legs, queues, agents, offers.
//!
//! What is here knows nothing of SIP, sockets, databases or clocks. Each core takes `now` and one
//! input at a time, gives outputs until it is empty, and names the next instant it wants to be woken:
//! `handle(now, Input)`, then `poll() -> Option<Output>` until `None`, and `deadline()`.
//!
//! - [`call::Call`]: the legs of one call, and the dialplan step that the call is at.
//! - [`callback`]: callers who are called back when it is their turn.
//! - [`customers`]: who calls: identities, matching, merges, cases, consent.
//! - [`floor::Floor`]: agents, queues, work items and offers of one pool.
//! - [`ask`]: what a service outside is asked, and what counts as its answer.
//! - [`kpi`]: what a floor achieves, one formula each.
//! - [`link`]: the two closed enums in which line loop and floor loop talk.
//! - [`device`]: what rings for an agent.
//! - [`identity`]: how far a caller's number can be believed.
//! - [`toll`]: how much may be called outside.
//! - [`ladder`]: the queues that a waiting caller may pass on to.
//! - [`rules`]: when this happens, unless that, then do so: across channels.
//! - [`lookup`]: what is kept of a CRM's answers, and when it is left alone.
//! - [`webhooks`]: what subscribers outside are sent, in what order, and how long it is tried.
//! - [`step`]: what a dialplan may ask of a call, and how each step can end.

pub mod ask;
pub mod call;
pub mod callback;
pub mod cause;
pub mod cdr;
pub mod channel;
pub mod customers;
pub mod demand;
pub mod device;
pub mod floor;
pub mod id;
pub mod identity;
pub mod kpi;
pub mod ladder;
pub mod link;
pub mod lookup;
pub mod name;
pub mod rules;
pub mod step;
pub mod time;
pub mod toll;
pub mod webhooks;
