//! The task of one stream to a program: a WebSocket, and the pipes of the call's audio, around a [`Session`].
//!
//! It looks at the pipes every 20 ms, so that the media threads have nobody to wake.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{
    FutureExt as _, SinkExt as _, StreamExt as _,
    future::{BoxFuture, OptionFuture},
    stream::{SplitSink, SplitStream},
};
use rustls::{ClientConfig, pki_types::ServerName};
use tandem_media::{
    contract::{FORK_FRAME_MS, FORK_HEAD, ForkHead},
    pipe::Pipe,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::mpsc,
    time::{MissedTickBehavior, interval, timeout},
};
use tokio_rustls::TlsConnector;
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{
        Bytes, Message as Frame, Utf8Bytes,
        client::IntoClientRequest as _,
        http::header::AUTHORIZATION,
        protocol::{CloseFrame, WebSocketConfig},
    },
};

use super::{
    Order, Report, Shared, Target,
    contract::{Ending, Input, Message, Output},
    message::Side,
    session::Session,
};
use crate::clock;

/// Longest message that a program may send: two seconds at 16 kHz.
const LONGEST_MESSAGE: usize = 64 * 1024;
/// A goodbye may take so long.
const GOODBYE: Duration = Duration::from_secs(1);
/// Frames of a side that are taken from its pipe in one go.
const MOST_AT_ONCE: usize = 64;

trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Socket for T {}

type WebSocket = WebSocketStream<Box<dyn Socket>>;
type Sink = SplitSink<WebSocket, Frame>;
type Source = SplitStream<WebSocket>;

/// What a stream works with.
pub(super) struct Task {
    pub(super) session: Session,
    pub(super) target: Arc<Target>,
    pub(super) orders: mpsc::Receiver<Order>,
    pub(super) shared: Arc<Shared>,
    pub(super) report: Report,
    /// The program's voice.
    pub(super) voice: Option<Arc<Pipe>>,
    pub(super) rate_hz: u32,
    pub(super) tls: fn() -> Arc<ClientConfig>,
}

/// The connection, as far as there is one.
#[derive(Default)]
struct Link {
    opening: Option<BoxFuture<'static, Result<WebSocket, String>>>,
    source: Option<Source>,
    sink: Option<Sink>,
    sending: Option<BoxFuture<'static, (Sink, bool)>>,
}

impl Link {
    /// Says goodbye behind what is under way, and waits for theirs.
    async fn say_goodbye(self, code: u16) {
        let Some(mut source) = self.source else { return };
        let sent = async {
            let sink = match self.sending {
                Some(sending) => Some(sending.await.0),
                None => self.sink,
            };
            if let Some(mut sink) = sink {
                let goodbye = CloseFrame { code: code.into(), reason: Utf8Bytes::default() };
                let _best_effort = sink.send(Frame::Close(Some(goodbye))).await;
            }
        };
        // What they still say is read and forgotten, or they would never come to it.
        let read = async { while let Some(Ok(_)) = source.next().await {} };
        tokio::join!(sent, read);
    }
}

/// What happened.
enum Woken {
    Order(Option<Order>),
    Tick,
    Opened(Result<Box<WebSocket>, String>),
    Sent(Sink, bool),
    Said(Option<Result<Frame, tokio_tungstenite::tungstenite::Error>>),
}

