//! Behaviour of the floor, text in and text out, and its simulation.

mod beginnings;
mod ladders;
mod messages;
mod mixed;
mod same;
mod script;
mod simulation;
mod words;
mod world;
