//! Calls by WhatsApp: the whole program against a stub of its edge that enforces what the real one does.

mod calls;
mod refusals;
mod rules;

use std::fs;

use tandem_tests::{
    ground::Ground,
    names::NameServer,
    switch::Switch,
    wait,
    whatsapp::{Edge, Setup},
};

use crate::TEAM;

/// The customer as records name them.
const CUSTOMER: &str = "+15550101234";

/// What becomes of calls of customers: they wait for an agent.
const QUEUE: &str = r#"
route "whatsapp" {
    from trunk="wa"
    to "+15550100000"
    answer
    queue "support"
}
"#;

/// An edge, and a switch with a trunk to it.
struct World {
    edge: Edge,
    switch: Switch,
    _names: NameServer,
}

impl World {
    fn start(routes: &str) -> Self {
        Self::with("sip.example.com", Setup::default().password, routes)
    }

    /// One whose switch has this host name and password for the trunk.
    fn with(domain: &str, password: &str, routes: &str) -> Self {
        Self::at(Setup::default(), domain, password, routes)
    }

    /// The same against an edge of this kind.
    fn at(setup: Setup, domain: &str, password: &str, routes: &str) -> Self {
        let ground = Ground::new();
        let edge = Edge::start(ground.carrier(), setup);
        let names = edge.names(ground.carrier());
        let (own, name_server) = (edge.ip, names.at);
        let team = TEAM.replace("    http ", "    tls certificate=\"own.pem\" key=\"own-key.pem\"\n    http ");
        let config = ground.plan(&format!(
            r#"
name-server "{name_server}"
trunk "wa" {{
    profile "whatsapp"
    match "{own}"
    tls ca="edge-ca.pem"
    domain "{domain}"
    credentials user="15550100000" secret="file:wa-secret"
    media-keep-alive "1s"
}}
route "to-whatsapp" {{
    from extension
    to "9{{number:number}}"
    dial trunk="wa" number="{{number}}" ring="20s" {{
        busy {{ hangup "busy"; }}
        no-answer {{ hangup "no-answer"; }}
        rejected {{ hangup "forbidden"; }}
        unreachable {{ hangup "unavailable"; }}
    }}
}}
{routes}{team}"#
        ));
        edge.furnish(&config);
        fs::write(config.join("wa-secret"), password).expect("a writable folder");
        let switch = Switch::start(ground, config.to_str().expect("plain paths"), None, 5_060);
        wait::until_true("the edge is found", || switch.log().contains("the peer of a trunk was found"));
        Self { edge, switch, _names: names }
    }

    /// A customer calls, and tells these things of themselves.
    fn customer_calls(&self, headers: &[(&str, &str)]) -> String {
        self.edge.call(self.switch.sip.ip(), headers)
    }

    /// Nothing that the edge does not want was done.
    #[track_caller]
    fn is_lawful(&self) {
        assert_eq!(self.edge.violations(), Vec::<String>::new(), "{:?}", self.edge.requests());
    }
}
