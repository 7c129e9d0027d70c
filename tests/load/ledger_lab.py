"""A switch on addresses of its own, phones that call it, and clients of its API that write down what they were told: what `kill_ledger.py` needs.

Everything is seen from outside: an answer by SIP or HTTP is an acknowledgement, and what was acknowledged is in the ledger."""
import http.client, json, os, random, shutil, signal, subprocess, sys, tempfile, threading, time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "kit"))
import siplib as S

AGENTS, STAFF = 6, 9
READY_LIMIT_S = 90
GONE = ("ended", "failed", "cancelled", "rejected")

PLAN = """
realm "tandem"
country "IT"
silence-ends-after "never"
listen {{ sip-udp "{net}.1:5060"; http "{net}.1:8080"; rtp "10000-29999" address="{net}.1"; }}
trunk "callers" {{ match "{net}.2"; max-calls 100000; }}
trunk "out" {{ peer "udp" "{net}.3:5090"; }}
queue "busy" {{ answer-target "20s"; ring "10s"; max-waiting 1000; max-missed 100; when-empty "wait"; rejoin-grace "2s"; }}
queue "patient" {{ max-waiting 1000; when-empty "wait"; rejoin-grace "2s"; }}
queue "later" {{ max-waiting 100000; when-empty "wait"; max-priority 60; callback via="out"; }}
queue "quiet" {{ when-empty "wait"; }}
starter-agents from=100 to={last_agent} contact="sip:{{n}}@{net}.3:5090" always-on=#true {{ queues "busy"; }}
starter-agents from=200 to={last_staff} contact="sip:{{n}}@{net}.3:5090" {{ queues "quiet"; }}
route "busy" {{ from trunk="callers"; to "4000"; answer; queue "busy"; }}
route "patient" {{ from trunk="callers"; to "4100"; answer; queue "patient"; }}
"""


class Wrong(Exception):
    """The switch did not keep what it had promised."""


class House:
    """A data folder, a plan, a database; the switch is started and killed on them."""

    def __init__(self, program, net, database=None):
        self.program, self.net, self.database, self.process = program, net, database, None
        self.folder = tempfile.mkdtemp(prefix="tandem-ledger.")
        self.data = os.path.join(self.folder, "data")
        os.mkdir(os.path.join(self.folder, "plan"))
        with open(os.path.join(self.folder, "plan", "plan.kdl"), "w") as f:
            f.write(PLAN.format(net=net, last_agent=100 + AGENTS - 1, last_staff=200 + STAFF - 1))

    def on(self, *argv):
        return [self.program, *argv, "--data", self.data, *(["--database", self.database] if self.database else [])]

    def start(self):
        mark = os.path.getsize(self.log) if os.path.exists(self.log) else 0
        with open(self.log, "a") as log:
            argv = [*self.on("serve", "--config", os.path.join(self.folder, "plan"))]
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        end = time.monotonic() + READY_LIMIT_S
        while time.monotonic() < end:
            with open(self.log) as f:
                f.seek(mark)
                if "ready" in f.read().lower():
                    with open(os.path.join(self.data, "cli.json")) as access:
                        self.token = json.load(access)["token"]
                    return
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        raise Wrong("the switch did not start: " + self.last_words())

    @property
    def log(self):
        return os.path.join(self.folder, "log")

    def last_words(self):
        with open(self.log) as f:
            return " | ".join(f.read().strip().splitlines()[-4:])

    def kill(self):
        if self.process:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            self.process = None

    def end(self, keep=False):
        self.kill()
        if not keep:
            shutil.rmtree(self.folder, ignore_errors=True)

    def ask(self, method, path, body=None, limit_s=10):
        """Status and JSON; `OSError` or `HTTPException` when nobody answered."""
        link = http.client.HTTPConnection(self.net + ".1", 8080, timeout=limit_s)
        try:
            link.request(method, "/api/v1" + path, json.dumps(body) if body is not None else None,
                         {"Authorization": "Bearer " + self.token, "Content-Type": "application/json"})
            answer = link.getresponse()
            text = answer.read()
            return answer.status, json.loads(text) if text else None
        finally:
            link.close()

    def get(self, path):
        status, found = self.ask("GET", path)
        if status != 200:
            raise Wrong(f"GET {path}: {status} {found}")
        return found

    def verify(self):
        """`tandem journal verify` on the database of a switch that does not run."""
        done = subprocess.run(self.on("journal", "verify"), capture_output=True, text=True, timeout=600)
        if done.returncode:
            raise Wrong("journal verify: " + (done.stdout + done.stderr)[-1500:])
        return done.stdout.splitlines()[0]

    def sql(self, statement):
        """Rows of the database, as text."""
        tool = ["psql", "-XAtq", self.database, "-c", statement] if self.database else ["sqlite3", os.path.join(self.data, "tandem.db"), statement]
        done = subprocess.run(tool, capture_output=True, text=True, timeout=120)
        if done.returncode:
            raise Wrong(f"{statement}: {done.stderr.strip()}")
        return done.stdout.split()


