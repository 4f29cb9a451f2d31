//! Ten thousand connections: what they weigh, what remains of them, how they go.

use std::time::Duration;

use super::figure::{Figure, Report, Unit, number};
use super::processes::{Bench, Core, Server, free_address};
use crate::clock::Stopwatch;

/// Half daemons, half phones.
const CONNECTIONS: usize = 10_000;

/// After they left: what the allocator returns, it has returned by then.
const AFTERWARDS: Duration = Duration::from_secs(60);

/// Before and after the peers are dropped, the prober is at work alone.
const AROUND_A_STORM: Duration = Duration::from_millis(1500);

const SECTION: &str = "Ten thousand connections";

fn figure(name: &str, value: f64, unit: Unit, target: f64, detail: String) -> Figure {
    Figure {
        section: SECTION,
        name: name.to_owned(),
        value,
        unit,
        target: Some(target),
        detail,
    }
}

/// Idle, after a big message each, and after all have left.
pub(super) fn memory(bench: &Bench, report: &mut Report) -> anyhow::Result<()> {
    let relay = bench.relay()?;
    let count = bench.scaled(CONNECTIONS);
    let connections = format!("--connections={count}");
    let idle = format!("--measured-ms={}", bench.scaled_ms(33_000));
    // Less than 256 KiB by its envelope.
    let bytes = format!("--bytes={}", (256 << 10) - 128);
    let result = bench.load("idle", &relay, &[&connections, &idle, &bytes])?;
    report.keep("memory", &result);
    let empty = number(&result, "rss_empty")?;
    let idle = number(&result, "rss_idle")?;
    let after_big = number(&result, "rss_after_big")?;
    let each = |bytes: f64| bytes / count as f64 / 1024.0;
    let pings = number(&result, "pings")?;
    let mut add = |name: &str, value, unit, target, detail| {
        report.add(figure(name, value, unit, target, detail));
    };
    let mib = |bytes: f64| format!("{:.1} MiB", bytes / f64::from(1 << 20));
    add(
        "memory of an idle connection, plain",
        each(idle - empty),
        Unit::Kibibytes,
        4.0,
        format!("{pings} pings answered; {} in all", mib(idle)),
    );
    add(
        "more after one 256 KiB message each way",
        each(after_big - idle),
        Unit::Kibibytes,
        1.0,
        mib(after_big),
    );
    add(
        "processor time of idle connections, of one core",
        number(&result, "idle_cpu_seconds")? / number(&result, "idle_seconds")?,
        Unit::Share,
        0.01,
        format!(
            "over {:.0} s with heartbeats",
            number(&result, "idle_seconds")?
        ),
    );
    report.deserted = Some(Deserted {
        relay,
        since: Stopwatch::start(),
        empty,
        grown: idle.max(after_big) - empty,
    });
    Ok(())
}

/// A relay whose crowd has left. Other parts are measured while its allocator gives memory back.
#[derive(Debug)]
pub(super) struct Deserted {
    relay: Server,
    since: Stopwatch,
    empty: f64,
    grown: f64,
}

/// What is left of the memory a minute later.
pub(super) fn desertion(_: &Bench, report: &mut Report) -> anyhow::Result<()> {
    let Some(deserted) = report.deserted.take() else {
        return Ok(());
    };
    std::thread::sleep(AFTERWARDS.saturating_sub(deserted.since.elapsed()));
    let left = deserted.relay.rss()?;
    let mib = |bytes: f64| bytes / f64::from(1 << 20);
    report.add(Figure {
        section: SECTION,
        name: "memory kept a minute after all have left, of the peak's growth".to_owned(),
        value: (left - deserted.empty).max(0.0) / deserted.grown,
        unit: Unit::Share,
        target: Some(0.25),
        detail: format!(
            "{:.1} MiB before, {:.1} MiB after",
            mib(deserted.empty),
            mib(left)
        ),
    });
    Ok(())
}

/// Idle, inside TLS 1.3.
pub(super) fn secure(bench: &Bench, report: &mut Report) -> anyhow::Result<()> {
    let name = "bench.test";
    let directory = bench.directory().join("certificate");
    std::fs::create_dir_all(&directory)?;
    let directory = directory.display();
    bench.tool(&[
        "certificate",
        &format!("--directory={directory}"),
        &format!("--name={name}"),
    ])?;
    let addr = free_address()?;
    let args = [
        format!("--tls-cert={directory}/certificate.pem"),
        format!("--tls-key={directory}/key.pem"),
        format!("--https-listen={addr}"),
    ];
    let relay = bench.relay_with(addr, &args.each_ref().map(String::as_str))?;
    let count = bench.scaled(CONNECTIONS);
    let result = bench.load(
        "secure",
        &relay,
        &[
            &format!("--connections={count}"),
            &format!("--authority={directory}/certificate.pem"),
            &format!("--name={name}"),
        ],
    )?;
    report.keep("secure", &result);
    let grown = number(&result, "rss_connected")? - number(&result, "rss_empty")?;
    let cpu = number(&result, "cpu_us_per_connect")?;
    report.add(Figure {
        section: SECTION,
        name: "memory of an idle connection, TLS 1.3".to_owned(),
        value: grown / count as f64 / 1024.0,
        unit: Unit::Kibibytes,
        target: Some(10.0),
        detail: format!("a handshake and upgrade cost {cpu:.0} µs"),
    });
    Ok(())
}

/// All are dropped at once while daemons go on connecting.
pub(super) fn storm(bench: &Bench, report: &mut Report) -> anyhow::Result<()> {
    let relay = bench.relay()?;
    let connections = format!("--connections={}", bench.scaled(CONNECTIONS));
    let crowd = bench.background("hold", &relay, &[&connections], Core::Load)?;
    let prober = bench.background("connects", &relay, &["--interval-ms=1"], Core::Any)?;
    crowd.kill()?;
    std::thread::sleep(AROUND_A_STORM);
    let result = prober.finish()?;
    report.keep("storm", &result);
    report.add(Figure {
        section: SECTION,
        name: "a new connect while all are dropped at once, 99th percentile".to_owned(),
        value: number(&result, "connects.p99_us")? / 1e6,
        unit: Unit::Seconds,
        target: Some(0.020),
        detail: format!(
            "of {} connects, median {:.0} µs, longest {:.0} µs",
            number(&result, "connects.count")?,
            number(&result, "connects.p50_us")?,
            number(&result, "connects.max_us")?,
        ),
    });
    Ok(())
}

/// SIGTERM with all of them there.
pub(super) fn drain(bench: &Bench, report: &mut Report) -> anyhow::Result<()> {
    let relay = bench.relay()?;
    let count = bench.scaled(CONNECTIONS);
    let result = bench.load("drain", &relay, &[&format!("--connections={count}")])?;
    anyhow::ensure!(relay.exited()?, "the drained relay did not exit with 0");
    report.keep("drain", &result);
    let told = number(&result, "going_away")?;
    let mut add = |name: &str, value, unit, target| {
        let detail = format!("{told} of {count} read 1001");
        report.add(figure(name, value, unit, target, detail));
    };
    add(
        "drain: peers that read no 1001",
        1.0 - told / count as f64,
        Unit::Share,
        0.0,
    );
    add(
        "drain: the last 1001",
        number(&result, "last_close_seconds").unwrap_or(f64::NAN),
        Unit::Seconds,
        0.15,
    );
    add(
        "drain: the process is gone",
        number(&result, "process_gone_seconds")?,
        Unit::Seconds,
        0.3,
    );
    Ok(())
}
