//! Two URIs, one a line: comparison is symmetric, and the address of record is a URI that stands for itself.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tandem_signaling::message::{ContactHeader, NameAddr, Uri, Via};

fuzz_target!(|text: &str| {
    let (left, right) = text.split_once('\n').unwrap_or((text, text));
    let _ = (Via::parse(left), ContactHeader::parse(left), NameAddr::parse(left).map(|address| address.display_name().len()));
    let (Some(left), Some(right)) = (Uri::parse(left), Uri::parse(right)) else { return };
    assert!(left.is_equivalent(&left));
    assert_eq!(left.is_equivalent(&right), right.is_equivalent(&left));
    let _ = left.user_decoded();
    if left.is_sip() {
        let record = left.address_of_record();
        let again = Uri::parse(&record).expect("an address of record is a URI");
        assert_eq!(again.address_of_record(), record);
    }
});
