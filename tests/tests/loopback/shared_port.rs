//! All browsers on one UDP port: Chromium and baresip with ICE, before and after `kill -9`.

use tandem_tests::{
    browser::{Browser, Library, WebRtcPhone},
    phone::Phone,
    switch::Switch,
    wait,
};

use crate::{tells, with_https};

const PAGES: [&str; 2] = ["1011", "1012"];
const DESK: &str = "1001";
const CHECKED: &str = "1013";
const LOW: f64 = 600.0;
const HIGH: f64 = 1_400.0;

/// One media thread has one port.
fn plan() -> String {
    let ranges = "extensions from=1001 to=1012\nextensions from=1013 to=1020 media-keys=\"dtls\"";
    with_https().replace("    rtp \"", "    rtp-shared 3490\n    rtp \"").replace("extensions from=1001 to=1020", ranges)
}

/// The port of the switch that a page was told last.
fn port_told(page: &mut WebRtcPhone) -> String {
    let sdp = page.evaluate("window.connections.at(-1).remoteDescription.sdp");
    let sdp = sdp.as_str().expect("a description");
    sdp.lines().find_map(|line| line.strip_prefix("m=audio ")).expect("audio").split(' ').next().expect("a port").to_owned()
}

#[test]
fn pages_that_call_and_are_called_are_on_one_port_and_talk_on_after_kill_9() {
    pages_share_a_port(&plan());
}

#[test]
fn pages_are_on_one_port_where_both_sides_check() {
    pages_share_a_port(&plan().replace("    rtp \"", "    ice \"full\"\n    rtp \""));
}

fn pages_share_a_port(plan: &str) {
    let mut switch = Switch::with_plan(plan);
    let browser = Browser::speaking(&switch, HIGH);
    let [mut one, mut other] = PAGES.map(|user| browser.phone(&switch, Library::JsSipAudio, user));
    one.does(&format!("call('{}')", PAGES[1]));
    other.until(&format!("INCOMING {}", PAGES[0]));
    other.does("answer()");
    one.until("UP");
    let told = [&mut one, &mut other].map(port_told);
    assert!(told.iter().all(|port| ["3490", "3491", "3492", "3493"].contains(&&**port)) && told[0] == told[1], "{told:?}");
    for page in [&mut one, &mut other] {
        page.until_heard(HIGH);
    }
    switch.until_kept();
    switch.kill9();
    switch.start_again();
    for page in [&mut one, &mut other] {
        page.until("REGISTERED");
        page.until_heard(HIGH);
        assert_eq!(port_told(page), told[0], "the same port");
    }
    one.does("hangUp()");
    other.until("ENDED BY remote");
    tells(&switch.until_cdr(PAGES[0]), &[("answered_by", PAGES[1]), ("cause", "normal")]);
}

#[test]
fn baresip_with_ice_is_on_it_when_it_calls_and_whoever_is_not_checked_never_is() {
    let switch = Switch::with_plan(&plan());
    let mut desk = Phone::of(&switch, DESK).hz(HIGH).start(&switch);
    let mut checked = Phone::of(&switch, CHECKED).hz(LOW).with_dtls_and_ice().start(&switch);
    let mut unchecked = Phone::of(&switch, "1014").hz(LOW).with_dtls().start(&switch);
    let ports = || switch.metric("tandem_media_ports_free");
    wait::until_true("ports are counted", || ports() > 0.0);
    let all = ports();
    for (phone, own_ports) in [(&mut checked, 1.0), (&mut unchecked, 2.0)] {
        phone.dial(DESK);
        desk.expect("CALL_INCOMING");
        desk.accept();
        phone.expect("CALL_ESTABLISHED");
        let before = (phone.heard().seconds(), desk.heard().seconds());
        wait::until_true("both hear each other", || {
            phone.heard().after(before.0).seconds_of(HIGH) >= 0.5 && desk.heard().after(before.1).seconds_of(LOW) >= 0.5
        });
        wait::until_true("ports are counted", || all - ports() == own_ports);
        phone.hang_up();
        desk.expect("CALL_CLOSED");
        phone.expect("CALL_CLOSED");
        wait::until_true("ports are free again", || all == ports());
    }
    // Called, it is not known to be checked, and has a port of its own.
    for (phone, user) in [(&mut checked, CHECKED), (&mut unchecked, "1014")] {
        desk.dial(user);
        phone.expect("CALL_INCOMING");
        phone.accept();
        desk.expect("CALL_ESTABLISHED");
        phone.until_heard(HIGH, 0.5);
        desk.hang_up();
        phone.expect("CALL_CLOSED");
        desk.expect("CALL_CLOSED");
    }
}
