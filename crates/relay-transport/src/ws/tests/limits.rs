//! How large a message may be, and in how many pieces.

use super::super::bounds::MAX_FRAGMENTS;
use super::*;

#[test]
fn the_limit_is_inclusive_and_counts_payload_only() {
    let fits = frame(FIN | BINARY, "12345678");
    assert_eq!(
        run_every_cut(8, &fits),
        Outcome::events([binary("12345678")])
    );
    let over = frame(FIN | BINARY, "123456789");
    assert_eq!(
        run_every_cut(8, &over),
        Outcome::violation(Violation::OversizedMessage)
    );
    let control = frame(FIN | PING, "x".repeat(125));
    assert_eq!(
        run_every_cut(8, &control),
        Outcome::events([Seen::Ping(vec![b'x'; 125])])
    );
    let empty = frame(FIN | TEXT, "");
    assert_eq!(run_every_cut(0, &empty), Outcome::events([text("")]));
}

#[test]
fn the_limit_holds_for_the_sum_of_fragments() {
    let fits = [
        frame(TEXT, "1234"),
        frame(CONTINUATION, "5678"),
        frame(FIN | CONTINUATION, ""),
    ];
    assert_eq!(
        run_every_cut(8, &fits.concat()),
        Outcome::events([text("12345678")])
    );
    let over = [
        frame(TEXT, "1234"),
        frame(CONTINUATION, "567"),
        frame(CONTINUATION, "89"),
    ];
    assert_eq!(
        run_every_cut(8, &over.concat()),
        Outcome::violation(Violation::OversizedMessage)
    );
    let anew = [
        frame(TEXT, "1234567"),
        frame(FIN | CONTINUATION, "8"),
        frame(FIN | TEXT, "12345678"),
    ];
    assert_eq!(
        run_every_cut(8, &anew.concat()),
        Outcome::events([text("12345678"), text("12345678")])
    );
}

#[test]
fn the_limit_on_fragments_is_inclusive_and_can_be_another() {
    let bounds = Bounds {
        max_bytes: 8,
        max_fragments: 2,
    };
    let two = [frame(TEXT, "1"), frame(FIN | CONTINUATION, "2")];
    let mut decoder = Decoder::new(bounds);
    let mut stream = [two.concat(), two.concat()].concat();
    for _ in 0..2 {
        let decoded = decoder.decode(&mut stream).unwrap();
        assert_eq!(decoded.event, Some(Event::Message(Message::Text("12"))));
        let consumed = decoded.consumed;
        stream.drain(..consumed);
    }
    let mut three = [frame(TEXT, "1"), frame(CONTINUATION, "").repeat(2)].concat();
    let mut decoder = Decoder::new(bounds);
    let violation = decoder.decode(&mut three);
    assert_eq!(violation, Err(Violation::TooManyFragments));
}

#[test]
fn the_number_of_fragments_is_limited() {
    let most = MAX_FRAGMENTS as usize;
    let mut stream = frame(TEXT, "");
    for _ in 2..most {
        stream.extend(frame(CONTINUATION, ""));
    }
    let fits = [&stream[..], &frame(FIN | CONTINUATION, "end")].concat();
    assert_eq!(run(MAX, [&fits[..]]), Outcome::events([text("end")]));

    let pings = [
        &stream[..],
        &frame(FIN | PING, ""),
        &frame(FIN | CONTINUATION, ""),
    ]
    .concat();
    assert_eq!(
        run(MAX, [&pings[..]]).violation,
        None,
        "control frames do not count"
    );

    let over = [
        &stream[..],
        &frame(CONTINUATION, ""),
        &frame(FIN | CONTINUATION, ""),
    ]
    .concat();
    for size in [1, 7, over.len()] {
        let outcome = run(MAX, over.chunks(size));
        assert_eq!(outcome, Outcome::violation(Violation::TooManyFragments));
    }
}
