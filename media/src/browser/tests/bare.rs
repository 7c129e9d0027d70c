//! A peer that proves no certificate, made of the library alone.

use ::dtls::{cipher_suite::CipherSuiteId, config::ConfigBuilder, extension::extension_use_srtp::SrtpProtectionProfile};

use super::*;

/// It begins a handshake that offers one profile, and goes on for as long as somebody answers.
pub(super) fn shakes_hands(pair: &mut Pair, profile: SrtpProtectionProfile) {
    let config = ConfigBuilder::default()
        .with_crypto_provider(::srtp::crypto::default_provider().unwrap())
        .with_cipher_suites(vec![CipherSuiteId::Tls_Ecdhe_Ecdsa_With_Aes_128_Gcm_Sha256])
        .with_srtp_protection_profiles(vec![profile])
        .with_insecure_skip_verify(true)
        .with_server_name("media".to_owned())
        .build(true, None)
        .unwrap();
    let mut bare = ::dtls::endpoint::Endpoint::new(at(BROWSER), shared::TransportProtocol::UDP, None);
    bare.connect(pair.now, at(OURS), Arc::new(config), None).unwrap();
    for _ in 0..20 {
        while let Some(sent) = bare.poll_transmit() {
            pair.ours.handle(pair.now, at(BROWSER), &sent.message);
        }
        while let Some(output) = pair.ours.poll() {
            match output {
                Output::Send { bytes, .. } if bytes[0] >= 20 => {
                    let _ = bare.read(pair.now, at(OURS), None, bytes::BytesMut::from(&bytes[..]));
                }
                other => pair.ours_said.push(other),
            }
        }
    }
}
