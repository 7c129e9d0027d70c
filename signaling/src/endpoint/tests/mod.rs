//! The endpoint in simulated time.

mod calls;
mod carrier_registrations;
mod carriers;
mod desk;
mod devices;
mod failover;
mod lossy;
mod registrations;
mod strangers;
mod torture;
mod world;
