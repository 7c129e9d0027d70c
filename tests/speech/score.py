#!/usr/bin/env python3
"""How what was heard sounds beside what was said, by PESQ (ITU-T P.862, narrow band): score.py SAID.wav HEARD.wav ...
Prints one score a line, from 1.0 to 4.5. Both are mono, 16 bits, 8 kHz. What was heard may begin and end anywhere; what was said must be in it once, whole."""
import sys, wave
import numpy as np
from pesq import pesq

RATE = 8000


def read(path):
    with open(path, "rb") as f:
        data = f.read()
    # A phone that still runs has not completed the header.
    begin = data.index(b"data") + 8
    assert int.from_bytes(data[24:28], "little") == RATE, f"{path}: not 8 kHz"
    return np.frombuffer(data[begin:begin + (len(data) - begin) // 2 * 2], dtype="<i2")


def where(said, heard):
    """At which sample of what was heard what was said begins, by the best likeness."""
    size = 1 << (len(said) + len(heard)).bit_length()
    likeness = np.fft.irfft(np.fft.rfft(heard.astype(float), size) * np.conj(np.fft.rfft(said.astype(float), size)), size)
    return int(np.argmax(likeness[:max(1, len(heard) - len(said) + 1)]))


said = read(sys.argv[1])
for path in sys.argv[2:]:
    heard = read(path)
    begin = where(said, heard)
    print(f"{pesq(RATE, said, heard[begin:begin + len(said)], 'nb'):.2f}")
