//! People and their phones: what they do when it rings, when somebody answers, and when they have had enough.

use std::collections::BTreeMap;

use bytes::Bytes;
use tandem_signaling::endpoint::{Command, Event, Input, Invite, InviteId, Invited, PartyIdentity, Target};
use tandem_switch::{id::CallId, name::PartyNumber};

use crate::{
    edge::{HOLDS, TALKS},
    station::{SIXTY_FOUR_T1_MS, Station},
    world::{Happening, World},
};

/// Silence is noticed after so long, in ms.
const SILENCE_MS: u64 = 20_000;
/// And a leg whose other side left is gone at the latest then: by a message, by its transaction's end or
/// by silence.
const GONE_MS: u64 = SIXTY_FOUR_T1_MS + 5_000 + SILENCE_MS;

/// A phone, or a building full of them.
pub(crate) struct Phone {
    pub(crate) station: Station,
    /// The extension that registers here; `None` for the carrier and the desk.
    pub(crate) owner: Option<String>,
    pub(crate) is_on: bool,
    /// Counts the times it had no power.
    pub(crate) life: u32,
    pub(crate) wake: Option<u64>,
    lines: BTreeMap<InviteId, Conversation>,
}

/// One call as a phone sees it.
struct Conversation {
    /// Who is at this end.
    user: String,
    /// Who calls, or what was dialled.
    other: String,
    outgoing: bool,
    up: bool,
    /// The call at the switch, once it arrived there.
    call: Option<CallId>,
}

/// What a person does on a line.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Act {
    Ring,
    Early,
    Answer,
    /// Ends it, with the code that says why.
    HangUp(u16),
    Press(char),
    Hold,
    Resume,
    /// The device falls off the network.
    Vanish,
}

impl Phone {
    pub(crate) const fn new(station: Station, owner: Option<String>) -> Self {
        Self { station, owner, is_on: true, life: 0, wake: None, lines: BTreeMap::new() }
    }

    /// The outgoing call of this number reached the switch as `call`.
    pub(crate) fn began(&mut self, call: CallId, number: &str) {
        let waiting = |line: &&mut Conversation| line.outgoing && line.call.is_none() && line.user == number;
        if let Some(line) = self.lines.values_mut().find(waiting) {
            line.call = Some(call);
        }
    }

    /// Each line with its call at the switch, who is at this end, and what they dialled if they did.
    pub(crate) fn talks(&self) -> impl Iterator<Item = (InviteId, Option<CallId>, &str, Option<&str>)> {
        self.lines.iter().map(|(id, line)| (*id, line.call, line.user.as_str(), line.outgoing.then_some(line.other.as_str())))
    }

    pub(crate) fn is_free(&self) -> bool {
        self.is_on && self.lines.is_empty()
    }

    fn is_busy(&self, user: &str) -> bool {
        self.lines.values().any(|line| line.user == user)
    }

    pub(crate) fn left_over(&self) -> Option<String> {
        self.station.left_over().or_else(|| (!self.lines.is_empty()).then(|| format!("{} lines of a phone", self.lines.len())))
    }

    fn lose_power(&mut self, station: Station) {
        (self.is_on, self.life, self.station) = (false, self.life + 1, station);
        self.lines.clear();
    }
}

impl World {
    /// Somebody calls the switch.
    pub(crate) fn call(&mut self, phone: usize, number: &str, dials: &str) {
        let this = &mut self.phones[phone];
        if !this.is_on {
            return;
        }
        self.totals.dialled += 1;
        let invite = this.station.next_invite();
        let (user, other) = (number.to_owned(), dials.to_owned());
        this.lines.insert(invite, Conversation { user, other, outgoing: true, up: false, call: None });
        let target = Target::Trunk { name: "switch".into(), user: dials.to_owned() };
        let (from_user, from_display) = (number.to_owned(), String::new());
        let wish = Invite {
            party: PartyIdentity::default(),
            invite,
            target,
            from_user,
            from_display,
            sdp: Bytes::from_static(TALKS),
            headers: Vec::new(),
            is_emergency: false,
            web_sdp: None,
        };
        self.note(&[number], || format!("dials {dials}"));
        self.run_phone(phone, Input::Command(Command::Invite(Box::new(wish))));
        if !self.polite {
            let patience = self.patience();
            self.plan_act(phone, invite, patience, Act::HangUp(200));
            if number.starts_with('v') {
                let when = self.dice.between(100, 8_000);
                self.plan_act(phone, invite, when, Act::Vanish);
            }
        }
    }

