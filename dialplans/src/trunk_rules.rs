//! What a trunk does with numbers: how they are written on its side, which of them may be called, whose number is
//! shown; and groups of trunks that stand for each other.
//!
//! Calls to other countries are refused unless the plan says otherwise: they are what toll fraud is made of.

use std::fmt;

use tandem_switch::name::{PartyNumber, TrunkName};

use crate::pattern::Pattern;

/// Digits of a number with its country, at least and at most (E.164).
const WORLD_DIGITS: (usize, usize) = (5, 15);
/// Fewer digits than these are an own number of a network (emergency, directory), not one of a country.
const SHORT_DIGITS: usize = 6;

/// How numbers are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NumberFormat {
    /// As they come.
    #[default]
    AsIs,
    /// `+390212345678`
    E164Plus,
    /// `390212345678`
    E164,
    /// `0212345678`, and `0044…` for other countries.
    National,
}

impl NumberFormat {
    pub(crate) const WORDS: &'static [&'static str] = &["as-is", "e164-plus", "e164", "national"];

    pub(crate) fn from_word(word: &str) -> Option<Self> {
        let all = [Self::AsIs, Self::E164Plus, Self::E164, Self::National];
        all.into_iter().zip(Self::WORDS).find(|(_, known)| **known == word).map(|(format, _)| format)
    }
}

/// How numbers are written on both sides of a trunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Numbering {
    /// To the carrier.
    pub outgoing: NumberFormat,
    /// From the carrier.
    pub incoming: NumberFormat,
    /// Calling code of the trunk's country, without `+`.
    pub country_code: Option<String>,
    /// What is dialled before a number of the country; may be empty.
    pub national_prefix: String,
    /// What is dialled before a number of another country.
    pub international_prefix: String,
}

impl Default for Numbering {
    fn default() -> Self {
        Self {
            outgoing: NumberFormat::AsIs,
            incoming: NumberFormat::AsIs,
            country_code: None,
            national_prefix: "0".to_owned(),
            international_prefix: "00".to_owned(),
        }
    }
}

/// Whose number a called party sees.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum CallerIdRule {
    /// Whatever the call brings.
    #[default]
    AsIs,
    /// Always this one.
    Fixed(PartyNumber),
    /// What the call brings when it is one of `our-numbers`, else this one.
    Ours(PartyNumber),
    /// Nobody's. The carrier is told the number, when there is one, and asked to keep it.
    Anonymous(Option<PartyNumber>),
}

/// What a trunk does with numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrunkRules {
    /// How they are written.
    pub numbering: Numbering,
    /// Calls to other countries go out.
    pub international: bool,
    /// What may be called; anything when empty.
    pub allow: Vec<Pattern>,
    /// What may not be called, whatever else is said.
    pub deny: Vec<Pattern>,
    /// Whose number is shown.
    pub caller_id: CallerIdRule,
    /// Numbers that are ours on this trunk.
    pub our_numbers: Vec<Pattern>,
}

/// A call as it goes to the carrier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// What is dialled there.
    pub number: PartyNumber,
    /// Whose number is shown.
    pub shown: Shown,
}

/// Whose number is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// This one.
    Number(PartyNumber),
    /// Nobody's; the carrier alone is told this one.
    Nobody(Option<PartyNumber>),
}

/// Why a trunk does not call a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is in another country.
    International,
    /// It is denied, or a code that is none of the allowed.
    Denied,
    /// It is none of those that are allowed.
    NotAllowed,
    /// The call is of a trunk whose calls do not go out through others.
    Onward,
}

impl Refusal {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::International => "international",
            Self::Denied => "denied",
            Self::NotAllowed => "not-allowed",
            Self::Onward => "onward",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Trunks that stand for each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrunkGroup {
    /// Its name: stands where a trunk's name could.
    pub name: TrunkName,
    /// Its trunks.
    pub members: Vec<Member>,
}

/// One trunk of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Which.
    pub trunk: TrunkName,
    /// All of a lower rank are tried before those of a higher one.
    pub rank: u32,
    /// Share of the calls among those of its rank.
    pub weight: u32,
}

