//! The fastwebsockets hazards, see docs/ARCHITECTURE.md: a test for each that lies in the codec, `hNN_` its label.
//!
//! Elsewhere, see connection tests:
//! * H3, in part: when pongs are written, and how many wait;
//! * H9, in part: that the close frame a violation asks for is sent;
//! * H13: the codec lends payloads, so who queues one copies it;
//! * H14 to H17: writing in batches, flushing, vectored writes, what a write cut short leaves behind;
//! * H18, in part: one close each way, discarding until the peer's, and lingering;
//! * H19, in part: the timeouts themselves;
//! * H21, in the service's tests: no client handshake is ours; the server's is checked against the standard's key.

use super::*;

/// A limit per frame is no limit: a hundred frames of 900 bytes once made a message of 90 000 under a limit of 1 000.
#[test]
fn h01_reassembly_is_bounded_in_bytes_and_in_fragments() {
    let mut stream = frame(TEXT, "x".repeat(900));
    stream.extend(frame(CONTINUATION, "x".repeat(100)));
    assert_eq!(run(1000, [&stream[..]]).violation, None);
    stream.extend(head(CONTINUATION, Length::Minimal, Some(KEY), 1));
    assert_eq!(
        run(1000, stream.chunks(64)).violation,
        Some(Violation::OversizedMessage)
    );

    let endless = frame(BINARY, "")
        .into_iter()
        .chain(frame(CONTINUATION, "").repeat(1 << 16));
    let endless: Vec<u8> = endless.collect();
    assert_eq!(
        run(1000, [&endless[..]]).violation,
        Some(Violation::TooManyFragments)
    );
}