    /// How long a caller stays on the phone, whatever happens, in ms.
    fn patience(&mut self) -> u64 {
        match self.dice.below(100) {
            0..8 => self.dice.between(0, 200),
            8..18 => self.dice.between(200, 1_500),
            18..35 => self.dice.between(1_500, 6_000),
            _ => self.dice.between(6_000, 30_000),
        }
    }

    pub(crate) fn plan_act(&mut self, phone: usize, invite: InviteId, delay_ms: u64, act: Act) {
        let life = self.phones[phone].life;
        self.later(delay_ms, Happening::Act { phone, life, invite, act });
    }

    fn command(&mut self, phone: usize, command: Command) {
        self.run_phone(phone, Input::Command(command));
    }

    /// A phone's endpoint tells something.
    pub(crate) fn heard(&mut self, phone: usize, event: Event) {
        match event {
            Event::Invited(invited) => self.rung(phone, *invited),
            Event::Answered { invite, .. } => self.answered(phone, invite),
            Event::Cancelled { invite } | Event::Rejected { invite, .. } | Event::Ended { invite, .. } => {
                self.phones[phone].lines.remove(&invite);
            }
            Event::Reoffered { invite, .. } => {
                self.command(phone, Command::AnswerReoffer { invite, sdp: Bytes::from_static(TALKS) });
            }
            _ => {}
        }
    }

    /// Somebody is called, and does one thing or another.
    fn rung(&mut self, phone: usize, invited: Invited) {
        let Invited { invite, request_user: user, from_user: other, .. } = invited;
        if phone > 0 && self.phones[phone].is_busy(&user) {
            return self.command(phone, Command::Reject { invite, code: 486, reason: String::new(), retry_after_s: None });
        }
        let call = self.line.callers().rev().find(|(_, number)| number.as_str() == other).map(|(call, _)| call);
        self.phones[phone].lines.insert(invite, Conversation { user, other, outgoing: false, up: false, call });
        let chance = if self.polite { 0 } else { self.dice.below(100) };
        // Nobody lets it ring, or listens to silence, for ever.
        self.plan_act(phone, invite, 40_000, Act::HangUp(480));
        let soon = self.dice.between(10, 300);
        let after = soon + self.dice.between(200, 3_500);
        match chance {
            0..55 => {
                self.plan_act(phone, invite, soon, Act::Ring);
                self.plan_act(phone, invite, after, Act::Answer);
            }
            55..65 => self.plan_act(phone, invite, soon, Act::Answer),
            65..75 => {
                self.plan_act(phone, invite, soon, Act::Early);
                self.plan_act(phone, invite, after, Act::Answer);
            }
            75..88 => self.plan_act(phone, invite, soon, Act::Ring),
            88..94 => self.plan_act(phone, invite, after, Act::HangUp(486)),
            _ => self.plan_act(phone, invite, soon, Act::HangUp(603)),
        }
    }

    /// A call that somebody here made was answered: they press keys, hold, resume.
    fn answered(&mut self, phone: usize, invite: InviteId) {
        let Some(line) = self.phones[phone].lines.get_mut(&invite) else { return };
        line.up = true;
        let keys: &[char] = match line.other.as_str() {
            "1000" => self.dice.pick::<&[char]>(&[&['1'], &['1'], &['2'], &['2'], &['7', '1'], &['7'], &[]]),
            "6000" => {
                self.dice.pick::<&[char]>(&[&['1', '0', '0', '1'], &['1', '0', '0', '2'], &['1', '0'], &['9', '9', '9', '9']])
            }
            _ => &[],
        };
        let mut at = self.dice.between(100, 2_500);
        for key in keys {
            self.plan_act(phone, invite, at, Act::Press(*key));
            at += self.dice.between(150, 900);
        }
        self.may_hold(phone, invite, 10);
    }

    fn may_hold(&mut self, phone: usize, invite: InviteId, chance: u64) {
        if !self.polite && self.dice.percent(chance) {
            let hold = self.dice.between(300, 8_000);
            let resume = hold + self.dice.between(200, 3_000);
            self.plan_act(phone, invite, hold, Act::Hold);
            self.plan_act(phone, invite, resume, Act::Resume);
        }
    }

