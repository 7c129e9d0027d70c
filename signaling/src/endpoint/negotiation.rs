//! Offer and answer of one dialog as one machine: who has an offer open, in which message it went,
//! and which message may answer it (RFC 3264; RFC 3261 section 13.2.1, RFC 3262 section 5, RFC 3311
//! section 5; the six patterns of RFC 6337 section 2).
//!
//! It knows no messages, transactions or descriptions: those who send and receive ask it before they
//! do. That an INVITE must also not overlap another INVITE is theirs to see to.

/// Where offer and answer of a dialog stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Negotiation {
    /// An INVITE without an offer came: the offer is to be ours.
    Asked,
    /// Our offer awaits their answer.
    Ours(Carrier),
    /// Their offer awaits our answer.
    Theirs(Carrier),
    /// Nothing is open.
    Agreed,
}

/// What a description travels in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Carrier {
    Invite,
    /// A reliable provisional reply to INVITE. In any other it is only a preview.
    Progress,
    /// A 2xx to INVITE.
    Accept,
    Ack,
    Prack,
    PrackAccept,
    Update,
    UpdateAccept,
}

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A re-INVITE without an offer comes.
    TheyAsk,
    TheyOffer(Carrier),
    TheyAnswer(Carrier),
    WeOffer(Carrier),
    WeAnswer(Carrier),
    /// The open offer was refused, or nobody answered it: what was agreed before stays.
    Failed,
}

/// Why something cannot happen now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Misfit {
    /// An offer of ours is open.
    OursIsOpen,
    /// An offer of theirs is open, or they asked for ours.
    TheirsIsOpen,
    /// An answer to nothing, or an offer where none can be.
    Stray,
}

impl Misfit {
    /// The reply that refuses it (RFC 3261 section 14.2, RFC 3311 section 5.2).
    pub(super) const fn code(self) -> u16 {
        match self {
            Self::OursIsOpen => 491,
            Self::TheirsIsOpen => 500,
            Self::Stray => 400,
        }
    }
}

impl Negotiation {
    /// Where it stands after a step.
    ///
    /// # Errors
    /// Why the step cannot be taken.
    pub(super) const fn after(self, step: Step) -> Result<Self, Misfit> {
        match (self, step) {
            (Self::Agreed, Step::TheyAsk) => Ok(Self::Asked),
            (Self::Agreed, Step::TheyOffer(carrier)) if carrier.may_begin() => Ok(Self::Theirs(carrier)),
            // No offer of ours ever goes in a PRACK.
            (Self::Agreed, Step::WeOffer(carrier @ (Carrier::Invite | Carrier::Update))) => Ok(Self::Ours(carrier)),
            // The first reliable reply has the offer (RFC 3261 section 13.2.1).
            (Self::Asked, Step::WeOffer(carrier @ (Carrier::Progress | Carrier::Accept))) => Ok(Self::Ours(carrier)),
            (Self::Theirs(offer), Step::WeAnswer(answer)) | (Self::Ours(offer), Step::TheyAnswer(answer))
                if answer.answers(offer) =>
            {
                Ok(Self::Agreed)
            }
            (_, Step::Failed) => Ok(Self::Agreed),
            (_, Step::TheyOffer(carrier) | Step::WeOffer(carrier)) if !carrier.may_begin() => Err(Misfit::Stray),
            (Self::Ours(_), Step::TheyAsk | Step::TheyOffer(_) | Step::WeOffer(_)) => Err(Misfit::OursIsOpen),
            (Self::Asked | Self::Theirs(_), Step::TheyAsk | Step::TheyOffer(_) | Step::WeOffer(_)) => Err(Misfit::TheirsIsOpen),
            _ => Err(Misfit::Stray),
        }
    }

    /// Takes a step; nothing changes when it cannot be taken.
    pub(super) fn take(&mut self, step: Step) -> Result<(), Misfit> {
        *self = self.after(step)?;
        Ok(())
    }

    pub(super) const fn is_agreed(self) -> bool {
        matches!(self, Self::Agreed)
    }
}

impl Carrier {
    /// A request that may open an exchange.
    const fn may_begin(self) -> bool {
        matches!(self, Self::Invite | Self::Prack | Self::Update)
    }

