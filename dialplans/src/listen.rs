//! What stands in `listen` besides addresses.

/// Who looks for the way that audio with ICE goes (RFC 8445).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ice {
    /// The other side; we look for those who do not look themselves.
    #[default]
    Lite,
    /// Both.
    Full,
}

impl Ice {
    pub(crate) const WORDS: &'static [&'static str] = &["lite", "full"];

    pub(crate) fn from_word(word: &str) -> Self {
        if word == "full" { Self::Full } else { Self::Lite }
    }
}

/// Names of PEM files, relative to the folder of the plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate and its chain.
    pub certificate: String,
    /// The private key.
    pub key: String,
}
