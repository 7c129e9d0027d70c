"""The figures, their bars, and how a run is written: a table, target/bench.json, target/bench.md."""
import json, os, platform, statistics, subprocess, time
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    name: str
    unit: str
    baseline_name: str
    bar: float = None       # what the first release must hold
    goal: float = None      # what docs/benchmarks.md wants of it later
    more_is_better: bool = False


FIGURES = [
    Figure("b2bua_calls_per_s", "calls/s", "bare UDP forwarding, 1000 / its CPU ms per call", goal=3000, more_is_better=True),
    Figure("b2bua_cpu_ms_per_call", "ms", "bare UDP forwarding, 7 datagrams in and out", bar=0.6, goal=0.3),
    Figure("call_by_tcp_cpu_ms", "ms", "the same calls by UDP"),
    Figure("call_by_tls_cpu_ms", "ms", "the same calls by UDP"),
    Figure("call_by_wss_cpu_ms", "ms", "the same calls by UDP"),
    Figure("b2bua_kib_per_call", "KiB", "growth of the SIPp callee for the same calls", bar=64, goal=32),
    Figure("overload_throughput_share", "of the best rate", "the best rate, calls/s", bar=0.9, more_is_better=True),
    Figure("b2bua_cpu_growth_ratio", "x", "CPU ms per call with 100 calls up", bar=1.2),
    Figure("relay_ratio", "x", "relay.c mode 0, CPU % per 100 calls", bar=1.15),
    Figure("relay_cpu_pct_per_100", "% of a core", "relay.c mode 0"),
    Figure("relay_delay_ms_p99", "ms", "relay.c mode 0", goal=1),
    Figure("relay_delay_p999_ms", "ms", "relay.c mode 0", bar=2),
    Figure("relay_kib_per_call", "KiB", "none", bar=48),
    Figure("srtp_relay_ratio", "x", "the plain relay, CPU % per 100 calls", bar=1.3),
    Figure("setup_ms_p50", "ms", "caller and callee without a switch", goal=2),
    Figure("setup_ms_p99", "ms", "caller and callee without a switch", goal=10),
    Figure("transcode_opus_cpu_pct_per_100", "% of a core", "libopus alone, the same frames and packets"),
    Figure("opus_transcode_ratio", "x", "libopus alone, the same frames and packets", bar=1.15),
    Figure("transcode_g722_cpu_pct_per_100", "% of a core", "libspandsp's G.722 alone", goal=20),
    Figure("mix_cpu_pct_per_100", "% of a core", "the same parties relayed in pairs", goal=12),
    Figure("mix_growth_ratio", "x", "CPU of a party in rooms of 10", bar=1.2),
    Figure("queue_dispatch_ms_p50", "ms", "caller and agent without a switch", goal=2),
    Figure("queue_dispatch_ms_p99", "ms", "caller and agent without a switch", goal=10),
    Figure("restart_to_first_call_s", "s", "the same with one phone", goal=3),
    Figure("check_10k_routes_s", "s", "the same with 100 routes", bar=1),
    Figure("route_lookup_p99_us", "us", "the same with 100 routes", bar=20),
    Figure("simulated_call_ms", "ms", "the same with 100 routes", bar=1),
    Figure("apply_one_line_ratio", "x", "ms with 100 routes", bar=2),
    Figure("replay_100k_calls_s", "s", "none", bar=30),
    Figure("decision_p99_us", "us", "the same with calls alone", bar=1000),
    Figure("restart_100k_items_s", "s", "the same with no items", bar=2),
    Figure("queue_overload_share", "of what can be had", "none", bar=0.95, more_is_better=True),
    Figure("queue_dispatch_p99_ms", "ms", "caller and agent without a switch", bar=10),
    Figure("journal_sqlite_events_per_s", "events/s", "none", bar=2000, more_is_better=True),
    Figure("journal_postgres_events_per_s", "events/s", "none", bar=5000, more_is_better=True),
    Figure("event_to_console_p99_ms", "ms", "the same with one console", bar=50),
    Figure("kpi_1m_ms", "ms", "none", bar=300),
    Figure("queue_connected_per_s", "calls/s", "ideal: agents / talk time", goal=47.5, more_is_better=True),
]


