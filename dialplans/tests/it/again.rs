//! Plans that are checked again and again as an admin edits them: whatever was edited, what comes out is what a new check
//! says.

use std::{cell::Cell, fmt::Write as _, sync::Arc};

use proptest::{prelude::*, sample::Index, test_runner::TestRunner};
use tandem_dialplan::{Checker, Plan, Source, World};

use crate::{
    many::{at_least, route, same_in},
    noon, world,
};

/// Lines of a route that show the rest of the plan nothing, and lines that do.
const LINES: &[&str] = &[
    "hangup",
    "hangup \"busy\"",
    "ring",
    "answer",
    "play \"welcome\"",
    "play \"goodbye\" interrupt=#true",
    "play \"no-such\"",
    "goto \"r0\"",
    "goto \"r1\"",
    "queue \"one\"",
    "queue \"two\" { full { hangup \"busy\"; }; }",
    "queue \"two\" priority=3 max-wait=\"9s\"",
    "dial extension=\"11\" ring=\"20s\"",
    "dial extension=\"99\"",
    "dial trunk=\"a\" number=\"0{pin}\"",
    "dial trunk=\"a\" number=\"{dialled}\" { busy { goto \"r2\"; }; }",
    "collect \"welcome\" as=\"pin\" max=4",
    "collect \"welcome\" as=\"pin\" max=4 secret=#true",
    "set \"pin\" to=\"1\"",
    "set language=\"it\"",
    "if \"{pin}\" is=\"1\" { hangup; }",
    "if \"{pin}\" known=#true { play \"welcome\"; }",
    "menu \"welcome\" tries=2 { press \"1\" { hangup; }; otherwise { goto \"r1\"; }; }",
    "when-open \"office\" { play \"welcome\"; }",
    "voicemail \"sales\"",
    "say time",
    "conference \"room\"",
    "// a comment",
    "",
    "queue \"two\" { no-agents { goto \"r2\"; }; }",
    "menu \"welcome\" { press \"1\" { queue \"two\"; }; otherwise { queue \"one\"; }; }",
    "menu \"welcome\" { otherwise { queue \"two\"; }; press \"1\" { queue \"one\"; }; }",
    "dial extension=\"{pin}\"",
    "dial extension=\"{n}\"",
    "dial extension=\"11\" record=#true music=\"music/hold\"",
    "agent \"ready\" reason=\"lunch\"",
    "switch \"{caller}\" { fits \"1X\" { hangup; }; fits \"11\" { ring; }; otherwise { goto \"r0\"; }; }",
    "voicemail \"{dialled}\"",
    "set language=\"{pin}\"",
    "pickup \"11\"",
    "park \"lot\"",
    "menu \"welcome\" { press \"1\" { collect \"welcome\" as=\"pin\" max=4 secret=#true; }; }",
    "unless-open \"office\" { goto \"r0\"; }",
    "echo",
];

/// What is mostly good: a plan with an error is no plan before another one.
const GOOD: &[&[usize]] = &[
    &[3, 4],
    &[12],
    &[9],
    &[11],
    &[10],
    &[3, 4, 0],
    &[3, 22],
    &[6],
    &[1],
    &[15],
    &[3, 4, 27],
    &[29],
    &[3, 30],
    &[3, 31],
    &[3, 16, 12],
    &[3, 16, 32],
    &[34],
    &[7],
    &[3, 4, 7],
    &[12, 28, 24],
    &[3, 4, 23, 12],
    &[42, 12],
    &[19, 12],
    &[3, 43],
];

