#!/usr/bin/env python3
"""SIP call-rate and memory measurement with SIPp.  See README."""
import argparse, csv, json, os, signal, subprocess, sys, tempfile, time
import procstat as ps
K = os.path.dirname(os.path.abspath(__file__))
os.environ["TERM"] = "xterm"


def args():
    a = argparse.ArgumentParser()
    a.add_argument("target", help="HOST:PORT of the server under test")
    a.add_argument("--pid", type=int, nargs="*", default=[], help="server pid(s); descendants are added")
    a.add_argument("--service", default="1000", help="user part that is called")
    a.add_argument("--uac", default="127.0.0.2:5070")
    a.add_argument("--uas", default="127.0.0.3:5090", help="where the server must send the second leg; '' = none started")
    a.add_argument("--uac-xml", default=K + "/uac.xml")
    a.add_argument("--uas-xml", default=K + "/uas.xml")
    a.add_argument("--core", default="1", help="core for sipp")
    a.add_argument("--hold", type=int, default=0, help="ms between ACK and BYE")
    a.add_argument("--secs", type=int, default=15, help="length of one trial")
    a.add_argument("--rate", type=float, help="one rate instead of a search")
    a.add_argument("--runs", type=int, default=1)
    a.add_argument("--start", type=float, default=50)
    a.add_argument("--max", type=float, default=6000)
    a.add_argument("--p99", type=float, default=1000, help="ms; a trial with a slower p99 set-up time fails")
    a.add_argument("--tol", type=float, default=0.06, help="search ends when the bracket is this narrow")
    a.add_argument("--concurrent", type=int, help="memory mode: ramp to N calls and hold")
    a.add_argument("--ramp", type=float, default=100, help="memory mode: calls per second while ramping")
    a.add_argument("--settle", type=float, default=5)
    a.add_argument("--cooldown", type=float, default=2, help="pause between trials")
    a.add_argument("--grace", type=float, default=45, help="s that a trial may last beyond its length; then it is ended and counts as hung")
    a.add_argument("--margin", type=float, default=12, help="memory mode: s that the calls stay up after the reading")
    a.add_argument("--restart", help="shell command that restarts the server and prints its pid last; used before each search and after each failed trial")
    a.add_argument("--out", help="append JSON lines here")
    a.add_argument("--keep", help="keep sipp logs in this directory")
    return a.parse_args()


A = args()
D = A.keep or tempfile.mkdtemp(prefix="cps")
os.makedirs(D, exist_ok=True)
seq = int(time.time()) % 100000


def sipp(extra, log):
    return subprocess.Popen(["taskset", "-c", A.core, "sipp"] + extra, stdin=subprocess.DEVNULL,
                            stdout=open(f"{D}/{log}", "w"), stderr=subprocess.STDOUT, cwd=D)


def start_uas():
    if not A.uas:
        return None
    ip, port = A.uas.split(":")
    p = sipp(["-sf", A.uas_xml, "-i", ip, "-mi", ip, "-p", port, "-nostdin", "-rtcheck", "loose",
              "-l", "15000", "-deadcall_wait", "4000", "-buff_size", "4194304", "-aa",
              "-trace_err", "-error_file", f"{D}/uas_err.log", "-max_sched_loops", "5000", "-max_recv_loops", "5000",
              "-watchdog_major_maxtriggers", "1000000", "-watchdog_minor_maxtriggers", "1000000"], "uas.out")
    time.sleep(0.7)
    if p.poll() is not None:
        sys.exit("UAS sipp did not start: " + open(f"{D}/uas.out").read()[-500:])
    return p


def stop(p):
    if p and p.poll() is None:
        p.send_signal(signal.SIGKILL)
        p.wait()


