"""Decodes HEP3 packets, one in hexadecimal a line, and prints one JSON object for each. Knows nothing of the switch."""

import json
import socket
import struct
import sys

NUMBERS = {1: "family", 2: "protocol", 7: "source_port", 8: "destination_port", 9: "seconds", 10: "microseconds", 11: "type", 12: "agent"}
ADDRESSES = {3: ("source", socket.AF_INET), 4: ("destination", socket.AF_INET), 5: ("source", socket.AF_INET6), 6: ("destination", socket.AF_INET6)}
TEXTS = {15: "payload", 17: "correlation"}
SIZES = {1: "!B", 2: "!H", 4: "!I"}


def decode(packet):
    magic, length = struct.unpack_from("!4sH", packet)
    if magic != b"HEP3" or length != len(packet):
        raise ValueError(f"no whole HEP3 packet: {magic!r} {length} {len(packet)}")
    found, at = {}, 6
    while at < length:
        vendor, kind, size = struct.unpack_from("!HHH", packet, at)
        value = packet[at + 6:at + size]
        if vendor or size < 6 or at + size > length:
            raise ValueError(f"a broken chunk at {at}: {vendor} {kind} {size}")
        if kind in NUMBERS:
            found[NUMBERS[kind]] = struct.unpack(SIZES[len(value)], value)[0]
        elif kind in ADDRESSES:
            name, family = ADDRESSES[kind]
            found[name] = socket.inet_ntop(family, value)
        elif kind in TEXTS:
            found[TEXTS[kind]] = value.decode()
        else:
            raise ValueError(f"unknown chunk {kind}")
        at += size
    return found


for line in sys.stdin:
    print(json.dumps(decode(bytes.fromhex(line.strip()))))
