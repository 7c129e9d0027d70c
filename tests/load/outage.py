#!/usr/bin/env python3
"""The database is away under load: PostgreSQL stopped, or the disk of SQLite full. Calls and waiting go on, it is said loudly, and when the database is
back everything is written once.  Alone:
  tests/load/outage.py --program FILE --what postgresql|disk [--seconds N] [--net 127.77.3]
`disk` mounts a small tmpfs in a namespace of its own, so it wants to be root."""
import argparse, glob, json, os, random, shutil, subprocess, sys, tempfile, time, urllib.error, urllib.request
from kill_ledger import CLIENTS, Ledger, again, duplicates
from ledger_lab import Client, House, Phones, Wrong

DISK_MB = 48


class Postgres:
    """A server of this run's own, which is stopped as a crash would and started again."""

    def __init__(self):
        self.bin = sorted(glob.glob("/usr/lib/postgresql/*/bin"))[-1]
        self.folder = tempfile.mkdtemp(prefix="tandem-outage-pg.")
        self.user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
        if self.user:
            shutil.chown(self.folder, "postgres", "postgres")
        self.tool("initdb", "-D", f"{self.folder}/d", "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C")
        self.back()
        self.url = f"postgres://postgres@localhost/postgres?host={self.folder}"

    def tool(self, name, *arguments):
        subprocess.run([*self.user, os.path.join(self.bin, name), *arguments], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/")

    def back(self):
        self.tool("pg_ctl", "-D", f"{self.folder}/d", "-o", f"-c listen_addresses='' -c unix_socket_directories='{self.folder}'", "-l", f"{self.folder}/log", "-w", "start")

    def away(self):
        self.tool("pg_ctl", "-D", f"{self.folder}/d", "stop", "-m", "immediate")

    def end(self):
        subprocess.run([*self.user, os.path.join(self.bin, "pg_ctl"), "-D", f"{self.folder}/d", "stop", "-m", "immediate"], stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, cwd="/", check=False)
        shutil.rmtree(self.folder, ignore_errors=True)


class Disk:
    """The data folder on a small file system of its own, which somebody else fills."""
    url = None

    def on(self, data):
        self.data, self.filler = data, os.path.join(data, "somebody-elses")
        os.makedirs(data, exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", data], check=True)

    def away(self):
        with open(self.filler, "wb", buffering=0) as f:
            for size in (1 << 20, 4096):
                try:
                    while f.write(b"\0" * size) == size:
                        pass
                except OSError:
                    pass

    def back(self):
        os.remove(self.filler)

    def end(self):
        subprocess.run(["umount", "-l", self.data], check=False)


def open_page(house, path):
    """Status and text of a page of the process."""
    asked = urllib.request.Request(f"http://{house.net}.1:8080{path}", headers={"Authorization": "Bearer " + house.token})
    try:
        with urllib.request.urlopen(asked, timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read().decode()


def until(what, limit_s, look):
    end = time.monotonic() + limit_s
    while not (found := look()):
        if time.monotonic() > end:
            raise Wrong(f"after {limit_s} s not yet: {what}")
        time.sleep(0.1)
    return found


def kept_so_far(clients):
    return sum(c.counts["kept"] for c in clients), sum(c.counts["later"] for c in clients)


def one_outage(house, phones, ledger, place, seconds):
    """What went on meanwhile."""
    ledger.look()
    place.away()
    began, before = time.monotonic(), dict(phones.counts)
    until("/readyz says what is missing", 10, lambda: open_page(house, "/readyz")[0] == 503)
    said = open_page(house, "/readyz")[1]
    before_clients = kept_so_far(ledger.clients)
    while time.monotonic() < began + seconds:
        ledger.line_is_the_same([])
        time.sleep(0.5)
    during = {name: count - before[name] for name, count in phones.counts.items()}
    now = kept_so_far(ledger.clients)
    if during["answered"] < seconds or during["served"] < seconds:
        raise Wrong(f"calls did not go on: {during}")
    if now[1] == before_clients[1]:
        raise Wrong("nothing was said to be kept later")
    if phones.trouble:
        raise Wrong("; ".join(phones.trouble[:5]))
    place.back()
    back_at = time.monotonic()
    until("/readyz is well", 30, lambda: open_page(house, "/readyz")[0] == 200)
    until("nothing waits to be written", 30, lambda: waiting_records(house) < 20)
    with open(house.log) as log:
        if "does not take records" not in log.read():
            raise Wrong("the log does not say so")
    return dict(away_s=round(back_at - began, 1), **{f"{name}_meanwhile": count for name, count in during.items()},
                http_later=now[1] - before_clients[1], back_s=round(time.monotonic() - back_at, 2), readyz=json.loads(said)["missing"])


def waiting_records(house):
    lines = open_page(house, "/metrics")[1].splitlines()
    return int(next(line for line in lines if line.startswith("tandem_store_queue_records ")).split()[1])


def everybody_once(house, phones):
    """One record of each call that was answered, and no other."""
    twice = house.sql("SELECT from_number FROM calls GROUP BY from_number HAVING count(*) > 1")
    count = int(house.sql("SELECT count(*) FROM calls WHERE ended_us IS NOT NULL")[0])
    if twice or count != phones.number:
        raise Wrong(f"{phones.number} calls were made, {count} are written; more than once: {twice}")


def run(options):
    place = Postgres() if options.what == "postgresql" else Disk()
    house = House(os.path.abspath(options.program), options.net, place.url)
    phones, went_well = Phones(options.net, options.seed, 8, 30), False
    try:
        if place.url is None:
            place.on(house.data)
        house.start()
        phones.start()
        ledger = Ledger(house, phones, [Client(house, n, options.seed, 0.05) for n in range(CLIENTS)], 1.0)
        ledger.clients = again(house, ledger.clients)
        time.sleep(4)
        found = one_outage(house, phones, ledger, place, options.seconds)
        time.sleep(2)
        for client in ledger.clients:
            client.stopped = True
            client.join()
        phones.everybody_leaves()
        until("everybody has gone", 60, lambda: not house.get("/calls"))
        until("all is written", 30, lambda: waiting_records(house) == 0)
        time.sleep(0.5)
        ledger.answers_are_kept()
        house.kill()
        duplicates(house)
        everybody_once(house, phones)
        events = house.verify()
        went_well = True
        print(json.dumps(dict(what=options.what, calls=phones.number, **found, verify=events)))
    finally:
        phones.stopped = True
        house.kill()
        if not went_well:
            print("outage: the end of the log: " + house.last_words(), file=sys.stderr)
        place.end()
        house.end()


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--program", required=True)
    a.add_argument("--what", choices=("postgresql", "disk"), required=True)
    a.add_argument("--seconds", type=float, default=60)
    a.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    a.add_argument("--net", default="127.77.3")
    try:
        run(a.parse_args())
    except Wrong as why:
        raise SystemExit(f"outage: {why}") from why


if __name__ == "__main__":
    main()
