#!/usr/bin/env python3
"""Set-up time below the limit: caller's INVITE out -> 200 in, to the microsecond (SIPp's clock ticks every 4 ms).  See README.
Each call hangs up at once.  With TARGET = --uas there is no server: what the load generator itself costs."""
import argparse, json, os, time
import procstat as ps
import siplib as S

a = argparse.ArgumentParser()
a.add_argument("target")
a.add_argument("--pid", type=int, nargs="*", default=[])
a.add_argument("--service", default="1000")
a.add_argument("--rate", type=float, default=50)
a.add_argument("--secs", type=float, default=10)
a.add_argument("--uac", default="127.0.0.2:5070")
a.add_argument("--uas", default="127.0.0.3:5090")
a.add_argument("--core", default="1")
a.add_argument("--drain", type=float, default=10)
a.add_argument("--out")
A = a.parse_args()
os.sched_setaffinity(0, {int(A.core)})
ui, up = A.uac.split(":")
si, sp = A.uas.split(":")
ua, ub = S.Agent(ui, int(up)), S.Agent(si, int(sp))
times, failed, calls = [], [], []
total = int(A.rate * A.secs)


def answered(c, m):
    times.append(1000 * (c.t_ans - c.t_inv))
    ua.bye(c)


ub.on_invite = lambda c, m: (0, S.sdp(si, 30000, "PCMU"))
ua.on_answer = answered
ua.on_fail = lambda c: failed.append(c.code)
ua.on_end = ua.forget
c0, i0, t0 = ps.cpu(A.pid), ps.idle(), time.monotonic()


def step(now):
    while len(calls) < total and now - t0 >= len(calls) / A.rate:
        i = len(calls)
        body = S.sdp(ui, 10000 + 2 * (i % 5000), "PCMU")
        c = ua.call(A.target, A.service, f"c{i}", body)
        c.mybody = body
        calls.append(c)
    return len(calls) == total and all(c.state in ("ended", "failed") for c in calls)


done = S.run([ua, ub], t0 + A.secs + A.drain, step)
t1, c1, i1 = time.monotonic(), ps.cpu(A.pid), ps.idle()
times.sort()
q = lambda p: round(times[min(len(times) - 1, int(p * len(times)))], 2) if times else None
r = dict(kind="setup", target=A.target, rate=A.rate, secs=A.secs, calls=len(calls), answered=len(times), failed=len(calls) - len(times),
         fail_eg=failed[:3], setup_ms_p50=q(.5), setup_ms_p99=q(.99), setup_ms_max=q(1), retrans=ua.retrans + ub.retrans,
         cpu_pct=round(100 * (sum(c1) - sum(c0)) / (t1 - t0), 1), cores_busy=ps.steal_pct(i0, i1), load=ps.load())
r["pass"] = bool(done and times and r["failed"] <= 0.001 * total)
print(json.dumps(r), flush=True)
if A.out:
    open(A.out, "a").write(json.dumps(r) + "\n")
