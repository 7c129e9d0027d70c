//! Everything that `check` can find: one row for each kind of finding.
//!
//! The documents are made from here, and a test holds the rows against what is produced: each has a plan that breaks it,
//! and nothing is found that has no row.

use std::fmt::Write;

use crate::diagnostic::Severity;

/// One kind of finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its stable word.
    pub code: &'static str,
    /// How bad it can be.
    pub severities: &'static [Severity],
    /// What is wrong then, in a sentence.
    pub about: &'static str,
}

const E: &[Severity] = &[Severity::Error];
const W: &[Severity] = &[Severity::Warning];
const A: &[Severity] = &[Severity::Advice];
const EW: &[Severity] = &[Severity::Error, Severity::Warning];
const EA: &[Severity] = &[Severity::Error, Severity::Advice];
const WA: &[Severity] = &[Severity::Warning, Severity::Advice];

const fn rule(code: &'static str, severities: &'static [Severity], about: &'static str) -> Rule {
    Rule { code, severities, about }
}

/// All of them, in the order of their words.
pub const RULES: &[Rule] = &[
    rule("agents-only", E, "A step that only agents may take stands where calls from outside come by."),
    rule(
        "always-open",
        A,
        "A schedule is open at every moment of the next two years, and does not say so plainly: `daily`, `00:00-24:00`.",
    ),
    rule("annotation", E, "A type annotation, which means nothing in a plan."),
    rule("bad-calendar", E, "A calendar file cannot be read whole; a holiday would be forgotten."),
    rule("bad-condition", E, "An `if` or a branch of `switch` that says in no way, or in several, how the value must be."),
    rule("bad-dial", E, "A `dial` that names nobody, or mixes ways to name somebody."),
    rule("bad-from", E, "A `from` that is none of its three forms."),
    rule("bad-group", E, "A trunk group whose members do not go together."),
    rule("bad-mailbox", E, "The name of a mailbox that could not be a name of one."),
    rule("bad-number", E, "A number of a trunk that is not written as it must be."),
    rule("bad-pattern", E, "A route that mixes patterns and regular expressions, or gives neither."),
    rule("bad-pickup", E, "A `pickup` of an extension and of a group at once."),
    rule(
        "bad-prompt",
        EW,
        "A recording that is not of a format that can be played; it says of which it is, and how to convert it.",
    ),
    rule("bad-queue", E, "A `queue` step with settings that exclude each other."),
    rule("bad-range", E, "A range of numbers that is empty, too long, or of numbers of two lengths."),
    rule("bad-room", E, "The name of a conference room that could not be one."),
    rule("bad-say", E, "A `say` of nothing, or of two things at once."),
    rule("bad-set", E, "A `set` that gives neither a variable nor a language, or both."),
    rule("bad-test", E, "A line of a test that cannot be, as it names somebody who does not exist."),
    rule("bad-value", E, "A value that is not of its type."),
    rule(
        "calendar-ends",
        W,
        "A calendar file whose last holiday is over, or soon will be: nothing says that later years have none.",
    ),
    rule("constant", E, "A decision over a value that is always the same."),
    rule("empty", E, "There is nothing in the plan at all."),
    rule("endless-loop", E, "A `goto` that leads back without any wait: a call would go round and round."),
    rule("extra-body", E, "Braces where none belong."),
    rule("extra-value", EW, "A value too many, or one that has no meaning beside another."),
    rule("inline-secret", E, "A password in the text of the plan. It is shown nowhere."),
    rule("late-import", E, "An `import` behind other lines: it must come first, as what it brings does."),
    rule("missing-body", E, "Braces are missing."),
    rule("missing-credentials", E, "A trunk that registers, or must prove itself, without credentials."),
    rule("missing-file", E, "A file that the plan names is not there."),
    rule("missing-from", E, "A route says for which numbers it is, and not for whom."),
    rule("missing-node", E, "A line that belongs inside is missing."),
    rule("missing-peer", E, "A call is to go out by a trunk that has no `peer`."),
    rule("missing-property", E, "A property that must be given is not."),
    rule("missing-secret", E, "A secret is not where the plan says that it is."),
    rule("missing-url", E, "A program that hears calls, or a service that is asked, has no address."),
    rule("missing-value", E, "A value is missing."),
    rule("never-open", W, "A schedule is closed at every moment of the next two years."),
    rule("never-reached", W, "A step, branch or rung that nothing can come to."),
    rule("never-waits", E, "A rule moves somebody ahead who does not wait when it is set off."),
    rule("no-call", E, "A test without a call."),
    rule("no-choice", E, "A menu without any choice."),
    rule("no-default", E, "An `ask` that does not say what becomes of the call without an answer."),
    rule("no-expectation", E, "A test that expects nothing, and so can never fail."),
    rule("no-extensions", E, "A pattern of internal numbers in a plan that has none."),
    rule("no-grammar", E, "Numbers are to be spoken in a language whose grammar is not known."),
    rule("no-listen", W, "`listen` without an address for SIP: no call can come."),
    rule("no-own-numbers", W, "Caller ids are signed, and no number is said to be ours."),
    rule("no-pickup-group", E, "Calls are to be picked up, and nobody may."),
    rule("no-routes", W, "A plan without routes: every call is refused."),
    rule("no-steps", E, "A route without steps: the caller would hear nothing."),
    rule("no-supervisors", E, "Agents are to be supervised, and nobody may."),
    rule("no-taker", E, "Callers are to be handed back, and no trunk takes them."),
    rule("not-answered", W, "Keys or speech are wanted from a caller whose call is not answered yet."),
    rule("one-language", W, "A variable chooses the language in a plan that speaks only one."),
    rule("open-relay", W, "Callers from outside choose a number that is called at our expense."),
    rule("overflow-cycle", E, "Ladders of queues that lead round: callers would never stop passing on."),
    rule("overflow-order", E, "A rung of a ladder that comes no later than the one before it."),
    rule("overlap", EA, "Two routes, or two trunks, take some of the same calls."),
    rule("profile", EW, "Settings of a trunk that its `profile` does not go with."),
    rule("readable-keys", W, "Keys of encrypted audio that travel where others can read them."),
    rule("secret-use", E, "What a caller types in secret is used where others could see or hear it."),
    rule("shared-port", E, "The shared port of audio is one of the others as well."),
    rule("silent-end", EW, "A path through a route ends before the caller hears anything."),
    rule("syntax", E, "The text is not KDL."),
    rule("too-deep", E, "Braces or comments nest too deep, or a ladder of queues is too long."),
    rule("too-large", E, "A file, a node or the whole plan is larger than is read, or has too many paths to be checked."),
    rule("too-many", E, "There are more findings than are shown, or more of something than is kept."),
    rule("turn-alone", E, "`turn` without what it is for."),
    rule("twice", E, "Something is declared or given twice."),
    rule("unencrypted", E, "Something that must be encrypted would not be."),
    rule("unknown-extension", EW, "A number that is none of the plan's extensions."),
    rule("unknown-language", E, "A language without any recording."),
    rule("unknown-mailbox", E, "A mailbox that is not declared."),
    rule("unknown-name", E, "A name that nothing declares; one that is close is suggested."),
    rule("unknown-node", E, "A line that means nothing where it stands."),
    rule("unknown-prompt", E, "A recording that is not there in each language that callers can hear."),
    rule("unknown-property", E, "A property that its line does not have."),
    rule("unknown-slot", E, "A slot that no parking lot has."),
    rule("unknown-variable", E, "A variable that is not known on every path that leads to its use."),
    rule("unreachable-route", W, "A route all of whose calls an earlier one takes."),
    rule("untold-address", E, "An address that nobody outside could be told."),
    rule(
        "unused",
        WA,
        "Something is declared, recorded, imported or asked for, and used nowhere: a queue, a skill, a schedule, a trunk, a mailbox, a \
         variable, a recording, a calendar, a file.",
    ),
];

/// The rule of a word.
pub(crate) fn find(code: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.code == code)
}

/// The section of the documents.
#[must_use]
pub fn rule_reference() -> String {
    let mut out = String::new();
    for Rule { code, severities, about } in RULES {
        let words: Vec<_> = severities.iter().map(|severity| severity.word()).collect();
        let _ = writeln!(out, "- **`{code}`** ({}) — {about}", words.join(" or "));
    }
    out
}
