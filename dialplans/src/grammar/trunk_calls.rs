//! The table's rows of what is particular to the calls of a trunk.

use super::{Body, Kind, NodeSpec, many, must, node, one, prop};
use crate::trunk_calls::{DigestUri, Profile};

pub(super) const PROFILE: NodeSpec = node(
    "profile",
    "The carrier is one that is known by name: all that it wants is set, and what is written beside it counts instead. `whatsapp`: TLS to `wa.meta.vc`, no registration and no pings, `numbers out=\"e164-plus\"`, `caller-id` the number of `credentials`, `challenge`, `digest-uri \"user-host\"`, `reinvite #false`, `codecs \"opus\"`, `media-keys \"sdes\"`, `media-keep-alive \"4s\"`, `international #true`, `onward #false`, and its headers kept.",
    &[one("carrier", Kind::OneOf(Profile::WORDS), "")],
    &[],
    Body::None,
);

pub(super) const CHALLENGE: NodeSpec = node(
    "challenge",
    "Whether calls of the carrier must prove the password of `credentials` (407), beside coming from its addresses.",
    &[one("on", Kind::Flag, "`#false` when absent")],
    &[],
    Body::None,
);

pub(super) const DIGEST_URI: NodeSpec = node(
    "digest-uri",
    "What our answers to the carrier's challenges say that they are for: the Request-URI as it is sent, or user and host of it.",
    &[one("form", Kind::OneOf(DigestUri::WORDS), "`whole` when absent")],
    &[],
    Body::None,
);

pub(super) const REINVITE: NodeSpec = node(
    "reinvite",
    "Whether we may change a running call by re-INVITE and UPDATE. If not, we refresh no session; hold and transfers stay on our side anyway.",
    &[one("on", Kind::Flag, "`#true` when absent")],
    &[],
    Body::None,
);

pub(super) const MEDIA_KEEP_ALIVE: NodeSpec = node(
    "media-keep-alive",
    "Send audio at least so often while a call is up, at once when it is answered: silence, where there is nothing to be heard.",
    &[one("every", Kind::Duration, "1 to 20 s; nothing of its own when absent")],
    &[],
    Body::None,
);

pub(super) const ONWARD: NodeSpec = node(
    "onward",
    "Whether calls of the carrier may go out through other trunks, also by a transfer.",
    &[one("on", Kind::Flag, "`#true` when absent")],
    &[],
    Body::None,
);

pub(super) const KEEP_HEADER: NodeSpec = many(node(
    "keep-header",
    "Keep the value of a header of the carrier's INVITE or BYE: as a variable of the plan, in the record and in traces. It is text of the caller's side, at most 256 letters.",
    &[one("header", Kind::Text, "")],
    &[
        must("as", Kind::Variable, "of several headers with one name the first that is there counts"),
        prop("without", Kind::Text, "", "left out where the value begins with it"),
    ],
    Body::None,
));
