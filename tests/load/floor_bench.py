#!/usr/bin/env python3
"""The floor at size: how long a decision takes, and how long a start takes that finds a hundred thousand items waiting.
Called by bench.py; alone: floor_bench.py --program FILE [--floor-speed FILE] [--items N] [--runs N].
FLOOR-SPEED is the example `floor_speed` of the crate tandem-switch."""
import argparse, json, os, sqlite3, subprocess, time, urllib.request
from lab import Trouble
from plan_bench import identifier
from restart import House

ITEMS = 100000
READY_LIMIT_S = 60
QUEUES = 40
PLAN = """
realm "tandem"
listen { sip-udp "127.0.0.1:5060"; http "127.0.0.1:8080"; rtp "10000-29999" address="127.0.0.1"; }
trunk "callers" { match "127.0.0.2"; max-calls 100000; }
extensions from=10000 to=29999
"""


def decisions(speed, core):
    """What the example measured on a floor of calls, and on a mixed one."""
    done = subprocess.run(["taskset", "-c", str(core), speed, "--json"], capture_output=True, text=True, timeout=600)
    if done.returncode:
        raise Trouble(f"floor_speed: {done.stderr.strip()[-400:]}")
    found = {line["floor"]: line for line in map(json.loads, done.stdout.splitlines())}
    return found["calls"], found["mixed"]


def plan(house):
    queues = "".join(f'queue "queue-{n}" {{ max-waiting 1000000; rejoin-grace "60m"; when-empty "wait"; }}\n' for n in range(QUEUES))
    route = 'route "support" { from trunk="callers"; to "1800"; queue "queue-0"; }\n'
    with open(os.path.join(house.folder, "plan", "plan.kdl"), "w") as f:
        f.write(PLAN + queues + route)


def fill(house, items):
    """Items as a floor leaves them that was killed: a third of them calls, the others chats and emails."""
    db, now_us = sqlite3.connect(os.path.join(house.data, "tandem.db")), int(time.time() * 1e6)
    works = (None, '{"channel":"chat"}', '{"channel":"email"}')
    rows = ((identifier(now_us // 1000, n), identifier(now_us // 1000, items + n), f"queue-{n % QUEUES}", f"+39{n:08}",
             json.dumps([{"skill": f"skill-{n % 8}", "level": 1 + n % 4}]), n % 3, now_us - n * 1000, "waiting", now_us, works[n % 3])
            for n in range(items))
    db.executemany("INSERT INTO items (item_id, call_id, queue, caller, skills, priority_minutes, virtual_arrival_us, state, queued_us, work) "
                   "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
    db.commit()
    db.close()


def kept(house):
    """How many items the switch says it keeps a place for; None while it says nothing."""
    try:
        with open(os.path.join(house.data, "cli.json")) as f:
            access = json.load(f)
        request = urllib.request.Request(access["server"] + "/api/v1/queues", headers={"Authorization": "Bearer " + access["token"]})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return sum(queue["waiting"] + queue["expected_back"] for queue in json.load(answer))
    except (OSError, ValueError):
        return None


def restarts(program, core, items, runs):
    """Seconds from the start of a process to its word that every item has its place, run by run."""
    found = []
    with House(program, core) as house:
        plan(house)
        house.start()
        house.until_ready()
        house.kill()
        fill(house, items)
        for _ in range(runs):
            # What the last process left must not be asked.
            os.unlink(os.path.join(house.data, "cli.json"))
            began = time.monotonic()
            house.start()
            while kept(house) != items:
                if time.monotonic() - began > READY_LIMIT_S or house.process.poll() is not None:
                    raise Trouble(f"{kept(house)} of {items} items are back after {READY_LIMIT_S} s")
                time.sleep(0.01)
            found.append(time.monotonic() - began)
            house.kill()
    return found


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--program")
    a.add_argument("--floor-speed")
    a.add_argument("--items", type=int, default=ITEMS)
    a.add_argument("--core", default="0")
    a.add_argument("--runs", type=int, default=3)
    options = a.parse_args()
    if options.floor_speed:
        for found in decisions(os.path.abspath(options.floor_speed), options.core):
            print(json.dumps(found))
    if options.program:
        print(json.dumps(dict(items=options.items, restart_s=restarts(os.path.abspath(options.program), options.core, options.items, options.runs))))


if __name__ == "__main__":
    main()
