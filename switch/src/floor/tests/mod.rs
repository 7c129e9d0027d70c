//! Behaviour of the floor, text in and text out, and its simulation.

mod ladders;
mod messages;
mod mixed;
mod script;
mod simulation;
mod words;
mod world;
