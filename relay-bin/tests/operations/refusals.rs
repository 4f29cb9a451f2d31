//! Each refusal as its operator reads it: exit 2, nothing bound, one record per problem with the fields to act on.

use std::ffi::OsString;

use rcgen::{KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use relay_bin::boot::capabilities::{Capabilities, CapabilityError, CapabilityMask};
use relay_bin::config::{
    Environment, FCM_CREDENTIALS, FCM_ENDPOINT, PRODUCTION, SINGLE_INSTANCE, Secret,
};
use relay_bin::exit::Exit;
use tokio::net::TcpStream;

use crate::harness::{Relay, exit_of, free_addr};
use crate::http;
use crate::records::{Record, Records, capture};
use crate::scratch::Scratch;

const REFUSED: &str = "configuration refused";
const PUSH_OFF: &str = "push off: PYRYCODE_RELAY_FCM_CREDENTIALS unset";

fn env(change: impl FnOnce(&mut Environment)) -> Environment {
    let mut environment = Environment::default();
    change(&mut environment);
    environment
}

fn set(value: &str) -> Option<OsString> {
    Some(value.into())
}

/// Refused beside a good `--insecure-listen`, which was not bound.
async fn refused(environment: Environment, flags: &[&str]) -> Vec<Record> {
    let addr = free_addr();
    let listen = format!("--insecure-listen={addr}");
    let args = [&[&*listen, "--metrics-listen="], flags].concat();
    let told = refused_alone(environment, &args).await;
    assert!(TcpStream::connect(addr).await.is_err(), "{flags:?}");
    told
}

async fn refused_alone(environment: Environment, args: &[&str]) -> Vec<Record> {
    let (records, _capture) = capture();
    assert_eq!(exit_of(environment, args).await, Exit::Config, "{args:?}");
    for serving in ["starting", "listening", PUSH_OFF] {
        assert!(records.of(serving).is_empty(), "{args:?}");
    }
    let told = records.of(REFUSED);
    for problem in &told {
        assert_eq!(problem.shape().0, "ERROR");
        assert!(!problem.text("err").is_empty() && !problem.text("fix").is_empty());
    }
    told
}

async fn refused_once(environment: Environment, flags: &[&str]) -> Record {
    let mut told = refused(environment, flags).await;
    assert_eq!(told.len(), 1, "{flags:?}: {told:?}");
    told.remove(0)
}

/// TLS for a domain, whose cache is below `scratch`; whatever is refused, is refused for another reason.
fn domain_flags(scratch: &Scratch) -> [String; 6] {
    [
        "--domain=relay.example.com".to_owned(),
        format!("--cert-cache={}", scratch.path().join("certs").display()),
        "--acme-directory=https://127.0.0.1:1/dir".to_owned(),
        format!("--https-listen={}", free_addr()),
        format!("--http-listen={}", free_addr()),
        "--metrics-listen=".to_owned(),
    ]
}

/// Refused with TLS, before the cache was touched.
async fn refused_with_tls(environment: Environment) -> Record {
    let scratch = Scratch::new();
    let flags = domain_flags(&scratch);
    let mut told = refused_alone(environment, &flags.each_ref().map(String::as_str)).await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(!scratch.path().join("certs").exists());
    told.remove(0)
}

/// What it logs between its start and its stop.
async fn boots(environment: Environment, flags: &[String]) -> Records {
    let (records, _capture) = capture();
    let (addr, metrics) = (free_addr(), free_addr());
    let mut args = flags.to_vec();
    if args.is_empty() {
        args.push(format!("--insecure-listen={addr}"));
    }
    args.push(format!("--metrics-listen={metrics}"));
    let relay = Relay::start_when_bound(environment, addr, metrics, args).await;
    relay.stop().await;
    assert_eq!(relay.exit().await, Exit::Ok);
    records
}

#[tokio::test]
async fn o04_flags_of_tls_beside_plain_http_with_a_fix() {
    for flags in [
        &["--http-listen=:80"][..],
        &["--http-listen", ":80"],
        &["--https-listen=:443"],
        &["--https-proxy-protocol"],
        &["--https-proxy-protocol=false"],
    ] {
        let told = refused_once(Environment::default(), flags).await;
        let name = flags[0].split('=').next().unwrap();
        let err = format!("{name} cannot be given with --insecure-listen");
        assert_eq!(told.text("err"), err);
        assert_eq!(told.shape(), ("ERROR", vec!["err", "fix"]));
    }
}

#[tokio::test]
async fn o06_a_cap_below_one_with_its_value() {
    for value in ["0", "-1"] {
        let told = refused_once(Environment::default(), &["--max-connections", value]).await;
        assert_eq!(told.text("err"), "--max-connections must be positive");
        assert_eq!(told.text("value"), value);
    }
    // A command line that cannot be read has its words before there is a logger.
    let told = refused(Environment::default(), &["--max-connections=abc"]).await;
    assert_eq!(told.len(), 0);
}

#[tokio::test]
async fn o07_a_switch_that_is_not_1_with_what_it_is() {
    for value in ["", "0", "true", "yes", " 1", "1 ", "PRODUCTION"] {
        for (name, environment) in [
            (PRODUCTION, env(|env| env.production = set(value))),
            (SINGLE_INSTANCE, env(|env| env.single_instance = set(value))),
        ] {
            let told = refused_once(environment, &[]).await;
            assert_eq!(told.text("env_var"), name);
            let reason = format!("malformed-value: expected \"1\", got {value:?}");
            assert_eq!(told.text("reason"), reason);
            assert_eq!(told.shape().1, ["env_var", "err", "fix", "reason"]);
        }
    }
}

#[tokio::test]
async fn o08_all_malformed_variables_in_the_order_of_the_registry() {
    let environment = env(|env| {
        env.fcm_endpoint = set("MARKER");
        env.fcm_credentials = Some(Secret::from(OsString::from("MARKER")));
        env.single_instance = set("on");
        env.production = set("on");
    });
    let told = refused(environment, &[]).await;
    let named: Vec<_> = told.iter().map(|record| record.text("env_var")).collect();
    // The key is what decides whether its endpoint is looked at.
    assert_eq!(named, [PRODUCTION, SINGLE_INSTANCE, FCM_CREDENTIALS]);
    let environment = env(|env| env.fcm_endpoint = set("MARKER"));
    let told = refused_once(environment, &[]).await;
    assert_eq!(told.text("env_var"), FCM_ENDPOINT);
    assert!(!told.text("reason").contains("MARKER"));
}

#[tokio::test]
async fn o09_plain_http_in_production_and_never_a_domain() {
    let production = || env(|env| env.production = set("1"));
    let told = refused_once(production(), &[]).await;
    let err = "--insecure-listen is refused in production";
    assert_eq!(told.text("err"), err);
    assert_eq!(told.text("env_var"), PRODUCTION);
    assert_eq!(told.shape().1, ["env_var", "err", "fix"]);
    let scratch = Scratch::new();
    boots(production(), &domain_flags(&scratch)).await;
}

#[tokio::test]
async fn o10_root_in_production_and_nowhere_else() {
    let user = |uid, production: Option<OsString>| Environment {
        effective_uid: Some(uid),
        production,
        ..Environment::default()
    };
    let told = refused_with_tls(user(0, set("1"))).await;
    assert_eq!(told.number("effective_uid"), Some(0));
    assert_eq!(told.text("env_var"), PRODUCTION);
    assert_eq!(told.shape().1, ["effective_uid", "env_var", "err", "fix"]);
    boots(user(0, None), &[]).await;
    let scratch = Scratch::new();
    boots(user(65_532, set("1")), &domain_flags(&scratch)).await;
}

#[tokio::test]
async fn o11_o12_a_platform_of_many_with_what_lets_it_pass() {
    let fly = |single_instance| Environment {
        fly_app_name: set("MARKER"),
        single_instance,
        ..Environment::default()
    };
    let told = refused_once(fly(None), &[]).await;
    let err = told.text("err");
    assert!(err.contains("multi-instance deploy detected") && err.contains(SINGLE_INSTANCE));
    assert!(!err.contains("MARKER"));
    assert_eq!(told.text("bypass_env_var"), SINGLE_INSTANCE);
    assert_eq!(told.shape().1, ["bypass_env_var", "err", "fix"]);
    boots(fly(set("1")), &[]).await;
    let typo = refused_once(fly(set("true")), &[]).await;
    assert_eq!(typo.text("env_var"), SINGLE_INSTANCE);
    boots(env(|env| env.fly_app_name = set("")), &[]).await;
}

#[tokio::test]
async fn o13_capabilities_by_name_in_production_and_one_warning_elsewhere() {
    // What Docker gives to root; the reference's example; all there are.
    for (mask, first, last, names) in [
        (0xa804_25fb, "CAP_CHOWN (bit 0)", "CAP_SETFCAP (bit 31)", 13),
        (
            1 | 1 << 21,
            "CAP_CHOWN (bit 0)",
            "CAP_SYS_ADMIN (bit 21)",
            2,
        ),
        (
            (1 << 41) - 1,
            "CAP_CHOWN (bit 0)",
            "CAP_CHECKPOINT_RESTORE (bit 40)",
            40,
        ),
    ] {
        let able = |production| Environment {
            capabilities: Capabilities::Effective(CapabilityMask(mask)),
            production,
            ..Environment::default()
        };
        let told = refused_with_tls(able(set("1"))).await;
        let err = told.text("err");
        assert!(err.contains(first) && err.ends_with(last), "{err}");
        assert_eq!(err.matches("(bit ").count(), names, "{err}");
        assert!(!err.contains("CAP_NET_BIND_SERVICE"), "{err}");
        assert!(told.text("fix").contains("docker run"));
        let records = boots(able(None), &[]).await;
        let warning = records.one("more privileges than a relay needs");
        assert_eq!(warning.shape(), ("WARN", vec!["err", "fix"]));
        assert!(warning.text("err").ends_with(last));
    }
    let able = |capabilities| Environment {
        capabilities,
        production: set("1"),
        ..Environment::default()
    };
    for (error, text) in [
        (CapabilityError::Unreadable, "cannot read the capabilities"),
        (CapabilityError::Missing, "no CapEff line"),
        (CapabilityError::Malformed, "not a hexadecimal mask"),
    ] {
        let told = refused_with_tls(able(Capabilities::Unreadable(error))).await;
        assert!(told.text("err").contains(text), "{told:?}");
        assert!(!told.text("err").contains("unexpected"));
    }
    let scratch = Scratch::new();
    let low_ports = Capabilities::Effective(CapabilityMask(1 << 10));
    let records = boots(able(low_ports), &domain_flags(&scratch)).await;
    assert!(records.of("more privileges than a relay needs").is_empty());
}

#[tokio::test]
async fn o14_credentials_that_are_none_and_nothing_of_them() {
    const MARKER: &str = "MARKER";
    let key = |kind: &str, pem: &str| {
        let key = serde_json::json!({
            "type": kind,
            "client_email": MARKER,
            "private_key_id": MARKER,
            "project_id": MARKER,
            "private_key": pem,
        });
        key.to_string()
    };
    let rsa = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
    let rsa = rsa.serialize_pem();
    let ec = KeyPair::generate().unwrap().serialize_pem();
    let garbage = format!("-----BEGIN PRIVATE KEY-----\n{MARKER}\n-----END PRIVATE KEY-----\n");
    let with = |text: String| env(|env| env.fcm_credentials = Some(OsString::from(text).into()));
    for text in [
        String::new(),
        "{}".to_owned(),
        MARKER.to_owned(),
        key(MARKER, &rsa),
        key("service_account", &ec),
        key("service_account", &garbage),
        key("service_account", ""),
    ] {
        let (records, _capture) = capture();
        let told = exit_of(
            with(text.clone()),
            &["--insecure-listen=127.0.0.1:1", "--metrics-listen="],
        );
        assert_eq!(told.await, Exit::Config, "{text}");
        assert_eq!(records.one(REFUSED).text("env_var"), FCM_CREDENTIALS);
        let written = records.text();
        assert!(!written.contains(MARKER), "{written}");
        for line in [&rsa, &ec].iter().flat_map(|pem| pem.lines()) {
            assert!(line.starts_with("---") || !written.contains(line));
        }
    }
    let records = boots(with(key("service_account", &rsa)), &[]).await;
    assert!(records.of(PUSH_OFF).is_empty());
    let records = boots(Environment::default(), &[]).await;
    assert_eq!(records.one(PUSH_OFF).shape(), ("INFO", vec![]));
}

#[tokio::test]
async fn o15_listen_addresses_as_they_were_typed() {
    for addr in ["notaport", "127.0.0.1", ":0", ":99999", ":http", ":-1", ":"] {
        for flags in [
            &["--insecure-listen", addr][..],
            &["--domain=relay.example.com", "--https-listen", addr],
            &["--domain=relay.example.com", "--http-listen", addr],
        ] {
            let told = refused_alone(Environment::default(), flags).await;
            assert_eq!(told.len(), 1, "{told:?}");
            assert_eq!(told[0].text("addr"), addr);
            assert_eq!(told[0].shape().1, ["addr", "err", "fix"]);
        }
    }
}

#[tokio::test]
async fn o16_metrics_anywhere_but_on_a_loopback_literal() {
    for value in [
        "localhost:9090",
        ":9090",
        "0.0.0.0:9090",
        "192.168.1.10:9090",
        "[2001:db8::1]:9090",
        "127.0.0.1:0",
        "127.0.0.1:65536",
        "127.0.0.1",
    ] {
        let told = refused_once(Environment::default(), &["--metrics-listen", value]).await;
        assert_eq!(told.text("value"), value);
        assert_eq!(told.shape().1, ["err", "fix", "value"]);
    }
    let port = free_addr().port();
    let mut literals = vec![format!("127.0.0.5:{port}")];
    // Where the machine has no IPv6, nothing can be served on it.
    if std::net::TcpListener::bind("[::1]:0").is_ok() {
        literals.push(format!("[::1]:{port}"));
    } else {
        let is_ci = std::env::var("CI").as_deref() == Ok("true");
        assert!(!is_ci, "this machine has no [::1] to serve metrics on");
    }
    for literal in literals {
        let (addr, metrics) = (free_addr(), literal.parse().unwrap());
        let args = vec![
            format!("--insecure-listen={addr}"),
            format!("--metrics-listen={literal}"),
        ];
        let relay = Relay::start_with(Environment::default(), addr, metrics, args).await;
        assert_eq!(
            http::get(metrics, "/metrics").await.status,
            200,
            "{literal}"
        );
        relay.stop().await;
        assert_eq!(relay.exit().await, Exit::Ok);
    }
}

#[tokio::test]
async fn o20_a_typo_is_not_taken_for_production() {
    let told = refused_once(env(|env| env.production = set("true")), &[]).await;
    assert_eq!(told.text("env_var"), PRODUCTION);
    assert!(told.text("reason").starts_with("malformed-value: "));
}
