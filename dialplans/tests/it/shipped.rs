//! The plans that firms start from: right without a remark in each language, tested to the last branch, and with the
//! holidays where they belong.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use jiff::{
    ToSpan as _,
    civil::{Date, Weekday, date},
};
use proptest::prelude::{ProptestConfig, any, prop, proptest};
use tandem_dialplan::{Coverage, Lengths, Plan, Report, Source, World, check, read_sources, run_test, wav_length_ms};

use crate::fuzz::to_the_end;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn names(folder: &Path) -> Vec<String> {
    let mut all: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    all.sort();
    all
}

fn plans() -> Vec<String> {
    names(&root().join("plans"))
}

/// Recordings below a folder, by their paths without ending, and how long they are.
fn recordings(folder: &Path, before: &str, found: &mut BTreeMap<String, u64>) {
    for name in names(folder) {
        let path = folder.join(&name);
        if path.is_dir() {
            recordings(&path, &format!("{before}{name}/"), found);
        } else if let Some(name) = name.strip_suffix(".wav") {
            let ms = wav_length_ms(&fs::read(&path).unwrap());
            found.insert(format!("{before}{name}"), ms.unwrap_or_else(|| panic!("{} is no recording", path.display())));
        }
    }
}

/// The recordings that ship and those of a plan, and the password of the carrier.
fn around(plan: &str) -> (World, Lengths) {
    let mut found = BTreeMap::new();
    recordings(&root().join("prompts"), "", &mut found);
    recordings(&root().join("plans").join(plan).join("prompts"), "", &mut found);
    let (mut world, mut lengths) = (World::default(), Lengths::default());
    world.environment.insert("CARRIER_SECRET".into());
    for (name, ms) in found {
        match name.split_once('/') {
            Some((language, rest)) if language.len() == 2 => {
                world.prompts.entry(language.into()).or_default().insert(rest.into());
            }
            _ => {
                world.shared_prompts.insert(name.as_str().into());
            }
        }
        lengths.insert(name, ms);
    }
    (world, lengths)
}

fn sources(plan: &str) -> Vec<Source> {
    read_sources(&root().join("plans").join(plan)).unwrap()
}

fn checked(plan: &str, sources: &[Source]) -> (Arc<Plan>, Report) {
    let (plan, report) = check(sources, &around(plan).0);
    (Arc::new(plan.unwrap_or_else(|| panic!("{}", report.drawn(false)))), report)
}

#[test]
fn every_plan_is_right_without_a_remark_in_each_language() {
    assert!(plans().len() >= 7, "{:?}", plans());
    for plan in plans() {
        let mut sources = sources(&plan);
        assert_eq!(checked(&plan, &sources).1.lines(), "", "{plan}");
        let firm = sources.iter_mut().find(|source| source.path.ends_with("10-firm.kdl")).unwrap();
        let italian = firm.text.replace("language \"en\"", "language \"it\"");
        assert!(*italian != *firm.text, "{plan}");
        *firm = Source::new(firm.path.clone(), italian);
        assert_eq!(checked(&plan, &sources).1.lines(), "", "{plan} in Italian");
    }
}

#[test]
fn the_tests_of_every_plan_pass_and_reach_every_route_branch_and_step() {
    for name in plans() {
        let (plan, lengths) = (checked(&name, &sources(&name)).0, around(&name).1);
        let mut coverage = Coverage::of(&plan);
        for test in &plan.tests {
            let result = run_test(&plan, test, &lengths);
            assert_eq!(result.failure, None, "{name}: {}\n{}", test.name, result.simulation);
            coverage.add(&result.simulation);
        }
        assert!(plan.tests.len() > 20, "{name}");
        assert_eq!(coverage.never(), [], "{name}");
        let (done, all) = coverage.steps();
        assert_eq!(done, all, "{name}: steps");
    }
}

