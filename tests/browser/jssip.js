// A phone of JsSIP: `phone` in the page. What happens stands in `phone.log`, in the same words as the other one's.

import "./wire.js";
import JsSIP from "jssip";

const MEDIA = { mediaConstraints: { audio: true, video: false } };

class Phone {
    log = [];
    sessions = [];

    constructor({ url, user, host, password }) {
        this.host = host;
        this.ua = new JsSIP.UA({
            sockets: [new JsSIP.WebSocketInterface(url)],
            uri: `sip:${user}@${host}`,
            password,
            register_expires: 300,
        });
        this.ua.on("registered", () => this.say("REGISTERED"));
        this.ua.on("unregistered", () => this.say("UNREGISTERED"));
        this.ua.on("registrationFailed", ({ response, cause }) => this.say(`REGISTRATION FAILED ${response?.status_code ?? cause}`));
        this.ua.on("newRTCSession", ({ originator, session }) => {
            if (originator === "remote") this.say(`INCOMING ${session.remote_identity.uri.user}`);
            this.watch(session);
        });
        this.ua.start();
    }

    say(word) {
        this.log.push(word);
    }

    watch(session) {
        this.sessions.push(session);
        session.on("progress", ({ originator, response }) => originator === "remote" && this.say(`PROGRESS ${response.status_code}`));
        session.on("confirmed", () => this.say("UP"));
        session.on("ended", ({ originator }) => this.say(`ENDED BY ${originator}`));
        session.on("failed", ({ originator, message, cause }) =>
            this.say(originator === "remote" ? `FAILED ${message?.status_code ?? cause}` : `GIVEN UP`));
        session.on("newDTMF", ({ originator, dtmf }) =>
            originator === "local" && dtmf.on("succeeded", () => this.say(`PRESSED ${dtmf.tone}`)));
        session.on("hold", ({ originator }) => originator === "local" && this.say("HELD"));
        session.on("unhold", ({ originator }) => originator === "local" && this.say("RESUMED"));
    }

    get session() {
        return this.sessions.at(-1);
    }

    call(number) {
        this.ua.call(`sip:${number}@${this.host}`, MEDIA);
    }

    answer() {
        this.session.answer(MEDIA);
    }

    refuse(status_code) {
        this.session.terminate({ status_code });
    }

    hangUp() {
        this.session.terminate();
    }

    cancel() {
        this.session.terminate();
    }

    hold() {
        this.session.hold();
    }

    resume() {
        this.session.unhold();
    }

    press(digit) {
        this.session.sendDTMF(digit, { transportType: "INFO" });
    }

    // Blind to a number, or with the session before the last one in its place.
    refer(session, target, more) {
        const told = (word) => ({ response, request, status_line }) =>
            this.say(`${word} ${status_line?.status_code ?? response?.status_code ?? request?.body ?? ""}`.trim());
        session.refer(target, {
            ...more,
            eventHandlers: {
                requestSucceeded: () => this.say("REFERRED"),
                requestFailed: ({ cause }) => this.say(`REFER REFUSED ${cause}`),
                accepted: told("TRANSFERRED"),
                failed: told("NOT TRANSFERRED"),
            },
        });
    }

    transfer(number) {
        this.refer(this.session, `sip:${number}@${this.host}`, {});
    }

    join() {
        const [first, second] = this.sessions.slice(-2);
        this.refer(first, second.remote_identity.uri, { replaces: second });
    }

    leave() {
        this.ua.unregister();
    }
}

window.start = (setup) => (window.phone = new Phone(setup));
