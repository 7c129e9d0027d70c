//! Sockets on loopback: messages arrive whole, bounds hold, and the loop hears of every connection that ends.
#![expect(clippy::unwrap_used, reason = "a test ends at what it did not expect")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tandem_signaling::flow::{Flow, Transport};
use tandem_signaling::transport::{SendError, StreamEvent, StreamLimits, Streams, TlsPeer, TlsPeers, UdpTransport};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

const MESSAGE: &[u8] = b"OPTIONS sip:a@h SIP/2.0\r\nCall-ID: c\r\nContent-Length: 3\r\n\r\nabc";
const SOON: Duration = Duration::from_secs(10);

fn limits() -> StreamLimits {
    StreamLimits { connections: 3, per_address: 2, queue: 2, partial: Duration::from_millis(300), ..StreamLimits::default() }
}

struct World {
    streams: Streams,
    events: mpsc::Receiver<StreamEvent>,
    address: SocketAddr,
    peers: watch::Sender<Arc<TlsPeers>>,
    /// The certificate that is shown.
    server: Option<watch::Sender<Arc<ServerConfig>>>,
}

/// Streams that listen on a free port of loopback.
fn world(limits: StreamLimits) -> World {
    world_with(limits, RootCertStore::empty(), None)
}

fn world_with(limits: StreamLimits, roots: RootCertStore, server: Option<Arc<ServerConfig>>) -> World {
    let (events_tx, events) = mpsc::channel(16);
    let (peers, tls) = watch::channel(Arc::new(TlsPeers::new(Arc::new(client(roots)))));
    let streams = Streams::new(limits, Handle::current(), events_tx, tls);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = server.map(watch::Sender::new);
    streams.listen(listener, server.as_ref().map(watch::Sender::subscribe)).unwrap();
    World { streams, events, address, peers, server }
}

fn client(roots: RootCertStore) -> ClientConfig {
    let client = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().unwrap();
    client.with_root_certificates(roots).with_no_client_auth()
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// A certificate for `name`: what trusts it, and what shows it.
fn certificate(name: &str) -> (RootCertStore, Arc<ServerConfig>) {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let server = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().unwrap();
    let server = server.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key).unwrap();
    (roots, Arc::new(server))
}

impl World {
    async fn next(&mut self) -> StreamEvent {
        let event = timeout(SOON, self.events.recv()).await.expect("an event in time").expect("the streams live");
        self.streams.note(&event);
        event
    }

    async fn opened(&mut self) -> Flow {
        let event = self.next().await;
        let StreamEvent::Opened { flow, .. } = event else { panic!("{event:?}") };
        flow
    }

    async fn message(&mut self) -> (Flow, Bytes) {
        let event = self.next().await;
        let StreamEvent::Message { flow, bytes } = event else { panic!("{event:?}") };
        (flow, bytes)
    }

    async fn closed(&mut self) {
        let event = self.next().await;
        assert!(matches!(event, StreamEvent::Closed { .. }), "{event:?}");
    }
}

/// Reads until the peer closes or `wanted` bytes are there.
async fn read(stream: &mut TcpStream, wanted: usize) -> Vec<u8> {
    let mut bytes = vec![0; wanted];
    let mut length = 0;
    while length < wanted {
        match timeout(SOON, stream.read(&mut bytes[length..])).await.expect("bytes in time") {
            Ok(count) if count > 0 => length += count,
            _ => break,
        }
    }
    bytes.truncate(length);
    bytes
}

