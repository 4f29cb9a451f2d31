//! SHA-256 stands for what must not be kept or shown: device tokens in tables and logs, server-ids in tables.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};

/// The SHA-256 of something.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Digest([u8; 32]);

impl Digest {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let mut out = [0; 32];
        out.copy_from_slice(digest(&SHA256, bytes).as_ref());
        Self(out)
    }

    /// The first 32 bits: enough to tell tokens apart in a log, far too few to find one.
    pub(crate) fn fingerprint(self) -> Fingerprint {
        let [a, b, c, d, ..] = self.0;
        Fingerprint(u32::from_be_bytes([a, b, c, d]))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({})", self.fingerprint())
    }
}

/// What a log line says of a token: the first 8 hexadecimal digits of its SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Fingerprint(u32);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_the_start_of_the_sha_256() {
        // FIPS 180-2, appendix B.1.
        assert_eq!(Digest::of(b"abc").fingerprint().to_string(), "ba7816bf");
        assert_eq!(Digest::of(b"").fingerprint().to_string(), "e3b0c442");
    }
}
