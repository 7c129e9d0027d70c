#!/usr/bin/env bash
# Fetches the libraries of the browser tests (npm ci, as package-lock.json pins them), bundles each with its phone, and
# prints the folder with the bundles. Does nothing when that was done for the same files before.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
out=${CARGO_TARGET_DIR:-$here/../../target}/browser

for tool in npm chromium-headless-shell; do
    command -v "$tool" >/dev/null || { echo "The browser tests need $tool: docker/packages.sh test" >&2; exit 1; }
done
mkdir -p "$out"
# Tests of one run and runs beside each other ask for it at the same time.
exec 9>"$out/lock"
flock 9
cd "$out"
stamp=$(cat "$here"/package-lock.json "$here"/*.js "$here/install.sh" | sha256sum)
if [ "$(cat stamp 2>/dev/null)" != "$stamp" ]; then
    cp "$here"/package.json "$here"/package-lock.json "$here"/*.js .
    # No script of a package runs.
    npm ci --ignore-scripts --no-audit --no-fund --silent >&2 || { echo "npm ci failed in $out" >&2; exit 1; }
    node_modules/.bin/esbuild jssip-phone.js jssip-audio.js sipjs-phone.js --bundle --format=iife --outdir=bundles --log-level=error >&2
    echo "$stamp" >stamp
fi
echo "$out/bundles"
