//! What the environment makes of a configuration: switches, production, platforms, privileges, limits.

use std::num::NonZeroUsize;

use relay_transport::ForwardedFor;

use super::*;
use crate::boot::capabilities::{Capabilities, CapabilityError, CapabilityMask};

fn env(change: impl FnOnce(&mut Environment)) -> Environment {
    let mut environment = Environment::default();
    change(&mut environment);
    environment
}

fn set(value: &str) -> Option<OsString> {
    Some(value.into())
}

fn refused(environment: &Environment, args: &[&str]) -> Vec<ConfigProblem> {
    configured_in(environment, args).unwrap_err()
}

#[test]
fn o07_a_switch_is_1_or_absent() {
    for value in ["", "0", "true", "yes", " 1", "1 ", "PRODUCTION"] {
        for (name, environment) in [
            (PRODUCTION, env(|env| env.production = set(value))),
            (SINGLE_INSTANCE, env(|env| env.single_instance = set(value))),
        ] {
            let problems = refused(&environment, &[LISTEN]);
            let [problem] = &problems[..] else {
                panic!("{value:?}: {problems:?}");
            };
            let fields = problem.fields();
            assert_eq!(fields.env_var, Some(name));
            let reason = fields.reason.unwrap();
            assert!(reason.starts_with("malformed-value: "), "{reason}");
            assert!(reason.contains(&format!("{value:?}")), "{reason}");
            assert!(!problem.err().contains(value) || value.trim().len() < 2);
        }
    }
}

#[test]
fn o08_both_malformed_switches_are_told() {
    let environment = env(|env| {
        env.production = set("on");
        env.single_instance = set("on");
    });
    let problems = refused(&environment, &[LISTEN]);
    let named: Vec<_> = problems.iter().map(|p| p.fields().env_var).collect();
    assert_eq!(named, [Some(PRODUCTION), Some(SINGLE_INSTANCE)]);
}

#[test]
fn o09_o10_production_refuses_plain_http_and_root_with_a_fix() {
    let environment = env(|env| {
        env.production = set("1");
        env.effective_uid = Some(0);
    });
    let problems = refused(&environment, &[LISTEN]);
    assert_eq!(
        problems,
        [
            ConfigProblem::InsecureInProduction,
            ConfigProblem::RootInProduction { effective_uid: 0 },
        ]
    );
    for problem in &problems {
        assert_eq!(problem.fields().env_var, Some(PRODUCTION));
        assert!(!problem.fields().fix.is_empty());
    }
    assert_eq!(problems[1].fields().effective_uid, Some(0));
    let root = env(|env| env.effective_uid = Some(0));
    assert_eq!(configured_in(&root, &[LISTEN]).unwrap().warnings, []);
}

#[test]
fn o11_a_platform_of_many_needs_the_assertion() {
    let fly = |single: Option<OsString>| {
        env(|env| {
            env.fly_app_name = set("secret-name");
            env.single_instance = single;
        })
    };
    let problems = refused(&fly(None), &[LISTEN]);
    let [problem] = &problems[..] else {
        panic!("{problems:?}");
    };
    let err = problem.err();
    assert!(err.contains("multi-instance deploy detected") && err.contains(SINGLE_INSTANCE));
    assert!(!err.contains("secret-name"));
    assert_eq!(problem.fields().bypass_env_var, Some(SINGLE_INSTANCE));
    assert!(configured_in(&fly(set("1")), &[LISTEN]).is_ok());
    let malformed = refused(&fly(set("true")), &[LISTEN]);
    assert_eq!(malformed.len(), 1, "{malformed:?}");
    assert_eq!(malformed[0].fields().env_var, Some(SINGLE_INSTANCE));
}

