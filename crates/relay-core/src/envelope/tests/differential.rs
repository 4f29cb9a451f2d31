//! The codec against slow, obvious models over `serde_json::Value`, on random and randomly broken input.

use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::RngSeed;
use serde_json::Value;

use super::super::check_frame;
use super::outcome;

const MISSING_CONN_ID: &str = "relay: routing envelope missing conn_id";
const MISSING_FRAME: &str = "relay: routing envelope missing frame";
const MALFORMED: &str = "relay: malformed routing envelope: ";

/// A key's source text, and the field it names.
type Key = (String, Option<&'static str>);

fn config(seed: u64) -> ProptestConfig {
    ProptestConfig {
        cases: 2_000,
        rng_seed: RngSeed::Fixed(seed),
        ..ProptestConfig::default()
    }
}

fn whitespace() -> impl Strategy<Value = &'static str> {
    prop_oneof![4 => Just(""), 1 => select(vec![" ", "\n", "\t\r"])]
}

/// Shallow JSON texts, written with every freedom the grammar leaves.
fn json() -> impl Strategy<Value = String> {
    let scalar = select(vec![
        "null",
        "true",
        "false",
        "0",
        "-0",
        "1",
        "-12",
        "1.0e+02",
        "2E3",
        "0.5",
        "65536",
        r#""""#,
        r#""x""#,
        r#""\n\"\\\/""#,
        r#""\u00e9\ud83d\ude00""#,
        "\"é\u{2028}\u{1F600}\"",
        r#""[{]}""#,
        "{}",
        "[]",
    ])
    .prop_map(String::from);
    let text = scalar.prop_recursive(4, 24, 4, |inner| {
        let array = prop::collection::vec((whitespace(), inner.clone()), 0..4).prop_map(|items| {
            let items: Vec<_> = items
                .into_iter()
                .map(|(space, item)| format!("{space}{item}{space}"))
                .collect();
            format!("[{}]", items.join(","))
        });
        let key = select(vec![r#""""#, r#""a""#, r#""b""#, r#""\u0061""#, "\"é\""]);
        let object = prop::collection::vec((whitespace(), key, inner), 0..4).prop_map(|members| {
            let members: Vec<_> = members
                .into_iter()
                .map(|(space, key, value)| format!("{space}{key}{space}:{space}{value}"))
                .collect();
            format!("{{{}}}", members.join(","))
        });
        prop_oneof![array, object]
    });
    (whitespace(), text, whitespace())
        .prop_map(|(before, text, after)| [before, &text, after].concat())
}

/// A few bytes put in, taken out or replaced.
fn damage() -> impl Strategy<Value = Vec<(Index, u8, u8)>> {
    let byte = select(b"[]{},:\"\\ \n\x00\x1F\x7F\xFF-+.019etnufl/'".to_vec());
    prop::collection::vec((any::<Index>(), 0_u8..3, byte), 0..3)
}

fn damaged(text: &str, damage: Vec<(Index, u8, u8)>) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    for (place, how, byte) in damage {
        let place = place.index(bytes.len() + 1);
        match (how, bytes.get_mut(place)) {
            (0, Some(old)) => *old = byte,
            (1, Some(_)) => drop(bytes.remove(place)),
            _ => bytes.insert(place, byte),
        }
    }
    bytes
}

/// The whole text as a value, or `None` where building one refuses more than the grammar does.
fn value_of(text: &[u8]) -> Option<Result<Value, ()>> {
    let error = match serde_json::from_slice(text) {
        Ok(value) => return Some(Ok(value)),
        Err(error) => error.to_string(),
    };
    let pickier = ["out of range", "surrogate", "end of hex escape"];
    (!pickier.iter().any(|reason| error.contains(reason))).then_some(Err(()))
}

proptest! {
    #![proptest_config(config(1))]

    #[test]
    fn check_frame_agrees_with_building_a_value(text in json(), damage in damage()) {
        let payload = damaged(&text, damage);
        if let Some(model) = value_of(&payload) {
            prop_assert_eq!(check_frame(&payload).is_ok(), model.is_ok());
        }
    }
}

/// What a message without repeated or respelled keys means.
fn model_of_value(message: Result<Value, ()>) -> String {
    let Ok(message) = message else {
        return MALFORMED.into();
    };
    if !message.is_object() && !message.is_null() {
        return MALFORMED.into();
    }
    let members = ["conn_id", "frame", "close_code", "push_wake"]
        .into_iter()
        .filter_map(|name| Some((name, message.get(name)?.to_string())));
    model(members)
}

/// What a sequence of fields, each with its value's source text, means.
fn model<'a>(members: impl Iterator<Item = (&'a str, String)>) -> String {
    let mut conn_id = String::new();
    let mut close_code = 0;
    let mut frame = None;
    let mut push_wake = None;
    for (name, text) in members {
        let value = serde_json::from_str::<Value>(&text).unwrap_or(Value::Bool(true));
        match name {
            "frame" => frame = (!value.is_null()).then_some(text),
            "push_wake" => push_wake = (!value.is_null()).then_some(text),
            _ if value.is_null() => {}
            "conn_id" => match value.as_str() {
                Some(text) => conn_id = text.to_owned(),
                None => return MALFORMED.into(),
            },
            "close_code" => match value.as_u64() {
                Some(code @ 0..=65535) => close_code = code,
                _ => return MALFORMED.into(),
            },
            _ => {}
        }
    }
    let shown_code = if close_code == 0 {
        "-".into()
    } else {
        close_code.to_string()
    };
    match (conn_id.is_empty(), push_wake, frame) {
        (true, Some(request), _) => format!("wake {request}"),
        (true, None, _) => MISSING_CONN_ID.into(),
        (false, _, Some(frame)) => format!("{conn_id} <- {frame} / {shown_code}"),
        (false, _, None) if close_code == 0 => MISSING_FRAME.into(),
        (false, _, None) => format!("{conn_id} <- - / {shown_code}"),
    }
}

