//! SIP over WebSocket, new certificates, and crowds that connect and say nothing.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    net::IpAddr,
    path::Path,
    process::{Child, Command, Stdio},
};

use tandem_tests::{phone::Phone, switch::Switch, wait, web::WebPhone, words::Words};

use crate::{TEAM, tells};

fn with_https() -> Switch {
    Switch::with_plan(&crate::with_https())
}

fn urls(switch: &Switch) -> [String; 2] {
    let ip = switch.sip.ip();
    [format!("ws://{ip}:8080/sip"), format!("wss://{ip}:8443/sip")]
}

#[test]
fn a_phone_over_websocket_registers_calls_and_is_called() {
    let switch = with_https();
    for ((url, word), desk) in urls(&switch).iter().zip(["ws", "wss"]).zip(["1014", "1015"]) {
        let mut caller = WebPhone::start(&switch, url, "1011", Some(("1999", "200")));
        for step in ["REGISTERED", "KEPT ALIVE", "CALLED 200"] {
            caller.until(step);
        }
        caller.succeed();
        assert!(switch.metric(&format!("tandem_sip_received_total{{transport=\"{word}\"}}")) >= 7.0);
        WebPhone::start(&switch, url, "1012", Some(("4711", "404"))).succeed();

        let mut answers = WebPhone::start(&switch, url, "1013", None);
        answers.until("KEPT ALIVE");
        let mut phone = Phone::of(&switch, desk).start(&switch);
        phone.dial("1013");
        phone.expect("CALL_ESTABLISHED");
        answers.until("ANSWERED");
        phone.hang_up();
        answers.until("ENDED");
        answers.succeed();
        tells(&switch.until_cdr(desk), &[("answered_by", "1013"), ("cause", "normal"), ("blame", "caller")]);
    }
}

#[test]
fn a_handshake_without_the_sub_protocol_or_that_is_none_is_refused() {
    let switch = Switch::with_plan(TEAM);
    assert_eq!(switch.status("/sip"), 426);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let url = urls(&switch)[0].clone();
    let refused = runtime.block_on(tokio_tungstenite::connect_async(url)).expect_err("no sub-protocol");
    assert!(refused.to_string().contains("400"), "{refused}");
}

/// The certificate that the switch shows to whoever connects now.
fn shown(switch: &Switch) -> String {
    const ASK: &str = "import ssl, sys; print(ssl.get_server_certificate((sys.argv[1], 5061)))";
    let out = Command::new("/usr/bin/python3").args(["-c", ASK, &switch.sip.ip().to_string()]).output().expect("python3");
    String::from_utf8(out.stdout).expect("PEM").split_whitespace().collect()
}

fn certificate(folder: &Path) -> String {
    fs::read_to_string(folder.join("var/tls/certificate.pem")).expect("a certificate").split_whitespace().collect()
}

#[test]
fn a_new_certificate_is_shown_after_hup_a_bad_one_is_not_and_no_call_is_disturbed() {
    let (switch, other) = (Switch::with_plan(TEAM), Switch::with_plan(TEAM));
    let (first, second) = (certificate(&switch.ground.folder), certificate(&other.ground.folder));
    let mut phone = Phone::of(&switch, "1011").over("tls").start(&switch);
    phone.dial("1999");
    phone.expect("CALL_ESTABLISHED");
    phone.until_heard(600.0, 0.5);
    assert!(shown(&switch) == first && first != second);

    for file in ["certificate.pem", "key.pem"] {
        let from = other.ground.join("var/tls").join(file);
        fs::copy(from, switch.ground.join("var/tls").join(file)).expect("a writable folder");
    }
    switch.signal("HUP");
    wait::until_true("the new certificate is shown", || shown(&switch) == second);

    fs::write(switch.ground.join("var/tls/certificate.pem"), "no certificate\n").expect("a writable folder");
    switch.signal("HUP");
    wait::until_true("the bad one is named", || switch.log().contains("the TLS certificate before stays in service"));
    assert_eq!(shown(&switch), second);

    let heard = phone.heard().seconds_of(600.0);
    phone.until_heard(600.0, heard + 0.5);
    phone.hang_up();
    tells(&switch.until_cdr("1011"), &[("cause", "normal"), ("blame", "caller")]);
}

/// Connections that are held as long as this lives.
struct Crowd(Child);

impl Crowd {
    fn new(switch: &Switch, idle: u32, half_open: u32) -> Self {
        let IpAddr::V4(ip) = switch.sip.ip() else { panic!("an IPv4 test") };
        let [a, b, c, _] = ip.octets();
        let addresses = (100..108).map(|d| format!("{a}.{b}.{c}.{d}"));
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("web/crowd.py");
        let mut command = Command::new("/usr/bin/python3");
        command.arg(script).args([&*ip.to_string(), "5060", &*idle.to_string(), "5061", &*half_open.to_string()]).args(addresses);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("python3");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("piped above");
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        assert_eq!(line, "HELD\n");
        Self(child)
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        let _already_gone = self.0.kill();
        let _reaped = self.0.wait();
    }
}

#[test]
fn calls_go_on_beside_thousands_of_idle_connections_and_handshakes() {
    let switch = with_https();
    let _crowd = Crowd::new(&switch, 5_000, 1_000);
    wait::until_true("the connections are counted", || switch.metric("tandem_sip_connections") >= 5_000.0);
    let words = Words::new(switch.ground.device(), switch.sip);
    assert!(words.answered_options("beside"));
    for (transport, user) in [("udp", "1011"), ("tcp", "1012"), ("tls", "1013")] {
        let mut phone = Phone::of(&switch, user).over(transport).start(&switch);
        phone.dial("1999");
        phone.expect("CALL_ESTABLISHED");
        phone.until_heard(600.0, 0.5);
        phone.hang_up();
        phone.expect("CALL_CLOSED");
    }
    WebPhone::start(&switch, &urls(&switch)[1], "1014", Some(("1999", "200"))).succeed();
    assert!(switch.metric("tandem_sip_connections") >= 5_000.0, "they are still there");
}
