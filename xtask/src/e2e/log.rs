//! What a relay writes to standard error: kept, waited for, and read as logfmt.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::sync::watch;

/// The lines a relay has logged so far, and notice of new ones.
#[derive(Debug, Clone)]
pub(super) struct Log {
    lines: Arc<Mutex<Vec<String>>>,
    written: watch::Receiver<usize>,
}

/// A place in a log: lines before it are history.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Mark(usize);

impl Log {
    /// A log, and the future that fills it until `output` ends.
    pub(super) fn of(
        output: impl AsyncRead + Unpin + Send + 'static,
    ) -> (Self, impl Future<Output = ()> + Send) {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let (announce, written) = watch::channel(0);
        let log = Self {
            lines: Arc::clone(&lines),
            written,
        };
        let fill = async move {
            let mut output = BufReader::new(output).lines();
            while let Ok(Some(line)) = output.next_line().await {
                let count = {
                    let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
                    lines.push(line);
                    lines.len()
                };
                announce.send_replace(count);
            }
        };
        (log, fill)
    }

    /// All lines so far.
    pub(super) fn lines(&self) -> Vec<String> {
        self.locked().clone()
    }

    /// Here and now.
    pub(super) fn mark(&self) -> Mark {
        Mark(self.locked().len())
    }

    /// The event `msg` with these fields: the first one after `mark`, now or as soon as it is logged.
    ///
    /// # Errors
    ///
    /// The relay ended without it.
    pub(super) async fn event(
        &self,
        mark: Mark,
        msg: &str,
        fields: &[(&str, &str)],
    ) -> anyhow::Result<Fields> {
        self.find(mark, |line| {
            // Most lines are refused before they are parsed.
            let line = line.contains(msg).then(|| Fields::of(line))?;
            (line.get("msg") == Some(msg)
                && fields
                    .iter()
                    .all(|&(key, value)| line.get(key) == Some(value)))
            .then_some(line)
        })
        .await
        .with_context(|| format!("`{msg}` {fields:?} was not logged"))
    }

    /// Waits for a line with this in it, of whatever form.
    ///
    /// # Errors
    ///
    /// The output ended without one.
    pub(super) async fn line(&self, mark: Mark, text: &str) -> anyhow::Result<()> {
        self.find(mark, |line| line.contains(text).then_some(()))
            .await
            .with_context(|| format!("no line with {text:?}"))
    }

    /// How many events `msg` were logged so far.
    pub(super) fn count(&self, msg: &str) -> usize {
        self.locked()
            .iter()
            .filter(|line| Fields::of(line).get("msg") == Some(msg))
            .count()
    }

    /// Waits until the relay has closed its standard error.
    pub(super) async fn ended(&self) {
        let mut written = self.written.clone();
        while written.changed().await.is_ok() {}
    }

    async fn find<T>(
        &self,
        mark: Mark,
        mut wanted: impl FnMut(&str) -> Option<T>,
    ) -> anyhow::Result<T> {
        let mut written = self.written.clone();
        let mut seen = mark.0;
        loop {
            written.borrow_and_update();
            {
                let lines = self.locked();
                if let Some(found) = lines
                    .get(seen..)
                    .unwrap_or_default()
                    .iter()
                    .find_map(|line| wanted(line))
                {
                    return Ok(found);
                }
                seen = lines.len();
            }
            written.changed().await.context("the relay has ended")?;
        }
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, Vec<String>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The key-value pairs of one log line, in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fields(Vec<(String, String)>);

impl Fields {
    /// Reads logfmt, or a JSON object when the line starts like one.
    ///
    /// What is no pair must not go unnoticed: it reads as a key that no closed set holds.
    pub(crate) fn of(line: &str) -> Self {
        if line.starts_with('{') {
            return serde_json::from_str(line)
                .unwrap_or_else(|_| Self(vec![(line.to_owned(), String::new())]));
        }
        let mut fields = Vec::new();
        let mut rest = line;
        while let Some((key, after)) = rest.split_once('=') {
            let Some((value, tail)) = value(after) else {
                break;
            };
            fields.push((key.to_owned(), value));
            rest = tail;
        }
        if !rest.is_empty() {
            fields.push((rest.to_owned(), String::new()));
        }
        Self(fields)
    }

    /// The value of the first pair with this key.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, value)| value.as_str())
    }

    /// The keys are these in this order, behind those of every line.
    pub(super) fn expect_keys(&self, keys: &[&str]) -> anyhow::Result<()> {
        let expected = ["time", "level", "msg"].iter().chain(keys).copied();
        anyhow::ensure!(
            self.keys().eq(expected),
            "the keys {keys:?} expected in {self:?}"
        );
        Ok(())
    }

    /// The keys, in their order.
    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(key, _)| key.as_str())
    }
}

