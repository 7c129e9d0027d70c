//! Authorities and signers made for the tests.

use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, PKCS_ECDSA_P256_SHA256,
    PKCS_ECDSA_P384_SHA384, date_time_ymd,
};
use ring::rand::SystemRandom;

use crate::identity::{Signer, TrustList};

pub(super) const ORIGID: &str = "123e4567-e89b-12d3-a456-426655440000";
pub(super) const URL: &str = "https://certificates.example/1.pem";

/// What is odd about a certificate.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Oddity {
    None,
    /// It says for whom it is.
    TnAuthList,
    Expired,
    /// For TLS servers only.
    OtherPurpose,
    /// An authority itself.
    Ca,
}

/// An authority of one country.
pub(super) struct Authority {
    root: String,
    issuer: Issuer<'static, KeyPair>,
    intermediate: String,
}

/// A carrier: a key, and its certificate chain as its server gives it.
pub(super) struct Carrier {
    pub(super) key: String,
    pub(super) chain: String,
}

impl Authority {
    pub(super) fn new() -> Self {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
        let params = authority("root");
        let root = params.self_signed(&key).unwrap().pem();
        let root_issuer = Issuer::new(params, key);
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let params = authority("intermediate");
        let intermediate = params.signed_by(&key, &root_issuer).unwrap().pem();
        Self { root, issuer: Issuer::new(params, key), intermediate }
    }

    pub(super) fn trust(&self) -> TrustList {
        TrustList::from_pem(self.root.as_bytes()).unwrap()
    }

    pub(super) fn carrier(&self, oddity: Oddity) -> Carrier {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.not_after = date_time_ymd(if oddity == Oddity::Expired { 2020 } else { 2090 }, 1, 1);
        match oddity {
            Oddity::TnAuthList => {
                // One service provider code: [0] { IA5String "1234" }.
                let list = vec![0x30, 0x08, 0xA0, 0x06, 0x16, 0x04, b'1', b'2', b'3', b'4'];
                params.custom_extensions = vec![CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 26], list)];
            }
            Oddity::OtherPurpose => params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth],
            Oddity::Ca => params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained),
            Oddity::None | Oddity::Expired => {}
        }
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Carrier { key: key.serialize_pem(), chain: format!("{}{}", certificate.pem(), self.intermediate) }
    }
}

impl Carrier {
    pub(super) fn signer(&self) -> Signer {
        Signer::new(self.key.as_bytes(), URL, ORIGID, &SystemRandom::new()).unwrap()
    }
}

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.not_after = date_time_ymd(2090, 1, 1);
    params
}
