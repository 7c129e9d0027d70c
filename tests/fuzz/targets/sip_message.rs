//! One datagram: everything that can be asked of it, and what is printed from it reads again.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use tandem_signaling::message::{Kind, Message, Name, ParseError, RequestBuilder, ResponseBuilder};

fuzz_target!(|bytes: &[u8]| {
    match Message::parse(Bytes::copy_from_slice(bytes)) {
        Ok(message) => {
            look(&message);
            print_again(&message);
            answer(&message);
        }
        Err(ParseError::Unacceptable(refused)) => {
            look(&refused.message);
            answer(&refused.message);
        }
        Err(_) => {}
    }
});

fn look(message: &Message) {
    let _ = (message.validate_request(), message.via(), message.cseq(), message.call_id(), message.max_forwards());
    let _ = (message.from(), message.to(), message.expires(), message.content_type(), message.body());
    for contact in message.contacts().flatten() {
        let _ = (contact.q_thousandths(), contact.expires(), contact.instance());
    }
    for name in [Name::Route, Name::RecordRoute, Name::PAssertedIdentity, Name::Diversion] {
        message.addresses(name).flatten().for_each(|address| drop((address.display_name(), address.is_loose_route())));
    }
    message.auth_values(Name::Authorization).for_each(|value| value.params().for_each(drop));
}

fn print_again(message: &Message) {
    let Kind::Request { method, uri } = message.kind() else { return };
    let mut builder = RequestBuilder::new(method, uri);
    for (name, value) in message.lines().filter(|(name, _)| Name::of(name) != Name::ContentLength) {
        let (Ok(name), Ok(value)) = (str::from_utf8(name), str::from_utf8(value)) else { return };
        builder = builder.header_named(name, value);
    }
    let Ok(bytes) = builder.build() else { return };
    let again = Message::parse(bytes).expect("what we print we read");
    assert_eq!(again.kind(), message.kind());
    assert!(again.lines().count() >= message.lines().filter(|(name, _)| Name::of(name) != Name::ContentLength).count());
    for name in [Name::Via, Name::From, Name::To, Name::CallId, Name::CSeq] {
        assert!(again.headers(name).eq(message.headers(name)));
    }
}

fn answer(message: &Message) {
    let source = "192.0.2.7:5060".parse().expect("an address");
    let Ok(bytes) = ResponseBuilder::from_request(message, 400, "Bad Request", source, Some("t")).build() else { return };
    match Message::parse(bytes) {
        Ok(response) => {
            let expected = 1 + [Name::From, Name::To, Name::CallId, Name::CSeq].iter().filter(|name| message.has(**name)).count();
            let vias = message.header_lines(Name::Via).count();
            assert_eq!(response.header_count(), expected + vias, "an echo never holds more headers than were copied");
        }
        // A bare carriage return in the request is repeated by the echo.
        Err(ParseError::Unanswerable(reason)) => assert!(reason.starts_with("Carriage"), "{reason}"),
        Err(ParseError::TooLong) => {}
        Err(error) => panic!("{error}"),
    }
}
