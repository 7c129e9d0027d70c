//! Ladders by subject.

mod agents;
mod callbacks;
mod devices;
mod going_on;
mod loads;
mod mixed;
mod offers;
mod order;
mod overflow;
mod restart;
mod why;