impl Task {
    /// Runs until the stream is over.
    pub(super) async fn run(mut self) {
        let mut link = Link::default();
        let mut pipes: [Option<Arc<Pipe>>; 2] = [None, None];
        let mut tick = interval(Duration::from_millis(FORK_FRAME_MS.into()));
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            if let Some(ending) = self.carry_out(&mut link).await {
                pipes.into_iter().flatten().chain(self.voice.take()).for_each(|pipe| pipe.close());
                self.shared.count(self.session.counts());
                return self.report.ended(ending).await;
            }
            let woken = tokio::select! {
                order = self.orders.recv() => Woken::Order(order),
                _ = tick.tick() => Woken::Tick,
                Some(opened) = OptionFuture::from(link.opening.as_mut()) => Woken::Opened(opened.map(Box::new)),
                Some((sink, went)) = OptionFuture::from(link.sending.as_mut()) => Woken::Sent(sink, went),
                Some(said) = OptionFuture::from(link.source.as_mut().map(|source| source.next())) => Woken::Said(said),
            };
            let now = clock::instant();
            match woken {
                Woken::Order(order) => self.obey(now, order, &mut pipes),
                Woken::Tick => self.look(now, &pipes),
                Woken::Opened(opened) => {
                    link.opening = None;
                    match opened {
                        Ok(socket) => {
                            let (sink, source) = (*socket).split();
                            (link.sink, link.source) = (Some(sink), Some(source));
                            self.session.handle(now, Input::Opened);
                        }
                        Err(why) => self.session.handle(now, Input::Lost(&why)),
                    }
                }
                Woken::Sent(sink, went) => {
                    (link.sending, link.sink) = (None, Some(sink));
                    self.session.handle(now, if went { Input::Sent } else { Input::Lost("its connection is lost") });
                }
                Woken::Said(said) => self.hear(now, said),
            }
        }
    }

    fn obey(&mut self, now: Instant, order: Option<Order>, pipes: &mut [Option<Arc<Pipe>>; 2]) {
        match order {
            Some(Order::Hear(side, pipe)) => {
                if let Some(old) = pipes[side as usize].replace(pipe) {
                    old.close();
                }
            }
            Some(Order::Key(key)) => self.session.handle(now, Input::Key(key)),
            Some(Order::End(reason)) => self.session.handle(now, Input::End(reason)),
            None => {
                self.orders.close();
                self.session.handle(now, Input::End("call-ended"));
            }
        }
    }

    /// Takes what the call said, and hands on what the program says.
    fn look(&mut self, now: Instant, pipes: &[Option<Arc<Pipe>>; 2]) {
        let frame = self.rate_hz as usize / 1_000 * usize::from(FORK_FRAME_MS);
        let mut words = vec![0; FORK_HEAD + frame];
        for (side, pipe) in [Side::Caller, Side::Agent].into_iter().zip(pipes) {
            let Some(pipe) = pipe else { continue };
            for _ in 0..MOST_AT_ONCE {
                if pipe.read(&mut words) < words.len() {
                    break;
                }
                let ForkHead { at_ms, masked } = ForkHead::of([words[0], words[1], words[2]]);
                self.session.handle(now, Input::Frame { side, masked, at_ms, samples: &words[FORK_HEAD..] });
            }
            let missed = pipe.take_refused();
            if missed > 0 {
                self.session.handle(now, Input::Missed(missed));
            }
        }
        if let Some(voice) = &self.voice {
            let mut next = vec![0; voice.room()];
            let count = self.session.hand_on(&mut next);
            if count > 0 {
                voice.write(&next[..count]);
            }
            self.session.handle(now, Input::Heard(voice.read_up_to()));
        }
        self.session.handle(now, Input::Tick);
        self.shared.count(self.session.counts());
    }

    fn hear(&mut self, now: Instant, said: Option<Result<Frame, tokio_tungstenite::tungstenite::Error>>) {
        use tokio_tungstenite::tungstenite::Error;
        let input = match &said {
            Some(Ok(Frame::Text(text))) => Input::Text(text.as_str()),
            Some(Ok(Frame::Binary(bytes))) => Input::Binary(bytes),
            Some(Ok(Frame::Ping(_) | Frame::Pong(_) | Frame::Frame(_))) => Input::Alive,
            Some(Ok(Frame::Close(_))) | None => Input::Lost("it closed its connection"),
            Some(Err(Error::Capacity(_))) => Input::Lost("it sent a message that is too long"),
            Some(Err(_)) => Input::Lost("its connection is lost"),
        };
        self.session.handle(now, input);
    }

    /// Does what the session wants. How it ended, once it has.
    async fn carry_out(&mut self, link: &mut Link) -> Option<Ending> {
        while let Some(output) = self.session.poll() {
            match output {
                Output::Open => link.opening = Some(connect(Arc::clone(&self.target), self.tls).boxed()),
                Output::Send(message) => {
                    if let Some(mut sink) = link.sink.take() {
                        link.sending = Some(
                            async move { (sink.send(as_frame(message)).await, sink) }
                                .map(|(went, sink)| (sink, went.is_ok()))
                                .boxed(),
                        );
                    }
                }
                Output::Close(code) => {
                    // Beside all else: whoever stalls does not take a goodbye either.
                    tokio::spawn(timeout(GOODBYE, std::mem::take(link).say_goodbye(code)));
                }
                Output::Cut => {
                    if let Some(voice) = &self.voice {
                        voice.cut();
                    }
                }
                Output::Trace(line) => self.report.trace(line).await,
                Output::Ended(ending) => return Some(ending),
            }
        }
        None
    }
}

fn as_frame(message: Message) -> Frame {
    match message {
        Message::Text(text) => Frame::text(text),
        Message::Audio(bytes) => Frame::binary(bytes),
        Message::Ping => Frame::Ping(Bytes::new()),
    }
}

/// Connects to a program.
async fn connect(target: Arc<Target>, tls: fn() -> Arc<ClientConfig>) -> Result<WebSocket, String> {
    let url = &target.url;
    let found = tokio::net::lookup_host((url.host.as_str(), url.port)).await.map_err(|error| format!("no address: {error}"))?;
    let allowed = |at: &SocketAddr| url.secure || target.unencrypted || at.ip().is_loopback();
    let addresses: Vec<SocketAddr> = found.filter(allowed).collect();
    let tcp = TcpStream::connect(&addresses[..]).await.map_err(|error| error.to_string())?;
    let _slower = tcp.set_nodelay(true);
    let socket: Box<dyn Socket> = if url.secure {
        let name = ServerName::try_from(url.host.clone()).map_err(|error| error.to_string())?;
        Box::new(TlsConnector::from(tls()).connect(name, tcp).await.map_err(|error| error.to_string())?)
    } else {
        Box::new(tcp)
    };
    let mut request = url.text().into_client_request().map_err(|error| error.to_string())?;
    if let Some(token) = &target.token {
        let value = token.bearer().map_err(|_| "its token cannot be sent".to_owned())?;
        request.headers_mut().insert(AUTHORIZATION, value);
    }
    let config = WebSocketConfig::default().max_message_size(Some(LONGEST_MESSAGE)).max_frame_size(Some(LONGEST_MESSAGE));
    let (socket, _response) = client_async_with_config(request, socket, Some(config)).await.map_err(|error| error.to_string())?;
    Ok(socket)
}
