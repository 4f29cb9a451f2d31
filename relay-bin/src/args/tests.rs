//! The grammar of the existing relay's command line, and nothing about what values mean.

use std::os::unix::ffi::OsStringExt;
use std::time::Duration;

use super::*;
use crate::logging::LogFormat;

fn parse_all(args: &[&str]) -> Result<Invocation, UsageError> {
    parse(args.iter().map(OsString::from))
}

fn flags(args: &[&str]) -> Flags {
    match parse_all(args) {
        Ok(Invocation::Run(flags)) => *flags,
        other => panic!("{args:?}: {other:?}"),
    }
}

/// The problems' texts.
fn problems(args: &[&str]) -> Vec<String> {
    match parse_all(args) {
        Err(error) => error.problems().iter().map(ToString::to_string).collect(),
        other => panic!("{args:?}: {other:?}"),
    }
}

#[test]
fn nothing_given_means_the_defaults() {
    let flags = flags(&[]);
    assert_eq!(flags.insecure_listen.value(), "");
    assert_eq!(*flags.max_connections.value(), 10_000);
    assert_eq!(*flags.drain_deadline.value(), Duration::from_secs(10));
    assert_eq!(*flags.queue_memory.value(), ByteSize(256 << 20));
    assert_eq!(*flags.log_format.value(), LogFormat::Logfmt);
    assert!(!flags.insecure_listen.is_present() && !flags.max_connections.is_present());
    assert_eq!(flags.max_connections.raw(), None);
}

#[test]
fn a_flag_is_spelt_in_any_of_gos_ways() {
    for (args, max_connections) in [
        (&["--max-connections", "5"][..], 5),
        (&["-max-connections", "5"], 5),
        (&["--max-connections=5"], 5),
        (&["-max-connections=5"], 5),
        // A value is a value, whatever it looks like.
        (&["--max-connections", "-1"], -1),
        (&["--max-connections=-1"], -1),
        // The last one wins, and every one must be right.
        (&["-max-connections=5", "--max-connections", "6"], 6),
        // Parsing ends here, without a word.
        (
            &[
                "--max-connections=5",
                "run",
                "--max-connections=6",
                "--bogus",
            ],
            5,
        ),
        (&["--max-connections=5", "--", "--max-connections=6"], 5),
        (&["--max-connections=5", "-", "--max-connections=6"], 5),
        (&["--max-connections=5", "", "--max-connections=6"], 5),
        // A boolean does not take the next argument.
        (&["--version=false", "--max-connections=5"], 5),
    ] {
        let flags = flags(args);
        assert_eq!(*flags.max_connections.value(), max_connections, "{args:?}");
        assert!(flags.max_connections.is_present());
    }
}

#[test]
fn text_is_taken_whole() {
    for (args, text) in [
        (&["--insecure-listen", "--version"][..], "--version"),
        (&["--insecure-listen", "--"], "--"),
        (&["--insecure-listen=a=b"], "a=b"),
        (&["--insecure-listen="], ""),
        (&["--insecure-listen", ""], ""),
    ] {
        let flags = flags(args);
        assert_eq!(flags.insecure_listen.value(), text, "{args:?}");
        assert_eq!(flags.insecure_listen.raw(), Some(OsStr::new(text)));
    }
}

#[test]
fn a_flag_given_its_default_is_present_and_keeps_its_spelling() {
    let flags = flags(&["--max-connections=0x2710", "--queue-memory", "256MiB"]);
    assert_eq!(*flags.max_connections.value(), 10_000);
    assert_eq!(flags.max_connections.raw(), Some(OsStr::new("0x2710")));
    assert!(flags.queue_memory.is_present() && !flags.drain_deadline.is_present());
}

#[test]
fn version_and_help_are_not_runs() {
    for args in [
        &["--version"][..],
        &["-version"],
        &["--version=1"],
        &[
            "--max-connections",
            "0",
            "--insecure-listen",
            "nonsense",
            "-version",
            "--",
            "x",
        ],
        &["--version", "stray", "--bogus"],
    ] {
        assert!(
            matches!(parse_all(args), Ok(Invocation::Version)),
            "{args:?}"
        );
    }
    for args in [
        &["-h"][..],
        &["--h"],
        &["-help"],
        &["--help"],
        &["--help=x"],
        &["--version", "-h", "--bogus"],
    ] {
        assert!(matches!(parse_all(args), Ok(Invocation::Help)), "{args:?}");
    }
    assert!(matches!(
        parse_all(&["--version=false"]),
        Ok(Invocation::Run(_))
    ));
}