impl TrunkGroup {
    /// The trunks in the order in which a call tries them: by rank, and by lot among equals. `random` gives any number.
    pub fn draw(&self, mut random: impl FnMut() -> u64) -> Vec<TrunkName> {
        let mut left: Vec<&Member> = self.members.iter().collect();
        left.sort_by_key(|member| member.rank);
        let mut order = Vec::with_capacity(left.len());
        while let Some(first) = left.first() {
            let equals = left.iter().take_while(|member| member.rank == first.rank).count();
            let sum: u64 = left[..equals].iter().map(|member| u64::from(member.weight)).sum();
            let mut lot = if sum == 0 { 0 } else { random() % sum };
            let chosen = left[..equals].iter().position(|member| {
                let here = lot < u64::from(member.weight) || sum == 0;
                lot = lot.saturating_sub(member.weight.into());
                here
            });
            order.push(left.remove(chosen.unwrap_or(0)).trunk.clone());
        }
        order
    }
}

impl Numbering {
    /// The digits of a number with its country; `None` for one that cannot be told, or belongs to no country.
    fn world(&self, number: &str) -> Option<String> {
        if let Some(digits) = self.foreign_form(number) {
            return is_world(digits).then(|| digits.to_owned());
        }
        let code = self.country_code.as_deref()?;
        let own = number.strip_prefix(self.national_prefix.as_str());
        match own.filter(|own| own.len() >= SHORT_DIGITS && own.bytes().all(|b| b.is_ascii_digit())) {
            Some(own) => Some(format!("{code}{own}")).filter(|digits| is_world(digits)),
            None => None,
        }
    }

    /// What follows `+` or the international prefix.
    fn foreign_form<'n>(&self, number: &'n str) -> Option<&'n str> {
        let prefix = self.international_prefix.as_str();
        number.strip_prefix('+').or_else(|| number.strip_prefix(prefix).filter(|_| !prefix.is_empty()))
    }

    /// The digits as the carrier will read what we send.
    fn read_by_carrier(&self, number: &str) -> Option<String> {
        let bare = || (number.len() > SHORT_DIGITS && is_world(number)).then(|| number.to_owned());
        let reads_bare = matches!(self.outgoing, NumberFormat::E164 | NumberFormat::E164Plus);
        self.world(number).or_else(|| if reads_bare { bare() } else { None })
    }

    fn is_foreign(&self, number: &str) -> bool {
        match (self.read_by_carrier(number), &self.country_code) {
            (Some(digits), Some(code)) => !digits.starts_with(code.as_str()),
            (Some(_), None) => true,
            // What looks like a number of another country and is none is no less suspect.
            (None, _) => self.foreign_form(number).is_some(),
        }
    }

    /// A number as the carrier wants it.
    #[must_use]
    pub fn written(&self, number: &str) -> PartyNumber {
        let digits = self.read_by_carrier(number);
        let text = match (self.outgoing, digits) {
            (NumberFormat::AsIs, _) | (_, None) => number.to_owned(),
            (NumberFormat::E164Plus, Some(digits)) => format!("+{digits}"),
            (NumberFormat::E164, Some(digits)) => digits,
            (NumberFormat::National, Some(digits)) => {
                let own = self.country_code.as_deref().and_then(|code| digits.strip_prefix(code));
                match own {
                    Some(own) => format!("{}{own}", self.national_prefix),
                    None => format!("{}{digits}", self.international_prefix),
                }
            }
        };
        PartyNumber::from(text.as_str())
    }

    /// A number from the carrier as the plan sees it: with `+` and country where that can be told.
    #[must_use]
    pub fn read(&self, number: &PartyNumber) -> PartyNumber {
        let text = number.as_str();
        let digits = match self.incoming {
            NumberFormat::AsIs => None,
            NumberFormat::E164Plus => text.strip_prefix('+').filter(|digits| is_world(digits)).map(str::to_owned),
            NumberFormat::E164 => {
                let digits = text.strip_prefix('+').unwrap_or(text);
                (digits.len() > SHORT_DIGITS && is_world(digits)).then(|| digits.to_owned())
            }
            NumberFormat::National => self.world(text),
        };
        digits.map_or_else(|| number.clone(), |digits| PartyNumber::from(format!("+{digits}").as_str()))
    }
}

fn is_world(digits: &str) -> bool {
    (WORLD_DIGITS.0..=WORLD_DIGITS.1).contains(&digits.len())
        && digits.bytes().all(|b| b.is_ascii_digit())
        && !digits.starts_with('0')
}

/// A number or a plain name. What else a caller calls themselves is not handed on: another switch may read more into it.
fn is_plain(caller: &str) -> bool {
    (1..=64).contains(&caller.len()) && caller.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-_.*#".contains(&b))
}

