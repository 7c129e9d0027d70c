//! Legs that nobody hears, while their party enters card numbers.

use tandem_media::contract::{Command, CommandError};
use tandem_switch::id::CallId;

use super::MediaEdge;
use crate::wire::LegRef;

impl MediaEdge {
    /// Nobody hears the leg from now on, the only one of its call. `false`: the engine did not take it.
    #[must_use]
    pub fn mask(&mut self, leg: LegRef) -> bool {
        let Some(stream) = self.stream(leg) else { return false };
        self.unmask(leg.call);
        let taken = self.engine.command(Command::Mask { stream, masked: true }).is_ok();
        if taken {
            self.masked.insert(leg.call, stream);
        }
        taken
    }

    /// The leg of the call that nobody heard is heard again, wherever it is now.
    pub fn unmask(&mut self, call: CallId) {
        let Some(stream) = self.masked.remove(&call) else { return };
        if self.engine.command(Command::Mask { stream, masked: false }) == Err(CommandError::Busy) {
            // The next input of the call tries again.
            self.masked.insert(call, stream);
        }
    }
}