    /// A person does what was planned, if the line is still there.
    pub(crate) fn act(&mut self, phone: usize, life: u32, invite: InviteId, act: Act) {
        let this = &mut self.phones[phone];
        let Some(line) = this.lines.get_mut(&invite).filter(|_| this.life == life) else { return };
        let sdp = |text: &'static [u8]| Bytes::from_static(text);
        match act {
            Act::Ring => self.command(phone, Command::Progress { invite, code: 180, sdp: None }),
            Act::Early => self.command(phone, Command::Progress { invite, code: 183, sdp: Some(sdp(TALKS)) }),
            Act::Answer => {
                line.up = true;
                self.command(phone, Command::Answer { invite, sdp: sdp(TALKS) });
                let chance = self.dice.below(100);
                let talk = if self.polite || chance < 5 { self.dice.between(10, 800) } else { self.dice.between(800, 9_000) };
                if self.polite || chance < 60 {
                    self.plan_act(phone, invite, talk, Act::HangUp(200));
                }
                self.may_hold(phone, invite, 8);
            }
            Act::HangUp(code) => self.hang_up(phone, invite, code),
            Act::Press(key) => {
                if let Some(call) = line.call {
                    self.later(10, Happening::Digit(call, key));
                }
            }
            Act::Hold if line.up => self.command(phone, Command::Reoffer { invite, sdp: sdp(HOLDS) }),
            Act::Resume if line.up => self.command(phone, Command::Reoffer { invite, sdp: sdp(TALKS) }),
            Act::Hold | Act::Resume => {}
            Act::Vanish => {
                let number = line.user.clone();
                self.net.vanish(&number);
                self.hang_up(phone, invite, 200);
            }
        }
    }

    fn hang_up(&mut self, phone: usize, invite: InviteId, code: u16) {
        let Some(line) = self.phones[phone].lines.remove(&invite) else { return };
        self.note(&[&line.user, &line.other], || format!("{} hangs up ({code})", line.user));
        self.goes_silent(&line);
        let reason = String::new();
        let command = if line.outgoing || line.up {
            Command::End { invite, code: 200, reason }
        } else {
            Command::Reject { invite, code: if code < 300 { 480 } else { code }, reason, retry_after_s: None }
        };
        self.command(phone, command);
    }

    /// No more audio comes from here: the switch notices, should no message reach it.
    fn goes_silent(&mut self, line: &Conversation) {
        let Some(at) = line.call.and_then(|call| self.line.leg_of(call, &line.user)) else { return };
        self.later(SILENCE_MS, Happening::Silence(at));
        if self.shape.noise == 0 {
            self.later(GONE_MS, Happening::MustBeGone(self.life, at));
        }
    }

    /// The phone loses its power, and all it knew.
    pub(crate) fn power_off(&mut self, phone: usize) {
        let address = self.phones[phone].station.address;
        let station = Station::new(address, self.dice.seed());
        let lines = std::mem::take(&mut self.phones[phone].lines);
        for line in lines.values() {
            self.note(&[&line.user, &line.other], || format!("{} has no power", line.user));
            self.goes_silent(line);
        }
        self.phones[phone].lose_power(station);
        let away = self.dice.between(2_000, 30_000);
        self.later(away, Happening::PowerOn(phone));
    }

    pub(crate) fn power_on(&mut self, phone: usize) {
        self.phones[phone].is_on = true;
        self.plug_in(phone);
    }

    /// The next caller comes, with a number of their own.
    pub(crate) fn arrive(&mut self) {
        if self.closing {
            return;
        }
        let pause = self.dice.between(0, 2 * self.shape.gap_ms);
        self.later(pause, Happening::Arrive);
        self.next_number += 1;
        let kind = match self.dice.below(100) {
            0..2 => 'm',
            2..4 => 'v',
            _ => 'c',
        };
        let number = format!("{kind}{}", self.next_number);
        let dials = match self.dice.below(100) {
            0..22 => "1000",
            22..44 => "4000",
            44..66 => "4100",
            66..70 => "3000",
            70..74 => "3100",
            74..79 => "5000",
            79..83 => "1001",
            83..87 => "1002",
            87..91 => "6000",
            91..96 => "1999",
            _ => "7777",
        };
        self.call(0, &number, dials);
    }

    /// The number of a call, as its phone knows it.
    pub(crate) fn whom_of(&self, number: &PartyNumber) -> Vec<String> {
        vec![number.as_str().to_owned()]
    }
}
