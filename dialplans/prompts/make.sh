#!/usr/bin/env bash
# Makes every prompt from its text (en.txt, it.txt, and those of ../plans), the music on hold and the tone before a message.
#
#   ./make.sh            all of it
#   ./make.sh en welcome one prompt
#   ./make.sh all        what callers of all languages hear (all.txt of a plan)
#
# Needs Debian's flite, espeak-ng, sox and python3. The same versions give the same bytes.
# Written as 16 kHz mu-law: half the size of linear, and finer than a telephone line.
set -euo pipefail
cd "$(dirname "$0")"

# Loudness all prompts are brought to, in dBFS (RMS of the spoken part).
level_db=-20
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# say LANGUAGE PACE TEXT FILE; PACE is "calm" for sentences, "brisk" for the parts of numbers.
say() {
    case $1-$2 in
        en-calm) flite -voice slt --setf duration_stretch=1.08 -t "$3" -o "$4" ;;
        en-brisk) flite -voice slt --setf duration_stretch=0.98 -t "$3" -o "$4" ;;
        it-calm) espeak-ng -v it+f2 -s 145 -p 42 -g 2 -w "$4" "$3" ;;
        it-brisk) espeak-ng -v it+f2 -s 165 -p 42 -w "$4" "$3" ;;
        *) echo "no voice for language '$1': add one to say() in make.sh" >&2; return 1 ;;
    esac
}

# make LANGUAGE FILE PACE TEXT
make() {
    local out=$2.wav raw=$work/raw.wav cut=$work/cut.wav loudness gain
    mkdir -p "$(dirname "$out")"
    say "$1" "$3" "$4" "$raw"
    # Low rumble off, silence off both ends, then to the common loudness with a short pause around.
    sox -D "$raw" -b 24 "$cut" gain -6 highpass 120 silence 1 0.01 0.3% reverse silence 1 0.01 0.3% reverse rate -v 16000
    loudness=$(sox "$cut" -n stats 2>&1 | awk '/^RMS lev dB/ { print $4 }')
    gain=$(awk "BEGIN { print $level_db - ($loudness) }")
    sox -D "$cut" -e mu-law -c 1 "$out" gain -l "$gain" pad 0.01 0.05
}

only_language=${1:-} only_name=${2:-}
# wanted LANGUAGE NAME
wanted() { [[ ( -z $only_language || $only_language == "$1" ) && ( -z $only_name || $only_name == "$2" ) ]]; }

# Ours, and those that plans bring along.
for folder in . ../plans/*/prompts; do
    for language in en it; do
        while IFS=$'\t' read -r name text; do
            [[ $name == '#'* || -z $name ]] && continue
            wanted "$language" "$name" || continue
            pace=calm
            [[ $name == */* ]] && pace=brisk
            make "$language" "$folder/$language/$name" "$pace" "$text"
        done < "$folder/$language.txt"
    done
    # What is heard before a language is chosen lies in no folder of a language.
    [[ -f $folder/all.txt ]] || continue
    while IFS=$'\t' read -r name language text; do
        [[ $name == '#'* || -z $name ]] && continue
        wanted all "$name" && make "$language" "$folder/$name" calm "$text"
    done < "$folder/all.txt"
done
if [[ -z $only_language ]]; then
    mkdir -p music
    python3 music.py "$work/hold.wav"
    sox -D "$work/hold.wav" -e mu-law music/hold.wav
    # The tone before a message, at the level of the prompts.
    sox -D -n -r 16000 -b 16 "$work/beep.wav" synth 0.4 sine 1000 fade q 0.01 0.4 0.01 gain -17 pad 0.2 0.05
    sox -D "$work/beep.wav" -e mu-law music/beep.wav
fi
