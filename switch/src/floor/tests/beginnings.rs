//! What several ladders have in common.

/// How several ladders begin: they say `given` and the name.
const BEGINNINGS: &[(&str, &[&str])] = &[
    (
        "1 rings at 1001",
        &[
            "> queue support",
            "> agent 1001 support always-on",
            "1001 ready",
            "> call 1 support",
            "1: queued, place 1",
            "offer 1: 1001 chosen: idle 0 s",
            "1001 reserved",
            "1: ring 1001 for 10 s (offer 1)",
        ],
    ),
    (
        "1 rings at the first of two",
        &[
            "> queue support",
            "> agent 1001 support always-on",
            "1001 ready",
            "> agent 1002 support always-on",
            "1002 ready",
            "> call 1 support",
            "1: queued, place 1",
            "offer 1: 1001 chosen: idle 0 s",
            "1001 reserved",
            "1: ring 1001 for 10 s (offer 1)",
        ],
    ),
    (
        "1 waits for 1001",
        &["> queue support", "> agent 1001 support", "> reachable 1001", "> call 1 support from=+411", "1: queued, place 1"],
    ),
];

pub(super) fn beginning(name: &str) -> Vec<&'static str> {
    let found = BEGINNINGS.iter().find(|(known, _)| *known == name);
    found.unwrap_or_else(|| panic!("no beginning is called {name}")).1.to_vec()
}
