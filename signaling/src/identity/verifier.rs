//! The verification service (RFC 8224 section 6.2): a core that judges cases and asks for the certificates they need.
//!
//! Every case gets exactly one [`Output::Judged`]. A case whose certificate is known is judged at once; the others
//! wait for it, together when they wait for the same.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    Presented, TrustList, Verdict,
    cache::{Cache, Known},
    certificate::Chain,
    header::IdentityHeader,
    passport::{Passport, SHAKEN, host_of},
};

/// Certificates that are asked for at a time; what needs one more has none.
const MAX_FETCHES: usize = 64;

/// Cases that wait for one certificate; what comes after them has none.
const MAX_WAITING: usize = 256;

/// A certificate that has not come by then does not come.
const PATIENCE: Duration = Duration::from_secs(5);

/// One call to be judged.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its name, given back with the verdict.
    pub id: u64,
    /// What it presents; `None` when it has no Identity header.
    pub presented: Option<Box<Presented>>,
    /// The number that the called side will see.
    pub shown: String,
    /// Who is trusted.
    pub trust: Arc<TrustList>,
    /// How far the moment of signing may lie from the moment of arrival, in seconds (60, RFC 8224 section 6.2.2).
    pub window_s: u64,
    /// The country whose numbers are written without prefix, as digits (`41`).
    pub country_code: Option<String>,
    /// The only hosts, in lower case, whose certificates count; any when empty.
    pub hosts: Arc<[String]>,
    /// When the call arrived, in seconds since 1970.
    pub unix_s: u64,
}

/// What a verifier is told.
#[derive(Clone, Debug)]
pub enum Input {
    /// Judge a call.
    Examine(Box<Case>),
    /// An [`Output::Fetch`] has ended.
    Fetched {
        /// What was asked for.
        url: Arc<str>,
        /// What came.
        outcome: Option<Fetched>,
    },
    /// A deadline may have passed.
    Tick,
}

/// A certificate chain as it came.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// PEM or DER.
    pub bytes: Vec<u8>,
    /// How long it may be kept.
    pub max_age: Duration,
}

/// What a verifier wants.
#[derive(Clone, Debug)]
pub enum Output {
    /// Get what lies at a URL of the scheme `https`, and say so in any case.
    Fetch {
        /// The URL.
        url: Arc<str>,
        /// Its host is one that the case names. Where it is not, it was chosen by whoever calls: then nothing but
        /// addresses of the public Internet may be asked.
        named: bool,
    },
    /// A case is judged.
    Judged {
        /// Which.
        id: u64,
        /// How.
        verdict: Verdict,
        /// What is known of the signature, when it holds.
        vouched: Option<Box<Vouched>>,
    },
}

/// What a signature that holds says beside its verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vouched {
    /// The origination identifier: with it the signer finds who brought the call.
    pub origid: String,
    /// Whether the certificate says for which numbers or carrier it is (RFC 8226 section 9).
    pub has_tn_auth_list: bool,
}

/// A case whose header is in order but for its certificate.
#[derive(Debug)]
struct Pending {
    id: u64,
    passport: Passport,
    /// Further ones of the same call, should this one fail.
    others: VecDeque<Passport>,
    /// The verdict when all fail: that of the first.
    failed: Option<Verdict>,
    trust: Arc<TrustList>,
    hosts: Arc<[String]>,
    unix_s: u64,
}

/// Cases that wait for one certificate.
#[derive(Debug)]
struct Waiting {
    until: Instant,
    cases: Vec<Pending>,
}

/// The core.
#[derive(Debug, Default)]
pub struct Verifier {
    cache: Cache,
    waiting: HashMap<Arc<str>, Waiting>,
    outputs: VecDeque<Output>,
}

impl Verifier {
    /// Takes one input.
    pub fn handle(&mut self, now: Instant, input: Input) {
        match input {
            Input::Examine(case) => self.examine(now, *case),
            Input::Fetched { url, outcome } => {
                let chain = outcome.as_ref().and_then(|fetched| Chain::parse(&fetched.bytes)).map(Arc::new);
                let max_age = outcome.map_or(Duration::ZERO, |fetched| fetched.max_age);
                self.cache.put(now, Arc::clone(&url), chain.clone(), max_age);
                self.settle(now, &url, chain);
            }
            Input::Tick => {
                let late: Vec<_> =
                    self.waiting.iter().filter(|(_, all)| all.until <= now).map(|(url, _)| Arc::clone(url)).collect();
                for url in late {
                    self.settle(now, &url, None);
                }
            }
        }
    }

