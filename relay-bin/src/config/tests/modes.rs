//! Which flags make which mode, and which exclude each other.

use std::path::Path;

use relay_transport::ProxyProtocol;

use super::*;

fn mode(args: &[&str]) -> Result<Mode, Vec<String>> {
    let environment = Environment {
        home: Some("/home/relay".into()),
        ..Environment::default()
    };
    configured_in(&environment, args)
        .map(|config| config.mode)
        .map_err(|problems| problems.iter().map(ConfigProblem::to_string).collect())
}

fn acme(args: &[&str]) -> (ListenAddr, ProxyProtocol, AcmeSource) {
    match mode(args) {
        Ok(Mode::Tls {
            listen,
            proxy_protocol,
            certificates: CertificateSource::Acme(acme),
        }) => (listen, proxy_protocol, *acme),
        other => panic!("{args:?}: {other:?}"),
    }
}

#[test]
fn a_domain_means_tls_from_an_authority() {
    let (listen, proxy_protocol, acme) = acme(&["--domain", "Relay.Example.com"]);
    assert_eq!(listen.to_string(), ":443");
    assert_eq!(proxy_protocol, ProxyProtocol::Off);
    assert_eq!(acme.http_listen.to_string(), ":80");
    assert_eq!(Vec::from_iter(acme.domains.iter()), ["relay.example.com"]);
    assert_eq!(acme.cache, Path::new("/home/relay/.pyrycode-relay/certs"));
    assert_eq!(
        (acme.directory, acme.authority_ca, acme.email),
        (None, None, None)
    );
}

#[test]
fn without_a_home_certificates_are_kept_here() {
    for home in [None, Some(OsString::new())] {
        let environment = Environment {
            home,
            ..Environment::default()
        };
        let config = configured_in(&environment, &["--domain=a.example"]).unwrap();
        let Mode::Tls {
            certificates: CertificateSource::Acme(acme),
            ..
        } = config.mode
        else {
            panic!("not from an authority");
        };
        assert_eq!(acme.cache, Path::new(".pyrycode-relay/certs"));
    }
}

#[test]
fn the_manifest_of_the_existing_relay_is_understood() {
    let (listen, proxy_protocol, source) = acme(&[
        "--domain",
        "pyrycode-relay.pyryco.de",
        "--cert-cache",
        "/var/lib/relay/autocert",
        "--http-listen=:8080",
        "--https-listen=:8443",
        "--https-proxy-protocol",
    ]);
    assert_eq!(listen.to_string(), ":8443");
    assert_eq!(proxy_protocol, ProxyProtocol::FromAnyone);
    assert_eq!(source.http_listen.to_string(), ":8080");
    assert_eq!(source.cache, Path::new("/var/lib/relay/autocert"));
    let (_, trusted, _) = acme(&[
        "--domain=a.example",
        "--https-proxy-protocol",
        "--trusted-proxy=10.0.0.0/8",
    ]);
    let blocks = vec!["10.0.0.0/8".parse().unwrap()];
    assert_eq!(trusted, ProxyProtocol::From(blocks));
}

#[test]
fn several_domains_and_another_authority() {
    let (_, _, acme) = acme(&[
        "--domain=a.example",
        "--domain=b.example",
        "--acme-directory=https://ca.example/dir",
        "--acme-ca=/ca.pem",
        "--acme-email=ops@example.com",
    ]);
    assert_eq!(
        Vec::from_iter(acme.domains.iter()),
        ["a.example", "b.example"]
    );
    assert_eq!(acme.directory.as_deref(), Some("https://ca.example/dir"));
    assert_eq!(acme.authority_ca.as_deref(), Some(Path::new("/ca.pem")));
    assert_eq!(acme.email.as_deref(), Some("ops@example.com"));
}

#[test]
fn o04_flags_of_tls_exclude_plain_http_even_with_their_defaults() {
    for flag in [
        "--http-listen=:80",
        "--https-listen=:443",
        "--https-proxy-protocol",
        "--https-proxy-protocol=false",
        "--tls-cert=",
    ] {
        let name = flag.split('=').next().unwrap();
        let told = format!("{name} cannot be given with --insecure-listen");
        assert_eq!(mode(&[LISTEN, flag]), Err(vec![told]));
    }
    let all = [LISTEN, "--http-listen=:80", "--https-listen=:443"];
    let told = "--http-listen, --https-listen cannot be given with --insecure-listen";
    assert_eq!(mode(&all), Err(vec![told.to_owned()]));
}

#[test]
fn o05_plain_http_wins_over_a_domain() {
    let args = [LISTEN, "--domain=a.example", "--cert-cache=/nowhere"];
    assert!(matches!(mode(&args), Ok(Mode::Insecure { .. })));
}

#[test]
fn o09_production_takes_a_domain() {
    let environment = Environment {
        production: Some("1".into()),
        effective_uid: Some(65_532),
        ..Environment::default()
    };
    assert!(configured_in(&environment, &["--domain=a.example"]).is_ok());
}

#[test]
fn certificate_files_come_in_pairs_and_alone() {
    let files = ["--tls-cert=/c.pem", "--tls-key=/k.pem"];
    let Ok(Mode::Tls {
        certificates: CertificateSource::Files { chain, key },
        ..
    }) = mode(&files)
    else {
        panic!("not files");
    };
    assert_eq!((chain, key), ("/c.pem".into(), "/k.pem".into()));
    let half = "--tls-cert and --tls-key need each other".to_owned();
    assert_eq!(mode(&files[..1]), Err(vec![half.clone()]));
    assert_eq!(mode(&files[1..]), Err(vec![half]));
    let both = [&files[..], &["--domain=a.example", "--acme-email=x"]].concat();
    let told = "--domain, --acme-email cannot be given with --tls-cert";
    assert_eq!(mode(&both), Err(vec![told.to_owned()]));
}

#[test]
fn what_cannot_work_is_told() {
    for (flags, told) in [
        (&["--domain=localhost"][..], "--domain is not a domain"),
        (
            &["--domain=a.example", "--acme-directory=http://ca.example"],
            "--acme-directory must be an https URL",
        ),
        (
            &["--domain=a.example", "--https-listen=:0"],
            "--https-listen is not a listen address",
        ),
        (
            &["--domain=a.example", "--http-listen=80"],
            "--http-listen is not a listen address",
        ),
    ] {
        assert_eq!(mode(flags), Err(vec![told.to_owned()]));
    }
}

#[test]
fn o14_credentials_are_checked_and_never_shown() {
    for text in [
        "",
        "{}",
        r#"{"type":"MARKER"}"#,
        "MARKER",
        "{\"type\":\"service_account\",\"client_email\":\"MARKER\",\"private_key\":\"MARKER\"}",
    ] {
        let environment = Environment {
            fcm_credentials: Some(OsString::from(text).into()),
            ..Environment::default()
        };
        let problems = configured_in(&environment, &[LISTEN]).unwrap_err();
        let fields = problems[0].fields();
        assert_eq!(fields.env_var, Some(FCM_CREDENTIALS));
        assert!(fields.reason.unwrap().starts_with("malformed-value: "));
        assert!(!format!("{problems:?}").contains("MARKER"));
    }
    let environment = Environment {
        fcm_endpoint: Some("MARKER".into()),
        ..Environment::default()
    };
    let problems = configured_in(&environment, &[LISTEN]).unwrap_err();
    assert_eq!(problems[0].fields().env_var, Some(FCM_ENDPOINT));
}
