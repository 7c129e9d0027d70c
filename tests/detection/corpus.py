#!/usr/bin/python3
"""Makes the corpus that detection is measured on: labelled clips of 16 kHz, and a manifest.

Needs Debian's espeak-ng, flite, festival with its voices, sox and python3-numpy (`docker/packages.sh detection`). All that
is random comes from one seed: the same versions give the same clips. No audio is kept in the repository.

    corpus.py FOLDER [SCALE]     SCALE 1.0 is the corpus of docs/detection.md; less makes a smaller one

A line of manifest.tsv: file, split, kind, label, level in dBm0, noise, SNR in dB ("-": none), codec, loss in %, truth.
The codec and the loss are applied by the runner (`media/examples/detection.rs`), GSM here. The truth is, by kind:
answer: the beep ("hz start end" in ms, or "-"); voice: spells of speech in ms ("320-900,1100-2000"); tone: the time in ms at
which it begins; keys: the keys; speech: "-".
"""

import os
import subprocess
import sys
import wave
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from phrases import HUMAN, MACHINE, SENTENCES, VOICES

SEED = 20_231
RATE = 16_000
DBM0 = 15_770.0  # the root mean square of 0 dBm0
LEVELS = [-10, -16, -22, -28, -34, -40]
CODECS = ["pcmu", "pcma", "g722", "opus12", "opus24", "gsm"]
NOISES = ["white", "pink", "babble", "street"]


def ms(count):
    return RATE // 1000 * int(count)


def quiet(command, **more):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **more)


def read(path):
    with wave.open(path) as file:
        return np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").astype(np.float64)


class Speech:
    """Phrases by text-to-speech, each made once, without silence around, and of one loudness."""

    def __init__(self, folder):
        self.folder = folder
        self.names = {}
        self.audio = {}

    def make(self):
        os.makedirs(self.folder, exist_ok=True)
        jobs = []
        for voices in VOICES.values():
            for voice in voices:
                language = voice[2]
                phrases = HUMAN[language] + [s for greeting in MACHINE[language] for s in greeting] + SENTENCES[language]
                for number, phrase in enumerate(dict.fromkeys(phrases)):
                    name = f"{voice[0]}-{voice[1]}-{number}.wav".replace("+", "_")
                    self.names[voice, phrase] = os.path.join(self.folder, name)
                jobs.append((voice, list(dict.fromkeys(phrases))))
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda job: self.synthesize(*job), jobs))

    def synthesize(self, voice, phrases):
        engine, name, _ = voice
        missing = [phrase for phrase in phrases if not os.path.exists(self.names[voice, phrase])]
        raw = {phrase: self.names[voice, phrase] + ".raw.wav" for phrase in missing}
        if engine == "festival":
            script = [f"(voice_{name})"]
            for phrase in missing:
                text = phrase.translate(str.maketrans({'"': " ", "¿": " ", "¡": " "}))
                script.append(f'(utt.save.wave (utt.synth (Utterance Text "{text}")) "{raw[phrase]}" \'riff)')
            quiet(["festival", "--pipe"], input="\n".join(script).encode("latin-1", "replace"))
        for phrase in missing:
            if engine == "flite":
                quiet(["flite", "-voice", name, "-t", phrase, "-o", raw[phrase]])
            elif engine == "espeak":
                quiet(["espeak-ng", "-v", name, "-s", "165", "-w", raw[phrase], phrase])
            trim = ["silence", "1", "0.005", "0.5%", "reverse", "silence", "1", "0.005", "0.5%", "reverse"]
            quiet(["sox", "-D", raw[phrase], "-c", "1", "-b", "16", self.names[voice, phrase], "rate", "-h", str(RATE), "highpass", "80", *trim])
            os.remove(raw[phrase])

    def say(self, voice, phrase):
        key = self.names[voice, phrase]
        if key not in self.audio:
            self.audio[key] = at_level(read(key), 0)
        return self.audio[key]


def frames_of(audio):
    count = len(audio) // ms(10)
    return np.sqrt(np.mean(audio[: count * ms(10)].reshape(count, ms(10)) ** 2, axis=1) + 1e-9)


def active_level(audio):
    """The root mean square of what is within 16 dB of the loudest tenth: near to ITU-T P.56 and simple."""
    frames = frames_of(audio)
    loud = np.percentile(frames, 90)
    return np.sqrt(np.mean(frames[frames > loud * 10 ** (-16 / 20)] ** 2))


