#!/usr/bin/env python3
"""Plans of ten thousand routes: how long they take to be checked, looked up, simulated, replayed and applied.  Called by bench.py; alone:
  tests/load/plan_bench.py --program FILE --speed FILE [--only check,speed,apply,replay]
SPEED is the example `plan_speed` of the crate tandem-dialplan."""
import argparse, json, os, shutil, signal, sqlite3, statistics, subprocess, tempfile, time, urllib.error, urllib.request
import plans
from lab import HERE, Trouble

ROUTES, FEW_ROUTES = 10000, 100
LOOKED_UP = 20000
REPLAYED = 100000
READY_LIMIT_S = 60
CHANGES = 9                 # one-line changes that are applied to each plan; the first is not counted


def identifier(ms, n):
    """As the switch makes them (switch/src/id.rs): 13 letters of milliseconds and a number."""
    number = (ms % (1 << 42)) << 22 | n % (1 << 22)
    return "".join("0123456789abcdefghjkmnpqrstvwxyz"[number >> shift & 31] for shift in range(60, -1, -5))


class Plans:
    """Both plans, in a folder that is removed."""

    def __init__(self, program, speed, core):
        self.program, self.speed, self.core = program, speed, core
        self.folder = tempfile.mkdtemp(prefix="tandem-plans.")

    def __enter__(self):
        self.changed = {routes: plans.write(self.at(routes), routes) for routes in (ROUTES, FEW_ROUTES)}
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.folder, ignore_errors=True)

    def at(self, routes):
        return os.path.join(self.folder, f"plan-{routes}")

    def calls(self, routes, count):
        texts = []
        for name in sorted(os.listdir(self.at(routes))):
            if name.endswith("-routes.kdl"):
                with open(os.path.join(self.at(routes), name)) as f:
                    texts.append(f.read())
        return list(plans.calls("".join(texts), count))

    def run(self, *arguments, good=(0,), **more):
        done = subprocess.run(["taskset", "-c", str(self.core), *arguments], capture_output=True, text=True, timeout=300, **more)
        if done.returncode not in good:
            raise Trouble(f"{os.path.basename(arguments[0])} {arguments[1]}: {(done.stderr or done.stdout).strip()[-400:]}")
        return done.stdout

    # ---- check: the whole process
    def check_s(self, routes, runs):
        found = []
        for _ in range(runs):
            began = time.monotonic()
            self.run(self.program, "--data", os.path.join(self.folder, "nothing"), "check", self.at(routes))
            found.append(time.monotonic() - began)
        return statistics.median(found)

    # ---- lookup, simulation: in one process, so that nothing else is timed
    def speeds(self, routes):
        """What plan_speed says, by kind."""
        text = self.run(self.speed, self.at(routes), input="\n".join(self.calls(routes, LOOKED_UP)) + "\n")
        return {row["kind"]: row for row in map(json.loads, text.splitlines())}

    # ---- apply: from the request to the answer of a server
    def apply_ms(self, routes):
        path, line = self.changed[routes]
        with open(path) as f:
            text = f.read()
        found = []
        with Server(self, routes) as server:
            for n in range(CHANGES):
                with open(path, "w") as f:
                    f.write(text.replace(line.format(60), line.format(61 + n)))
                began = time.monotonic()
                server.ask("POST", "/api/v1/plan/reload")
                found.append((time.monotonic() - began) * 1e3)
        with open(path, "w") as f:
            f.write(text)
        return statistics.median(found[1:])

    # ---- replay: the whole process, the records out of a server's database
    def replay_s(self, calls):
        """Seconds, and how many calls would go elsewhere: none, for the records are those of the plan."""
        with Server(self, ROUTES) as server:
            known = self.calls(ROUTES, calls)
            routes = self.run(self.speed, self.at(ROUTES), "routes", input="\n".join(known) + "\n").split()
            server.remember(known, routes)
            began = time.monotonic()
            text = self.run(self.program, "--data", server.data, "--format", "json", "replay", self.at(ROUTES), "--against", self.at(ROUTES),
                            "--since", "2000-01-01 00:00", "--limit", str(calls), good=(0, 1))
            took = time.monotonic() - began
        seen = json.loads(text)
        if seen["calls"] != calls:
            raise Trouble(f"{seen['calls']} of {calls} records were replayed")
        return took, seen["moved"]


class Server:
    """A switch on one of the plans, with a data folder of its own."""

    def __init__(self, house, routes):
        self.house, self.routes = house, routes
        self.data = os.path.join(house.folder, f"data-{routes}")
        self.log = os.path.join(house.folder, f"log-{routes}")

    def __enter__(self):
        shutil.rmtree(self.data, ignore_errors=True)
        argv = ["taskset", "-c", str(self.house.core), self.house.program, "serve", "--config", self.house.at(self.routes), "--data", self.data]
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            self.until_ready()
        except Trouble:
            self.__exit__()
            raise
        with open(os.path.join(self.data, "cli.json")) as f:
            self.access = json.load(f)
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def until_ready(self):
        end = time.monotonic() + READY_LIMIT_S
        while time.monotonic() < end and self.process.poll() is None:
            with open(self.log) as f:
                if "is ready" in f.read().lower():
                    return
            time.sleep(0.05)
        with open(self.log) as f:
            raise Trouble("the switch was not ready: " + " | ".join(f.read().strip().splitlines()[-3:]))

    def ask(self, method, path):
        request = urllib.request.Request(self.access["server"] + path, method=method, headers={"Authorization": "Bearer " + self.access["token"]})
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as e:
            raise Trouble(f"{path}: {e.code} {e.read()[:300]}") from e

    def remember(self, calls, routes):
        """Records of calls, each with its route, as a day of them would be in the database."""
        db = sqlite3.connect(os.path.join(self.data, "tandem.db"), timeout=30)
        now_us = int(time.time() * 1e6) - len(calls) * 1000
        rows = []
        for n, (call, route) in enumerate(zip(calls, routes)):
            caller, to = call.split(" ")
            kind, name, number = (caller.split(":") + [""])[:3]
            at = now_us + n * 1000
            rows.append((identifier(at // 1000, n), json.dumps({kind: name}), number or name, to, None if route == "-" else route, at, at, at + 500, 0, 0, "normal", "caller", 1))
        db.executemany("INSERT INTO calls (call_id, origin, from_number, to_number, route, started_us, answered_us, ended_us, waited_ms, talked_ms, "
                       "cause, blame, generation) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
        db.commit()
        db.close()


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--program", required=True)
    a.add_argument("--speed", required=True)
    a.add_argument("--core", default="0")
    a.add_argument("--only", default="check,speed,apply,replay")
    a.add_argument("--runs", type=int, default=3)
    options = a.parse_args()
    only = options.only.split(",")
    with Plans(os.path.abspath(options.program), os.path.abspath(options.speed), options.core) as house:
        for routes in (FEW_ROUTES, ROUTES):
            found = dict(routes=routes)
            if "check" in only:
                found["check_s"] = house.check_s(routes, options.runs)
            if "speed" in only:
                found.update(house.speeds(routes))
            if "apply" in only:
                found["apply_ms"] = house.apply_ms(routes)
            print(json.dumps(found), flush=True)
        if "replay" in only:
            print(json.dumps(dict(zip(("replay_s", "moved"), house.replay_s(REPLAYED)))))


if __name__ == "__main__":
    main()
