//! The checks of an upgrade: each alone, and which of several failures is the one that answers.

use http::header::{HeaderValue, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_PROTOCOL};
use http::request::Builder;
use http::{Request, Version};

use super::*;

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// What is changed in a request that would pass.
enum Change<'a> {
    Without(HeaderName),
    Set(HeaderName, &'a [u8]),
    Add(HeaderName, &'a [u8]),
    Method(Method),
    Version(Version),
}

use Change::{Add, Set, Without};

fn value(bytes: &[u8]) -> HeaderValue {
    HeaderValue::from_bytes(bytes).expect("a header value")
}

/// A request that passes on either endpoint.
fn good() -> Builder {
    Request::builder()
        .header(HOST, "relay.example")
        .header(CONNECTION, "Upgrade")
        .header(UPGRADE, "websocket")
        .header(SEC_WEBSOCKET_VERSION, "13")
        .header(SEC_WEBSOCKET_KEY, KEY)
        .header(SERVER, "6f1c")
        .header(VERSION, "1.2.3")
        .header(TOKEN, "secret")
        .header(USER_AGENT, "test")
}

fn request<'a>(changes: impl IntoIterator<Item = Change<'a>>) -> Parts {
    let mut parts = good().body(()).expect("a request").into_parts().0;
    for change in changes {
        match change {
            Without(name) => drop(parts.headers.remove(name)),
            Set(name, bytes) => drop(parts.headers.insert(name, value(bytes))),
            Add(name, bytes) => drop(parts.headers.append(name, value(bytes))),
            Change::Method(method) => parts.method = method,
            Change::Version(version) => parts.version = version,
        }
    }
    parts
}

fn check(parts: &Parts, required: [HeaderName; 3]) -> Result<(), Refusal> {
    check_required(&parts.headers, required).and_then(|()| check_handshake(parts))
}

/// The answer's status on `/v1/server`; 101 where nothing is wrong.
fn status<'a>(changes: impl IntoIterator<Item = Change<'a>>) -> u16 {
    answer(check(&request(changes), BINARY_HEADERS))
}

fn answer(checked: Result<(), Refusal>) -> u16 {
    checked.map_or_else(|refusal| refusal.status().as_u16(), |()| 101)
}

#[test]
fn c01_a_binary_needs_its_three_headers() {
    assert_eq!(status([Without(TOKEN)]), 101, "a phone's header");
    for name in BINARY_HEADERS {
        let lacking = request([Without(name.clone())]);
        assert_eq!(check(&lacking, BINARY_HEADERS), Err(Refusal::Headers));
        for blank in [&b""[..], b" ", b"\t", b" \t "] {
            let blank = request([Set(name.clone(), blank)]);
            let checked = check(&blank, BINARY_HEADERS);
            assert_eq!(checked, Err(Refusal::Headers), "blank {name}");
        }
    }
    assert_eq!(Refusal::Headers.status(), StatusCode::BAD_REQUEST);
    assert_eq!(Refusal::Headers.body(), "\n");
}

#[test]
fn c02_a_phone_needs_its_three_headers_and_no_device_name() {
    let phone = request([Without(VERSION)]);
    assert_eq!(check(&phone, PHONE_HEADERS), Ok(()));
    let named = request([Set(DEVICE_NAME, b"Pixel")]);
    assert_eq!(check(&named, PHONE_HEADERS), Ok(()));
    for name in PHONE_HEADERS {
        for change in [
            Without(name.clone()),
            Set(name.clone(), b""),
            Set(name.clone(), b" "),
        ] {
            let checked = check(&request([change]), PHONE_HEADERS);
            assert_eq!(checked, Err(Refusal::Headers), "{name}");
        }
    }
}

