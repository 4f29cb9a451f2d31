//! Keys on P-256 in the two forms they are kept in: SEC 1 (`EC PRIVATE KEY`) in the cache, as Go writes it, and
//! PKCS#8 (`PRIVATE KEY`) where they are made and used.

use super::der::{Reader, element, tag};

/// `id-ecPublicKey`, 1.2.840.10045.2.1, and `prime256v1`, 1.2.840.10045.3.1.7.
const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];

const SCALAR_BYTES: usize = 32;

/// The parts of an `ECPrivateKey` (RFC 5915 §3).
struct EcKey<'a> {
    scalar: &'a [u8],
    /// The content of the bit string.
    public: Option<&'a [u8]>,
}

impl<'a> EcKey<'a> {
    /// `None` when it is no key, or is said to be on another curve than P-256.
    fn read(sec1: &'a [u8]) -> Option<Self> {
        let mut outside = Reader::new(sec1);
        let mut key = outside.inside(tag::SEQUENCE)?;
        if !outside.is_empty() || key.take(tag::INTEGER)? != [1] {
            return None;
        }
        let scalar = key.take(tag::OCTET_STRING)?;
        if let Some(parameters) = key.optional(tag::CONTEXT_0)
            && Reader::new(parameters).take(tag::OID)? != P256
        {
            return None;
        }
        let public = match key.optional(tag::CONTEXT_1) {
            Some(public) => Some(Reader::new(public).take(tag::BIT_STRING)?),
            None => None,
        };
        (scalar.len() == SCALAR_BYTES).then_some(Self { scalar, public })
    }

    /// With the curve named inside, as SEC 1 on its own needs it, or without, as inside of PKCS#8.
    fn write(&self, curve: Option<&[u8]>) -> Vec<u8> {
        let curve = curve.map(|curve| element(tag::CONTEXT_0, &[&element(tag::OID, &[curve])]));
        let public = self
            .public
            .map(|public| element(tag::CONTEXT_1, &[&element(tag::BIT_STRING, &[public])]));
        element(
            tag::SEQUENCE,
            &[
                &element(tag::INTEGER, &[&[1]]),
                &element(tag::OCTET_STRING, &[self.scalar]),
                curve.as_deref().unwrap_or_default(),
                public.as_deref().unwrap_or_default(),
            ],
        )
    }
}

/// PKCS#8 to SEC 1; `None` when it is no key on P-256.
pub(crate) fn to_sec1(pkcs8: &[u8]) -> Option<Vec<u8>> {
    let mut key = Reader::new(pkcs8).inside(tag::SEQUENCE)?;
    key.take(tag::INTEGER)?;
    let mut algorithm = key.inside(tag::SEQUENCE)?;
    if algorithm.take(tag::OID)? != EC_PUBLIC_KEY || algorithm.take(tag::OID)? != P256 {
        return None;
    }
    Some(EcKey::read(key.take(tag::OCTET_STRING)?)?.write(Some(P256)))
}

/// SEC 1 to PKCS#8; `None` when it is no key on P-256.
pub(crate) fn to_pkcs8(sec1: &[u8]) -> Option<Vec<u8>> {
    let algorithm = element(
        tag::SEQUENCE,
        &[
            &element(tag::OID, &[EC_PUBLIC_KEY]),
            &element(tag::OID, &[P256]),
        ],
    );
    let key = EcKey::read(sec1)?.write(None);
    Some(element(
        tag::SEQUENCE,
        &[
            &element(tag::INTEGER, &[&[0]]),
            &algorithm,
            &element(tag::OCTET_STRING, &[&key]),
        ],
    ))
}

#[cfg(test)]
mod tests {
    use super::super::pem::Sections;
    use super::super::testing::GO_EC_KEY_PEM;
    use super::*;

    fn go_key() -> Vec<u8> {
        Sections::read(GO_EC_KEY_PEM.as_bytes()).unwrap().keys[0]
            .secret_der()
            .to_vec()
    }

    #[test]
    fn goes_to_pkcs8_and_back_without_loss() {
        let sec1 = go_key();
        let pkcs8 = to_pkcs8(&sec1).unwrap();
        assert_eq!(to_sec1(&pkcs8).unwrap(), sec1);
        let key = rcgen::KeyPair::try_from(pkcs8.as_slice()).unwrap();
        assert!(key.is_compatible(&rcgen::PKCS_ECDSA_P256_SHA256));
    }

    #[test]
    fn a_key_made_here_is_written_as_go_writes_it() {
        let key = rcgen::KeyPair::generate().unwrap();
        let sec1 = to_sec1(key.serialized_der()).unwrap();
        // The length and the head of every key of Go's `x509.MarshalECPrivateKey` on P-256.
        assert_eq!(sec1.len(), go_key().len());
        assert_eq!(sec1[..7], [0x30, 0x77, 0x02, 0x01, 0x01, 0x04, 0x20]);
        let back = rcgen::KeyPair::try_from(to_pkcs8(&sec1).unwrap().as_slice()).unwrap();
        assert_eq!(back.serialized_der().len(), key.serialized_der().len());
        assert_eq!(back.public_key_raw(), key.public_key_raw());
    }

    #[test]
    fn refuses_other_curves_and_damage() {
        let other = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
        assert_eq!(to_sec1(other.serialized_der()), None);
        let sec1 = go_key();
        for len in 0..sec1.len() {
            assert_eq!(to_pkcs8(&sec1[..len]), None, "{len}");
        }
    }
}
