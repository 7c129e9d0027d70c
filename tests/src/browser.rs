//! Phones in a browser: Chromium without a window, steered by its DevTools protocol, with SIP libraries that others
//! wrote. `tests/browser/` has the pages' scripts, with the browser's own audio or without.

use std::{
    fs,
    net::{IpAddr, SocketAddr, TcpStream},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
    thread,
};

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{Message, WebSocket, client::client};

use crate::{echo::Echo, switch::Switch, tone, wait};

/// A library for phones in browsers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Library {
    /// `JsSIP`.
    JsSip,
    /// `SIP.js`.
    SipJs,
    /// `JsSIP` with the browser's own audio; the others describe plain RTP, and an [`Echo`] sends back what it hears.
    JsSipAudio,
}

impl Library {
    /// The library with the page's own script, in one text.
    fn script(self) -> String {
        let name = match self {
            Self::JsSip => "jssip-phone.js",
            Self::SipJs => "sipjs-phone.js",
            Self::JsSipAudio => "jssip-audio.js",
        };
        fs::read_to_string(bundles().join(name)).expect("a bundle")
    }
}

/// Where the bundles are: made from what npm fetches, once for the same versions.
fn bundles() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("browser/install.sh");
        let out = Command::new(script).stderr(Stdio::inherit()).output().expect("a shell");
        assert!(out.status.success(), "tests/browser/install.sh failed");
        PathBuf::from(String::from_utf8_lossy(&out.stdout).trim())
    })
}

/// A running browser. Ended when dropped.
pub struct Browser {
    child: Child,
    control: SocketAddr,
    /// The path of the browser itself there.
    path: String,
    /// The page that its phones are made in: of the switch itself, as an agent's would be.
    page: String,
}

impl Browser {
    /// Starts one whose pages come from the HTTPS of a switch, at port 8443.
    ///
    /// # Panics
    /// When it is not installed.
    #[must_use]
    pub fn start(switch: &Switch) -> Self {
        Self::speaking(switch, 600.0)
    }

    /// The same with a microphone that hears a tone, for pages with the browser's own audio.
    ///
    /// # Panics
    /// When it is not installed.
    #[must_use]
    pub fn speaking(switch: &Switch, hz: f64) -> Self {
        let folder = switch.ground.join("browser");
        fs::create_dir_all(&folder).expect("a writable folder");
        let microphone = folder.join("microphone.wav");
        tone::write(&microphone, hz, 60);
        let log = fs::File::create(folder.join("log")).expect("a writable folder");
        let child = Command::new("chromium-headless-shell")
            .args([
                "--remote-debugging-port=0",
                "--no-sandbox",
                "--disable-gpu",
                "--ignore-certificate-errors",
                "--no-proxy-server",
            ])
            .args(["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"])
            .arg(format!("--use-file-for-fake-audio-capture={}", microphone.display()))
            // Everything is on this machine, and nobody clicks.
            .args(["--allow-loopback-in-peer-connection", "--autoplay-policy=no-user-gesture-required"])
            .args(["--disable-background-timer-throttling", "--disable-renderer-backgrounding"])
            .arg(format!("--user-data-dir={}", folder.display()))
            .arg("about:blank")
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .spawn()
            .expect("chromium-headless-shell is installed (docker/packages.sh test)");
        let mut browser = Self {
            child,
            control: ([127, 0, 0, 1], 0).into(),
            path: String::new(),
            page: format!("https://{}:8443/healthz", switch.sip.ip()),
        };
        let (port, path) = wait::until("the browser's control port", wait::SOON, || {
            assert!(browser.child.try_wait().expect("our child").is_none(), "the browser is gone: {}", folder.display());
            let text = fs::read_to_string(folder.join("DevToolsActivePort")).ok()?;
            let (port, path) = text.trim().split_once('\n')?;
            Some((port.parse().ok()?, path.to_owned()))
        });
        browser.control.set_port(port);
        browser.path = path;
        browser
    }

