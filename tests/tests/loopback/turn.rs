//! A TURN server (coturn) lends an address to the switch: Chromium, which reaches nothing but what such a server lends, talks.

use std::net::IpAddr;

use tandem_tests::{
    browser::{Browser, Library, WebRtcPhone},
    ground::Ground,
    phone::Phone,
    switch::Switch,
    turnserver::{PASSWORD, TurnServer, USER},
    wait,
};

use crate::{tells, with_https};

const PAGE: &str = "1011";
const DESK: &str = "1001";
const LOW: f64 = 600.0;
const HIGH: f64 = 1_400.0;

/// A server beside the switch.
fn server(ground: &Ground) -> (TurnServer, IpAddr) {
    let lends = ground.device();
    (TurnServer::start(ground.device(), lends), lends)
}

fn start(ground: Ground, server: &str, secret: &str) -> Switch {
    let turn =
        format!("    rtp-shared 3490\n    ice \"full\"\n    turn \"{server}\" user=\"{USER}\" secret=\"file:turn\"\n    rtp \"");
    let config = ground.plan(&with_https().replace("    rtp \"", &turn));
    std::fs::write(config.join("turn"), format!("{secret}\n")).expect("a writable folder");
    Switch::start(ground, config.to_str().expect("plain paths"), None, 5_060)
}

/// A page behind a firewall: all that it sends and hears goes by the server, and it is told of nothing but what that lends.
fn walled_in(browser: &Browser, switch: &Switch, server: &TurnServer) -> WebRtcPhone {
    let mut page = browser.phone(switch, Library::JsSipAudio, PAGE);
    let script = r#"
        const Free = window.RTCPeerConnection;
        window.RTCPeerConnection = class extends Free {
            constructor(config) {
                const iceServers = [{ urls: "turn:SERVER", username: "USER", credential: "PASSWORD" }];
                super({ ...config, iceServers, iceTransportPolicy: "relay" });
            }
            setRemoteDescription({ type, sdp }) {
                window.told = sdp;
                return super.setRemoteDescription({ type, sdp: sdp.replace(/a=candidate:.* typ host.*\r\n/g, "") });
            }
        };
        0"#;
    let at = server.at.to_string();
    page.evaluate(&script.replace("SERVER", &at).replace("USER", USER).replace("PASSWORD", PASSWORD));
    page
}

/// The addresses that the page was told that the switch is lent.
fn lent_to_switch(page: &mut WebRtcPhone) -> Vec<String> {
    let told = page.evaluate("window.told ?? ''");
    let relayed = told.as_str().expect("a text").lines().filter(|line| line.contains(" typ relay "));
    relayed.map(|line| line.split(' ').nth(4).expect("an address").to_owned()).collect()
}

fn until_lent(switch: &Switch) {
    wait::until_true("the server lends an address", || switch.metric("tandem_media_turn_addresses") > 0.0);
}

/// The page calls the desk, and they hear each other.
fn talk(page: &mut WebRtcPhone, desk: &mut Phone) {
    page.does(&format!("call('{DESK}')"));
    desk.expect("CALL_INCOMING");
    desk.accept();
    page.until("UP");
    page.until_heard(LOW);
    desk.until_heard(HIGH, 1.0);
}

#[test]
fn a_page_that_reaches_nothing_but_what_the_server_lends_talks_before_and_after_kill_9() {
    let ground = Ground::new();
    let (server, lends) = server(&ground);
    let mut switch = start(ground, &server.at.to_string(), PASSWORD);
    until_lent(&switch);
    let mut desk = Phone::of(&switch, DESK).hz(LOW).start(&switch);
    let browser = Browser::speaking(&switch, HIGH);
    let mut page = walled_in(&browser, &switch, &server);
    talk(&mut page, &mut desk);
    assert_eq!(lent_to_switch(&mut page), [lends.to_string()]);
    let channels = || server.log().matches("CHANNEL_BIND processed, success").count();
    wait::until_true("a channel of the page and one of the switch", || channels() >= 2);

    // The server lends the next process another address; the page is told of it by a new offer.
    switch.until_kept();
    switch.kill9();
    switch.start_again();
    page.until("REGISTERED");
    let before = desk.heard().seconds();
    wait::until_true("the page is heard again", || desk.heard().after(before).seconds_of(HIGH) >= 1.0);
    page.until_heard(LOW);
    page.does("hangUp()");
    tells(&switch.until_cdr(PAGE), &[("answered_by", DESK), ("cause", "normal")]);
}

#[test]
fn without_the_server_and_with_a_wrong_password_calls_go_on_as_before() {
    let ground = Ground::new();
    let (server, _) = server(&ground);
    for (at, secret) in [(server.at.to_string(), "guessed"), ("turn.invalid".to_owned(), PASSWORD)] {
        let switch = start(Ground::new(), &at, secret);
        let mut desk = Phone::of(&switch, DESK).hz(LOW).start(&switch);
        let browser = Browser::speaking(&switch, HIGH);
        let mut page = browser.phone(&switch, Library::JsSipAudio, PAGE);
        talk(&mut page, &mut desk);
        assert_eq!(switch.metric("tandem_media_turn_addresses"), 0.0, "{at}");
    }
}