impl TrunkRules {
    /// A call as it goes to the carrier. `caller` is the number that the call brings.
    ///
    /// # Errors
    /// The trunk does not call this number.
    pub fn outgoing(&self, number: &PartyNumber, caller: &PartyNumber) -> Result<Outgoing, Refusal> {
        let fits = |patterns: &[Pattern]| self.fits(patterns, number.as_str());
        if fits(&self.deny) {
            return Err(Refusal::Denied);
        }
        let allowed = fits(&self.allow);
        if number.as_str().contains(['*', '#']) && !allowed {
            // Codes speak to the carrier's switch: one of them forwards all our calls to somebody else.
            return Err(Refusal::Denied);
        }
        if !self.international && self.numbering.is_foreign(number.as_str()) {
            return Err(Refusal::International);
        }
        if !self.allow.is_empty() && !allowed {
            return Err(Refusal::NotAllowed);
        }
        Ok(Outgoing { number: self.numbering.written(number.as_str()), shown: self.shown(caller) })
    }

    /// A call to an emergency service as it goes to the carrier: whatever else may be called, and in the digits of the
    /// plan, which belong to no country.
    #[must_use]
    pub fn emergency(&self, number: &PartyNumber, caller: &PartyNumber) -> Outgoing {
        Outgoing { number: number.clone(), shown: self.shown(caller) }
    }

    /// Whether a number is in another country, as far as can be told.
    #[must_use]
    pub fn is_abroad(&self, number: &PartyNumber) -> bool {
        self.numbering.is_foreign(number.as_str())
    }

    fn shown(&self, caller: &PartyNumber) -> Shown {
        let written = |number: &PartyNumber| self.numbering.written(number.as_str());
        match &self.caller_id {
            CallerIdRule::AsIs if !is_plain(caller.as_str()) => Shown::Nobody(None),
            CallerIdRule::AsIs => Shown::Number(written(caller)),
            CallerIdRule::Fixed(number) => Shown::Number(written(number)),
            CallerIdRule::Ours(_) if self.fits(&self.our_numbers, caller.as_str()) => Shown::Number(written(caller)),
            CallerIdRule::Ours(number) => Shown::Number(written(number)),
            CallerIdRule::Anonymous(number) => Shown::Nobody(number.as_ref().map(written)),
        }
    }

