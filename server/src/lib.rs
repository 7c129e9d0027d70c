//! The program `tandem`: configuration, the loops and the wiring between cores, store, HTTP API, command line.

pub mod cli;
pub mod clock;
pub mod customers;
pub mod decisions;
pub mod http;
pub mod log;
pub mod lookup;
pub mod metrics;
pub mod outgoing;
mod passwords;
pub mod plan_diff;
pub mod plan_files;
pub mod plan_folder;
mod privacy;
pub mod programs;
pub mod prompts;
pub mod reach;
pub mod recordings;
pub mod rollups;
pub mod rules;
pub mod serve;
pub mod service_token;
pub mod store;
pub mod webhooks;
pub mod wire;
