// The browser's own audio: DTLS-SRTP, ICE, codecs, and a microphone that plays a file. What a page hears is measured in
// it: `hears(hz)` is the share of the last 85 ms that has that tone.

const SAMPLES = 4096;
const ears = [];
window.connections = [];

const listen = (track) => {
    const stream = new MediaStream([track]);
    // Chromium decodes for a page's own processing only what is played, too.
    const speaker = new Audio();
    speaker.muted = true;
    speaker.srcObject = stream;
    void speaker.play();
    const context = new AudioContext();
    const analyser = new AnalyserNode(context, { fftSize: SAMPLES });
    context.createMediaStreamSource(stream).connect(analyser);
    ears.push({ context, analyser, speaker });
};

// Goertzel's algorithm over what came last.
window.hears = (hz) => {
    const ear = ears.at(-1);
    if (!ear) return 0;
    const samples = new Float32Array(SAMPLES);
    ear.analyser.getFloatTimeDomainData(samples);
    const turn = 2 * Math.cos((2 * Math.PI * hz) / ear.context.sampleRate);
    let [a, b, energy] = [0, 0, 0];
    for (const sample of samples) {
        [a, b] = [sample + turn * a - b, a];
        energy += sample * sample;
    }
    const power = ((a * a + b * b - turn * a * b) * 2) / SAMPLES;
    return energy < 0.01 ? 0 : power / energy;
};

const Real = window.RTCPeerConnection;
window.RTCPeerConnection = class extends Real {
    constructor(...of) {
        super(...of);
        window.connections.push(this);
        this.addEventListener("track", ({ track }) => listen(track));
    }
};

// The states of the newest connection, for a test that fails.
window.states = () => {
    const last = window.connections.at(-1);
    return last ? `${last.iceConnectionState} ${last.connectionState} ${last.signalingState}` : "none";
};

// A tone is noise to whoever cleans speech.
const asked = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.getUserMedia = () =>
    asked({ audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false } });
