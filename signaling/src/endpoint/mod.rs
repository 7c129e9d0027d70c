//! The user-agent core.

mod config;
mod contract;

pub use config::*;
pub use contract::*;