class Phone(S.Agent):
    """Knows which of its calls are over: who asks about them is told so."""

    def _recv(self, data, addr):
        m = S.Msg(data)
        if not m.code and m.method in ("OPTIONS", "INVITE", "UPDATE") and ";tag=" in m.get("to"):
            c = self.calls.get(m.get("call-id"))
            if c is None or c.state in GONE:
                self._reply(m, addr, 481, "Call/Transaction Does Not Exist")
                return
        super()._recv(data, addr)


class Phones(threading.Thread):
    """Callers of both queues, and the agents of the busy one. What they know is read under `lock`."""

    def __init__(self, net, seed, rate, patient):
        super().__init__(daemon=True)
        self.net, self.dice, self.rate, self.patient = net, random.Random(seed), rate, patient
        self.lock, self.stopped, self.number = threading.Lock(), False, 0
        self.callers, self.agents = Phone(net + ".2", 5070), Phone(net + ".3", 5090)
        self.callers.on_answer, self.agents.on_invite, self.agents.on_confirm = self.answered, self.invited, self.confirmed
        self.calls, self.legs, self.trouble = {}, [], []
        self.next_at = time.monotonic()
        self.counts = dict(answered=0, served=0, left=0, crossed=0)
        self.quiet = False

    def run(self):
        def step(now):
            with self.lock:
                self.turn(now)
            return self.stopped
        S.run([self.callers, self.agents], float("inf"), step)

    def turn(self, now):
        if not self.quiet and now >= self.next_at:
            self.next_at = now + self.dice.expovariate(self.rate)
            self.new_call(now)
        for c in [c for c in self.calls.values() if c.state in GONE]:
            del self.calls[c.frm]
            self.callers.forget(c)
        for c in self.calls.values():
            if c.state == "up" and c.leaves_at is not None and now >= c.leaves_at:
                self.counts["left"] += 1
                self.callers.bye(c)
        for leg in self.legs:
            if leg.state == "up" and now >= leg.leaves_at:
                self.agents.bye(leg)
        for leg in [leg for leg in self.legs if leg.state in GONE]:
            self.legs.remove(leg)
            self.agents.forget(leg)

    def new_call(self, now):
        """Mostly for the busy queue; now and then for the patient one, whose eldest hangs up when there are too many."""
        self.number += 1
        number = f"+3902{self.number:07}"
        waiting = [c for c in self.calls.values() if c.user == "4100" and c.leaves_at is None]
        patient = self.dice.random() < 0.15 or len(waiting) < self.patient / 2
        if not patient and sum(c.user == "4000" for c in self.calls.values()) >= 60:
            return
        body = S.sdp(self.net + ".2", 10000 + 2 * (self.number % 5000), "PCMU")
        c = self.callers.call(self.net + ".1:5060", "4100" if patient else "4000", number, body)
        c.mybody, c.leaves_at = body, None
        if not patient and self.dice.random() < 0.3:
            c.leaves_at = now + self.dice.uniform(0.2, 6)
        self.calls[number] = c
        if patient and len(waiting) >= self.patient:
            self.dice.choice(waiting).leaves_at = now

    def answered(self, c, _):
        self.counts["answered"] += 1

    def invited(self, c, m):
        """An agent is rung: nobody else may be for this caller, and they may have no other leg."""
        c.leaves_at, c.killed = float("inf"), False
        for other in self.legs:
            if other.killed or other.state in GONE or other.state == "bye":
                continue
            caller = self.calls.get(other.frm)
            if other.state == "ring" and (caller is None or caller.state in GONE or caller.state == "bye"):
                # Its caller has hung up: the CANCEL is on its way, or waits for our 180 (RFC 3261 section 9.1), and the agent is free. Counted.
                self.counts["crossed"] += 1
                continue
            if other.user == c.user:
                self.trouble.append(f"agent {c.user} is rung for {c.frm} and has a leg of {other.frm} ({other.state})")
            if other.frm == c.frm:
                self.trouble.append(f"agents {c.user} and {other.user} are rung for {c.frm} at a time")
        self.legs.append(c)
        return self.dice.uniform(0.02, 0.3), S.sdp(self.net + ".3", 20000 + 2 * (self.number % 4000), "PCMU")

    def confirmed(self, c):
        self.counts["served"] += 1
        c.leaves_at = time.monotonic() + self.dice.uniform(0.3, 2.0)

    def at_the_kill(self, now):
        """What was acknowledged by then: `(number, queue, age)` of callers who were answered and neither hung up nor were.
        Legs of before are not held against the next process: it may know them or not, and rings agents anew."""
        with self.lock:
            for leg in self.legs:
                leg.killed = True
            return [(c.frm, c.user, now - c.t_ans) for c in self.calls.values() if c.state == "up" and c.leaves_at is None]

    def states(self):
        with self.lock:
            return {c.frm: c.state for c in self.calls.values()}, [(leg.user, leg.state, leg.killed) for leg in self.legs]

    def drop(self, number):
        """A caller whose call is not known any more hangs up."""
        with self.lock:
            c = self.calls.get(number)
            if c:
                c.state = "ended"

    def everybody_leaves(self):
        with self.lock:
            self.quiet = True
            for c in self.calls.values():
                c.leaves_at = 0


