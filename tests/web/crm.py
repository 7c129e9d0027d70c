"""A CRM that is asked about numbers, on http.server.

crm.py PORT: GET /by?phone=NUMBER tells of whoever has +390230412345, and of nobody else; POST /by the same. PUT /behave with
{"delay": SECONDS, "status": 200} says how. Prints a JSON line for each question.
"""

import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

PORT = int(sys.argv[1])
STATE = {"delay": 0, "status": 200}
ADA = {"contact": {"name": "Ada Lovelace", "tier": "gold"}, "orders": 3}


def say(**what):
    print(json.dumps(what), flush=True)


class Crm(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def body(self):
        return self.rfile.read(int(self.headers.get("Content-Length", "0")))

    def answer(self, status, value=None):
        text = b"" if value is None else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def tell(self, number):
        say(event="asked", number=number, token=self.headers.get("Authorization"), method=self.command)
        time.sleep(STATE["delay"])
        if STATE["status"] != 200:
            return self.answer(STATE["status"])
        return self.answer(200, ADA) if number == "+390230412345" else self.answer(404)

    def do_GET(self):
        self.tell(parse_qs(urlsplit(self.path).query)["phone"][0])

    def do_POST(self):
        self.tell(json.loads(self.body())["number"])

    def do_PUT(self):
        STATE.update(json.loads(self.body()))
        self.answer(204)


class Server(ThreadingHTTPServer):
    def handle_error(self, *_):
        # A switch that does not wait leaves connections behind.
        pass


server = Server(("127.0.0.1", PORT), Crm)
say(event="listening")
server.serve_forever()
