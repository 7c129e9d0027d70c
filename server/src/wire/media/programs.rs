//! Legs that programs hear, and that hear programs.

use std::sync::Arc;

use tandem_media::{
    contract::{Command, Fork, StreamId},
    pipe::Pipe,
};
use tandem_switch::name::AudioStreamName;

use super::MediaEdge;
use crate::{
    programs::{Facts, Launcher, Running, Target, Targets},
    wire::LegRef,
};

/// Programs of the plan in service, and what starts streams to them.
#[derive(Default)]
pub(super) struct Programs {
    pub(super) targets: Targets,
    launcher: Option<Launcher>,
}

impl MediaEdge {
    /// From now on streams can be started.
    pub fn launch_with(&mut self, launcher: Launcher) {
        self.programs.launcher = Some(launcher);
    }

    /// A program of the plan in service.
    #[must_use]
    pub fn program(&self, name: &AudioStreamName) -> Option<Arc<Target>> {
        self.programs.targets.get(name).cloned()
    }

    /// Starts a stream of a call. `None`: there are too many.
    pub fn start_program(&mut self, leg: LegRef, target: &Arc<Target>, facts: Facts) -> Option<Running> {
        self.programs.launcher.as_mut()?.start(leg.call, target, facts)
    }

    /// The audio of a leg as it is now; another one when it was opened anew.
    #[must_use]
    pub fn audio_of(&self, leg: LegRef) -> Option<StreamId> {
        self.stream(leg)
    }

    /// A program hears the leg, until the pipe is closed.
    pub fn fork(&mut self, leg: LegRef, to: Fork) {
        self.with(leg, |stream| Command::Fork { stream, to });
    }

    /// The leg hears what comes through a pipe, until that is closed.
    pub fn speak(&mut self, leg: LegRef, from: Arc<Pipe>, rate_hz: u32) {
        self.with(leg, |stream| Command::Speak { stream, from, rate_hz });
    }
}
