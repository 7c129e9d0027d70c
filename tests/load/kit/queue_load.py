#!/usr/bin/env python3
"""Contact-centre queue load: callers into one queue, AGENTS phones behind it.  See README.
Delay A: caller's INVITE leaves -> an agent's phone gets the INVITE for that caller (agents free: pure dispatch cost).
Delay B: an agent's call ends -> the next INVITE reaches that agent, while callers wait (hand-over gap)."""
import argparse, collections, json, os, time
import procstat as ps
import siplib as S

a = argparse.ArgumentParser()
a.add_argument("target")
a.add_argument("--pid", type=int, nargs="*", default=[])
a.add_argument("--service", default="4000")
a.add_argument("--agents", type=int, default=50)
a.add_argument("--agent-user", default="agent", help="users agent0 .. agentN-1, all at --uas")
a.add_argument("--register", action="store_true", help="REGISTER each agent first (no authentication)")
a.add_argument("--rate", type=float, default=20, help="calls offered per second")
a.add_argument("--secs", type=float, default=20)
a.add_argument("--talk", type=float, default=1.0, help="seconds from answer to the caller's BYE")
a.add_argument("--ring", type=float, default=0.0, help="seconds an agent's phone rings")
a.add_argument("--uac", default="127.0.0.2:5070")
a.add_argument("--uas", default="127.0.0.3:5090")
a.add_argument("--core", default="1")
a.add_argument("--direct", action="store_true", help="no server: TARGET is --uas, call i goes straight to agent i; what the load generator itself costs")
a.add_argument("--drain", type=float, default=15)
a.add_argument("--steady-from", type=float, default=5, help="the rate of connected calls is read from so many seconds after the first call to the last offered one")
a.add_argument("--out")
A = a.parse_args()
os.sched_setaffinity(0, {int(A.core)})
ui, up = A.uac.split(":")
si, sp = A.uas.split(":")
ua, ub = S.Agent(ui, int(up)), S.Agent(si, int(sp))
t_inv, t_agent, t_conn, freed, gaps = {}, {}, {}, {}, []
busy = collections.Counter()
pending = {}
stat = collections.Counter()
talking = collections.deque()
calls = []


def inv(c, m):
    now = time.monotonic()
    if not m.uri or not c.user.startswith(A.agent_user):
        stat["odd_invite"] += 1
    stat["agent_invites"] += 1
    if c.frm in t_inv:
        if c.frm not in t_agent:
            t_agent[c.frm] = now
            pending.pop(c.frm, None)
        else:
            stat["offered_again"] += 1
    else:
        stat["unmatched_from"] += 1
    if busy[c.user] > 0:
        stat["busy_agent_offered"] += 1
        return None
    busy[c.user] += 1
    if c.user in freed:
        f, waiting = freed.pop(c.user)
        if waiting:
            gaps.append(now - f)
    return A.ring, S.sdp(si, 20000 + 2 * (hash(c.user) % 500), "PCMU")


def end_b(c):
    if busy[c.user] > 0:
        busy[c.user] -= 1
    now = time.monotonic()          # somebody waits if the oldest caller without an offer is older than 100 ms
    freed[c.user] = now, bool(pending) and now - t_inv[next(iter(pending))] > 0.1
    ub.forget(c)


def answered(c, m):
    # the server may answer the caller before an agent does (queue music); connection = agent confirmed
    c.up_at = time.monotonic()


def confirm(c):
    now = time.monotonic()
    stat["up"] += 1
    t_conn[c.frm] = now
    talking.append((now + A.talk, c.frm))


def failed(c):
    stat["failed"] += 1
    pending.pop(c.frm, None)


ub.on_invite, ub.on_end, ub.on_confirm = inv, end_b, confirm
ua.on_answer, ua.on_fail = answered, failed
byname = {}
if A.register:
    for i in range(A.agents):
        u = f"{A.agent_user}{i}"
        h = S.hostport("sip:" + A.target)
        ub.send(f"REGISTER sip:{A.target} SIP/2.0\r\nVia: SIP/2.0/UDP {si}:{sp};branch={ub.branch()};rport\r\nMax-Forwards: 70\r\nFrom: <sip:{u}@{A.target}>;tag=r{i}\r\n"
                f"To: <sip:{u}@{A.target}>\r\nCall-ID: reg{os.getpid()}-{i}\r\nCSeq: 1 REGISTER\r\nContact: <sip:{u}@{si}:{sp}>\r\nExpires: 3600\r\nContent-Length: 0\r\n\r\n", h)
        time.sleep(0.01)
    S.run([ua, ub], time.monotonic() + 1)
c0, i0, t0 = ps.cpu(A.pid), ps.idle(), time.monotonic()
total = int(A.rate * A.secs)


def step(now):
    while len(calls) < total and now - t0 >= len(calls) / A.rate:
        nm = f"{700000 + len(calls)}"
        t_inv[nm] = time.monotonic()
        pending[nm] = 1
        c = ua.call(A.target, f"{A.agent_user}{len(calls) % A.agents}" if A.direct else A.service, nm, S.sdp(ui, 10000 + 2 * (len(calls) % 5000), "PCMU"))
        c.mybody = S.sdp(ui, 10000 + 2 * (len(calls) % 5000), "PCMU")
        byname[nm] = c
        calls.append(c)
    while talking and talking[0][0] <= now:
        c = byname.get(talking.popleft()[1])
        if c:
            ua.bye(c)
    return len(calls) == total and stat["up"] + stat["failed"] >= total and not talking


S.run([ua, ub], t0 + A.secs + A.drain, step)
t1 = time.monotonic()
S.run([ua, ub], time.monotonic() + 1.0)
c1, i1 = ps.cpu(A.pid), ps.idle()
counted = collections.Counter(stat)      # what follows is the end of everything, all at once
for c in calls:
    if c.state in ("up", "answered", "calling", "ringing"):
        counted["left"] += 1
        ua.bye(c)
S.run([ua, ub], time.monotonic() + 2)


def q(v, p):
    v = sorted(v)
    return round(1000 * v[min(len(v) - 1, int(p * len(v)))], 1) if v else None


d = [t_agent[k] - t_inv[k] for k in t_agent]
e = [t_conn[k] - t_inv[k] for k in t_conn if k in t_inv]
span = max(t_conn.values()) - t0 if t_conn else 0
steady = sum(1 for t in t_conn.values() if t0 + A.steady_from <= t < t0 + A.secs) / max(A.secs - A.steady_from, 1)
r = dict(kind="queue", target=A.target, agents=A.agents, rate=A.rate, secs=A.secs, talk=A.talk, ring=A.ring, offered=len(calls), connected=len(t_conn),
         connected_per_s=round(len(t_conn) / span, 1) if span else 0, steady_per_s=round(steady, 2), dispatch_ms_p50=q(d, .5), dispatch_ms_p90=q(d, .9), dispatch_ms_p99=q(d, .99), dispatch_ms_max=q(d, 1),
         connect_ms_p50=q(e, .5), connect_ms_p99=q(e, .99), gap_n=len(gaps), gap_ms_p50=q(gaps, .5), gap_ms_p99=q(gaps, .99),
         cpu_ms_per_call=round(1000 * (sum(c1) - sum(c0)) / max(1, len(t_conn)), 2) if A.pid else None, cpu_pct=round(100 * (sum(c1) - sum(c0)) / (t1 - t0 + 1), 1),
         retrans=ua.retrans + ub.retrans, cores_busy=ps.steal_pct(i0, i1), load=ps.load(), **counted)
print(json.dumps(r), flush=True)
if A.out:
    open(A.out, "a").write(json.dumps(r) + "\n")
