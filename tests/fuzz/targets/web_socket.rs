//! Frames of a WebSocket by which SIP comes in: the connection ends with its bytes, what is handed on is bounded, and
//! whatever is answered are frames.
#![no_main]

use std::{cell::RefCell, sync::Arc, time::Duration};

use libfuzzer_sys::fuzz_target;
use tandem_signaling::transport::{StreamEvent, StreamLimits, Streams, TlsPeers};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    runtime::Runtime,
    sync::{mpsc, watch},
    time::timeout,
};

const LONGEST: usize = 2_048;

thread_local! {
    static RUNTIME: RefCell<Runtime> =
        RefCell::new(tokio::runtime::Builder::new_current_thread().enable_time().enable_io().build().expect("a runtime"));
}

fuzz_target!(|bytes: &[u8]| RUNTIME.with_borrow(|runtime| runtime.block_on(take(bytes))));

async fn take(bytes: &[u8]) {
    let _installed = rustls::crypto::ring::default_provider().install_default();
    let config = rustls::ClientConfig::builder().with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth();
    let (_kept, peers) = watch::channel(Arc::new(TlsPeers::new(Arc::new(config))));
    let (events_tx, mut events) = mpsc::channel(4_096);
    let limits = StreamLimits { max_message_bytes: LONGEST, ..StreamLimits::default() };
    let door = Streams::new(limits, tokio::runtime::Handle::current(), events_tx, peers).door();
    let remote = "192.0.2.7:4444".parse().expect("an address");
    let ticket = door.ticket(std::net::SocketAddr::ip(&remote)).expect("room");
    let (ours, mut theirs) = tokio::io::duplex(64 * 1_024);
    let local = "192.0.2.1:443".parse().expect("an address");
    let served = door.web_socket(ticket, ours, true, local, remote);
    let speaks = async {
        // They may close before they have heard all.
        let _closed = theirs.write_all(bytes).await;
        let _closed = theirs.shutdown().await;
        let mut said = Vec::new();
        let _closed = theirs.read_to_end(&mut said).await;
        assert!(said.is_empty() || said[0] & 0x70 == 0, "a frame of ours has no reserved bits");
    };
    timeout(Duration::from_secs(4), async { tokio::join!(served, speaks) }).await.expect("it ends with its bytes");
    let mut messages = 0;
    while let Ok(event) = events.try_recv() {
        if let StreamEvent::Message { bytes: message, .. } = event {
            assert!(message.len() <= LONGEST);
            messages += message.len();
        }
    }
    assert!(messages <= bytes.len());
}
