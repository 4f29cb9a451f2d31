//! Flags and environment. The input is a process's, as Linux has them: arguments with a zero byte between them, and
//! behind two zero bytes variables.
//!
//! Any of it makes a configuration that keeps its own bounds, or problems with names; the grammar is Go's; and what is
//! secret decides nothing but whether it is accepted, so that no text can be made of it.

mod grammar;
mod surroundings;

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::time::Duration;

use relay_bin::args::{self, Flags, Invocation};
use relay_bin::config::{
    CertificateSource, Config, Environment, ListenAddr, MAX_DRAIN_DEADLINE, MIN_QUEUE_MEMORY, Mode,
    Secret,
};
use relay_bin::logging::Logging;

use grammar::Reading;

pub(crate) fn command_line(input: &[u8]) {
    let end = input.windows(2).position(|two| two == [0, 0]);
    let (arguments, variables) = match end {
        Some(end) => (&input[..end], &input[end + 2..]),
        None => (input, &[][..]),
    };
    let arguments: Vec<OsString> = items(arguments).collect();
    let Some(flags) = flags(&arguments) else {
        return;
    };
    let environment = surroundings::environment(items(variables));
    let logging = Logging::new(*flags.log_format.value(), environment.rust_log.as_deref());
    if environment.rust_log.is_none() {
        assert_eq!(logging.rejected_filter(), None);
    }
    let judged = Judged::new(&flags, &environment);
    if let Ok(config) = &judged.config {
        assert_bounds(config, &environment);
    }
    let other_secret = with_other_secret(environment);
    assert_eq!(judged, Judged::new(&flags, &other_secret), "a secret shows");
}

fn items(bytes: &[u8]) -> impl Iterator<Item = OsString> {
    let items = bytes.split(|byte| *byte == 0);
    items
        .filter(|_| !bytes.is_empty())
        .map(|item| OsString::from_vec(item.to_vec()))
}

/// The flags, if the process is to run; held against a slow reading of the grammar.
fn flags(arguments: &[OsString]) -> Option<Box<Flags>> {
    let parsed = args::parse(arguments.iter().cloned());
    if let Err(error) = &parsed {
        assert!(!error.problems().is_empty());
        let usage = args::usage().to_string();
        let text = error.to_string();
        let lines = text.strip_suffix(&usage).expect("the usage comes last");
        assert_eq!(lines.lines().count(), error.problems().len(), "{lines}");
        assert!(
            lines
                .lines()
                .all(|line| line.starts_with("pyrycode-relay: "))
        );
    }
    match (grammar::read(arguments), parsed) {
        (Reading::Help, Ok(Invocation::Help)) | (Reading::Broken, Err(_)) => None,
        (Reading::Flags(canonical), parsed) => {
            let again = args::parse(canonical);
            match (parsed, again) {
                (Ok(Invocation::Version), Ok(Invocation::Version)) => None,
                (Ok(Invocation::Run(flags)), Ok(Invocation::Run(again))) => {
                    assert_eq!(format!("{flags:?}"), format!("{again:?}"));
                    Some(flags)
                }
                (Err(error), Err(again)) => {
                    assert_eq!(error.to_string(), again.to_string());
                    None
                }
                (parsed, again) => panic!("{parsed:?}, and written plainly {again:?}"),
            }
        }
        (reading, parsed) => panic!("{parsed:?} instead of {reading:?}"),
    }
}

/// A verdict and all that is ever shown of it.
#[derive(Debug, PartialEq)]
struct Judged {
    config: Result<Config, String>,
    shown: String,
}

impl Judged {
    fn new(flags: &Flags, environment: &Environment) -> Self {
        let judged = Config::from_flags(flags, environment);
        let shown = format!("{environment:?} {judged:?}");
        let config = judged.map_err(|problems| {
            assert!(!problems.is_empty());
            let lines = problems.iter().map(|problem| {
                let text = problem.err();
                assert!(!text.is_empty() && !text.contains('\n'), "{text}");
                assert!(!problem.fields().fix.is_empty(), "{text}: and now?");
                format!("{text} {:?}\n", problem.fields())
            });
            lines.collect()
        });
        Self { config, shown }
    }
}

/// The same with another secret that is as good, or as bad.
fn with_other_secret(environment: Environment) -> Environment {
    const GOOD: &str = include_str!("command_line/service_account.json");
    let other = environment.fcm_credentials.as_ref().map(|secret| {
        let text = secret.expose().to_str();
        let is_good = text.is_some_and(|text| text.parse::<relay_push::Credentials>().is_ok());
        Secret::from(OsString::from(if is_good { GOOD } else { "{}" }))
    });
    Environment {
        fcm_credentials: other,
        ..environment
    }
}

fn assert_bounds(config: &Config, environment: &Environment) {
    assert!(config.drain_deadline > Duration::ZERO);
    assert!(config.drain_deadline <= MAX_DRAIN_DEADLINE);
    assert!(config.drain_spread < config.drain_deadline);
    let half = environment.memory_limit.map_or(u64::MAX, |limit| limit / 2);
    assert!(config.queue_memory >= MIN_QUEUE_MEMORY);
    assert!(config.queue_memory <= half.max(MIN_QUEUE_MEMORY));
    if let Some(addr) = config.metrics_listen {
        assert!(addr.ip().is_loopback() && addr.port() != 0, "{addr}");
    }
    if let Some(limit) = config.admission.rate_limit {
        assert!(limit.burst > 0 && limit.refill >= Duration::from_millis(1));
    }
    let is_on = |variable: &Option<OsString>| variable.as_ref().is_some_and(|value| value == "1");
    let is_insecure = matches!(config.mode, Mode::Insecure { .. });
    if is_on(&environment.production) {
        assert!(!is_insecure, "plain HTTP in production");
        assert_ne!(environment.effective_uid, Some(0), "root in production");
    } else {
        assert_eq!(environment.production, None, "neither on nor refused");
    }
    if environment
        .fly_app_name
        .as_ref()
        .is_some_and(|name| !name.is_empty())
    {
        assert!(is_on(&environment.single_instance), "several instances");
    }
    assert_eq!(config.push.is_some(), environment.fcm_credentials.is_some());
    for listen in listened(&config.mode) {
        let again: Result<ListenAddr, _> = listen.to_string().parse();
        assert_eq!(again.as_ref(), Ok(listen), "{listen}");
    }
}

fn listened(mode: &Mode) -> Vec<&ListenAddr> {
    match mode {
        Mode::Insecure { listen } => vec![listen],
        Mode::Tls {
            listen,
            certificates: CertificateSource::Acme(source),
            ..
        } => vec![listen, &source.http_listen],
        Mode::Tls { listen, .. } => vec![listen],
    }
}
