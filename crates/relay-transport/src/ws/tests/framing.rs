//! The rules for a frame's head, one table: what breaks them, and from which byte on that is known.

use super::*;

/// `stream` is fine up to its `proof`th byte, with which it commits `violation`, whatever the cuts and what follows.
fn check(name: &str, stream: &[u8], proof: usize, violation: Violation) {
    let before = run_every_cut(MAX, &stream[..proof - 1]);
    assert_eq!(
        before.violation, None,
        "{name}: reported before byte {proof}"
    );
    for end in proof..=stream.len() {
        let outcome = run_every_cut(MAX, &stream[..end]);
        assert_eq!(
            outcome.violation,
            Some(violation),
            "{name}: first {end} bytes"
        );
    }
}

#[test]
fn refuses_reserved_bits_at_the_first_byte() {
    for bits in 1..=7 {
        check(
            "rsv",
            &frame(FIN | bits << 4 | TEXT, "x"),
            1,
            Violation::ReservedBits,
        );
    }
}

#[test]
fn refuses_unknown_opcodes_at_the_first_byte() {
    for opcode in [3, 4, 5, 6, 7, 0xb, 0xc, 0xd, 0xe, 0xf] {
        for fin in [0, FIN] {
            check(
                "opcode",
                &frame(fin | opcode, "x"),
                1,
                Violation::UnknownOpcode,
            );
        }
    }
}

#[test]
fn refuses_fragmented_control_frames_at_the_first_byte() {
    for opcode in [CLOSE, PING, PONG] {
        check(
            "control",
            &frame(opcode, ""),
            1,
            Violation::FragmentedControl,
        );
    }
}

#[test]
fn refuses_a_continuation_of_nothing() {
    for fin in [0, FIN] {
        check(
            "first",
            &frame(fin | CONTINUATION, "x"),
            1,
            Violation::StrayContinuation,
        );
        let after = [frame(FIN | TEXT, "whole"), frame(fin | CONTINUATION, "x")].concat();
        check("after a message", &after, 12, Violation::StrayContinuation);
    }
    let after = [
        frame(BINARY, "a"),
        frame(FIN | CONTINUATION, "b"),
        frame(CONTINUATION, "c"),
    ];
    check(
        "after a fragmented message",
        &after.concat(),
        15,
        Violation::StrayContinuation,
    );
}

#[test]
fn refuses_a_new_message_inside_one() {
    for begin in [TEXT, BINARY] {
        for intruder in [TEXT, BINARY, FIN | TEXT, FIN | BINARY] {
            let stream = [
                frame(begin, "a"),
                frame(FIN | PING, "p"),
                frame(intruder, "b"),
            ]
            .concat();
            check("intruder", &stream, 15, Violation::InterruptedMessage);
        }
    }
}

#[test]
fn refuses_unmasked_frames_at_the_second_byte() {
    for first in [
        FIN | TEXT,
        FIN | BINARY,
        TEXT,
        FIN | CLOSE,
        FIN | PING,
        FIN | PONG,
    ] {
        for payload in ["", "payload"] {
            let stream = frame_with(first, Length::Minimal, None, payload);
            check("unmasked", &stream, 2, Violation::Unmasked);
        }
    }
}

#[test]
fn refuses_long_control_frames_at_the_second_byte() {
    for opcode in [CLOSE, PING, PONG] {
        for length in [
            Length::Wide16(126),
            Length::Wide16(5),
            Length::Wide64(1 << 40),
        ] {
            let stream = head(FIN | opcode, length, Some(KEY), 0);
            check("control", &stream, 2, Violation::OversizedControl);
        }
    }
}

#[test]
fn refuses_lengths_in_more_bytes_than_needed() {
    for length in [0, 1, 125] {
        let stream = head(FIN | BINARY, Length::Wide16(length), Some(KEY), 0);
        check("16 bits", &stream, 4, Violation::NonMinimalLength);
    }
    for length in [0, 125, 126, 65_535] {
        let stream = head(FIN | BINARY, Length::Wide64(length), Some(KEY), 0);
        check("64 bits", &stream, 10, Violation::NonMinimalLength);
    }
}

#[test]
fn refuses_a_64_bit_length_with_its_top_bit_at_the_third_byte() {
    for length in [1 << 63, u64::MAX] {
        let stream = head(FIN | BINARY, Length::Wide64(length), Some(KEY), 0);
        check("top bit", &stream, 3, Violation::OverflowingLength);
    }
}

#[test]
fn refuses_a_message_over_the_limit_once_its_length_is_there() {
    for length in [MAX as u64 + 1, u64::from(u32::MAX) + 1, i64::MAX as u64] {
        let stream = head(FIN | BINARY, Length::Wide64(length), Some(KEY), 0);
        check("64 bits", &stream, 10, Violation::OversizedMessage);
    }
}

#[test]
fn reports_the_offence_that_the_earliest_byte_proves() {
    let all = frame_with(0x70 | 0xb, Length::Wide16(1), None, "");
    check(
        "reserved bits before opcode",
        &all,
        1,
        Violation::ReservedBits,
    );
    let stray = frame_with(CONTINUATION, Length::Wide64(u64::MAX), None, "");
    check(
        "sequence before mask",
        &stray,
        1,
        Violation::StrayContinuation,
    );
    let unmasked = frame_with(FIN | PING, Length::Wide64(u64::MAX), None, "");
    check("mask before length", &unmasked, 2, Violation::Unmasked);
}

#[test]
fn reads_every_form_of_length() {
    for length in [0, 1, 125, 126, 127, 65_535, 65_536, 65_537, MAX] {
        let payload = vec![b'x'; length];
        let stream = frame(FIN | BINARY, &payload);
        let expected = Outcome::events([Seen::Binary(payload)]);
        assert_eq!(run(MAX, [&stream[..]]), expected, "{length} bytes whole");
        assert_eq!(
            run(MAX, stream.chunks(1000)),
            expected,
            "{length} bytes in parts"
        );
        for at in 0..stream.len().min(20) {
            let (front, back) = stream.split_at(at);
            assert_eq!(
                run(MAX, [front, back]),
                expected,
                "{length} bytes cut at {at}"
            );
        }
    }
}

#[test]
fn unmasks_with_any_key_at_any_cut() {
    let payload: Vec<u8> = (0..=255).collect();
    for key in [
        [0; 4],
        [1, 2, 3, 4],
        [0xff, 0, 0xff, 0],
        [0x80, 0x7f, 0x01, 0xfe],
    ] {
        let stream = frame_with(FIN | BINARY, Length::Minimal, Some(key), &payload);
        assert_eq!(
            run_every_cut(MAX, &stream),
            Outcome::events([binary(&payload)])
        );
    }
}
