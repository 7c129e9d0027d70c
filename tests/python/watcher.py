#!/usr/bin/env python3
"""A SIP user agent of its own for tests: watches somebody (SUBSCRIBE), or sends a text (MESSAGE).

It shares no code with the switch. One socket, UDP, digest with MD5 (RFC 3261, 2617). Each NOTIFY is answered
and written to stdout as one line of JSON; `text` ends with the code of the final reply.

    watcher.py watch SWITCH OWN USER PASSWORD EVENT NUMBER
    watcher.py text  SWITCH OWN USER PASSWORD NUMBER TEXT
"""

import hashlib
import json
import re
import socket
import sys
import uuid


def md5(text):
    return hashlib.md5(text.encode()).hexdigest()


class Agent:
    def __init__(self, switch, own, user, password):
        host, port = switch.rsplit(":", 1)
        self.switch, self.host = (host, int(port)), host
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((own, 0))
        self.socket.settimeout(30)
        self.own = "%s:%d" % self.socket.getsockname()
        self.user, self.password = user, password
        self.call_id, self.tag, self.cseq = uuid.uuid4().hex, uuid.uuid4().hex[:8], 0

    def request(self, method, number, more, body=""):
        self.cseq += 1
        uri = f"sip:{number}@{self.host}"
        lines = [
            f"{method} {uri} SIP/2.0",
            f"Via: SIP/2.0/UDP {self.own};branch=z9hG4bK{uuid.uuid4().hex};rport",
            "Max-Forwards: 70",
            f"From: <sip:{self.user}@{self.host}>;tag={self.tag}",
            f"To: <{uri}>",
            f"Call-ID: {self.call_id}",
            f"CSeq: {self.cseq} {method}",
            *more,
            f"Content-Length: {len(body.encode())}",
        ]
        self.socket.sendto(("\r\n".join(lines) + "\r\n\r\n" + body).encode(), self.switch)
        return uri

    def hear(self):
        text = self.socket.recv(65535).decode()
        head, _, body = text.partition("\r\n\r\n")
        first, *lines = head.split("\r\n")
        headers = [tuple(part.strip() for part in line.split(":", 1)) for line in lines]
        return first, headers, body

    def final(self, method):
        """The final reply to the last request; what else comes is answered on the way."""
        while True:
            first, headers, body = self.hear()
            if not first.startswith("SIP/2.0"):
                self.answer(first, headers, body)
            elif value(headers, "CSeq") == f"{self.cseq} {method}" and not first.startswith("SIP/2.0 1"):
                return int(first.split()[1]), headers

    def proved(self, method, number, more, body=""):
        """Sends a request, and again with what the challenge asks for."""
        uri = self.request(method, number, more, body)
        code, headers = self.final(method)
        if code != 401:
            return code
        challenge = next(v for n, v in headers if n == "WWW-Authenticate" and "MD5" in v)
        get = dict(re.findall(r'(\w+)="?([^",]+)"?', challenge))
        ha1, ha2 = md5(f"{self.user}:{get['realm']}:{self.password}"), md5(f"{method}:{uri}")
        response = md5(f"{ha1}:{get['nonce']}:00000001:0a4f113b:auth:{ha2}")
        credentials = (
            f'Authorization: Digest username="{self.user}", realm="{get["realm"]}", nonce="{get["nonce"]}", uri="{uri}", '
            f'response="{response}", algorithm=MD5, qop=auth, nc=00000001, cnonce="0a4f113b"'
        )
        self.request(method, number, [*more, credentials], body)
        return self.final(method)[0]

    def answer(self, first, headers, body):
        copied = [f"{n}: {v}" for n, v in headers if n in ("Via", "From", "To", "Call-ID", "CSeq")]
        reply = "\r\n".join(["SIP/2.0 200 OK", *copied, "Content-Length: 0"]) + "\r\n\r\n"
        self.socket.sendto(reply.encode(), self.switch)
        if first.startswith("NOTIFY "):
            told = {"event": value(headers, "Event"), "state": value(headers, "Subscription-State"), "body": body}
            print(json.dumps({**told, "cseq": int(value(headers, "CSeq").split()[0])}), flush=True)


def value(headers, name):
    return next((v for n, v in headers if n.lower() == name.lower()), "")


def main():
    what, switch, own, user, password, *rest = sys.argv[1:]
    agent = Agent(switch, own, user, password)
    if what == "text":
        number, text = rest
        print(agent.proved("MESSAGE", number, ["Content-Type: text/plain;charset=UTF-8"], text), flush=True)
        return
    event, number = rest
    code = agent.proved("SUBSCRIBE", number, [f"Event: {event}", f"Contact: <sip:{user}@{agent.own}>", "Expires: 600"])
    if code != 200:
        sys.exit(f"SUBSCRIBE: {code}")
    agent.socket.settimeout(None)
    while True:
        first, headers, body = agent.hear()
        if not first.startswith("SIP/2.0"):
            agent.answer(first, headers, body)


main()
