//! The endpoint in simulated time.

mod abuse;
mod calls;
mod carrier_registrations;
mod carriers;
mod desk;
mod devices;
mod failover;
mod far;
mod forks;
mod glare;
mod identities;
mod lossy;
mod notifies;
mod outbound;
mod registrations;
mod reliable;
mod session_timers;
mod strangers;
mod subscriptions;
mod texts;
mod torture;
mod transfers;
mod updates;
mod world;
