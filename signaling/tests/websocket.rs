//! WebSockets on loopback (RFC 7118): messages arrive whole, and bounds hold.
#![expect(clippy::unwrap_used, reason = "a test ends at what it did not expect")]

use std::{net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use rustls::{ClientConfig, RootCertStore};
use tandem_signaling::{
    flow::{Flow, Transport},
    transport::{SendError, StreamEvent, StreamLimits, Streams, TlsPeers},
};
use tokio::{
    io::DuplexStream,
    runtime::Handle,
    sync::{mpsc, watch},
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Message,
        protocol::{Role, frame::coding::CloseCode},
    },
};

const SOON: Duration = Duration::from_secs(10);
const REQUEST: &str = "OPTIONS sip:a@h SIP/2.0\r\nCall-ID: c\r\n\r\n";

struct World {
    streams: Streams,
    events: mpsc::Receiver<StreamEvent>,
}

type Browser = WebSocketStream<DuplexStream>;

fn limits() -> StreamLimits {
    StreamLimits { connections: 3, per_address: 2, queue: 4, max_message_bytes: 1_000, ..StreamLimits::default() }
}

fn world(limits: StreamLimits) -> World {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let client = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let client = client.with_root_certificates(RootCertStore::empty()).with_no_client_auth();
    let (_, tls) = watch::channel(Arc::new(TlsPeers::new(Arc::new(client))));
    let (events_tx, events) = mpsc::channel(16);
    World { streams: Streams::new(limits, Handle::current(), events_tx, tls), events }
}

impl World {
    /// A browser behind a pipe that holds `room` bytes.
    async fn browser(&mut self, room: usize) -> (Browser, Flow) {
        let (ours, theirs) = tokio::io::duplex(room);
        let (local, remote): (SocketAddr, SocketAddr) = ("127.0.0.1:8080".parse().unwrap(), "127.0.0.2:40000".parse().unwrap());
        let door = self.streams.door();
        let ticket = door.ticket(remote.ip()).unwrap();
        tokio::spawn(door.web_socket(ticket, ours, false, local, remote));
        let event = self.next().await;
        let StreamEvent::Opened { flow, .. } = event else { panic!("{event:?}") };
        assert_eq!((flow.transport, flow.local, flow.remote), (Transport::Ws, local, remote));
        (WebSocketStream::from_raw_socket(theirs, Role::Client, None).await, flow)
    }

    async fn next(&mut self) -> StreamEvent {
        let event = timeout(SOON, self.events.recv()).await.expect("an event in time").expect("the streams live");
        self.streams.note(&event);
        event
    }

    async fn message(&mut self) -> Bytes {
        let event = self.next().await;
        let StreamEvent::Message { bytes, .. } = event else { panic!("{event:?}") };
        bytes
    }

    async fn closed(&mut self) {
        let event = self.next().await;
        assert!(matches!(event, StreamEvent::Closed { .. }), "{event:?}");
    }
}

async fn hear(browser: &mut Browser) -> Message {
    timeout(SOON, browser.next()).await.expect("a frame in time").expect("an open socket").unwrap()
}

