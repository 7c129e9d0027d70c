"""A system that is told what happens, on http.server: it verifies as docs/webhooks.md says, by the very text that stands there.

webhook_receiver.py PORT DOCUMENT: prints a JSON line for each event before it answers. PUT /behave with
{"secret": ..., "mode": ..., "times": N} says how it behaves: `ok`; for N events `500`, `slow` (a second), `close` (no answer) or
`elsewhere` (a redirect), and `ok` after that; `poison` refuses events with that word in them.
"""

import json
import re
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PORT, DOCUMENT = int(sys.argv[1]), sys.argv[2]
STATE = {"secret": "", "mode": "ok", "times": 0}

with open(DOCUMENT, encoding="utf-8") as document:
    example = re.search(r"```python\n(.*?)```", document.read(), re.S).group(1)
namespace = {}
exec(example, namespace)
verify = namespace["verify"]


def say(**what):
    print(json.dumps(what), flush=True)


class Receiver(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def body(self):
        return self.rfile.read(int(self.headers.get("Content-Length", "0")))

    def answer(self, status, location=None):
        self.send_response(status)
        if location:
            self.send_header("Location", location)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_PUT(self):
        STATE.update(json.loads(self.body()))
        self.answer(204)

    def do_POST(self):
        body = self.body()
        if self.path == "/elsewhere":
            say(event="followed")
            return self.answer(200)
        event = json.loads(body)
        header = self.headers["Tandem-Signature"]
        good = verify(STATE["secret"], header, body)
        # What was changed on the way, comes late or is signed by somebody else is not believed.
        bad = (
            verify(STATE["secret"], header, body + b" ")
            or verify("other", header, body)
            or verify(STATE["secret"], header, body, now=time.time() + 3600)
            or verify(STATE["secret"], "", body)
        )
        mode = STATE["mode"]
        if mode in ("500", "slow", "close", "elsewhere"):
            STATE["times"] -= 1
            if STATE["times"] <= 0:
                STATE["mode"] = "ok"
        status = {"500": 500, "elsewhere": 307}.get(mode, 200)
        if mode == "poison" and b"poison" in body.lower():
            status = 400
        say(
            event="got",
            id=event["id"],
            seq=event["seq"],
            kind=event["kind"],
            body=event["body"],
            valid=good and not bad,
            same=(self.headers["Tandem-Id"], self.headers["Tandem-Kind"]) == (event["id"], event["kind"]),
            attempt=int(self.headers["Tandem-Attempt"]),
            status=0 if mode == "close" else status,
        )
        if mode == "slow":
            time.sleep(1)
        if mode == "close":
            self.close_connection = True
            return None
        return self.answer(status, f"http://127.0.0.1:{PORT}/elsewhere" if status == 307 else None)


class Server(ThreadingHTTPServer):
    request_queue_size = 64

    def handle_error(self, *_):
        # A switch that is killed leaves connections behind.
        pass


server = Server(("127.0.0.1", PORT), Receiver)
say(event="listening")
server.serve_forever()
