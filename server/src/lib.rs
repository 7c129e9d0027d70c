//! The program: configuration, the loops and the wiring between the cores, store, HTTP API, command line.

pub mod cli;
pub mod clock;
pub mod http;
pub mod log;
pub mod metrics;
pub mod store;
