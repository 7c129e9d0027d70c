#!/usr/bin/env bash
# Format, lints, then every test; ends with one line of counts.
set -uo pipefail
cd "$(dirname "$0")/.."
cargo=${CARGO:-cargo}

scratch=$(mktemp -d "${TMPDIR:-/tmp}/tandem-tests.XXXXXX")
chmod 755 "$scratch"
trap 'tests/postgres.sh stop "$scratch/pg"; rm -rf "$scratch"' EXIT

say() { printf '\n== %s\n' "$*"; }

say "format"
$cargo fmt --all --check || { echo "Run 'make fmt'."; exit 1; }

say "lints"
$cargo clippy --workspace --all-targets --locked --quiet -- -D warnings || exit 1

say "private PostgreSQL"
settings=$(tests/postgres.sh start "$scratch/pg") || exit 1
eval "$settings"

say "build"
$cargo build --locked --quiet -p tandem || exit 1

say "tests"
ulimit -n "$(ulimit -Hn)" 2>/dev/null || true
$cargo test --workspace --locked --no-fail-fast -- --quiet 2>&1 | tee "$scratch/log" | grep -vE '^(running [0-9]+ tests?|\.+|)$'
status=${PIPESTATUS[0]}

passed=$(grep -oE '[0-9]+ passed' "$scratch/log" | awk '{n += $1} END {print n + 0}')
failed=$(grep -oE '[0-9]+ failed' "$scratch/log" | awk '{n += $1} END {print n + 0}')
if [ "$status" -ne 0 ] && [ "$failed" -eq 0 ]; then failed=1; fi
if [ "$passed" -eq 0 ]; then echo "No test ran."; status=1; fi
echo
echo "$passed passed, $failed failed"
exit "$status"