/// What is declared, each in some ways; nothing in the first.
const DECLARED: &[&[&str]] = &[
    &["extensions from=10 to=21\n", "extensions from=10 to=21\nextensions from=60 to=61\n", "extensions from=10 to=11\n"],
    &[
        "queue \"two\"\n",
        "queue \"two\" { full { play \"welcome\"; }; error { queue \"one\"; }; }\n",
        "queue \"two\" { timed-out { dial trunk=\"a\" number=\"{dialled}\"; }; no-agents { goto \"r1\"; }; }\n",
        "queue \"two\" { max-wait \"9s\"; overflow after=\"5s\" to=\"one\"; }\n",
        "",
    ],
    &["mailbox \"sales\"\n", "mailbox \"sales\"\nmailbox \"other\"\n", ""],
    &[
        "schedule \"office\" { open \"mon-fri\" \"08:30-18:00\"; }\n",
        "schedule \"office\" { open \"mon-fri\" \"08:30-18:00\"; closed \"2026-11-24\"; }\n",
        "schedule \"office\" { open \"mon-fri\" \"08:30-18:00\"; holidays \"days.ics\"; }\n",
    ],
    &[
        "",
        "defaults { busy { play \"goodbye\"; hangup; }; }\n",
        "defaults { error { goto \"r2\"; }; }\n",
        "defaults { no-answer { queue \"two\"; }; }\n",
    ],
    &["", "language \"it\"\n", "languages \"it\"\n", "languages \"de\"\n"],
    &["trunk \"b\" { match \"192.0.2.2\"; }\n", "trunk \"b\" { match \"192.0.2.2\"; peer \"udp\" \"192.0.2.2\"; }\n"],
    &["", "starter-agents from=10 to=11 { queues \"two\"; }\n", "starter-agents from=10 to=11 { queues \"one\" \"two\"; }\n"],
    &["", "skill \"s\"\n"],
    &["", "pickup-group \"all\" { extension \"10\" \"11\"; }\n", "parking \"lot\" from=700 to=701 timeout=\"30s\"\n"],
    &["", "import \"c.kdl\"\n"],
];

/// What stands before a route.
const BEFORE: &[&str] = &["", "// why\n", "/* a\n b */ ", "\n\n", "/-route \"r0\" { hangup; }\n"];

const TESTS: &[&str] = &[
    "",
    "test \"t\" at=\"2026-11-24T12:00:00\" { call from=\"10\" to=\"51\"; expect route=\"r1\"; }\n",
    "test \"t\" at=\"2026-11-24T12:00:00\" { call from=\"10\" to=\"1\"; expect route=\"r0\" prompt=\"welcome\"; }\n",
];

#[derive(Clone, Debug)]
struct RouteText {
    name: u8,
    guards: String,
    lines: Vec<usize>,
    file: usize,
    before: usize,
}

/// A plan of three files.
#[derive(Clone, Debug)]
struct Text {
    routes: Vec<RouteText>,
    declared: [usize; DECLARED.len()],
    test: usize,
    /// Declarations stand behind the routes, so that they move.
    is_head_last: bool,
    surroundings: u8,
}

#[derive(Clone, Debug)]
enum Edit {
    Lines(Index, Vec<usize>),
    Line(Index, Index, usize),
    Guards(Index, String),
    Rename(Index, u8),
    Before(Index, usize),
    File(Index, usize),
    Add(Index, RouteText),
    Remove(Index),
    Swap(Index, Index),
    Declare(Index, Index),
    Test(usize),
    Head,
    Surroundings(u8),
    /// As it was one check before.
    Undo,
}

impl Text {
    fn sources(&self) -> Vec<Source> {
        let mut head = String::new();
        let (imports, others) = (DECLARED.len() - 1, DECLARED.len() - 1);
        head += DECLARED[imports][self.declared[imports]];
        let mut rest = "trunk \"a\" { match \"192.0.2.1\"; peer \"udp\" \"192.0.2.1:5060\"; }\nqueue \"one\"\n".to_owned();
        (0..others).for_each(|at| rest += DECLARED[at][self.declared[at]]);
        if !self.is_head_last {
            head += &std::mem::take(&mut rest);
        }
        let mut files = [head, String::new(), String::new()];
        for RouteText { name, guards, lines, file, before } in &self.routes {
            let file = &mut files[*file];
            write!(file, "{}route \"r{name}\" {{\n{guards}", BEFORE[*before]).unwrap();
            lines.iter().for_each(|line| writeln!(file, "    {}", LINES[*line]).unwrap());
            file.push_str("}\n");
        }
        files[0] += &rest;
        files[1] += TESTS[self.test];
        let days = "BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART;VALUE=DATE:20261225\nSUMMARY:x\nEND:VEVENT\nEND:VCALENDAR\n";
        let [a, b, c] = files;
        vec![Source::new("c.kdl", c), Source::new("a.kdl", a), Source::new("b.kdl", b), Source::new("days.ics", days)]
    }

