//! The endpoint in simulated time.

mod calls;
mod carriers;
mod desk;
mod devices;
mod identities;
mod lossy;
mod registrations;
mod strangers;
mod torture;
mod transfers;
mod world;