#[test]
fn what_cannot_be_read_is_told() {
    for (args, problem) in [
        (&["--bogus"][..], r#"unknown flag "bogus""#),
        (&["--bogus", "5"], r#"unknown flag "bogus""#),
        (&["-x\n=y"], r#"unknown flag "x\n""#),
        (&["-max"], r#"unknown flag "max""#),
        (
            &["--max_connections=1"],
            r#"unknown flag "max_connections""#,
        ),
        (&["--Version"], r#"unknown flag "Version""#),
        (&["---version"], r#"bad flag syntax "---version""#),
        (&["--=5"], r#"bad flag syntax "--=5""#),
        (&["-=5"], r#"bad flag syntax "-=5""#),
        (
            &["--max-connections"],
            "flag --max-connections needs a value",
        ),
        (
            &["--max-connections", "abc"],
            r#"flag --max-connections does not take "abc": want a 64-bit integer such as 10000 or 0x2710"#,
        ),
        (
            &["--version=yes"],
            r#"flag --version does not take "yes": want true or false"#,
        ),
        (
            &["--log-format=xml"],
            r#"flag --log-format does not take "xml": want logfmt or json"#,
        ),
        (
            &["--version", "--max-connections="],
            r#"flag --max-connections does not take "": want a 64-bit integer such as 10000 or 0x2710"#,
        ),
    ] {
        assert_eq!(problems(args), [problem], "{args:?}");
    }
}

#[test]
fn all_problems_are_told_up_to_where_the_next_one_is_a_guess() {
    let found = problems(&[
        "--max-connections=many",
        "--bogus=1",
        "---x",
        "--drain-deadline",
        "soon",
        "--queue-memory",
    ]);
    assert_eq!(found.len(), 5, "{found:#?}");
    // `-1` may be the value of `--bogus`.
    assert_eq!(
        problems(&["--bogus", "-1", "--drain-deadline=soon"]).len(),
        1
    );
    // Go stops at the first problem, before it sees that help was asked for.
    assert_eq!(
        problems(&["--bogus=1", "--help", "--drain-deadline=soon"]).len(),
        1
    );
}

#[test]
fn bytes_that_are_not_text_are_refused_and_shown_escaped() {
    let bad = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
    for args in [
        vec![bad(b"--insecure-listen=\xff:80")],
        vec![bad(b"--insecure-listen"), bad(b"\xff:80")],
    ] {
        let error = parse(args).unwrap_err();
        let [UsageProblem::BadValue { name, raw, source }] = error.problems() else {
            panic!("{error}");
        };
        assert_eq!((*name, *source), ("insecure-listen", ValueError::NotUtf8));
        assert_eq!(*raw, bad(b"\xff:80"));
        assert!(error.to_string().contains(r#""\xFF:80""#), "{error}");
    }
    assert!(parse([bad(b"--\xff")]).is_err());
    assert!(matches!(
        parse([bad(b"\xff"), bad(b"--\xff")]),
        Ok(Invocation::Run(_))
    ));
}

#[test]
fn a_usage_error_ends_with_the_usage() {
    let error = parse_all(&["--max-connections=x\n", "--bogus"]).unwrap_err();
    let text = error.to_string();
    let mut lines = text.lines();
    for _ in error.problems() {
        assert!(lines.next().unwrap().starts_with("pyrycode-relay: "));
    }
    assert!(text.ends_with(&usage().to_string()));
    for flag in TABLE {
        assert!(text.contains(&format!("\n  --{}", flag.name)));
    }
}

#[test]
fn every_default_is_of_its_flags_kind_and_every_name_its_own() {
    let _ = Flags::default();
    for (index, flag) in TABLE.iter().enumerate() {
        assert!(
            TABLE[index + 1..]
                .iter()
                .all(|other| other.name != flag.name)
        );
        assert!(
            flag.name
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'-')
        );
        assert!(!matches!(flag.name, "h" | "help"));
    }
}
