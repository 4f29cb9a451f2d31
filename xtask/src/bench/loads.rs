//! Round trips under load: the relay's processor time for one, over the forwarder's for the same.

use serde_json::Value;

use super::figure::{Bar, Figure, Plot, Report, Unit, median, number, range};
use super::processes::{Bench, Server};
use super::proxies;

/// So many servers with so many phones each.
struct Load {
    name: &'static str,
    servers: usize,
    phones: usize,
    in_flight: usize,
    bytes: usize,
    target: f64,
}

const LOADS: &[Load] = &[
    Load {
        name: "1 phone, 1 in flight, 64 B",
        servers: 1,
        phones: 1,
        in_flight: 1,
        bytes: 64,
        target: 1.25,
    },
    Load {
        name: "50 phones on 50 servers, 1 in flight, 64 B",
        servers: 50,
        phones: 1,
        in_flight: 1,
        bytes: 64,
        target: 1.3,
    },
    Load {
        name: "50 × 8 in flight, 64 B",
        servers: 50,
        phones: 1,
        in_flight: 8,
        bytes: 64,
        target: 2.0,
    },
    Load {
        name: "50 × 8 in flight, 1 KiB",
        servers: 50,
        phones: 1,
        in_flight: 8,
        bytes: 1 << 10,
        target: 2.0,
    },
    Load {
        name: "20 × 4 in flight, 16 KiB",
        servers: 20,
        phones: 1,
        in_flight: 4,
        bytes: 16 << 10,
        target: 1.6,
    },
    Load {
        name: "10 phones on each of 10 servers, 4 in flight, 64 B",
        servers: 10,
        phones: 10,
        in_flight: 4,
        bytes: 64,
        target: 2.5,
    },
];

/// Forwarder and relay in turn, so often.
const ROUNDS: usize = 5;

/// With the proxies among them.
const PROXY_ROUNDS: usize = 3;

impl Load {
    fn run(&self, bench: &Bench, server: &Server, middle: &[&str]) -> anyhow::Result<Value> {
        let numbers = [
            ("--servers", self.servers),
            ("--phones", self.phones),
            ("--in-flight", self.in_flight),
            ("--bytes", self.bytes),
        ];
        let numbers = numbers.map(|(name, number)| format!("{name}={number}"));
        let measured = format!("--measured-ms={}", bench.scaled_ms(700));
        let mut args: Vec<_> = numbers.iter().map(String::as_str).collect();
        args.extend(["--warm-up-ms=200", &measured]);
        args.extend(middle);
        bench.load("echo", server, &args)
    }
}

/// Each load through the forwarder, the relay and the proxies that are installed.
pub(super) fn echo(bench: &Bench, report: &mut Report) -> anyhow::Result<()> {
    let forwarder = bench.forwarder()?;
    let relay = bench.relay()?;
    let proxies = proxies::start(bench)?;
    for load in LOADS {
        let mut ratios = Vec::new();
        let mut costs = Vec::new();
        let mut of_proxies = vec![Vec::new(); proxies.len()];
        for round in 0..bench.scaled(ROUNDS) {
            let mut cost = |name: &str, server: &Server, middle: &[&str]| -> anyhow::Result<f64> {
                let result = load.run(bench, server, middle)?;
                report.keep(format!("{} / {name} / round {round}", load.name), &result);
                number(&result, "cpu_us_per_round_trip")
            };
            let limit = cost("forwarder", &forwarder, &["--forwarder"])?;
            let ours = cost("relay", &relay, &[])?;
            ratios.push(ours / limit);
            costs.push(ours);
            // They are there for comparison, and have no target.
            let compared = proxies.iter().zip(&mut of_proxies);
            for (proxy, ratios) in compared.filter(|_| round < PROXY_ROUNDS) {
                let backend = format!("--backend={}", proxy.backend);
                ratios.push(cost(proxy.name, &proxy.server, &[&backend])? / limit);
            }
        }
        let mut detail = format!(
            "{} in {} rounds; {:.2} µs",
            range(&ratios),
            ratios.len(),
            median(&costs)
        );
        let mut bars = vec![
            Bar {
                label: "forwarder".to_owned(),
                value: 1.0,
                target: None,
            },
            Bar {
                label: "relay".to_owned(),
                value: median(&ratios),
                target: Some(load.target),
            },
        ];
        for (proxy, ratios) in proxies.iter().zip(&of_proxies) {
            let value = median(ratios);
            detail += &format!("; {} {value:.2}", proxy.name);
            bars.push(Bar {
                label: proxy.name.to_owned(),
                value,
                target: None,
            });
        }
        report.add(Figure {
            section: "Processor time of a round trip ÷ the forwarder's",
            name: load.name.to_owned(),
            value: median(&ratios),
            unit: Unit::Ratio,
            target: Some(load.target),
            detail,
        });
        report.plots.push(Plot {
            title: load.name.to_owned(),
            unit: "× forwarder",
            bars,
        });
    }
    Ok(())
}

/// How the cost of a frame grows with the connections that are there and busy.
pub(super) fn growth(bench: &Bench, report: &mut Report) -> anyhow::Result<()> {
    const CONNECTIONS: &[usize] = &[10, 100, 1_000, 10_000];
    let relay = bench.relay()?;
    let mut rounds = vec![Vec::new(); CONNECTIONS.len()];
    for round in 0..bench.scaled(3) {
        for (connections, costs) in CONNECTIONS.iter().zip(&mut rounds) {
            let load = Load {
                name: "growth",
                servers: connections / 2,
                phones: 1,
                in_flight: 1,
                bytes: 64,
                target: f64::NAN,
            };
            let result = load.run(bench, &relay, &[])?;
            report.keep(format!("growth / {connections} / round {round}"), &result);
            // Two frames are relayed in each.
            costs.push(number(&result, "cpu_us_per_round_trip")? / 2.0);
        }
    }
    let costs: Vec<_> = rounds.iter().map(|costs| median(costs)).collect();
    let bars = CONNECTIONS.iter().zip(&costs);
    report.plots.push(Plot {
        title: "Processor time of one frame, by connections".to_owned(),
        unit: "µs",
        bars: bars
            .map(|(connections, cost)| Bar {
                label: connections.to_string(),
                value: *cost,
                target: None,
            })
            .collect(),
    });
    let (first, last) = (costs[0], costs[costs.len() - 1]);
    let texts: Vec<_> = costs.iter().map(|cost| format!("{cost:.2}")).collect();
    report.add(Figure {
        section: "Growth",
        name: "processor time of a frame at 10 000 connections ÷ at 10".to_owned(),
        value: last / first,
        unit: Unit::Ratio,
        target: Some(1.3),
        detail: format!("at 10, 100, 1 000, 10 000: {} µs", texts.join(", ")),
    });
    Ok(())
}
