//! Calls that outlive the process: kept, the endpoint dropped, restored in a new one. Dialogs of both sides.

use super::{
    calls::{end, sdp},
    desk::Desk,
    far::{ALLOW, Far, THEIRS, desk},
};
use crate::{
    endpoint::{Command, InviteId, KeptLeg, Moment, Restored},
    message::{Message, Name},
};

/// The wall clock of the tests at the beginning.
pub(super) const UNIX_MS: u64 = 1_790_000_000_000;

impl Desk {
    /// The present on both clocks.
    pub(super) fn moment(&self) -> Moment {
        let passed = self.now.saturating_duration_since(self.start);
        Moment { instant: self.now, unix_ms: UNIX_MS + u64::try_from(passed.as_millis()).unwrap() }
    }

    pub(super) fn kept(&mut self, invite: InviteId) -> KeptLeg {
        let moment = self.moment();
        self.endpoint.keep(moment, invite).expect("there is such a leg")
    }

    /// The process is killed; after so long another one begins with what was kept, as it was written down.
    pub(super) fn killed(self, down_ms: u64, kept: &KeptLeg) -> (Self, Restored) {
        let (start, now) = (self.start, self.now + std::time::Duration::from_millis(down_ms));
        let mut next = desk(|_| {});
        (next.start, next.now) = (start, now);
        let written = serde_json::to_string(kept).unwrap();
        let restored = next.restore(&serde_json::from_str(&written).unwrap());
        (next, restored)
    }

    pub(super) fn restore(&mut self, kept: &KeptLeg) -> Restored {
        let moment = self.moment();
        let restored = self.endpoint.restore(moment, kept).expect("what was kept can be restored");
        self.drain();
        restored
    }

    /// Killed and up again at once: the new name of the leg.
    pub(super) fn survived(mut self, invite: InviteId) -> (Self, InviteId) {
        let kept = self.kept(invite);
        let (next, restored) = self.killed(1_000, &kept);
        let Restored::Up { invite, .. } = restored else { panic!("it was up") };
        (next, invite)
    }
}

fn cseq(message: &Message) -> u32 {
    message.cseq().unwrap().number
}

#[test]
fn a_restored_call_hangs_up_with_a_higher_number() {
    for is_caller in [true, false] {
        let mut desk = desk(|_| {});
        let (far, invite) = if is_caller {
            Far::answered(&mut desk, &[ALLOW])
        } else {
            let (far, invite, _) = Far::talking(&mut desk, &[ALLOW]);
            (far, invite)
        };
        let (mut desk, invite) = desk.survived(invite);
        desk.command(end(invite));
        let bye = desk.next();
        assert_eq!((bye.method(), cseq(&bye)), ("BYE", if is_caller { 66 } else { 65 }));
        far.reply(&mut desk, &bye, 200, &[], "");
        desk.pass(40_000);
        let counts = desk.endpoint.counts();
        assert_eq!((counts.invites, counts.dialogs, counts.client_transactions), (0, 0, 0));
    }
}

#[test]
fn what_is_kept_again_is_what_was_kept_but_for_the_jump() {
    let mut desk = desk(|_| {});
    let (_far, invite) = Far::answered(&mut desk, &[ALLOW, (Name::SessionExpires, "600;refresher=uac")]);
    let before = desk.kept(invite);
    let (mut desk, restored) = desk.killed(0, &before);
    let Restored::Up { invite, needs_offer: false } = restored else { panic!("{restored:?}") };
    let mut expected: serde_json::Value = serde_json::to_value(&before).unwrap();
    expected["local_cseq"] = 65.into();
    let after = desk.kept(invite);
    assert_eq!(serde_json::to_value(&after).unwrap(), expected);
    assert!(expected.to_string().len() < 2_048, "{} bytes", expected.to_string().len());
    let _ = (THEIRS, sdp(), Command::Drain);
}
