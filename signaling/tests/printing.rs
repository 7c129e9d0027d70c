//! Nothing that is given to a builder can become a second header.

use tandem_signaling::flow::Transport;
use tandem_signaling::message::{BuildError, Message, Name, RequestBuilder};

fn start() -> RequestBuilder {
    RequestBuilder::new("INVITE", "sip:bob@[2001:db8::1]:5060;transport=tcp").via(
        Transport::Tcp,
        "[2001:db8::2]:5060",
        "z9hG4bK1",
    )
}

#[test]
fn a_full_request_reads_back() {
    let bytes = start()
        .max_forwards(70)
        .from("A \"quoted\\ name\", of \u{e9}\r\n", "sip:alice@example.com", "t1")
        .to("", "sip:bob@example.com", Some("t2"))
        .call_id("c1")
        .cseq(4_000_000_000)
        .contact("sip:alice@192.0.2.1:5060")
        .routes(["<sip:p1.example.com;lr>", "\"P, 2\" <sip:p2.example.com;lr>;x=y"])
        .header(Name::UserAgent, "Tandem")
        .header_named("X-Own", 5)
        .build_with_body("application/sdp", b"v=0\r\n")
        .unwrap();
    let message = Message::parse(bytes).unwrap();
    assert_eq!(message.validate_request(), Ok(()));
    assert_eq!(message.from().unwrap().display_name(), "A \"quoted\\ name\", of \u{e9}");
    assert_eq!(message.to().unwrap().tag(), Some("t2"));
    assert_eq!(message.cseq().unwrap().number, 4_000_000_000);
    assert_eq!(message.via().unwrap().port, Some(5060));
    assert_eq!(message.addresses(Name::Route).filter(|route| route.unwrap().is_loose_route()).count(), 2);
    assert_eq!((message.header_named("x-own"), message.body()), (Some("5"), &b"v=0\r\n"[..]));
    assert!(message.content_type().unwrap().is_sdp());
    assert_eq!(message.header(Name::ContentLength), Some("5"));
}

#[test]
fn line_ends_and_broken_words_make_the_build_fail() {
    let injections = ["a\r\nRoute: <sip:evil>", "a\nb", "a\rb", "a\0b"];
    for text in injections {
        assert_eq!(start().header(Name::Subject, text).build(), Err(BuildError::Injection), "{text:?}");
        assert_eq!(start().header_named("X", text).build(), Err(BuildError::Injection));
        assert_eq!(start().call_id(text).build(), Err(BuildError::Injection));
        assert!(start().header_named(text, "x").build().is_err());
        assert!(start().contact(text).build().is_err());
        assert!(start().from("", "sip:a@h", text).build().is_err());
        assert!(start().routes([text]).build().is_err());
        assert!(start().build_with_body(text, b"").is_err());
        assert!(RequestBuilder::new(text, "sip:a@h").build().is_err());
        assert!(RequestBuilder::new("OPTIONS", text).build().is_err());
        assert!(start().from(text, "sip:a@h", "t").build().is_ok(), "display names lose control characters");
    }
    for uri in ["", "sip:a@h>", "sip:a @h", "sip:a@h\"", "<sip:a@h>"] {
        assert_eq!(start().contact(uri).build(), Err(BuildError::BadUri), "{uri}");
        assert_eq!(RequestBuilder::new("OPTIONS", uri).build(), Err(BuildError::BadUri), "{uri}");
    }
    assert_eq!(start().build_with_body("text/plain", &[0; 70_000]), Err(BuildError::TooLong));
}

#[test]
fn tags_of_peers_go_back_as_they_came_unless_they_would_end_the_value() {
    let with = |tag: &str| start().to("", "sip:b@h", Some(tag)).build();
    let bytes = with("gK0:a/b@c").unwrap();
    assert_eq!(Message::parse(bytes).unwrap().to().unwrap().tag(), Some("gK0:a/b@c"));
    for tag in ["", "a;x=y", "a b", "a\"", "a,b", "a>"] {
        assert_eq!(with(tag), Err(BuildError::BadToken), "{tag}");
    }
}
