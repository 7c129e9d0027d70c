//! What becomes of recordings.

use tandem_switch::name::PromptName;

use super::{Builder, tops};
use crate::{
    read::{Item, Value},
    recordings::{Notice, RecordingFormat, Recordings, Spool},
};

impl Builder<'_> {
    pub(super) fn recordings(&mut self, items: &[Item]) -> Recordings {
        let Some(item) = tops(items, "recordings").next() else { return Recordings::default() };
        let format = match item.child("format").and_then(Item::text) {
            Some("opus") => RecordingFormat::Opus,
            _ => RecordingFormat::Wav,
        };
        let keys = item.child("key").into_iter().flat_map(|key| &key.args).filter_map(Value::secret).cloned();
        let notice = item.child("notice").and_then(|notice| {
            let to_both = notice.prop_text("to") == Some("both");
            Some(Notice { prompt: PromptName::from(notice.text()?), to_both })
        });
        Recordings {
            format,
            keys: keys.collect(),
            retain_days: item.child("retain").and_then(Item::count),
            notice,
            spool: item.child("spool").and_then(|spool| self.spool(spool)),
        }
    }

    fn spool(&mut self, item: &Item) -> Option<Spool> {
        let url = item.args.first()?;
        let text = url.text()?.trim_end_matches('/');
        if !is_store(text) {
            self.findings.error("bad-value", url.at, "expected `https://host/bucket` or `http://host:port/bucket/folder`");
            return None;
        }
        Some(Spool {
            url: text.to_owned(),
            region: item.prop_text("region").unwrap_or("us-east-1").to_owned(),
            access_key: item.prop("access-key")?.secret()?.clone(),
            secret_key: item.prop("secret-key")?.secret()?.clone(),
            keep_local: item.prop_flag("keep-local").unwrap_or(false),
        })
    }
}

/// Host, and at least a bucket, of characters that need no escape.
fn is_store(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")) else { return false };
    let is_plain = |part: &str| {
        !part.is_empty() && !matches!(part, "." | "..") && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
    };
    let Some((host, path)) = rest.split_once('/') else { return false };
    let name = host.split_once(':').map_or(Some(host), |(name, port)| port.parse::<u16>().is_ok().then_some(name));
    name.is_some_and(is_plain) && path.split('/').all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::is_store;

    #[test]
    fn stores_have_a_host_and_a_bucket() {
        for good in ["https://s3.example.com/calls", "http://127.0.0.1:9000/calls/of/2026"] {
            assert!(is_store(good), "{good}");
        }
        for bad in ["s3://calls", "https://s3.example.com", "https://a@b/c", "https://a/b?c", "https://a/../b", "http://a:x/b"] {
            assert!(!is_store(bad), "{bad}");
        }
    }
}