def median(values):
    """The median of the trials that were sound; None when none was."""
    values = [v for v in values if v is not None]
    return statistics.median(values) if values else None


def quotient(a, b):
    return a / b if a is not None and b else None


def rounded(value):
    return None if value is None else float(f"{value:.4g}")


def rows(measured):
    """The list that goes to bench.json. `measured`: name -> dict(value, baseline, note)."""
    out = []
    for figure in FIGURES:
        m = measured.get(figure.name, {})
        value, baseline = m.get("value"), m.get("baseline")
        ratio = value if figure.name.endswith("_ratio") or figure.name == "overload_throughput_share" else quotient(value, baseline)
        ok = None
        if figure.bar is not None and value is not None:
            ok = value >= figure.bar if figure.more_is_better else value <= figure.bar
        out.append(dict(name=figure.name, value=rounded(value), unit=figure.unit, baseline=rounded(baseline), baseline_name=figure.baseline_name,
                        ratio=rounded(ratio), bar=figure.bar, ok=ok, goal=figure.goal, note=m.get("note", "")))
    return out


def shown(value):
    if value is None:
        return "unknown"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def cells(row):
    sign = ">= " if next(f.more_is_better for f in FIGURES if f.name == row["name"]) else "<= "
    verdict = {True: "yes", False: "MISSED", None: "unknown" if row["bar"] is not None else ""}[row["ok"]]
    limit = lambda v: "" if v is None else f"{sign}{v:g}"
    return [row["name"], shown(row["value"]), row["unit"], shown(row["baseline"]), row["baseline_name"], shown(row["ratio"]), limit(row["bar"]),
            verdict, limit(row["goal"])]


HEAD = ["figure", "value", "unit", "baseline", "which", "ratio", "bar", "holds", "goal"]


def table(found):
    lines = [HEAD] + [cells(row) for row in found]
    width = [max(len(line[i]) for line in lines) for i in range(len(HEAD))]
    number = {1, 3, 5, 6, 8}
    text = ["  ".join(c.rjust(width[i]) if i in number else c.ljust(width[i]) for i, c in enumerate(line)).rstrip() for line in lines]
    text.insert(1, "  ".join("-" * w for w in width))
    return "\n".join(text + notes(found))


def notes(found):
    return [f"{row['name']}: {row['note']}" for row in found if row["note"]]


def markdown(found, command, machine):
    bold = lambda line, row: [f"`{line[0]}`", f"**{line[1]}**", *line[2:]] if row["value"] is not None else [f"`{line[0]}`", *line[1:]]
    lines = ["| " + " | ".join(HEAD) + " |", "|" + "---|" * len(HEAD)]
    lines += ["| " + " | ".join(bold(cells(row), row)).replace("<= ", "≤ ").replace(">= ", "≥ ") + " |" for row in found]
    remarks = [f"- {note}" for note in notes(found)]
    return "\n".join([f"`{command}`, {machine}.", "", *lines, *([""] + remarks if remarks else [])])


def machine(root, built_here):
    """One sentence about where and what was measured. A program from elsewhere has no commit that is known here."""
    model = "unknown CPU"
    with open("/proc/cpuinfo") as f:
        for line in f:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    git = lambda *a: subprocess.run(["git", "-C", root, *a], capture_output=True, text=True).stdout.strip()
    changed = " with changes" if git("status", "--porcelain", "--untracked-files=no") else ""
    with open("/proc/loadavg") as f:
        load = f.read().split()[0]
    what = f"commit {git('rev-parse', '--short', 'HEAD') or 'unknown'}{changed}" if built_here else "a program built elsewhere"
    return (f"{time.strftime('%Y-%m-%d')}, {what}, {model}, {os.cpu_count()} cores, "
            f"Linux {platform.release()}, load average {load} when it began")


def write(root, found, text):
    os.makedirs(os.path.join(root, "target"), exist_ok=True)
    with open(os.path.join(root, "target", "bench.json"), "w") as f:
        f.write("[\n" + ",\n".join("  " + json.dumps(row) for row in found) + "\n]\n")
    with open(os.path.join(root, "target", "bench.md"), "w") as f:
        f.write(text + "\n")
