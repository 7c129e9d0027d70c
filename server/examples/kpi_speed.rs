//! How long figures take over many interactions, and whether roll-ups and journal say the same of them.
//!
//! `kpi_speed DATABASE`: a database that `tests/load/store_bench.py` filled. Makes the roll-ups, then asks each question some
//! times. Prints a line of JSON: for each question the median in ms.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a program that measures ends at the first surprise"
)]

use std::time::Instant;

use tandem::store::{By, FigureQuery, Store};
use tandem_switch::time::Timestamp;

const TIMES: usize = 9;

#[tokio::main]
async fn main() {
    let store = Store::open(&std::env::args().nth(1).unwrap()).await.unwrap();
    store.migrate().await.unwrap();
    let now = Timestamp(i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_micros()).unwrap());
    let began = Instant::now();
    let mut stretches = 0;
    while let made @ 1.. = store.seal_figures(now).await.unwrap() {
        stretches += made;
    }
    let sealing_s = began.elapsed().as_secs_f64();
    let day = 86_400_000_000;
    // Neither begin nor end at a whole hour: the worst case of a long time.
    let month = FigureQuery {
        from_at: Timestamp(now.0 - 31 * day + 1_234_567_890),
        to_at: now,
        queue: None,
        agent: None,
        by: By::All,
        interval_s: None,
    };
    let whole_hour = |at: i64| Timestamp(at.div_euclid(3_600_000_000) * 3_600_000_000);
    let week = FigureQuery { from_at: whole_hour(now.0 - 7 * day), ..month.clone() };
    let questions = [
        ("month_all", month.clone()),
        ("month_by_queue", FigureQuery { by: By::Queue, ..month.clone() }),
        ("month_by_agent", FigureQuery { by: By::Agent, ..month.clone() }),
        ("month_one_queue", FigureQuery { queue: Some("q3".into()), ..month.clone() }),
        ("week_by_queue_half_hours", FigureQuery { by: By::Queue, interval_s: Some(1_800), ..week }),
    ];
    let mut lines = Vec::new();
    for (name, query) in questions {
        let mut took = Vec::new();
        let mut offered = 0;
        for _ in 0..TIMES {
            let began = Instant::now();
            let rows = store.figures(&query, now).await.unwrap();
            took.push(began.elapsed().as_secs_f64() * 1_000.0);
            offered = rows.iter().map(|row| row.tally.offered).sum();
        }
        took.sort_by(f64::total_cmp);
        lines.push(format!("\"{name}_ms\": {:.1}, \"{name}_offered\": {offered}", took[TIMES / 2]));
    }
    println!("{{\"stretches\": {stretches}, \"sealing_s\": {sealing_s:.1}, {}}}", lines.join(", "));
}
