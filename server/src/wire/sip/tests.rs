//! An edge on the desk, and what it takes from the network.

use std::{
    net::UdpSocket,
    path::Path,
    sync::{Arc, LazyLock},
    time::Duration,
};

use tandem_signaling::{endpoint::Input, flow::Transport};
use tokio::{
    io::AsyncWriteExt as _,
    net::{TcpListener, TcpStream},
    runtime::{Builder, Runtime},
    sync::watch,
};

use super::{Capture, Judge, Network, Settings, SipEdge, Sockets, TlsConfigs, TlsPeers};
use crate::{clock, serve::plans, wire::trace::TraceBus};

const DATAGRAMS: usize = 20;

/// An edge of the demo plan.
pub(super) fn edge() -> SipEdge {
    let plan = Path::new(env!("CARGO_MANIFEST_DIR")).join("../dialplans/demo");
    let plan = plans::check(&plan).unwrap().plan.unwrap();
    // Nothing is captured and nobody is judged here: the tasks for that only need somewhere to be.
    static ELSEWHERE: LazyLock<Runtime> = LazyLock::new(|| Builder::new_current_thread().build().unwrap());
    let _there = ELSEWHERE.enter();
    let (judge, _verdicts) = Judge::start(no_authorities());
    SipEdge::new(clock::now(), Settings::new(&plan, &plan.listen), [7; 32], Capture::start(TraceBus::default()), judge)
}

fn no_tls() -> TlsConfigs {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let server = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let server =
        server.unwrap().with_no_client_auth().with_cert_resolver(Arc::new(rustls::server::ResolvesServerCertUsingSni::new()));
    let peers = Arc::new(TlsPeers::new(no_authorities()));
    TlsConfigs { server: watch::channel(Arc::new(server)).1, peers: watch::channel(peers).1 }
}

fn no_authorities() -> Arc<rustls::ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let client = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    Arc::new(client.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth())
}

fn options(n: usize) -> String {
    format!(
        "OPTIONS sip:x SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK{n}\r\nFrom: <sip:a@x>;tag=1\r\nTo: <sip:x>\r\n\
         Call-ID: {n}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    )
}

#[tokio::test]
async fn a_phone_on_tcp_is_heard_while_datagrams_keep_coming() {
    let (udp, tcp) = (UdpSocket::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let (udp_at, tcp_at) = (udp.local_addr().unwrap(), tcp.local_addr().unwrap());
    udp.set_nonblocking(true).unwrap();
    let sockets = Sockets { udp: vec![udp], tcp: vec![tcp.into_std().unwrap()], tls: Vec::new() };
    let mut network = Network::new(sockets, no_tls(), 100, tokio::runtime::Handle::current()).unwrap();
    let mut edge = edge();
    let mut phone = TcpStream::connect(tcp_at).await.unwrap();
    // Its connection is noted first.
    tokio::time::timeout(Duration::from_secs(10), network.ready()).await.unwrap();
    assert!(network.take(&mut edge));
    phone.write_all(options(0).as_bytes()).await.unwrap();
    tokio::time::timeout(Duration::from_secs(10), network.ready()).await.unwrap();
    let flood = UdpSocket::bind("127.0.0.1:0").unwrap();
    for n in 1..=DATAGRAMS {
        flood.send_to(options(n).as_bytes(), udp_at).unwrap();
    }
    while edge.inputs.len() <= DATAGRAMS {
        tokio::time::timeout(Duration::from_secs(10), network.ready()).await.unwrap();
        while network.take(&mut edge) {}
    }
    let over = |input: &Input| matches!(input, Input::Received { flow, .. } if flow.transport == Transport::Tcp);
    let place = edge.inputs.iter().position(over).unwrap();
    assert!(place <= 1, "heard only after {place} datagrams");
}
