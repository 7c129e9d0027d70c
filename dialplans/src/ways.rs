//! Through which trunks a number may be called, and as what it is dialled there.

use tandem_switch::name::{PartyNumber, TrunkName};

use crate::{
    plan::Plan,
    trunk_rules::{Refusal, Shown},
};

/// One trunk that a call can go through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// Which.
    pub trunk: TrunkName,
    /// What is dialled there.
    pub number: PartyNumber,
    /// Whose number is shown.
    pub shown: Shown,
    /// It is in another country.
    pub abroad: bool,
}

impl Plan {
    /// Whether a number is that of an emergency service.
    #[must_use]
    pub fn is_emergency(&self, number: &PartyNumber) -> bool {
        self.protect.emergency().any(|emergency| emergency == number.as_str())
    }

    /// The trunks behind a name that may call a number, in the order in which they are tried, and why others may not.
    /// `random` gives any number: equals of a group are drawn by lot.
    pub fn ways(
        &self,
        name: &TrunkName,
        number: &PartyNumber,
        caller_id: &PartyNumber,
        random: impl FnMut() -> u64,
    ) -> (Vec<Way>, Option<Refusal>) {
        let trunks = self.trunk_groups.get(name).map_or_else(|| vec![name.clone()], |group| group.draw(random));
        let is_emergency = self.is_emergency(number);
        let (mut ways, mut refusal) = (Vec::new(), None);
        for trunk in trunks {
            let Some(known) = self.trunks.get(&trunk) else { continue };
            let rules = &known.rules;
            let outgoing = if is_emergency { Ok(rules.emergency(number, caller_id)) } else { rules.outgoing(number, caller_id) };
            match outgoing {
                Ok(outgoing) => {
                    let abroad = rules.is_abroad(number);
                    ways.push(Way { trunk, number: outgoing.number, shown: outgoing.shown, abroad });
                }
                Err(why) => refusal = Some(why),
            }
        }
        (ways, refusal)
    }
}
