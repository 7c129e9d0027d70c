#!/usr/bin/env python3
"""Calls that talk, with everything on: SRTP on both sides, a notice before the conversation, each conversation recorded. Ends with one line of JSON and
status 1 when a packet was lost, memory grew, or a recording is missing or of another length.
  tests/load/talk.py --program FILE [--calls 500] [--minutes 30]
A recording takes 32 kB a second: 500 calls of 30 minutes are 29 GB, so the disk is looked at first."""
import argparse, glob, json, os, shutil, signal, subprocess, sys, tempfile, time, wave
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE + "/kit")
import procstat

PLAN = """
realm "tandem"
language "en"
listen {{
    sip-udp "{switch}:5060"
    http "{switch}:8080"
    rtp "20000-59999" address="{switch}"
}}
recordings {{
    format "wav"
    notice "recording-notice" to="both"
}}
trunk "callers" {{
    match "{caller}"
    media-keys "sdes"
    max-calls 100000
}}
trunk "callees" {{
    peer "udp" "{called}:5090"
    codecs "pcmu"
    media-keys "sdes"
    max-calls 100000
}}
defaults {{
    busy {{ hangup "busy"; }}
    no-answer {{ hangup "no-answer"; }}
    unreachable {{ hangup "unavailable"; }}
    rejected {{ hangup "rejected"; }}
}}
route "talk" {{
    from trunk="callers"
    to "1000"
    dial trunk="callees" number="1000" ring="60s" record=#true
}}
"""
NOTICE_S = 12           # the notice is over by then
MOST_GROWTH = 1.05      # of memory, from the end of the first quarter to the end
MOST_OFF_MS = 1000      # of a recording: how exactly a call ends is the signalling's; to 20 ms it is held in media/tests/lossy.rs


def main():
    a = argparse.ArgumentParser(description=__doc__)
    a.add_argument("--program", required=True)
    a.add_argument("--calls", type=int, default=500)
    a.add_argument("--minutes", type=float, default=30)
    a.add_argument("--net", default="127.211.0", help="the first three parts of the loopback addresses that are used")
    a = a.parse_args()
    switch, caller, called = (f"{a.net}.{n}" for n in (1, 2, 3))
    secs = int(a.minutes * 60)
    folder = tempfile.mkdtemp(prefix="tandem-talk.")
    need = a.calls * (secs + 60) * 32_000
    if shutil.disk_usage(folder).free < 1.2 * need:
        sys.exit(f"talk.py: {need / 1e9:.0f} GB of recordings do not fit into {folder}; fewer --calls or --minutes, or another TMPDIR")
    os.mkdir(folder + "/plan")
    with open(folder + "/plan/10-talk.kdl", "w") as f:
        f.write(PLAN.format(switch=switch, caller=caller, called=called))
    with open(folder + "/log", "w") as log:
        server = subprocess.Popen([a.program, "serve", "--config", folder + "/plan", "--data", folder + "/data"], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        row = talk(a, server, folder, f"{switch}:5060", caller, called, secs)
    finally:
        server.send_signal(signal.SIGTERM)
        try:
            server.wait(60)
        except subprocess.TimeoutExpired:
            server.kill()
    print(json.dumps(row), flush=True)
    if row["pass"]:
        shutil.rmtree(folder, ignore_errors=True)
    else:
        print(f"left for a look: {folder}", file=sys.stderr)
    sys.exit(0 if row["pass"] else 1)


def talk(a, server, folder, target, caller, called, secs):
    until_ready(server, folder)
    cpus = sorted(os.sched_getaffinity(0))
    kit = [sys.executable, HERE + "/kit/media.py", target, "--pid", str(server.pid), "--calls", str(a.calls), "--secs", str(secs), "--warm", str(NOTICE_S), "--cps", "40",
           "--srtp", "--uac", caller, "--uas", called, "--core", str(cpus[-1])]
    env = dict(os.environ, TMPDIR=folder, PYTHONDONTWRITEBYTECODE="1", RTPLOAD=folder + "/rtpload", PAYDIR=folder + "/payloads")
    with open(folder + "/media", "w") as out:
        load = subprocess.Popen(kit, stdout=out, stderr=subprocess.STDOUT, env=env)
        sizes, began = [], time.monotonic()
        while load.poll() is None:
            time.sleep(1)
            sizes.append((time.monotonic() - began, procstat.mem([server.pid])[0]))
    with open(folder + "/media") as f:
        text = f.read()
    rows = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    if not rows or "loss_pct" not in rows[-1]:
        sys.exit(f"talk.py: no trial ended: {text[-500:]}")
    m = rows[-1]
    # Memory while all talk: from the first quarter to the last second before the end.
    begin, end = a.calls / 40 + NOTICE_S, a.calls / 40 + NOTICE_S + secs
    while_up = [rss for at, rss in sizes if begin + secs / 4 <= at <= end - 1] or [0, 1]
    recordings = finished(folder + "/data/recordings", a.calls)
    lengths = sorted(ms for ms in recordings)
    short = sum(1 for ms in lengths if ms < 1000 * secs - MOST_OFF_MS)
    row = dict(kind="talk", calls=a.calls, up=m["up"], minutes=a.minutes, sent=m["tx"], lost=m["expected"] - m["got"], loss_pct=m["loss_pct"], cpu_pct=m["cpu_pct"],
               rss_mib_first=round(while_up[0], 1), rss_mib_last=round(while_up[-1], 1), recordings=len(lengths), short=short,
               shortest_s=lengths[0] / 1000 if lengths else None, gap_ms_p999=m["gap_ms_p999"], generator_late_ms=m["gen_late_max_ms"])
    row["pass"] = bool(m["up"] == a.calls and row["lost"] == 0 and while_up[-1] <= MOST_GROWTH * while_up[0] and len(lengths) == a.calls and short == 0)
    return row


def until_ready(server, folder):
    for _ in range(600):
        with open(folder + "/log") as f:
            text = f.read()
        if "ready" in text.lower():
            return
        if server.poll() is not None:
            break
        time.sleep(0.1)
    sys.exit(f"talk.py: the switch did not start: {text[-800:]}")


def finished(folder, count):
    """Lengths in ms of the recordings that are there, when all are or a minute is over."""
    found = []
    for _ in range(60):
        found = []
        for path in glob.glob(folder + "/**/*.wav", recursive=True):
            try:
                with wave.open(path) as w:
                    found.append(1000 * w.getnframes() // w.getframerate())
            except (EOFError, wave.Error):
                pass
        if len(found) >= count:
            break
        time.sleep(1)
    return found


main()
