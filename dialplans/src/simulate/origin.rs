//! Where a call would come from, by what people say of it.

use tandem_switch::{
    cdr::Origin,
    name::{PartyNumber, TrunkName},
};

use super::script::ScriptError;
use crate::plan::Plan;

/// The number of a caller who does not want to be known.
const WITHHELD: &str = "anonymous";

impl Plan {
    /// Where a call would come from. `from` is an extension of the plan or a number outside, `TRUNK:NUMBER` when it comes by
    /// one of several trunks; `trunk` says the same. Without both it comes from nobody who is known, by the only trunk, or
    /// from the first extension.
    ///
    /// # Errors
    /// It cannot come from there, or not only from there.
    pub fn origin_of(&self, from: Option<&str>, trunk: Option<&str>) -> Result<(Origin, PartyNumber), ScriptError> {
        let (trunk, from) = match from.and_then(|from| from.split_once(':')) {
            Some((before, number)) if trunk.is_none() => (Some(before), Some(number)),
            _ => (trunk, from),
        };
        let trunks = || self.trunks.keys().map(TrunkName::as_str);
        let number = |origin| (origin, PartyNumber::from(from.unwrap_or(WITHHELD)));
        if let Some(trunk) = trunk {
            let known = self.trunks.get_key_value(trunk).map(|(name, _)| Origin::Trunk(name.clone()));
            return known.map(number).ok_or_else(|| ScriptError::unknown("trunk", trunk, trunks()));
        }
        if let Some(extension) = from.and_then(|from| self.extension(from)) {
            return Ok(number(Origin::Extension(extension)));
        }
        match (self.trunks.keys().collect::<Vec<_>>().as_slice(), from) {
            ([only], _) => Ok(number(Origin::Trunk((*only).clone()))),
            ([], Some(from)) => Err(ScriptError::new(format!(
                "`{}` is no extension of the plan, and the plan has no trunk it could come by",
                from.escape_debug()
            ))),
            ([], None) => match self.extensions.first().map(|range| range.from.to_string()) {
                Some(first) => Ok((Origin::Extension(first.as_str().into()), first.as_str().into())),
                None => Err(ScriptError::new("the plan has neither extensions nor trunks: nobody can call")),
            },
            (several, from) => {
                let names = trunks().collect::<Vec<_>>().join(", ");
                let number = from.unwrap_or(WITHHELD).escape_debug();
                Err(ScriptError::new(format!(
                    "`{number}` is no extension: say by which trunk it comes, as in `{}:{number}` (trunks: {names})",
                    several[0]
                )))
            }
        }
    }
}
