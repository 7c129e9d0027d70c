//! Relays N pairs of streams, for measuring: `relay_bench CALLS BASE`.
//!
//! Leg A of call i receives on 127.0.0.1:BASE+4i and sends to 127.0.0.2:10000+2i; leg B receives on
//! 127.0.0.1:BASE+4i+2 and sends to 127.0.0.3:10000+2i. Prints `ready` and its process id, and relays
//! until standard input ends. With `PCMU OPUS` (or another pair) as third and fourth argument the legs
//! speak different codecs, all under payload type 0. At the end prints what was measured.

use std::{
    error::Error,
    io::Read,
    net::{IpAddr, SocketAddr},
    time::Instant,
};

use tandem_media::{
    codec::Codec,
    contract::{Command, Configure, EngineConfig, Event, Format, LearnPolicy, Quality, StreamId},
    engine::Engine,
};

#[expect(clippy::disallowed_methods, reason = "this program is its own clock")]
fn clock() -> Instant {
    Instant::now()
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let calls: u16 = arguments.first().ok_or("usage: relay_bench CALLS BASE [CODEC CODEC]")?.parse()?;
    let base: u16 = arguments.get(1).ok_or("BASE is missing")?.parse()?;
    let codec = |index: usize| {
        let name = arguments.get(index).map_or("PCMU", String::as_str);
        Codec::from_sdp_name(name).ok_or_else(|| format!("{name} is no codec"))
    };
    let codecs = [codec(2)?, codec(3)?];
    // One engine per pair of ports would be absurd; instead the pool is as large as what is needed, and
    // each stream takes over the configuration that belongs to the port it got.
    let config = EngineConfig { first_port: base, last_port: base + 4 * calls - 1, ..EngineConfig::new(clock) };
    let (mut engine, mut events) = Engine::start(config)?;
    let local = IpAddr::from([127, 0, 0, 1]);
    let mut by_port = vec![None; usize::from(2 * calls)];
    for id in 0..u64::from(2 * calls) {
        let opened = engine.open(StreamId(id), 0, local)?;
        by_port[usize::from((opened.rtp.port() - base) / 2)] = Some(StreamId(id));
    }
    let streams: Vec<StreamId> = by_port.into_iter().flatten().collect();
    for (index, &stream) in streams.iter().enumerate() {
        let leg = index % 2;
        let host = if leg == 0 { [127, 0, 0, 2] } else { [127, 0, 0, 3] };
        let port = 10_000 + 2 * u16::try_from(index / 2)?;
        let codec = codecs[leg];
        let to = Configure {
            remote: SocketAddr::from((host, port)),
            remote_rtcp: None,
            learn: LearnPolicy::Strict,
            signalling: None,
            format: Format {
                codec,
                payload_type: 0,
                receive_payload_type: 0,
                dtmf_payload_type: Some(101),
                receive_dtmf_payload_type: Some(101),
                dtmf_clock_hz: 8_000,
                ptime_ms: 20,
                opus: Default::default(),
                signalled_keys: false,
            },
            send: true,
            receive: true,
            rtcp_mux: false,
            rtcp_xr: false,
            keep_alive_ms: None,
            keys: None,
            dtls: None,
        };
        engine.command(Command::Configure { stream, to })?;
        if leg == 1 {
            engine.command(Command::Join { a: streams[index - 1], b: stream })?;
        }
    }
    println!("ready {}", std::process::id());
    std::io::stdin().read_to_end(&mut Vec::new())?;
    for &stream in &streams {
        engine.command(Command::Close { stream })?;
    }
    let mut total = Quality::default();
    for _ in 0..streams.len() {
        let quality = loop {
            match events.blocking_recv() {
                Some(Event::Closed { quality, .. }) => break quality,
                Some(_) => {}
                None => return Err("the engine ended early".into()),
            }
        };
        total.packets_received += quality.packets_received;
        total.packets_sent += quality.packets_sent;
        total.lost += quality.lost;
        total.reordered += quality.reordered;
        total.foreign += quality.foreign;
        total.malformed += quality.malformed;
    }
    println!("{total:?}");
    Ok(())
}
