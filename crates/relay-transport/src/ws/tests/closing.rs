//! Close frames from a peer, and which codes exist.

use super::super::close::may_send;
use super::*;

fn close(payload: impl AsRef<[u8]>) -> Outcome {
    run_every_cut(MAX, &frame(FIN | CLOSE, payload))
}

/// RFC 6455 §7.4 and the IANA registry, written out.
fn exists(code: u16) -> bool {
    (1000..=1003).contains(&code) || (1007..=1014).contains(&code) || (3000..=4999).contains(&code)
}

#[test]
fn knows_every_code() {
    for code in 0..=u16::MAX {
        assert_eq!(may_send(code), exists(code), "{code}");
    }
}

#[test]
fn reports_a_close_without_status() {
    assert_eq!(close(""), Outcome::events([Seen::Close(None)]));
}

#[test]
fn reports_every_valid_code_and_refuses_the_others() {
    for code in (0..=u16::MAX).filter(|code| *code < 5100 || *code % 1000 == 0) {
        let mut stream = frame(FIN | CLOSE, code.to_be_bytes());
        let expected = if exists(code) {
            Ok(Event::Close(PeerClose::Status { code, reason: "" }))
        } else {
            Err(Violation::InvalidCloseCode)
        };
        let mut decoder = decoder(MAX);
        let event = decoder
            .decode(&mut stream)
            .map(|decoded| decoded.event.unwrap());
        assert_eq!(event, expected, "{code}");
    }
}

#[test]
fn reports_the_reason() {
    let longest = "é".repeat(61) + "!";
    for reason in ["", "bye", "grüße 🌍", &longest] {
        let payload = [b"\x0f\xa0", reason.as_bytes()].concat();
        let expected = Seen::Close(Some((4000, reason.to_owned())));
        assert_eq!(close(payload), Outcome::events([expected]), "{reason}");
    }
}

#[test]
fn refuses_broken_payloads() {
    for (payload, violation) in [
        (&b"\x03"[..], Violation::TruncatedCloseCode),
        (b"\x03\xe7", Violation::InvalidCloseCode),
        (b"\x03\xed", Violation::InvalidCloseCode),
        (b"\x03\xe7\xff", Violation::InvalidCloseCode),
        (b"\x03\xe8\xff", Violation::InvalidCloseReason),
        (b"\x03\xe8ab\xe4\xb8", Violation::InvalidCloseReason),
    ] {
        assert_eq!(close(payload), Outcome::violation(violation), "{payload:?}");
    }
}

#[test]
fn a_close_ends_a_message_that_was_open() {
    let stream = [frame(TEXT, "half"), frame(FIN | CLOSE, b"\x03\xe9")].concat();
    let expected = Outcome::events([Seen::Close(Some((1001, String::new())))]);
    assert_eq!(run_every_cut(MAX, &stream), expected);
}

#[test]
#[cfg_attr(debug_assertions, should_panic(expected = "decode after the end"))]
fn nothing_is_decoded_after_a_close() {
    let mut decoder = decoder(MAX);
    decoder.decode(&mut frame(FIN | CLOSE, "")).unwrap();
    let mut more = frame(FIN | TEXT, "late");
    let len = more.len();
    assert_eq!(
        decoder.decode(&mut more),
        Ok(Decoded {
            consumed: len,
            event: None
        })
    );
}

#[test]
#[cfg_attr(debug_assertions, should_panic(expected = "decode after the end"))]
fn nothing_is_decoded_after_a_violation() {
    let mut decoder = decoder(MAX);
    decoder.decode(&mut [0xff]).unwrap_err();
    let mut more = frame(FIN | TEXT, "late");
    let len = more.len();
    assert_eq!(
        decoder.decode(&mut more),
        Ok(Decoded {
            consumed: len,
            event: None
        })
    );
}

#[test]
fn debug_output_shows_no_payload() {
    let mut stream = [
        frame(FIN | TEXT, "secret"),
        frame(FIN | BINARY, "secret"),
        frame(FIN | PING, "secret"),
        frame(FIN | PONG, "secret"),
        frame(FIN | CLOSE, b"\x03\xe8secret"),
    ]
    .concat();
    let mut decoder = decoder(MAX);
    let (mut done, mut shown) = (0, String::new());
    while done < stream.len() {
        let decoded = decoder.decode(&mut stream[done..]).unwrap();
        shown += &format!("{:?} ", decoded.event.unwrap());
        done += decoded.consumed;
    }
    shown += &format!("{:?}", pong(b"secret"));
    assert_eq!(
        shown,
        "Text(6 bytes) Binary(6 bytes) Ping(6 bytes) Pong(6 bytes) Close(1000, 6 bytes) \
         Encoded { first_byte: 0x8a, bytes: 8 }"
    );
}
