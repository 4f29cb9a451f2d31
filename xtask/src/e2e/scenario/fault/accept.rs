//! The system has nothing to accept a connection with: who is there notices nothing, who comes waits, and the
//! operator is told once.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use rustix::process::{Pid, Signal};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;

use crate::clock::Stopwatch;
use crate::e2e::http::Request;
use crate::e2e::log::{Log, Mark};
use crate::e2e::peer::Peer;
use crate::e2e::raw::RawPeer;
use crate::e2e::relay::Relay;
use crate::e2e::scenario::Scenario;
use crate::e2e::scraper::Scraper;
use crate::e2e::stage::Stage;
use crate::e2e::{ports, process, tools};

pub(super) const ALL: &[Scenario] = &[
    scenario!(without_descriptors_nobody_is_lost_and_it_is_told_once)
        .within(Duration::from_secs(60)),
    scenario!(accepting_outlives_whatever_the_system_says),
];

const ERRORS: &str = "pyrycode_relay_accept_errors_total";

/// Descriptors beyond those that are open when they become scarce.
const ROOM: usize = 12;

async fn without_descriptors_nobody_is_lost_and_it_is_told_once(
    stage: &Stage,
) -> anyhow::Result<()> {
    let metrics = ports::free()?;
    let flag = format!("--metrics-listen={metrics}");
    let mut relay = stage.relay_with(&[&flag]).await?;
    let pid = relay.pid()?;
    let mut scraper = Scraper::dial(metrics).await?;
    ensure!(scraper.value(ERRORS).await? == 0.0);
    let mut pair = Pair::new(&relay).await?;

    limit_files(pid, &(process::open_files(pid)? + ROOM).to_string()).await?;
    let mark = relay.log().mark();
    let (mut idle, mut waiting) = fill(&relay, mark).await?;
    let told = relay.log().event(mark, "accept_failed", &[]).await?;
    told.expect_keys(&["err"])?;
    ensure!(told.get("level") == Some("ERROR"), "{told:?}");
    let err = told.get("err").unwrap_or_default();
    ensure!(err.contains("Too many open files"), "{told:?}");

    // Nothing of it reaches who is there, and the relay does not turn in circles.
    let (start, cpu) = (Stopwatch::start(), process::cpu_time(pid)?);
    let errors = scraper.value(ERRORS).await?;
    let mut pace = tokio::time::interval(Duration::from_millis(20));
    for round in 0..50 {
        pace.tick().await;
        pair.echo(round).await?;
    }
    let attempts = scraper.value(ERRORS).await? - errors;
    let (elapsed, cpu) = (start.elapsed(), process::cpu_time(pid)? - cpu);
    let most = elapsed.as_secs_f64() / 0.05 + 2.0;
    ensure!(
        attempts >= 2.0 && attempts <= most,
        "{attempts} attempts in {elapsed:?}"
    );
    ensure!(cpu < elapsed / 2, "{cpu:?} of CPU time in {elapsed:?}");

    // At the limit one comes for each that goes, and it is one shortage still.
    for _ in 0..10 {
        let next = ask(&relay).await?;
        drop(idle.pop());
        waiting.response().await?.expect(200)?;
        idle.push(std::mem::replace(&mut waiting, next));
        let errors = scraper.value(ERRORS).await?;
        scraper.exceeds(ERRORS, errors).await?;
    }
    ensure!(relay.log().count("accept_failed") == 1, "told again");
    ensure!(relay.log().count("accept_recovered") == 0, "over too soon");

    drop(idle);
    waiting.response().await?.expect(200)?;
    let over = relay.log().event(mark, "accept_recovered", &[]).await?;
    over.expect_keys(&[])?;
    ensure!(over.get("level") == Some("INFO"), "{over:?}");

    // The next shortage is news, and ends as well when the operator raises the limit.
    let mark = relay.log().mark();
    let (idle, mut waiting) = fill(&relay, mark).await?;
    limit_files(pid, "4096").await?;
    waiting.response().await?.expect(200)?;
    relay.log().event(mark, "accept_recovered", &[]).await?;
    ensure!(relay.log().count("accept_failed") == 2);
    ensure!(relay.log().count("accept_recovered") == 2);
    drop(idle);
    pair.ends_with(&mut relay).await
}

