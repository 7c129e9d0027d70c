#!/usr/bin/env python3
"""Idle connections and TLS handshakes that do not go on, from several addresses, until standard input ends.

    crowd.py HOST TCP-PORT IDLE TLS-PORT HALF-OPEN ADDRESS...

Prints HELD when all have been opened once; what the other side ends for its silence is begun again.
"""
import asyncio
import resource
import sys

# The beginning of a ClientHello that never ends.
HALF_HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
AT_A_TIME = 200


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
    kinds = [(tcp_port, b"")] * int(idle) + [(tls_port, HALF_HELLO)] * int(half_open)
    tasks = [
        asyncio.ensure_future(hold(host, int(port), addresses[n % len(addresses)], greeting, opened, gate))
        for n, (port, greeting) in enumerate(kinds)
    ]
    for _ in tasks:
        await opened.acquire()
    print("HELD", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    for task in tasks:
        task.cancel()


asyncio.run(main(*sys.argv[1:]))
