//! Ladders by subject.

mod agents;
mod going_on;
mod offers;
mod order;
mod overflow;
mod restart;
mod why;
