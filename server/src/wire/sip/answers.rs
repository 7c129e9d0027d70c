//! What the other side of a leg answers, and what it offers anew: read into its audio, and told to the call.

use std::net::IpAddr;

use tandem_signaling::endpoint::{Command, InviteId};
use tandem_switch::cause::Cause;

use super::{SipEdge, SipEvent};
use crate::wire::{LegRef, media::MediaEdge};

impl SipEdge {
    /// Behind NAT the description of a called leg names an address that its audio never comes from; that of its
    /// signalling is the one to expect.
    pub(super) fn signalled(&mut self, invite: InviteId, from: IpAddr) {
        if let Some((_, leg)) = self.leg(invite) {
            leg.signalling = Some(from);
        }
    }

    pub(super) fn progressed(&mut self, invite: InviteId, code: u16, sdp: Option<&[u8]>, media: &mut MediaEdge) {
        let Some((at, leg)) = self.leg(invite) else { return };
        // Early audio that does not fit is not heard; the answer may bring what fits.
        let early_media = sdp.is_some_and(|sdp| leg.read_answer(at, sdp, media).is_ok());
        if early_media || code == 180 {
            self.events.push_back(SipEvent::Rang { at, early_media });
        }
    }

    pub(super) fn answered(&mut self, invite: InviteId, sdp: Option<&[u8]>, media: &mut MediaEdge) {
        let Some((at, leg)) = self.leg(invite) else { return };
        leg.up(at, media);
        let fits = match sdp {
            Some(sdp) => leg.read_answer(at, sdp, media).is_ok(),
            None => leg.is_negotiated(),
        };
        if fits {
            self.toll_answered(at);
            self.events.push_back(SipEvent::Answered(at));
        } else {
            self.end(at, Cause::Incompatible);
            self.events.push_back(SipEvent::Failed { at, cause: Cause::Incompatible, code: 488, said: String::new() });
        }
    }

    /// Their ACK.
    pub(super) fn confirmed(&mut self, invite: InviteId, sdp: Option<&[u8]>, media: &mut MediaEdge) {
        let Some((at, leg)) = self.leg(invite) else { return };
        let read = leg.confirmed(at, sdp, media);
        self.was_read(at, read);
    }

    /// The answer to an offer of ours in the running call.
    pub(super) fn late_answer(&mut self, invite: InviteId, sdp: &[u8], media: &mut MediaEdge) {
        let Some((at, leg)) = self.leg(invite) else { return };
        let read = leg.read_answer(at, sdp, media);
        self.was_read(at, read);
    }

    fn was_read(&mut self, at: LegRef, read: Result<Option<bool>, Cause>) {
        match read {
            Ok(Some(held)) => self.events.push_back(SipEvent::Held { at, held }),
            Ok(None) => {}
            Err(_) => {
                self.end(at, Cause::Incompatible);
                self.events.push_back(SipEvent::Ended { at, cause: Cause::Incompatible });
            }
        }
    }

    pub(super) fn reoffered(&mut self, invite: InviteId, sdp: Option<&[u8]>, media: &mut MediaEdge) {
        let Self { settings, .. } = self;
        let settings = settings.clone();
        let Some((at, leg)) = self.leg(invite) else { return };
        match leg.reoffered(at, sdp, &settings, media) {
            Ok((sdp, held)) => {
                self.command(Command::AnswerReoffer { invite, sdp });
                if let Some(held) = held {
                    self.events.push_back(SipEvent::Held { at, held });
                }
            }
            Err(code) => self.command(Command::RejectReoffer { invite, code }),
        }
    }
}
