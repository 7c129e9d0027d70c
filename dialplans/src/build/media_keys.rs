//! Keys of encrypted audio that others could read on the way: they travel in the messages of the call, and protect
//! nothing where these are not encrypted themselves.

use super::{Builder, tops};
use crate::{
    plan::Plan,
    read::Item,
    settings::{MediaKeys, Transport},
};

impl Builder<'_> {
    /// Warns of keys on ways that are not TLS.
    pub(super) fn readable_keys(&mut self, items: &[Item], plan: &Plan) {
        let listens_by_tls = !plan.listen.sip_tls.is_empty() || !plan.listen.https.is_empty();
        for item in tops(items, "extensions") {
            if item.prop_text("media-keys").and_then(MediaKeys::from_word).is_some_and(MediaKeys::are_written) && !listens_by_tls
            {
                self.warn(item, "no address is listened on with TLS (`sip-tls`, `https`)");
            }
        }
        for item in tops(items, "trunk") {
            let Some(trunk) = item.text().and_then(|name| plan.trunks.get(name)) else { continue };
            if !trunk.media_keys.are_written() {
                continue;
            }
            let is_readable = match &trunk.peer {
                Some(peer) => !peer.secure && peer.transport != Some(Transport::Tls),
                None => plan.listen.sip_tls.is_empty(),
            };
            if is_readable {
                self.warn(item.child("media-keys").unwrap_or(item), "the way to this trunk need not be TLS");
            }
        }
    }

    fn warn(&mut self, item: &Item, why: &str) {
        let message = format!("the keys of the audio can be read on the wire: {why}");
        self.findings.warning("readable-keys", item.at, message);
    }
}
