//! Request methods: the ones that mean something to us. Methods compare with case (RFC 3261 section 7.1).

use std::fmt;

macro_rules! methods {
    ($($variant:ident $text:literal $source:literal,)*) => {
        /// A request method.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Method {
            $(#[doc = concat!("`", $text, "`, ", $source)] $variant,)*
            /// Any other token; its text is in the message.
            Other,
        }

        impl Method {
            /// Every method but `Other`.
            pub const KNOWN: &'static [Self] = &[$(Self::$variant,)*];

            /// Reads a method as written.
            #[must_use]
            pub fn of(text: &str) -> Self {
                match text {
                    $($text => Self::$variant,)*
                    _ => Self::Other,
                }
            }

            /// The method as printed; empty for `Other`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                    Self::Other => "",
                }
            }
        }
    };
}

methods! {
    Invite "INVITE" "RFC 3261",
    Ack "ACK" "RFC 3261",
    Bye "BYE" "RFC 3261",
    Cancel "CANCEL" "RFC 3261",
    Register "REGISTER" "RFC 3261",
    Options "OPTIONS" "RFC 3261",
    Prack "PRACK" "RFC 3262",
    Update "UPDATE" "RFC 3311",
    Info "INFO" "RFC 6086",
    Refer "REFER" "RFC 3515",
    Subscribe "SUBSCRIBE" "RFC 6665",
    Notify "NOTIFY" "RFC 6665",
    Publish "PUBLISH" "RFC 3903",
    Message "MESSAGE" "RFC 3428",
}

impl fmt::Display for Method {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}
