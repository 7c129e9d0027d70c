use super::*;

const MINUTE: i64 = 60_000;

struct Desk {
    guard: TollGuard<u32>,
    /// In ms.
    now: i64,
}

impl Desk {
    fn new(extension: Caps, trunk: Caps) -> Self {
        let trunks = [(TrunkName::from("carrier"), trunk)].into();
        Self { guard: TollGuard::new(TollRules { extension, trunks }), now: 1_790_000_000_000 / DAY_MS * DAY_MS }
    }

    fn at(&self) -> Timestamp {
        Timestamp::from_ms(self.now)
    }

    fn call(&mut self, call: u32, extension: &str, abroad: bool) -> Result<(), Cap> {
        let extension = Extension::from(extension);
        self.guard.begin(self.at(), call, (Some(&extension), &"carrier".into()), abroad)
    }

    fn end(&mut self, call: u32) {
        self.guard.end(self.at(), &call);
    }

    fn alarms(&mut self) -> Vec<(Spender, Cap)> {
        std::iter::from_fn(|| self.guard.poll()).map(|alarm| (alarm.who, alarm.cap)).collect()
    }
}

fn thief() -> Spender {
    Spender::Extension("1001".into())
}

#[test]
fn calls_at_once_are_bounded_and_places_come_back() {
    let mut desk = Desk::new(Caps { calls: Some(2), ..Caps::default() }, Caps { calls: Some(3), ..Caps::default() });
    assert_eq!((desk.call(1, "1001", false), desk.call(2, "1001", false)), (Ok(()), Ok(())));
    for call in 10..40 {
        assert_eq!(desk.call(call, "1001", false), Err(Cap::Calls));
    }
    assert_eq!(desk.alarms(), [(thief(), Cap::Calls)], "told once");
    assert_eq!((desk.call(3, "1002", false), desk.call(4, "1003", false)), (Ok(()), Err(Cap::Calls)), "the trunk's own");
    assert_eq!(desk.alarms(), [(Spender::Trunk("carrier".into()), Cap::Calls)]);
    desk.end(1);
    desk.end(1);
    assert_eq!(desk.call(5, "1001", false), Ok(()));
    // The next try of the same call, through another trunk, is one call.
    assert_eq!(desk.call(5, "1001", false), Ok(()));
}

#[test]
fn hours_and_days_are_bounded_and_begin_anew() {
    let mut desk = Desk::new(Caps { per_hour: Some(3), per_day: Some(5), ..Caps::default() }, Caps::default());
    let calls = |desk: &mut Desk| {
        let made = (0..10).map(|call| (desk.call(call, "1001", false), desk.end(call)).0).collect::<Vec<_>>();
        (made.iter().filter(|made| made.is_ok()).count(), made[9])
    };
    assert_eq!(calls(&mut desk), (3, Err(Cap::PerHour)));
    desk.now += HOUR_MS;
    assert_eq!(calls(&mut desk), (2, Err(Cap::PerDay)));
    assert_eq!(desk.alarms(), [(thief(), Cap::PerHour), (thief(), Cap::PerDay)]);
    desk.now += DAY_MS;
    assert_eq!(calls(&mut desk), (3, Err(Cap::PerHour)));
}

#[test]
fn minutes_abroad_are_bounded_also_for_calls_that_are_up() {
    let mut desk = Desk::new(Caps { abroad_minutes: Some(30), ..Caps::default() }, Caps::default());
    assert_eq!((desk.call(1, "1001", true), desk.call(2, "1001", true), desk.call(3, "1001", false)), (Ok(()), Ok(()), Ok(())));
    desk.now += 10 * MINUTE;
    for call in [1, 2, 3] {
        desk.guard.answered(desk.at(), &call);
    }
    desk.now += 14 * MINUTE;
    assert_eq!(desk.guard.tick(desk.at()), Vec::<u32>::new(), "ringing costs nothing");
    desk.now += MINUTE;
    assert_eq!(desk.guard.tick(desk.at()), [1, 2], "two of 15 minutes; the one at home goes on");
    desk.end(1);
    desk.end(2);
    assert_eq!((desk.call(4, "1001", true), desk.call(5, "1001", false)), (Err(Cap::AbroadMinutes), Ok(())));
    assert_eq!((desk.call(6, "1002", true), desk.alarms()), (Ok(()), vec![(thief(), Cap::AbroadMinutes)]));
    desk.now += DAY_MS;
    assert_eq!(desk.call(7, "1001", true), Ok(()));
}

#[test]
fn what_is_over_leaves_nothing() {
    let mut desk = Desk::new(Caps::default(), Caps::default());
    for call in 0..1_000 {
        desk.call(call, &format!("{call}"), call % 2 == 0).unwrap();
    }
    for call in 0..1_000 {
        desk.end(call);
    }
    desk.now += DAY_MS;
    desk.guard.tick(desk.at());
    assert!(desk.guard.running.is_empty() && desk.guard.spent.is_empty());
}
