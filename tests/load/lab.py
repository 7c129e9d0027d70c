"""Processes of a measurement: started here, bounded in time, ended here by their id.  Loopback addresses only."""
import json, os, select, shutil, signal, socket, subprocess, sys, tempfile, time

HERE = os.path.dirname(os.path.abspath(__file__))
KIT = os.path.join(HERE, "kit")
SIP = "127.0.0.1:5060"
CALLER = ("127.0.0.2", 5070)
CALLEE = ("127.0.0.3", 5090)
CALLEE_SIP = "%s:%d" % CALLEE
# What the plan listens on, and what the load scripts bind.
TAKEN_BY_US = [("udp", "127.0.0.1", 5060), ("tcp", "127.0.0.1", 5060), ("tcp", "127.0.0.1", 5061), ("tcp", "127.0.0.1", 8443),
               ("tcp", "127.0.0.1", 8080), ("udp", *CALLER), ("udp", *CALLEE)]


class Trouble(Exception):
    """A step could not be measured; the figure stays unknown and this says why."""


def say(text):
    print(text, file=sys.stderr, flush=True)


def priority(pid):
    """Kernels that share the CPU between sessions ignore plain nice; needs root, and without it nothing is lost but quiet."""
    try:
        with open(f"/proc/{pid}/autogroup", "w") as f:
            f.write("-12")
    except OSError:
        pass


class Lab:
    """One run's scratch folder, cores and processes."""

    def __init__(self, program):
        self.program = program
        self.scratch = tempfile.mkdtemp(prefix="tandem-bench.")
        self.state = os.path.join(self.scratch, "switch")
        allowed = sorted(os.sched_getaffinity(0))
        self.server_core, self.load_core = allowed[0], allowed[min(1, len(allowed) - 1)]
        self.running = []
        self.env = dict(os.environ, TMPDIR=self.scratch, PYTHONDONTWRITEBYTECODE="1", RTPLOAD=os.path.join(self.scratch, "rtpload"),
                        PAYDIR=os.path.join(self.scratch, "payloads"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in list(self.running):
            self.end(process)
        if os.path.isdir(self.state):
            self.stop_switch()
        shutil.rmtree(self.scratch, ignore_errors=True)

    # ---- what must be free and built before anything starts
    def check_ports(self):
        for kind, ip, port in TAKEN_BY_US:
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM)
            if kind == "tcp":
                s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind((ip, port))
            except OSError as e:
                raise Trouble(f"{kind} {ip}:{port} is needed and cannot be had ({e.strerror}); is a switch or a test running? "
                              f"See: ss -lnp{kind[0]} 'sport = :{port}'") from e
            finally:
                s.close()

    def compile(self, name, *libraries):
        out = os.path.join(self.scratch, name)
        done = subprocess.run(["gcc", "-O2", "-o", out, os.path.join(KIT, name + ".c"), "-lm", *libraries], capture_output=True, text=True)
        if done.returncode:
            raise Trouble(f"{name}.c does not compile: {done.stderr.strip()[-300:]}")
        return out

    # ---- processes
    def start(self, argv, core, **popen):
        """Starts a process in a session of its own, so that ending the session ends what it started."""
        process = subprocess.Popen(["taskset", "-c", str(core), *argv], stdin=subprocess.DEVNULL, start_new_session=True,
                                   env=self.env, cwd=self.scratch, **popen)
        priority(process.pid)
        self.running.append(process)
        return process

    def end(self, process):
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()
        if process.stdout:
            process.stdout.close()
        if process in self.running:
            self.running.remove(process)

    def floor(self, argv):
        """A floor program on the switch's core; returns when it says "ready"."""
        process = self.start(argv, self.server_core, stdout=subprocess.PIPE, text=True)
        seen = select.select([process.stdout], [], [], 10)[0]
        if not seen or process.stdout.readline().strip() != "ready":
            self.end(process)
            raise Trouble(f"{os.path.basename(argv[0])} did not start")
        return process

    def kit(self, script, *arguments, limit_s, pid=None):
        """Runs a script of the kit on the load's core; its JSON lines, those before the limit included. `pid` must live through it."""
        reads = ["--pid", str(pid)] if pid else []
        argv = [sys.executable, os.path.join(KIT, script), *map(str, arguments), *reads, "--core", str(self.load_core)]
        out = os.path.join(self.scratch, "trials.jsonl")
        errors = os.path.join(self.scratch, "errors")
        with open(out, "w") as o, open(errors, "w") as e:
            process = self.start(argv, self.load_core, stdout=o, stderr=e)
            try:
                status = process.wait(timeout=limit_s)
            except subprocess.TimeoutExpired:
                status = f"no end after {limit_s:.0f} s"
            finally:
                self.end(process)
        if pid and not os.path.exists(f"/proc/{pid}"):
            raise Trouble(f"process {pid} ended while it was measured")
        with open(out) as f:
            rows = [json.loads(line) for line in f if line.startswith("{")]
        if status != 0:
            with open(errors) as f:
                last = (f.read().strip().splitlines() or [""])[-1]
            say(f"    {script}: {status} {last}")
            if not rows:
                raise Trouble(f"{script}: {last or status}")
        return rows

    # ---- the switch
    def start_command(self):
        return f"'{HERE}/start.sh' --core {self.server_core} --program '{self.program}' --state '{self.state}'"

    def start_switch(self):
        try:
            done = subprocess.run(self.start_command(), shell=True, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60, env=self.env)
        except subprocess.TimeoutExpired as e:
            raise Trouble("the switch did not start within 60 s") from e
        if done.returncode:
            raise Trouble("the switch did not start: " + " | ".join(done.stderr.strip().splitlines()[-4:]))
        return int(done.stdout.split()[-1])

    def stop_switch(self):
        subprocess.run([HERE + "/start.sh", "--stop", "--state", self.state], capture_output=True, timeout=30, env=self.env)


def on_cpu_ns(pid):
    """CPU time of a single-threaded process so far."""
    with open(f"/proc/{pid}/schedstat") as f:
        return int(f.read().split()[0])


def whole_cpu_ns(pid):
    """CPU time of all threads of a process that live now."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        try:
            with open(f"/proc/{pid}/task/{task}/schedstat") as f:
                total += int(f.read().split()[0])
        except OSError:
            pass
    return total


def paced(count, per_s):
    """Yields 0, 1, 2, ... at a rate."""
    start = time.monotonic()
    for i in range(count):
        wait = start + i / per_s - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        yield i
