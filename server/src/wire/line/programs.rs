//! Programs that hear calls, as the rest of the program asks for them, and what they and the services that calls ask tell.

use tandem_switch::{call::Input, id::CallId};

use super::Line;
use crate::{decisions::Decided, http::control::StreamAnswer, programs::ProgramNews, wire::calls::KeptFork};

impl Line {
    /// A program hears a call from now on, or none does any more.
    pub(super) fn stream(&mut self, call: CallId, wanted: Option<KeptFork>) -> StreamAnswer {
        let mut answer = StreamAnswer::NoCall;
        if self.calls.get(&call).is_some_and(|live| !live.is_over()) {
            self.work(call, |live, edges| {
                answer = match wanted {
                    Some(wanted) => live.fork(edges, wanted),
                    None => live.end_fork(edges),
                };
            });
        }
        answer
    }

    /// A service that a call asked has answered, or will not.
    pub(super) fn decided(&mut self, decided: Decided) {
        let Decided { call, question, answer, told } = decided;
        self.work(call, |live, edges| {
            live.trace(edges, "ask", || told);
            live.handle(edges, Input::Answered { question, answer });
        });
    }

    /// A stream told something.
    pub(super) fn program_told(&mut self, news: ProgramNews) {
        self.work(news.call, |live, edges| live.program_told(edges, news));
    }
}
