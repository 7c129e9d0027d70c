"""A service that a switch asks what to do, on Python's own HTTP server. The path says how it behaves.

decider.py PORT [CERTIFICATE KEY]: prints a JSON line for all that it is asked.
"""

import json
import socket
import ssl
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

lock = threading.Lock()
connections = 0


def say(**what):
    with lock:
        print(json.dumps(what), flush=True)


class Decider(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def setup(self):
        global connections
        with lock:
            self.number, connections = connections, connections + 1
        super().setup()

    def log_message(self, *_):
        pass

    def answer(self, body, status=200, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        say(event="followed", path=self.path)
        self.answer(b"{\"answer\":\"gold\"}")

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        say(
            event="asked",
            path=self.path,
            body=body,
            connection=self.number,
            authorization=self.headers.get("Authorization"),
            type=self.headers.get("Content-Type"),
        )
        how = self.path.strip("/")
        if how == "gold":
            self.answer(json.dumps({"answer": "gold", "values": {"language": "it", "contact": "1012", "other": 7}}).encode())
        elif how == "slow":
            time.sleep(4)
            self.answer(b"{\"answer\":\"gold\"}")
        elif how == "slow-body":
            self.send_response(200)
            self.send_header("Content-Length", "17")
            self.end_headers()
            self.wfile.write(b"{\"answer\"")
            time.sleep(4)
        elif how == "broken":
            self.answer(b"{\"answer\":\"gold\"}", 500)
        elif how == "elsewhere":
            self.answer(b"", 302, Location="/gold")
        elif how == "garbage":
            self.answer(b"<html>gold</html>")
        elif how == "large":
            self.answer(b"{\"answer\":\"gold\",\"more\":\"" + b"x" * 9000 + b"\"}")
        elif how == "other-word":
            self.answer(b"{\"answer\":\"platinum\"}")
        elif how == "no-text":
            self.answer(b"{\"answer\":\"gold\",\"values\":{\"contact\":1012}}")
        elif how == "rude":
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)


server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Decider)
server.daemon_threads = True
# Whoever does not wait for a slow answer is no error.
server.handle_error = lambda *_: None
if len(sys.argv) > 3:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[2], sys.argv[3])
    server.socket = context.wrap_socket(server.socket, server_side=True)
say(event="listening")
server.serve_forever()
