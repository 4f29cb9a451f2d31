//! The nesting limit, at its edge and far beyond, on a stack too small for any recursion.

use std::thread;

use super::super::{EnvelopeError, MAX_DEPTH, Malformed, check_frame, parse};

/// The largest message a peer may send.
const LARGEST_MESSAGE: usize = 262_144;

type Nest = fn(usize) -> String;

const NESTS: [(&str, Nest); 5] = [
    ("arrays", |levels| nested("[", "", "]", levels)),
    ("arrays around a scalar", |levels| {
        nested("[", "1", "]", levels)
    }),
    ("objects", |levels| {
        let inner = nested(r#"{"a":"#, "{}", "}", levels - 1);
        debug_assert_eq!(inner.matches('{').count(), levels);
        inner
    }),
    ("mixed", |levels| {
        let inner = if levels % 2 == 0 { "" } else { "[]" };
        let pairs = nested(
            r#"[{"a":"#,
            if inner.is_empty() { "0" } else { inner },
            "}]",
            levels / 2,
        );
        debug_assert_eq!(pairs.matches(['[', '{']).count(), levels);
        pairs
    }),
    ("spaced, with siblings and brackets in strings", |levels| {
        nested(
            "[ [], {}, \"]}\\\"]\\\\\" ,\n",
            "{}",
            " , \"[{\" ] ",
            levels - 1,
        )
    }),
];

fn nested(open: &str, core: &str, close: &str, levels: usize) -> String {
    [&open.repeat(levels), core, &close.repeat(levels)].concat()
}

/// Runs `test` on 64 KiB of stack: ten thousand calls of any function at all do not fit.
fn on_a_small_stack(test: fn()) {
    let thread = thread::Builder::new()
        .stack_size(64 * 1024)
        .spawn(test)
        .unwrap();
    thread.join().unwrap();
}

#[test]
fn a_frame_may_nest_ten_thousand_levels_and_no_more() {
    on_a_small_stack(|| {
        for (name, nest) in NESTS {
            for (levels, expected) in [
                (9_999, true),
                (10_000, true),
                (10_001, false),
                (20_001, false),
            ] {
                let payload = nest(levels);
                assert_eq!(
                    check_frame(payload.as_bytes()).is_ok(),
                    expected,
                    "{name} {levels}"
                );
            }
        }
    });
}

#[test]
fn an_envelope_is_one_of_the_ten_thousand_levels() {
    on_a_small_stack(|| {
        for (name, nest) in NESTS {
            for (levels, expected) in [
                (9_998, true),
                (9_999, true),
                (10_000, false),
                (10_001, false),
            ] {
                for key in ["frame", "zzz", "push_wake"] {
                    let message = format!(
                        r#"{{"conn_id":"P","close_code":1001,"{key}":{}}}"#,
                        nest(levels)
                    );
                    let parsed = parse(message.as_bytes());
                    assert_eq!(parsed.is_ok(), expected, "{name} {levels} {key}");
                    if !expected {
                        let reason = Malformed::TooDeep;
                        assert_eq!(parsed, Err(EnvelopeError::Malformed { reason }));
                    }
                }
            }
        }
    });
}

#[test]
fn bombs_as_large_as_a_message_are_refused() {
    on_a_small_stack(|| {
        for piece in ["[", "{", "[{", r#"{"a":"#, r#"[{"a":"#, "]", "\"[", "[\"\\"] {
            let bomb = piece.repeat(LARGEST_MESSAGE / piece.len());
            assert!(check_frame(bomb.as_bytes()).is_err(), "{piece}");
            assert!(parse(bomb.as_bytes()).is_err(), "{piece}");
            let enveloped = format!(r#"{{"conn_id":"P","frame":{bomb}"#);
            assert!(parse(enveloped.as_bytes()).is_err(), "{piece}");
        }
    });
}

#[test]
fn width_is_not_depth() {
    on_a_small_stack(|| {
        for payload in [
            format!("[{}[]]", "[],".repeat(80_000)),
            format!("[{}{{}}]", r#"{"a":[{}]},"#.repeat(20_000)),
            format!("\"{}\"", "[{".repeat(130_000)),
            format!(
                "[\"{}\",\"{}\"]",
                "\\\"[".repeat(40_000),
                "{\\\\".repeat(40_000)
            ),
            format!("\"{}\"", r"\u005b[".repeat(30_000)),
        ] {
            assert!(payload.len() > MAX_DEPTH);
            assert_eq!(check_frame(payload.as_bytes()), Ok(()));
            let message = format!(r#"{{"conn_id":"P","frame":{payload}}}"#);
            assert!(parse(message.as_bytes()).is_ok());
        }
    });
}
