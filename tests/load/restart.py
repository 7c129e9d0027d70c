#!/usr/bin/env python3
"""Restart to first answered call: `kill -9` of a switch with many registered phones, its start, and a call to one of them.
Called by bench.py; alone: restart.py --program FILE [--phones N] [--runs N]."""
import argparse, json, os, shutil, signal, sqlite3, statistics, subprocess, sys, tempfile, time
from lab import CALLEE, CALLER, HERE, SIP, Trouble

sys.path.insert(0, os.path.join(HERE, "kit"))
import siplib

FIRST = 10000               # the extension of the first phone
READY_LIMIT_S = 60
CALL_AGAIN_S = 0.02         # while nobody answers, so finely is the answer measured
PLAN = """
realm "tandem"
listen { sip-udp "127.0.0.1:5060"; http "127.0.0.1:8080"; rtp "10000-29999" address="127.0.0.1"; }
trunk "callers" { match "127.0.0.2"; max-calls 100000; }
extensions from=10000 to=29999
route "phones" { from trunk="callers"; to "{phone:extension}"; dial extension="{phone}" ring="30s"; }
"""


class House:
    """A data folder and a plan; the switch is started and killed on them."""

    def __init__(self, program, core):
        self.program, self.core, self.process = program, core, None
        self.folder = tempfile.mkdtemp(prefix="tandem-restart.")
        self.data = os.path.join(self.folder, "data")
        os.mkdir(os.path.join(self.folder, "plan"))
        with open(os.path.join(self.folder, "plan", "plan.kdl"), "w") as f:
            f.write(PLAN)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self):
        log = open(os.path.join(self.folder, "log"), "a")
        argv = ["taskset", "-c", str(self.core), self.program, "serve", "--config", os.path.join(self.folder, "plan"), "--data", self.data]
        self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        log.close()

    def kill(self):
        if self.process:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            self.process = None

    def until_ready(self):
        end = time.monotonic() + READY_LIMIT_S
        while time.monotonic() < end:
            with open(os.path.join(self.folder, "log")) as f:
                if "ready" in f.read().lower():
                    return
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        with open(os.path.join(self.folder, "log")) as f:
            raise Trouble("the switch was not ready: " + " | ".join(f.read().strip().splitlines()[-3:]))

    def register(self, phones):
        """What as many phones would have left in the database, all of them at the callee's address."""
        db, now_us = sqlite3.connect(os.path.join(self.data, "tandem.db")), int(time.time() * 1e6)
        people = [(str(n), "", "tandem", "0" * 32, "0" * 64, "[]", "[]", json.dumps({"extension": str(n)}), False, now_us)
                  for n in range(FIRST, FIRST + phones)]
        db.executemany("INSERT INTO people (extension, display_name, realm, ha1_md5, ha1_sha256, queues, skills, device, always_on, changed_us) "
                       "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", people)
        bindings = [(str(n), "sip:%d@%s:%d" % (n, *CALLEE), "udp:%s:%d" % CALLEE, "", 0, "bench", now_us, now_us + 3_600_000_000)
                    for n in range(FIRST, FIRST + phones)]
        db.executemany("INSERT INTO bindings (extension, contact, source, register_call_id, register_cseq, user_agent, registered_us, expires_us) "
                       "VALUES (?, ?, ?, ?, ?, ?, ?, ?)", bindings)
        db.commit()
        db.close()


def first_call_s(house, phone):
    """Seconds from the start of a process to the answer of the first call to a phone."""
    caller, callee = siplib.Agent(*CALLER), siplib.Agent(*CALLEE)
    callee.on_invite = lambda c, m: (0, siplib.sdp(CALLEE[0], 30000, "PCMU"))
    answered = []
    caller.on_answer = lambda c, m: answered.append(c.t_ans)
    began = time.monotonic()
    house.start()
    last = 0

    def step(now):
        nonlocal last
        if not answered and now - last >= CALL_AGAIN_S:
            last = now
            caller.call(SIP, str(phone), "c0", siplib.sdp(CALLER[0], 10000, "PCMU"))
        return bool(answered)

    siplib.run([caller, callee], began + READY_LIMIT_S, step)
    for agent in (caller, callee):
        agent.sk.close()
    if not answered:
        raise Trouble(f"no call was answered within {READY_LIMIT_S} s of the start")
    return answered[0] - began


def measure(program, core, phones, runs):
    """One duration for each run. The phone that is called is the last one that registered."""
    found = []
    with House(program, core) as house:
        house.start()
        house.until_ready()
        house.kill()
        house.register(max(phones, 1))
        for _ in range(runs):
            found.append(first_call_s(house, FIRST + max(phones, 1) - 1))
            house.kill()
    return found


def main():
    a = argparse.ArgumentParser(description=__doc__)
    a.add_argument("--program", required=True)
    a.add_argument("--phones", type=int, default=10000)
    a.add_argument("--runs", type=int, default=3)
    a.add_argument("--core", default="0")
    options = a.parse_args()
    found = measure(os.path.abspath(options.program), options.core, options.phones, options.runs)
    print(json.dumps(dict(kind="restart", phones=options.phones, runs=found, restart_to_first_call_s=statistics.median(found))))


if __name__ == "__main__":
    main()
