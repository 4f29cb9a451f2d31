//! The issuer against an authority that only says what a test wants.

mod authority;

use std::fs;
use std::time::{Duration, SystemTime};

use rcgen::KeyPair;
use tokio::net::TcpListener;
use tokio::time::timeout;

use super::{Issuer, IssuerError};
use crate::cache::CertCache;
use crate::certificate::testing::{Authority as Signer, DAY, GO_EC_KEY_PEM, Pair};
use crate::testing::Directory;
use crate::{AcmeConfig, Domains, clock};
use authority::Authority;

const NAME: &str = "relay.example.com";
const PATIENCE: Duration = Duration::from_secs(20);

struct Fixture {
    directory: Directory,
    cache: CertCache,
}

fn fixture() -> Fixture {
    let directory = Directory::new();
    let cache = CertCache::open(directory.path().join("certs")).unwrap();
    Fixture { directory, cache }
}

fn config(url: impl Into<String>) -> AcmeConfig {
    AcmeConfig::new(Domains::new([NAME]).unwrap())
        .directory_url(url)
        .retry_delay(Duration::from_millis(20))
        .max_retry_delay(Duration::from_millis(100))
        .request_timeout(PATIENCE)
}

fn pair(not_before: SystemTime, not_after: SystemTime) -> Pair {
    Signer::new().issue(&[NAME], not_before, not_after)
}

impl Fixture {
    fn put(&self, name: &str, text: &str) {
        fs::write(self.cache.path().join(name), text).unwrap();
    }

    fn issuer(&self, config: AcmeConfig) -> Result<Issuer, IssuerError> {
        Issuer::new(config, self.cache.clone(), clock::now())
    }
}

/// Runs until the state says so.
async fn run_until(issuer: Issuer, condition: impl Fn(&crate::CertificateState) -> bool) {
    let certificates = issuer.certificates().clone();
    let wait = certificates.wait_for(|states| condition(&states[0]));
    tokio::select! {
        never = issuer.run() => match never {},
        ended = timeout(PATIENCE, wait) => ended.unwrap(),
    }
}

#[tokio::test]
async fn o24_a_seeded_certificate_is_served_without_a_word_to_the_authority() {
    let fixture = fixture();
    let now = clock::now();
    fixture.put(NAME, &pair(now - DAY, now + 31 * DAY).cache_entry());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/dir", listener.local_addr().unwrap());
    let issuer = fixture.issuer(config(url)).unwrap();
    assert!(
        issuer.certificates().states()[0]
            .not_after_seconds
            .is_some()
    );
    let quiet = async {
        tokio::select! {
            never = issuer.run() => match never {},
            asked = listener.accept() => asked,
        }
    };
    assert!(timeout(Duration::from_millis(300), quiet).await.is_err());
}

#[tokio::test]
async fn an_rsa_certificate_of_an_earlier_relay_bridges_until_there_is_one_of_ours() {
    let fixture = fixture();
    let now = clock::now();
    let key = KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
    let rsa = Signer::new().issue_for(key, &[NAME], now - DAY, now + 60 * DAY);
    fixture.put(&format!("{NAME}+rsa"), &format!("{}{}", rsa.key, rsa.chain));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/dir", listener.local_addr().unwrap());
    let issuer = fixture.issuer(config(url)).unwrap();
    assert!(
        issuer.certificates().states()[0]
            .not_after_seconds
            .is_some()
    );
    let asked = async {
        tokio::select! {
            never = issuer.run() => match never {},
            asked = listener.accept() => asked,
        }
    };
    assert!(timeout(PATIENCE, asked).await.unwrap().is_ok());
}

#[tokio::test]
async fn an_authority_that_says_nothing_is_given_up_on() {
    let fixture = fixture();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/dir", listener.local_addr().unwrap());
    let config = config(url).request_timeout(Duration::from_millis(50));
    let issuer = fixture.issuer(config).unwrap();
    run_until(issuer, |state| {
        state.last_error.as_deref() == Some("new account: no answer in time")
    })
    .await;
}

#[tokio::test]
async fn an_authority_that_speaks_no_acme_is_told_of() {
    let fixture = fixture();
    let authority = Authority::start(fixture.directory.path(), |request| match request.path() {
        "/dir" => authority::reply("200 OK", "", "<html>"),
        path => panic!("{path}"),
    })
    .await;
    let issuer = fixture
        .issuer(authority.config(config("https://")))
        .unwrap();
    run_until(issuer, |state| {
        let error = state.last_error.as_deref().unwrap_or_default();
        error.starts_with("new account: ") && error.contains("JSON")
    })
    .await;
}

#[tokio::test]
async fn an_answer_without_end_is_cut_off() {
    let fixture = fixture();
    let long = "x".repeat(2 << 20);
    let answer = move |_: &authority::Request| authority::reply("200 OK", "", &long);
    let authority = Authority::start(fixture.directory.path(), answer).await;
    let issuer = fixture
        .issuer(authority.config(config("https://")))
        .unwrap();
    run_until(issuer, |state| {
        state.last_error.as_deref() == Some("new account: length limit exceeded")
    })
    .await;
}

