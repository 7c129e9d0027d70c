"""The floors: what the barest program of this machine needs for the same work."""
import ctypes, os, socket, struct, time
from lab import Trouble, on_cpu_ns, paced

# Sizes in bytes of the seven messages that a back-to-back call brings in, as kit/uac.xml and kit/uas.xml write them, in the groups
# in which they arrive: INVITE; 100, 180 and 200 of the callee; ACK and BYE of the caller; 200 of the callee.
ARRIVE_TOGETHER = [[650], [300, 400, 640], [350, 350], [320]]
FORWARD_PORT = 5062


def forward_ms_per_call(lab, calls_per_s, secs):
    """CPU of a loop that receives the seven datagrams of a call and sends seven."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sink:
        out.bind(("127.0.0.2", 0))
        sink.bind(("127.0.0.3", 0))
        sink.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        sink.setblocking(False)
        process = lab.floor([lab.compile("forward"), str(FORWARD_PORT), "127.0.0.3", str(sink.getsockname()[1])])
        try:
            payload = {size: b"x" * size for group in ARRIVE_TOGETHER for size in group}
            calls, came = int(calls_per_s * secs), 0
            before = on_cpu_ns(process.pid)
            for i in paced(calls * len(ARRIVE_TOGETHER), calls_per_s * len(ARRIVE_TOGETHER)):
                for size in ARRIVE_TOGETHER[i % len(ARRIVE_TOGETHER)]:
                    out.sendto(payload[size], ("127.0.0.1", FORWARD_PORT))
                came += drain(sink)
            time.sleep(0.2)
            came += drain(sink)
            spent = on_cpu_ns(process.pid) - before
        finally:
            lab.end(process)
    if came < 0.999 * 7 * calls:
        raise Trouble(f"the bare forwarding loop passed {came} of {7 * calls} datagrams")
    return spent / 1e6 / (came / 7)


def drain(sink):
    came = 0
    try:
        while True:
            sink.recv(2048)
            came += 1
    except BlockingIOError:
        return came


def speech(lab):
    """16-bit samples at 8 kHz of the sentence that the RTP payloads are made of."""
    with open(os.path.join(lab.env["PAYDIR"], "s8.raw"), "rb") as f:
        data = f.read()
    return struct.unpack(f"<{len(data) // 2}h", data[:len(data) // 2 * 2])


def payloads(lab, codec):
    """The RTP payloads that the load generator sends: each behind its length in two bytes."""
    with open(os.path.join(lab.env["PAYDIR"], codec), "rb") as f:
        data = f.read()
    found, at = [], 0
    while at < len(data):
        length = int.from_bytes(data[at:at + 2], "big")
        found.append(data[at + 2:at + 2 + length])
        at += 2 + length
    return found


def cpu_pct_per_100(work, frames):
    """work() handles `frames` 20 ms frames of one call; what 100 calls would take of one core, in percent."""
    best = None
    for _ in range(3):
        before = time.thread_time_ns()
        work()
        spent = time.thread_time_ns() - before
        best = spent if best is None else min(best, spent)
    return 100 * 100 * best / 1e9 / (frames * 0.02)


def library(name):
    try:
        return ctypes.CDLL(name)
    except OSError as e:
        raise Trouble(f"{name} is not installed") from e


def opus_cpu_pct_per_100(lab, calls=30):
    """libopus alone on what the run carries: the speech of the G.711 side encoded at 8 kHz (complexity 5, 24 kbit/s, 20 ms), the packets of
    the Opus side decoded at 8 kHz. Each call has an encoder and a decoder of its own, so that the caches are as cold as with a switch."""
    opus = library("libopus.so.0")
    opus.opus_encoder_create.restype = opus.opus_decoder_create.restype = ctypes.c_void_p
    error = ctypes.c_int()
    encoders = [ctypes.c_void_p(opus.opus_encoder_create(8000, 1, 2048, ctypes.byref(error))) for _ in range(calls)]
    decoders = [ctypes.c_void_p(opus.opus_decoder_create(8000, 1, ctypes.byref(error))) for _ in range(calls)]
    for encoder in encoders:
        opus.opus_encoder_ctl(encoder, 4010, ctypes.c_int(5))
        opus.opus_encoder_ctl(encoder, 4002, ctypes.c_int(24000))
    samples, packets = speech(lab), payloads(lab, "OPUS")
    frames = [(ctypes.c_int16 * 160)(*samples[i:i + 160]) for i in range(0, len(samples) - 159, 160)]
    packet, heard, turns = ctypes.create_string_buffer(1500), (ctypes.c_int16 * 960)(), 300

    def work():
        for turn in range(turns):
            for call in range(calls):
                opus.opus_encode(encoders[call], frames[(turn + 7 * call) % len(frames)], 160, packet, 1500)
                received = packets[(turn + 7 * call) % len(packets)]
                opus.opus_decode(decoders[call], received, len(received), heard, 960, 0)
    return cpu_pct_per_100(work, turns * calls)


def g722_cpu_pct_per_100(lab):
    """libspandsp alone: one G.722 encoder and one decoder a call, without resampling."""
    spandsp = library("libspandsp.so.2")
    spandsp.g722_encode_init.restype = spandsp.g722_decode_init.restype = ctypes.c_void_p
    encoder = ctypes.c_void_p(spandsp.g722_encode_init(None, 64000, 0))
    decoder = ctypes.c_void_p(spandsp.g722_decode_init(None, 64000, 0))
    samples = speech(lab)
    # Each sample twice: a 16 kHz signal of speech, which is all that the time of the codec depends on.
    frames = [(ctypes.c_int16 * 320)(*(x for x in samples[i:i + 160] for _ in (0, 1))) for i in range(0, len(samples) - 159, 160)]
    packet, heard = ctypes.create_string_buffer(400), (ctypes.c_int16 * 640)()

    def work():
        for frame in frames:
            size = spandsp.g722_encode(encoder, packet, frame, 320)
            spandsp.g722_decode(decoder, heard, packet, size)
    return cpu_pct_per_100(work, len(frames))
