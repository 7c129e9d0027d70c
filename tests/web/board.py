"""A wall board written on the `websockets` library.

board.py PORT URL TOKEN: shows the live board of a switch, and prints a JSON line for each message. Whoever connects to PORT sends it
away, and the next one makes it come back with the last number it saw.
"""

import asyncio
import json
import sys

import websockets

# The library's name for them changed with version 14.
HEADERS = "additional_headers" if int(websockets.__version__.split(".")[0]) >= 14 else "extra_headers"
PORT, URL, TOKEN = int(sys.argv[1]), sys.argv[2].replace("http://", "ws://"), sys.argv[3]


def say(**what):
    print(json.dumps(what), flush=True)


async def watch(last):
    """Until it is cancelled; tells each message and keeps its number."""
    after = f"?after={last['seq']}" if "seq" in last else ""
    async with websockets.connect(f"{URL}/api/v1/board{after}", **{HEADERS: {"Authorization": f"Bearer {TOKEN}"}}) as socket:
        say(event="watching", after=last.get("seq"))
        async for text in socket:
            message = json.loads(text)
            last["seq"] = message["seq"]
            say(event="board", **message)


async def main():
    last, toggles = {}, asyncio.Queue()

    async def toggle(_, writer):
        await toggles.put(None)
        writer.close()

    async with await asyncio.start_server(toggle, "127.0.0.1", PORT):
        say(event="listening")
        while True:
            watching = asyncio.create_task(watch(last))
            await toggles.get()
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            say(event="away")
            await toggles.get()


asyncio.run(main())
