//! What a peer can do wrong, and the close it gets for it.
//!
//! It must not know how an offence is found, nor carry anything the peer sent.

/// An offence against RFC 6455 or against the relay's limits: the peer's fault, and the end of its connection.
///
/// Which one is reported depends on the bytes alone, never on how they were cut: it is the first that the bytes, taken
/// in order, prove.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{}", self.reason())]
pub(crate) enum Violation {
    /// RSV1–3, with no extension negotiated that would give them a meaning (§5.2).
    ReservedBits,
    /// An opcode no RFC defines (§5.2).
    UnknownOpcode,
    /// A client frame without a mask (§5.1).
    Unmasked,
    /// A close, ping or pong without FIN (§5.5).
    FragmentedControl,
    /// A close, ping or pong with more than 125 bytes (§5.5).
    OversizedControl,
    /// A continuation with no message to continue (§5.4).
    StrayContinuation,
    /// A text or binary frame before the message before it was complete (§5.4).
    InterruptedMessage,
    /// A length in more bytes than it needs (§5.2).
    NonMinimalLength,
    /// A 64-bit length with its most significant bit set (§5.2).
    OverflowingLength,
    /// A close payload of one byte, half a status code (§5.5.1).
    TruncatedCloseCode,
    /// A close with a status no endpoint may send (§7.4).
    InvalidCloseCode,
    /// A text message that is not UTF-8 (§8.1).
    InvalidText,
    /// A close reason that is not UTF-8 (§5.5.1).
    InvalidCloseReason,
    /// A message larger than the relay takes.
    OversizedMessage,
    /// A message in more frames than the relay takes.
    TooManyFragments,
}

impl Violation {
    /// The status the peer is closed with: 1002, 1007 or 1009.
    pub(crate) fn close_code(self) -> u16 {
        match self {
            Self::ReservedBits
            | Self::UnknownOpcode
            | Self::Unmasked
            | Self::FragmentedControl
            | Self::OversizedControl
            | Self::StrayContinuation
            | Self::InterruptedMessage
            | Self::NonMinimalLength
            | Self::OverflowingLength
            | Self::TruncatedCloseCode
            | Self::InvalidCloseCode => 1002,
            Self::InvalidText | Self::InvalidCloseReason => 1007,
            Self::OversizedMessage | Self::TooManyFragments => 1009,
        }
    }

    /// The reason the peer reads: a diagnostic, not part of the protocol.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::ReservedBits => "reserved bits set without an extension",
            Self::UnknownOpcode => "unknown opcode",
            Self::Unmasked => "client frame is not masked",
            Self::FragmentedControl => "control frame is fragmented",
            Self::OversizedControl => "control frame payload exceeds 125 bytes",
            Self::StrayContinuation => "continuation without a message",
            Self::InterruptedMessage => "new message inside a fragmented one",
            Self::NonMinimalLength => "payload length is not minimally encoded",
            Self::OverflowingLength => "payload length has its top bit set",
            Self::TruncatedCloseCode => "close payload of one byte",
            Self::InvalidCloseCode => "invalid close code",
            Self::InvalidText => "text is not UTF-8",
            Self::InvalidCloseReason => "close reason is not UTF-8",
            Self::OversizedMessage => "message too big",
            Self::TooManyFragments => "message has too many fragments",
        }
    }
}
