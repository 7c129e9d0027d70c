//! The HTTP API under `/api/v1`.
pub mod control;
pub mod view;