/// Errors of accept(2) that cannot be had for the asking: another process puts them into the relay's calls.
async fn accepting_outlives_whatever_the_system_says(stage: &Stage) -> anyhow::Result<()> {
    if !stage.has("strace, or the right to use it", tools::may_trace())? {
        return Ok(());
    }
    let metrics = ports::free()?;
    let flag = format!("--metrics-listen={metrics}");
    let mut relay = stage.relay_with(&[&flag]).await?;
    let mut scraper = Scraper::dial(metrics).await?;
    let mut pair = Pair::new(&relay).await?;

    // A shortage lasts until it is over.
    for (shortages, (name, text)) in [
        ("ENOBUFS", "No buffer space available"),
        ("ENOMEM", "Cannot allocate memory"),
        ("EPROTO", "Protocol error"),
    ]
    .into_iter()
    .enumerate()
    {
        let errors = scraper.value(ERRORS).await?;
        let mark = relay.log().mark();
        let injector = Injector::start(relay.pid()?, &format!("error={name}")).await?;
        let mut waiting = ask(&relay).await?;
        let told = relay.log().event(mark, "accept_failed", &[]).await?;
        let err = told.get("err").unwrap_or_default();
        ensure!(err.contains(text), "{told:?}");
        scraper.exceeds(ERRORS, errors + 3.0).await?;
        pair.echo(shortages).await?;
        injector.stop().await?;
        waiting.response().await?.expect(200)?;
        relay.log().event(mark, "accept_recovered", &[]).await?;
        ensure!(relay.log().count("accept_failed") == shortages + 1);
    }

    // One connection that ended while it waited is nobody else's matter, and no news.
    let errors = scraper.value(ERRORS).await?;
    for name in ["ECONNABORTED", "ENETDOWN", "EHOSTUNREACH", "EINTR"] {
        // Of each thread the first call.
        let injector = Injector::start(relay.pid()?, &format!("error={name}:when=1")).await?;
        ask(&relay).await?.response().await?.expect(200)?;
        injector.has_injected(name).await?;
        injector.stop().await?;
    }
    ensure!(scraper.value(ERRORS).await? == errors, "counted as errors");
    ensure!(relay.log().count("accept_failed") == 3);
    pair.ends_with(&mut relay).await
}

/// Who was there before, and stays.
struct Pair {
    daemon: Peer,
    phone: Peer,
    conn_id: String,
}

impl Pair {
    async fn new(relay: &Relay) -> anyhow::Result<Self> {
        let daemon = relay.binary("s").await?;
        let (phone, conn_id) = relay.phone("s").await?;
        Ok(Self {
            daemon,
            phone,
            conn_id,
        })
    }

    async fn echo(&mut self, round: usize) -> anyhow::Result<()> {
        let frame = round.to_string();
        self.phone.send(frame.as_str()).await?;
        self.daemon.expect_frame(&self.conn_id, &frame).await?;
        self.daemon.send_to(&self.conn_id, &frame).await?;
        self.phone.expect_text(&frame).await
    }

    async fn ends_with(&mut self, relay: &mut Relay) -> anyhow::Result<()> {
        relay.signal(Signal::TERM)?;
        self.daemon.expect_notice(&self.conn_id, 1001).await?;
        self.daemon.expect_close(1001, "shutting down").await?;
        self.phone.expect_close(1001, "shutting down").await?;
        relay.exits_cleanly_within(Duration::from_secs(5)).await
    }
}

/// A connection with a request on it, which the kernel takes in whether or not the relay does.
async fn ask(relay: &Relay) -> anyhow::Result<RawPeer> {
    let mut peer = RawPeer::dial(relay.addr()).await?;
    peer.send_bytes(&Request::get("/readyz").bytes()).await?;
    Ok(peer)
}

/// Connections that were answered and stay, until the relay has no descriptor for one more; and that one.
async fn fill(relay: &Relay, mark: Mark) -> anyhow::Result<(Vec<RawPeer>, RawPeer)> {
    let mut idle = Vec::new();
    loop {
        let mut peer = ask(relay).await?;
        let answered = tokio::select! {
            answer = peer.response() => answer?.expect(200).map(|()| true)?,
            told = relay.log().event(mark, "accept_failed", &[]) => told.map(|_| false)?,
        };
        if !answered {
            return Ok((idle, peer));
        }
        idle.push(peer);
    }
}

/// Sets the soft limit of open files of a running process.
async fn limit_files(pid: Pid, files: &str) -> anyhow::Result<()> {
    let status = Command::new("prlimit")
        .arg(format!("--pid={pid}"))
        .arg(format!("--nofile={files}:"))
        .status()
        .await
        .context("could not start prlimit")?;
    ensure!(status.success(), "prlimit ended with {status}");
    Ok(())
}

/// strace at a running relay, whose calls of accept4(2) it has fail.
struct Injector {
    strace: Child,
    log: Log,
    _reader: JoinSet<()>,
}

impl Injector {
    async fn start(pid: Pid, injection: &str) -> anyhow::Result<Self> {
        let mut strace = Command::new(tools::STRACE)
            .args(["-f", "-e", "trace=accept4", "-e", "signal=none"])
            .arg(format!("--inject=accept4:{injection}"))
            .arg(format!("--attach={pid}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let stderr = strace.stderr.take().context("standard error is piped")?;
        let (log, fill) = Log::of(stderr);
        let mut reader = JoinSet::new();
        reader.spawn(fill);
        let injector = Self {
            strace,
            log,
            _reader: reader,
        };
        injector.says("attached").await?;
        Ok(injector)
    }

    async fn says(&self, text: &str) -> anyhow::Result<()> {
        let said = self.log.line(Mark::default(), text).await;
        said.with_context(|| format!("strace: {:?}", self.log.lines()))
    }

    /// Waits until it has had a call fail with this error.
    async fn has_injected(&self, error: &str) -> anyhow::Result<()> {
        self.says(&format!("= -1 {error}")).await
    }

    /// Lets go of the relay.
    async fn stop(mut self) -> anyhow::Result<()> {
        let pid = self.strace.id().context("strace has already ended")?;
        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
        rustix::process::kill_process(pid.context("a process id")?, Signal::TERM)?;
        self.strace.wait().await?;
        Ok(())
    }
}
