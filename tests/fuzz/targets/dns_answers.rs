//! Whatever the DNS answers: every search for servers ends, with few questions and few peers.
#![no_main]

use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use tandem_signaling::flow::Transport;
use tandem_signaling::locate::{Answer, Data, Input, Locator, Output, Place, Reach, Record, draw};

const NAMES: [&str; 6] = ["a.test", "b.test", "_sip._udp.a.test", "_sip._tcp.a.test", "", "."];
const SERVICES: [&str; 4] = ["SIP+D2U", "SIP+D2T", "SIPS+D2T", "x"];

struct Bytes<'a>(std::slice::Iter<'a, u8>);

impl Bytes<'_> {
    fn byte(&mut self) -> u8 {
        self.0.next().copied().unwrap_or(0)
    }

    fn name(&mut self) -> String {
        NAMES[usize::from(self.byte()) % NAMES.len()].to_owned()
    }

    fn answer(&mut self) -> Answer {
        match self.byte() {
            0..=15 => Answer::Failed,
            16..=31 => Answer::Nothing { ttl_s: self.byte().into() },
            count => Answer::Records((0..count % 8).map(|_| self.record()).collect()),
        }
    }

    fn record(&mut self) -> Record {
        let (name, ttl_s) = (self.name(), self.byte().into());
        let data = match self.byte() % 5 {
            0 => Data::A([10, 0, 0, self.byte()].into()),
            1 => Data::Aaaa([u16::from(self.byte()), 0, 0, 0, 0, 0, 0, 1].into()),
            2 => Data::Alias(self.name()),
            3 => Data::Srv {
                priority: (self.byte() % 3).into(),
                weight: self.byte().into(),
                port: self.byte().into(),
                target: self.name(),
            },
            _ => Data::Naptr {
                order: self.byte().into(),
                preference: self.byte().into(),
                flags: "s".to_owned(),
                services: SERVICES[usize::from(self.byte()) % SERVICES.len()].to_owned(),
                has_regexp: self.byte() > 200,
                replacement: self.name(),
            },
        };
        Record { name, ttl_s, data }
    }
}

fuzz_target!(|input: &[u8]| {
    let mut bytes = Bytes(input.iter());
    let reach = Reach { transports: vec![Transport::Udp, Transport::Tcp, Transport::Tls], ipv4: true, ipv6: true };
    let mut locator = Locator::new(reach);
    let mut now = Instant::now();
    let place = Place { host: "a.test".to_owned(), port: None, transport: None, secure: bytes.byte() > 200 };
    locator.handle(now, Input::Watch(vec![("it".into(), place)]));
    for _ in 0..1_000 {
        match locator.poll() {
            Some(Output::Ask(question)) => {
                now += Duration::from_millis(bytes.byte().into());
                let answer = bytes.answer();
                locator.handle(now, Input::Answered { question, answer });
            }
            Some(Output::Found { peers, .. }) => {
                assert!(peers.len() <= 32);
                assert_eq!(draw(&peers, || 7).len(), peers.len());
            }
            None => match locator.deadline() {
                Some(due) if bytes.0.len() > 0 => {
                    now = now.max(due);
                    locator.handle(now, Input::Tick);
                }
                _ => return,
            },
        }
    }
});