    /// A phone of an extension of the switch, in a page of its own, registered by WSS.
    #[must_use]
    #[track_caller]
    pub fn phone(&self, switch: &Switch, library: Library, user: &str) -> WebRtcPhone {
        let host = switch.sip.ip().to_string();
        let url = format!("wss://{host}:8443/sip");
        let account = Account { url, host, user: user.to_owned(), password: switch.password(user) };
        self.phone_of(&account, switch.ground.device(), library)
    }

    /// A phone of any account, whose audio is at an address.
    ///
    /// # Panics
    /// When the browser does not do what it is told.
    #[must_use]
    #[track_caller]
    pub fn phone_of(&self, account: &Account, audio: IpAddr, library: Library) -> WebRtcPhone {
        let echo = Echo::at(audio);
        let mut page = Page::open(self.control, &self.path, &self.page);
        page.evaluate(&format!("window.audio = {}", json!({ "ip": audio, "port": echo.at.port() })));
        page.evaluate(&(library.script() + ";0"));
        let Account { url, host, user, password } = account;
        let setup = json!({ "url": url, "user": user, "host": host, "password": password });
        page.evaluate(&format!("void start({setup})"));
        let mut phone = WebRtcPhone { page, echo, read: 0, name: format!("{library:?} {user}") };
        phone.until("REGISTERED");
        phone
    }
}

/// Who a phone in a page is, and where it connects to.
#[derive(Clone, Debug)]
pub struct Account {
    /// The WebSocket.
    pub url: String,
    /// The domain of its address.
    pub host: String,
    /// The name in its address.
    pub user: String,
    /// The password.
    pub password: String,
}

impl Drop for Browser {
    fn drop(&mut self) {
        // What was started is a script, and the browser its child: both are in a group of their own.
        let group = format!("-{}", self.child.id());
        let _already_gone = Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status();
        let _reaped = self.child.wait();
    }
}

/// One page, and the way to it.
struct Page {
    socket: WebSocket<TcpStream>,
    number: u64,
}

impl Page {
    fn open(control: SocketAddr, browser: &str, url: &str) -> Self {
        let target =
            Self::attach(control, browser).ask("Target.createTarget", &json!({ "url": "about:blank" }))["targetId"].take();
        let mut page = Self::attach(control, &format!("/devtools/page/{}", target.as_str().expect("a page")));
        // What the API gives out is no page that may connect to anything; the console's pages will say what they may.
        page.ask("Page.setBypassCSP", &json!({ "enabled": true }));
        page.ask("Page.navigate", &json!({ "url": url }));
        wait::until_true("the page is there", || {
            page.evaluate("isSecureContext && document.readyState === 'complete' && location.protocol === 'https:'") == true
        });
        page
    }

    fn attach(control: SocketAddr, path: &str) -> Self {
        let stream = TcpStream::connect(control).expect("the browser lives");
        stream.set_read_timeout(Some(wait::SOON)).expect("a socket option");
        let (socket, _) = client(format!("ws://{control}{path}"), stream).expect("the browser takes commands");
        Self { socket, number: 0 }
    }

    #[track_caller]
    fn ask(&mut self, method: &str, params: &Value) -> Value {
        self.number += 1;
        let text = json!({ "id": self.number, "method": method, "params": params }).to_string();
        self.socket.send(Message::text(text)).expect("the browser lives");
        loop {
            let message = self.socket.read().expect("the browser answers");
            let Ok(text) = message.into_text() else { continue };
            let Ok(mut answer) = serde_json::from_str::<Value>(&text) else { continue };
            if answer["id"] == self.number {
                assert!(answer["error"].is_null(), "{method}: {}", answer["error"]);
                return answer["result"].take();
            }
        }
    }

