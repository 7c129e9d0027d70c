//! WhatsApp's edge for calls by SIP, as a stub on loopback: TLS with an authority of its own, and every rule that is
//! known of the real one, enforced with the replies that it gives. It is written from what is known of the carrier and
//! shares nothing with the switch but the Opus codec: TLS is rustls, hashes are crates, SIP is read as lines.
//!
//! Its clock can run faster than ours, so that nobody waits for half a minute of silence.

mod audio;
mod core;
mod digest;
mod keys;
mod message;
mod rules;

use std::{
    fs,
    net::{IpAddr, SocketAddr},
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig, SignatureScheme,
    client::ResolvesClientCert,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    sign::CertifiedKey,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, split},
    net::{TcpListener, TcpSocket},
    runtime::Runtime,
    sync::mpsc,
};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use self::core::Core;
pub use self::{
    audio::{Audio, HZ},
    core::{Behaviour, Stage},
    message::Sip,
};
use crate::{names::NameServer, wait};

/// Realm, and host of all addresses of the edge.
pub const REALM: &str = "wa.meta.vc";
/// The proxies that stay on the way, the nearest to the switch first.
pub const ROUTES: [&str; 2] = ["sip:wa.meta.vc;transport=tls;lr", "sip:edge.internal.invalid:8191;transport=tls;lr"];
const PORT: u16 = 5_061;

/// A business number as it is configured at the edge.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// The business number, in digits.
    pub business: &'static str,
    /// Its password.
    pub password: &'static str,
    /// The host name of the switch.
    pub host: &'static str,
    /// The only customer who may be called.
    pub customer: &'static str,
    /// What the `m=` line must say.
    pub protocol: &'static str,
    /// How many times as fast as ours its clock runs.
    pub speed: u32,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            business: "15550100000",
            password: "wa-secret",
            host: "sip.example.com",
            customer: "15550101234",
            protocol: "RTP/SAVP",
            speed: 10,
        }
    }
}

/// The running edge.
pub struct Edge {
    core: Arc<Mutex<Core>>,
    runtime: Runtime,
    /// Its address.
    pub ip: IpAddr,
    setup: Setup,
    /// The authority of both sides, in PEM.
    authority: String,
    /// Certificate and key of the switch.
    own: (String, String),
    client: Arc<ClientConfig>,
    asked: Arc<Asked>,
}

/// The certificate that the edge would show if it were asked. It must not be.
#[derive(Debug, Default)]
struct Asked(AtomicBool);

impl ResolvesClientCert for Asked {
    fn resolve(&self, _authorities: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.0.store(true, Ordering::Relaxed);
        None
    }

    fn has_certs(&self) -> bool {
        true
    }
}

