#!/usr/bin/env bash
# Installs the measure of speech quality (requirements.txt: PESQ, ITU-T P.862) beside the build and prints the python that has it. Does nothing when
# that was done for the same files before.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
out=${CARGO_TARGET_DIR:-$here/../../target}/speech

mkdir -p "$out"
exec 9>"$out/lock"
flock 9
stamp=$(cat "$here/requirements.txt" "$here/install.sh" | sha256sum)
if [ "$(cat "$out/stamp" 2>/dev/null)" != "$stamp" ]; then
    python3 -m venv "$out/python" >&2 || { echo "python3-venv or python3-dev is missing: docker/packages.sh test" >&2; exit 1; }
    "$out/python/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt" >&2 || {
        echo "pip install failed in $out" >&2
        exit 1
    }
    echo "$stamp" >"$out/stamp"
fi
echo "$out/python/bin/python"
