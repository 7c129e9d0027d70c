//! A live call and the programs outside that hear it, or have its caller: what of the call each hears follows what the core says.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::json;
use tandem_media::{
    contract::{Fork, StreamId},
    pipe::Pipe,
};
use tandem_switch::{
    call::Input,
    cause::Cause,
    name::AudioStreamName,
    step::{Sides, StepOutcome},
};

use super::LiveCall;
use crate::{
    http::control::StreamAnswer,
    programs::{
        Ending, Facts, ProgramNews, Running, Told,
        message::{Mode, Side},
    },
    wire::edges::Edges,
};

/// Streams of one call, which its record tells of.
const MOST_IN_RECORD: usize = 16;

/// The streams of one call.
#[derive(Debug, Default)]
pub(super) struct Programs {
    /// Hears it.
    fork: Option<Attached>,
    /// Has its caller.
    talk: Option<Attached>,
    /// Heard it before a restart.
    before: Option<KeptFork>,
}

impl Programs {
    /// What there was in the process before.
    pub(super) fn of_before(before: Option<KeptFork>) -> Self {
        Self { before, ..Self::default() }
    }
}

/// A stream and what it hears.
#[derive(Debug)]
struct Attached {
    running: Running,
    wanted: KeptFork,
    /// The audio of the caller and of whom they talk to, as it hears them now.
    heard: [Option<(StreamId, Arc<Pipe>)>; 2],
}

/// A fork as another process needs to know it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptFork {
    /// Which program.
    pub program: AudioStreamName,
    /// Whom it hears.
    pub sides: Sides,
    /// Samples a second, unless as the plan says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_hz: Option<u32>,
}

impl LiveCall {
    /// The program that hears the call.
    pub(super) fn kept_fork(&self) -> Option<KeptFork> {
        self.programs.fork.as_ref().map(|fork| fork.wanted.clone())
    }

    /// From now on a program hears the call. One at a time does.
    pub fn fork(&mut self, edges: &mut Edges, wanted: KeptFork) -> StreamAnswer {
        if self.is_over() {
            return StreamAnswer::NoCall;
        }
        if self.programs.fork.is_some() {
            return StreamAnswer::Running;
        }
        match self.start(edges, Mode::Listen, wanted) {
            Ok(attached) => {
                self.programs.fork = Some(attached);
                self.settle_programs(edges, &mut Vec::new());
                StreamAnswer::Done
            }
            Err(answer) => answer,
        }
    }

    /// The program that heard the call before a restart hears it again, by a new connection.
    pub(super) fn fork_again(&mut self, edges: &mut Edges) {
        if let Some(wanted) = self.programs.before.take() {
            let _without = self.fork(edges, wanted);
        }
    }

    /// The program that hears the call hears it no more.
    pub fn end_fork(&mut self, edges: &Edges) -> StreamAnswer {
        match self.programs.fork.take() {
            Some(fork) => {
                self.detach(edges, fork, "removed", Ending::Stopped.as_str());
                StreamAnswer::Done
            }
            None => StreamAnswer::NotRunning,
        }
    }

    fn start(&self, edges: &mut Edges, mode: Mode, wanted: KeptFork) -> Result<Attached, StreamAnswer> {
        let target = edges.media.program(&wanted.program).ok_or(StreamAnswer::NoProgram)?;
        let facts = Facts {
            call: self.facts.call.to_string(),
            program: wanted.program.to_string(),
            mode,
            sides: wanted.sides,
            rate_hz: wanted.rate_hz.unwrap_or(target.rate_hz),
        };
        let running = edges.media.start_program(self.at(self.call.caller()), &target, facts).ok_or(StreamAnswer::TooMany)?;
        self.trace(edges, "stream", || format!("{} {}", mode.as_str(), wanted.program));
        Ok(Attached { running, wanted, heard: [None, None] })
    }

