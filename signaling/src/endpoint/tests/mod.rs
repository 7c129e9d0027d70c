//! The endpoint in simulated time.

mod calls;
mod carriers;
mod desk;
mod devices;
mod lossy;
mod notifies;
mod registrations;
mod strangers;
mod subscriptions;
mod texts;
mod torture;
mod world;
