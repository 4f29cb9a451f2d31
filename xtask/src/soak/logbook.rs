//! What the relay logs during a soak: kept in a file, read for the books, and judged line by line.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, anyhow, ensure};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};

use super::world::World;
use crate::e2e::log::Fields;

/// Lines kept: some minutes of them, in which whoever is part of a failure came and went.
const KEPT_LINES: usize = 30_000;

/// Lines shown for a failure.
const SHOWN_LINES: usize = 25;

/// What peers of a soak do wrong on purpose, and what a machine that tests run on is warned of.
const EXPECTED_WARNINGS: &[&str] = &[
    "phone_forwarder_marshal_err",
    "binary_forwarder_unmarshal_err",
    "binary_forwarder_unknown_conn_id",
    "binary_forwarder_invalid_close_code",
    "binary_forwarder_push_wake_dropped",
    "binary_forwarder_warnings_suppressed",
    "more privileges than a relay needs",
    "max connections lowered to what the open-file limit allows",
];

/// The lines so far, as far as they are kept.
#[derive(Debug, Default)]
pub(super) struct Logbook(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    kept: VecDeque<String>,
    counts: BTreeMap<String, u64>,
    is_listening: bool,
}

impl Logbook {
    /// Reads until the relay closes its standard error.
    pub(super) async fn read(
        self: Arc<Self>,
        output: impl AsyncRead + Unpin,
        path: &Path,
        world: Arc<World>,
    ) {
        if let Err(error) = self.read_lines(output, path, &world).await {
            world.fail(&error);
        }
    }

    async fn read_lines(
        &self,
        output: impl AsyncRead + Unpin,
        path: &Path,
        world: &World,
    ) -> anyhow::Result<()> {
        let file = File::create(path).with_context(|| path.display().to_string())?;
        let mut file = BufWriter::new(file);
        let mut output = BufReader::new(output).lines();
        while let Some(line) = output.next_line().await? {
            writeln!(file, "{line}")?;
            let judged = self.line(&line, world);
            judged.with_context(|| format!("the relay logged {line}"))?;
        }
        file.flush()?;
        Ok(())
    }

    fn line(&self, line: &str, world: &World) -> anyhow::Result<()> {
        let fields = Fields::of(line);
        let field = |key| fields.get(key).with_context(|| format!("no {key}"));
        let msg = field("msg")?;
        {
            let mut state = self.state();
            if state.kept.len() == KEPT_LINES {
                state.kept.pop_front();
            }
            state.kept.push_back(line.to_owned());
            *state.counts.entry(msg.to_owned()).or_default() += 1;
            state.is_listening |= msg == "listening";
        }
        match field("level")? {
            "INFO" => {}
            "WARN" => ensure!(
                EXPECTED_WARNINGS.contains(&msg),
                "a warning that nothing was done for"
            ),
            level => return Err(anyhow!("a line of level {level}")),
        }
        match msg {
            "phone_registered" => {
                let phone = field("device_name")?.parse()?;
                world.books().registered(field("conn_id")?, phone)
            }
            "phone_unregistered" => world.books().unregistered(field("conn_id")?),
            _ => Ok(()),
        }
    }

    /// Whether it accepts connections.
    pub(super) fn is_listening(&self) -> bool {
        self.state().is_listening
    }

    /// How often each message was logged.
    pub(super) fn counts(&self) -> BTreeMap<String, u64> {
        self.state().counts.clone()
    }

    /// How often this message was logged.
    pub(super) fn count(&self, msg: &str) -> u64 {
        self.state().counts.get(msg).copied().unwrap_or_default()
    }

    /// The last lines.
    pub(super) fn last(&self) -> Vec<String> {
        let state = self.state();
        let skipped = state.kept.len().saturating_sub(SHOWN_LINES);
        state.kept.iter().skip(skipped).cloned().collect()
    }

    /// The last lines about the phones that a failure names, by their number or their conn_id.
    pub(super) fn about(&self, failure: &str) -> Vec<String> {
        let state = self.state();
        let named = names(failure);
        let introduced = state
            .kept
            .iter()
            .filter(|line| named.iter().any(|name| line.contains(name)))
            .flat_map(|line| names(line));
        let named: BTreeSet<String> = introduced.chain(named.iter().cloned()).collect();
        let about = state
            .kept
            .iter()
            .filter(|line| named.iter().any(|name| line.contains(name)));
        let lines: Vec<String> = about.cloned().collect();
        lines[lines.len().saturating_sub(SHOWN_LINES)..].to_vec()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The conn_ids in a text, and the phones, as the log has them.
fn names(text: &str) -> BTreeSet<String> {
    let words: Vec<&str> = text
        .split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-')
        .filter(|word| !word.is_empty())
        .collect();
    let conn_ids = words
        .iter()
        .filter(|word| word.starts_with("client-"))
        .map(|word| (*word).to_owned());
    let phones = words
        .windows(2)
        .filter(|pair| pair[0] == "phone" && pair[1].parse::<u64>().is_ok())
        .map(|pair| format!("device_name={} ", pair[1]));
    conn_ids.chain(phones).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_illustrated_by_the_lines_about_its_phones() {
        let book = Logbook::default();
        book.state().kept.extend(
            [
                "msg=phone_registered conn_id=client-0a device_name=7 remote=x",
                "msg=phone_registered conn_id=client-0b device_name=77 remote=x",
                "msg=phone_unregistered conn_id=client-0a",
            ]
            .map(str::to_owned),
        );
        let about = book.about("after 3 s: phone 7 at server-1: lost");
        assert_eq!(about.len(), 2, "{about:?}");
        assert!(about.iter().all(|line| line.contains("client-0a")));
        assert_eq!(book.about("daemon 3: Some(\"client-0b\")").len(), 1);
        assert!(book.about("nothing").is_empty());
    }
}