#[test]
fn c03_method_connection_version_and_key_each_have_their_answer() {
    assert_eq!(status([Without(CONNECTION)]), 426);
    let posted = || Change::Method(Method::POST);
    assert_eq!(status([Without(CONNECTION), posted()]), 426);
    assert_eq!(status([Without(UPGRADE), posted()]), 426);
    assert_eq!(status([posted()]), 405);
    assert_eq!(status([Change::Method(Method::HEAD)]), 405);
    let old = request([Set(SEC_WEBSOCKET_VERSION, b"8")]);
    assert_eq!(check(&old, BINARY_HEADERS), Err(Refusal::WebSocketVersion));
    assert_eq!(status([Without(SEC_WEBSOCKET_VERSION)]), 400);
    assert_eq!(status([Without(SEC_WEBSOCKET_KEY)]), 400);
    assert_eq!(status([Add(SEC_WEBSOCKET_KEY, KEY.as_bytes())]), 400);
    for (key, expected) in [
        ("", 400),
        ("abc", 400),
        ("dGhlIHNhbXBsZSBub25jZQ=", 400),
        ("dGhlIHNhbXBsZSBub25jZQ", 400),
        ("dGhlIHNhbXBsZSBub25jZQ===", 400),
        ("dGhlIHNhbXBsZSBub25jZXo=", 400),
        ("dGhlIHNhbXBsZSBub25jZXox", 400),
        ("dGhlIHNhbXBsZSBub2-jZQ==", 400),
        ("dGhlIHNhbXBsZ=Bub25jZQ==", 400),
        ("AAAAAAAAAAAAAAAAAAAAAA==", 101),
        ("++++++++++++//////////==", 101),
        (" dGhlIHNhbXBsZSBub25jZQ==\t", 101),
    ] {
        let key = Set(SEC_WEBSOCKET_KEY, key.as_bytes());
        assert_eq!(status([key]), expected);
    }
}

#[test]
fn c04_any_origin_is_welcome_that_is_one() {
    for (origin, expected) in [
        ("https://evil.example", 101),
        ("https://evil.example:8443/path?query#fragment", 101),
        ("null", 101),
        ("", 101),
        ("file://", 101),
        ("app://obsidian.md", 101),
        ("capacitor://localhost", 101),
        ("http://[::1]:8080", 101),
        ("http://user:pass@host:80", 101),
        ("http://host:", 101),
        ("http://[::1", 403),
        ("http://[::1]x", 403),
        ("http://host:port", 403),
        ("http://host:80:80", 403),
        ("http://two words", 403),
        ("1http://host", 403),
        ("ht_tp://host", 403),
        ("://host", 403),
        (":", 403),
    ] {
        let origin_header = Set(ORIGIN, origin.as_bytes());
        assert_eq!(status([origin_header]), expected, "{origin:?}");
    }
}

#[test]
fn c05_offers_of_protocols_and_extensions_do_not_matter() {
    let offers = [
        Set(SEC_WEBSOCKET_PROTOCOL, b"foo"),
        Set(
            SEC_WEBSOCKET_EXTENSIONS,
            b"permessage-deflate; client_max_window_bits",
        ),
    ];
    assert_eq!(status(offers), 101);
}

/// Rows 3 to 10, and two of our own behind them: everything is wrong, then one thing after the other is put right.
#[test]
fn the_first_failing_check_answers() {
    let wrong = [
        Without(SERVER),
        Change::Version(Version::HTTP_10),
        Without(CONNECTION),
        Without(UPGRADE),
        Change::Method(Method::POST),
        Set(SEC_WEBSOCKET_VERSION, b"8"),
        Set(SEC_WEBSOCKET_KEY, b"short"),
        Set(ORIGIN, b"http://[::1"),
        Without(HOST),
        Set(CONTENT_LENGTH, b"5"),
    ];
    let mut parts = request(wrong);
    let mut repaired = |repair: &dyn Fn(&mut Parts)| {
        repair(&mut parts);
        check(&parts, BINARY_HEADERS)
    };
    let old_http = Err(Refusal::NotAnUpgrade("WebSocket needs HTTP/1.1\n"));
    let no_connection = Err(Refusal::NotAnUpgrade("Connection lacks \"upgrade\"\n"));
    let no_upgrade = Err(Refusal::NotAnUpgrade("Upgrade lacks \"websocket\"\n"));
    let bad_key = "Sec-WebSocket-Key must be one base64 value of 16 bytes\n";
    let no_host = Err(Refusal::BadRequest("exactly one Host is required\n"));
    let body = Err(Refusal::BadRequest("an upgrade has no body\n"));
    let insert = |name: HeaderName, text: &'static str| {
        move |parts: &mut Parts| drop(parts.headers.insert(&name, HeaderValue::from_static(text)))
    };
    assert_eq!(repaired(&|_| {}), Err(Refusal::Headers));
    assert_eq!(repaired(&insert(SERVER, "6f1c")), old_http);
    assert_eq!(
        repaired(&|parts| parts.version = Version::HTTP_11),
        no_connection
    );
    assert_eq!(repaired(&insert(CONNECTION, "upgrade")), no_upgrade);
    assert_eq!(
        repaired(&insert(UPGRADE, "websocket")),
        Err(Refusal::Method)
    );
    assert_eq!(
        repaired(&|parts| parts.method = Method::GET),
        Err(Refusal::WebSocketVersion)
    );
    assert_eq!(
        repaired(&insert(SEC_WEBSOCKET_VERSION, "13")),
        Err(Refusal::BadRequest(bad_key))
    );
    assert_eq!(
        repaired(&insert(SEC_WEBSOCKET_KEY, KEY)),
        Err(Refusal::Origin)
    );
    assert_eq!(repaired(&insert(ORIGIN, "null")), no_host);
    assert_eq!(repaired(&insert(HOST, "relay.example")), body);
    assert_eq!(repaired(&insert(CONTENT_LENGTH, "0")), Ok(()));
}