#[test]
fn o13_capabilities_refuse_in_production_and_warn_elsewhere() {
    let extra = CapabilityMask(1 | 1 << 21);
    for (capabilities, error) in [
        (
            Capabilities::Effective(extra),
            Some(CapabilityError::Unexpected(extra)),
        ),
        (
            Capabilities::Unreadable(CapabilityError::Missing),
            Some(CapabilityError::Missing),
        ),
        (Capabilities::Effective(CapabilityMask(1 << 10)), None),
        (Capabilities::Unknown, None),
    ] {
        let outside = env(|env| env.capabilities = capabilities.clone());
        let warnings = configured_in(&outside, &[LISTEN]).unwrap().warnings;
        let warning = error.clone().map(ConfigWarning::Capabilities);
        assert_eq!(
            warning.as_ref(),
            warnings
                .iter()
                .find(|w| **w != ConfigWarning::CapabilitiesUnknown)
        );
        let production = Environment {
            production: set("1"),
            ..outside
        };
        let problems = refused(&production, &[LISTEN]);
        let refusal = error.map(|source| ConfigProblem::Capabilities { source });
        let expected: Vec<_> = [ConfigProblem::InsecureInProduction]
            .into_iter()
            .chain(refusal)
            .collect();
        assert_eq!(problems, expected);
    }
    let text = ConfigProblem::Capabilities {
        source: CapabilityError::Unexpected(extra),
    }
    .err();
    assert!(text.contains("CAP_CHOWN (bit 0), CAP_SYS_ADMIN (bit 21)"));
}

#[test]
fn o14_a_secret_is_never_formatted() {
    let secret = Secret::from(OsString::from("MARKER"));
    assert!(!format!("{:?}", env(|env| env.fcm_credentials = Some(secret))).contains("MARKER"));
}

#[test]
fn o16_a_metrics_address_is_refused_with_its_value() {
    let problems = refused(
        &Environment::default(),
        &[LISTEN, "--metrics-listen=localhost:9090"],
    );
    assert_eq!(problems[0].fields().value, Some("localhost:9090"));
}

#[test]
fn o20_everything_wrong_is_told_in_the_order_of_the_checks() {
    let environment = env(|env| {
        env.production = set("true");
        env.fly_app_name = set("x");
    });
    let args = [
        "--insecure-listen=nowhere",
        "--rate-limit-burst=0",
        "--rate-limit-per-minute=-1",
        "--max-connections-per-ip=-1",
        "--metrics-listen=:9090",
    ];
    let told: Vec<_> = refused(&environment, &args)
        .iter()
        .map(ConfigProblem::to_string)
        .collect();
    let told: Vec<_> = told.iter().map(String::as_str).collect();
    assert_eq!(
        told,
        [
            "--insecure-listen is not a listen address",
            "--max-connections-per-ip must be 0 or more",
            "--rate-limit-burst must be 1 to 1000000",
            "--rate-limit-per-minute must be 0 to 60000",
            "environment variable refused",
            "multi-instance deploy detected: FLY_APP_NAME is set and \
             PYRYCODE_RELAY_SINGLE_INSTANCE is not",
            "--metrics-listen is refused",
        ]
    );
}

#[test]
fn one_address_may_take_a_quarter_and_at_least_64() {
    let allowed = |count| NonZeroUsize::new(count).unwrap();
    let per_ip = |flag: &str, count| {
        let config = configured(&[LISTEN, flag]).unwrap();
        config.admission.connections_per_ip(allowed(count))
    };
    assert_eq!(per_ip("--max-connections-per-ip=0", 10_000), 2_500);
    assert_eq!(per_ip("--max-connections-per-ip=0", 20), 64);
    assert_eq!(per_ip("--max-connections-per-ip=5", 10_000), 5);
}

#[test]
fn o39_who_is_believed() {
    let forwarded_for = |args: &[&str]| {
        let args = [&[LISTEN], args].concat();
        configured(&args).map(|config| (config.admission.forwarded_for, config.warnings))
    };
    let both = ["--trusted-proxy=10.0.0.0/8", "-trusted-proxy", "::1"];
    let blocks = vec!["10.0.0.0/8".parse().unwrap(), "::1".parse().unwrap()];
    assert_eq!(
        forwarded_for(&both),
        Ok((ForwardedFor::Trust(blocks), vec![]))
    );
    assert_eq!(
        forwarded_for(&["--trust-x-forwarded-for"]),
        Ok((
            ForwardedFor::TrustAnyone,
            vec![ConfigWarning::ForwardedForFromAnyone]
        ))
    );
    assert_eq!(
        forwarded_for(&["--trusted-proxy=::1", "--trust-x-forwarded-for"]),
        Err(vec![ConfigProblem::TrustConflict])
    );
}

#[test]
fn a_rate_of_0_is_none() {
    let rate = |flag| configured(&[LISTEN, flag]).unwrap().admission.rate_limit;
    assert_eq!(rate("--rate-limit-per-minute=0"), None);
    let fast = rate("--rate-limit-per-minute=600").unwrap();
    assert_eq!(fast.refill, Duration::from_millis(100));
}
