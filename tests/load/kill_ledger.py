#!/usr/bin/env python3
"""`kill -9` under load, with a ledger outside of what was acknowledged: answers of the API, SIP's 200.  Alone:
  tests/load/kill_ledger.py --program FILE [--kills N] [--seed N] [--net 127.77.1] [--database postgres://...] [--verify-every N]
After each kill, before the next start: the database is whole, its journal has no gap, no agent and no item has two open offers, no item was taken
twice. After the start: every change that was acknowledged is there, everybody who waits has their place and waits since they came, who was answered a
second ago or longer is on the line, and no agent is busy without a leg."""
import argparse, json, os, random, sys, time
from ledger_lab import GONE, Client, House, Phones, Wrong

SETTLE_S = 8
STILL_S = 2.5
CLIENTS = 3


def duplicates(house):
    """What the tables must never say, whenever the process was killed."""
    for column in ("agent", "item_id"):
        twice = house.sql(f"SELECT {column} FROM offers WHERE ended_us IS NULL GROUP BY {column} HAVING count(*) > 1")
        if twice:
            raise Wrong(f"two open offers of one {column}: {twice}")
    twice = house.sql("SELECT item_id FROM offers WHERE outcome = 'accepted' GROUP BY item_id HAVING count(*) > 1")
    if twice:
        raise Wrong(f"items were taken twice: {twice}")
    gap = house.sql("SELECT count(*) FROM journal HAVING count(*) <> coalesce(max(seq), 0)")
    if gap:
        raise Wrong(f"the journal has a gap: {gap} rows")
    if not house.database and house.sql("PRAGMA integrity_check") != ["ok"]:
        raise Wrong(f"integrity_check: {house.sql('PRAGMA integrity_check')}")


def arrivals(house, queue):
    """Who waits, the next one first: number, and the moments between which they must have come."""
    before = time.time()
    items = house.get(f"/queues/{queue}")["items"]
    after = time.time()
    return [(i["caller"], i["item"], before - i["waited_ms"] / 1000 - 0.003, after - i["waited_ms"] / 1000 + 0.003, i) for i in items]


class Ledger:
    """All that was acknowledged, and what became of it."""

    def __init__(self, house, phones, clients, up_s):
        self.house, self.phones, self.clients, self.up_s = house, phones, clients, up_s
        self.line, self.places, self.customers = {}, [], 0
        self.young_lost, self.oldest_lost_ms, self.looked_at, self.restart_s = 0, 0, 0, []

    def look(self):
        """The patient line while all is well: since when each of them waits."""
        found = arrivals(self.house, "patient")
        self.places = [number for number, *_ in found]
        for number, _, first, last, _ in found:
            known = self.line.get(number, (first, last))
            self.line[number] = (max(known[0], first), min(known[1], last))

    def line_is_the_same(self, up):
        found = arrivals(self.house, "patient")
        now = [number for number, *_ in found]
        if len(set(now)) != len(now):
            raise Wrong(f"somebody waits twice: {now}")
        still = [number for number in self.places if number in now]
        if still != [number for number in now if number in self.places]:
            raise Wrong(f"the line is in another order: {self.places} became {now}")
        for number, _, first, last, item in found:
            known = self.line.get(number)
            if known and (first > known[1] or last < known[0]):
                raise Wrong(f"{number} waits since {first:.3f}..{last:.3f}, and waited since {known[0]:.3f}..{known[1]:.3f}: {item}")
        self.looked_at += len(still)
        for number, queue, age in up:
            if queue == "4100" and number not in now and age >= self.up_s and self.phones.states()[0].get(number) == "up":
                raise Wrong(f"{number} had waited for {age:.1f} s and has no place")

    def calls_go_on(self, up):
        known = {call["from"] for call in self.house.get("/calls")}
        states = self.phones.states()[0]
        for number, queue, age in up:
            if number in known or states.get(number) != "up":
                continue
            self.young_lost += 1
            self.oldest_lost_ms = max(self.oldest_lost_ms, 1000 * age)
            if age >= self.up_s:
                raise Wrong(f"the call of {number} was answered {age:.1f} s before the kill and is lost")
            self.phones.drop(number)

    def no_ghosts(self):
        """Agents are busy as long as they have a leg, and no call is up without its caller."""
        end, wrong, began = time.monotonic() + SETTLE_S, None, {}
        while time.monotonic() < end:
            agents = self.house.get("/agents")
            calls = self.house.get("/calls")
            callers, legs = self.phones.states()
            busy = {a["agent"] for a in agents if a["state"] in ("engaged", "reserved") and a["agent"] < "200"}
            ghosts = {f"agent {a}" for a in busy - {user for user, state, _ in legs}}
            ghosts |= {f"call of {c['from']}" for c in calls if callers.get(c["from"], "ended") in GONE}
            # What comes and goes is no ghost: one is there all the time.
            now = time.monotonic()
            began = {ghost: began.get(ghost, now) for ghost in ghosts}
            wrong = [ghost for ghost, since in began.items() if now - since >= STILL_S]
            if not ghosts:
                return
            time.sleep(0.05)
        if wrong:
            raise Wrong(f"ghosts: {wrong}")

    def answers_are_kept(self):
        agents = {a["agent"]: (a["state"], a["reason"]) for a in self.house.get("/agents")}
        promised = {item: (number, first, last, view) for number, item, first, last, view in arrivals(self.house, "later")}
        for client in self.clients:
            for who, may_be in client.staff.items():
                if agents[who] not in may_be:
                    raise Wrong(f"agent {who} is {agents[who]}, and was told {may_be}")
                client.staff[who] = {agents[who]}
            for item, wish in list(client.promised.items()):
                if item not in promised:
                    if not wish["may_be_gone"]:
                        raise Wrong(f"the callback {item} to {wish['number']} is lost")
                    del client.promised[item]
                    continue
                number, first, last, view = promised[item]
                if first > wish["arrived"][1] or last < wish["arrived"][0]:
                    raise Wrong(f"the callback {item} waits since {first:.3f}..{last:.3f}, promised {wish['arrived']}")
                if view["priority_minutes"] not in wish["minutes"]:
                    raise Wrong(f"the callback {item} is {view['priority_minutes']} min ahead, and was told {wish['minutes']}")
                wish["minutes"], wish["may_be_gone"] = {view["priority_minutes"]}, False
            for customer, name in client.new_customers.items():
                found = self.house.get(f"/customers/{customer}")
                if found["name"] != name:
                    raise Wrong(f"customer {customer} is {found}, and was acknowledged as {name}")
            self.customers += len(client.new_customers)
            client.new_customers = {}