/// RFC 9773: ask for the window, renew in it, name what is replaced; and order plainly if that is refused.
#[tokio::test]
async fn a_renewal_window_of_the_authority_is_followed() {
    let fixture = fixture();
    let now = clock::now();
    let signed = pair(now - DAY, now + 80 * DAY);
    let id = signed
        .certificate(now)
        .unwrap()
        .leaf()
        .renewal_id
        .clone()
        .unwrap();
    let id = super::super::order::identifier(&id).to_string();
    fixture.put(NAME, &signed.cache_entry());
    let ari = format!("/ari/{id}");
    let authority = Authority::start(fixture.directory.path(), move |request| {
        match request.path() {
            "/dir" => request.directory(),
            path if path == ari => authority::reply(
                "200 OK",
                "Retry-After: 21600\r\n",
                r#"{"suggestedWindow":{"start":"2020-01-01T00:00:00Z","end":"2020-01-02T00:00:00Z"}}"#,
            ),
            "/nonce" => authority::reply("200 OK", "Replay-Nonce: abc\r\n", ""),
            "/order" => match request.payload()["replaces"].as_str() {
                Some(replaced) if replaced == id => authority::problem("409 Conflict", "alreadyReplaced"),
                Some(other) => panic!("{other}"),
                None => authority::problem("429 Too Many Requests", "rateLimited"),
            },
            path => panic!("{path}"),
        }
    })
    .await;
    authority.account(&fixture.cache);
    let config = authority
        .config(config("https://"))
        .window_interval(Duration::from_millis(1));
    let issuer = fixture.issuer(config).unwrap();
    run_until(issuer, |state| {
        state.last_error.as_deref() == Some("new order: rateLimited: because")
    })
    .await;
    let paths = authority.paths();
    assert_eq!(
        paths
            .iter()
            .filter(|path| path.starts_with("/ari/"))
            .count(),
        1,
        "{paths:?}"
    );
    assert!(
        paths.iter().filter(|path| *path == "/order").count() >= 2,
        "{paths:?}"
    );
}

/// What a relay before us has left: a certificate and the key of an account, which this authority answers for with
/// `answer`. Its payload says that no account shall be made.
async fn inherited(fixture: &Fixture, answer: String) -> (Authority, Issuer) {
    let now = clock::now();
    fixture.put(NAME, &pair(now - DAY, now + 80 * DAY).cache_entry());
    fixture.put("acme_account+key", GO_EC_KEY_PEM);
    let authority = Authority::start(fixture.directory.path(), move |request| {
        match request.path() {
            "/dir" => request.directory(),
            "/nonce" => authority::reply("200 OK", "Replay-Nonce: abc\r\n", ""),
            "/account" => {
                assert_eq!(request.payload()["onlyReturnExisting"], true);
                answer.clone()
            }
            "/order" => authority::problem("429 Too Many Requests", "rateLimited"),
            path => {
                assert!(path.starts_with("/ari/"), "{path}");
                authority::reply(
                    "200 OK",
                    "Retry-After: 21600\r\n",
                    r#"{"suggestedWindow":{"start":"2020-01-01T00:00:00Z","end":"2020-01-02T00:00:00Z"}}"#,
                )
            }
        }
    })
    .await;
    let config = authority
        .config(config("https://"))
        .window_interval(Duration::from_millis(1));
    let issuer = fixture.issuer(config).unwrap();
    (authority, issuer)
}

#[tokio::test]
async fn a_renewal_window_is_asked_for_with_the_account_of_an_earlier_relay() {
    let fixture = fixture();
    let known = "Replay-Nonce: def\r\nLocation: https://localhost/account/1\r\n";
    let known = authority::reply("200 OK", known, "{}");
    let (authority, issuer) = inherited(&fixture, known).await;
    run_until(issuer, |state| {
        state.last_error.as_deref() == Some("new order: rateLimited: because")
    })
    .await;
    let paths = authority.paths();
    let place = |start: &str| paths.iter().position(|path| path.starts_with(start));
    assert!(place("/account") < place("/ari/"), "{paths:?}");
    assert!(place("/ari/") < place("/order"), "{paths:?}");
    let kept = fixture.cache.account().unwrap();
    assert!(kept.is_some(), "taken over for good");
}

#[tokio::test]
async fn no_account_is_made_to_ask_for_a_renewal_window() {
    let fixture = fixture();
    let unknown = authority::problem("400 Bad Request", "accountDoesNotExist");
    let (authority, issuer) = inherited(&fixture, unknown).await;
    // The authority's task ends with a request that would make one.
    let quiet = timeout(Duration::from_millis(500), issuer.run()).await;
    assert!(quiet.is_err());
    assert_eq!(authority.paths(), ["/dir", "/nonce", "/account"]);
    assert!(fixture.cache.account().unwrap().is_none());
}

#[tokio::test]
async fn an_unusable_entry_counts_as_missing() {
    let fixture = fixture();
    fixture.put(NAME, "damaged");
    let issuer = fixture.issuer(config("https://localhost/")).unwrap();
    let state = &issuer.certificates().states()[0];
    assert_eq!(
        (state.domain.as_str(), state.not_after_seconds),
        (NAME, None)
    );
    assert!(
        issuer.certificates().match_host(NAME),
        "the Host gate does not wait for it"
    );
}

#[test]
fn refuses_what_cannot_work() {
    let fixture = fixture();
    for url in ["", "http://ca.example/dir", "ca.example"] {
        let error = fixture.issuer(config(url)).unwrap_err();
        assert!(matches!(error, IssuerError::NotHttps { .. }), "{error:?}");
    }
    let path = fixture.directory.path().join("ca.pem");
    for text in [
        None,
        Some(""),
        Some("-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"),
    ] {
        if let Some(text) = text {
            fs::write(&path, text).unwrap();
        }
        let error = fixture
            .issuer(config("https://localhost/").authority_ca(&path))
            .unwrap_err();
        assert!(
            matches!(error, IssuerError::AuthorityCa { .. }),
            "{error:?}"
        );
    }
}
