//! Control frames to a peer, held against what fastwebsockets would write.

use fastwebsockets::{Frame, OpCode, Payload};

use super::*;

fn written_by_fastwebsockets(opcode: OpCode, payload: &[u8]) -> Vec<u8> {
    let mut buffer = Vec::new();
    Frame::new(true, opcode, None, Payload::Borrowed(payload))
        .write(&mut buffer)
        .to_vec()
}

#[test]
fn pings_and_pongs_carry_their_payload() {
    for len in [0, 1, 124, 125] {
        let payload = vec![b'p'; len];
        let expected = written_by_fastwebsockets(OpCode::Ping, &payload);
        assert_eq!(ping(&payload).as_bytes(), expected);
        let expected = written_by_fastwebsockets(OpCode::Pong, &payload);
        assert_eq!(pong(&payload).as_bytes(), expected);
    }
}

#[test]
fn pings_and_pongs_are_cut_after_125_bytes() {
    for encoded in [ping(&[7; 126]), pong(&[7; 1000])] {
        assert_eq!(encoded.as_bytes().len(), 127);
        assert_eq!(encoded.as_bytes()[1], 125);
    }
}

#[test]
fn a_close_carries_code_and_reason() {
    for (code, reason) in [
        (1000_u16, ""),
        (1001, "shutting down"),
        (1014, "é"),
        (4999, "x"),
    ] {
        let payload = [&code.to_be_bytes()[..], reason.as_bytes()].concat();
        let expected = written_by_fastwebsockets(OpCode::Close, &payload);
        assert_eq!(close_frame(Some(code), reason).as_bytes(), expected);
    }
}

#[test]
fn a_close_without_code_is_empty() {
    assert_eq!(close_frame(None, "").as_bytes(), [0x88, 0]);
    assert_eq!(close_frame(None, "ignored").as_bytes(), [0x88, 0]);
}

#[test]
fn a_long_reason_is_cut_between_characters() {
    for (reason, kept) in [
        ("x".repeat(123), 123),
        ("x".repeat(124), 123),
        ("é".repeat(62), 122),
        ("x".repeat(121) + "世", 121),
        ("x".repeat(120) + "世", 123),
        ("🌍".repeat(1000), 120),
    ] {
        let encoded = close_frame(Some(1011), &reason);
        assert_eq!(&encoded.as_bytes()[4..], &reason.as_bytes()[..kept]);
        assert_eq!(usize::from(encoded.as_bytes()[1]), 2 + kept);
    }
}

#[test]
#[cfg(debug_assertions)]
#[should_panic(expected = "close code 1006 may not be sent")]
fn a_code_that_does_not_exist_is_not_sent() {
    close_frame(Some(1006), "");
}

#[test]
fn every_violation_makes_a_close_frame() {
    use Violation::*;
    for (violation, code) in [
        (ReservedBits, 1002_u16),
        (UnknownOpcode, 1002),
        (Unmasked, 1002),
        (FragmentedControl, 1002),
        (OversizedControl, 1002),
        (StrayContinuation, 1002),
        (InterruptedMessage, 1002),
        (NonMinimalLength, 1002),
        (OverflowingLength, 1002),
        (TruncatedCloseCode, 1002),
        (InvalidCloseCode, 1002),
        (InvalidText, 1007),
        (InvalidCloseReason, 1007),
        (OversizedMessage, 1009),
        (TooManyFragments, 1009),
    ] {
        let reason = violation.reason();
        assert!(!reason.is_empty() && reason.is_ascii(), "{violation:?}");
        assert_eq!(violation.to_string(), reason);
        let encoded = close_frame(Some(violation.close_code()), reason);
        assert_eq!(
            encoded.as_bytes()[2..4],
            code.to_be_bytes(),
            "{violation:?}"
        );
        assert_eq!(
            &encoded.as_bytes()[4..],
            reason.as_bytes(),
            "{violation:?}: cut"
        );
    }
}