#[test]
fn what_is_a_firms_own_stands_in_one_file() {
    for plan in plans() {
        for source in sources(&plan) {
            let firm = source.path.ends_with("10-firm.kdl");
            let free = firm || source.path.ends_with("90-tests.kdl") || source.path.ends_with(".ics");
            // A country code is nobody's number.
            let whole = |rest: &str| rest.chars().take_while(char::is_ascii_digit).count() > 4;
            assert!(
                free || !source.text.split("\"+").skip(1).any(whole),
                "{}: a telephone number outside of 10-firm.kdl",
                source.path
            );
            // `serve --bind` moves all addresses; the password comes from the environment.
            assert!(!firm || (source.text.contains("sip-udp \"127.0.0.1:5060\"") && source.text.contains("env:CARRIER_SECRET")));
        }
        let readme = fs::read_to_string(root().join("plans").join(&plan).join("README.md")).unwrap();
        assert!(readme.starts_with(&format!("# {plan}\n")), "{plan}");
        for file in ["10-firm.kdl", "20-hours.kdl", "30-routes.kdl", "90-tests.kdl"] {
            assert!(readme.contains(file), "{plan}: README.md says nothing of {file}");
        }
    }
}

/// The names of a list of texts.
fn spoken(file: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(file).unwrap_or_default();
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines.map(|line| line.split_once('\t').unwrap_or_else(|| panic!("{}: {line}", file.display())).0.to_owned()).collect()
}

#[test]
fn every_text_is_recorded_in_each_language_and_every_recording_has_its_text() {
    let of_plans = plans().into_iter().map(|plan| root().join("plans").join(plan).join("prompts"));
    for folder in of_plans.chain([root().join("prompts")]) {
        let mut found = BTreeMap::new();
        recordings(&folder, "", &mut found);
        let (mut english, mut italian, mut all) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for name in found.into_keys() {
            match name.split_once('/') {
                Some(("en", rest)) => english.insert(rest.to_owned()),
                Some(("it", rest)) => italian.insert(rest.to_owned()),
                // `music.py` composes these.
                Some(("music", _)) => false,
                _ => all.insert(name),
            };
        }
        let shown = folder.display();
        assert!(!english.is_empty(), "{shown}");
        assert_eq!((&english, &italian), (&spoken(&folder.join("en.txt")), &spoken(&folder.join("it.txt"))), "{shown}");
        assert_eq!(all, spoken(&folder.join("all.txt")), "{shown}");
        // Clocks are read differently; all else must be there for both.
        let common = |names: BTreeSet<String>| names.into_iter().filter(|name| !name.starts_with("time/")).collect::<Vec<_>>();
        assert_eq!(common(english), common(italian), "{shown}");
    }
}

/// Easter Sunday of the Gregorian calendar, by the rule of Gauss as Lichtenberg mended it.
fn easter(year: i16) -> Date {
    let (year, century) = (i32::from(year), i32::from(year / 100));
    let moon = 15 + (3 * century + 3) / 4 - (8 * century + 13) / 25;
    let sun = 2 - (3 * century + 3) / 4;
    let first = (19 * (year % 19) + moon) % 30;
    let mend = (first + (year % 19) / 11) / 29;
    let full = 21 + first - mend;
    let sunday = 7 - (year + year / 4 + sun) % 7;
    let day = full + 7 - (full - sunday) % 7;
    date(i16::try_from(year).unwrap(), 3, 1) + (day - 1).days()
}