#[tokio::test]
async fn messages_arrive_whole_and_answers_go_back_on_the_connection() {
    let mut world = world(limits());
    let mut peer = TcpStream::connect(world.address).await.unwrap();
    let flow = world.opened().await;
    assert_eq!((flow.transport, flow.remote), (Transport::Tcp, peer.local_addr().unwrap()));
    peer.write_all(&[b"\r\n\r\n", MESSAGE, MESSAGE].concat()[..]).await.unwrap();
    for _ in 0..2 {
        let (of, bytes) = world.message().await;
        assert_eq!((of, &bytes[..]), (flow, MESSAGE));
    }
    assert_eq!(read(&mut peer, 2).await, b"\r\n", "the pong");
    world.streams.send_on(flow.connection.unwrap(), Bytes::from_static(b"answer")).unwrap();
    assert_eq!(read(&mut peer, 6).await, b"answer");
    let again = world.streams.send_to(Transport::Tcp, flow.remote, None, Bytes::from_static(b"more")).unwrap();
    assert_eq!(Some(again), flow.connection, "an open connection is used again");
    assert_eq!(read(&mut peer, 4).await, b"more");
    drop(peer);
    world.closed().await;
    assert_eq!(world.streams.send_on(again, Bytes::new()), Err(SendError::Closed));
    assert_eq!(world.streams.count(), 0);
}

#[tokio::test]
async fn a_slow_message_is_cut_off_however_it_trickles() {
    let mut world = world(limits());
    let mut peer = TcpStream::connect(world.address).await.unwrap();
    world.opened().await;
    let mut bytes = MESSAGE.iter().cycle();
    // A byte each 50 ms, for ever: the connection must still end.
    let trickle = async {
        let mut tick = tokio::time::interval(Duration::from_millis(50));
        loop {
            tick.tick().await;
            if peer.write_u8(*bytes.next().unwrap()).await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    };
    tokio::select! {
        () = trickle => {}
        () = world.closed() => {}
    }
}

#[tokio::test]
async fn a_stream_that_lost_its_place_is_closed() {
    let mut world = world(limits());
    for bytes in [&b"OPTIONS sip:a@h SIP/2.0\r\nCall-ID: c\r\n\r\n"[..], &[b'x'; 70_000][..]] {
        let mut peer = TcpStream::connect(world.address).await.unwrap();
        world.opened().await;
        // The far side may close before all is written.
        let _refused = peer.write_all(bytes).await;
        world.closed().await;
    }
}

#[tokio::test]
async fn one_address_gets_its_share_of_connections_and_no_more() {
    let mut world = world(limits());
    let first = TcpStream::connect(world.address).await.unwrap();
    let _second = TcpStream::connect(world.address).await.unwrap();
    world.opened().await;
    world.opened().await;
    let mut third = TcpStream::connect(world.address).await.unwrap();
    assert_eq!(read(&mut third, 1).await, b"", "closed at once");
    let to = "127.0.0.1:9".parse().unwrap();
    assert_eq!(world.streams.send_to(Transport::Tcp, to, None, Bytes::new()), Err(SendError::TooMany));
    drop(first);
    world.closed().await;
    let _fourth = TcpStream::connect(world.address).await.unwrap();
    world.opened().await;
}

#[tokio::test]
async fn a_peer_that_does_not_read_is_given_up() {
    let mut world = world(limits());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let to = listener.local_addr().unwrap();
    let large = Bytes::from(vec![b'x'; 8 << 20]);
    let id = world.streams.send_to(Transport::Tcp, to, None, large.clone()).unwrap();
    let (_peer, _) = listener.accept().await.unwrap();
    let flow = world.opened().await;
    assert_eq!((flow.connection, flow.remote), (Some(id), to));
    let outcome = (0..4).find_map(|_| world.streams.send_on(id, large.clone()).err());
    assert_eq!(outcome, Some(SendError::Stuck));
    world.closed().await;
}

#[tokio::test]
async fn a_connection_that_can_not_be_opened_is_reported() {
    let mut world = world(limits());
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    world.streams.send_to(Transport::Tcp, free, None, Bytes::from_static(b"x")).unwrap();
    world.closed().await;
    assert_eq!(world.streams.count(), 0);
}

#[tokio::test]
async fn datagrams_go_both_ways_on_both_families() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let address: SocketAddr = address.parse().unwrap();
        let Ok(socket) = UdpTransport::bind(address) else { continue };
        let mut ours = UdpTransport::new(socket).unwrap();
        let peer = tokio::net::UdpSocket::bind(address).await.unwrap();
        assert!(ours.try_receive().is_none());
        peer.send_to(MESSAGE, ours.local()).await.unwrap();
        timeout(SOON, std::future::poll_fn(|context| ours.poll_ready(context))).await.unwrap().unwrap();
        let (bytes, from) = ours.try_receive().unwrap();
        assert_eq!((&bytes[..], from), (MESSAGE, peer.local_addr().unwrap()));
        ours.try_send(b"answer", from).unwrap();
        let mut buffer = [0; 16];
        let (length, from) = timeout(SOON, peer.recv_from(&mut buffer)).await.unwrap().unwrap();
        assert_eq!((&buffer[..length], from), (&b"answer"[..], ours.local()));
    }
}