def one_kill(ledger, after_s, verify):
    house, phones, clients = ledger.house, ledger.phones, ledger.clients
    end = time.monotonic() + after_s
    while time.monotonic() < end - 0.05:
        ledger.look()
        time.sleep(min(0.1, max(0, end - time.monotonic() - 0.04)))
    time.sleep(max(0, end - time.monotonic()))
    at = time.monotonic()
    house.kill()
    # What the process had sent is still on its way to the phones.
    time.sleep(0.1)
    up = phones.at_the_kill(at)
    for client in clients:
        client.stopped = True
        client.join()
    duplicates(house)
    if verify:
        house.verify()
    # Whatever was on its way is there now.
    phones.at_the_kill(at)
    began = time.monotonic()
    house.start()
    ledger.restart_s.append(time.monotonic() - began)
    ledger.answers_are_kept()
    ledger.line_is_the_same(up)
    ledger.calls_go_on(up)
    ledger.no_ghosts()
    if phones.trouble:
        raise Wrong("; ".join(phones.trouble[:5]))


def again(house, clients):
    """The same clients, with what they know, in threads that run."""
    fresh = []
    for old in clients:
        new = Client(house, old.nth, old.dice.randrange(1 << 30), old.pause_s)
        new.staff, new.promised, new.counts, new.number, new.last = old.staff, old.promised, old.counts, old.number, old.last
        fresh.append(new)
    for client in fresh:
        client.start()
    return fresh


def run(options):
    house = House(os.path.abspath(options.program), options.net, options.database)
    phones, dice, went_well = Phones(options.net, options.seed, options.rate, 30), random.Random(options.seed), False
    try:
        house.start()
        phones.start()
        ledger = Ledger(house, phones, [Client(house, n, options.seed, 0.005) for n in range(CLIENTS)], options.up)
        time.sleep(3)
        for nth in range(1, options.kills + 1):
            ledger.clients = again(house, ledger.clients)
            one_kill(ledger, dice.uniform(0.1, 2.0), nth % options.verify_every == 0)
            if nth % 10 == 0 or options.kills <= 10:
                print(f"kill {nth}: {told(ledger)}", file=sys.stderr, flush=True)
        phones.everybody_leaves()
        end = time.monotonic() + 30
        while time.monotonic() < end and (house.get("/calls") or any(a["state"] not in ("ready", "offline") for a in house.get("/agents") if a["agent"] < "200")):
            time.sleep(0.2)
        left = house.get("/calls"), [a for a in house.get("/agents") if a["agent"] < "200" and a["state"] != "ready"]
        if left[0] or left[1]:
            raise Wrong(f"when everybody has gone: {left}")
        house.kill()
        duplicates(house)
        events = house.verify()
        went_well = True
        print(json.dumps(dict(kills=options.kills, seed=options.seed, database="postgresql" if options.database else "sqlite", **told(ledger), verify=events)))
    finally:
        phones.stopped = True
        for client in getattr(locals().get("ledger"), "clients", []):
            client.stopped = True
        house.end(keep=not went_well)
        if not went_well:
            print(f"kill_ledger: seed {options.seed}; left for a look: {house.folder}", file=sys.stderr)


def told(ledger):
    counts = {}
    for client in ledger.clients:
        for name, count in client.counts.items():
            counts[name] = counts.get(name, 0) + count
    refusals = {name: why for client in ledger.clients for name, why in client.last.items()}
    return dict(calls=ledger.phones.number, **ledger.phones.counts, http_kept=counts["kept"], http_later=counts["later"], http_unanswered=counts["unanswered"],
                customers=ledger.customers, places=ledger.looked_at, young_lost=ledger.young_lost, oldest_lost_ms=round(ledger.oldest_lost_ms),
                restart_s_max=round(max(ledger.restart_s), 2), **({"refused": refusals} if refusals else {}))


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--program", required=True)
    a.add_argument("--kills", type=int, default=200)
    a.add_argument("--seed", type=int, default=1)
    a.add_argument("--rate", type=float, default=8, help="calls a second")
    a.add_argument("--net", default="127.77.1", help="the first three numbers of the addresses that this run has for itself")
    a.add_argument("--database", help="an empty PostgreSQL database; else SQLite")
    a.add_argument("--verify-every", type=int, default=10)
    a.add_argument("--up", type=float, default=1.0, help="a call that was answered so many seconds before a kill must go on: it is written down once it is quiet")
    try:
        run(a.parse_args())
    except Wrong as why:
        raise SystemExit(f"kill_ledger: {why}") from why


if __name__ == "__main__":
    main()