    fn world(&self) -> World {
        let mut world = world();
        match self.surroundings {
            1 => world.now = Some(noon()),
            2 => world.now = Some(noon().plus_ms(86_400_000)),
            3 => drop(world.prompts.remove("it")),
            4 => drop(world.own_prompts.insert("en/goodbye".to_owned())),
            _ => {}
        }
        world
    }

    fn edit(&mut self, edit: &Edit, before: &Self) {
        let count = self.routes.len();
        let nth = |index: &Index| index.index(count);
        match edit {
            Edit::Lines(at, lines) => self.routes[nth(at)].lines.clone_from(lines),
            Edit::Line(at, line, instead) => {
                let lines = &mut self.routes[nth(at)].lines;
                let at = line.index(lines.len() + 1);
                if at == lines.len() { lines.push(*instead) } else { lines[at] = *instead }
            }
            Edit::Guards(at, guards) => self.routes[nth(at)].guards.clone_from(guards),
            Edit::Rename(at, name) => self.routes[nth(at)].name = *name,
            Edit::Before(at, before) => self.routes[nth(at)].before = *before,
            Edit::File(at, file) => self.routes[nth(at)].file = *file,
            Edit::Add(at, route) => self.routes.insert(nth(at), route.clone()),
            Edit::Remove(at) if count > 2 => drop(self.routes.remove(nth(at))),
            Edit::Remove(_) => {}
            Edit::Swap(one, other) => self.routes.swap(nth(one), nth(other)),
            Edit::Declare(what, how) => {
                let what = what.index(DECLARED.len());
                self.declared[what] = how.index(DECLARED[what].len());
            }
            Edit::Test(test) => self.test = *test,
            Edit::Head => self.is_head_last = !self.is_head_last,
            Edit::Surroundings(which) => self.surroundings = *which,
            Edit::Undo => self.clone_from(before),
        }
    }
}

fn lines() -> impl Strategy<Value = Vec<usize>> {
    prop_oneof![
        5 => prop::sample::select(GOOD).prop_map(<[usize]>::to_vec),
        1 => prop::collection::vec(0..LINES.len(), 1..4),
    ]
}

/// Mostly guards of one route alone: what is said of two forbids most short ways.
fn guards() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => (0..20_u8).prop_map(|n| format!("    from any\n    to \"{}1\"\n", n + 50)),
        1 => Just("    from extension\n    to \"4{n:2}\"\n".to_owned()),
        2 => route(),
    ]
}

fn route_text() -> impl Strategy<Value = RouteText> {
    (0..12_u8, guards(), lines(), 0..3_usize, 0..BEFORE.len() * 3).prop_map(|(name, guards, lines, file, before)| {
        let before = if before < BEFORE.len() { before } else { 0 };
        RouteText { name, guards, lines, file, before }
    })
}

fn text() -> impl Strategy<Value = Text> {
    let declared = prop::collection::vec((any::<Index>(), any::<Index>()), 0..4);
    let rest = (declared, 0..TESTS.len(), any::<bool>());
    (prop::collection::vec(route_text(), 3..8), rest).prop_map(|(mut routes, (declared, test, is_head_last))| {
        // Each name once, and numbers that are mostly nobody else's.
        (0..).zip(&mut routes).for_each(|(name, route)| route.name = name);
        let mut text = Text { routes, declared: [0; DECLARED.len()], test, is_head_last, surroundings: 0 };
        for (what, how) in &declared {
            text.edit(&Edit::Declare(*what, *how), &text.clone());
        }
        text
    })
}

fn edit() -> impl Strategy<Value = Edit> {
    let index = any::<Index>;
    prop_oneof![
        8 => (index(), lines()).prop_map(|(at, lines)| Edit::Lines(at, lines)),
        8 => (index(), index(), 0..LINES.len()).prop_map(|(at, line, instead)| Edit::Line(at, line, instead)),
        5 => (index(), guards()).prop_map(|(at, guards)| Edit::Guards(at, guards)),
        1 => (index(), 0..12_u8).prop_map(|(at, name)| Edit::Rename(at, name)),
        2 => (index(), 0..BEFORE.len()).prop_map(|(at, before)| Edit::Before(at, before)),
        1 => (index(), 0..3_usize).prop_map(|(at, file)| Edit::File(at, file)),
        2 => (index(), route_text()).prop_map(|(at, route)| Edit::Add(at, route)),
        2 => index().prop_map(Edit::Remove),
        1 => (index(), index()).prop_map(|(one, other)| Edit::Swap(one, other)),
        3 => (index(), index()).prop_map(|(what, how)| Edit::Declare(what, how)),
        1 => (0..TESTS.len()).prop_map(Edit::Test),
        1 => Just(Edit::Head),
        1 => (0..5_u8).prop_map(Edit::Surroundings),
        4 => Just(Edit::Undo),
    ]
}

