#!/usr/bin/env bash
# Installs what a helper of the tests is written with (tests/NAME/requirements.txt) beside the build, and prints the python
# that has it. Does nothing when that was done for the same files before.
#   tests/python.sh s3        the store of the tests
#   tests/python.sh lsp       an editor that speaks the Language Server Protocol (pygls)
#   tests/python.sh speech    the measure of speech quality (PESQ, ITU-T P.862)
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
name=${1:?which one: lsp, s3 or speech}
wanted=$here/$name/requirements.txt
[ -r "$wanted" ] || { echo "python.sh: there is no $wanted" >&2; exit 2; }
out=${CARGO_TARGET_DIR:-$here/../target}/$name

mkdir -p "$out"
exec 9>"$out/lock"
flock 9
stamp=$(cat "$wanted" "$here/python.sh" | sha256sum)
if [ "$(cat "$out/stamp" 2>/dev/null)" != "$stamp" ]; then
    rm -rf "$out/python"
    python3 -m venv "$out/python" >&2 || { echo "python3-venv or python3-dev is missing: docker/packages.sh test" >&2; exit 1; }
    "$out/python/bin/pip" install --quiet --disable-pip-version-check -r "$wanted" >&2 || {
        echo "pip install failed in $out" >&2
        exit 1
    }
    echo "$stamp" >"$out/stamp"
fi
echo "$out/python/bin/python"
