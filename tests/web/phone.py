#!/usr/bin/env python3
"""A phone over WebSocket (RFC 7118), by a library that is not ours: registers with digest, asks OPTIONS, makes a call.

    phone.py URL USER PASSWORD NUMBER CODE [CA]    a call to NUMBER that must be answered with CODE
    phone.py URL USER PASSWORD ["" "" CA]           registers, prints REGISTERED, answers one call, prints what ended it

Prints a line for each step; the exit status is 0 when all went as it should.
"""
import asyncio
import hashlib
import re
import secrets
import ssl
import sys

import websockets

LIMIT_S = 20
SDP = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    "m=audio 40000 RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\n"
)
# As browsers do: a name that nobody can resolve (RFC 7118 section 5).
HOST = "df7jal23ls0d.invalid"


def md5(text):
    return hashlib.md5(text.encode()).hexdigest()


class Phone:
    def __init__(self, socket, secure, realm, user, password):
        self.socket, self.realm, self.user, self.password = socket, realm, user, password
        self.via = "WSS" if secure else "WS"
        self.contact = f"<sip:{user}@{HOST};transport=ws>"
        self.cseq = 0
        self.tag = self.fresh("t")

    @staticmethod
    def fresh(word):
        return word + secrets.token_hex(8)

    def request(self, method, uri, to, call, more=(), body="", to_tag="", branch=None, cseq=None):
        if cseq is None:
            self.cseq += 1
            cseq = self.cseq
        lines = [
            f"{method} {uri} SIP/2.0",
            f"Via: SIP/2.0/{self.via} {HOST};branch={branch or self.fresh('z9hG4bK')}",
            "Max-Forwards: 70",
            f"From: <sip:{self.user}@{self.realm}>;tag={self.tag}",
            f"To: <{to}>{to_tag}",
            f"Call-ID: {call}",
            f"CSeq: {cseq} {method}",
            f"Contact: {self.contact}",
            *more,
        ]
        if body:
            lines.append("Content-Type: application/sdp")
        # Without Content-Length: a WebSocket message is a SIP message (RFC 7118 section 5.1).
        return "\r\n".join(lines) + "\r\n\r\n" + body

    async def hear(self):
        text = await asyncio.wait_for(self.socket.recv(), LIMIT_S)
        return text if isinstance(text, str) else text.decode()

    async def final(self, method):
        while True:
            text = await self.hear()
            status = re.match(r"SIP/2\.0 (\d+)", text)
            if status and re.search(rf"CSeq: \d+ {method}\r", text) and int(status[1]) >= 200:
                return int(status[1]), text

    def credentials(self, challenge, method, uri):
        for line in re.findall(r"WWW-Authenticate: (.*)\r", challenge):
            fields = dict(re.findall(r'(\w+)="?([^",]*)"?', line))
            if fields.get("algorithm", "MD5") == "MD5":
                break
        ha1 = md5(f"{self.user}:{fields['realm']}:{self.password}")
        ha2 = md5(f"{method}:{uri}")
        answer = md5(f"{ha1}:{fields['nonce']}:00000001:c:auth:{ha2}")
        return (
            f'Authorization: Digest username="{self.user}", realm="{fields["realm"]}", nonce="{fields["nonce"]}", '
            f'uri="{uri}", response="{answer}", algorithm=MD5, cnonce="c", qop=auth, nc=00000001'
        )

    async def proved(self, method, uri, to, call, more=(), body="", binary=False):
        """Asks without and with credentials; the final answer, and the CSeq of the second request."""
        text = self.request(method, uri, to, call, more, body)
        await self.socket.send(text.encode() if binary else text)
        code, challenge = await self.final(method)
        assert code == 401, challenge
        if method == "INVITE":
            await self.ack(challenge, uri, to, call)
        proof = self.credentials(challenge, method, uri)
        await self.socket.send(self.request(method, uri, to, call, [*more, proof], body))
        return await self.final(method)

    async def ack(self, answer, uri, to, call):
        """Of a refusal by its branch, of a 200 by a new one."""
        tag = re.search(r"To: .*(;tag=\S+)\r", answer)[1]
        number = re.search(r"CSeq: (\d+)", answer)[1]
        refused = not answer.startswith("SIP/2.0 2")
        branch = re.search(r"branch=([^;\s]+)", answer)[1] if refused else None
        await self.socket.send(self.request("ACK", uri, to, call, to_tag=tag, branch=branch, cseq=number))

    def reply(self, request, code, more=(), body=""):
        lines = [f"SIP/2.0 {code} x"]
        lines += re.findall(r"((?:Via|From|Call-ID|CSeq): .*)\r", request)
        to = re.search(r"(To: .*)\r", request)[1]
        lines.append(to if ";tag=" in to else f"{to};tag=theirs")
        lines += more
        if body:
            lines.append("Content-Type: application/sdp")
        return "\r\n".join(lines) + "\r\n\r\n" + body

    async def register(self):
        more = [
            'Expires: 300',
            'Supported: path, outbound',
        ]
        self.contact = (
            f'<sip:{self.user}@{HOST};transport=ws;ob>;reg-id=1;+sip.instance="<urn:uuid:00000000-0000-1000-8000-{self.user:0>12}>"'
        )
        code, answer = await self.proved("REGISTER", f"sip:{self.realm}", f"sip:{self.user}@{self.realm}", self.fresh("r"), more, binary=True)
        self.contact = f"<sip:{self.user}@{HOST};transport=ws;ob>"
        assert code == 200 and HOST in answer, answer
        assert re.search(r"Require: .*outbound", answer) and "Flow-Timer:" in answer, answer
        print("REGISTERED", flush=True)

    async def keep_alive(self):
        await self.socket.send("\r\n\r\n")
        assert await self.hear() == "\r\n"
        await asyncio.wait_for(await self.socket.ping(), LIMIT_S)
        print("KEPT ALIVE", flush=True)

    async def call(self, number, wanted):
        uri, call = f"sip:{number}@{self.realm}", self.fresh("c")
        code, answer = await self.proved("INVITE", uri, uri, call, body=SDP)
        assert code == wanted, answer
        if code < 300:
            target = re.search(r"Contact: <(.*)>", answer)[1]
            assert "transport=ws" in target and "m=audio" in answer, answer
            await self.ack(answer, target, uri, call)
            tag = re.search(r"To: .*(;tag=\S+)\r", answer)[1]
            await self.socket.send(self.request("BYE", target, uri, call, to_tag=tag))
            assert (await self.final("BYE"))[0] == 200
        else:
            await self.ack(answer, uri, uri, call)
        print("CALLED", code, flush=True)

    async def answer_one(self):
        """Answers a call, and says so when the other side ends it."""
        while True:
            text = await self.hear()
            method = text.split(" ", 1)[0]
            if method == "INVITE":
                assert f"Via: SIP/2.0/{self.via} " in text and f"INVITE sip:{self.user}@{HOST};transport=ws;ob " in text, text
                await self.socket.send(self.reply(text, 180, [f"Contact: {self.contact}"]))
                await self.socket.send(self.reply(text, 200, [f"Contact: {self.contact}"], SDP))
            elif method == "ACK":
                print("ANSWERED", flush=True)
            elif method == "BYE":
                await self.socket.send(self.reply(text, 200))
                print("ENDED", flush=True)
                return


async def main(url, user, password, number=None, code="200", authority=None):
    secure = url.startswith("wss:")
    context = ssl.create_default_context(cafile=authority) if secure else None
    async with websockets.connect(url, subprotocols=["sip"], ssl=context, open_timeout=LIMIT_S) as socket:
        assert socket.subprotocol == "sip"
        phone = Phone(socket, secure, "tandem", user, password)
        await socket.send(phone.request("OPTIONS", "sip:tandem", "sip:tandem", phone.fresh("o")))
        assert (await phone.final("OPTIONS"))[0] == 200
        await phone.register()
        await phone.keep_alive()
        if not number:
            await phone.answer_one()
        else:
            await phone.call(number, int(code))


asyncio.run(main(*sys.argv[1:]))