class Client(threading.Thread):
    """Changes things by the API, one after the other, and remembers what it was told. Each has things of its own, so that
    what a thing must be is known: what was acknowledged last, or what was asked for since without an answer."""

    def __init__(self, house, nth, seed, pause_s):
        super().__init__(daemon=True)
        self.house, self.nth, self.dice, self.pause_s = house, nth, random.Random(seed * 31 + nth), pause_s
        self.stopped, self.number = False, 0
        self.lock = threading.Lock()
        self.staff = {str(200 + nth * 3 + n): {("offline", None)} for n in range(3)}
        self.promised, self.customers, self.new_customers = {}, {}, {}
        self.counts = dict(kept=0, later=0, unanswered=0, refused=0)
        self.last = {}

    def run(self):
        while not self.stopped:
            if self.house.process is None:
                time.sleep(0.005)
                continue
            self.dice.choice((self.change_state, self.change_state, self.callback, self.priority, self.customer))()
            time.sleep(self.pause_s)

    def told(self, method, path, body=None):
        """The answer; `None` when there was none. Only 200 and 201 say that it is kept."""
        try:
            status, found = self.house.ask(method, path, body)
        except (OSError, http.client.HTTPException, ValueError):
            self.counts["unanswered"] += 1
            return None, None
        self.counts["kept" if status in (200, 201) else "later" if status == 202 else "refused"] += 1
        if status >= 400 and status not in (404, 409, 503):
            self.last[f"{method} {path.split('/')[1]}"] = (status, found)
        return status, found

    def change_state(self):
        who, self.number = self.dice.choice(sorted(self.staff)), self.number + 1
        if self.staff[who] == {("offline", None)}:
            body, wanted = {"state": "sign-in"}, ("ready", None)
        else:
            body, wanted = self.dice.choice((({"state": "not-ready", "reason": f"r{self.number}"}, ("not-ready", f"r{self.number}")),
                                             ({"state": "ready"}, ("ready", None)), ({"state": "sign-out"}, ("offline", None))))
        with self.lock:
            self.staff[who] = self.staff[who] | {wanted}
        status, found = self.told("POST", f"/agents/{who}/state", body)
        if status == 200:
            with self.lock:
                self.staff[who] = {(found["state"], found["reason"])}

    def callback(self):
        """Asks for one, or cancels one of those that are promised."""
        if len(self.promised) > 25:
            item = self.dice.choice(sorted(self.promised))
            with self.lock:
                self.promised[item]["may_be_gone"] = True
            status, _ = self.told("DELETE", f"/callbacks/{item}?reason=test")
            if status in (200, 404):
                with self.lock:
                    del self.promised[item]
            return
        self.number += 1
        number = f"06{self.nth}{self.number:06}"
        before = time.time()
        status, found = self.told("POST", "/callbacks", {"queue": "later", "number": number, "shown": "+390212345678"})
        if status == 200:
            with self.lock:
                arrived = (before - found["waited_ms"] / 1000 - 0.002, time.time() - found["waited_ms"] / 1000 + 0.002)
                self.promised[found["item"]] = dict(number=number, arrived=arrived, minutes={0}, may_be_gone=False)

    def priority(self):
        if not self.promised:
            return
        item, minutes = self.dice.choice(sorted(self.promised)), self.dice.randrange(1, 10)
        with self.lock:
            self.promised[item]["minutes"] = self.promised[item]["minutes"] | {minutes}
        status, _ = self.told("PUT", f"/items/{item}/priority", {"minutes": minutes, "reason": "test"})
        if status == 200:
            with self.lock:
                self.promised[item]["minutes"] = {minutes}

    def customer(self):
        self.number += 1
        name = f"Customer {self.nth}-{self.number}"
        status, found = self.told("POST", "/customers", {"name": name})
        if status in (200, 201):
            with self.lock:
                self.new_customers[found["customer"]] = name
