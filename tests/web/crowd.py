#!/usr/bin/env python3
"""Idle connections and TLS handshakes that do not go on, from several addresses, until standard input ends.

Each idle connection has said one thing, so that it may stay: one that says nothing is closed before a slow machine has opened them all.

    crowd.py HOST TCP-PORT IDLE TLS-PORT HALF-OPEN ADDRESS...

Prints HELD when all have been opened once; what the other side ends for its silence is begun again.
"""
import asyncio
import resource
import sys

# The beginning of a ClientHello that never ends.
HALF_HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
AT_A_TIME = 200
WORD = (
    "OPTIONS sip:{host} SIP/2.0\r\nVia: SIP/2.0/TCP {address};branch=z9hG4bK{n}\r\nFrom: <sip:idle@{address}>;tag={n}\r\n"
    "To: <sip:{host}>\r\nCall-ID: {n}@{address}\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
)


async def hold(host, port, address, greeting, opened, gate):
    first = True
    while True:
        try:
            async with gate:
                reader, writer = await asyncio.open_connection(host, port, local_addr=(address, 0))
            if greeting:
                writer.write(greeting)
            if first:
                opened.release()
            first = False
            await reader.read()
            writer.close()
        except OSError:
            pass
        await asyncio.sleep(0.2)


async def main(host, tcp_port, idle, tls_port, half_open, *addresses):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    opened, gate = asyncio.Semaphore(0), asyncio.Semaphore(AT_A_TIME)
    tasks = []
    for n in range(int(idle) + int(half_open)):
        address = addresses[n % len(addresses)]
        word = WORD.format(host=host, address=address, n=n).encode()
        port, greeting = (tcp_port, word) if n < int(idle) else (tls_port, HALF_HELLO)
        tasks.append(asyncio.ensure_future(hold(host, int(port), address, greeting, opened, gate)))
    for _ in tasks:
        await opened.acquire()
    print("HELD", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    for task in tasks:
        task.cancel()


asyncio.run(main(*sys.argv[1:]))
