use super::*;

fn at(text: &str) -> Timestamp {
    Timestamp(text.parse::<jiff::Timestamp>().unwrap().as_microsecond())
}

fn hours(text: &str) -> Vec<Hours> {
    text.split_whitespace().map(|t| Hours::parse(t).unwrap()).collect()
}

fn office() -> Schedule {
    Schedule {
        name: "office".into(),
        zone: time_zone("Europe/Rome").unwrap(),
        weekly: vec![(Days::parse("mon-fri").unwrap(), hours("08:30-12:30 14:00-18:00"))],
        special: vec![(DateRule::parse("2026-12-24").unwrap(), hours("09:00-11:00"))],
        closed: vec![DateRule::parse("2026-08-10..2026-08-21").unwrap()],
        holidays: vec![DateRule::parse("12-24").unwrap(), DateRule::parse("12-25").unwrap()],
    }
}

#[test]
fn a_day_has_the_hours_of_its_strongest_line() {
    let office = office();
    for (instant, open, why) in [
        ("2026-11-23T07:29:00Z", false, "outside the weekly hours of 2026-11-23: 08:30-12:30, 14:00-18:00"),
        ("2026-11-23T07:30:00Z", true, "weekly hours of 2026-11-23: 08:30-12:30"),
        ("2026-11-23T11:30:00Z", false, "outside the weekly hours of 2026-11-23: 08:30-12:30, 14:00-18:00"),
        ("2026-11-22T10:00:00Z", false, "weekly hours of 2026-11-22"),
        ("2026-12-24T08:30:00Z", true, "special hours of 2026-12-24: 09:00-11:00"),
        ("2026-12-25T10:00:00Z", false, "holiday of 2026-12-25"),
        ("2026-08-12T10:00:00Z", false, "closed day of 2026-08-12"),
    ] {
        assert_eq!(office.standing(at(instant), None), Standing { open, why: why.into() }, "{instant}");
    }
    assert!(office.standing(at("2026-12-25T10:00:00Z"), Some(&Override::ForceOpen.into())).open);
    assert!(!office.standing(at("2026-11-23T08:00:00Z"), Some(&Override::ForceClosed.into())).open);
}

#[test]
fn openings_follow_the_wall_clock_through_daylight_saving() {
    let weekend = Schedule { weekly: vec![(Days::parse("sun").unwrap(), hours("02:30-04:00"))], ..office() };
    // Clocks jump from 02:00 to 03:00 on 29 March 2026, and back from 03:00 to 02:00 on 25 October.
    let spring: Vec<_> = weekend.next_transitions(at("2026-03-28T00:00:00Z"), 2).iter().map(ToString::to_string).collect();
    assert_eq!(spring, ["Sun 2026-03-29 03:30 CEST opens", "Sun 2026-03-29 04:00 CEST closes"]);
    let autumn: Vec<_> = weekend.next_transitions(at("2026-10-24T00:00:00Z"), 2).iter().map(ToString::to_string).collect();
    assert_eq!(autumn, ["Sun 2026-10-25 02:30 CEST opens", "Sun 2026-10-25 04:00 CET closes"]);
}

#[test]
fn hours_over_midnight_belong_to_the_day_they_begin_on() {
    let night = Schedule { weekly: vec![(Days::parse("fri").unwrap(), hours("22:00-06:00"))], ..office() };
    assert!(night.standing(at("2026-11-28T04:59:00Z"), None).open, "Saturday 05:59");
    assert!(!night.standing(at("2026-11-28T05:00:00Z"), None).open);
    assert!(!night.standing(at("2026-11-27T04:00:00Z"), None).open, "Friday morning");
}

#[test]
fn transitions_agree_with_standing_at_every_minute() {
    let schedule = office();
    let mut now = at("2026-12-18T00:00:00Z");
    let mut open = schedule.standing(now, None).open;
    let mut coming = schedule.next_transitions(now, 40).into_iter();
    let mut next = coming.next().unwrap();
    for _ in 0..14 * 24 * 60 {
        now = now.plus_ms(60_000);
        if now == next.at {
            assert_ne!(open, next.opens);
            open = next.opens;
            next = coming.next().unwrap();
        }
        assert_eq!(schedule.standing(now, None).open, open, "{}", schedule.local(now));
    }
}

#[test]
fn what_is_always_open_or_never_has_no_transitions() {
    let always = Schedule {
        weekly: vec![(Days(0x7f), hours("00:00-24:00"))],
        closed: vec![],
        special: vec![],
        holidays: vec![],
        ..office()
    };
    assert_eq!(always.next_transitions(at("2026-11-22T12:00:00Z"), 10), []);
    let never = Schedule { weekly: vec![], special: vec![], ..office() };
    assert_eq!(never.next_transitions(at("2026-11-22T12:00:00Z"), 10), []);
}

#[test]
fn days_hours_and_dates_read_or_say_what_was_expected() {
    assert_eq!(Days::parse("fri-mon"), Ok(Days(0b111_0001)));
    assert_eq!(Days::parse("sat,sun"), Ok(Days(0b110_0000)));
    assert!(Days::parse("monday").is_err() && Days::parse("").is_err() && Days::parse("mon--fri").is_err());
    assert_eq!(Hours::parse("22:00-06:00"), Ok(Hours { from: 1320, to: 1800 }));
    for bad in ["8:30-18:00", "08:30", "25:00-26:00", "08:00-08:00", "08:60-09:00", "24:00-01:00"] {
        assert!(Hours::parse(bad).is_err(), "{bad}");
    }
    assert_eq!(DateRule::parse("02-29"), Ok(DateRule::Yearly { month: 2, day: 29 }));
    for bad in ["2026-02-29", "13-01", "2026-12-24..2026-12-01", "christmas", "2026-1-1", "2026-12-24T10:00"] {
        assert!(DateRule::parse(bad).is_err(), "{bad}");
    }
}
