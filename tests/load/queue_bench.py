#!/usr/bin/env python3
"""A queue that is offered more than it can take: connected calls a second beside its capacity, and how soon a free agent is rung.
Called by bench.py; alone: queue_bench.py --program FILE [--secs N] [--rates 0.5,1,2,5,10] [--runs N].
50 agents talk for a second each, so the capacity is 50 calls a second; callers keep waiting until an agent is theirs."""
import argparse, json, os
from lab import CALLEE_SIP, SIP, Lab, Trouble

AGENTS, TALK_S = 50, 1.0
CAPACITY = AGENTS / TALK_S
RATES = (0.5, 1, 2, 5, 10)
# The first seconds fill the agents, and the last of the drain empties them: neither says what the queue can do.
WARM_UP_S = 3


def trial(lab, target, rate, secs, pid=None, *more):
    """One offered rate, in calls a second. What the load generator counted."""
    return lab.kit("queue_load.py", target, "--rate", rate, "--secs", secs, "--talk", TALK_S, "--agents", AGENTS, "--drain", 3, "--steady-from", WARM_UP_S, *more,
                   pid=pid, limit_s=3 * secs + 60)[-1]


def rung_ms(t):
    """Until a free agent is rung: from the caller's INVITE while agents are free, from the end of the last call while callers wait."""
    seen = [t["dispatch_ms_p99"]] if t["rate"] < CAPACITY else [t["gap_ms_p99"]]
    return max((ms for ms in seen if ms is not None), default=None)


def measure(lab, secs, rates=RATES):
    """A line for each rate: offered, connected a second while all is steady, its share of what can be had, and the time to ring."""
    found = []
    for times in rates:
        rate = times * CAPACITY
        t = trial(lab, SIP, rate, secs, lab.start_switch())
        share = t["steady_per_s"] / min(rate, CAPACITY)
        found.append(dict(times=times, offered_per_s=rate, connected_per_s=t["steady_per_s"], share=round(share, 4), rung_ms_p99=rung_ms(t),
                          gap_ms_p50=t["gap_ms_p50"], dispatch_ms_p50=t["dispatch_ms_p50"], offered=t["offered"], connected=t["connected"],
                          failed=t.get("failed", 0), again=t["retrans"], busy_offered=t.get("busy_agent_offered", 0), cpu_pct=t["cpu_pct"]))
    return found


def worst(found):
    """The smallest share and the longest time of all rates. Just at the capacity it may be that nobody waits for an agent, so that no agent is rung late;
    at any other rate a time that is not known makes the figure unknown."""
    times = [line["rung_ms_p99"] for line in found if line["times"] != 1 or line["rung_ms_p99"] is not None]
    return min(line["share"] for line in found), None if None in times or not times else max(times)


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--program", required=True)
    a.add_argument("--secs", type=float, default=12)
    a.add_argument("--rates", default=",".join(map(str, RATES)), help="in times of the capacity")
    options = a.parse_args()
    with Lab(os.path.abspath(options.program)) as lab:
        lab.check_ports()
        bare = trial(lab, CALLEE_SIP, CAPACITY / 2, options.secs, None, "--direct")
        print(json.dumps(dict(bare=True, connected_per_s=bare["steady_per_s"], dispatch_ms_p99=bare["dispatch_ms_p99"])), flush=True)
        found = []
        for times in options.rates.split(","):
            found += measure(lab, options.secs, [float(times)])
            print(json.dumps(found[-1]), flush=True)
        share, rung = worst(found)
        print(json.dumps(dict(queue_overload_share=share, queue_dispatch_p99_ms=rung)))


if __name__ == "__main__":
    try:
        main()
    except Trouble as e:
        raise SystemExit(f"queue_bench: {e}") from e