    /// Whether a number fits, as it was dialled or with its country.
    fn fits(&self, patterns: &[Pattern], number: &str) -> bool {
        let world = self.numbering.read_by_carrier(number).map(|digits| format!("+{digits}"));
        patterns.iter().any(|pattern| pattern.fits(number) || world.as_deref().is_some_and(|world| pattern.fits(world)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patterns(all: &[&str]) -> Vec<Pattern> {
        all.iter().map(|text| Pattern::parse(text).unwrap()).collect()
    }

    fn swiss(outgoing: NumberFormat) -> TrunkRules {
        let numbering = Numbering { outgoing, country_code: Some("41".to_owned()), ..Numbering::default() };
        TrunkRules { numbering, international: true, ..TrunkRules::default() }
    }

    fn dial(rules: &TrunkRules, number: &str) -> String {
        match rules.outgoing(&number.into(), &"".into()) {
            Ok(outgoing) => outgoing.number.as_str().to_owned(),
            Err(refusal) => refusal.to_string(),
        }
    }

    #[test]
    fn numbers_are_written_as_the_carrier_wants_them() {
        use NumberFormat::{AsIs, E164, E164Plus, National};
        for (dialled, expected) in [
            ("0445550100", ["0445550100", "+41445550100", "41445550100", "0445550100"]),
            ("+41445550100", ["+41445550100", "+41445550100", "41445550100", "0445550100"]),
            ("0041445550100", ["0041445550100", "+41445550100", "41445550100", "0445550100"]),
            ("+442071838750", ["+442071838750", "+442071838750", "442071838750", "00442071838750"]),
            ("112", ["112", "112", "112", "112"]),
        ] {
            let seen = [AsIs, E164Plus, E164, National].map(|format| dial(&swiss(format), dialled));
            assert_eq!(seen, expected, "{dialled}");
        }
        let mut italian = swiss(National);
        italian.numbering.country_code = Some("39".to_owned());
        italian.numbering.national_prefix = String::new();
        assert_eq!(dial(&italian, "+390212345678"), "0212345678", "a country without a prefix");
        italian.numbering.outgoing = E164Plus;
        assert_eq!(dial(&italian, "0212345678"), "+390212345678");
    }

    #[test]
    fn other_countries_are_refused_unless_they_are_wanted() {
        let guarded = TrunkRules { international: false, ..swiss(NumberFormat::E164) };
        for abroad in ["+442071838750", "00442071838750", "442071838750", "+1900", "+", "00", "+0041445550100"] {
            assert_eq!(dial(&guarded, abroad), "international", "{abroad}");
        }
        for home in ["0445550100", "+41445550100", "0041445550100", "112", "1811"] {
            assert_ne!(dial(&guarded, home), "international", "{home}");
        }
        let nowhere = TrunkRules::default();
        assert_eq!(
            (dial(&nowhere, "+41445550100").as_str(), dial(&nowhere, "0445550100").as_str()),
            ("international", "0445550100")
        );
        assert_eq!(dial(&swiss(NumberFormat::AsIs), "+442071838750"), "+442071838750");
    }

    #[test]
    fn what_is_denied_is_not_called_in_any_spelling_and_codes_only_when_they_are_allowed() {
        let rules = TrunkRules { deny: patterns(&["+41900{rest:6}"]), ..swiss(NumberFormat::E164) };
        for expensive in ["0900123456", "+41900123456", "0041900123456", "41900123456"] {
            assert_eq!(dial(&rules, expensive), "denied", "{expensive}");
        }
        assert_eq!(dial(&rules, "*21*0900123456#"), "denied");
        let rules = TrunkRules { allow: patterns(&["*86", "+4144{rest:7}"]), ..rules };
        assert_eq!(["*86", "0445550100", "0315550100"].map(|n| dial(&rules, n)), ["*86", "41445550100", "not-allowed"]);
    }

    #[test]
    fn the_caller_is_who_the_trunk_lets_us_be() {
        let rules = |caller_id| TrunkRules { caller_id, our_numbers: patterns(&["+4144555{n:4}"]), ..swiss(NumberFormat::E164) };
        let shown = |rule, caller: &str| rules(rule).outgoing(&"0315550100".into(), &caller.into()).unwrap().shown;
        let number = |text: &str| Shown::Number(text.into());
        let main: PartyNumber = "+41445550000".into();
        assert_eq!(shown(CallerIdRule::AsIs, "+393471234567"), number("393471234567"));
        assert_eq!(shown(CallerIdRule::AsIs, "alice.b"), number("alice.b"));
        for none in ["", "a b", "+39021;x=y", "a@b", "\u{660}"] {
            assert_eq!(shown(CallerIdRule::AsIs, none), Shown::Nobody(None), "{none}");
        }
        assert_eq!(shown(CallerIdRule::Fixed(main.clone()), "1001"), number("41445550000"));
        assert_eq!(shown(CallerIdRule::Ours(main.clone()), "0445550123"), number("41445550123"));
        assert_eq!(shown(CallerIdRule::Ours(main.clone()), "+393471234567"), number("41445550000"), "never somebody else's");
        assert_eq!(shown(CallerIdRule::Anonymous(Some(main)), "1001"), Shown::Nobody(Some("41445550000".into())));
    }

    #[test]
    fn numbers_of_the_carrier_are_read_into_one_form() {
        let read = |incoming, number: &str| {
            let numbering = Numbering { incoming, country_code: Some("41".to_owned()), ..Numbering::default() };
            numbering.read(&number.into()).as_str().to_owned()
        };
        for (format, number, expected) in [
            (NumberFormat::AsIs, "0445550100", "0445550100"),
            (NumberFormat::E164, "41445550100", "+41445550100"),
            (NumberFormat::E164, "+41445550100", "+41445550100"),
            (NumberFormat::E164, "anonymous", "anonymous"),
            (NumberFormat::E164, "1811", "1811"),
            (NumberFormat::National, "0445550100", "+41445550100"),
            (NumberFormat::National, "00442071838750", "+442071838750"),
            (NumberFormat::E164Plus, "+41445550100", "+41445550100"),
        ] {
            assert_eq!(read(format, number), expected);
        }
    }

    #[test]
    fn groups_are_tried_by_rank_and_shares_hold() {
        let member = |trunk: &str, rank, weight| Member { trunk: trunk.into(), rank, weight };
        let members = vec![member("spare", 1, 1), member("big", 0, 3), member("small", 0, 1)];
        let group = TrunkGroup { name: "out".into(), members };
        let mut first = [0, 0];
        for n in 0..400 {
            let order = group.draw(|| n);
            assert_eq!((order.len(), order[2].as_str()), (3, "spare"));
            first[usize::from(order[0].as_str() == "small")] += 1;
        }
        assert_eq!(first, [300, 100]);
    }
}
