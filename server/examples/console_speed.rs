//! How long an event of the floor takes to many consoles.
//!
//! `console_speed SERVER TOKEN AGENT CONSOLES RATE SECONDS`: so many WebSockets listen to the events of a running switch, and an
//! agent who is there all the time goes not ready and comes back, so often a second. From the floor's decision (the event's `at`) to
//! its arrival at each console, by the clock that both processes have. Prints a line of JSON.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program that measures ends at the first surprise"
)]

use std::time::Duration;

use futures_util::StreamExt as _;
use serde_json::json;
use tokio::{sync::mpsc, time::timeout};
use tokio_tungstenite::{
    connect_async,
    tungstenite::{Message, client::IntoClientRequest as _},
};

fn now_us() -> i64 {
    i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_micros()).unwrap()
}

/// When the event happened, if it is one of those that are measured.
fn at_us(text: &str) -> Option<i64> {
    let at = text.contains("\"agent-changed\"").then(|| text.split("\"at\":\"").nth(1)?.split('"').next()).flatten()?;
    Some(at.parse::<jiff::Timestamp>().unwrap().as_microsecond())
}

async fn watch(server: String, token: String, delays: mpsc::Sender<Vec<i64>>, ready: mpsc::Sender<()>) {
    let mut request = format!("{}/api/v1/events", server.replace("http://", "ws://")).into_client_request().unwrap();
    request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    let (mut socket, _) = connect_async(request).await.unwrap();
    ready.send(()).await.unwrap();
    let mut seen = Vec::new();
    // Quiet for so long: it is over.
    while let Ok(Some(message)) = timeout(Duration::from_secs(4), socket.next()).await {
        let now = now_us();
        if let Message::Text(text) = message.unwrap()
            && let Some(at) = at_us(&text)
        {
            seen.push(now - at);
        }
    }
    delays.send(seen).await.unwrap();
}

#[tokio::main]
async fn main() {
    // A console that fails would be waited for for ever.
    std::panic::set_hook(Box::new(|panic| {
        eprintln!("{panic}");
        std::process::exit(1);
    }));
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [server, token, agent, consoles, rate, seconds] = &arguments[..] else {
        panic!("SERVER TOKEN AGENT CONSOLES RATE SECONDS")
    };
    let [consoles, rate, seconds] = [consoles, rate, seconds].map(|number| number.parse::<usize>().unwrap());
    let ((delays_tx, mut delays), (ready_tx, mut ready)) = (mpsc::channel(consoles), mpsc::channel(consoles));
    for _ in 0..consoles {
        tokio::spawn(watch(server.clone(), token.clone(), delays_tx.clone(), ready_tx.clone()));
        // One after the other, as people come.
        ready.recv().await.unwrap();
    }
    drop(delays_tx);
    let client = reqwest::Client::new();
    let mut pace = tokio::time::interval(Duration::from_secs(1) / u32::try_from(rate).unwrap());
    for n in 0..rate * seconds {
        pace.tick().await;
        let state = if n % 2 == 0 { json!({ "state": "not-ready", "reason": "lunch" }) } else { json!({ "state": "ready" }) };
        let url = format!("{server}/api/v1/agents/{agent}/state");
        let answer = client
            .put(url)
            .bearer_auth(token)
            .header("content-type", "application/json")
            .body(state.to_string())
            .send()
            .await
            .unwrap();
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
    }
    let mut all = Vec::new();
    while let Some(seen) = delays.recv().await {
        assert_eq!(seen.len(), rate * seconds, "each console sees each event");
        all.extend(seen);
    }
    all.sort_unstable();
    let share = |thousandths: usize| all[(all.len() - 1) * thousandths / 1_000];
    let [p50, p99, most] = [share(500), share(990), share(1_000)].map(|us| format!("{}.{:03}", us / 1_000, us % 1_000));
    println!(
        "{{\"consoles\": {consoles}, \"events\": {}, \"p50_ms\": {p50}, \"p99_ms\": {p99}, \"most_ms\": {most}}}",
        all.len()
    );
}
