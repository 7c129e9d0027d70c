//! Boxes for voice messages.

use std::collections::BTreeMap;

use tandem_switch::name::MailboxName;

use super::{Builder, tops};
use crate::{
    inside::Mailbox,
    plan::{Action, is_mailbox},
    read::Item,
};

impl Builder<'_> {
    pub(super) fn mailboxes(&mut self, items: &[Item]) -> BTreeMap<MailboxName, Mailbox> {
        let mut mailboxes: BTreeMap<MailboxName, Mailbox> = BTreeMap::new();
        for item in tops(items, "mailbox") {
            let Some(name) = item.text() else { continue };
            if !is_mailbox(name) {
                self.findings.error("bad-mailbox", item.at, "expected 1 to 32 letters, digits and dashes");
                continue;
            }
            if mailboxes.contains_key(&MailboxName::from(name)) {
                self.findings.error("twice", item.at, format!("mailbox `{name}` is declared twice"));
                continue;
            }
            let usual = Mailbox::default();
            let extensions = self.members(item);
            let mailbox = Mailbox {
                greeting: item.child("greeting").and_then(Item::text).map(Into::into),
                max_ms: item.child("max").and_then(Item::ms).unwrap_or(usual.max_ms),
                most: item.child("messages").and_then(Item::count).unwrap_or(usual.most),
                extensions,
            };
            mailboxes.insert(name.into(), mailbox);
        }
        mailboxes
    }

    pub(super) fn voicemail(&mut self, item: &Item) -> Option<Action> {
        let value = item.args.first()?;
        let mailbox = value.as_template()?;
        if let Some(text) = mailbox.literal()
            && !self.mailboxes.contains_key(&MailboxName::from(text))
            && !self.is_extension(text)
        {
            self.findings.error(
                "unknown-mailbox",
                value.at,
                format!("`{text}` is neither a `mailbox` of this plan nor an extension"),
            );
        }
        Some(Action::Voicemail { mailbox, handlers: self.handlers(item) })
    }
}
