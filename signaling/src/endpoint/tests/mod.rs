//! The endpoint in simulated time.

mod calls;
mod world;
