// A phone of SIP.js: `phone` in the page. What happens stands in `phone.log`, in the same words as the other one's.

import "./plain-rtp.js";
import "./wire.js";
import { Inviter, Registerer, RegistererState, SessionState, UserAgent } from "sip.js";

class Phone {
    log = [];
    sessions = [];

    constructor({ url, user, host, password }) {
        this.host = host;
        this.ua = new UserAgent({
            uri: UserAgent.makeURI(`sip:${user}@${host}`),
            transportOptions: { server: url },
            authorizationUsername: user,
            authorizationPassword: password,
            logBuiltinEnabled: false,
            delegate: {
                onInvite: (invitation) => {
                    this.say(`INCOMING ${invitation.remoteIdentity.uri.user}`);
                    this.watch(invitation);
                    invitation.delegate = {
                        ...invitation.delegate,
                        // The other side gave up before we said anything.
                        onCancel: () => this.say("FAILED Canceled"),
                    };
                },
            },
        });
        this.registerer = new Registerer(this.ua, { expires: 300 });
        this.registerer.stateChange.addListener((state) => {
            if (state === RegistererState.Registered) this.say("REGISTERED");
            if (state === RegistererState.Unregistered) this.say("UNREGISTERED");
        });
        const onReject = ({ message }) => this.say(`REGISTRATION FAILED ${message.statusCode}`);
        this.ua.start().then(() => this.registerer.register({ requestDelegate: { onReject } }));
    }

    say(word) {
        this.log.push(word);
    }

    watch(session) {
        this.sessions.push(session);
        session.ours = false;
        session.delegate = { onBye: (bye) => (bye.accept(), this.say("ENDED BY remote")) };
        session.stateChange.addListener((state) => {
            if (state === SessionState.Established) this.say("UP");
            if (state === SessionState.Terminated && session.ours) this.say("ENDED BY local");
        });
    }

    get session() {
        return this.sessions.at(-1);
    }

    call(number) {
        const inviter = new Inviter(this.ua, UserAgent.makeURI(`sip:${number}@${this.host}`));
        this.watch(inviter);
        const requestDelegate = {
            onProgress: ({ message }) => this.say(`PROGRESS ${message.statusCode}`),
            onReject: ({ message }) => this.say(inviter.given ? "GIVEN UP" : `FAILED ${message.statusCode}`),
        };
        inviter.invite({ requestDelegate });
    }

    answer() {
        this.session.accept();
    }

    refuse(statusCode) {
        this.session.reject({ statusCode });
    }

    hangUp() {
        this.session.ours = true;
        this.session.bye();
    }

    cancel() {
        this.session.given = true;
        this.session.cancel();
    }

    #renew(hold, word) {
        const requestDelegate = { onAccept: () => this.say(word), onReject: ({ message }) => this.say(`${word} ${message.statusCode}`) };
        this.session.invite({ sessionDescriptionHandlerOptions: { hold }, requestDelegate });
    }

    hold() {
        this.#renew(true, "HELD");
    }

    resume() {
        this.#renew(false, "RESUMED");
    }

    press(digit) {
        const body = { contentDisposition: "render", contentType: "application/dtmf-relay", content: `Signal=${digit}\r\nDuration=160` };
        const onAccept = () => this.say(`PRESSED ${digit}`);
        const onReject = ({ message }) => this.say(`PRESS REFUSED ${message.statusCode}`);
        this.session.info({ requestOptions: { body }, requestDelegate: { onAccept, onReject } });
    }

    // Blind to a number, or to the party of another session, whose place it takes.
    refer(session, target) {
        session.refer(target, {
            requestDelegate: {
                onAccept: () => this.say("REFERRED"),
                onReject: ({ message }) => this.say(`REFER REFUSED ${message.statusCode}`),
            },
            onNotify: (notification) => {
                notification.accept();
                const code = Number(/^SIP\/2\.0 (\d+)/.exec(notification.request.body)?.[1]);
                if (code >= 200) this.say(`${code < 300 ? "TRANSFERRED" : "NOT TRANSFERRED"} ${code}`);
            },
        });
    }

    transfer(number) {
        this.refer(this.session, UserAgent.makeURI(`sip:${number}@${this.host}`));
    }

    join() {
        const [first, second] = this.sessions.slice(-2);
        this.refer(first, second);
    }

    leave() {
        this.registerer.unregister();
    }
}

window.start = (setup) => (window.phone = new Phone(setup));
