//! Programs that hear calls, as the rest of the program asks for them, and what they tell.

use tandem_switch::id::CallId;

use super::Line;
use crate::{http::control::StreamAnswer, programs::ProgramNews, wire::calls::KeptFork};

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

    /// A stream told something.
    pub(super) fn program_told(&mut self, news: ProgramNews) {
        self.work(news.call, |live, edges| live.program_told(edges, news));
    }
}
