//! What a person sees when the switch has started.

use std::fmt::Write as _;

use tandem_dialplan::{Listen, Plan};

use super::{Options, people::FirstPassword};
use crate::wire::sip::WEB_PATH;

/// Prints addresses, first passwords and what to dial.
pub fn print(plan: &Plan, listen: &Listen, passwords: &[FirstPassword], options: &Options) {
    print!("{}", text(plan, listen, passwords, options));
}

fn text(plan: &Plan, listen: &Listen, passwords: &[FirstPassword], options: &Options) -> String {
    let mut out = String::new();
    let mut line = |text: String| {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{text}");
    };
    line(format!("Tandem {} is ready.", env!("CARGO_PKG_VERSION")));
    line(String::new());
    for (what, addresses) in
        [("SIP over UDP", &listen.sip_udp), ("SIP over TCP", &listen.sip_tcp), ("SIP over TLS", &listen.sip_tls)]
    {
        for at in addresses {
            line(format!("  {what}   {at}"));
        }
    }
    for at in &listen.https {
        line(format!("  HTTPS          https://{at}   (SIP over WebSocket at wss://{at}{WEB_PATH})"));
    }
    for at in &listen.http {
        line(format!("  HTTP           http://{at}   (API at /api/v1, token in {}/cli.json)", options.data.display()));
    }
    line(format!("  audio          {} ports {}-{}", listen.rtp_address, listen.rtp_ports.0, listen.rtp_ports.1));
    if !passwords.is_empty() {
        line(String::new());
        line("Register phones as these extensions (user, password), with the SIP address above as server:".to_owned());
        for pair in passwords.chunks(2) {
            line(pair.iter().map(|first| format!("  {:<6} {:<16}", first.extension, first.password)).collect::<String>());
        }
    }
    let dial = dialable(plan);
    if !dial.is_empty() {
        line(String::new());
        line("Dial:".to_owned());
        for (number, what) in dial {
            line(format!("  {number:<10} {what}"));
        }
    }
    line(String::new());
    out
}

/// What extensions may dial, with the route that takes it; a route for a whole kind of numbers shows the
/// ranges of internal numbers.
fn dialable(plan: &Plan) -> Vec<(String, String)> {
    let open = plan.routes.iter().filter(|route| {
        let guards = &route.origins;
        guards.iter().any(|guard| !matches!(guard, tandem_dialplan::OriginGuard::Trunk(_)))
    });
    let ranges = || plan.extensions.iter().map(|range| format!("{}-{}", range.from, range.to)).collect::<Vec<_>>().join(" ");
    let shown = |number: String| if number.contains('{') { ranges() } else { number };
    open.flat_map(|route| route.to.iter().map(|number| (shown(number.to_string()), route.name.to_string()))).take(40).collect()
}
