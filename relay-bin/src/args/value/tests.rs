//! Value by value: what Go takes is taken, what it refuses is refused.

use super::*;

fn check<T: FlagValue + PartialEq + std::fmt::Debug>(cases: &[(&str, Option<T>)]) {
    for (text, value) in cases {
        let read = T::from_raw(OsStr::new(text));
        assert_eq!(read.as_ref().ok(), value.as_ref(), "{text:?}");
    }
}

#[test]
fn booleans() {
    for text in ["1", "t", "T", "true", "TRUE", "True"] {
        check(&[(text, Some(true))]);
    }
    for text in ["0", "f", "F", "false", "FALSE", "False"] {
        check(&[(text, Some(false))]);
    }
    for text in ["", "yes", "tRUE", "on", " 1", "01"] {
        check::<bool>(&[(text, None)]);
    }
}

#[test]
fn integers() {
    check::<i64>(&[
        ("0", Some(0)),
        ("10000", Some(10_000)),
        ("+5", Some(5)),
        ("-1", Some(-1)),
        ("0x1F", Some(31)),
        ("-0X1f", Some(-31)),
        ("0o17", Some(15)),
        ("0O17", Some(15)),
        ("017", Some(15)),
        ("-017", Some(-15)),
        ("00", Some(0)),
        ("0b101", Some(5)),
        ("0B101", Some(5)),
        ("1_000", Some(1000)),
        ("0x_ff", Some(255)),
        ("0_7", Some(7)),
        ("9223372036854775807", Some(i64::MAX)),
        ("-9223372036854775808", Some(i64::MIN)),
        ("9223372036854775808", None),
        ("-0x8000000000000001", None),
        ("", None),
        ("-", None),
        ("abc", None),
        ("1.0", None),
        ("1e3", None),
        (" 1", None),
        ("1 ", None),
        ("--1", None),
        ("+-1", None),
        ("0x", None),
        ("0x-1", None),
        ("0b2", None),
        ("08", None),
        ("_1", None),
        ("1_", None),
        ("1__0", None),
        ("0x_", None),
        ("٣", None),
    ]);
}

#[test]
fn durations() {
    let nanos = |nanos| Some(Duration::from_nanos(nanos));
    let seconds = |seconds| Some(Duration::from_secs(seconds));
    check::<Duration>(&[
        ("0", seconds(0)),
        ("+0", seconds(0)),
        ("0s", seconds(0)),
        ("10s", seconds(10)),
        ("+10s", seconds(10)),
        ("1m30s", seconds(90)),
        ("30s1m", seconds(90)),
        ("1h2m3s4ms5us6ns", nanos(3_723_004_005_006)),
        ("500ms", nanos(500_000_000)),
        ("7µs", nanos(7_000)),
        ("7μs", nanos(7_000)),
        ("1.5s", nanos(1_500_000_000)),
        (".5s", nanos(500_000_000)),
        ("5.s", seconds(5)),
        ("0.1h", seconds(360)),
        ("0.0000000001s", seconds(0)),
        ("0.33333333333333333333h", nanos(1_199_999_999_999)),
        ("9223372036854775807ns", nanos(i64::MAX.unsigned_abs())),
        ("9223372036854775808ns", None),
        ("2562048h", None),
        ("99999999999999999999s", None),
        ("", None),
        ("+", None),
        ("10", None),
        ("s", None),
        (".s", None),
        ("1.2.3s", None),
        ("10 s", None),
        ("10S", None),
        ("1d", None),
        ("-10s", None),
        ("1s-1s", None),
        ("1s1", None),
    ]);
}

#[test]
fn sizes() {
    check::<ByteSize>(&[
        ("0", Some(ByteSize(0))),
        ("4096", Some(ByteSize(4096))),
        ("1KiB", Some(ByteSize(1024))),
        ("256MiB", Some(ByteSize(268_435_456))),
        ("2GiB", Some(ByteSize(2_147_483_648))),
        ("1KB", Some(ByteSize(1000))),
        ("300MB", Some(ByteSize(300_000_000))),
        ("1GB", Some(ByteSize(1_000_000_000))),
        ("18446744073709551615", Some(ByteSize(u64::MAX))),
        ("18446744073709551616", None),
        ("18014398509481984KiB", None),
        ("", None),
        ("MiB", None),
        ("1M", None),
        ("1mib", None),
        ("1B", None),
        ("1 MiB", None),
        ("1.5GiB", None),
        ("+1", None),
        ("-1", None),
        ("1KiBKiB", None),
        ("0x10", None),
    ]);
}