def at_level(audio, dbm0):
    return audio * (DBM0 * 10 ** (dbm0 / 20) / active_level(audio))


def spells(clean):
    """Spells of speech in ms: within 30 dB of the active level; a pause below 200 ms is part of one."""
    is_voice = frames_of(clean) > active_level(clean) * 10 ** (-30 / 20)
    found = []
    for number in np.flatnonzero(is_voice):
        start = int(number) * 10
        if found and start - found[-1][1] < 200:
            found[-1][1] = start + 10
        else:
            found.append([start, start + 10])
    return [spell for spell in found if spell[1] - spell[0] >= 30]


def shaped(random, samples, slope):
    """Noise whose power falls with frequency: 0 is white, 1 pink, 2 brown."""
    spectrum = np.fft.rfft(random.standard_normal(samples))
    frequency = np.fft.rfftfreq(samples, 1 / RATE)
    spectrum *= np.where(frequency < 60, 0, np.maximum(frequency, 60) ** (-slope / 2))
    spectrum[frequency > 7_500] = 0
    noise = np.fft.irfft(spectrum, samples)
    return noise / np.sqrt(np.mean(noise**2))


class Maker:
    def __init__(self, folder, scale):
        self.folder, self.scale = folder, scale
        self.speech = Speech(os.path.join(folder, "phrases"))
        self.lines = []

    def run(self):
        self.speech.make()
        os.makedirs(os.path.join(self.folder, "clips"), exist_ok=True)
        for number, split in enumerate(VOICES):
            self.split, self.random = split, np.random.default_rng(SEED + number)
            self.answers()
            self.voices()
            self.tones()
            self.keys()
            self.talk()
        with open(os.path.join(self.folder, "manifest.tsv"), "w") as file:
            file.writelines("\t".join(map(str, line)) + "\n" for line in self.lines)

    def count(self, full):
        return max(1, int(full * self.scale))

    def pick(self, choices):
        return choices[int(self.random.integers(len(choices)))]

    def between(self, low, high):
        return float(self.random.uniform(low, high))

    def noise(self, kind, samples):
        if kind == "white":
            return shaped(self.random, samples, 0)
        if kind == "pink":
            return shaped(self.random, samples, 1)
        if kind == "street":
            # A rumble that swells as cars pass, and clatter.
            time = np.arange(samples) / RATE
            swell = 1 + 0.7 * np.sin(2 * np.pi * time / self.between(3, 7) + self.between(0, 6))
            clatter = np.zeros(samples)
            for _ in range(int(samples / RATE * 1.5)):
                length, at = ms(self.between(8, 40)), int(self.random.integers(max(1, samples - ms(50))))
                clatter[at : at + length] += shaped(self.random, length, 0) * np.exp(-np.arange(length) / length * 4) * 2
            noise = shaped(self.random, samples, 1.6) * swell + 0.25 * shaped(self.random, samples, 0.5) + clatter
        else:
            noise = np.zeros(samples)
            for _ in range(7):
                voice = self.pick(VOICES[self.split])
                at = -int(self.random.integers(ms(2_000)))
                while at < samples:
                    phrase = self.speech.say(voice, self.pick(SENTENCES[voice[2]]))
                    start, end = max(at, 0), min(at + len(phrase), samples)
                    if end > start:
                        noise[start:end] += phrase[start - at : end - at] * self.between(0.5, 1.0)
                    at += len(phrase) + ms(self.between(50, 400))
        return noise / np.sqrt(np.mean(noise**2))

    def clip(self, kind, label, clean, level, truth, conditions=None):
        """Adds noise to what is at its level, and writes it with a codec and a loss for the runner."""
        noise, snr = conditions[:2] if conditions else self.pick([(None, None)] + [(n, s) for n in NOISES for s in (20, 10, 5)])
        codec, loss = conditions[2:] if conditions else (self.pick(CODECS), self.pick([0, 0, 0, 1, 3, 5]))
        audio = clean.copy()
        floor = self.between(-75, -62)
        audio += shaped(self.random, len(audio), 0.5) * DBM0 * 10 ** (floor / 20)
        if noise:
            audio += self.noise(noise, len(audio)) * DBM0 * 10 ** ((level - snr) / 20)
        audio = np.clip(np.round(audio), -32_768, 32_767).astype("<i2")
        name = f"clips/{self.split}-{len(self.lines):05}.wav"
        path = os.path.join(self.folder, name)
        with wave.open(path, "wb") as file:
            file.setnchannels(1), file.setsampwidth(2), file.setframerate(RATE)
            file.writeframes(audio.tobytes())
        if codec == "gsm":
            quiet(["sox", "-D", path, "-r", "8000", path + ".gsm"])
            quiet(["sox", "-D", path + ".gsm", "-r", str(RATE), "-b", "16", path])
            os.remove(path + ".gsm")
        self.lines.append((name, self.split, kind, label, level, noise or "none", "-" if snr is None else snr, codec, loss, truth))

    def silence(self, length_ms):
        return np.zeros(ms(length_ms))

    def sine(self, parts, length_ms, level):
        time = np.arange(ms(length_ms)) / RATE
        audio = sum(np.sin(2 * np.pi * hz * time + self.between(0, 6)) for hz in parts)
        audio *= np.sqrt(2) * DBM0 * 10 ** (level / 20) / np.sqrt(len(parts))
        edge = np.minimum(1, np.minimum(np.arange(len(time)), np.arange(len(time))[::-1]) / ms(3))
        return audio * edge

    def answers(self):
        for number in range(self.count(300)):
            level, voice = LEVELS[number % 6], self.pick(VOICES[self.split])
            phrase = self.speech.say(voice, self.pick(HUMAN[voice[2]]))
            parts = [self.silence(self.between(150, 1_500)), phrase, self.silence(self.between(1_500, 3_000))]
            if number % 3 == 0:
                parts += [self.speech.say(voice, self.pick(HUMAN[voice[2]])), self.silence(500)]
            clean = np.concatenate(parts + [self.silence(6_000)])[: ms(7_000)]
            self.clip("answer", "human", clean * 10 ** (level / 20), level, "-")
        for number in range(self.count(300)):
            level, voice = LEVELS[number % 6], self.pick(VOICES[self.split])
            parts = [self.silence(self.between(150, 1_200))]
            for sentence in self.pick(MACHINE[voice[2]]):
                parts += [self.speech.say(voice, sentence), self.silence(self.between(150, 650))]
            clean, truth = np.concatenate(parts) * 10 ** (level / 20), "-"
            if number % 10 < 7:
                hz, length = self.between(400, 2_000), self.between(100, 1_500)
                beep = self.sine([hz], length, level + self.between(-4, 6))
                start = len(clean) * 1_000 // RATE
                truth = f"{hz:.0f} {start} {start + length:.0f}"
                clean = np.concatenate([clean, beep])
            self.clip("answer", "machine", np.concatenate([clean, self.silence(2_500)]), level, truth)
        for number in range(self.count(50)):
            level = LEVELS[number % 6]
            if number % 2:
                tone = [self.silence(self.between(200, 1_500)), self.sine([2_100 + self.between(-12, 12)], self.between(2_600, 4_000), level)]
            else:
                hz = 1_100 + self.between(-30, 30)
                tone = [self.silence(self.between(100, 1_200)), self.sine([hz], 500, level), self.silence(3_000), self.sine([hz], 500, level)]
            self.clip("answer", "fax", np.concatenate(tone + [self.silence(1_000)]), level, "-")
        for number in range(self.count(50)):
            self.clip("answer", "silence", self.silence(5_000), LEVELS[number % 6], "-")

    def voices(self):
        for number in range(self.count(180)):
            level, voice = LEVELS[number % 6], self.pick(VOICES[self.split])
            parts = [self.silence(self.between(300, 1_500))]
            for _ in range(3):
                parts += [self.speech.say(voice, self.pick(SENTENCES[voice[2]])), self.silence(self.between(400, 2_500))]
            clean = np.concatenate(parts) * 10 ** (level / 20)
            truth = ",".join(f"{start}-{end}" for start, end in spells(clean))
            self.clip("voice", "speech", clean, level, truth)

    def tones(self):
        kinds = [
            ("dial", "it", [425], [200, 200, 600, 1_000]), ("dial", "de", [425], [9_000]), ("dial", "fr", [440], [9_000]),
            ("dial", "uk", [350, 440], [9_000]), ("ring-back", "it", [425], [1_000, 4_000]), ("ring-back", "fr", [440], [1_500, 3_500]),
            ("ring-back", "uk", [400, 450], [400, 200, 400, 2_000]), ("ring-back", "us", [440, 480], [2_000, 4_000]),
            ("busy", "it", [425], [500, 500]), ("busy", "de", [425], [480, 480]), ("busy", "fr", [440], [500, 500]),
            ("busy", "uk", [400], [375, 375]), ("busy", "us", [480, 620], [500, 500]), ("congestion", "it", [425], [200, 200]),
            ("congestion", "de", [425], [240, 240]), ("congestion", "fr", [440], [250, 250]),
            ("congestion", "uk", [400], [400, 350, 225, 525]), ("congestion", "us", [480, 620], [250, 250]),
            ("fax-calling", "fax", [1_100], [500, 3_000]), ("fax-answering", "fax", [2_100], [3_000, 6_000]),
        ]
        for number in range(self.count(20 * 12)):
            tone, _, hz, beats = kinds[number % len(kinds)]
            level = self.pick(LEVELS)
            start = self.between(0, 1_200)
            parts, length = [self.silence(start)], 0
            off, stretch = 1 + self.between(-0.01, 0.01), 1 + self.between(-0.06, 0.06)
            while length < 7_000:
                for beat, size in enumerate(beats):
                    parts.append(self.sine([f * off for f in hz], size * stretch, level) if beat % 2 == 0 else self.silence(size * stretch))
                    length += size * stretch
            clean = np.concatenate(parts)[: ms(start + 7_000)]
            self.clip("tone", tone, clean, level, int(start))
        for number in range(self.count(24)):
            level, start = self.pick(LEVELS), self.between(0, 1_200)
            three, length = self.pick([((950, 1_400, 1_800), 330), ((985.2, 1_428.5, 1_776.7), 380), ((913.8, 1_370.6, 1_776.7), 274)])
            voice = self.pick(VOICES[self.split])
            parts = [self.silence(start)] + [self.sine([hz], length, level) for hz in three] + [self.silence(400)]
            parts += [self.speech.say(voice, self.pick(SENTENCES[voice[2]])) * 10 ** (level / 20), self.silence(500)]
            self.clip("tone", "special-information", np.concatenate(parts), level, int(start))

    def keys(self):
        low, high = [697, 770, 852, 941], [1_209, 1_336, 1_477, 1_633]
        layout = ["123A", "456B", "789C", "*0#D"]
        for number in range(self.count(150)):
            level = self.pick(LEVELS[:5])
            sent, parts = "", [self.silence(300)]
            for _ in range(16):
                row, column = int(self.random.integers(4)), int(self.random.integers(4))
                sent += layout[row][column]
                length, off = self.between(42, 120), 1 + self.between(-0.014, 0.014)
                twist = self.between(-7, 3)
                tones = self.sine([low[row] * off], length, level - 3) + self.sine([high[column] * off], length, level - 3 + twist)
                parts += [tones, self.silence(self.between(45, 200))]
            parts.append(self.silence(300))
            noise, snr = self.pick([(None, None)] + [(n, s) for n in NOISES for s in (25, 20, 15, 10)])
            codec, loss = self.pick(["pcmu", "pcma"] * 3 + ["g722", "opus12", "opus24", "gsm"]), self.pick([0, 0, 0, 0, 1])
            self.clip("keys", "keys", np.concatenate(parts), level, sent, (noise, snr, codec, loss))

    def talk(self):
        """Half an hour of speech in the held-out voices, a tenth of it in the others, for keys and tones that are none."""
        whole = self.count(1_800 if self.split == "held-out" else 600)
        said = 0
        while said < whole:
            level, parts, length = self.pick(LEVELS[:4]), [], 0
            while length < 60:
                voice = self.pick(VOICES[self.split])
                phrase = self.speech.say(voice, self.pick(SENTENCES[voice[2]] + HUMAN[voice[2]]))
                # Another pitch and pace each time: twenty voices say the same few things.
                factor = self.between(0.85, 1.18)
                phrase = np.interp(np.arange(0, len(phrase) - 1, factor), np.arange(len(phrase)), phrase)
                parts += [phrase, self.silence(self.between(50, 300))]
                length += len(parts[-2]) / RATE
            said += length
            self.clip("talk", "speech", np.concatenate(parts) * 10 ** (level / 20), level, "-", (None, None, self.pick(["pcmu", "pcma"]), 0))


if __name__ == "__main__":
    Maker(sys.argv[1], float(sys.argv[2]) if len(sys.argv) > 2 else 1.0).run()
