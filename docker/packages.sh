#!/usr/bin/env bash
# Installs the system packages that a goal needs, and says which. One list for `make` and the image.
#   docker/packages.sh run     what building and running the switch needs
#   docker/packages.sh test    that, and what its tests talk to
#   docker/packages.sh prompts what making the prompts anew needs
#   docker/packages.sh detection what measuring detection needs
set -euo pipefail

run=(gcc libc6-dev make pkg-config libopus-dev ca-certificates)
# g++: the fuzzer's own library is C++.
test=("${run[@]}" g++ git dnsmasq-base postgresql-15 sip-tester baresip-core libspandsp2 libsrtp2-dev libssl-dev sox espeak-ng opus-tools python3 python3-venv python3-dev python3-websockets procps curl util-linux
    chromium-headless-shell kamailio kamailio-tls-modules kamailio-websocket-modules coturn)
# npm comes with some packages of node, too.
command -v npm >/dev/null || test+=(npm)
# Voices for the corpus of speech.
detection=("${run[@]}" flite espeak-ng festival festvox-kallpc16k festvox-us-slt-hts festvox-italp16k festvox-itapc16k festvox-ca-ona-hts sox
    python3 python3-numpy)
prompts=(flite espeak-ng sox python3 python3-numpy)

case "${1:-run}" in
    run) wanted=("${run[@]}") ;;
    test) wanted=("${test[@]}") ;;
    prompts) wanted=("${prompts[@]}") ;;
    detection) wanted=("${detection[@]}") ;;
    *) echo "packages.sh: unknown goal '$1': expected run, test, prompts or detection" >&2; exit 2 ;;
esac

if ! command -v dpkg-query >/dev/null; then
    echo "This system has no dpkg. Install the equivalents of these Debian packages by hand: ${wanted[*]}" >&2
    exit 0
fi

missing=()
for package in "${wanted[@]}"; do
    dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

echo "Missing system packages: ${missing[*]}"
as_root=()
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "Not root and no sudo here. Ask an administrator to run:  apt-get install ${missing[*]}" >&2
        exit 1
    fi
    as_root=(sudo)
    # In a terminal sudo may ask for the password; elsewhere it must not wait for one that never comes.
    [ -t 0 ] || as_root=(sudo -n)
fi
install() { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}"; }
if ! { install || { "${as_root[@]}" apt-get update && install; }; } >/tmp/tandem-packages.$$.log 2>&1; then
    tail -n 5 "/tmp/tandem-packages.$$.log" >&2
    rm -f "/tmp/tandem-packages.$$.log"
    echo "Could not install them. Run by hand:  ${as_root[*]} apt-get install ${missing[*]}" >&2
    exit 1
fi
rm -f "/tmp/tandem-packages.$$.log"
echo "Installed: ${missing[*]}"
# The tests start their own. What Debian starts of itself would listen on all addresses of this machine.
if [ -d /run/systemd/system ]; then
    for service in coturn kamailio; do
        if [[ " ${missing[*]} " == *" $service "* ]]; then "${as_root[@]}" systemctl disable --now --quiet "$service" || true; fi
    done
fi
