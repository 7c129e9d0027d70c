//! The endpoint in simulated time.

mod calls;
mod carriers;
mod desk;
mod devices;
mod lossy;
mod outbound;
mod registrations;
mod strangers;
mod torture;
mod world;