#[tokio::test]
async fn messages_travel_over_tls_to_a_name_that_the_certificate_holds() {
    let (roots, server) = certificate("127.0.0.1");
    let mut callee = world_with(limits(), RootCertStore::empty(), Some(server));
    let mut caller = world_with(limits(), roots, None);
    caller.streams.send_to(Transport::Tls, callee.address, None, Bytes::from_static(MESSAGE)).unwrap();
    let flow = callee.opened().await;
    assert_eq!((flow.transport, caller.opened().await.remote), (Transport::Tls, callee.address));
    assert_eq!(&callee.message().await.1[..], MESSAGE);
    callee.streams.send_on(flow.connection.unwrap(), Bytes::from_static(MESSAGE)).unwrap();
    assert_eq!(&caller.message().await.1[..], MESSAGE);
}

#[tokio::test]
async fn a_certificate_for_another_name_or_of_nobody_we_trust_is_refused() {
    let (roots, other_name) = certificate("127.0.0.2");
    let (_, right_name) = certificate("127.0.0.1");
    for server in [other_name, right_name] {
        let callee = world_with(limits(), RootCertStore::empty(), Some(server));
        let mut caller = world_with(limits(), roots.clone(), None);
        caller.streams.send_to(Transport::Tls, callee.address, None, Bytes::from_static(MESSAGE)).unwrap();
        caller.closed().await;
    }
}

#[tokio::test]
async fn a_peer_must_prove_the_name_that_is_configured_and_not_its_address() {
    let (roots, server) = certificate("sip.carrier.example");
    let mut callee = world_with(limits(), RootCertStore::empty(), Some(server));
    let mut caller = world_with(limits(), RootCertStore::empty(), None);
    let expect = |caller: &World, name: &'static str, to| {
        let mut peers = TlsPeers::new(Arc::new(client(roots.clone())));
        let peer = TlsPeer { name: ServerName::try_from(name).unwrap(), config: Arc::new(client(roots.clone())) };
        peers.expect("carrier", peer);
        peers.found("carrier", [to]);
        caller.peers.send_replace(Arc::new(peers));
    };
    let (to, message) = (callee.address, Bytes::from_static(MESSAGE));
    expect(&caller, "sip.other.example", to);
    caller.streams.send_to(Transport::Tls, to, None, message.clone()).unwrap();
    caller.closed().await;
    expect(&caller, "sip.carrier.example", to);
    let first = caller.streams.send_to(Transport::Tls, to, None, message.clone()).unwrap();
    caller.opened().await;
    callee.opened().await;
    assert_eq!(&callee.message().await.1[..], MESSAGE);
    // The connection proved one name: for another it is not used.
    expect(&caller, "sip.other.example", to);
    let second = caller.streams.send_to(Transport::Tls, to, None, message.clone()).unwrap();
    assert_ne!(first, second);
    caller.closed().await;
    expect(&caller, "sip.carrier.example", to);
    assert_eq!(caller.streams.send_to(Transport::Tls, to, None, message), Ok(first));
}

