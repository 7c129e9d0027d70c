//! What whole-program tests are made of: the switch as a process, phones that others wrote, and ears.
//!
//! Each switch under test has a loopback address of its own (127.x.y.1), so tests run beside each other
//! on the ordinary ports.

pub mod browser;
pub mod echo;
pub mod ground;
pub mod journal;
pub mod kamailio;
pub mod mutants;
pub mod names;
pub mod phone;
pub mod ports;
pub mod postgres;
pub mod program;
pub mod screen;
pub mod sipp;
pub mod switch;
pub mod tone;
pub mod turnserver;
pub mod wait;
pub mod watcher;
pub mod ways;
pub mod web;
pub mod whatsapp;
pub mod words;
