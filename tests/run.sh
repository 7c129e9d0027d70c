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

say "fuzz targets"
# Nothing else builds them, and what nobody builds stops building.
$cargo check --manifest-path tests/fuzz/Cargo.toml --locked --quiet || exit 1

say "private PostgreSQL"
settings=$(tests/postgres.sh start "$scratch/pg") || exit 1
eval "$settings"

say "build"
built=$($cargo build --locked --quiet -p tandem --message-format json-render-diagnostics) || exit 1
TANDEM_TEST_PROGRAM=$(grep -o '"executable":"[^"]*"' <<<"$built" | tail -n 1 | cut -d '"' -f 4)
export TANDEM_TEST_PROGRAM

say "libraries of the browser tests"
tests/browser/install.sh || exit 1
tests/python.sh lsp >/dev/null || exit 1
tests/python.sh s3 >/dev/null || exit 1
tests/python.sh speech >/dev/null || exit 1

ulimit -n "$(ulimit -Hn)" 2>/dev/null || true
status=0
run() {
    say "$1"
    shift
    $cargo test --locked --no-fail-fast "$@" 2>&1 | tee -a "$scratch/log" | grep -vE '^(running [0-9]+ tests?|[.i]+( [0-9]+/[0-9]+)?|)$'
    [ "${PIPESTATUS[0]}" -eq 0 ] || status=1
}
run "tests of the crates" --workspace --exclude tandem-tests -- --quiet
# Most of what these do is to wait for phones: more of them than there are processors.
run "simulation, house and loopback tests" -p tandem-tests -- --quiet --test-threads 6

passed=$(grep -oE '[0-9]+ passed' "$scratch/log" | awk '{n += $1} END {print n + 0}')
failed=$(grep -oE '[0-9]+ failed' "$scratch/log" | awk '{n += $1} END {print n + 0}')
if [ "$status" -ne 0 ] && [ "$failed" -eq 0 ]; then failed=1; fi
if [ "$passed" -eq 0 ]; then echo "No test ran."; status=1; fi
echo
echo "$passed passed, $failed failed"
exit "$status"
