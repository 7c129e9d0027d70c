#!/usr/bin/env bash
# Starts Tandem with the load configuration of this folder and waits until it takes calls.
#   tests/load/start.sh                 builds the release, starts it; the last line printed is its process id
#   tests/load/start.sh --core 0        the same, pinned to core 0 and with priority over other sessions
#   tests/load/start.sh --stop          ends what the last start began and removes its data
# Options: --program FILE (skip the build), --state DIR (where its data, log and process id lie).
# A second start ends the first one; each start has a fresh data folder.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
state=${TMPDIR:-/tmp}/tandem-load-$(id -u)
core=
program=
stop_only=
ready_limit_s=${READY_LIMIT_S:-30}

while [ $# -gt 0 ]; do
    case "$1" in
        --core) core=$2; shift 2 ;;
        --program) program=$2; shift 2 ;;
        --state) state=$2; shift 2 ;;
        --stop) stop_only=1; shift ;;
        *) echo "start.sh: unknown option '$1'" >&2; exit 2 ;;
    esac
done

# A process id alone may have been given to another program since; with its start time it is ours.
started_at() { sed -E 's/^.*\) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; }

stop_last() {
    local pid since
    if [ -f "$state/pid" ]; then
        read -r pid since <"$state/pid" || true
        if [ -n "${pid:-}" ] && [ -n "${since:-}" ] && [ "$(started_at "$pid")" = "$since" ]; then
            kill -TERM "$pid" 2>/dev/null || true
            # Draining waits for the calls that are up; a measurement does not.
            for _ in $(seq 20); do [ "$(started_at "$pid")" = "$since" ] || break; sleep 0.1; done
            [ "$(started_at "$pid")" != "$since" ] || kill -KILL "$pid" 2>/dev/null || true
            for _ in $(seq 50); do [ "$(started_at "$pid")" = "$since" ] || break; sleep 0.1; done
        fi
    fi
    rm -rf "$state/data" "$state/pid"
}

mkdir -p "$state"
stop_last
if [ -n "$stop_only" ]; then rm -rf "$state"; exit 0; fi

if [ -z "$program" ]; then
    cargo=${CARGO:-cargo}
    cd "$here/../.."
    $cargo build --release --locked -p tandem >&2
    program=$($cargo metadata --format-version 1 --no-deps | sed -E 's/.*"target_directory":"([^"]+)".*/\1/')/release/tandem
fi

# Another switch on the same addresses would take the calls, and its work would be read as nobody's.
if curl -s -m 1 -o /dev/null http://127.0.0.1:8080/healthz; then
    echo "start.sh: something already answers on 127.0.0.1:8080; end it first (ss -lntp 'sport = :8080')" >&2
    exit 1
fi
mkdir "$state/data"
ulimit -n "$(ulimit -Hn)" 2>/dev/null || true
around=()
[ -z "$core" ] || around=(taskset -c "$core" "$here/kit/hp")
# The innermost shell becomes the switch, so the id that it writes down is the switch's.
# shellcheck disable=SC2016
"${around[@]}" bash -c 'echo $$ >"$1"; shift; exec "$@"' _ "$state/pid.new" \
    "$program" serve --config "$here" --data "$state/data" </dev/null >"$state/log" 2>&1 &
waiter=$!

fail() { echo "start.sh: $1; the end of its log ($state/log):" >&2; tail -n 15 "$state/log" >&2; stop_last; exit 1; }

for _ in $(seq $((ready_limit_s * 20))); do
    if [ -s "$state/pid.new" ] && [ ! -f "$state/pid" ]; then
        pid=$(<"$state/pid.new")
        echo "$pid $(started_at "$pid")" >"$state/pid"
        rm -f "$state/pid.new"
    fi
    kill -0 "$waiter" 2>/dev/null || fail "the switch ended while starting"
    # Its own word, not /readyz: an answer there would not say whose it is.
    if grep -qiw 'ready' "$state/log"; then
        [ -f "$state/pid" ] || { sleep 0.05; continue; }
        disown "$waiter"
        echo "$pid"
        exit 0
    fi
    sleep 0.05
done
fail "the switch was not ready after $ready_limit_s s"
