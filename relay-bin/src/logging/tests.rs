//! Whatever a value holds, a record is one line that says what was logged.

use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use tracing::dispatcher::with_default;
use tracing::{debug, error, info, trace, warn};

use super::clip::Clipped;
use super::*;

/// A module that speaks of peers, unlike this one.
const PEERS: &str = "relay_transport::endpoint";

const TIME: &str = "2026-10-04T07:05:03.042Z";

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn logged_with(filter: Option<&str>, format: LogFormat, emit: impl FnOnce()) -> String {
    let written = Written::default();
    let writer = written.clone();
    let dispatch = Logging::new(format, filter)
        .with_clock(Clock::from_fn(|| {
            SystemTime::UNIX_EPOCH + Duration::from_millis(1_791_097_503_042)
        }))
        .with_writer(move || writer.clone())
        .into_dispatch();
    with_default(&dispatch, emit);
    let written = written.0.lock().unwrap().clone();
    String::from_utf8(written).unwrap()
}

fn logfmt(emit: impl FnOnce()) -> String {
    logged_with(None, LogFormat::Logfmt, emit)
}

fn json(emit: impl FnOnce()) -> String {
    logged_with(None, LogFormat::Json, emit)
}

/// Reads one logfmt record; panics when the text is not exactly one.
fn parse_logfmt(text: &str) -> Vec<(String, Vec<u8>)> {
    let mut rest = text.strip_suffix('\n').expect("a record ends its line");
    assert!(!rest.contains(char::is_control), "{rest:?}");
    let mut pairs = Vec::new();
    loop {
        let (key, tail) = rest.split_once('=').unwrap();
        let (value, tail) = match tail.strip_prefix('"') {
            Some(quoted) => unquote(quoted),
            None => {
                let (value, tail) = tail.split_at(tail.find(' ').unwrap_or(tail.len()));
                assert!(!value.is_empty() && !value.contains(['"', '=']), "{text:?}");
                (value.as_bytes().to_vec(), tail)
            }
        };
        pairs.push((key.to_owned(), value));
        match tail.strip_prefix(' ') {
            Some(next) => rest = next,
            None => break assert_eq!(tail, ""),
        }
    }
    pairs
}

/// Go's `strconv.Unquote`, from behind the opening quote.
fn unquote(text: &str) -> (Vec<u8>, &str) {
    let mut value = Vec::new();
    let mut chars = text.chars();
    let take = |chars: &mut std::str::Chars<'_>, digits| {
        let digits: String = chars.take(digits).collect();
        u32::from_str_radix(&digits, 16).unwrap()
    };
    loop {
        let c = match chars.next().expect("a closing quote") {
            '"' => return (value, chars.as_str()),
            '\\' => match chars.next().unwrap() {
                'a' => '\x07',
                'b' => '\x08',
                'f' => '\x0c',
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'v' => '\x0b',
                'x' => {
                    value.push(u8::try_from(take(&mut chars, 2)).unwrap());
                    continue;
                }
                'u' => char::from_u32(take(&mut chars, 4)).unwrap(),
                'U' => char::from_u32(take(&mut chars, 8)).unwrap(),
                c @ ('"' | '\\') => c,
                c => panic!("no escape: {c}"),
            },
            c => c,
        };
        value.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    }
}

/// Logs `value` under `device_name` in both formats, and checks that it comes back and brings nothing with it.
fn check_survives(value: &[u8]) {
    let emit =
        || info!(target: PEERS, device_name = value, remote = "10.0.0.1", "phone_registered");
    let expected = Clipped::of(value, MAX_VALUE_LEN);

    let pairs = parse_logfmt(&logfmt(emit));
    let want: [(&str, &[u8]); 5] = [
        ("time", TIME.as_bytes()),
        ("level", b"INFO"),
        ("msg", b"phone_registered"),
        ("device_name", expected.as_bytes()),
        ("remote", b"10.0.0.1"),
    ];
    let got: Vec<_> = pairs
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_slice()))
        .collect();
    assert_eq!(got, want);

    let line = json(emit);
    let line = line.strip_suffix('\n').unwrap();
    assert!(line.chars().all(printable::is_printable), "{line:?}");
    let parsed: serde_json::Value = serde_json::from_str(line).unwrap();
    assert_eq!(
        parsed,
        serde_json::json!({
            "time": TIME,
            "level": "INFO",
            "msg": "phone_registered",
            "device_name": String::from_utf8_lossy(expected.as_bytes()),
            "remote": "10.0.0.1",
        })
    );
}

