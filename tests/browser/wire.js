// Keeps what goes by WebSockets in `window.wire`, so that a test that fails can show it.

window.wire = [];
const keep = (way, text) => {
    window.wire.push(`${way} ${text}`);
    if (window.wire.length > 30) window.wire.shift();
};

window.WebSocket = class extends WebSocket {
    constructor(...of) {
        super(...of);
        this.addEventListener("message", async ({ data }) => keep("<", data instanceof Blob ? await data.text() : data));
    }

    send(data) {
        keep(">", data);
        super.send(data);
    }
};