#[tokio::test]
async fn a_new_certificate_counts_for_new_connections_and_old_ones_stay() {
    let (old_roots, old) = certificate("127.0.0.1");
    let (new_roots, new) = certificate("127.0.0.1");
    let mut callee = world_with(limits(), RootCertStore::empty(), Some(old));
    let mut before = world_with(limits(), old_roots, None);
    let (to, message) = (callee.address, Bytes::from_static(MESSAGE));
    let id = before.streams.send_to(Transport::Tls, to, None, message.clone()).unwrap();
    callee.opened().await;
    assert_eq!(&callee.message().await.1[..], MESSAGE);
    callee.server.as_ref().unwrap().send_replace(new);
    let mut after = world_with(limits(), new_roots, None);
    after.streams.send_to(Transport::Tls, to, None, message.clone()).unwrap();
    callee.opened().await;
    assert_eq!(&callee.message().await.1[..], MESSAGE);
    assert_eq!(before.streams.send_to(Transport::Tls, to, None, message), Ok(id), "the old one lives on");
    assert_eq!(&callee.message().await.1[..], MESSAGE);
    assert!(matches!(before.next().await, StreamEvent::Opened { .. }));
    assert!(matches!(after.next().await, StreamEvent::Opened { .. }));
}

#[tokio::test]
async fn handshakes_that_do_not_go_on_end_and_are_few() {
    let (_, server) = certificate("127.0.0.1");
    let few = StreamLimits { handshakes: 1, connect: Duration::from_millis(300), ..limits() };
    let world = world_with(few, RootCertStore::empty(), Some(server));
    let mut silent = TcpStream::connect(world.address).await.unwrap();
    // Bytes at once, so that the order of the two is that of their connecting.
    silent.write_all(b"\x16\x03").await.unwrap();
    let mut second = TcpStream::connect(world.address).await.unwrap();
    assert_eq!(read(&mut second, 1).await, b"", "no room for another handshake");
    assert_eq!(read(&mut silent, 1).await, b"", "ended when its time was over");
}

#[tokio::test]
async fn whoever_connects_and_says_nothing_is_closed_however_many_line_ends_come() {
    let mut world = world(StreamLimits { first: Duration::from_millis(300), ..limits() });
    let mut peer = TcpStream::connect(world.address).await.unwrap();
    world.opened().await;
    let line_ends = async {
        let mut tick = tokio::time::interval(Duration::from_millis(20));
        loop {
            tick.tick().await;
            if peer.write_all(b"\r\n\r\n").await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    };
    tokio::select! {
        () = line_ends => {}
        () = world.closed() => {}
    }
}

#[tokio::test]
async fn a_connection_that_we_opened_is_kept_alive_and_one_that_stops_answering_is_closed() {
    let mut world = world(StreamLimits { ping: Duration::from_millis(50), ..limits() });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let to = listener.local_addr().unwrap();
    world.streams.send_to(Transport::Tcp, to, None, Bytes::from_static(b"x")).unwrap();
    let (mut peer, _) = listener.accept().await.unwrap();
    world.opened().await;
    // A peer that never answered may not know of keep-alives: it is not given up.
    assert_eq!(read(&mut peer, 13).await, b"x\r\n\r\n\r\n\r\n\r\n\r\n");
    peer.write_all(b"\r\n").await.unwrap();
    world.closed().await;
    assert_eq!(world.streams.count(), 0);
}

#[tokio::test]
async fn a_stun_keep_alive_is_answered_beside_sip() {
    let mut ours = UdpTransport::new(UdpTransport::bind("127.0.0.1:0".parse().unwrap()).unwrap()).unwrap();
    let peer = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let request = [&[0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42][..], b"transaction."].concat();
    peer.send_to(&request, ours.local()).await.unwrap();
    peer.send_to(MESSAGE, ours.local()).await.unwrap();
    timeout(SOON, std::future::poll_fn(|context| ours.poll_ready(context))).await.unwrap().unwrap();
    assert_eq!(&ours.try_receive().unwrap().0[..], MESSAGE, "the loop hears of messages only");
    let mut buffer = [0; 64];
    let (length, _) = timeout(SOON, peer.recv_from(&mut buffer)).await.unwrap().unwrap();
    assert_eq!((length, &buffer[..2], &buffer[8..20]), (32, &[1, 1][..], &b"transaction."[..]));
}
