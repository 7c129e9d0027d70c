//! Calls that go on over `kill -9` of phones that are behind a connection of their own, and calls on hold.

use tandem_tests::{
    browser::{Account, Browser, Library, WebRtcPhone},
    phone::Phone,
    switch::Switch,
    wait,
};

use crate::{
    TEAM, prompt, states,
    survive::{HIGH, LOW, hear, kill_and_start},
    tells, with_plain_pages,
};

/// The extension of the phone with the connection, and of the one at the other end.
const OURS: &str = "1011";
const DESK: &str = "1012";

/// A phone over a connection that talks with one over UDP.
fn talking(switch: &Switch, transport: &'static str) -> [Phone; 2] {
    let mut ours = Phone::of(switch, OURS).over(transport).hz(LOW).start(switch);
    let desk = Phone::of(switch, DESK).hz(HIGH).answers().start(switch);
    ours.dial(DESK);
    ours.expect("CALL_ESTABLISHED");
    let pair = [ours, desk];
    hear(&pair);
    pair
}

#[test]
fn a_phone_over_tcp_talks_on_holds_and_is_hung_up() {
    talks_on_holds_and_is_hung_up("tcp");
}

#[test]
fn a_phone_over_tls_talks_on_holds_and_is_hung_up() {
    talks_on_holds_and_is_hung_up("tls");
}

/// The first request after the restart is the phone's own, by a new connection; what the switch has to say goes by that.
fn talks_on_holds_and_is_hung_up(transport: &'static str) {
    let mut switch = Switch::with_plan(TEAM);
    let mut pair = talking(&switch, transport);
    kill_and_start(&mut switch);
    assert_eq!((switch.metric("tandem_calls_taken_up"), switch.metric("tandem_calls_not_taken_up")), (1.0, 0.0));
    // On the same ports: nobody has said a word to the phones.
    hear(&pair);
    let [ours, desk] = &mut pair;
    ours.hold();
    switch.until_call(OURS, "hold");
    let before = desk.heard().seconds();
    let music = prompt("music/hold");
    wait::until_true("the held one hears music", || desk.heard().after(before).contains(&music));
    // Held over a second kill: the music plays again, and it is the phone that takes the call back.
    kill_and_start(&mut switch);
    switch.until_call(OURS, "hold");
    let before = desk.heard().seconds();
    wait::until_true("the held one hears music again", || desk.heard().after(before).contains(&music));
    ours.resume();
    switch.until_call(OURS, "talking");
    let before = desk.heard().seconds();
    wait::until_true("the held one hears the other again", || desk.heard().after(before).seconds_of(LOW) >= 0.5);
    desk.hang_up();
    ours.expect("CALL_CLOSED");
    let record = switch.until_cdr(OURS);
    tells(&record, &[("answered_by", DESK), ("cause", "normal"), ("blame", "callee")]);
    assert_eq!(record["restarts"], 2, "{record}");
    assert!(states(&record).contains(&"hold"), "{record}");
}

#[test]
fn who_is_called_over_tcp_hears_at_once_that_it_is_over() {
    let mut switch = Switch::with_plan(TEAM);
    let ours = Phone::of(&switch, OURS).over("tcp").hz(HIGH).answers().start(&switch);
    let mut desk = Phone::of(&switch, DESK).hz(LOW).start(&switch);
    desk.dial(OURS);
    desk.expect("CALL_ESTABLISHED");
    let mut pair = [desk, ours];
    hear(&pair);
    kill_and_start(&mut switch);
    hear(&pair);
    let [desk, ours] = &mut pair;
    // The phone has said nothing since the kill, and registers anew in minutes only.
    desk.hang_up();
    ours.expect("CALL_CLOSED");
    tells(&switch.until_cdr(DESK), &[("answered_by", OURS), ("cause", "normal"), ("blame", "caller")]);
}