    /// The next thing that it wants.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When it wants to be told [`Input::Tick`].
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.waiting.values().map(|waiting| waiting.until).min()
    }

    fn examine(&mut self, now: Instant, case: Case) {
        let (mut sound, mut failed) = (VecDeque::new(), None);
        for header in case.presented.iter().flat_map(|presented| &presented.headers) {
            match read(header, &case) {
                Ok(passport) => sound.extend(passport),
                Err(verdict) => failed = failed.or(Some(verdict)),
            }
        }
        let Case { id, trust, hosts, unix_s, .. } = case;
        match sound.pop_front() {
            Some(passport) => self.proceed(now, Pending { id, passport, others: sound, failed, trust, hosts, unix_s }),
            None => self.judge(id, failed.unwrap_or(Verdict::NoIdentity), None),
        }
    }

    /// Judges a case if its certificate is known, else lets it wait.
    fn proceed(&mut self, now: Instant, pending: Pending) {
        let named = pending.hosts.iter().any(|host| *host == host_of(&pending.passport.x5u));
        if !named && !pending.hosts.is_empty() {
            return self.conclude(now, pending, None);
        }
        if let Some(known) = self.cache.get(now, &pending.passport.x5u) {
            return self.conclude(now, pending, known);
        }
        let url: Arc<str> = pending.passport.x5u.as_str().into();
        if let Some(waiting) = self.waiting.get_mut(&url) {
            if waiting.cases.len() < MAX_WAITING {
                return waiting.cases.push(pending);
            }
        } else if self.waiting.len() < MAX_FETCHES {
            self.waiting.insert(Arc::clone(&url), Waiting { until: now + PATIENCE, cases: vec![pending] });
            return self.outputs.push_back(Output::Fetch { url, named });
        }
        self.judge(pending.id, Verdict::CertificateUnavailable, None);
    }

    fn settle(&mut self, now: Instant, url: &str, known: Known) {
        for pending in self.waiting.remove(url).map(|waiting| waiting.cases).into_iter().flatten() {
            self.conclude(now, pending, known.clone());
        }
    }

    /// The certificate is there, or known not to be.
    fn conclude(&mut self, now: Instant, mut pending: Pending, known: Known) {
        let passport = &pending.passport;
        let verdict = match &known {
            None => Verdict::CertificateUnavailable,
            Some(chain) if !pending.trust.vouches_for(chain, pending.unix_s) => Verdict::UntrustedCertificate,
            Some(chain) if !chain.has_signed(&passport.signed, &passport.signature) => Verdict::BadSignature,
            Some(chain) => {
                let vouched = Vouched { origid: passport.origid.clone(), has_tn_auth_list: chain.has_tn_auth_list };
                return self.judge(pending.id, Verdict::Verified(passport.attestation), Some(vouched));
            }
        };
        let failed = *pending.failed.get_or_insert(verdict);
        match pending.others.pop_front() {
            Some(passport) => self.proceed(now, Pending { passport, ..pending }),
            None => self.judge(pending.id, failed, None),
        }
    }

    fn judge(&mut self, id: u64, verdict: Verdict, vouched: Option<Vouched>) {
        self.outputs.push_back(Output::Judged { id, verdict, vouched: vouched.map(Box::new) });
    }
}

/// Reads one header and checks all but its certificate. `Ok(None)` for a kind that we do not read, which counts as
/// absent (RFC 8224 section 6.2).
fn read(header: &str, case: &Case) -> Result<Option<Passport>, Verdict> {
    let header = IdentityHeader::parse(header).ok_or(Verdict::Malformed)?;
    if header.ppt != Some(SHAKEN) {
        return Ok(None);
    }
    let passport = Passport::of(&header).ok_or(Verdict::Malformed)?;
    if passport.iat.abs_diff(case.unix_s) > case.window_s {
        return Err(Verdict::Stale);
    }
    let country = case.country_code.as_deref();
    let presented = case.presented.as_deref();
    let callers = presented.map(|presented| presented.callers(&case.shown)).unwrap_or_default();
    let mut called = presented.iter().flat_map(|presented| &presented.called);
    let caller_fits = callers.iter().any(|user| passport.orig.is_meant_by(user, country));
    let called_fits = called.any(|user| passport.dest.iter().any(|tn| tn.is_meant_by(user, country)));
    if caller_fits && called_fits { Ok(Some(passport)) } else { Err(Verdict::NumberMismatch) }
}
