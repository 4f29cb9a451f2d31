//! The command line: a mode, and what it needs to know.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use lexopt::prelude::*;
use serde_json::Value as Json;

use crate::forward;
use crate::mode::Target;
use crate::mode::churn::Churn;
use crate::mode::connects::Connects;
use crate::mode::crowd::{Drain, Hold, Idle};
use crate::mode::echo::{Echo, Middle};
use crate::mode::secure::{Certificate, Secure};
use crate::mode::stalled::Stalled;
use crate::process::Watched;

/// One process life.
#[derive(Debug)]
pub(crate) enum Command {
    Forward(SocketAddr),
    Certificate(Certificate),
    Echo(Echo),
    Idle(Idle),
    Drain(Drain),
    Hold(Hold),
    Connects(Connects),
    Stalled(Stalled),
    Churn(Churn),
    Secure(Secure),
}

/// Every option of every mode.
#[derive(Debug, Default)]
struct Options {
    target: Option<SocketAddr>,
    pid: Option<i32>,
    listen: Option<SocketAddr>,
    backend: Option<SocketAddr>,
    is_forwarder: bool,
    stalls: bool,
    servers: usize,
    phones: usize,
    in_flight: usize,
    bytes: usize,
    connections: usize,
    visits: usize,
    warm_up: Duration,
    measured: Duration,
    interval: Duration,
    authority: PathBuf,
    directory: PathBuf,
    name: String,
}

/// Reads the arguments after the program name.
pub(crate) fn parse(args: impl IntoIterator<Item = OsString>) -> anyhow::Result<Command> {
    let mut parser = lexopt::Parser::from_args(args);
    let mode = match parser.next()? {
        Some(Value(mode)) => mode.string()?,
        _ => bail!("a mode comes first; `cargo xtask bench` knows them"),
    };
    let mut options = Options::default();
    while let Some(arg) = parser.next()? {
        let Long(name) = arg else {
            return Err(arg.unexpected().into());
        };
        let name = name.to_owned();
        options.read(&name, &mut parser).context(name)?;
    }
    options.command(&mode)
}

impl Options {
    fn read(&mut self, name: &str, parser: &mut lexopt::Parser) -> anyhow::Result<()> {
        match name {
            "forwarder" => self.is_forwarder = true,
            "stalls" => self.stalls = true,
            "target" => self.target = Some(parser.value()?.parse()?),
            "pid" => self.pid = Some(parser.value()?.parse()?),
            "listen" => self.listen = Some(parser.value()?.parse()?),
            "backend" => self.backend = Some(parser.value()?.parse()?),
            "servers" => self.servers = parser.value()?.parse()?,
            "phones" => self.phones = parser.value()?.parse()?,
            "in-flight" => self.in_flight = parser.value()?.parse()?,
            "bytes" => self.bytes = parser.value()?.parse()?,
            "connections" => self.connections = parser.value()?.parse()?,
            "visits" => self.visits = parser.value()?.parse()?,
            "warm-up-ms" => self.warm_up = Duration::from_millis(parser.value()?.parse()?),
            "measured-ms" => self.measured = Duration::from_millis(parser.value()?.parse()?),
            "interval-ms" => self.interval = Duration::from_millis(parser.value()?.parse()?),
            "authority" => self.authority = parser.value()?.into(),
            "directory" => self.directory = parser.value()?.into(),
            "name" => self.name = parser.value()?.string()?,
            _ => bail!("unknown option"),
        }
        Ok(())
    }

    fn target(&self) -> anyhow::Result<Target> {
        Ok(Target {
            addr: self.target.context("--target")?,
            process: Watched::new(self.pid.context("--pid")?)?,
        })
    }

    fn middle(&self) -> Middle {
        match self.backend {
            Some(backend) => Middle::Proxy { backend },
            None if self.is_forwarder => Middle::Forwarder,
            None => Middle::Relay,
        }
    }

    fn command(self, mode: &str) -> anyhow::Result<Command> {
        if mode == "forward" {
            return Ok(Command::Forward(self.listen.context("--listen")?));
        }
        if mode == "certificate" {
            return Ok(Command::Certificate(Certificate {
                directory: self.directory,
                name: self.name,
            }));
        }
        let target = self.target()?;
        let connections = self.connections;
        Ok(match mode {
            "echo" => Command::Echo(Echo {
                target,
                middle: self.middle(),
                servers: self.servers,
                phones: self.phones,
                in_flight: self.in_flight,
                bytes: self.bytes,
                warm_up: self.warm_up,
                measured: self.measured,
            }),
            "idle" => Command::Idle(Idle {
                target,
                connections,
                idle: self.measured,
                big_bytes: self.bytes,
            }),
            "drain" => Command::Drain(Drain {
                target,
                connections,
            }),
            "hold" => Command::Hold(Hold {
                target,
                connections,
            }),
            "connects" => Command::Connects(Connects {
                target,
                interval: self.interval,
            }),
            "stalled" => Command::Stalled(Stalled {
                target,
                stalls: self.stalls,
                measured: self.measured,
            }),
            "churn" => Command::Churn(Churn {
                target,
                visits: self.visits,
            }),
            "secure" => Command::Secure(Secure {
                target,
                connections,
                authority: self.authority,
                name: self.name,
            }),
            _ => bail!("unknown mode `{mode}`"),
        })
    }
}

impl Command {
    pub(crate) fn run(self) -> anyhow::Result<Json> {
        match self {
            Self::Forward(listen) => forward::run(listen),
            Self::Certificate(mode) => mode.run(),
            Self::Echo(mode) => mode.run(),
            Self::Idle(mode) => mode.run(),
            Self::Drain(mode) => mode.run(),
            Self::Hold(mode) => mode.run(),
            Self::Connects(mode) => mode.run(),
            Self::Stalled(mode) => mode.run(),
            Self::Churn(mode) => mode.run(),
            Self::Secure(mode) => mode.run(),
        }
    }
}
