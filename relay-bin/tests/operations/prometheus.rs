//! The alerts and the dashboard on a live scrape: Prometheus itself reads the page of a relay that has every series.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;

use rcgen::{CertificateParams, KeyPair};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::executable::Executable;
use crate::google::Google;
use crate::harness::{PATIENCE, free_addr};
use crate::scratch::Scratch;

const ALERTS: &str = include_str!("../../../packaging/prometheus/alerts.yml");
const DASHBOARD: &str = include_str!("../../../packaging/grafana/dashboard.json");

/// What Grafana fills in; a minute, because the rates need two scrapes and no more.
const VARIABLES: &[(&str, &str)] = &[
    ("$__rate_interval", "1m"),
    ("$__range", "1m"),
    ("$job", ".+"),
    ("$instance", ".+"),
];

struct Prometheus {
    addr: SocketAddr,
    child: Child,
}

impl Prometheus {
    /// `None` where it is not installed.
    fn start(scratch: &Scratch, target: SocketAddr) -> Option<Self> {
        let rules = scratch.file("alerts.yml", ALERTS);
        let config = format!(
            "global: {{ scrape_interval: 200ms, evaluation_interval: 200ms }}\n\
             rule_files: [{}]\n\
             scrape_configs:\n\
             - job_name: pyrycode-relay\n  static_configs: [{{ targets: [\"{target}\"] }}]\n",
            rules.display()
        );
        let config = scratch.file("prometheus.yml", &config);
        let addr = free_addr();
        let flag = |name: &str, path: &Path| format!("--{name}={}", path.display());
        let spawned = Command::new("prometheus")
            .arg(flag("config.file", &config))
            .arg(flag("storage.tsdb.path", &scratch.path().join("data")))
            .arg(format!("--web.listen-address={addr}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn();
        match spawned {
            Ok(child) => Some(Self { addr, child }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => panic!("{error}"),
        }
    }

    async fn try_ask(&self, path: &str) -> Option<Value> {
        let mut tcp = TcpStream::connect(self.addr).await.ok()?;
        // By HTTP/1.0 a long answer comes in one piece.
        let request = format!("GET {path} HTTP/1.0\r\n\r\n");
        tcp.write_all(request.as_bytes()).await.ok()?;
        let mut answer = String::new();
        tcp.read_to_string(&mut answer).await.ok()?;
        let (_, body) = answer.split_once("\r\n\r\n")?;
        serde_json::from_str(body).ok()
    }

    async fn rules(&self) -> Vec<Value> {
        let answer = self.try_ask("/api/v1/rules").await.unwrap();
        let groups = answer["data"]["groups"].as_array().unwrap();
        let rules = groups
            .iter()
            .flat_map(|group| group["rules"].as_array().unwrap());
        rules.cloned().collect()
    }

    /// How many series an expression gives now; what is wrong with it, if something is.
    async fn series(&self, expression: &str) -> Result<usize, String> {
        let query: String = expression
            .bytes()
            .map(|byte| format!("%{byte:02x}"))
            .collect();
        let answer = self.try_ask(&format!("/api/v1/query?query={query}")).await;
        let answer = answer.ok_or("no answer")?;
        let result = answer["data"]["result"].as_array();
        result.map(Vec::len).ok_or_else(|| answer.to_string())
    }
}

/// The dashboard's expressions, those of its variables left out.
fn dashboard() -> Vec<String> {
    let mut found = Vec::new();
    collect(&serde_json::from_str(DASHBOARD).unwrap(), &mut found);
    let filled = |text: String| {
        // What marks a restart gives nothing before there was one.
        let text = text.trim_end_matches(" > 0").to_owned();
        VARIABLES.iter().fold(text, |text, (variable, value)| {
            text.replace(variable, value)
        })
    };
    found.into_iter().map(filled).collect()
}

fn collect(value: &Value, found: &mut Vec<String>) {
    if let Some(members) = value.as_object() {
        for (key, member) in members {
            match member.as_str() {
                Some(text) if key == "expr" => found.push(text.to_owned()),
                _ => collect(member, found),
            }
        }
    } else if let Some(items) = value.as_array() {
        for item in items {
            collect(item, found);
        }
    }
}

/// The selectors in the rules, as they stand there: an alert that is silent may be so for want of its series.
fn selectors() -> BTreeSet<&'static str> {
    let mut found = BTreeSet::new();
    let code = ALERTS
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'));
    for line in code.filter(|line| !line.contains("description:") && !line.contains("summary:")) {
        for prefix in ["pyrycode_relay_", "process_"] {
            for (at, _) in line.match_indices(prefix) {
                let selector = &line[at..];
                let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
                let mut end = selector.find(|c| !is_word(c)).unwrap_or(selector.len());
                if selector[end..].starts_with('{') {
                    end = selector.find('}').unwrap() + 1;
                }
                found.insert(&selector[..end]);
            }
        }
    }
    found
}

/// Push and TLS are on, so that no family is missing.
async fn relay(scratch: &Scratch, google: &Google) -> Executable {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["relay.example.com".to_owned()]).unwrap();
    let chain = scratch.file("chain.pem", &params.self_signed(&key).unwrap().pem());
    let key = scratch.file("key.pem", &key.serialize_pem());
    let credentials = crate::push::credentials(google);
    let environment = [("PYRYCODE_RELAY_FCM_CREDENTIALS", credentials.as_str())];
    let flags = [
        format!("--tls-cert={}", chain.display()),
        format!("--tls-key={}", key.display()),
    ];
    let flags: Vec<_> = flags.iter().map(String::as_str).collect();
    Executable::start_with_tls(&environment, &flags).await
}

#[tokio::test]
async fn every_alert_and_every_panel_finds_its_series_on_a_live_scrape() {
    let (scratch, google) = (Scratch::new(), Google::start().await);
    let relay = relay(&scratch, &google).await;
    let Some(mut prometheus) = Prometheus::start(&scratch, relay.metrics) else {
        let missing = "prometheus is not installed (Debian package prometheus)";
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{missing}");
        println!("skipped: {missing}");
        return;
    };
    // A rate needs two samples.
    let scraped_twice = "count_over_time(pyrycode_relay_uptime_seconds[1m]) >= 3";
    let scraped = async {
        while prometheus.series(scraped_twice).await != Ok(1) {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, scraped).await.expect("it is scraped");

    let (panels, selectors) = (dashboard(), selectors());
    assert!(panels.len() > 30 && selectors.len() > 15);
    let asked = panels.iter().map(String::as_str).chain(selectors);
    for expression in asked {
        let series = prometheus.series(expression).await;
        assert!(matches!(series, Ok(1..)), "{expression}: {series:?}");
    }

    // The certificate made here lasts, and nothing has happened to this relay: every rule is to be read, and none to
    // fire. Before the first scrape the relay was away, which an alert may have noticed.
    let mut rules = Vec::new();
    let all_well = async {
        loop {
            rules = prometheus.rules().await;
            let is_well = |rule: &Value| rule["health"] == "ok" && rule["state"] == "inactive";
            if rules.iter().all(is_well) {
                break;
            }
            tokio::task::yield_now().await;
        }
    };
    let all_well = timeout(PATIENCE, all_well).await;
    assert!(all_well.is_ok(), "{rules:#?}");
    assert_eq!(rules.len(), ALERTS.matches("- alert: ").count());
    prometheus.child.kill().await.unwrap();
}