    /// Whether an answer in this can be one to an offer in that.
    const fn answers(self, offer: Self) -> bool {
        matches!(
            (offer, self),
            (Self::Invite, Self::Progress | Self::Accept)
                | (Self::Progress, Self::Prack)
                | (Self::Accept, Self::Ack)
                | (Self::Prack, Self::PrackAccept)
                | (Self::Update, Self::UpdateAccept)
        )
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    const CARRIERS: [Carrier; 8] = [
        Carrier::Invite,
        Carrier::Progress,
        Carrier::Accept,
        Carrier::Ack,
        Carrier::Prack,
        Carrier::PrackAccept,
        Carrier::Update,
        Carrier::UpdateAccept,
    ];

    fn states() -> Vec<Negotiation> {
        let mut states = vec![Negotiation::Agreed, Negotiation::Asked];
        states.extend(CARRIERS.map(Negotiation::Ours));
        states.extend(CARRIERS.map(Negotiation::Theirs));
        states
    }

    fn steps() -> Vec<Step> {
        let mut steps = vec![Step::TheyAsk, Step::Failed];
        for of in [Step::TheyOffer, Step::TheyAnswer, Step::WeOffer, Step::WeAnswer] {
            steps.extend(CARRIERS.map(of));
        }
        steps
    }

    /// Every transition there is, but for `Failed`, which always leads to `Agreed`.
    const ALLOWED: &str = "\
Agreed + TheyAsk = Asked
Agreed + TheyOffer(Invite) = Theirs(Invite)
Agreed + TheyOffer(Prack) = Theirs(Prack)
Agreed + TheyOffer(Update) = Theirs(Update)
Agreed + WeOffer(Invite) = Ours(Invite)
Agreed + WeOffer(Update) = Ours(Update)
Asked + WeOffer(Progress) = Ours(Progress)
Asked + WeOffer(Accept) = Ours(Accept)
Ours(Invite) + TheyAnswer(Progress) = Agreed
Ours(Invite) + TheyAnswer(Accept) = Agreed
Ours(Progress) + TheyAnswer(Prack) = Agreed
Ours(Accept) + TheyAnswer(Ack) = Agreed
Ours(Prack) + TheyAnswer(PrackAccept) = Agreed
Ours(Update) + TheyAnswer(UpdateAccept) = Agreed
Theirs(Invite) + WeAnswer(Progress) = Agreed
Theirs(Invite) + WeAnswer(Accept) = Agreed
Theirs(Progress) + WeAnswer(Prack) = Agreed
Theirs(Accept) + WeAnswer(Ack) = Agreed
Theirs(Prack) + WeAnswer(PrackAccept) = Agreed
Theirs(Update) + WeAnswer(UpdateAccept) = Agreed
";

    #[test]
    fn these_transitions_and_no_others() {
        let mut allowed = String::new();
        for state in states() {
            for step in steps().into_iter().filter(|step| *step != Step::Failed) {
                if let Ok(next) = state.after(step) {
                    writeln!(allowed, "{state:?} + {step:?} = {next:?}").unwrap();
                }
            }
            assert_eq!(state.after(Step::Failed), Ok(Negotiation::Agreed));
        }
        assert_eq!(allowed, ALLOWED);
    }

    /// RFC 3261 section 14.2 and RFC 3311 section 5.2: 491 while ours is open, 500 while theirs is; an
    /// answer to nothing, and an offer where none can be, is a mistake.
    #[test]
    fn whatever_is_refused_is_refused_with_the_code_of_its_cause() {
        for state in states() {
            for step in steps() {
                let Err(misfit) = state.after(step) else { continue };
                let begins = match step {
                    Step::TheyAsk => true,
                    Step::TheyOffer(carrier) | Step::WeOffer(carrier) => {
                        matches!(carrier, Carrier::Invite | Carrier::Prack | Carrier::Update)
                    }
                    _ => false,
                };
                let code = match state {
                    Negotiation::Ours(_) if begins => 491,
                    Negotiation::Theirs(_) | Negotiation::Asked if begins => 500,
                    _ => 400,
                };
                assert_eq!(misfit.code(), code, "{state:?} {step:?}");
            }
        }
    }

    #[test]
    fn a_step_that_cannot_be_taken_changes_nothing() {
        for before in states() {
            for step in steps() {
                let mut state = before;
                if state.take(step).is_err() {
                    assert_eq!(state, before);
                }
            }
        }
    }
}
