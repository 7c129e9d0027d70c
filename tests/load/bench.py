#!/usr/bin/env python3
"""The run of `make bench`: measures each figure of figures.py beside its floor.  Called by bench.sh; see docs/benchmarks.md."""
import argparse, json, os, resource, signal, subprocess, sys, time
import figures, floor_bench, floors, plan_bench, queue_bench, restart, store_bench
from lab import CALLEE, CALLEE_SIP, CALLER, HERE, SIP, Lab, Trouble, say, whole_cpu_ns

ROOT = os.path.dirname(os.path.dirname(HERE))
RELAY_BASE = 12000          # the switch is not running while relay.c has these ports
AGENTS, TALK_S = 50, 1.0

FULL = dict(runs=3, secs=10, search_secs=8, tol=0.06, held=2000, ramp=200, settle=5, media_secs=12, queue_secs=20, store_secs=15, interactions=1_000_000, overload_secs=14, growth_secs=10, limit_s=1700)
QUICK = dict(runs=1, secs=5, search_secs=3, tol=0.25, held=2000, ramp=400, settle=3, media_secs=6, queue_secs=6, store_secs=5, interactions=100_000, overload_secs=8, growth_secs=5, limit_s=600)
CPU_RATE = 300              # calls/s at which CPU per call is read: below the limit of every switch that was compared but the slowest
WAYS = [("udp", 5060), ("tcp", 5060), ("tls", 5061), ("wss", 8443)]
RELAYED, OPUS, G722, MIXED = 100, 30, 50, 100
BUSY_PCT, MOST_RELAYED = 70, 900     # beyond that the load generator's own core is full
REGISTERED = 10000          # phones that a restarted switch must know again
RATED = 3000                # calls/s that one core is meant for; on a slower machine its best rate counts
TIMES = 10                  # times the rated load, for the figure of overload
FEW, MANY, GROWTH_RATE = 100, 10000, 500