impl Edge {
    /// Starts one at an address.
    ///
    /// # Panics
    /// When the address or port cannot be had.
    #[must_use]
    pub fn start(ip: IpAddr, setup: Setup) -> Self {
        let _installed = rustls::crypto::ring::default_provider().install_default();
        let authority = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(Vec::<String>::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root = params.self_signed(&authority).expect("a certificate").pem();
        let issuer = Issuer::new(params, authority);
        let signed = |name: &str| {
            let key = KeyPair::generate().expect("a key");
            let params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
            (params.signed_by(&key, &issuer).expect("a certificate").pem(), key.serialize_pem())
        };
        let (edge, own) = (signed(REALM), signed(setup.host));
        let asked = Arc::new(Asked::default());
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(root.as_bytes()).expect("PEM")).expect("a certificate");
        let client = ClientConfig::builder().with_root_certificates(roots);
        let client = client.with_client_cert_resolver(Arc::clone(&asked) as Arc<dyn ResolvesClientCert>);
        let core = Arc::new_cyclic(|me| Mutex::new(Core::new(setup, ip, me.clone())));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind((ip, PORT))).expect("a port of our own");
        runtime.spawn(listen(listener, TlsAcceptor::from(Arc::new(server(&edge))), Arc::clone(&core)));
        Self { core, runtime, ip, setup, authority: root, own, client: Arc::new(client), asked }
    }

    /// A name server that knows where the edge is.
    #[must_use]
    pub fn names(&self, at: IpAddr) -> NameServer {
        NameServer::start(at, &["--local=/meta.vc/".to_owned(), format!("--host-record={REALM},{}", self.ip)])
    }

    /// Puts what the switch needs beside its plan: the edge's authority, the certificate of the switch, the password.
    ///
    /// # Panics
    /// When the folder cannot be written.
    pub fn furnish(&self, plan: &Path) {
        let files = [
            ("edge-ca.pem", self.authority.as_str()),
            ("own.pem", &self.own.0),
            ("own-key.pem", &self.own.1),
            ("wa-secret", self.setup.password),
        ];
        for (name, text) in files {
            fs::write(plan.join(name), text).expect("a writable folder");
        }
    }

    fn core(&self) -> MutexGuard<'_, Core> {
        self.core.lock().expect("nobody panics with it")
    }

    /// What becomes of the next calls of the switch.
    pub fn behave(&self, behaviour: Behaviour) {
        self.core().behaviour = behaviour;
    }

    /// Calls the business number at a switch, with these headers beside the usual; the name of the call.
    ///
    /// # Panics
    /// When the switch does not prove itself by the name that it is configured with.
    #[must_use]
    pub fn call(&self, switch: IpAddr, headers: &[(&str, &str)]) -> String {
        let connection = self.runtime.block_on(self.connect(switch));
        self.core().dial(connection, headers)
    }

    async fn connect(&self, switch: IpAddr) -> u64 {
        let socket = if self.ip.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }.expect("a socket");
        socket.bind((self.ip, 0).into()).expect("a loopback address");
        let stream = socket.connect(SocketAddr::new(switch, PORT)).await.expect("the switch takes connections");
        let name = ServerName::try_from(self.setup.host).expect("a name");
        let stream = TlsConnector::from(Arc::clone(&self.client)).connect(name, stream).await.expect("the switch proves itself");
        attend(&self.core, stream)
    }

    /// Waits until a call is so far.
    #[track_caller]
    pub fn until(&self, call: &str, stage: Stage) {
        wait::until(&format!("call {call} is {stage:?}"), wait::SOON, || {
            let mut core = self.core();
            let found = core.call(call)?;
            assert!(found.stage != Stage::Over || stage == Stage::Over, "{call} is over: {} {:?}", found.code, found.ended);
            (found.stage == stage).then_some(())
        });
    }

    /// Waits for a call of the switch that is so far; its name.
    #[track_caller]
    #[must_use]
    pub fn until_called(&self, stage: Stage) -> String {
        wait::until(&format!("a call of the switch is {stage:?}"), wait::SOON, || {
            let core = self.core();
            core.calls.last().filter(|call| call.stage == stage).map(|call| call.id.clone())
        })
    }

    /// The final reply to a call of ours, and why it ended.
    ///
    /// # Panics
    /// When there is no such call.
    #[must_use]
    pub fn end_of(&self, call: &str) -> (u16, Option<String>) {
        let mut core = self.core();
        let found = core.call(call).expect("a call of this name");
        (found.code, found.ended.clone())
    }

    /// The number that a call is for.
    ///
    /// # Panics
    /// When there is no such call.
    #[must_use]
    pub fn number_of(&self, call: &str) -> String {
        self.core().call(call).expect("a call of this name").number().to_owned()
    }

    /// The audio of a call.
    ///
    /// # Panics
    /// When it has none.
    #[must_use]
    pub fn audio(&self, call: &str) -> Audio {
        self.core().call(call).and_then(|call| call.audio.clone()).expect("a call with audio")
    }

    /// Waits until it has heard a tone for so long.
    #[track_caller]
    pub fn until_heard(&self, call: &str, hz: f64, seconds: f64) {
        let audio = self.audio(call);
        wait::until_true(&format!("the customer hears {hz} Hz for {seconds} s"), || audio.heard().seconds_of(hz) >= seconds);
    }

    /// The customer hangs up.
    pub fn hang_up(&self, call: &str) {
        self.core().hang_up(call, "by the customer");
    }

    /// First lines of the requests that came.
    #[must_use]
    pub fn requests(&self) -> Vec<String> {
        self.core().requests.clone()
    }

    /// Rules that the switch broke, in words.
    #[must_use]
    pub fn violations(&self) -> Vec<String> {
        let mut all = self.core().violations.clone();
        all.extend(self.asked.0.load(Ordering::Relaxed).then(|| "no client certificate is asked for".to_owned()));
        all
    }

    /// What a right client would answer to one of the challenges of a reply, for `uri`.
    ///
    /// # Panics
    /// When there is no such challenge.
    #[must_use]
    pub fn proof(challenge: &Sip, which: usize, uri: &str) -> String {
        let Setup { business, password, .. } = Setup::default();
        let value = challenge.all("Proxy-Authenticate").nth(which).expect("a challenge");
        digest::answer(value, digest::Case { user: business, password, method: "INVITE", uri }).expect("a hash that is known")
    }

    /// Somebody connects and says these things, each when the last was answered; offering these protocols by ALPN. The
    /// replies' first lines, or why there is no connection.
    ///
    /// # Errors
    /// What TLS says.
    ///
    /// # Panics
    /// When there is nobody.
    pub fn told(&self, alpn: &[&str], said: impl Fn(&[Sip]) -> Option<Sip>) -> Result<Vec<Sip>, String> {
        let mut client = (*self.client).clone();
        client.alpn_protocols = alpn.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        self.runtime.block_on(async {
            let stream = tokio::net::TcpStream::connect((self.ip, PORT)).await.expect("it listens");
            let name = ServerName::try_from(REALM).expect("a name");
            let mut stream =
                TlsConnector::from(Arc::new(client)).connect(name, stream).await.map_err(|error| error.to_string())?;
            let (mut replies, mut buffer) = (Vec::new(), Vec::new());
            while let Some(next) = said(&replies) {
                stream.write_all(next.text().as_bytes()).await.map_err(|error| error.to_string())?;
                if next.method() == Some("ACK") {
                    replies.push(Sip::new("ACK"));
                    continue;
                }
                let reply = loop {
                    if let Some(reply) = Sip::take(&mut buffer) {
                        // What is only on its way is not an answer.
                        if reply.code().is_some_and(|code| code >= 200) {
                            break reply;
                        }
                        continue;
                    }
                    if stream.read_buf(&mut buffer).await.map_err(|error| error.to_string())? == 0 {
                        return Ok(replies);
                    }
                };
                replies.push(reply);
            }
            Ok(replies)
        })
    }
}

