//! Bytes sent to the switch by each of its transports, and what comes back: nothing here knows SIP.

use std::{
    fs,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use futures_util::{SinkExt as _, StreamExt as _};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream, UdpSocket},
    time::timeout,
};
use tokio_rustls::TlsConnector;
use tokio_tungstenite::{
    client_async,
    tungstenite::{Message, client::IntoClientRequest as _},
};

use crate::switch::Switch;

/// One way to the switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// One datagram.
    Udp,
    /// All at once.
    Tcp,
    /// One byte in each segment.
    TcpByBytes,
    /// All at once, in TLS.
    Tls,
    /// One message of a WebSocket in TLS.
    Wss,
}

impl Way {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Udp, Self::Tcp, Self::TcpByBytes, Self::Tls, Self::Wss];

    /// Whether a message ends where its sender says, and not where the datagram does.
    #[must_use]
    pub const fn is_stream(self) -> bool {
        matches!(self, Self::Tcp | Self::TcpByBytes | Self::Tls)
    }

    /// Its name in the switch's figures.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp | Self::TcpByBytes => "tcp",
            Self::Tls => "tls",
            Self::Wss => "wss",
        }
    }
}

/// Where the switch listens, and what proves that it is the switch.
#[derive(Clone)]
pub struct Doors {
    sip: SocketAddr,
    tls: TlsConnector,
}

/// What came back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// Everything that was said, as it came.
    pub text: String,
    /// The switch closed the connection.
    pub closed: bool,
}

impl Doors {
    /// Those of a switch whose HTTPS is at port 8443, the others where they always are.
    ///
    /// # Panics
    /// When it left no certificate.
    #[must_use]
    pub fn of(switch: &Switch) -> Self {
        let _installed = rustls::crypto::ring::default_provider().install_default();
        let pem = fs::read(switch.ground.join("var/tls/certificate.pem")).expect("a certificate");
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(&pem).expect("PEM")).expect("a certificate");
        let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        Self { sip: switch.sip, tls: TlsConnector::from(Arc::new(config)) }
    }

    /// Sends `bytes` from an address; hears until `enough`, until the switch closes, or until it has been silent for
    /// `patience`.
    ///
    /// # Panics
    /// When the switch does not take the connection, or the bytes.
    pub async fn say(&self, way: Way, from: IpAddr, bytes: &[u8], patience: Duration, enough: impl Fn(&str) -> bool) -> Heard {
        match way {
            Way::Udp => by_datagram(from, self.sip, bytes, patience, enough).await,
            Way::Tcp => whole(connect(from, self.sip).await, bytes, patience, enough).await,
            Way::TcpByBytes => {
                let mut stream = connect(from, self.sip).await;
                for byte in bytes {
                    // A switch that has heard enough may close before the last one.
                    if stream.write_all(&[*byte]).await.is_err() {
                        break;
                    }
                    tokio::task::yield_now().await;
                }
                hear(stream, patience, enough).await
            }
            Way::Tls => whole(self.in_tls(from, 5_061).await, bytes, patience, enough).await,
            Way::Wss => self.by_web_socket(from, bytes, patience, enough).await,
        }
    }

    async fn in_tls(&self, from: IpAddr, port: u16) -> impl AsyncRead + AsyncWrite + Unpin + use<> {
        let stream = connect(from, SocketAddr::new(self.sip.ip(), port)).await;
        self.tls.connect(self.sip.ip().into(), stream).await.expect("the switch proves itself")
    }

    async fn by_web_socket(&self, from: IpAddr, bytes: &[u8], patience: Duration, enough: impl Fn(&str) -> bool) -> Heard {
        let mut request = format!("wss://{}:8443/sip", self.sip.ip()).into_client_request().expect("a URL");
        request.headers_mut().insert("sec-websocket-protocol", "sip".parse().expect("a word"));
        let (mut socket, _) = client_async(request, self.in_tls(from, 8_443).await).await.expect("a WebSocket");
        socket.send(Message::Binary(bytes.to_vec().into())).await.expect("an open WebSocket");
        let mut heard = Heard::default();
        while !enough(&heard.text) {
            match timeout(patience, socket.next()).await {
                Ok(Some(Ok(Message::Close(_)) | Err(_)) | None) => {
                    heard.closed = true;
                    break;
                }
                Ok(Some(Ok(message))) => heard.text += &String::from_utf8_lossy(&message.into_data()),
                Err(_) => break,
            }
        }
        heard
    }
}

async fn connect(from: IpAddr, to: SocketAddr) -> TcpStream {
    let socket = if to.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }.expect("a socket");
    socket.bind((from, 0).into()).expect("a loopback address");
    let stream = socket.connect(to).await.expect("the switch takes connections");
    stream.set_nodelay(true).expect("a socket option");
    stream
}

async fn by_datagram(from: IpAddr, to: SocketAddr, bytes: &[u8], patience: Duration, enough: impl Fn(&str) -> bool) -> Heard {
    let socket = UdpSocket::bind((from, 0)).await.expect("a loopback address");
    socket.send_to(bytes, to).await.expect("a datagram fits");
    let (mut heard, mut piece) = (Heard::default(), vec![0; 65_536]);
    while !enough(&heard.text) {
        let Ok(length) = timeout(patience, socket.recv(&mut piece)).await else { break };
        heard.text += &String::from_utf8_lossy(&piece[..length.expect("a socket")]);
    }
    heard
}

async fn whole(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    bytes: &[u8],
    patience: Duration,
    enough: impl Fn(&str) -> bool,
) -> Heard {
    stream.write_all(bytes).await.expect("an open connection");
    stream.flush().await.expect("an open connection");
    hear(stream, patience, enough).await
}

async fn hear(mut stream: impl AsyncRead + Unpin, patience: Duration, enough: impl Fn(&str) -> bool) -> Heard {
    let (mut heard, mut piece) = (Heard::default(), vec![0; 4_096]);
    while !enough(&heard.text) {
        match timeout(patience, stream.read(&mut piece)).await {
            // TLS may end without its goodbye, and a reset is an end too.
            Ok(Ok(0) | Err(_)) => {
                heard.closed = true;
                break;
            }
            Ok(Ok(length)) => heard.text += &String::from_utf8_lossy(&piece[..length]),
            Err(_) => break,
        }
    }
    heard
}