/// The code of the close that comes next, after pings.
async fn close_code(browser: &mut Browser) -> CloseCode {
    loop {
        match hear(browser).await {
            Message::Close(Some(frame)) => return frame.code,
            Message::Ping(_) | Message::Pong(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn each_message_of_the_socket_is_one_of_sip_in_text_or_binary() {
    let mut world = world(limits());
    let (mut browser, flow) = world.browser(4_096).await;
    let connection = flow.connection.unwrap();
    browser.send(Message::text(REQUEST)).await.unwrap();
    browser.send(Message::binary(REQUEST)).await.unwrap();
    for _ in 0..2 {
        assert_eq!(world.message().await, REQUEST);
    }
    world.streams.send_on(connection, Bytes::from_static(b"text")).unwrap();
    world.streams.send_on(connection, Bytes::from_static(b"\xff\xfe")).unwrap();
    assert_eq!(hear(&mut browser).await, Message::text("text"));
    assert_eq!(hear(&mut browser).await, Message::binary(&b"\xff\xfe"[..]));
    // The keep-alives of WebSockets and those of RFC 5626; line ends alone are no message.
    browser.send(Message::Ping(Bytes::from_static(b"p"))).await.unwrap();
    assert_eq!(hear(&mut browser).await, Message::Pong(Bytes::from_static(b"p")));
    browser.send(Message::text("\r\n\r\n")).await.unwrap();
    browser.send(Message::text("\r\n")).await.unwrap();
    assert_eq!(hear(&mut browser).await, Message::text("\r\n"));
    browser.close(None).await.unwrap();
    world.closed().await;
    assert_eq!(world.streams.send_on(connection, Bytes::new()), Err(SendError::Closed));
}

#[tokio::test]
async fn nobody_is_dialled_by_a_websocket() {
    let mut world = world(limits());
    let (_browser, flow) = world.browser(4_096).await;
    let stranger = "127.0.0.3:80".parse().unwrap();
    for transport in [Transport::Ws, Transport::Wss] {
        for to in [flow.remote, stranger] {
            assert_eq!(world.streams.send_to(transport, to, None, Bytes::new()), Err(SendError::NotDialled));
        }
    }
}

#[tokio::test]
async fn what_is_too_long_or_no_text_closes_the_socket_with_its_code() {
    let mut world = world(limits());
    let mut large = vec![Message::text("x".repeat(1_001))];
    large.push(Message::binary(vec![0; 1_001]));
    for message in large {
        let (mut browser, _) = world.browser(4_096).await;
        browser.send(message).await.unwrap();
        assert_eq!(close_code(&mut browser).await, CloseCode::Size);
        world.closed().await;
    }
}

#[tokio::test]
async fn whoever_says_nothing_is_closed_however_often_he_pings() {
    let mut world = world(StreamLimits { first: Duration::from_millis(200), ..limits() });
    let (mut browser, _) = world.browser(4_096).await;
    let pings = async {
        let mut tick = tokio::time::interval(Duration::from_millis(20));
        loop {
            tick.tick().await;
            if browser.send(Message::text("\r\n\r\n")).await.is_err() {
                std::future::pending::<()>().await;
            }
            let _pong = browser.next().await;
        }
    };
    tokio::select! {
        () = pings => {}
        () = world.closed() => {}
    }
}

#[tokio::test]
async fn a_socket_is_pinged_and_closed_when_nobody_is_there() {
    let mut world = world(StreamLimits { web_ping: Duration::from_millis(50), ..limits() });
    let (mut browser, _) = world.browser(4_096).await;
    browser.send(Message::text(REQUEST)).await.unwrap();
    assert_eq!(world.message().await, REQUEST);
    // As long as it reads, pings are answered by themselves and the socket stands.
    for _ in 0..10 {
        assert_eq!(hear(&mut browser).await, Message::Ping(Bytes::new()));
    }
    world.closed().await;
}

#[tokio::test]
async fn a_reader_who_does_not_keep_up_is_cut_off() {
    let mut world = world(StreamLimits { partial: Duration::from_millis(200), ..limits() });
    let (_browser, flow) = world.browser(256).await;
    let large = Bytes::from(vec![b'x'; 900]);
    let connection = flow.connection.unwrap();
    let outcome = (0..10).find_map(|_| world.streams.send_on(connection, large.clone()).err());
    assert_eq!(outcome, Some(SendError::Stuck));
    world.closed().await;
}

#[tokio::test]
async fn one_address_gets_its_share_of_sockets() {
    let mut world = world(limits());
    let (first, _) = world.browser(4_096).await;
    let _second = world.browser(4_096).await;
    let door = world.streams.door();
    assert!(door.ticket("127.0.0.2".parse().unwrap()).is_none());
    let other = door.ticket("127.0.0.3".parse().unwrap());
    assert!(other.is_some() && door.ticket("127.0.0.4".parse().unwrap()).is_none(), "three in all");
    drop(first);
    world.closed().await;
    assert!(door.ticket("127.0.0.2".parse().unwrap()).is_some());
}
