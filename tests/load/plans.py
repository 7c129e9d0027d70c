#!/usr/bin/env python3
"""Writes a plan of many routes, as a firm or a carrier's reseller grows them: whole numbers, patterns, ranges, regular expressions,
gotos and menus.  The same seed gives the same plan.
  tests/load/plans.py FOLDER [--routes 10000] [--seed 1] [--regexes 5]      percent of the routes that are regular expressions"""
import argparse, os, random, re

ROUTES_A_FILE = 1000
PER_DESK = 20           # routes that lead to one desk, a route that is reached by `goto` only
QUEUES = 12

HEAD = """// A plan of {routes} routes, written by tests/load/plans.py with seed {seed}.
realm "tandem"
country "IT"
language "en"
time-zone "Europe/Rome"
listen {{
    sip-udp "127.0.0.1:5060"
    sip-tcp "127.0.0.1:5060"
    http "127.0.0.1:8080"
    rtp "20000-29999"
}}
extensions from=10000 to=19999
trunk "carrier" {{
    match "127.0.0.8"
    peer "udp" "127.0.0.8:5060"
}}
trunk "mobile" {{
    match "127.0.0.9"
    peer "udp" "127.0.0.9:5060"
}}
schedule "office" {{
    open "mon-fri" "08:30-18:00"
    closed "01-01"
    closed "12-25"
}}
"""

QUEUE = """queue "line-{n}" {{
    answer-target "20s"
    music "music/hold"
}}
"""

DESK = """route "desk-{n}" {{
    answer
    menu "welcome" timeout="5s" tries=2 {{
        press "1" {{ queue "line-{q}" }}
        press "2" {{ dial extension="{extension}" ring="20s" }}
        otherwise {{ queue "line-0" }}
    }}
}}
"""


def guard(trunk, match):
    return f'    from trunk="{trunk}"\n    {match}\n'


def whole(rng, n):
    """A direct number and what answers it: the most frequent kind."""
    number = f"+3902{n:07d}"
    way = rng.randrange(4)
    if way == 0:
        body = f'    goto "desk-{n // PER_DESK}"\n'
    elif way == 1:
        body = f'    unless-open "office" {{ hangup "unavailable" }}\n    dial extension="{10000 + n % 10000}" ring="25s"\n'
    elif way == 2:
        body = f'    answer\n    play "welcome"\n    queue "line-{n % QUEUES}"\n'
    else:
        body = f'    dial extension="{10000 + n % 10000}" ring="20s" {{ no-answer {{ voicemail "{10000 + n % 10000}" }} }}\n'
    return guard(rng.choice(["carrier", "mobile"]), f'to "{number}"') + body


def several(rng, n):
    """A customer with some numbers in a row and one pattern."""
    first = f"+3906{n:06d}"
    return guard("carrier", f'to "{first}0" "{first}1" "{first}2" "{first}5X"') + f'    dial extension="{10000 + n % 10000}"\n'


def pattern(rng, n):
    """A block of numbers whose last digits are an extension."""
    return guard("carrier", f'to "+39055{n:05d}{{last:2}}"') + f'    dial extension="{10000 + n % 10000}" {{ busy {{ goto "desk-{n // PER_DESK}" }} }}\n'


def short(rng, n):
    """A code that extensions dial."""
    return f'    from extension\n    to "*{n:05d}"\n    answer\n    play "welcome"\n    hangup\n'


def out(rng, n):
    """A prefix of least cost."""
    return f'    from extension\n    to "00{n:05d}{{rest:3..8}}"\n    dial trunk="mobile" number="00{n:05d}{{rest}}"\n'


def regex(rng, n):
    return guard("carrier", f'to matches="^[+]44{n:05d}(?<rest>[0-9]{{2,4}})$"') + f'    goto "desk-{n // PER_DESK}"\n'


def routes(count, seed, regexes):
    rng = random.Random(seed)
    rest = 100 - regexes
    kinds, weights = [whole, several, pattern, short, out, regex], [0.62 * rest, 0.1 * rest, 0.14 * rest, 0.07 * rest, 0.07 * rest, regexes]
    desks = max(1, count // PER_DESK)
    for n in range(count - desks):
        kind = rng.choices(kinds, weights)[0]
        yield f'route "r{n}-{kind.__name__}" {{\n{kind(rng, n % (desks * PER_DESK))}}}\n'
    for n in range(desks):
        yield DESK.format(n=n, q=n % QUEUES, extension=10000 + n % 10000)


def calls(routes_text, count, seed=1):
    """Calls as `plan_speed` reads them: to the numbers of the plan, one in six to a number that is nobody's."""
    rng = random.Random(seed)
    wanted = []
    for trunk, kind, number in re.findall(r'from (?:trunk="(\w+)"|extension)\n    to (matches=)?"([^"]+)"', routes_text):
        number = re.sub(r"^\^\[\+\]", "+", number) if kind else number
        number = re.sub(r"\(.*|\{.*|X", lambda _: "", number)
        wanted.append((f"trunk:{trunk}:+393{rng.randrange(10**8, 10**9)}" if trunk else f"extension:{rng.randrange(10000, 20000)}", number, bool(kind)))
    for _ in range(count):
        caller, number, _ = rng.choice(wanted)
        if number.startswith("+39055") or number.startswith("+44"):
            number += f"{rng.randrange(100):02d}"
        elif number.startswith("00"):
            number += f"{rng.randrange(10**5, 10**6)}"
        if rng.randrange(6) == 0:
            number = "+3978" + str(rng.randrange(10**6, 10**7))
        yield f"{caller} {number}"


def write(folder, count, seed=1, regexes=5, head=HEAD):
    """Writes the plan and returns the path of a file and a line of it that may be changed for another: one digit of a time."""
    os.makedirs(folder, exist_ok=True)
    for name in os.listdir(folder):
        if name.endswith(".kdl"):
            os.remove(os.path.join(folder, name))
    with open(os.path.join(folder, "00-settings.kdl"), "w") as f:
        f.write(head.format(routes=count, seed=seed))
        f.writelines(QUEUE.format(n=n) for n in range(QUEUES))
        f.write('route "greeting" {\n    from extension\n    to "9999"\n    answer\n    play "welcome"\n    queue "line-0" max-wait="60s"\n}\n')
        # One way into each queue and desk at least, whatever the dice say.
        f.write('route "night" {\n    from trunk="mobile"\n    to "+3900"\n    answer\n')
        f.write("    menu \"welcome\" {\n" + "".join(f'        press "{n}" {{ queue "line-{n}" }}\n' for n in range(1, 10)))
        f.write('        press "*" { queue "line-10" }\n        press "#" { queue "line-11" }\n    }\n}\n')
    texts = list(routes(count, seed, regexes))
    for at in range(0, len(texts), ROUTES_A_FILE):
        with open(os.path.join(folder, f"{10 + at // ROUTES_A_FILE:03d}-routes.kdl"), "w") as f:
            f.writelines(texts[at:at + ROUTES_A_FILE])
    return os.path.join(folder, "00-settings.kdl"), 'max-wait="{}s"'


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--routes", type=int, default=10000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--regexes", type=int, default=5)
    a = parser.parse_args()
    write(a.folder, a.routes, a.seed, a.regexes)
