"""A program that the switch gives a call's audio to, written on the `websockets` library.

program.py MODE PORT FOLDER [TOKEN]: serves one way of behaving, and prints a JSON line for all that happens.
"""

import asyncio
import json
import math
import struct
import sys
import time

import websockets

MODE, PORT, FOLDER = sys.argv[1], int(sys.argv[2]), sys.argv[3]
TOKEN = sys.argv[4] if len(sys.argv) > 4 else None


def say(**what):
    print(json.dumps(what), flush=True)


def tone(hz, seconds, rate):
    samples = (int(9000 * math.sin(math.tau * hz * at / rate)) for at in range(int(seconds * rate)))
    return b"".join(struct.pack("<h", sample) for sample in samples)


class Recorder:
    """Writes each side into a file of its own, silence where frames are missing, and looks at heads."""

    def __init__(self, number, rate):
        self.number, self.rate, self.files, self.next, self.begun = number, rate, {}, {}, {}
        self.masked = 0

    def take(self, frame):
        side, flags, ms, reserved, sequence, at_ms = struct.unpack_from("<BBBBII", frame)
        assert (ms, reserved, len(frame)) == (20, 0, 12 + self.rate // 50 * 2), "a frame of another form"
        name = ["caller", "agent"][side]
        if name not in self.files:
            self.files[name] = open(f"{FOLDER}/{self.number}-{name}.wav", "wb")
            head = b"RIFF\0\0\0\0WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, self.rate, self.rate * 2, 2, 16)
            self.files[name].write(head + b"data\0\0\0\0")
            self.next[name], self.begun[name] = (sequence, at_ms), at_ms
            say(event="hears", side=name, number=self.number)
        if sequence != self.next[name][0] or abs(at_ms - self.next[name][1]) > 80:
            say(event="gap", side=name, sequence=sequence, at_ms=at_ms, expected=self.next[name])
        self.next[name] = (sequence + 1, at_ms + 20)
        self.masked += flags & 1
        if self.masked == 1 and flags & 1:
            say(event="masked", side=name)
        self.files[name].write(frame[12:])
        self.files[name].flush()


connections = 0


async def serve(socket):
    global connections
    number, connections = connections, connections + 1
    say(event="connected", authorization=socket.request_headers.get("Authorization"))
    if MODE == "close":
        return
    start = json.loads(await socket.recv())
    say(**start)
    if MODE == "stall":
        time.sleep(100)
    try:
        await BEHAVIOURS.get(MODE, record)(socket, start, number)
    except websockets.ConnectionClosed:
        pass
    say(event="closed", number=number, code=socket.close_code)


async def record(socket, start, number):
    recorder = Recorder(number, start["rate"])
    async for message in socket:
        if isinstance(message, bytes):
            recorder.take(message)
        else:
            say(**json.loads(message))


async def flood(socket, start, number):
    """Speaks a hundred times as fast as anybody."""
    second = tone(700, 1, start["rate"])
    reader = asyncio.ensure_future(record(socket, start, number))
    try:
        for _ in range(3000):
            await socket.send(second)
    except websockets.ConnectionClosed:
        pass
    await reader


async def bot(socket, start, number):
    """Speaks for long, is interrupted by a key, says something else, and hangs up when that was heard."""

    async def speak(hz, seconds, mark):
        for _ in range(seconds):
            await socket.send(tone(hz, 1, start["rate"]))
        await socket.send(json.dumps({"event": "mark", "name": mark}))

    await speak(1000, 9, "long")
    async for message in socket:
        if isinstance(message, bytes):
            continue
        event = json.loads(message)
        say(**event)
        if event.get("keys") == "1":
            await socket.send(json.dumps({"event": "clear"}))
            await speak(2000, 2, "short")
        elif event == {"event": "mark", "name": "short", "cleared": False}:
            await socket.send(json.dumps({"event": "hangup"}))


async def nonsense(socket, start, number):
    await socket.send("this is no message")
    await record(socket, start, number)


BEHAVIOURS = {"flood": flood, "bot": bot, "nonsense": nonsense}


async def check(path, headers):
    """Whoever has not the token is sent away before anything is heard."""
    if TOKEN and headers.get("Authorization") != f"Bearer {TOKEN}":
        say(event="refused", authorization=headers.get("Authorization"))
        return 401, [], b""


async def main():
    async with websockets.serve(serve, "127.0.0.1", PORT, process_request=check, max_size=2**20):
        say(event="listening")
        await asyncio.Future()


asyncio.run(main())
