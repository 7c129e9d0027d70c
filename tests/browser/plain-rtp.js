// The browser's audio left out, for tests of signalling: an RTCPeerConnection whose audio is plain RTP (RTP/AVP, no
// DTLS-SRTP, no ICE), sent and received by somebody else at the address in `window.audio`. Libraries see the interface
// that they know and are not changed.

const FORMATS = [
    { name: "PCMU/8000", type: 0 },
    { name: "telephone-event/8000", type: 101, more: "0-15" },
];
const REVERSE = { sendrecv: "sendrecv", sendonly: "recvonly", recvonly: "sendonly", inactive: "inactive" };

const directionOf = (sdp) => /^a=(sendrecv|sendonly|recvonly|inactive)\r?$/m.exec(sdp)?.[1] ?? "sendrecv";

// What both want of what was offered: each direction needs a sender and a receiver.
const both = (wanted, offered) => {
    const theirs = REVERSE[offered];
    const sends = wanted.includes("send") && theirs.includes("send");
    const receives = /recv/.test(wanted) && /recv/.test(theirs);
    return sends && receives ? "sendrecv" : sends ? "sendonly" : receives ? "recvonly" : "inactive";
};

class Transceiver {
    constructor(track, direction) {
        this.mid = "0";
        this.direction = direction;
        this.currentDirection = null;
        this.stopped = false;
        this.sender = { track, dtmf: null, replaceTrack: async (next) => (this.sender.track = next) };
        this.receiver = { track };
    }
}

class PlainPeerConnection extends EventTarget {
    #version = 0;
    #audio = new Transceiver(null, "sendrecv");
    #used = false;

    signalingState = "stable";
    iceGatheringState = "complete";
    iceConnectionState = "connected";
    connectionState = "connected";
    localDescription = null;
    remoteDescription = null;

    addTrack(track) {
        this.#audio.sender.track = track;
        this.#audio.receiver.track = track;
        this.#used = true;
        return this.#audio.sender;
    }

    getTransceivers() {
        return this.#used ? [this.#audio] : [];
    }

    getSenders() {
        return this.getTransceivers().map((one) => one.sender);
    }

    getReceivers() {
        return this.getTransceivers().map((one) => one.receiver);
    }

    #describe(direction, formats) {
        this.#version += 1;
        const { ip, port } = window.audio;
        const lines = formats.flatMap(({ name, type, more }) => [
            `a=rtpmap:${type} ${name}`,
            ...(more ? [`a=fmtp:${type} ${more}`] : []),
        ]);
        const types = formats.map(({ type }) => type).join(" ");
        return [
            "v=0", `o=- 7 ${this.#version} IN IP4 ${ip}`, "s=-", `c=IN IP4 ${ip}`, "t=0 0",
            `m=audio ${port} RTP/AVP ${types}`, ...lines, `a=${direction}`, "",
        ].join("\r\n");
    }

    async createOffer() {
        return { type: "offer", sdp: this.#describe(this.#audio.direction, FORMATS) };
    }

    async createAnswer() {
        const offer = this.remoteDescription.sdp;
        const offered = (/^m=audio \d+ RTP\/AVP ([\d ]+)/m.exec(offer)?.[1] ?? "").trim().split(" ");
        const numbers = new Map([...offer.matchAll(/^a=rtpmap:(\d+) (\S+?)\r?$/gm)].map(([, type, name]) => [name, type]));
        const formats = FORMATS.map((one) => ({ ...one, type: numbers.get(one.name) ?? String(one.type) }));
        const common = formats.filter(({ type }) => offered.includes(type));
        if (common.length === 0) throw new Error("no common audio format");
        return { type: "answer", sdp: this.#describe(both(this.#audio.direction, directionOf(offer)), common) };
    }

    async setLocalDescription({ type, sdp }) {
        this.#step(type, "have-local-offer", "have-remote-offer");
        this.localDescription = { type, sdp };
    }

    async setRemoteDescription({ type, sdp }) {
        this.#step(type, "have-remote-offer", "have-local-offer");
        if (!/^m=audio [1-9]\d* RTP\/AVP /m.test(sdp)) throw new Error(`no plain audio in ${sdp}`);
        this.remoteDescription = { type, sdp };
    }

    // Offers and answers take turns (RFC 3264 section 4): whoever gets out of step hears so.
    #step(type, offered, answers) {
        const wanted = type === "offer" ? "stable" : answers;
        if (this.signalingState !== wanted) throw new DOMException(`${type} in ${this.signalingState}`, "InvalidStateError");
        this.signalingState = type === "offer" ? offered : "stable";
    }

    close() {
        this.signalingState = "closed";
        this.connectionState = "closed";
    }
}

window.RTCPeerConnection = PlainPeerConnection;
