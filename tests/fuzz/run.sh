#!/usr/bin/env bash
# Fuzzes every target (or those named) for SECONDS each, on the stable toolchain.
#   tests/fuzz/run.sh SECONDS [TARGET…]
# Finds are kept in target/fuzz/<target>/: inputs that reach new code in corpus/, crashes in crashes/. Turn each crash
# into a unit test. Exit status 1 when one was found.
set -euo pipefail
cd "$(dirname "$0")"

seconds=${1:-60}
shift || true
if [ $# -gt 0 ]; then targets=("$@"); else targets=(targets/*.rs) && targets=("${targets[@]##*/}") && targets=("${targets[@]%.rs}"); fi

host=$(rustc -vV | sed -n 's/^host: //p')
out=${CARGO_TARGET_DIR:-$(cd ../.. && pwd)/target}/fuzz
# Coverage counters that libFuzzer reads; with --target they go into the fuzzed code only, not into build scripts.
export RUSTFLAGS="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing -Ccodegen-units=1"
cargo build --release --target "$host" --target-dir "$out/build"

failed=0
for target in "${targets[@]}"; do
    mkdir -p "$out/$target/corpus" "$out/$target/crashes"
    seeds=()
    [ -d "seeds/$target" ] && seeds+=("seeds/$target")
    case $target in
        sip_message | sip_framer | sip_rsip) seeds+=(../data/torture/rfc4475 ../data/torture/rfc5118 ../data/torture/rfc5118-fixed) ;;
    esac
    echo "fuzz: $target for $seconds s"
    if ! "$out/build/$host/release/$target" -max_total_time="$seconds" -max_len=4096 -timeout=5 -rss_limit_mb=1024 -dict=sip.dict \
        -print_final_stats=1 -artifact_prefix="$out/$target/crashes/" "$out/$target/corpus" "${seeds[@]}" \
        >"$out/$target/log" 2>&1; then
        echo "fuzz: $target FAILED, see $out/$target/log"
        tail -n 30 "$out/$target/log"
        failed=1
    else
        grep -E "number_of_executed_units|peak_rss_mb" "$out/$target/log" | sed 's/^/    /'
    fi
done
exit $failed