def uac(rate, count, hold, tag):
    ip, port = A.uac.split(":")
    stf, rtt = f"{D}/{tag}.csv", None
    p = sipp([A.target, "-sf", A.uac_xml, "-s", A.service, "-i", ip, "-mi", ip, "-p", port, "-nostdin",
              "-r", f"{max(1, round(rate))}", "-rp", "1000", "-m", str(count), "-l", "15000", "-d", str(hold),
              "-cid_str", f"%u-{seq}{tag}@%s", "-deadcall_wait", "0", "-buff_size", "4194304", "-aa",
              "-recv_timeout", "12000", "-pause_msg_ign", "-max_sched_loops", "5000", "-max_recv_loops", "5000",
              "-watchdog_major_maxtriggers", "1000000", "-watchdog_minor_maxtriggers", "1000000",
              "-trace_stat", "-stf", stf, "-fd", "1", "-trace_rtt", "-rtt_freq", str(max(1, min(200, count // 10))),
              "-trace_err", "-error_file", f"{D}/{tag}_err.log", "-trace_error_codes"], f"{tag}.out")
    return p, stf


def last(stf):
    with open(stf) as f:
        r = [x for x in csv.reader(f, delimiter=";") if len(x) > 10]
    return dict(zip(r[0], r[-1])) if len(r) > 1 else {}


def rtts(pid):
    """setup times in ms from sipp's rtt csv"""
    v = []
    for f in os.listdir(D):
        if f.endswith(f"_{pid}_rtt.csv"):
            with open(f"{D}/{f}") as h:
                for line in h:
                    c = line.strip().split(";")
                    if len(c) >= 3 and c[2] == "1":
                        try:
                            v.append(float(c[1]))
                        except ValueError:
                            pass
    # UAC script lies in K, so sipp may write next to it
    base = os.path.splitext(A.uac_xml)[0] + f"_{pid}_rtt.csv"
    if os.path.exists(base):
        with open(base) as h:
            for line in h:
                c = line.strip().split(";")
                if len(c) >= 3 and c[2] == "1":
                    try:
                        v.append(float(c[1]))
                    except ValueError:
                        pass
        os.unlink(base)
    v.sort()
    return v


def pct(v, p):
    return round(v[min(len(v) - 1, int(len(v) * p))], 1) if v else None


def trial(rate, secs):
    global seq
    seq += 1
    n = max(1, int(rate * secs))
    tag = f"t{seq}"
    us = start_uas()
    c0, d0, i0, t0 = ps.cpu(A.pid), ps.udp_drops(), ps.idle(), time.time()
    p, stf = uac(rate, n, A.hold, tag)
    limit = secs + A.hold / 1000 + A.grace
    first_over = None
    while p.poll() is None and time.time() - t0 < limit:
        time.sleep(0.05)
    hung = p.poll() is None
    if hung:
        p.send_signal(signal.SIGTERM)
        time.sleep(1)
    stop(p)
    wall = time.time() - t0
    time.sleep(0.3)
    c1, d1, i1 = ps.cpu(A.pid), ps.udp_drops(), ps.idle()
    s = last(stf)
    g = lambda k: int(s.get(k, 0) or 0)
    made, ok, bad = g("TotalCallCreated"), g("SuccessfulCall(C)"), g("FailedCall(C)")
    v = rtts(p.pid)
    stop(us)
    eff = wall - A.hold / 1000
    r = dict(kind="cps", target=A.target, rate=round(rate, 1), secs=secs, hold=A.hold, calls=made, ok=ok,
             failed=bad + (made - ok - bad), fail_pct=round(100 * (made - ok) / max(1, made), 3),
             retrans=g("Retransmissions(C)"), achieved=round(ok / max(0.1, eff), 1),
             setup_p50=pct(v, .5), setup_p99=pct(v, .99), setup_max=pct(v, 1),
             udp_drops=d1[1] - d0[1], cores_busy=ps.steal_pct(i0, i1), load=ps.load(), hung=hung)
    if A.pid:
        cu, cs = c1[0] - c0[0], c1[1] - c0[1]
        r.update(cpu_user=round(cu, 2), cpu_sys=round(cs, 2), cpu_pct=round(100 * (cu + cs) / wall, 1),
                 cpu_ms_per_call=round(1000 * (cu + cs) / max(1, ok), 3), rss=round(ps.mem(A.pid)[0], 1))
    r["pass"] = bool(made and not hung and r["fail_pct"] <= 0.1 and r["achieved"] >= 0.93 * rate
                     and (r["setup_p99"] is None or r["setup_p99"] <= A.p99))
    emit(r)
    time.sleep(A.cooldown)
    return r


def emit(r):
    print(json.dumps(r), flush=True)
    if A.out:
        with open(A.out, "a") as f:
            f.write(json.dumps(r) + "\n")


def restart():
    if A.restart:
        r = subprocess.run(A.restart, shell=True, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        A.pid = [int(r.stdout.split()[-1])]
        time.sleep(1)


def search():
    lo, hi, rate = 0, None, A.start
    restart()
    best = None
    while rate <= A.max:
        r = trial(rate, A.secs)
        if not r["pass"]:          # once more, to keep one hiccup of a shared machine out
            restart()
            r = trial(rate, A.secs)
        if r["pass"]:
            lo, best = rate, r
        else:
            hi = rate
            restart()
        if hi is None:
            rate = min(rate * 1.6, A.max) if rate < A.max else A.max + 1
        else:
            if not lo and hi < 2:
                break
            if lo and (hi - lo) / lo <= A.tol:
                break
            rate = (lo + hi) / 2
    return lo, best


def memory():
    """RSS before, at N concurrent calls, and after."""
    restart()
    n = A.concurrent
    hold = int(1000 * (n / A.ramp + A.settle + A.margin))
    us = start_uas()
    # ps.mem follows descendants, so taskset's exec or fork makes no difference
    callee = [us.pid] if us else []
    u0 = ps.mem(callee)[0]
    m0, c0, t0 = ps.mem(A.pid), ps.cpu(A.pid), time.time()
    p, stf = uac(A.ramp, n, hold, f"m{seq}")
    time.sleep(n / A.ramp + A.settle)
    s = last(stf)
    m1, c1 = ps.mem(A.pid), ps.cpu(A.pid)
    u1 = ps.mem(callee)[0]
    cc = int(s.get("CurrentCall", 0) or 0)
    time.sleep(3)
    c2 = ps.cpu(A.pid)
    try:
        p.wait(timeout=hold / 1000 + n / A.ramp + A.grace)
    except subprocess.TimeoutExpired:
        stop(p)
    s2 = last(stf)
    time.sleep(3)
    m2 = ps.mem(A.pid)
    stop(us)
    emit(dict(kind="mem", target=A.target, n=n, current=cc, rss0=round(m0[0], 1), rss_n=round(m1[0], 1), rss_after=round(m2[0], 1),
              pss0=round(m0[1], 1), pss_n=round(m1[1], 1),
              kib_per_call=round(1024 * (m1[0] - m0[0]) / max(1, cc), 1), pss_kib_per_call=round(1024 * (m1[1] - m0[1]) / max(1, cc), 1),
              uas_kib_per_call=round(1024 * (u1 - u0) / max(1, cc), 1) if us else None,
              idle_cpu_pct_at_n=round(100 * (sum(c2) - sum(c1)) / 3, 1), ok=s2.get("SuccessfulCall(C)"), failed=s2.get("FailedCall(C)"),
              load=ps.load()))


if A.concurrent:
    memory()
elif A.rate:
    for _ in range(A.runs):
        trial(A.rate, A.secs)
else:
    for _ in range(A.runs):
        lo, b = search()
        emit(dict(kind="cps_max", target=A.target, max_cps=round(lo, 1), cpu_ms_per_call=b and b.get("cpu_ms_per_call"),
                  cpu_pct=b and b.get("cpu_pct"), p50=b and b["setup_p50"], p99=b and b["setup_p99"]))