/// An outcome without its reason, which the models do not know.
fn without_reason(outcome: String) -> String {
    if outcome.starts_with(MALFORMED) {
        MALFORMED.into()
    } else {
        outcome
    }
}

/// A field's name in any spelling that Go accepts: per character its case, a character that folds to it, an escape.
fn spelled(name: &'static str) -> impl Strategy<Value = Key> {
    prop::collection::vec(prop_oneof![6 => Just(0), 1 => 1..5], name.len()).prop_map(
        move |styles| {
            let spelled: String = name
                .chars()
                .zip(styles)
                .map(|(character, style)| match (style, character) {
                    (1, _) => character.to_ascii_uppercase().to_string(),
                    (2, _) => format!("\\u{:04x}", u32::from(character)),
                    (3, _) => format!("\\u{:04X}", u32::from(character.to_ascii_uppercase())),
                    (4, 's') => "\u{17F}".into(),
                    (4, 'k') => "\\u212A".into(),
                    _ => character.to_string(),
                })
                .collect();
            (format!("\"{spelled}\""), Some(name))
        },
    )
}

/// A value's source text, mostly one that suits the field.
fn value_for(name: &'static str) -> impl Strategy<Value = String> {
    let fitting = match name {
        "conn_id" => vec![
            r#""P""#,
            r#""\u0050""#,
            r#""Q \ud83d\ude00 é""#,
            r#""""#,
            "null",
        ],
        "close_code" => vec!["0", "1", "1001", "65535", "null"],
        _ => vec![
            "1",
            r#"{ "x" : "<" }"#,
            r#"["\ud800"]"#,
            r#"{"conn_id":1}"#,
            "null",
        ],
    };
    let any = vec![
        "null",
        "true",
        "-0",
        "-1",
        "65536",
        "1.0",
        "1e3",
        "7",
        r#""1""#,
        "[]",
        r#"["\ud800", 1]"#,
        "{}",
        "1e400",
    ];
    prop_oneof![12 => select(fitting), 1 => select(any)].prop_map(String::from)
}

fn member() -> impl Strategy<Value = (Key, String)> {
    let known = select(vec![
        "conn_id",
        "conn_id",
        "frame",
        "close_code",
        "push_wake",
    ])
    .prop_flat_map(|name| (spelled(name), value_for(name)));
    let unknown_key = select(vec![
        r#""""#,
        r#""zzz""#,
        r#""\ud800""#,
        r#""frames""#,
        r#""conn-id""#,
        r#""\"frame""#,
        "\"\u{FF46}rame\"",
        "\"conn_\u{131}d\"",
    ]);
    let unknown =
        (unknown_key, value_for("frame")).prop_map(|(key, value)| ((key.to_owned(), None), value));
    prop_oneof![6 => known, 1 => unknown]
}

proptest! {
    #![proptest_config(config(2))]

    #[test]
    fn parse_agrees_with_reading_a_value(
        text in json(),
        close_code in select(vec!["0", "1001", "70000", "1.0", "null", r#""1""#]),
        conn_id in select(vec![r#""P""#, r#""P""#, r#""\u0050""#, r#""""#, "null", "1"]),
        shape in 0..5,
        damage in damage(),
    ) {
        let message = match shape {
            0 => text,
            1 => format!(r#"{{"push_wake":{text},"conn_id":{conn_id}}}"#),
            2 => format!(r#"{{"conn_id":{conn_id},"close_code":{close_code}}}"#),
            3 => format!(r#"{{"frame":{text},"close_code":{close_code},"conn_id":{conn_id}}}"#),
            _ => format!(r#"{{ "conn_id" : {conn_id} , "frame" : {text} , "zzz" : {text} }}"#),
        };
        let message = damaged(&message, damage);
        if let Some(model) = value_of(&message) {
            // A value is written back in one spelling only; frames and wakes are compared as values.
            let canonical = |line: String| match line.strip_prefix("wake ") {
                Some(request) => format!("wake {}", serde_json::from_str::<Value>(request).unwrap()),
                None => match line.split_once(" <- ").and_then(|(id, rest)| Some((id, rest.rsplit_once(" / ")?))) {
                    Some((id, (frame, code))) if frame != "-" => {
                        format!("{id} <- {} / {code}", serde_json::from_str::<Value>(frame).unwrap())
                    }
                    _ => line,
                },
            };
            prop_assert_eq!(canonical(without_reason(outcome(&message))), model_of_value(model));
        }
    }

    #[test]
    fn parse_reads_repeated_and_respelled_keys_in_order(
        members in prop::collection::vec((member(), whitespace()), 0..6),
    ) {
        let text: Vec<_> = members
            .iter()
            .map(|(((key, _), value), space)| format!("{space}{key}{space}:{space}{value}{space}"))
            .collect();
        let message = format!("{{{}}}", text.join(","));
        let known = members.into_iter().filter_map(|(((_, name), value), _)| Some((name?, value)));
        prop_assert_eq!(without_reason(outcome(message.as_bytes())), model(known), "{}", message);
    }
}