#[test]
fn a_phone_over_tcp_that_hangs_up_by_a_new_connection_ends_the_call() {
    let mut switch = Switch::with_plan(TEAM);
    let mut pair = talking(&switch, "tcp");
    kill_and_start(&mut switch);
    pair[0].hang_up();
    pair[1].expect("CALL_CLOSED");
    tells(&switch.until_cdr(OURS), &[("answered_by", DESK), ("cause", "normal"), ("blame", "caller")]);
    assert!(switch.calls().is_empty());
}

#[test]
fn a_phone_over_udp_that_held_at_the_kill_resumes() {
    let mut switch = Switch::with_plan(TEAM);
    let mut ours = Phone::of(&switch, OURS).hz(LOW).start(&switch);
    let mut desk = Phone::of(&switch, DESK).hz(HIGH).answers().start(&switch);
    ours.dial(DESK);
    ours.expect("CALL_ESTABLISHED");
    // The one that was called holds.
    desk.hold();
    switch.until_call(OURS, "hold");
    kill_and_start(&mut switch);
    switch.until_call(OURS, "hold");
    let (before, music) = (ours.heard().seconds(), prompt("music/hold"));
    wait::until_true("the held one hears music", || ours.heard().after(before).contains(&music));
    desk.resume();
    switch.until_call(OURS, "talking");
    let before = ours.heard().seconds();
    wait::until_true("the held one hears the other again", || ours.heard().after(before).seconds_of(HIGH) >= 0.5);
    ours.hang_up();
    desk.expect("CALL_CLOSED");
}

#[test]
fn a_page_over_wss_talks_on_holds_and_is_hung_up() {
    page_talks_on(|host| format!("wss://{host}:8443/sip"));
}

#[test]
fn a_page_over_ws_talks_on_holds_and_is_hung_up() {
    page_talks_on(|host| format!("ws://{host}:8080/sip"));
}

/// A page opens its connection and registers anew by itself; nobody could dial it.
fn page_talks_on(url: impl Fn(&str) -> String) {
    let mut switch = Switch::with_plan(&with_plain_pages());
    let browser = Browser::start(&switch);
    let host = switch.sip.ip().to_string();
    let account = Account { url: url(&host), host, user: OURS.to_owned(), password: switch.password(OURS) };
    let mut page = browser.phone_of(&account, switch.ground.device(), Library::JsSip);
    let mut desk = Phone::of(&switch, DESK).hz(LOW).answers().start(&switch);
    page.does(&format!("call('{DESK}')"));
    page.until("UP");
    desk.until_heard(LOW, 0.5);
    page.does("hold()");
    page.until("HELD");
    switch.until_call(OURS, "hold");
    kill_and_start(&mut switch);
    switch.until_call(OURS, "hold");
    page.until("REGISTERED");
    page.does("resume()");
    page.until("RESUMED");
    switch.until_call(OURS, "talking");
    hears_itself(&desk);
    kill_and_start(&mut switch);
    hears_itself(&desk);
    // Before the page is back: the news waits for it.
    desk.hang_up();
    page.until("ENDED BY remote");
    tells(&switch.until_cdr(OURS), &[("answered_by", DESK), ("cause", "normal"), ("blame", "callee")]);
    hangs_up(&mut switch, &mut page, &mut desk);
}

/// The page sends back what it hears.
fn hears_itself(desk: &Phone) {
    let before = desk.heard().seconds();
    wait::until_true("the desk phone hears itself", || desk.heard().after(before).seconds_of(LOW) >= 0.5);
}

/// Another call, which the page ends after one more restart.
fn hangs_up(switch: &mut Switch, page: &mut WebRtcPhone, desk: &mut Phone) {
    page.does(&format!("call('{DESK}')"));
    page.until("UP");
    hears_itself(desk);
    kill_and_start(switch);
    page.until("REGISTERED");
    page.does("hangUp()");
    page.until("ENDED BY local");
    desk.expect("CALL_CLOSED");
    desk.expect("CALL_CLOSED");
    tells(&switch.until_cdrs(&format!("number={OURS}"), 2)[0], &[("cause", "normal"), ("blame", "caller")]);
}