class Bench:
    def __init__(self, lab, speed, floor_speed, store_speeds, size):
        self.floor_speed, self.store_speeds = floor_speed, store_speeds
        self.lab, self.speed, self.size, self.measured = lab, speed, size, {}
        self.began = time.monotonic()

    def put(self, name, value, baseline, note=""):
        self.measured[name] = dict(value=value, baseline=baseline, note=note)

    def value(self, name):
        return self.measured.get(name, {}).get("value")

    def step(self, title, work, *names):
        """Runs one step. What goes wrong in it leaves its figures unknown, with the reason, and the others alone."""
        at = time.monotonic() - self.began
        say(f"[{at:4.0f} s] {title}")
        try:
            if at > self.size["limit_s"]:
                raise Trouble(f"not measured: the run took longer than {self.size['limit_s']} s")
            self.lab.stop_switch()
            self.lab.check_ports()
            work()
        except Trouble as e:
            say(f"    {e}")
            for name in names:
                self.measured.setdefault(name, dict(value=None, baseline=None))["note"] = str(e)

    # ---- signalling
    def cpu_per_call(self):
        baseline = floor_of(lambda: floors.forward_ms_per_call(self.lab, CPU_RATE, self.size["secs"]))
        self.put("b2bua_cpu_ms_per_call", None, baseline)
        pid = self.lab.start_switch()
        secs, runs = self.size["secs"], self.size["runs"]
        trials = self.lab.kit("cps.py", SIP, "--rate", CPU_RATE, "--secs", secs, "--runs", runs, "--grace", 15, pid=pid, limit_s=runs * (secs + 25))
        spent = figures.median(t["cpu_ms_per_call"] for t in trials if t["pass"])
        self.put("b2bua_cpu_ms_per_call", spent, baseline, "" if spent else failure(trials))

    def ways(self):
        """The same calls by each transport, one generator for all."""
        secs, runs, spent = self.size["secs"], self.size["runs"], {}
        for way, port in WAYS:
            pid = self.lab.start_switch()
            trials = self.lab.kit("ways.py", f"127.0.0.1:{port}", "--way", way, "--rate", CPU_RATE, "--secs", secs, "--runs", runs, pid=pid,
                                  limit_s=runs * (secs + 15))
            spent[way] = sound(trials, "cpu_ms_per_call")
            say(f"    {way}: {spent[way]} ms a call, set-up p50 {sound(trials, 'setup_ms_p50')} ms, p99 {sound(trials, 'setup_ms_p99')} ms")
            if way != "udp":
                note = f"set-up p50 {sound(trials, 'setup_ms_p50')} ms, p99 {sound(trials, 'setup_ms_p99')} ms" if spent[way] else failure(trials)
                self.put(f"call_by_{way}_cpu_ms", spent[way], spent["udp"], note)

    def setup_time(self):
        secs, rate = self.size["secs"], 100
        bare = self.lab.kit("setup.py", CALLEE_SIP, "--rate", rate, "--secs", secs, limit_s=secs + 30)
        pid = self.lab.start_switch()
        trials = self.lab.kit("setup.py", SIP, "--rate", rate, "--secs", secs, pid=pid, limit_s=secs + 30)
        for name in ("setup_ms_p50", "setup_ms_p99"):
            self.put(name, sound(trials, name), sound(bare, name), "" if any(t["pass"] for t in trials) else failure(trials))

    def calls_per_s(self):
        spent = self.value("b2bua_cpu_ms_per_call")
        floor = self.measured.get("b2bua_cpu_ms_per_call", {}).get("baseline")
        start = max(50, min(0.5 * 1000 / spent, 2500)) if spent else 50
        secs = self.size["search_secs"]
        trials = self.lab.kit("cps.py", SIP, "--secs", secs, "--start", round(start), "--tol", self.size["tol"], "--max", 8000, "--grace", 12,
                              "--cooldown", 1, "--restart", self.lab.start_command(), limit_s=16 * (secs + 8))
        say("    " + ", ".join(f"{t['rate']:.0f} {'held' if t['pass'] else 'failed'}" for t in trials if t["kind"] == "cps"))
        passed = [t["rate"] for t in trials if t["kind"] == "cps" and t["pass"]]
        best = max(passed, default=None)
        note = "" if best else failure(trials)
        if best and not any(t["kind"] == "cps_max" for t in trials):
            note = "the search was cut short: at least this"
        elif best and not self.load_can(1.25 * best):
            note = "the load scripts fail at 1.25 times this rate even without a switch: at least this"
        self.put("b2bua_calls_per_s", best, 1000 / floor if floor else None, note)

    def load_can(self, rate):
        """Whether SIPp alone, caller straight to callee, holds a rate."""
        self.lab.stop_switch()
        trials = self.lab.kit("cps.py", CALLEE_SIP, "--rate", rate, "--secs", self.size["search_secs"], "--grace", 12, limit_s=60)
        return all(t["pass"] for t in trials)

    def memory(self):
        held, ramp, settle = self.size["held"], self.size["ramp"], self.size["settle"]
        trials = self.lab.kit("cps.py", SIP, "--concurrent", held, "--ramp", ramp, "--settle", settle, "--margin", 6, "--grace", 20,
                              "--restart", self.lab.start_command(), limit_s=2 * held / ramp + settle + 60)
        t = trials[-1]
        if t["current"] < 0.99 * held:
            raise Trouble(f"{t['current']} of {held} calls were up, {t['failed']} failed")
        self.put("b2bua_kib_per_call", t["kib_per_call"], t["uas_kib_per_call"],
                 f"process {t['rss0']:.0f} MiB before, {t['rss_n']:.0f} MiB with {t['current']} calls, {t['rss_after']:.0f} MiB after")

    # ---- overload
    def calls(self, rate, secs, hold_ms=0, skip=0, pid=None, window=None):
        """One run of kit/calls.c. With `window`, also the CPU in ms that `pid` used in the last `window` seconds of it."""
        program, service = self.lab.compile("calls"), "1000"
        ip, port = SIP.split(":")
        argv = [program, ip, port, *map(str, CALLER), *map(str, CALLEE), service, f"{rate:.0f}", str(secs), str(hold_ms), str(skip)]
        process = self.lab.start(argv, self.lab.load_core, stdout=subprocess.PIPE, text=True)
        try:
            spent = None
            if window:
                time.sleep(secs - window)
                before = whole_cpu_ns(pid)
                time.sleep(window)
                spent = (whole_cpu_ns(pid) - before) / 1e6
            text, _ = process.communicate(timeout=secs + hold_ms / 1e3 + 40)
        except subprocess.TimeoutExpired as e:
            raise Trouble("calls did not end") from e
        finally:
            self.lab.end(process)
        row = json.loads(text)
        row["cpu_ms"] = spent
        return row

    def overload(self):
        secs, skip = self.size["overload_secs"], 4
        guess = self.value("b2bua_calls_per_s") or RATED
        best = 0
        for factor in (0.85, 1.0, 1.2):
            self.lab.start_switch()
            row = self.calls(factor * guess, secs, skip=skip)
            say(f"    {row['rate']} offered: {row['done_per_s']} done, {row['refused_per_s']} refused a second, set-up p99 {row['setup_ms_p99']} ms")
            best = max(best, row["done_per_s"])
        rated = min(RATED, best)
        self.lab.start_switch()
        row = self.calls(TIMES * rated, secs, skip=skip)
        say(f"    {row['rate']} offered: {row['done_per_s']} done, {row['refused_per_s']} refused a second, set-up p99 {row['setup_ms_p99']} ms")
        self.put("overload_throughput_share", row["done_per_s"] / best, best,
                 f"{row['rate']} calls/s offered, {row['done_per_s']:.0f} done and {row['refused_per_s']:.0f} refused with 503 a second, "
                 f"{100 * row['silent'] / max(1, row['offered']):.1f} % without an answer, set-up p99 {row['setup_ms_p99']:.0f} ms")

    def growth(self):
        # Two ports of audio a call, each a file.
        many = min(MANY, (resource.getrlimit(resource.RLIMIT_NOFILE)[1] - 1000) // 2 // 100 * 100)
        window, costs = self.size["growth_secs"], []
        for up in (FEW, many):
            pid = self.lab.start_switch()
            hold_s = up / GROWTH_RATE
            row = self.calls(GROWTH_RATE, hold_s + 4 + window, hold_ms=1000 * hold_s, skip=hold_s, pid=pid, window=window)
            if row["done"] < 0.995 * row["offered"]:
                raise Trouble(f"{row['done']} of {row['offered']} calls done with {up} up")
            costs.append(row["cpu_ms"] / (GROWTH_RATE * window))
        self.put("b2bua_cpu_growth_ratio", costs[1] / costs[0], costs[0], f"{costs[0]:.3f} ms a call with {FEW} up, {costs[1]:.3f} with {many}, at {GROWTH_RATE} calls/s")

    # ---- media
    def media(self, target, pid, calls, *more):
        secs = self.size["media_secs"]
        return self.lab.kit("media.py", target, "--calls", calls, "--secs", secs, "--warm", 2, "--cps", 50, *more, pid=pid, limit_s=secs + calls / 20 + 60)

    def relay(self):
        program, ours, bare = self.lab.compile("relay"), [], []
        for _ in range(self.size["runs"]):
            self.lab.stop_switch()
            floor = self.lab.floor([program, str(RELAYED), str(RELAY_BASE), "0", "0"])
            try:
                bare += self.media("floor:0", floor.pid, RELAYED, "--floor", RELAY_BASE)
            finally:
                self.lab.end(floor)
            ours += self.media(SIP, self.lab.start_switch(), RELAYED)
        cpu, floor_cpu = whole(ours, "cpu_pct_per_100"), whole(bare, "cpu_pct_per_100")
        note = failure(ours) if cpu is None else failure(bare) if floor_cpu is None else ""
        self.put("relay_ratio", figures.quotient(cpu, floor_cpu), floor_cpu, note)
        self.put("relay_cpu_pct_per_100", cpu, floor_cpu)
        self.put("relay_delay_ms_p99", whole(ours, "delay_ms_p99"), whole(bare, "delay_ms_p99"))

    def with_datagrams(self, opus):
        """The codec's own time has no datagrams in it: what it is to receive and send them stands in the note."""
        relay = self.measured.get("relay_cpu_pct_per_100", {}).get("baseline")
        if relay is None or opus.get("value") is None or opus.get("baseline") is None:
            return ""
        return f"{opus['value'] / (opus['baseline'] + relay):.2f} x the codec and the bare relay loop together, {opus['baseline'] + relay:.1f} % of a core per 100 calls"

    def relay_loaded(self):
        """As many calls as keep one core seven tenths busy: how long packets wait then, and what a call takes of memory."""
        cpu = self.value("relay_cpu_pct_per_100")
        if not cpu:
            raise Trouble("what a relayed call costs is not known")
        calls = max(50, min(MOST_RELAYED, round(BUSY_PCT / cpu * 100)))
        trials, bare = [], []
        for _ in range(self.size["runs"]):
            trials += self.media(SIP, self.lab.start_switch(), calls)
        self.lab.stop_switch()
        floor = self.lab.floor([self.lab.compile("relay"), str(calls), str(RELAY_BASE), "0", "0"])
        try:
            bare += self.media("floor:0", floor.pid, calls, "--floor", RELAY_BASE)
        finally:
            self.lab.end(floor)
        busy = whole(trials, "cpu_pct")
        note = failure(trials) if busy is None else f"{calls} calls, {busy:.0f} % of a core; the generator was up to {max(t.get('gen_late_max_ms', 0) for t in trials):.1f} ms late"
        self.put("relay_delay_p999_ms", whole(trials, "delay_ms_p999"), whole(bare, "delay_ms_p999"), note)
        self.put("relay_kib_per_call", whole(trials, "kib_per_call"), None, f"{calls} calls on a fresh switch")

    def srtp(self):
        """The same calls with SRTP on both sides, by the plain ones and the ciphers alone."""
        plain = self.value("relay_cpu_pct_per_100")
        cipher_us = float(subprocess.run([self.lab.compile("cipher", "-lcrypto")], capture_output=True, text=True, check=True).stdout)
        trials = []
        for _ in range(self.size["runs"]):
            trials += self.media(SIP, self.lab.start_switch(), RELAYED, "--service", "1400", "--srtp")
        cpu = whole(trials, "cpu_pct_per_100")
        # Two directions of fifty packets a second; microseconds a second are ten thousandths of a percent.
        cipher = cipher_us * 100 * 2 * 50 / 1e4
        note = failure(trials) if cpu is None else f"{cpu:.1f} % of a core per 100 calls, of it {cipher:.1f} % for the ciphers ({cipher_us:.2f} us a packet)"
        self.put("srtp_relay_ratio", None if cpu is None or not plain else (cpu - cipher) / plain, plain, note)

    def transcode(self, name, service, codec, calls, floor):
        pid = self.lab.start_switch()
        trials = []
        for _ in range(self.size["runs"]):
            trials += self.media(SIP, pid, calls, "--service", service, "--b-codec", codec)
        value = whole(trials, "cpu_pct_per_100")
        self.put(name, value, None, "" if value is not None else failure(trials))
        self.measured[name]["baseline"] = floor_of(lambda: floor(self.lab))

    def mix(self):
        """A hundred parties, two of ten talking: in rooms of ten, and all in one."""
        pid = self.lab.start_switch()
        small, large = [], []
        for _ in range(self.size["runs"]):
            small += self.media(SIP, pid, MIXED, "--mix", "--service", "50", "--per-room", 10, "--talkers", 2)
            large += self.media(SIP, pid, MIXED, "--mix", "--service", "500", "--talkers", MIXED // 5)
        pairs = self.media(SIP, pid, MIXED // 2, "--service", "1000")
        few, many = whole(small, "cpu_pct_per_100"), whole(large, "cpu_pct_per_100")
        two = whole(pairs, "cpu_pct_per_100")
        self.put("mix_cpu_pct_per_100", few, None if two is None else two / 2, "" if few is not None else failure(small))
        ratio = figures.quotient(many, few)
        self.put("mix_growth_ratio", ratio, few, f"{many} % with all in one room" if many is not None else failure(large))

    # ---- queue
    def queue(self, target, rate, pid=None, *more):
        secs = self.size["queue_secs"]
        return self.lab.kit("queue_load.py", target, "--rate", rate, "--secs", secs, "--talk", TALK_S, "--agents", AGENTS, "--drain", 12, *more,
                            pid=pid, limit_s=secs + 45)

    def dispatch(self):
        bare = self.queue(CALLEE_SIP, 40, None, "--direct")
        trials = self.queue(SIP, 40, self.lab.start_switch())
        for t in trials + bare:
            t["pass"] = t["connected"] >= 0.999 * t["offered"]
        for name in ("dispatch_ms_p50", "dispatch_ms_p99"):
            self.put("queue_" + name, sound(trials, name), sound(bare, name), "" if trials[-1]["pass"] else failure(trials))

    def capacity(self):
        t = self.queue(SIP, 60, self.lab.start_switch())[-1]
        if not t["connected"]:
            raise Trouble(failure([t]))
        self.put("queue_connected_per_s", t["connected_per_s"], AGENTS / TALK_S, f"60 calls/s offered, {t['connected']} of {t['offered']} calls connected")

    def offered_too_much(self):
        secs = self.size["queue_secs"]
        bare = queue_bench.trial(self.lab, CALLEE_SIP, queue_bench.CAPACITY / 2, min(secs, 6), None, "--direct")
        found = queue_bench.measure(self.lab, secs)
        share, rung = queue_bench.worst(found)
        each = lambda of: "; ".join(f"{line['times']:g} x: {of(line)}" for line in found)
        self.put("queue_overload_share", share, None, each(lambda line: f"{line['connected_per_s']:.1f} calls/s"))
        self.put("queue_dispatch_p99_ms", rung, bare["dispatch_ms_p99"], each(lambda line: f"{line['rung_ms_p99']} ms"))

    # ---- the store
    def journal(self):
        journal, _, _ = self.store_speeds
        with store_bench.places() as (file, database):
            for name, place in (("sqlite", file("journal.db")), ("postgres", database("tandem_journal"))):
                found = store_bench.run(journal, place, self.size["store_secs"])
                self.put(f"journal_{name}_events_per_s", found["events_per_s"], None, f"{found['events']} events, each there once and its tables right")

    def kpi(self):
        journal, kpi, _ = self.store_speeds
        count = self.size["interactions"]
        with store_bench.places() as (file, database):
            found = [store_bench.kpi(kpi, journal, place, count) for place in (file("kpi.db"), database("tandem_kpi"))]
        self.put("kpi_1m_ms", *store_bench.kpi_figure(found, count))

    def consoles(self):
        *_, console = self.store_speeds
        few, many = [store_bench.consoles(self.lab.program, console, count) for count in (1, store_bench.CONSOLES)]
        self.put("event_to_console_p99_ms", many["p99_ms"], few["p99_ms"], f"{store_bench.CONSOLES} consoles, median {many['p50_ms']} ms")

    # ---- restart
    def restart(self):
        program, core, runs = self.lab.program, self.lab.server_core, self.size["runs"]
        bare = figures.median(restart.measure(program, core, 1, runs))
        self.put("restart_to_first_call_s", figures.median(restart.measure(program, core, REGISTERED, runs)), bare)

    # ---- the floor
    def decisions(self):
        calls, mixed = floor_bench.decisions(self.floor_speed, self.lab.server_core)
        self.put("decision_p99_us", mixed["decision"]["p99"], calls["decision"]["p99"],
                 f"10,000 agents, 100,000 items of calls, chats and emails; median {mixed['decision']['p50']:.3g} us, worst {mixed['decision']['max']:.3g} us")

    def restart_items(self):
        program, core, runs = self.lab.program, self.lab.server_core, self.size["runs"]
        bare = figures.median(floor_bench.restarts(program, core, 0, runs))
        self.put("restart_100k_items_s", figures.median(floor_bench.restarts(program, core, floor_bench.ITEMS, runs)), bare)

    # ---- plans
    def plans(self):
        """Plans of many routes, beside a plan of few."""
        many, few, runs = plan_bench.ROUTES, plan_bench.FEW_ROUTES, self.size["runs"]
        with plan_bench.Plans(self.lab.program, self.speed, self.lab.server_core) as house:
            self.put("check_10k_routes_s", house.check_s(many, runs), house.check_s(few, runs))
            of_many, of_few = house.speeds(many), house.speeds(few)
            self.put("route_lookup_p99_us", of_many["route_lookup_us"]["p99"], of_few["route_lookup_us"]["p99"],
                     f"median {of_many['route_lookup_us']['p50']} us")
            self.put("simulated_call_ms", of_many["simulated_call_us"]["p50"] / 1e3, of_few["simulated_call_us"]["p50"] / 1e3,
                     f"p99 {of_many['simulated_call_us']['p99'] / 1e3:.3g} ms")
            long, short = house.apply_ms(many), house.apply_ms(few)
            self.put("apply_one_line_ratio", long / short, short, f"{long:.3g} ms with {many} routes, {short:.3g} ms with {few}")
            took, moved = house.replay_s(plan_bench.REPLAYED)
            self.put("replay_100k_calls_s", took, None, f"{moved} of {plan_bench.REPLAYED} would go elsewhere")

    def run(self):
        self.step(f"CPU per call at {CPU_RATE} calls/s", self.cpu_per_call, "b2bua_cpu_ms_per_call")
        self.step("the same calls by each transport", self.ways, *[f"call_by_{way}_cpu_ms" for way, _ in WAYS[1:]])
        self.step("set-up time", self.setup_time, "setup_ms_p50", "setup_ms_p99")
        self.step("highest rate", self.calls_per_s, "b2bua_calls_per_s")
        self.step(f"memory at {self.size['held']} calls", self.memory, "b2bua_kib_per_call")
        self.step(f"{TIMES} times the rated load", self.overload, "overload_throughput_share")
        self.step(f"CPU per call with {FEW} and {MANY} up", self.growth, "b2bua_cpu_growth_ratio")
        self.step(f"relay of {RELAYED} calls beside the bare loop", self.relay, "relay_ratio", "relay_cpu_pct_per_100", "relay_delay_ms_p99")
        self.step(f"relay at {BUSY_PCT} % of a core", self.relay_loaded, "relay_delay_p999_ms", "relay_kib_per_call")
        self.step("relay with SRTP", self.srtp, "srtp_relay_ratio")
        for name, service, codec, calls, floor in (("transcode_opus_cpu_pct_per_100", "2000", "OPUS", OPUS, floors.opus_cpu_pct_per_100),
                                                   ("transcode_g722_cpu_pct_per_100", "2200", "G722", G722, floors.g722_cpu_pct_per_100)):
            self.step(f"G.711 to {codec}, {calls} calls", lambda: self.transcode(name, service, codec, calls, floor), name)
        opus = self.measured.get("transcode_opus_cpu_pct_per_100", {})
        self.put("opus_transcode_ratio", figures.quotient(opus.get("value"), opus.get("baseline")), opus.get("baseline"), self.with_datagrams(opus))
        self.step(f"{MIXED} parties in rooms", self.mix, "mix_cpu_pct_per_100", "mix_growth_ratio")
        self.step(f"restart with {REGISTERED} registrations", self.restart, "restart_to_first_call_s")
        self.step(f"plans of {plan_bench.ROUTES} routes", self.plans, "check_10k_routes_s", "route_lookup_p99_us", "simulated_call_ms",
                  "apply_one_line_ratio", "replay_100k_calls_s")
        self.step("decisions of the floor", self.decisions, "decision_p99_us")
        self.step(f"restart with {floor_bench.ITEMS} waiting items", self.restart_items, "restart_100k_items_s")
        self.step("queue below its capacity", self.dispatch, "queue_dispatch_ms_p50", "queue_dispatch_ms_p99")
        self.step("queue above its capacity", self.capacity, "queue_connected_per_s")
        self.step("queue at up to ten times its capacity", self.offered_too_much, "queue_overload_share", "queue_dispatch_p99_ms")
        self.step("journal", self.journal, "journal_sqlite_events_per_s", "journal_postgres_events_per_s")
        self.step("consoles", self.consoles, "event_to_console_p99_ms")
        self.step(f"figures of {self.size['interactions']} interactions", self.kpi, "kpi_1m_ms")
        say(f"[{time.monotonic() - self.began:4.0f} s] done")


def floor_of(work):
    """A floor, or None: without it the figure itself still stands."""
    try:
        return work()
    except Trouble as e:
        say(f"    {e}")
        return None


def sound(trials, key):
    """Median over the trials that passed."""
    return figures.median(t.get(key) for t in trials if t["pass"])


def whole(trials, key):
    """Median over the media trials in which every call was up and at most 1 % of the packets were lost: CPU of lost packets is not saved CPU.
    No CPU at all means that some other process carried the packets."""
    return figures.median(t.get(key) for t in trials if t["up"] >= 0.999 * t["want"] and t.get("loss_pct", 100) <= 1 and t["cpu_pct"] > 0)


def failure(trials):
    """Why no trial counted, in the words of the last one."""
    if not trials:
        return "no trial ended"
    t = trials[-1]
    if t["kind"] == "media":
        if t.get("cpu_pct") == 0:
            return "the measured process used no CPU: another one carried the packets"
        return f"{t['up']} of {t['want']} calls up, {t.get('loss_pct', 'unknown')} % lost {t['fail_eg'] or ''}".strip()
    return f"{t.get('failed', t.get('offered', 0) - t.get('connected', 0))} of {t.get('calls', t.get('offered'))} calls failed"


def last_run():
    try:
        with open(os.path.join(ROOT, "target", "bench.json")) as f, open(os.path.join(ROOT, "target", "bench.md")) as g:
            return json.load(f), g.read().rstrip()
    except (OSError, ValueError) as e:
        sys.exit(f"bench: no earlier run: {e}")


def main():
    a = argparse.ArgumentParser(description=__doc__)
    a.add_argument("--program", required=True, help="the switch to measure")
    a.add_argument("--speed", required=True, help="the example plan_speed of the crate tandem-dialplan")
    a.add_argument("--floor-speed", required=True, help="the example floor_speed of the crate tandem-switch")
    for name in ("journal", "kpi", "console"):
        a.add_argument(f"--{name}-speed", required=True, help=f"the example {name}_speed of the crate tandem")
    a.add_argument("--markdown", action="store_true", help="print the table as Markdown")
    a.add_argument("--last", action="store_true", help="print the last run, measure nothing")
    options = a.parse_args()
    if options.last:
        found, text = last_run()
    else:
        quick = os.environ.get("BENCH") == "quick"
        place = figures.machine(ROOT, not os.environ.get("BENCH_PROGRAM"))
        say(f"{'Quick' if quick else 'Full'} run: {place}")
        found = measure(os.path.abspath(options.program), os.path.abspath(options.speed), os.path.abspath(options.floor_speed),
                        [os.path.abspath(file) for file in (options.journal_speed, options.kpi_speed, options.console_speed)], QUICK if quick else FULL)
        text = figures.markdown(found, "BENCH=quick make bench" if quick else "make bench", place)
        figures.write(ROOT, found, text)
    print(text if options.markdown else figures.table(found))
    if not options.last:
        say("Written: target/bench.json, target/bench.md")


def measure(program, speed, floor_speed, store_speeds, size):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGHUP, lambda *_: sys.exit(129))
    with Lab(program) as lab:
        if lab.server_core == lab.load_core:
            say("Only one core: switch and load share it, so rates and times are worse than they are.")
        try:
            lab.check_ports()
        except Trouble as e:
            sys.exit(f"bench: {e}")
        bench = Bench(lab, speed, floor_speed, store_speeds, size)
        bench.run()
        return figures.rows(bench.measured)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
