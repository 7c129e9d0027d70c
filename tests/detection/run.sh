#!/usr/bin/env bash
# Makes the corpus, measures the detectors on its held-out voices and writes the tables into docs/detection.md.
#   tests/detection/run.sh [SCALE]     the folder target/detection keeps the corpus for the next time
set -euo pipefail
cd "$(dirname "$0")/../.."

scale=${1:-1.0} corpus=target/detection/$scale tables=target/detection/tables.md
if [ ! -e "$corpus/manifest.tsv" ]; then
    mkdir -p "$corpus"
    (cd tests/detection && /usr/bin/python3 -B corpus.py "../../$corpus" "$scale")
fi
${CARGO:-cargo} run --locked --quiet -p tandem-media --example detection -- "$corpus" held-out > "$tables"
# What stands between the marks is this program's; the rest of the document stays.
awk -v tables="$tables" '
    /<!-- end of figures -->/ { inside = 0 }
    !inside { print }
    /<!-- figures: / { inside = 1; while ((getline line < tables) > 0) print line }
' docs/detection.md > target/detection/detection.md
cp target/detection/detection.md docs/detection.md
cat "$tables"