/// Who wants a protocol by ALPN that is not this one is refused with the alert `no_application_protocol`; who wants none
/// is welcome.
fn server((certificate, key): &(String, String)) -> ServerConfig {
    let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).expect("PEM");
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("PEM");
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate], key);
    let mut config = config.expect("they belong together");
    config.alpn_protocols = vec![b"none-of-yours".to_vec()];
    config
}

async fn listen(listener: TcpListener, acceptor: TlsAcceptor, core: Arc<Mutex<Core>>) {
    while let Ok((stream, _)) = listener.accept().await {
        match acceptor.accept(stream).await {
            Ok(stream) => {
                attend(&core, stream);
            }
            Err(error) => core.lock().expect("nobody panics with it").violations.push(format!("TLS: {error}")),
        }
    }
}

/// Speaks with whoever is at the other end; the number of the connection.
fn attend<S: AsyncRead + AsyncWrite + Send + 'static>(core: &Arc<Mutex<Core>>, stream: S) -> u64 {
    let (mut reader, mut writer) = split(stream);
    let (tx, mut rx) = mpsc::channel::<String>(64);
    let number = {
        let mut core = core.lock().expect("nobody panics with it");
        let number = core.next();
        core.connections.insert(number, tx);
        number
    };
    let core = Arc::clone(core);
    tokio::spawn(async move {
        while let Some(text) = rx.recv().await {
            if writer.write_all(text.as_bytes()).await.is_err() || writer.flush().await.is_err() {
                return;
            }
        }
    });
    tokio::spawn(async move {
        let mut buffer = Vec::new();
        while reader.read_buf(&mut buffer).await.is_ok_and(|length| length > 0) {
            while let Some(sip) = Sip::take(&mut buffer) {
                core.lock().expect("nobody panics with it").handle(number, &sip);
            }
        }
        core.lock().expect("nobody panics with it").connections.remove(&number);
    });
    number
}
