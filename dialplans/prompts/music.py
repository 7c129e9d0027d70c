#!/usr/bin/env python3
"""Composes the music on hold: music.py FILE.

Eight bars of soft chords under a sparse plucked melody, 24 s, our own. All voices lie between 200 and
3000 Hz, which is what a telephone carries. Every note that rings past the end rings on at the beginning,
so the loop has no seam. Only the standard library is used.
"""

import array
import math
import sys
import wave

RATE = 16000
BAR = 3 * RATE  # 80 beats per minute
BEAT = BAR // 4
BARS = 8
LENGTH = BARS * BAR
LEVEL_DBFS = -22.0

# Chords as MIDI notes, one a bar: F maj7, E m7, D m9, C maj7, A m7, D m7, G sus4 and G7, C 6/9.
CHORDS = [
    (57, 60, 64, 65),
    (55, 59, 62, 64),
    (57, 60, 62, 64),
    (55, 59, 60, 64),
    (57, 60, 64, 67),
    (57, 60, 62, 65),
    (55, 60, 62, 65),
    (57, 60, 62, 67),
]
# Melody: bar, beat, note.
MELODY = [
    (0, 0, 76), (0, 1.5, 72), (0, 2.5, 74), (1, 0, 71), (1, 2, 67),
    (2, 0, 72), (2, 1.5, 69), (2, 2.5, 71), (3, 0, 67), (3, 2.5, 72),
    (4, 0, 76), (4, 1.5, 74), (4, 2.5, 72), (5, 0, 74), (5, 1.5, 69), (5, 3, 72),
    (6, 0, 74), (6, 1, 72), (6, 2, 71), (6, 3, 74), (7, 0, 72), (7, 2, 67), (7, 3, 69),
]  # fmt: skip


def frequency(note):
    return 440.0 * 2 ** ((note - 69) / 12)


def add(track, start, samples):
    """Mix samples in from `start` on, around the end."""
    for index, sample in enumerate(samples, int(start)):
        track[index % LENGTH] += sample


def pad(note):
    """A slow, warm tone: three partials, two of them slightly apart, swelling and fading by half a bar."""
    swell = BAR // 2
    step = 2 * math.pi * frequency(note) / RATE
    for n in range(BAR + swell):
        envelope = min(1.0, n / swell, (BAR + swell - n) / swell)
        envelope = 0.5 - 0.5 * math.cos(math.pi * envelope)
        x = step * n
        yield envelope * (math.sin(x) + 0.5 * math.sin(1.003 * x) + 0.35 * math.sin(2 * x) + 0.12 * math.sin(3.002 * x))


def pluck(note):
    """A bell-like key, frequency modulated, dying away in two seconds."""
    step = 2 * math.pi * frequency(note) / RATE
    for n in range(2 * RATE):
        t = n / RATE
        envelope = min(1.0, t / 0.006) * math.exp(-2.6 * t) * min(1.0, (2 - t) / 0.2)
        depth = 1.1 * math.exp(-7 * t)
        yield envelope * math.sin(step * n + depth * math.sin(2 * step * n))


def compose():
    pads, keys = [0.0] * LENGTH, [0.0] * LENGTH
    for bar, chord in enumerate(CHORDS):
        for note in chord:
            add(pads, bar * BAR, (0.16 * x for x in pad(note)))
    for bar, beat, note in MELODY:
        add(keys, bar * BAR + beat * BEAT, (0.5 * x for x in pluck(note)))
    # Echoes of the melody, three quarters of a beat apart; they too go around the end.
    late = 3 * BEAT // 4
    return [
        pads[n] + keys[n] + 0.35 * keys[n - late] + 0.15 * keys[n - 2 * late] + 0.06 * keys[n - 3 * late]
        for n in range(LENGTH)
    ]


def main(path):
    mix = compose()
    rms = math.sqrt(sum(x * x for x in mix) / LENGTH)
    scale = 32767 * 10 ** (LEVEL_DBFS / 20) / rms
    samples = array.array("h", (max(-32768, min(32767, round(scale * x))) for x in mix))
    with wave.open(path, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE)
        out.writeframes(samples.tobytes())


main(sys.argv[1])
