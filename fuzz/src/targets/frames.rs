//! The frame decoder. The input is what a client sends behind the handshake.
//!
//! It has to agree with its slow reference, however the stream is cut, and to hold no more than it may.

use relay_transport::internals::assert_decoders_agree;

use crate::cuts;

/// The product's limit on a message, and one that short inputs reach.
const LIMITS: [usize; 2] = [262_144, 100];

pub(crate) fn frames(stream: &[u8]) {
    let bytes: Vec<&[u8]> = stream.chunks(1).collect();
    for limit in LIMITS {
        assert_decoders_agree(limit, &[stream]);
        assert_decoders_agree(limit, &bytes);
        assert_decoders_agree(limit, &cuts::parts(stream, 9));
        assert_decoders_agree(limit, &cuts::parts(stream, 200));
    }
}