#[test]
fn a_refusal_has_a_status_and_a_line_that_echoes_nothing() {
    for (refusal, status) in [
        (Refusal::Headers, 400),
        (Refusal::NotAnUpgrade("why\n"), 426),
        (Refusal::Method, 405),
        (Refusal::WebSocketVersion, 400),
        (Refusal::BadRequest("why\n"), 400),
        (Refusal::Origin, 403),
    ] {
        assert_eq!(refusal.status().as_u16(), status, "{refusal:?}");
        let body = refusal.body();
        assert!(
            body.ends_with('\n') && body.lines().count() == 1,
            "{body:?}"
        );
    }
}

#[test]
fn connection_and_upgrade_are_lists_of_tokens_in_any_case() {
    for (name, token) in [(CONNECTION, "upgrade"), (UPGRADE, "websocket")] {
        for (list, is_there) in [
            (token.to_owned(), true),
            (token.to_uppercase(), true),
            (format!("keep-alive, {token}"), true),
            (format!("{token},keep-alive"), true),
            (format!(" \t{token}\t , x"), true),
            (format!("x{token}"), false),
            (format!("{token}; q=1"), false),
            (format!("{token} x"), false),
            (String::new(), false),
            (",".to_owned(), false),
        ] {
            let expected = if is_there { 101 } else { 426 };
            let change = Set(name.clone(), list.as_bytes());
            assert_eq!(status([change]), expected, "{name}: {list:?}");
            let in_second_line = [Set(name.clone(), b"x"), Add(name.clone(), list.as_bytes())];
            assert_eq!(status(in_second_line), expected, "{name}: x and {list:?}");
        }
    }
}

#[test]
fn of_a_repeated_header_the_first_instance_counts() {
    let first_good = request([Add(SERVER, b""), Add(USER_AGENT, b"")]);
    assert_eq!(check(&first_good, BINARY_HEADERS), Ok(()));
    assert_eq!(first(&first_good.headers, &SERVER), Some(&b"6f1c"[..]));
    for name in BINARY_HEADERS {
        let first_empty = [Set(name.clone(), b""), Add(name.clone(), b"x")];
        assert_eq!(status(first_empty), 400, "{name}");
    }
    assert_eq!(status([Add(SEC_WEBSOCKET_VERSION, b"8")]), 101);
    assert_eq!(
        status([
            Set(SEC_WEBSOCKET_VERSION, b"8"),
            Add(SEC_WEBSOCKET_VERSION, b"13")
        ]),
        400
    );
}

#[test]
fn values_are_bytes_without_the_blanks_around_them() {
    let odd = b" caf\xe9\tau lait\xff ";
    let parts = request([Set(SERVER, odd), Set(USER_AGENT, b"\x80")]);
    assert_eq!(check(&parts, BINARY_HEADERS), Ok(()));
    assert_eq!(
        first(&parts.headers, &SERVER),
        Some(&b"caf\xe9\tau lait\xff"[..])
    );
    assert_eq!(first(&parts.headers, &DEVICE_NAME), None);
}

#[test]
fn what_would_make_the_framing_ambiguous_is_refused() {
    assert_eq!(status([Add(HOST, b"another.example")]), 400);
    assert_eq!(status([Set(CONTENT_LENGTH, b"1")]), 400);
    assert_eq!(status([Set(CONTENT_LENGTH, b"0")]), 101);
    assert_eq!(status([Set(TRANSFER_ENCODING, b"chunked")]), 400);
    assert_eq!(
        status([Set(CONTENT_LENGTH, b"0"), Add(CONTENT_LENGTH, b"5")]),
        400
    );
}

#[test]
fn http_2_is_no_upgrade() {
    let http2 = [
        Change::Version(Version::HTTP_2),
        Without(CONNECTION),
        Without(UPGRADE),
    ];
    assert_eq!(status(http2), 426);
    assert_eq!(status([Change::Version(Version::HTTP_10)]), 426);
}
