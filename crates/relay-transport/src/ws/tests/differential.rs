//! The decoder against the reference, on random streams in random cuts.
//!
//! The seed is fixed, `PROPTEST_CASES` raises the number of cases, and one that fails is kept in
//! `proptest-regressions/`, to be committed with the fix.

use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, RngSeed};

use super::super::reference;
use super::*;

pub(super) fn config() -> Config {
    let config = Config {
        rng_seed: RngSeed::Fixed(6455),
        ..Config::default()
    };
    Config {
        cases: config.cases.max(2048),
        ..config
    }
}

/// Payloads around every threshold, text and not.
fn payload() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => "[ -~é世🌍]{0,12}".prop_map(String::into_bytes),
        2 => prop::collection::vec(any::<u8>(), 0..12),
        1 => select(vec![0, 124, 125, 126, 127, 300, 65_535, 65_536]).prop_map(|len| vec![b'x'; len]),
        1 => Just("é世🌍".repeat(40).into_bytes()),
    ]
}

fn control() -> impl Strategy<Value = Vec<u8>> {
    let short = prop::collection::vec(any::<u8>(), 0..20);
    (select(vec![PING, PONG]), short).prop_map(|(opcode, payload)| frame(FIN | opcode, payload))
}

/// A message that keeps the rules but perhaps those for text, in fragments cut anywhere, with control frames between.
fn message() -> impl Strategy<Value = Vec<u8>> {
    fragments().prop_map(|fragments| fragments.concat())
}

/// One that lacks its last fragment.
fn unfinished() -> impl Strategy<Value = Vec<u8>> {
    fragments().prop_map(|fragments| fragments[..fragments.len() - 1].concat())
}

fn fragments() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let cuts = prop::collection::vec((0_usize..20, prop::option::weighted(0.3, control())), 0..6);
    (
        select(vec![TEXT, BINARY]),
        payload(),
        any::<[u8; 4]>(),
        cuts,
    )
        .prop_map(|(opcode, payload, key, cuts)| {
            let (mut frames, mut rest, mut first) = (Vec::new(), &payload[..], opcode);
            for (len, control) in cuts {
                let (part, others) = rest.split_at(len.min(rest.len()));
                frames.push(frame_with(first, Length::Minimal, Some(key), part));
                frames.extend(control);
                (first, rest) = (CONTINUATION, others);
            }
            frames.push(frame_with(FIN | first, Length::Minimal, Some(key), rest));
            frames
        })
}

/// Around the limit on fragments, and without an end.
fn many_fragments() -> impl Strategy<Value = Vec<u8>> {
    (4092_usize..4100)
        .prop_map(|count| [frame(TEXT, ""), frame(CONTINUATION, "").repeat(count)].concat())
}

fn close() -> impl Strategy<Value = Vec<u8>> {
    let usual = select(vec![1000, 1001, 1014, 4999]);
    let code = prop_oneof![
        4 => usual,
        1 => select(vec![0, 999, 1004, 1005, 1006, 1015, 5000]),
        1 => any::<u16>(),
    ];
    let reason = prop_oneof![
        2 => "[ -~é世🌍]{0,30}".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..5),
    ];
    prop_oneof![
        1 => Just(frame(FIN | CLOSE, "")),
        1 => any::<u8>().prop_map(|byte| frame(FIN | CLOSE, [byte])),
        6 => (code, reason).prop_map(|(code, reason)| {
            frame(FIN | CLOSE, [&code.to_be_bytes()[..], &reason].concat())
        }),
    ]
}

/// One frame with anything in its head, most of it legal.
fn any_frame() -> impl Strategy<Value = Vec<u8>> {
    let first = (
        prop::bool::weighted(0.7),
        prop_oneof![20 => Just(0_u8), 1 => 1_u8..8],
        prop_oneof![20 => select(vec![0, 0, 0, 1, 2, 8, 9, 10]), 1 => 0_u8..16],
    );
    let first = first.prop_map(|(fin, rsv, opcode)| u8::from(fin) << 7 | rsv << 4 | opcode);
    let length = prop_oneof![
        20 => Just(Length::Minimal),
        1 => any::<u16>().prop_map(Length::Wide16),
        1 => (0_u16..300).prop_map(Length::Wide16),
        1 => any::<u64>().prop_map(Length::Wide64),
        1 => (0_u64..70_000).prop_map(Length::Wide64),
    ];
    (
        first,
        length,
        prop::option::weighted(0.95, any::<[u8; 4]>()),
        payload(),
    )
        .prop_map(|(first, length, key, payload)| frame_with(first, length, key, payload))
}

/// A client's bytes: mostly messages, some of it wrong, and perhaps breaking off anywhere.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        80 => message(),
        10 => unfinished(),
        20 => control(),
        30 => any_frame(),
        10 => close(),
        5 => prop::collection::vec(any::<u8>(), 0..16),
        1 => many_fragments(),
    ];
    (
        prop::collection::vec(piece, 0..8),
        prop::option::weighted(0.3, any::<prop::sample::Index>()),
    )
        .prop_map(|(pieces, end)| {
            let mut stream = pieces.concat();
            if let Some(end) = end {
                stream.truncate(end.index(stream.len() + 1));
            }
            stream
        })
}

/// `stream` in parts of the given sizes, over and over.
fn cut<'a>(mut stream: &'a [u8], sizes: &[usize]) -> Vec<&'a [u8]> {
    let mut parts = Vec::new();
    for size in sizes.iter().cycle() {
        if stream.is_empty() {
            break;
        }
        let (part, rest) = stream.split_at(stream.len().min(*size));
        parts.push(part);
        stream = rest;
    }
    parts
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn agrees_with_the_reference_in_any_cuts(
        stream in stream(),
        max in prop_oneof![1 => 0_usize..300, 3 => Just(70_000)],
        small in prop::collection::vec(1_usize..10, 1..8),
        large in prop::collection::vec(1_usize..200, 1..8),
    ) {
        let expected = reference::decode(max, &stream);
        prop_assert_eq!(&run(max, [&stream[..]]), &expected);
        prop_assert_eq!(&run(max, stream.chunks(1)), &expected);
        prop_assert_eq!(&run(max, cut(&stream, &small)), &expected);
        prop_assert_eq!(&run(max, cut(&stream, &large)), &expected);
    }

    /// Most random streams break early; this one never does, so it reaches deep.
    #[test]
    fn agrees_with_the_reference_on_legal_streams(
        messages in prop::collection::vec(prop_oneof![message(), control()], 0..20),
        sizes in prop::collection::vec(1_usize..60, 1..20),
    ) {
        let stream = messages.concat();
        prop_assert_eq!(run(MAX, cut(&stream, &sizes)), reference::decode(MAX, &stream));
    }
}
