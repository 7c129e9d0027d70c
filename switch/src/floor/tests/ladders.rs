//! Ladders by subject.

mod agents;
mod offers;
mod order;
mod restart;
mod why;
