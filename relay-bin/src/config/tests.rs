//! What the flags come to, and that every mistake is told, with the fields to find it by.

use std::ffi::OsString;

use super::*;
use crate::args::{Invocation, parse};

mod activation;
mod modes;
mod refusals;

const LISTEN: &str = "--insecure-listen=127.0.0.1:8080";

fn configured_in(environment: &Environment, args: &[&str]) -> Result<Config, Vec<ConfigProblem>> {
    match parse(args.iter().map(OsString::from)) {
        Ok(Invocation::Run(flags)) => Config::from_flags(&flags, environment),
        other => panic!("{args:?}: {other:?}"),
    }
}

fn configured(args: &[&str]) -> Result<Config, Vec<ConfigProblem>> {
    configured_in(&Environment::default(), args)
}

fn listen(config: &Config) -> &ListenAddr {
    match &config.mode {
        Mode::Insecure { listen } | Mode::Tls { listen, .. } => listen,
    }
}

#[test]
fn defaults_are_those_of_the_decisions() {
    let config = configured(&[LISTEN]).unwrap();
    assert_eq!(listen(&config).to_string(), "127.0.0.1:8080");
    let admission = &config.admission;
    assert_eq!(admission.max_connections.get(), 10_000);
    assert_eq!(admission.max_connections_per_ip, None);
    let rate_limit = admission.rate_limit.unwrap();
    assert_eq!((rate_limit.burst, rate_limit.refill.as_secs()), (20, 6));
    assert_eq!(
        admission.forwarded_for,
        relay_transport::ForwardedFor::Ignore
    );
    assert_eq!(config.metrics_listen, Some(([127, 0, 0, 1], 9090).into()));
    assert_eq!(config.drain_deadline, Duration::from_secs(10));
    assert_eq!(config.queue_memory, 256 << 20);
    assert_eq!(config.log_format, LogFormat::Logfmt);
    assert_eq!(config.warnings, []);
}

#[test]
fn flags_are_taken_over() {
    let config = configured(&[
        "--insecure-listen=localhost:8080",
        "--max-connections=7",
        "--drain-deadline=1m30s",
        "--queue-memory=1MiB",
        "--log-format=json",
    ])
    .unwrap();
    assert_eq!(listen(&config).host, Host::Name("localhost".to_owned()));
    assert_eq!(config.admission.max_connections.get(), 7);
    assert_eq!(config.drain_deadline, Duration::from_secs(90));
    assert_eq!(config.queue_memory, MIN_QUEUE_MEMORY);
    assert_eq!(config.log_format, LogFormat::Json);
}

#[test]
fn no_mode_names_both_flags() {
    for args in [&[][..], &["--insecure-listen="], &["--insecure-listen", ""]] {
        let problems = configured(args).unwrap_err();
        assert_eq!(problems, [ConfigProblem::NoMode]);
        let text = problems[0].err();
        assert!(
            text.contains("--insecure-listen") && text.contains("--domain"),
            "{text}"
        );
    }
}

#[test]
fn every_problem_is_reported() {
    let problems = configured(&[
        "--insecure-listen=:0",
        "--max-connections=-1",
        "--drain-deadline=2h",
        "--queue-memory=1KiB",
    ])
    .unwrap_err();
    let fields: Vec<_> = problems
        .iter()
        .map(|problem| (problem.err(), problem.fields().addr, problem.fields().value))
        .collect();
    assert_eq!(
        fields,
        [
            (
                "--insecure-listen is not a listen address: port 0 is not a fixed port".to_owned(),
                Some(":0"),
                None
            ),
            (
                "--max-connections must be positive".to_owned(),
                None,
                Some("-1")
            ),
            (
                "--drain-deadline must be longer than zero and at most 1h".to_owned(),
                None,
                Some("2h")
            ),
            (
                "--queue-memory must be at least 1MiB".to_owned(),
                None,
                Some("1KiB")
            ),
        ]
    );
    assert!(
        problems
            .iter()
            .all(|problem| !problem.fields().fix.is_empty())
    );
}

