#!/usr/bin/env python3
"""What the store can do: events a second into the journal, and figures over a million interactions, on SQLite and PostgreSQL.  Alone:
  tests/load/store_bench.py --journal FILE --kpi FILE [--only journal,kpi] [--interactions N] [--postgres URL]
FILEs are the examples `journal_speed`, `kpi_speed` and (with --program) `console_speed` of the crate tandem. Without --postgres it starts a server of its own."""
import argparse, contextlib, glob, json, os, random, shutil, sqlite3, subprocess, tempfile, time
from lab import Trouble
import restart
from plan_bench import identifier

INTERACTIONS, DAYS, QUEUES, AGENTS = 1_000_000, 30, 10, 200
SECONDS = 15
CONSOLES = 500


def run(program, *arguments, limit_s=900):
    done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, timeout=limit_s)
    if done.returncode:
        raise Trouble(f"{os.path.basename(program)}: {(done.stderr or done.stdout).strip()[-400:]}")
    return json.loads(done.stdout)


@contextlib.contextmanager
def postgres(url=None):
    """Gives a function that makes an empty database and tells its URL. A server of our own writes to the disk as any does: fsync is on."""
    if url:
        yield lambda name: made(url, name)
        return
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin"))
    if not found:
        raise Trouble("no PostgreSQL: install it, or give --postgres")
    folder = tempfile.mkdtemp(prefix="tandem-pg-bench.")
    # The server refuses to be root.
    user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
    if user:
        shutil.chown(folder, "postgres", "postgres")
    tool = lambda name, *arguments: subprocess.run([*user, os.path.join(found[-1], name), *arguments], check=True, stdout=subprocess.DEVNULL,
                                                   stderr=subprocess.DEVNULL, cwd="/")
    try:
        tool("initdb", "-D", f"{folder}/d", "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C")
        tool("pg_ctl", "-D", f"{folder}/d", "-o", f"-c listen_addresses='' -c unix_socket_directories='{folder}'", "-l", f"{folder}/log", "-w", "start")
        yield lambda name: made(f"postgres://postgres@localhost/postgres?host={folder}", name)
    finally:
        with contextlib.suppress(subprocess.CalledProcessError):
            tool("pg_ctl", "-D", f"{folder}/d", "stop", "-m", "immediate")
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def places(url=None):
    """Two functions: where an SQLite file of a name is to lie, and the URL of an empty PostgreSQL database of a name."""
    with tempfile.TemporaryDirectory(prefix="tandem-store-bench.") as folder, postgres(url) as database:
        yield lambda name: os.path.join(folder, name), database