/// Days on which a schedule that is open daily is closed by a calendar file of every plan, from 2026 to 2028.
fn closed_by(calendar: &str) -> BTreeSet<Date> {
    // It counts where it lies beside the plan, and waits for a firm of that country in `calendars/`.
    let text = |plan: &String| {
        let folder = root().join("plans").join(plan);
        fs::read_to_string(folder.join(calendar))
            .or_else(|_| fs::read_to_string(folder.join("calendars").join(calendar)))
            .unwrap()
    };
    let texts: BTreeSet<String> = plans().iter().map(text).collect();
    assert_eq!(texts.len(), 1, "{calendar} is the same in each plan");
    let text = texts.into_iter().next().unwrap();
    let plan = format!(
        "schedule \"days\" tz=\"UTC\" {{ open \"daily\" \"00:00-24:00\"; holidays \"{calendar}\"; }}\n\
         route \"r\" {{ from any; unless-open \"days\" {{ play \"closed\"; }}; hangup; }}\n"
    );
    let (plan, _) = checked("small-office", &[Source::new("plan.kdl", plan), Source::new(calendar, text)]);
    let schedule = plan.schedules.values().next().unwrap();
    let noon = |day: &Date| {
        let at = day.at(12, 0, 0, 0).to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp();
        tandem_switch::time::Timestamp::from_ms(at.as_millisecond())
    };
    let days = date(2026, 1, 1).series(1.day()).take_while(|day| day.year() < 2029);
    days.filter(|day| !schedule.standing(noon(day), None).open).collect()
}

#[test]
fn the_holidays_of_italy_are_those_of_its_law() {
    let mut wanted = BTreeSet::new();
    for year in 2026..=2028 {
        let fixed = [(1, 1), (1, 6), (4, 25), (5, 1), (6, 2), (8, 15), (10, 4), (11, 1), (12, 8), (12, 25), (12, 26)];
        wanted.extend(fixed.map(|(month, day)| date(year, month, day)));
        wanted.extend([easter(year), easter(year) + 1.day()]);
    }
    assert_eq!(easter(2026), date(2026, 4, 5));
    assert_eq!(closed_by("holidays-it.ics"), wanted);
}

#[test]
fn the_holidays_of_england_are_its_bank_holidays() {
    let monday = |day: Date| day.nth_weekday(1, Weekday::Monday).unwrap();
    let mut wanted = BTreeSet::new();
    for year in 2026..=2028 {
        wanted.extend([easter(year) - 2.days(), easter(year) + 1.day()]);
        // The first Monday of May, the last of May, the last of August.
        wanted.extend([monday(date(year, 4, 30)), monday(date(year, 5, 24)), monday(date(year, 8, 24))]);
        // A holiday at a weekend moves to the next working day that is none; the day itself stays closed.
        for day in [date(year, 1, 1), date(year, 12, 25), date(year, 12, 26)] {
            let mut instead = day;
            while matches!(instead.weekday(), Weekday::Saturday | Weekday::Sunday)
                || (instead != day && wanted.contains(&instead))
            {
                instead += 1.day();
            }
            wanted.extend([day, instead]);
        }
    }
    assert_eq!(closed_by("holidays-gb.ics"), wanted);
}

/// Who calls, and what is dialled.
type Calls = BTreeSet<(String, String)>;

/// Who calls what in the tests of a plan.
fn called(sources: &[Source]) -> Calls {
    let word = |line: &str, name: &str| line.split_once(name)?.1.split('"').nth(1).map(str::to_owned);
    let lines = sources.iter().flat_map(|source| source.text.lines());
    lines
        .filter_map(|line| line.trim().strip_prefix("call "))
        .filter_map(|call| Some((word(call, "from=")?, word(call, "to=")?)))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_way_through_every_plan_ends_with_a_hang_up(outcomes in prop::collection::vec(any::<u8>(), 1..40)) {
        thread_local! {
            static PLANS: Vec<(Arc<Plan>, Calls)> = plans().iter().map(|name| {
                let sources = sources(name);
                (checked(name, &sources).0, called(&sources))
            }).collect();
        }
        PLANS.with(|plans| {
            for (plan, calls) in plans {
                for (from, to) in calls {
                    let from = if from.starts_with('+') { "trunk:carrier" } else { from };
                    to_the_end(plan, from, to, &outcomes);
                }
            }
        });
    }
}