#[test]
fn a_record_reads_as_documented() {
    let emit = || {
        info!(
            server_id = "s1",
            conn_id = %format_args!("client-{}", 7),
            device_name = "Ada's phone",
            close_code = 1001,
            clean = true,
            missing = None::<&str>,
            "phone_registered"
        );
    };
    assert_eq!(
        logfmt(emit),
        "time=2026-10-04T07:05:03.042Z level=INFO msg=phone_registered server_id=s1 \
         conn_id=client-7 device_name=\"Ada's phone\" close_code=1001 clean=true\n"
    );
    assert_eq!(
        json(emit),
        "{\"time\":\"2026-10-04T07:05:03.042Z\",\"level\":\"INFO\",\"msg\":\"phone_registered\",\
         \"server_id\":\"s1\",\"conn_id\":\"client-7\",\"device_name\":\"Ada's phone\",\
         \"close_code\":1001,\"clean\":true}\n"
    );
}

#[test]
fn values_are_quoted_as_go_quotes_them() {
    for (value, shown) in [
        ("plain", "plain"),
        ("[::1]:8080", "[::1]:8080"),
        ("", r#""""#),
        ("two words", r#""two words""#),
        ("a=b", r#""a=b""#),
        (r#"say "hi""#, r#""say \"hi\"""#),
        // What `rate_limited` has always logged.
        (r#""1.2.3.4""#, r#""\"1.2.3.4\"""#),
        (r"back\slash", r"back\slash"),
        (r"back\slash and space", r#""back\\slash and space""#),
        ("\x07\x08\x0c\n\r\t\x0b", r#""\a\b\f\n\r\t\v""#),
        ("\0\x1b[31m\x7f", r#""\x00\x1b[31m\x7f""#),
        ("\u{85}\u{a0}\u{2028}", r#""\u0085\u00a0\u2028""#),
        ("\u{202e}\u{feff}", r#""\u202e\ufeff""#),
        ("\u{e0001}\u{10ffff}", r#""\U000e0001\U0010ffff""#),
        ("Zoë", "Zoë"),
        ("e\u{301}", "e\u{301}"),
        ("हिन्दी", "हिन्दी"),
        ("📱", "📱"),
        ("…", "…"),
    ] {
        let line = logfmt(|| info!(v = value, "m"));
        assert_eq!(line, format!("time={TIME} level=INFO msg=m v={shown}\n"));
        check_survives(value.as_bytes());
    }
}

#[test]
fn hostile_values_make_one_record_each() {
    let long = "\"\\\n".repeat(1000);
    let hostile: &[&[u8]] = &[
        b"x\ntime=2026-01-01T00:00:00.000Z level=ERROR msg=forged",
        b"x err=forged",
        b"\" err=\"forged",
        b"\\\" err=forged \\",
        b"\\",
        b"x\r\n{\"level\":\"ERROR\",\"msg\":\"forged\"}",
        b"\",\"level\":\"ERROR\",\"x\":\"",
        b"\x1b[2J\x1b]0;title\x07\x9b31m",
        b"\xff\xfe\x80",
        b"caf\xe9",
        b"\xed\xa0\x80",
        b"cut off \xf0\x9f\x93",
        "\u{202e}gnp.exe\u{2066}".as_bytes(),
        long.as_bytes(),
    ];
    for value in hostile {
        check_survives(value);
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        rng_seed: RngSeed::Fixed(1),
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_bytes_make_one_record(value: Vec<u8>) {
        check_survives(&value);
    }

    #[test]
    fn any_text_makes_one_record(value: String) {
        check_survives(value.as_bytes());
    }
}

#[test]
fn a_hostile_message_makes_one_record() {
    let emit = || info!("{}", "stray\nlevel=ERROR \"x\"");
    let pairs = parse_logfmt(&logfmt(emit));
    assert_eq!(
        pairs[2],
        ("msg".into(), b"stray\nlevel=ERROR \"x\"".to_vec())
    );
    let parsed: serde_json::Value = serde_json::from_str(&json(emit)).unwrap();
    assert_eq!(parsed["msg"], "stray\nlevel=ERROR \"x\"");
    assert!(logfmt(|| info!(server_id = "s1")).ends_with("level=INFO msg=\"\" server_id=s1\n"));
}

#[test]
fn kinds_of_values_keep_their_kind_in_json() {
    let fault = "x".parse::<u8>().unwrap_err();
    let fault = io::Error::other(fault);
    let line = json(|| {
        info!(
            int = -1,
            big = u128::MAX,
            float = 0.5,
            nan = f64::NAN,
            debug = ?Duration::from_micros(152_300),
            err = &fault as &(dyn std::error::Error + 'static),
            "m"
        );
    });
    assert!(
        line.ends_with(
            "\"msg\":\"m\",\"int\":-1,\"big\":340282366920938463463374607431768211455,\
             \"float\":0.5,\"nan\":\"NaN\",\"debug\":\"152.3ms\",\
             \"err\":\"invalid digit found in string\"}\n"
        ),
        "{line}"
    );
}

#[test]
fn an_error_is_logged_with_its_causes() {
    #[derive(Debug, thiserror::Error)]
    #[error("cannot listen")]
    struct Outer(#[source] io::Error);

    let fault = Outer(io::ErrorKind::AddrInUse.into());
    let fault: &(dyn std::error::Error + 'static) = &fault;
    let line = logfmt(|| error!(err = fault, "listener failed"));
    assert!(
        line.ends_with("err=\"cannot listen: address in use\"\n"),
        "{line}"
    );
}

#[test]
fn long_values_are_cut_between_characters() {
    let show = |value: &str| {
        String::from_utf8(Clipped::of(value.as_bytes(), 256).as_bytes().to_vec()).unwrap()
    };
    let a = |count| "a".repeat(count);
    assert_eq!(show(&a(256)), a(256));
    assert_eq!(show(&a(257)), a(256) + "…");
    assert_eq!(show(&(a(255) + "é")), a(255) + "…");
    assert_eq!(show(&(a(253) + "📱x")), a(253) + "…");
    assert_eq!(show(&(a(252) + "📱x")), a(252) + "📱…");
    // What is not UTF-8 has no boundaries to find.
    assert_eq!(
        Clipped::of(&[0x80; 300], 256).as_bytes()[..256],
        [0x80; 256]
    );

    let line = logfmt(|| info!(target: PEERS, device_name = %a(100_000), "m"));
    assert_eq!(
        line.len(),
        format!("time={TIME} level=INFO msg=m device_name=…\n").len() + 256
    );
    let own = logfmt(|| info!(value = %a(100_000), "m"));
    assert_eq!(
        own.len(),
        format!("time={TIME} level=INFO msg=m value=…\n").len() + 2048
    );
    let namesake = logfmt(|| info!(target: "relay_bin_of_others", value = %a(2000), "m"));
    assert!(namesake.len() < 400);
}

struct Endless;

impl fmt::Display for Endless {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for _ in 0..10_000 {
            // A type that does not expect its writer to fail.
            f.write_str("0123456789").unwrap();
        }
        Err(fmt::Error)
    }
}

#[test]
fn a_value_that_formats_badly_costs_only_itself() {
    let line = logfmt(|| warn!(v = %Endless, after = 1, "m"));
    assert_eq!(line.matches('…').count(), 1);
    assert!(line.ends_with(" after=1\n"), "{line}");

    struct Panics;
    impl fmt::Display for Panics {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            panic!("in a Display")
        }
    }
    let line = logfmt(|| {
        catch_unwind(AssertUnwindSafe(|| info!(v = %Panics, "lost"))).unwrap_err();
        info!("kept");
    });
    assert_eq!(line, format!("time={TIME} level=INFO msg=kept\n"));
}

#[test]
fn the_filter_starts_from_info() {
    let levels = |filter| {
        logged_with(filter, LogFormat::Logfmt, || {
            error!("");
            warn!("");
            info!("");
            debug!("");
            trace!("");
            debug!(target: "near", "");
        })
        .lines()
        .map(|line| line.split(' ').nth(1).unwrap()["level=".len()..].to_owned())
        .collect::<Vec<_>>()
        .join(" ")
    };
    assert_eq!(levels(None), "ERROR WARN INFO");
    assert_eq!(levels(Some("")), "ERROR WARN INFO");
    assert_eq!(levels(Some("warn")), "ERROR WARN");
    assert_eq!(levels(Some("off")), "");
    assert_eq!(levels(Some("trace")), "ERROR WARN INFO DEBUG TRACE DEBUG");
    assert_eq!(levels(Some("near=debug")), "ERROR WARN INFO DEBUG");
    assert_eq!(levels(Some("near=debug,error")), "ERROR DEBUG");
    assert_eq!(levels(Some("near=loud")), "ERROR WARN INFO");
}

#[test]
fn a_filter_that_cannot_be_read_is_told() {
    let rejected = |filter| {
        Logging::new(LogFormat::Logfmt, filter)
            .rejected_filter()
            .is_some()
    };
    assert!(!rejected(None));
    assert!(!rejected(Some("relay_core=debug,warn")));
    assert!(rejected(Some("near=loud")));
}

#[test]
fn a_record_is_one_write_and_a_failed_one_is_survived() {
    struct Broken<'a>(&'a Mutex<Vec<usize>>);
    impl io::Write for Broken<'_> {
        fn write(&mut self, record: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().push(record.len());
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    static WRITES: Mutex<Vec<usize>> = Mutex::new(Vec::new());
    let dispatch = Logging::new(LogFormat::Json, None)
        .with_writer(|| Broken(&WRITES))
        .into_dispatch();
    with_default(&dispatch, || {
        info!(server_id = "s1", "one");
        info!(server_id = "s1", "two");
    });
    let writes = WRITES.lock().unwrap();
    assert_eq!(writes.len(), 2);
    assert_eq!(writes[0], writes[1]);
}
