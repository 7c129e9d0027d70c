#!/usr/bin/env bash
# Measures Tandem beside the barest programs that could do the same work, in one run.
#   tests/load/bench.sh                 about 10 minutes; table on the terminal, target/bench.json, target/bench.md
#   BENCH=quick tests/load/bench.sh     about 4 minutes, one trial per figure
#   tests/load/bench.sh --markdown      prints the table as Markdown (docs/benchmarks.md)
#   tests/load/bench.sh --last          prints the last run again, measures nothing
# BENCH_PROGRAM=FILE measures that program instead of building the release; BENCH_SPEED=FILE is the example plan_speed,
# BENCH_FLOOR_SPEED=FILE the example floor_speed, BENCH_STORE_SPEEDS=FOLDER that of the examples journal_speed, kpi_speed and
# console_speed.
set -euo pipefail
cd "$(dirname "$0")/../.."
export PYTHONDONTWRITEBYTECODE=1

missing=()
for tool in sipp gcc python3 sox espeak-ng taskset setsid curl; do
    command -v "$tool" >/dev/null || missing+=("$tool")
done
if [ ${#missing[@]} -gt 0 ]; then
    echo "bench: missing: ${missing[*]} (docker/packages.sh test installs them)" >&2
    exit 1
fi

program=${BENCH_PROGRAM:-}
speed=${BENCH_SPEED:-}
floor_speed=${BENCH_FLOOR_SPEED:-}
store_speeds=${BENCH_STORE_SPEEDS:-}
if [[ " $* " != *" --last "* ]]; then
    cargo=${CARGO:-cargo}
    release=$($cargo metadata --format-version 1 --no-deps | sed -E 's/.*"target_directory":"([^"]+)".*/\1/')/release
    if [ -z "$program" ]; then
        echo "Building the release." >&2
        $cargo build --release --locked --quiet -p tandem
        program=$release/tandem
    fi
    if [ -z "$speed" ]; then
        $cargo build --release --locked --quiet -p tandem-dialplan --example plan_speed
        speed=$release/examples/plan_speed
    fi
    if [ -z "$floor_speed" ]; then
        $cargo build --release --locked --quiet -p tandem-switch --example floor_speed
        floor_speed=$release/examples/floor_speed
    fi
    if [ -z "$store_speeds" ]; then
        $cargo build --release --locked --quiet -p tandem --example journal_speed --example kpi_speed --example console_speed
        store_speeds=$release/examples
    fi
fi
exec python3 tests/load/bench.py --program "$program" --speed "$speed" --floor-speed "$floor_speed" \
    --journal-speed "$store_speeds/journal_speed" --kpi-speed "$store_speeds/kpi_speed" --console-speed "$store_speeds/console_speed" "$@"
