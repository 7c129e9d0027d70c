#!/usr/bin/env python3
"""CPU per call by the caller's way in: UDP, TCP, TLS or WSS; the callee's leg is UDP, and calls hang up at once.  See README.
All calls of a run share one connection, as those of a carrier do; its opening is not counted."""
import argparse, base64, json, os, socket, ssl, struct, time
import procstat as ps
import siplib as S

a = argparse.ArgumentParser()
a.add_argument("target", help="IP:PORT of the way")
a.add_argument("--way", choices=["udp", "tcp", "tls", "wss"], required=True)
a.add_argument("--pid", type=int, nargs="*", default=[])
a.add_argument("--service", default="1000")
a.add_argument("--rate", type=float, default=300)
a.add_argument("--secs", type=float, default=10)
a.add_argument("--runs", type=int, default=1)
a.add_argument("--uac", default="127.0.0.2:5070")
a.add_argument("--uas", default="127.0.0.3:5090")
a.add_argument("--core", default="1")
a.add_argument("--drain", type=float, default=5)
A = a.parse_args()
os.sched_setaffinity(0, {int(A.core)})


class Stream(S.Agent):
    """A caller on one connection to the switch."""

    def __init__(s, ip, port, way, target):
        super().__init__(ip, port)
        s.sk.close()
        s.way, s.rest, s.frames = way, b"", b""
        s.sk = socket.create_connection(target, timeout=5, source_address=(ip, 0))
        s.sk.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if way in ("tls", "wss"):
            trusting = ssl.create_default_context()
            # The switch's own certificate, on loopback: what encryption costs is measured, not whom it is with.
            trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
            s.sk = trusting.wrap_socket(s.sk)
        if way == "wss":
            s.upgrade()
        s.sk.setblocking(False)

    def upgrade(s):
        key = base64.b64encode(os.urandom(16)).decode()
        s.sk.sendall((f"GET /sip HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                      f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Protocol: sip\r\n\r\n").encode())
        seen = b""
        while b"\r\n\r\n" not in seen:
            piece = s.sk.recv(4096)
            if not piece:
                raise SystemExit(f"no WebSocket: {seen[:80]!r}")
            seen += piece
        if b" 101 " not in seen.split(b"\r\n")[0]:
            raise SystemExit(f"no WebSocket: {seen.split(chr(13).encode())[0]!r}")
        s.frames = seen.split(b"\r\n\r\n", 1)[1]

    def send(s, text, _):
        data = text.replace("SIP/2.0/UDP", "SIP/2.0/" + s.way.upper()).encode()
        if s.way == "wss":
            # A mask of zeros is a mask (RFC 6455 section 5.3); unpredictable ones protect proxies, and there is none here.
            size = struct.pack("!B", 0x80 | len(data)) if len(data) < 126 else struct.pack("!BH", 0x80 | 126, len(data))
            data = b"\x81" + size + bytes(4) + data
        s.sk.setblocking(True)
        s.sk.sendall(data)
        s.sk.setblocking(False)

    def arm(s, c):
        """Nothing is repeated where nothing is lost."""

    def poll(s, budget=400):
        while True:
            try:
                piece = s.sk.recv(65536)
            except (BlockingIOError, ssl.SSLWantReadError):
                break
            if not piece:
                raise SystemExit("the switch closed the connection")
            if s.way == "wss":
                s.frames += piece
            else:
                s.rest += piece
        messages = s.unframed() if s.way == "wss" else s.split()
        for message in messages:
            s._recv(message, (s.ip, s.port))

    def split(s):
        while b"\r\n\r\n" in s.rest:
            s.rest = s.rest.lstrip(b"\r\n")
            end = s.rest.find(b"\r\n\r\n") + 4
            lengths = [line.split(b":")[1] for line in s.rest[:end].split(b"\r\n") if line.lower().startswith(b"content-length:")]
            end += int(lengths[0]) if lengths else 0
            if len(s.rest) < end:
                return
            message, s.rest = s.rest[:end], s.rest[end:]
            yield message

    def unframed(s):
        while len(s.frames) >= 2:
            at, size = 2, s.frames[1] & 127
            if size == 126:
                at, size = 4, struct.unpack("!H", s.frames[2:4])[0] if len(s.frames) >= 4 else 1 << 16
            if len(s.frames) < at + size:
                return
            kind, message, s.frames = s.frames[0] & 15, s.frames[at:at + size], s.frames[at + size:]
            if kind in (1, 2):
                yield message


def trial():
    ip, port = A.uac.split(":")
    host, number = A.target.split(":")
    ua = S.Agent(ip, int(port)) if A.way == "udp" else Stream(ip, int(port), A.way, (host, int(number)))
    ui, up = A.uas.split(":")
    ub = S.Agent(ui, int(up))
    times, failed, calls, over = [], [], [], []
    total = int(A.rate * A.secs)

    def answered(c, m):
        times.append(1000 * (c.t_ans - c.t_inv))
        ua.bye(c)

    def ended(c):
        over.append(1)
        ua.forget(c)

    ub.on_invite = lambda c, m: (0, S.sdp(ui, 30000, "PCMU"))
    ub.on_end = ub.forget
    ua.on_answer, ua.on_end = answered, ended
    ua.on_fail = lambda c: failed.append(c.code)
    c0, i0, t0 = ps.cpu(A.pid), ps.idle(), time.monotonic()

    def step(now):
        while len(calls) < total and now - t0 >= len(calls) / A.rate:
            i = len(calls)
            calls.append(ua.call(A.target, A.service, f"c{i}", S.sdp(ip, 10000 + 2 * (i % 5000), "PCMU")))
        return len(calls) == total and len(over) + len(failed) == total

    done = S.run([ua, ub], t0 + A.secs + A.drain, step)
    c1, i1 = ps.cpu(A.pid), ps.idle()
    for agent in (ua, ub):
        agent.sk.close()
    times.sort()
    q = lambda p: round(times[min(len(times) - 1, int(p * len(times)))], 2) if times else None
    spent = sum(c1) - sum(c0)
    return dict(kind="ways", way=A.way, rate=A.rate, calls=len(calls), answered=len(times), failed=len(calls) - len(over), fail_eg=failed[:3],
                cpu_ms_per_call=round(1000 * spent / max(1, len(over)), 4), setup_ms_p50=q(.5), setup_ms_p99=q(.99),
                cores_busy=ps.steal_pct(i0, i1), load=ps.load(), **{"pass": bool(done and not failed and len(over) == total)})


for _ in range(A.runs):
    print(json.dumps(trial()), flush=True)