    /// Each program hears whom it is to hear, and has the caller when the core says so. What follows for the core.
    pub(super) fn settle_programs(&mut self, edges: &mut Edges, inputs: &mut Vec<Input>) {
        if self.is_over() {
            return self.end_programs(edges);
        }
        let leg = self.call.caller();
        let has_caller = self.call.program().cloned();
        if has_caller.is_none()
            && let Some(talk) = self.programs.talk.take()
        {
            self.detach(edges, talk, "call-ended", Ending::Stopped.as_str());
        }
        if let (Some(program), None) = (has_caller, &self.programs.talk) {
            let wanted = KeptFork { program, sides: Sides::Caller, rate_hz: None };
            match self.start(edges, Mode::Talk, wanted) {
                Ok(talk) => {
                    if let Some(voice) = &talk.running.voice {
                        edges.media.speak(self.at(leg), Arc::clone(voice), talk.running.rate_hz);
                    }
                    self.programs.talk = Some(talk);
                }
                Err(_) => inputs.push(Input::Streamed { leg, outcome: StepOutcome::Failed }),
            }
        }
        if self.programs.fork.is_none() && self.programs.talk.is_none() {
            return;
        }
        let other = self.call.partner(leg).map(|partner| partner.leg);
        let legs = [Some(leg), other].map(|leg| leg.map(|leg| self.at(leg)));
        let Programs { fork, talk, .. } = &mut self.programs;
        for attached in [fork, talk].into_iter().flatten() {
            for (index, side) in [Side::Caller, Side::Agent].into_iter().enumerate() {
                let leg = legs[index].filter(|_| attached.wanted.sides.has(index == 1));
                attached.hear(edges, side, leg);
            }
        }
    }

    /// A key for the program that has the caller.
    pub(super) fn key_for_program(&self, key: char) {
        if let Some(talk) = &self.programs.talk {
            talk.running.key(key);
        }
    }

    /// A stream told something.
    pub fn program_told(&mut self, edges: &mut Edges, news: ProgramNews) {
        let is = |attached: &Attached| attached.running.number == news.stream;
        let name = [&self.programs.fork, &self.programs.talk].into_iter().flatten().find(|it| is(it));
        let Some(name) = name.map(|attached| attached.wanted.program.clone()) else { return };
        let ending = match news.told {
            Told::Trace(line) => return self.trace(edges, "stream", || format!("{name} {line}")),
            Told::Ended(ending) => ending,
        };
        if let Some(fork) = self.programs.fork.take_if(|fork| is(fork)) {
            return self.detach(edges, fork, "", ending.as_str());
        }
        let Some(talk) = self.programs.talk.take() else { return };
        self.detach(edges, talk, "", ending.as_str());
        let leg = self.call.caller();
        self.handle(
            edges,
            match ending {
                Ending::Hangup => Input::Hangup { cause: Cause::Normal },
                Ending::Done(Some(word)) => Input::Streamed { leg, outcome: StepOutcome::Said(word) },
                Ending::Done(None) | Ending::Stopped => Input::Streamed { leg, outcome: StepOutcome::Done },
                Ending::Failed => Input::Streamed { leg, outcome: StepOutcome::Failed },
                Ending::Stalled => Input::Streamed { leg, outcome: StepOutcome::Stalled },
            },
        );
    }

    /// Every stream of the call ends with it.
    pub(super) fn end_programs(&mut self, edges: &Edges) {
        let Programs { fork, talk, .. } = std::mem::take(&mut self.programs);
        for attached in [fork, talk].into_iter().flatten() {
            self.detach(edges, attached, "call-ended", Ending::Stopped.as_str());
        }
    }

    /// A stream is over, or is to be: for the record.
    fn detach(&mut self, edges: &Edges, attached: Attached, reason: &'static str, ending: &'static str) {
        let Attached { running, wanted, heard } = attached;
        heard.into_iter().flatten().for_each(|(_, pipe)| pipe.close());
        running.voice.iter().for_each(|voice| voice.close());
        let mode = running.mode;
        let counts = running.end(reason);
        self.trace(edges, "stream", || {
            format!("{} {ending}: {} frames sent, {} dropped", wanted.program, counts.frames_sent, counts.frames_dropped)
        });
        if self.audio.streams.len() < MOST_IN_RECORD {
            self.audio.streams.push(json!({
                "stream": wanted.program,
                "mode": mode,
                "ending": ending,
                "connections": counts.connections,
                "frames_sent": counts.frames_sent,
                "frames_dropped": counts.frames_dropped,
                "voice_dropped_ms": counts.voice_dropped_ms,
            }));
        }
    }
}

impl Attached {
    /// Hears a side at this leg from now on, or not at all.
    fn hear(&mut self, edges: &mut Edges, side: Side, leg: Option<crate::wire::LegRef>) {
        let audio = leg.and_then(|leg| edges.media.audio_of(leg));
        let heard = &mut self.heard[side as usize];
        if heard.as_ref().map(|(audio, _)| *audio) == audio {
            return;
        }
        if let Some((_, pipe)) = heard.take() {
            pipe.close();
        }
        if let (Some(leg), Some(audio)) = (leg, audio)
            && let Some(pipe) = self.running.hear(side)
        {
            let (rate_hz, epoch) = (self.running.rate_hz, self.running.epoch);
            edges.media.fork(leg, Fork { into: Arc::clone(&pipe), rate_hz, epoch });
            *heard = Some((audio, pipe));
        }
    }
}