/// A reader that forgot a head it had consumed took the payload behind it for frames.
#[test]
fn h02_a_payload_is_never_parsed_as_frames_wherever_a_read_ends() {
    let inner = frame(FIN | TEXT, r#"{"injected":1}"#);
    let stream = [frame(FIN | BINARY, &inner), frame(FIN | TEXT, "after")].concat();
    assert_eq!(
        run_every_cut(MAX, &stream),
        Outcome::events([binary(&inner), text("after")])
    );
}

#[test]
fn h03_a_flood_of_pings_is_reported_not_answered_and_costs_no_memory() {
    let mut flood = frame(FIN | PING, "x".repeat(125)).repeat(1000);
    let mut decoder = decoder(MAX);
    let (mut done, mut pings) = (0, 0);
    while done < flood.len() {
        let decoded = decoder.decode(&mut flood[done..]).unwrap();
        assert!(matches!(decoded.event, Some(Event::Ping(_))));
        done += decoded.consumed;
        pings += 1;
        assert_eq!(decoder.buffered_bytes(), 0);
    }
    assert_eq!(pings, 1000);
}

#[test]
fn h04_control_frames_of_126_bytes_are_refused_and_never_sent() {
    for opcode in [PING, PONG, CLOSE] {
        let payload = [b"\x03\xe8".as_slice(), &[b'x'; 123]].concat();
        assert_eq!(
            run_every_cut(MAX, &frame(FIN | opcode, &payload)).violation,
            None
        );
        let payload = [b"\x03\xe8".as_slice(), &[b'x'; 124]].concat();
        let outcome = run_every_cut(MAX, &frame(FIN | opcode, &payload));
        assert_eq!(outcome, Outcome::violation(Violation::OversizedControl));
    }
    for encoded in [
        ping(&[0; 500]),
        pong(&[0; 500]),
        close_frame(Some(1002), &"x".repeat(500)),
    ] {
        assert_eq!(encoded.as_bytes().len(), 127);
    }
}

#[test]
fn h05_unmasked_frames_are_refused() {
    for first in [
        FIN | TEXT,
        FIN | BINARY,
        FIN | PING,
        FIN | PONG,
        FIN | CLOSE,
    ] {
        let stream = frame_with(first, Length::Minimal, None, "");
        assert_eq!(
            run_every_cut(MAX, &stream),
            Outcome::violation(Violation::Unmasked)
        );
    }
}

#[test]
fn h06_no_mask_finds_its_way_from_a_read_into_a_write() {
    let mut read = frame(FIN | PING, "hi");
    let mut decoder = decoder(MAX);
    let Some(Event::Ping(payload)) = decoder.decode(&mut read).unwrap().event else {
        panic!("no ping");
    };
    assert_eq!(pong(payload).as_bytes(), [0x8a, 2, b'h', b'i']);
}

#[test]
fn h07_text_that_ends_inside_a_character_is_refused() {
    for (first, last) in [
        (&b"ab"[..], &b"c\xe2\x82"[..]),
        (b"ab\xe2", b"\x82"),
        (b"ab\xf0\x9f", b""),
    ] {
        let stream = [frame(TEXT, first), frame(FIN | CONTINUATION, last)].concat();
        assert_eq!(
            run_every_cut(MAX, &stream),
            Outcome::violation(Violation::InvalidText)
        );
        let single = frame(FIN | TEXT, [first, last].concat());
        assert_eq!(
            run_every_cut(MAX, &single),
            Outcome::violation(Violation::InvalidText)
        );
    }
}

#[test]
fn h08_a_new_fragmented_message_inside_one_is_refused() {
    let stream = [
        frame(TEXT, "first"),
        frame(BINARY, "second"),
        frame(FIN | CONTINUATION, ""),
    ];
    let outcome = run_every_cut(MAX, &stream.concat());
    assert_eq!(outcome, Outcome::violation(Violation::InterruptedMessage));
}

#[test]
fn h09_every_kind_of_offence_names_the_close_it_deserves() {
    for (stream, code) in [
        (vec![0xc1], 1002),
        (frame(FIN | CLOSE, "x"), 1002),
        (frame(FIN | TEXT, b"\xff"), 1007),
        (frame(FIN | CLOSE, b"\x03\xe8\xff"), 1007),
        (frame(FIN | TEXT, "x".repeat(MAX + 1)), 1009),
    ] {
        let violation = run(MAX, [&stream[..]]).violation.unwrap();
        let encoded = close_frame(Some(violation.close_code()), violation.reason());
        assert_eq!(
            encoded.as_bytes()[2..4],
            u16::to_be_bytes(code),
            "{violation}"
        );
    }
}

#[test]
fn h10_a_message_of_exactly_the_limit_passes_and_one_byte_more_does_not() {
    let fits = frame(FIN | BINARY, vec![0; MAX]);
    assert_eq!(
        run(MAX, fits.chunks(16_384)),
        Outcome::events([binary(vec![0; MAX])])
    );
    let over = frame(FIN | BINARY, vec![0; MAX + 1]);
    let outcome = run(MAX, over.chunks(16_384));
    assert_eq!(outcome, Outcome::violation(Violation::OversizedMessage));
}

#[test]
fn h11_an_announced_length_reserves_nothing() {
    let mut decoder = decoder(MAX);
    decoder
        .decode(&mut head(FIN | TEXT, Length::Minimal, Some(KEY), MAX))
        .unwrap();
    assert!(decoder.mid_message());
    assert_eq!(decoder.buffered_bytes(), 0);
    decoder.decode(&mut [KEY[0] ^ b'x']).unwrap();
    assert!(
        decoder.buffered_bytes() <= 8,
        "{} bytes for one",
        decoder.buffered_bytes()
    );
}

#[test]
fn h12_nothing_stays_allocated_after_a_large_message_or_a_flood_of_small_ones() {
    let large = frame(FIN | BINARY, vec![0; MAX]);
    let flood = frame(FIN | TEXT, "x".repeat(64)).repeat(3000);
    for stream in [large, flood] {
        let mut decoder = decoder(MAX);
        for part in stream.chunks(4096) {
            let (mut part, mut done) = (part.to_vec(), 0);
            while done < part.len() {
                done += decoder.decode(&mut part[done..]).unwrap().consumed;
            }
        }
        decoder.settle();
        assert!(decoder.is_idle());
        assert_eq!(decoder.buffered_bytes(), 0);
    }
}

/// 1014 was unknown, and without the library's own close handling nothing was checked at all.
#[test]
fn h18_a_close_is_checked_and_is_the_last_thing_read() {
    let bad_gateway = frame(FIN | CLOSE, 1014_u16.to_be_bytes());
    let stream = [bad_gateway, frame(FIN | TEXT, "late"), vec![0xff]].concat();
    let expected = Outcome::events([Seen::Close(Some((1014, String::new())))]);
    assert_eq!(run_every_cut(MAX, &stream), expected);
    for payload in [&b"x"[..], b"\x03\xee", b"\x03\xe8\xc3"] {
        assert!(
            run_every_cut(MAX, &frame(FIN | CLOSE, payload))
                .violation
                .is_some()
        );
    }
}

#[test]
fn h19_an_unfinished_message_can_be_told_so_that_a_deadline_can_be_set() {
    let stream = [
        frame(TEXT, "a"),
        frame(FIN | PING, ""),
        frame(CONTINUATION, "b"),
    ]
    .concat();
    assert!(
        !run(MAX, [&stream[..5]]).mid_message,
        "the first head is not complete"
    );
    for end in 6..=stream.len() {
        assert!(
            run_every_cut(MAX, &stream[..end]).mid_message,
            "first {end} bytes"
        );
    }
    let stream = [&stream[..], &frame(FIN | CONTINUATION, "")].concat();
    assert!(!run_every_cut(MAX, &stream).mid_message);
}

#[test]
fn h20_lengths_that_are_not_minimal_are_refused() {
    for length in [Length::Wide16(5), Length::Wide64(5)] {
        let stream = frame_with(FIN | TEXT, length, Some(KEY), "hello");
        assert_eq!(
            run_every_cut(MAX, &stream),
            Outcome::violation(Violation::NonMinimalLength)
        );
    }
}