/// Whether one plan has something of the other: then it was not built whole.
fn shares(old: &Plan, new: &Plan) -> bool {
    old.routes.iter().any(|old| new.routes.iter().any(|new| Arc::ptr_eq(old, new)))
}

#[test]
fn a_plan_that_is_edited_is_checked_as_if_it_were_new() {
    let (checks, short) = (Cell::new(0_u32), Cell::new(0_u32));
    let edits = prop::collection::vec((prop::collection::vec(edit(), 1..3), any::<bool>()), 1..8);
    let mut runner = TestRunner::new(at_least(200));
    let outcome = runner.run(&(text(), edits), |(mut text, edits)| {
        let mut checker = Checker::default();
        let mut plan = same_in(&mut checker, &text.sources(), &text.world())?;
        let mut before = text.clone();
        for (edits, asks_first) in edits {
            let was = text.clone();
            edits.iter().for_each(|edit| text.edit(edit, &before));
            before = was;
            let sources = text.sources();
            if asks_first {
                let _needs = checker.needs(&sources);
            }
            let next = same_in(&mut checker, &sources, &text.world())?;
            if let (Some(old), Some(new)) = (&plan, &next) {
                checks.set(checks.get() + 1);
                short.set(short.get() + u32::from(shares(old, new)));
            }
            plan = next;
        }
        Ok(())
    });
    outcome.unwrap();
    // Else this shows little.
    assert!(short.get() * 10 > checks.get(), "{} of {} plans shared something with the one before", short.get(), checks.get());
}

#[test]
fn routes_that_did_not_change_are_shared_with_the_plan_before() {
    let text = |ring: u32, to: &str| {
        let one = |at: u32, ring: u32| {
            format!("route \"r{at}\" {{ from any; to \"{to}{at}\"; dial extension=\"11\" ring=\"{ring}s\"; }}\n")
        };
        format!("extensions from=10 to=21\n{}{}{}", one(0, 20), one(1, ring), one(2, 20))
    };
    let mut checker = Checker::default();
    let mut plan_of = |text: String| checker.check(&[Source::new("a.kdl", text)], &world()).0.unwrap();
    let shared =
        |old: &Plan, new: &Plan| old.routes.iter().zip(&new.routes).map(|(old, new)| Arc::ptr_eq(old, new)).collect::<Vec<_>>();
    let (first, second, third, other) =
        (plan_of(text(20, "1")), plan_of(text(21, "1")), plan_of(text(101, "1")), plan_of(text(101, "2")));
    assert_eq!(shared(&first, &second), [true, false, true]);
    // What stands behind the longer line has another place.
    assert_eq!(shared(&second, &third), [true, false, false]);
    assert_eq!(shared(&third, &other), [false; 3]);
}

#[test]
fn a_line_may_be_another_one_at_the_same_place() {
    let text = |steps: &str| {
        Source::new(
            "a.kdl",
            format!(
                "route \"a\" {{ from any; to \"1\"\n{steps}}}\nroute \"b\" {{ from any; to \"2\"; hangup; }}\ntest \"t\" at=\"2026-11-24T12:00:00\" {{ call from=\"+391\" trunk=\"a\" to=\"2\"; expect route=\"b\"; }}\ntrunk \"a\" {{ match \"192.0.2.1\"; }}\n"
            ),
        )
    };
    let (one, other) = ("play \"welcome\"\nhangup\n", "\nplay \"goodbye\"\n\n\n\n\n\n\n");
    assert_eq!(one.len(), other.len());
    let mut checker = Checker::default();
    for steps in [one, other, one] {
        let plan = same_in(&mut checker, &[text(steps)], &world()).unwrap();
        assert!(plan.is_some());
    }
}
