//! Sockets the process was given: where they make an address, and where they are refused.

use super::*;
use ActivationError::{Elsewhere, NotListening, NotServed, Twice, UnknownName};

const TLS: &[&str] = &["--tls-cert=c", "--tls-key=k"];
const AUTHORITY: &[&str] = &["--domain=relay.example.com"];

fn given(sockets: &[(&str, Option<&str>)]) -> Environment {
    let sockets = sockets.iter().map(|(name, addr)| ActivatedSocket {
        name: (*name).to_owned(),
        addr: addr.map(|addr| addr.parse().unwrap()),
    });
    Environment {
        activated: sockets.collect(),
        ..Environment::default()
    }
}

#[track_caller]
fn check(args: &[&str], sockets: &[(&str, Option<&str>)], refused: &[(&str, ActivationError)]) {
    let problems = configured_in(&given(sockets), args).err();
    let told = problems.unwrap_or_default().into_iter().map(|problem| {
        let fields = problem.fields();
        assert!(fields.value.is_some() && fields.fix.contains("http, https, acme or metrics"));
        let ConfigProblem::Activation { name, source, .. } = problem else {
            panic!("{problem:?}");
        };
        (name, source)
    });
    let expected = refused
        .iter()
        .map(|(name, source)| ((*name).to_owned(), *source));
    assert_eq!(
        told.collect::<Vec<_>>(),
        expected.collect::<Vec<_>>(),
        "{sockets:?}"
    );
}

#[test]
fn a_socket_says_where_a_flag_that_was_left_out_does_not() {
    let environment = given(&[
        ("https", Some("[::1]:8443")),
        ("acme", Some("10.0.0.1:8080")),
        ("metrics", Some("127.0.0.1:9191")),
    ]);
    let config = configured_in(&environment, AUTHORITY).unwrap();
    assert_eq!(listen(&config).to_string(), "[::1]:8443");
    assert_eq!(config.metrics_listen, "127.0.0.1:9191".parse().ok());
    let Mode::Tls { certificates, .. } = config.mode else {
        panic!("plain HTTP");
    };
    let CertificateSource::Acme(acme) = certificates else {
        panic!("files");
    };
    assert_eq!(acme.http_listen.to_string(), "10.0.0.1:8080");
}

#[test]
fn a_socket_where_its_flag_says_is_fine() {
    for (flag, addr) in [
        ("--https-listen=127.0.0.1:8443", "127.0.0.1:8443"),
        ("--https-listen=:8443", "[::]:8443"),
        ("--https-listen=:8443", "0.0.0.0:8443"),
        ("--https-listen=localhost:8443", "127.0.0.1:8443"),
    ] {
        check(&[TLS, &[flag]].concat(), &[("https", Some(addr))], &[]);
    }
    check(&[LISTEN], &[("http", Some("127.0.0.1:8080"))], &[]);
    let metrics = "--metrics-listen=127.0.0.1:9191";
    check(
        &[LISTEN, metrics],
        &[("metrics", Some("127.0.0.1:9191"))],
        &[],
    );
}

#[test]
fn a_socket_elsewhere_than_its_flag_says_is_refused() {
    for (flag, addr) in [
        ("--https-listen=127.0.0.1:8443", "127.0.0.1:8444"),
        ("--https-listen=127.0.0.1:8443", "127.0.0.2:8443"),
        ("--https-listen=:8443", "127.0.0.1:8443"),
        ("--https-listen=localhost:8443", "127.0.0.1:8444"),
    ] {
        let elsewhere = Elsewhere {
            flag: "https-listen",
        };
        let args = [TLS, &[flag]].concat();
        check(&args, &[("https", Some(addr))], &[("https", elsewhere)]);
    }
    let elsewhere = Elsewhere {
        flag: "insecure-listen",
    };
    check(
        &[LISTEN],
        &[("http", Some("127.0.0.1:8081"))],
        &[("http", elsewhere)],
    );
    let elsewhere = Elsewhere {
        flag: "metrics-listen",
    };
    for flag in ["--metrics-listen=127.0.0.1:9191", "--metrics-listen="] {
        check(
            &[LISTEN, flag],
            &[("metrics", Some("127.0.0.1:9192"))],
            &[("metrics", elsewhere)],
        );
    }
}

#[test]
fn a_socket_without_a_place_is_refused() {
    let here = Some("127.0.0.1:8080");
    check(&[LISTEN], &[("unknown", here)], &[("unknown", UnknownName)]);
    check(&[LISTEN], &[("https", here)], &[("https", NotServed)]);
    check(TLS, &[("acme", here)], &[("acme", NotServed)]);
    check(
        &[LISTEN],
        &[("http", here), ("http", here)],
        &[("http", Twice)],
    );
    check(&[LISTEN], &[("http", None)], &[("http", NotListening)]);
}

#[test]
fn a_metrics_socket_for_strangers_is_refused_as_its_flag_would_be() {
    let environment = given(&[("metrics", Some("0.0.0.0:9090"))]);
    let problems = configured_in(&environment, &[LISTEN]).unwrap_err();
    let [ConfigProblem::MetricsListen { value, source }] = &problems[..] else {
        panic!("{problems:?}");
    };
    assert_eq!(value, "0.0.0.0:9090");
    assert_eq!(*source, MetricsListenError::NotLoopback);
}