#[test]
fn a_problem_is_one_error_record() {
    use std::sync::Mutex;
    static WRITTEN: Mutex<Vec<u8>> = Mutex::new(Vec::new());
    struct Writer;
    impl std::io::Write for Writer {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            WRITTEN.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    let dispatch = crate::logging::Logging::new(LogFormat::Logfmt, None)
        .with_writer(|| Writer)
        .into_dispatch();
    let problems = configured(&["--insecure-listen=x\nlevel=INFO:80"]).unwrap_err();
    tracing::dispatcher::with_default(&dispatch, || problems.iter().for_each(ConfigProblem::log));
    let text = String::from_utf8(WRITTEN.lock().unwrap().clone()).unwrap();
    let (_, record) = text.split_once(' ').unwrap();
    assert_eq!(
        record,
        "level=ERROR msg=\"configuration refused\" \
         err=\"--insecure-listen is not a listen address: host is neither an IP address nor a hostname\" \
         addr=\"x\\nlevel=INFO:80\" fix=\"give host:port, :port or [v6]:port, port 1 to 65535\"\n"
    );
}

#[test]
fn counts_and_durations_have_bounds() {
    for (flag, ok) in [
        ("--max-connections=0", false),
        ("--max-connections=-9223372036854775808", false),
        ("--max-connections=1", true),
        ("--max-connections=9223372036854775807", true),
        ("--drain-deadline=0", false),
        ("--drain-deadline=0.5ns", false),
        ("--drain-deadline=1ns", true),
        ("--drain-deadline=1h", true),
        ("--drain-deadline=1h1ns", false),
        ("--drain-spread=10s", false),
        ("--drain-spread=9999ms", true),
        ("--queue-memory=0", false),
        ("--queue-memory=1048575", false),
        ("--queue-memory=1048576", true),
    ] {
        assert_eq!(configured(&[LISTEN, flag]).is_ok(), ok, "{flag}");
    }
}

#[test]
fn a_spread_is_shorter_than_its_deadline() {
    for (deadline, spread, refused) in [
        (
            "--drain-deadline=2s",
            "--drain-spread=2s",
            &["drain-spread"][..],
        ),
        ("--drain-deadline=2s", "--drain-spread=1999ms", &[]),
        (
            "--drain-deadline=0s",
            "--drain-spread=1s",
            &["drain-deadline"],
        ),
    ] {
        let problems = configured(&[LISTEN, deadline, spread]).err();
        let named = problems.unwrap_or_default().into_iter().map(|problem| {
            let ConfigProblem::Value { flag, .. } = problem else {
                panic!("{problem:?}");
            };
            flag
        });
        assert_eq!(named.collect::<Vec<_>>(), refused, "{deadline} {spread}");
    }
}

#[test]
fn queue_memory_is_at_most_half_of_the_limit() {
    const MIB: u64 = 1 << 20;
    let capped = |requested, granted| ConfigWarning::QueueMemoryCapped { requested, granted };
    for (limit, flag, queue_memory, warning) in [
        (None, None, 256 * MIB, None),
        (Some(2048 * MIB), None, 256 * MIB, None),
        (Some(512 * MIB), None, 256 * MIB, None),
        // The default gives way without a word, a wish does not.
        (Some(256 * MIB), None, 128 * MIB, None),
        (Some(256 * MIB), Some("100MiB"), 100 * MIB, None),
        (
            Some(256 * MIB),
            Some("256MiB"),
            128 * MIB,
            Some(capped(256 * MIB, 128 * MIB)),
        ),
        // Never below what a queue needs at least.
        (Some(1), None, MIB, None),
        (Some(0), Some("1MiB"), MIB, None),
    ] {
        let environment = Environment {
            memory_limit: limit,
            ..Environment::default()
        };
        let flag = flag.map(|size| format!("--queue-memory={size}"));
        let args: Vec<_> = std::iter::once(LISTEN).chain(flag.as_deref()).collect();
        let config = configured_in(&environment, &args).unwrap();
        assert_eq!(config.queue_memory, queue_memory, "{limit:?} {flag:?}");
        assert_eq!(
            config.warnings,
            Vec::from_iter(warning),
            "{limit:?} {flag:?}"
        );
    }
}

#[test]
fn listen_addresses() {
    use ListenAddrError::{BadHost, BadIpv6, BadPort, NoPort, PortZero, Unbracketed};

    let long = format!("{}:80", ["a"; 200].join("."));
    for (text, literal) in [
        (":8080", Some("[::]:8080")),
        ("127.0.0.1:8080", Some("127.0.0.1:8080")),
        ("0.0.0.0:1", Some("0.0.0.0:1")),
        ("[::1]:65535", Some("[::1]:65535")),
        ("[::]:80", Some("[::]:80")),
        ("[fe80::1%eth0]:80", None),
        ("localhost:8080", None),
        ("relay.internal.:80", None),
        ("my_relay-1:80", None),
    ] {
        let addr: ListenAddr = text.parse().unwrap();
        assert_eq!(addr.to_string(), text);
        let literal = literal.map(|literal| literal.parse().unwrap());
        assert_eq!(addr.literal(), literal, "{text}");
    }
    for (text, error) in [
        ("", NoPort),
        ("notaport", NoPort),
        ("127.0.0.1", NoPort),
        ("127.0.0.1:", NoPort),
        (":", NoPort),
        ("[::1]", NoPort),
        ("[::1]80", NoPort),
        (":0", PortZero),
        ("[::1]:0", PortZero),
        (":00000", PortZero),
        (":99999", BadPort),
        (":65536", BadPort),
        (":http", BadPort),
        (":-1", BadPort),
        (":+80", BadPort),
        (":80 ", BadPort),
        (":٣", BadPort),
        ("::1:80", Unbracketed),
        ("http://localhost:80", Unbracketed),
        ("[::1:80", BadIpv6),
        ("[]:80", BadIpv6),
        ("[127.0.0.1]:80", BadIpv6),
        ("[fe80::1%]:80", BadIpv6),
        ("[fe80::1%a b]:80", BadIpv6),
        ("1.2.3:80", BadHost),
        ("256.1.1.1:80", BadHost),
        ("1.2.3.4.:80", BadHost),
        (".:80", BadHost),
        ("a..b:80", BadHost),
        (" localhost:80", BadHost),
        ("a/b:80", BadHost),
        ("bücher.example:80", BadHost),
        (long.as_str(), BadHost),
    ] {
        assert_eq!(text.parse::<ListenAddr>(), Err(error), "{text:?}");
    }
}