def made(url, name):
    subprocess.run(["psql", "-q", url, "-c", f"DROP DATABASE IF EXISTS {name}", "-c", f"CREATE DATABASE {name}"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    server, _, options = url.partition("?")
    return server.rsplit("/", 1)[0] + "/" + name + ("?" + options if options else "")


# ---- figures
def interactions(count):
    """Rows of `waits`, `agent_spells` and `offers` of 30 days until an hour ago: busy by day, quiet by night. Rows are as the projections
    write them; of what figures do not read there is nothing."""
    dice, now_us = random.Random(1), int(time.time() * 1e6)
    begin_us = now_us - DAYS * 86_400_000_000
    hours = [1, 1, 1, 1, 1, 1, 2, 4, 8, 10, 10, 9, 8, 8, 9, 10, 9, 8, 6, 4, 3, 2, 1, 1]
    begins = []
    for _ in range(count):
        hour = dice.choices(range(24), hours)[0]
        begins.append(begin_us + dice.randrange(DAYS) * 86_400_000_000 + hour * 3_600_000_000 + dice.randrange(3_600_000_000))
    begins.sort()
    last = [begin_us] * AGENTS
    nth = [0] * AGENTS
    for n, entered in enumerate(begins):
        if entered > now_us - 3_600_000_000:
            entered = now_us - 3_600_000_000
        item, queue, agent = identifier(entered // 1000, n), f"q{dice.randrange(QUEUES)}", n % AGENTS
        wait = int(dice.expovariate(1 / 25) * 1e6)
        if dice.random() < 0.08:
            yield "waits", (item, 0, item, queue, 0, entered, entered, entered + wait, "abandoned", None, None)
            continue
        answered = max(entered + wait, last[agent])
        finished = answered + int(dice.expovariate(1 / 180) * 1e6)
        wrapped = finished + int(dice.expovariate(1 / 20) * 1e6)
        name = str(10_000 + agent)
        yield "waits", (item, 0, item, queue, 0, entered, entered, answered, "answered", name, finished)
        yield "offers", ("o" + item, item, name, "{}", max(entered, answered - 3_000_000), answered, "accepted", None)
        for activity, about, begun, ended in (("ready", None, last[agent], answered), ("engaged", item, answered, finished), ("wrap-up", item, finished, wrapped)):
            yield "agent_spells", (name, nth[agent], activity, about, None, begun, ended)
            nth[agent] += 1
        last[agent] = wrapped
    for agent in range(AGENTS):
        yield "agent_spells", (str(10_000 + agent), nth[agent], "offline", None, None, last[agent], None)
        yield "agents_state", (str(10_000 + agent), '"offline"', last[agent], last[agent], None)


COLUMNS = {
    "waits": "item_id, nth, call_id, queue, callback, entered_us, since_us, ended_us, ended_how, agent, finished_us",
    "offers": "offer_id, item_id, agent, decision, offered_us, ended_us, outcome, cause",
    "agent_spells": "agent, nth, activity, item_id, reason, from_us, to_us",
    "agents_state": "agent, state, since_us, idle_since_us, pending",
}


def batches(count, size=20_000):
    kept = {table: [] for table in COLUMNS}
    for table, row in interactions(count):
        kept[table].append(row)
        if len(kept[table]) == size:
            yield table, kept[table]
            kept[table] = []
    yield from kept.items()


def fill(database, count):
    """Straight into the tables, which are there."""
    if not database.startswith("postgres://"):
        with contextlib.closing(sqlite3.connect(database)) as db:
            db.execute("PRAGMA synchronous=OFF")
            for table, rows in batches(count):
                marks = ", ".join("?" * len(COLUMNS[table].split(",")))
                db.executemany(f"INSERT INTO {table} ({COLUMNS[table]}) VALUES ({marks})", rows)
            db.commit()
        return
    psql = subprocess.Popen(["psql", "-q", "-v", "ON_ERROR_STOP=1", database], stdin=subprocess.PIPE, text=True)
    for table, rows in batches(count):
        psql.stdin.write(f"COPY {table} ({COLUMNS[table]}) FROM STDIN;\n")
        psql.stdin.writelines("\t".join("\\N" if cell is None else str(cell) for cell in row) + "\n" for row in rows)
        psql.stdin.write("\\.\n")
    psql.stdin.write("ANALYZE;\n")
    psql.stdin.close()
    if psql.wait():
        raise Trouble("psql did not take the rows")


def kpi(program, empty, database, count):
    """`empty` makes the tables: the example that measures the journal does, in a second of its own."""
    run(empty, database, 0)
    fill(database, count)
    return run(program, database, limit_s=3000)


def kpi_figure(found, count):
    """The slowest question on either database, nothing it is compared with, and what the others took."""
    lists = [{name.removesuffix("_ms"): took for name, took in line.items() if name.endswith("_ms")} for line in found]
    said = [f"{name} {', '.join(f'{question} {took:g} ms' for question, took in took.items())}" for name, took in zip(("SQLite:", "PostgreSQL:"), lists)]
    return max(max(took.values()) for took in lists), None, f"{count} interactions; " + "; ".join(said)


# ---- consoles
PLAN = """
realm "tandem"
listen { sip-udp "127.0.0.1:5060"; http "127.0.0.1:8080"; rtp "10000-19999" address="127.0.0.1"; }
extensions from=1000 to=1099
queue "support" { answer-target "20s"; }
route "support" { from any; to "1800"; queue "support"; hangup "busy"; }
"""


def consoles(program, console, count):
    """An agent goes to lunch and comes back, and many consoles watch: from the floor's decision to the last of them."""
    with restart.House(program, 0) as house:
        with open(os.path.join(house.folder, "plan", "plan.kdl"), "w") as f:
            f.write(PLAN)
        house.start()
        house.until_ready()
        house.kill()
        with contextlib.closing(sqlite3.connect(os.path.join(house.data, "tandem.db"))) as db:
            db.execute("INSERT INTO people (extension, display_name, realm, ha1_md5, ha1_sha256, queues, skills, device, always_on, changed_us) "
                       "VALUES ('1001', '', 'tandem', ?, ?, '[\"support\"]', '[]', ?, 1, 0)", ("0" * 32, "0" * 64, json.dumps({"extension": "1001"})))
            db.commit()
        with open(os.path.join(house.folder, "log"), "w"):
            pass
        house.start()
        house.until_ready()
        with open(os.path.join(house.data, "cli.json")) as f:
            access = json.load(f)
        return run(console, access["server"], access["token"], "1001", count, 20, SECONDS)


def main():
    a = argparse.ArgumentParser(description=__doc__)
    a.add_argument("--journal", required=True)
    a.add_argument("--kpi", required=True)
    a.add_argument("--program", help="the switch, for the consoles")
    a.add_argument("--console", help="the example console_speed")
    a.add_argument("--consoles", type=int, default=CONSOLES)
    a.add_argument("--only", default="journal,kpi,console")
    a.add_argument("--postgres")
    a.add_argument("--interactions", type=int, default=INTERACTIONS)
    options = a.parse_args()
    with places(options.postgres) as (file, database):
        if "journal" in options.only:
            print("journal_sqlite", json.dumps(run(options.journal, file("journal.db"), SECONDS)), flush=True)
            print("journal_postgres", json.dumps(run(options.journal, database("tandem_journal"), SECONDS)), flush=True)
        if "console" in options.only and options.program and options.console:
            print("consoles", json.dumps(consoles(options.program, options.console, options.consoles)), flush=True)
        if "kpi" in options.only:
            print("kpi_sqlite", json.dumps(kpi(options.kpi, options.journal, file("kpi.db"), options.interactions)), flush=True)
            print("kpi_postgres", json.dumps(kpi(options.kpi, options.journal, database("tandem_kpi"), options.interactions)), flush=True)


if __name__ == "__main__":
    main()
