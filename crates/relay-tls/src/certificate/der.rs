//! Just enough DER to find our way in a certificate and a private key.
//!
//! rustls has parsed the certificate strictly before we look; what we read here decides when to renew and what to
//! show, never whom to trust. Every read is bounded by the slice it is given; what does not fit is `None`.

/// Universal and context tags that occur in what we read.
pub(crate) mod tag {
    pub(crate) const BOOLEAN: u8 = 0x01;
    pub(crate) const INTEGER: u8 = 0x02;
    pub(crate) const BIT_STRING: u8 = 0x03;
    pub(crate) const OCTET_STRING: u8 = 0x04;
    pub(crate) const OID: u8 = 0x06;
    pub(crate) const UTC_TIME: u8 = 0x17;
    pub(crate) const GENERALIZED_TIME: u8 = 0x18;
    pub(crate) const SEQUENCE: u8 = 0x30;
    /// `[0]`, primitive.
    pub(crate) const KEY_IDENTIFIER: u8 = 0x80;
    /// `[2]`, primitive.
    pub(crate) const DNS_NAME: u8 = 0x82;
    /// `[0]`, constructed.
    pub(crate) const CONTEXT_0: u8 = 0xa0;
    /// `[1]`, constructed.
    pub(crate) const CONTEXT_1: u8 = 0xa1;
    /// `[3]`, constructed.
    pub(crate) const CONTEXT_3: u8 = 0xa3;
}

/// Reads elements off the front of a slice.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next element's tag and content.
    pub(crate) fn any(&mut self) -> Option<(u8, &'a [u8])> {
        let (&tag, rest) = self.0.split_first()?;
        let (len, rest) = length(rest)?;
        let (content, rest) = rest.split_at_checked(len)?;
        self.0 = rest;
        Some((tag, content))
    }

    /// The content of the next element, which must have this tag.
    pub(crate) fn take(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (found, content) = self.any()?;
        (found == tag).then_some(content)
    }

    /// The content of the next element if it has this tag; otherwise nothing is read.
    pub(crate) fn optional(&mut self, tag: u8) -> Option<&'a [u8]> {
        if self.0.first() == Some(&tag) {
            self.take(tag)
        } else {
            None
        }
    }

    /// A reader of the next element's inside, which must have this tag.
    pub(crate) fn inside(&mut self, tag: u8) -> Option<Reader<'a>> {
        self.take(tag).map(Reader)
    }
}

/// A definite length of at most 24 bits, in its shortest form; certificates are far smaller.
fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    if first < 0x80 {
        return Some((usize::from(first), rest));
    }
    let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
    let len = match *digits {
        [a] if a >= 0x80 => usize::from(a),
        [a, b] if a != 0 => usize::from(u16::from_be_bytes([a, b])),
        [a, b, c] if a != 0 => usize::try_from(u32::from_be_bytes([0, a, b, c])).ok()?,
        _ => return None,
    };
    Some((len, rest))
}

/// One element.
pub(crate) fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let len: usize = parts.iter().map(|part| part.len()).sum();
    let mut out = vec![tag];
    match u8::try_from(len) {
        Ok(short) if short < 0x80 => out.push(short),
        Ok(byte) => out.extend([0x81, byte]),
        Err(_) => {
            let digits = len.to_be_bytes();
            let leading = digits.iter().take_while(|&&digit| digit == 0).count();
            let digits = &digits[leading..];
            // A `usize` has at most eight bytes.
            out.push(0x80 | u8::try_from(digits.len()).unwrap_or(8));
            out.extend_from_slice(digits);
        }
    }
    for part in parts {
        out.extend_from_slice(part);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_back_what_it_wrote() {
        for len in [0, 1, 127, 128, 255, 256, 65_535, 65_536] {
            let content = vec![7; len];
            let bytes = element(tag::SEQUENCE, &[&content[..len / 2], &content[len / 2..]]);
            let mut reader = Reader::new(&bytes);
            assert_eq!(reader.take(tag::SEQUENCE), Some(&content[..]), "{len}");
            assert!(reader.is_empty());
        }
    }

    #[test]
    fn refuses_what_does_not_fit() {
        for bytes in [
            &[][..],
            &[0x30],
            &[0x30, 0x01],
            &[0x30, 0x80, 0, 0],
            &[0x30, 0x81, 0x01, 0],
            &[0x30, 0x82, 0x00, 0x80],
            &[0x30, 0x84, 0, 0, 0, 1, 0],
            &[0x30, 0xff],
        ] {
            assert_eq!(Reader::new(bytes).any(), None, "{bytes:02x?}");
        }
        assert_eq!(Reader::new(&[0x02, 0x00]).take(tag::SEQUENCE), None);
    }

    #[test]
    fn an_absent_optional_element_reads_nothing() {
        let mut reader = Reader::new(&[0x02, 0x01, 0x05]);
        assert_eq!(reader.optional(tag::BOOLEAN), None);
        assert_eq!(reader.optional(tag::INTEGER), Some(&[5][..]));
    }
}
