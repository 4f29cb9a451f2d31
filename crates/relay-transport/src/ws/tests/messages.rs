//! Messages: fragments, what may stand between them, and when a message counts as begun.

use super::*;

#[test]
fn tells_text_from_binary() {
    let stream = [
        frame(FIN | TEXT, r#"{"grüße":"世界 🌍"}"#),
        frame(FIN | BINARY, [0xff, 0x00]),
        frame(FIN | TEXT, ""),
        frame(FIN | BINARY, ""),
    ]
    .concat();
    let expected = [
        text(r#"{"grüße":"世界 🌍"}"#),
        binary([0xff, 0x00]),
        text(""),
        binary(""),
    ];
    assert_eq!(run_every_cut(MAX, &stream), Outcome::events(expected));
}

#[test]
fn joins_fragments_of_any_size() {
    let stream = [
        frame(TEXT, ""),
        frame(CONTINUATION, "Hel"),
        frame(CONTINUATION, ""),
        frame(CONTINUATION, "lo"),
        frame(FIN | CONTINUATION, ""),
        frame(FIN | TEXT, "next"),
    ]
    .concat();
    assert_eq!(
        run_every_cut(MAX, &stream),
        Outcome::events([text("Hello"), text("next")])
    );
}

#[test]
fn reports_control_frames_between_fragments_at_once() {
    let stream = [
        frame(FIN | PING, "0"),
        frame(BINARY, "a"),
        frame(FIN | PING, "1"),
        frame(FIN | PONG, ""),
        frame(CONTINUATION, "b"),
        frame(FIN | PING, "x".repeat(125)),
        frame(FIN | CONTINUATION, "c"),
    ]
    .concat();
    let expected = [
        Seen::Ping(b"0".to_vec()),
        Seen::Ping(b"1".to_vec()),
        Seen::Pong(Vec::new()),
        Seen::Ping(vec![b'x'; 125]),
        binary("abc"),
    ];
    assert_eq!(run_every_cut(MAX, &stream), Outcome::events(expected));
}

#[test]
fn text_may_be_cut_inside_a_character_by_fragments() {
    let bytes = "aé世🌍z".as_bytes();
    for first in 0..=bytes.len() {
        for second in first..=bytes.len() {
            let stream = [
                frame(TEXT, &bytes[..first]),
                frame(CONTINUATION, &bytes[first..second]),
                frame(FIN | CONTINUATION, &bytes[second..]),
            ]
            .concat();
            let expected = Outcome::events([text("aé世🌍z")]);
            assert_eq!(run(MAX, [&stream[..]]), expected, "{first}, {second}");
            assert_eq!(
                run(MAX, stream.chunks(1)),
                expected,
                "{first}, {second}, by the byte"
            );
        }
    }
}

#[test]
fn text_that_is_not_utf8_is_refused_at_the_byte_that_proves_it() {
    let bad = frame(FIN | TEXT, b"ok\xffok");
    // Six bytes of head, three of payload.
    for end in 0..bad.len() {
        let expected = (end >= 9).then_some(Violation::InvalidText);
        assert_eq!(
            run_every_cut(MAX, &bad[..end]).violation,
            expected,
            "first {end} bytes"
        );
    }
    let fragmented = [
        frame(TEXT, b"\xe4\xb8"),
        frame(FIN | PING, ""),
        frame(CONTINUATION, b"x"),
    ];
    let outcome = run_every_cut(MAX, &fragmented.concat());
    assert_eq!(outcome.violation, Some(Violation::InvalidText));
    assert_eq!(outcome.events, [Seen::Ping(Vec::new())]);
}

#[test]
fn binary_is_not_validated() {
    let stream = [frame(BINARY, b"\xe4"), frame(FIN | CONTINUATION, b"\xff")].concat();
    assert_eq!(
        run_every_cut(MAX, &stream),
        Outcome::events([binary(b"\xe4\xff")])
    );
}

#[test]
fn a_message_has_begun_from_its_first_head_to_its_last_byte() {
    let steps = [
        (vec![TEXT], false),
        (frame(TEXT, "a")[1..6].to_vec(), true),
        (frame(TEXT, "a")[6..].to_vec(), true),
        (frame(FIN | PING, "p"), true),
        (frame(CONTINUATION, ""), true),
        (frame(FIN | CONTINUATION, "bc")[..7].to_vec(), true),
        (frame(FIN | CONTINUATION, "bc")[7..].to_vec(), false),
        (frame(FIN | PING, "p")[..6].to_vec(), false),
        (frame(FIN | PING, "p")[6..].to_vec(), false),
        (frame(FIN | BINARY, ""), false),
    ];
    let mut decoder = decoder(MAX);
    for (step, (mut bytes, expected)) in steps.into_iter().enumerate() {
        decoder.decode(&mut bytes).unwrap();
        assert_eq!(decoder.mid_message(), expected, "after step {step}");
    }
    assert!(decoder.is_idle());
}

#[test]
fn is_idle_only_between_frames_and_messages() {
    let stream = [
        frame(TEXT, "a"),
        frame(FIN | CONTINUATION, "b"),
        frame(FIN | PING, ""),
    ]
    .concat();
    let mut decoder = decoder(MAX);
    assert!(decoder.is_idle());
    for (at, byte) in stream.into_iter().enumerate() {
        decoder.decode(&mut [byte]).unwrap();
        assert_eq!(decoder.is_idle(), at == 13 || at == 19, "after byte {at}");
    }
}

#[test]
fn no_input_is_no_event() {
    let mut decoder = decoder(MAX);
    for mut bytes in [
        frame(TEXT, "a")[..3].to_vec(),
        frame(TEXT, "a")[3..].to_vec(),
    ] {
        decoder.decode(&mut bytes).unwrap();
        assert_eq!(
            decoder.decode(&mut []),
            Ok(Decoded {
                consumed: 0,
                event: None
            })
        );
    }
}