/// Every pair there is: of two with one key, a map would keep the last.
impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;

        impl<'de> Visitor<'de> for Pairs {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = Vec::new();
                while let Some((key, value)) = map.next_entry::<String, Value>()? {
                    let text = value
                        .as_str()
                        .map_or_else(|| value.to_string(), str::to_owned);
                    fields.push((key, text));
                }
                Ok(Fields(fields))
            }
        }

        deserializer.deserialize_map(Pairs)
    }
}

/// The value in front, and what follows behind the one blank; `None` if it ends in the middle, or should have been quoted.
fn value(text: &str) -> Option<(String, &str)> {
    let (value, tail) = match text.strip_prefix('"') {
        Some(quoted) => unquote(quoted)?,
        None => {
            let (value, tail) = text.split_at(text.find(' ').unwrap_or(text.len()));
            if value.is_empty() || value.contains(['"', '=']) {
                return None;
            }
            (value.to_owned(), tail)
        }
    };
    let rest = if tail.is_empty() {
        tail
    } else {
        tail.strip_prefix(' ')?
    };
    Some((value, rest))
}

/// The text up to the closing quote, unescaped as far as the scenarios compare it, and what follows.
fn unquote(quoted: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut letters = quoted.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Some((value, &quoted[at + 1..])),
            '\\' => match letters.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, 't')) => value.push('\t'),
                Some((_, escaped)) => value.push(escaped),
                None => return None,
            },
            _ => value.push(letter),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: &[(&str, &str)]) {
        let expected = expected
            .iter()
            .map(|&(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        assert_eq!(Fields::of(line), Fields(expected), "{line}");
    }

    #[test]
    fn reads_logfmt() {
        check(
            "time=1 level=INFO msg=x",
            &[("time", "1"), ("level", "INFO"), ("msg", "x")],
        );
        check(
            r#"msg="a b" err="say \"x=y\"\n" n=1"#,
            &[("msg", "a b"), ("err", "say \"x=y\"\n"), ("n", "1")],
        );
        check("device_name=\"\" n=1", &[("device_name", ""), ("n", "1")]);
    }

    #[test]
    fn shows_what_is_no_pair() {
        check("msg=x stray", &[("msg", "x"), ("stray", "")]);
        check("thread panicked at", &[("thread panicked at", "")]);
        for broken in [
            "n=\"never ends",
            "n=\"never ends\\\"",
            "n=\"never ends\\",
            "n=\"a\"b=c",
            "n=a\"b",
            "n=a=b",
            "n=",
            "n=  b=c",
        ] {
            check(&format!("msg=x {broken}"), &[("msg", "x"), (broken, "")]);
        }
    }

    #[test]
    fn reads_json() {
        check(
            r#"{"level":"INFO","n":7}"#,
            &[("level", "INFO"), ("n", "7")],
        );
    }

    #[test]
    fn shows_json_that_is_broken_or_says_a_thing_twice() {
        check(
            r#"{"msg":"x","n":1,"msg":"forged"}"#,
            &[("msg", "x"), ("n", "1"), ("msg", "forged")],
        );
        for broken in [r#"{"msg":"x""#, r#"{"msg":"x"} {"n":1}"#, "{msg=x}"] {
            check(broken, &[(broken, "")]);
        }
    }

    #[tokio::test]
    async fn finds_what_is_there_and_what_comes() {
        let (mut input, output) = tokio::io::duplex(64);
        let (log, fill) = Log::of(output);
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(fill);
        let start = log.mark();
        tokio::io::AsyncWriteExt::write_all(&mut input, b"msg=a n=1\nmsg=a n=2\n")
            .await
            .unwrap();
        assert_eq!(
            log.event(start, "a", &[("n", "2")]).await.unwrap().get("n"),
            Some("2")
        );
        drop(input);
        log.ended().await;
        assert_eq!(log.count("a"), 2);
        assert!(log.event(log.mark(), "a", &[]).await.is_err());
    }
}