    /// The value of an expression in the page.
    #[track_caller]
    fn evaluate(&mut self, expression: &str) -> Value {
        let params = json!({ "expression": expression, "returnByValue": true });
        let mut answer = self.ask("Runtime.evaluate", &params);
        let shown: String = expression.chars().take(200).collect();
        assert!(answer["exceptionDetails"].is_null(), "{shown}: {}", answer["exceptionDetails"]);
        answer["result"]["value"].take()
    }
}

/// A phone in a page.
pub struct WebRtcPhone {
    page: Page,
    /// Its audio: whatever it hears it says.
    pub echo: Echo,
    read: usize,
    name: String,
}

impl WebRtcPhone {
    /// Does something: `call('1000')`, `answer()`, `refuse(486)`, `hold()`, `resume()`, `press('1')`,
    /// `transfer('1002')`, `join()`, `hangUp()`, `cancel()`, `leave()`.
    #[track_caller]
    pub fn does(&mut self, what: &str) {
        // What it gives is the page's alone.
        self.page.evaluate(&format!("void phone.{what}"));
    }

    /// Waits until its log says so, behind what was waited for last.
    ///
    /// # Panics
    /// When it does not come in time.
    #[track_caller]
    pub fn until(&mut self, word: &str) {
        let end = wait::deadline(wait::SOON);
        loop {
            let log = self.log();
            if let Some(at) = log.iter().skip(self.read).position(|line| line == word) {
                self.read += at + 1;
                return;
            }
            if wait::passed(end) {
                let wire = self.page.evaluate("wire.join('\\n')");
                let (name, read) = (&self.name, self.read);
                panic!(
                    "{name}: no {word} behind the first {read} of {log:?}; last by wire:\n{}",
                    wire.as_str().unwrap_or_default()
                );
            }
            thread::park_timeout(std::time::Duration::from_millis(40));
        }
    }

    /// Waits until its log says all of these, in whatever order, behind what was waited for last.
    ///
    /// # Panics
    /// When they do not come in time.
    #[track_caller]
    pub fn until_each(&mut self, words: &[&str]) {
        let (read, name) = (self.read, self.name.clone());
        self.read += wait::until(&format!("{name}: {words:?}"), wait::SOON, || {
            let mut left = words.to_vec();
            for (count, said) in self.log().iter().skip(read).enumerate() {
                if let Some(at) = left.iter().position(|word| word == said) {
                    left.swap_remove(at);
                }
                if left.is_empty() {
                    return Some(count + 1);
                }
            }
            None
        });
    }

    /// Waits until a page with the browser's own audio hears a tone for half a second.
    ///
    /// # Panics
    /// When it does not.
    #[track_caller]
    pub fn until_heard(&mut self, hz: f64) {
        let end = wait::deadline(wait::SOON);
        let mut times = 0;
        while times < 6 {
            let share = self.page.evaluate(&format!("hears({hz})")).as_f64().unwrap_or_default();
            times = if share > 0.6 { times + 1 } else { 0 };
            if wait::passed(end) {
                let (states, name) = (self.page.evaluate("states()"), &self.name);
                let wire = self.page.evaluate("wire.join('\\n')");
                panic!("{name} does not hear {hz} Hz ({share}): {states}; by wire:\n{}", wire.as_str().unwrap_or_default());
            }
            thread::park_timeout(std::time::Duration::from_millis(100));
        }
    }

    /// The value of an expression in the page.
    #[track_caller]
    pub fn evaluate(&mut self, expression: &str) -> Value {
        self.page.evaluate(expression)
    }

    /// Whether its log says so by now, behind what was waited for last.
    #[track_caller]
    pub fn has(&mut self, word: &str) -> bool {
        self.log().iter().skip(self.read).any(|line| line == word)
    }

    #[track_caller]
    fn log(&mut self) -> Vec<String> {
        let log = self.page.evaluate("phone.log");
        log.as_array().expect("a list").iter().map(|line| line.as_str().expect("a word").to_owned()).collect()
    }
}
