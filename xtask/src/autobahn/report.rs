//! What the suite wrote about each case, and whether it will do. Pure: text in, verdicts out.

use std::collections::BTreeMap;

use anyhow::Context as _;
use serde_json::Value;

/// The statuses a server fails a connection with for what a case does: an offence, or text that is not UTF-8.
const FAILING_CODES: [u64; 2] = [1002, 1007];

/// The outcome of one case, in the suite's words.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Case {
    /// Such as `6.4.3`.
    pub(super) id: String,
    behaviour: String,
    behaviour_close: String,
    /// The status of the server's close frame, if one came and it had one.
    close_code: Option<u64>,
    /// The server was the one to close.
    closed_by_server: bool,
}

impl Case {
    /// Why the case has not passed; `None` if it has.
    ///
    /// NON-STRICT is a choice that the standard leaves, INFORMATIONAL one that it does not speak of. The suite lets a
    /// server fail a connection without a status; we do not.
    pub(super) fn fault(&self) -> Option<String> {
        if !matches!(&*self.behaviour, "OK" | "NON-STRICT" | "INFORMATIONAL") {
            return Some(self.behaviour.clone());
        }
        if !matches!(&*self.behaviour_close, "OK" | "INFORMATIONAL") {
            return Some(format!("close: {}", self.behaviour_close));
        }
        let has_code = self
            .close_code
            .is_some_and(|code| FAILING_CODES.contains(&code));
        if self.closed_by_server && !has_code {
            return Some(format!("the server closed with {:?}", self.close_code));
        }
        None
    }
}

/// How many cases the suite said it would run.
pub(super) fn announced(log: &str) -> Option<usize> {
    let (_, rest) = log.split_once("will run ")?;
    let (count, _) = rest.split_once(" test cases")?;
    count.trim().parse().ok().filter(|count| *count > 0)
}

/// The cases of the index, in order; `detail` reads the report that the index names for one of them.
///
/// # Errors
///
/// A report is missing or not of the known form.
pub(super) fn cases(
    index: &str,
    agent: &str,
    detail: impl Fn(&str) -> anyhow::Result<String>,
) -> anyhow::Result<Vec<Case>> {
    let index: Value = serde_json::from_str(index).context("the index is not JSON")?;
    let entries = index[agent]
        .as_object()
        .context("the index has no such agent")?;
    let mut cases = entries
        .iter()
        .map(|(id, entry)| {
            case(id, entry, &detail).with_context(|| format!("the report of case {id}"))
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    cases.sort_by_cached_key(|case| numbers(&case.id));
    Ok(cases)
}

fn case(
    id: &str,
    entry: &Value,
    detail: impl Fn(&str) -> anyhow::Result<String>,
) -> anyhow::Result<Case> {
    let word = |key: &str| {
        let word = entry[key].as_str().map(str::to_owned);
        word.with_context(|| format!("no `{key}`"))
    };
    let report: Value =
        serde_json::from_str(&detail(&word("reportfile")?)?).context("it is not JSON")?;
    let closed_by_client = report["closedByMe"].as_bool().context("no `closedByMe`")?;
    Ok(Case {
        id: id.to_owned(),
        behaviour: word("behavior")?,
        behaviour_close: word("behaviorClose")?,
        close_code: entry["remoteCloseCode"].as_u64(),
        closed_by_server: !closed_by_client,
    })
}

/// `6.4.10` stands behind `6.4.9`.
fn numbers(id: &str) -> Vec<u32> {
    id.split('.')
        .map(|part| part.parse().unwrap_or(u32::MAX))
        .collect()
}

/// How many cases there are of each behaviour, and which of them are not simply OK.
pub(super) fn summary(cases: &[Case]) -> String {
    let mut by_behaviour = BTreeMap::<&str, Vec<&str>>::new();
    for case in cases {
        let ids = by_behaviour.entry(&case.behaviour).or_default();
        ids.push(&case.id);
    }
    let parts = by_behaviour.iter().map(|(behaviour, ids)| {
        let count = ids.len();
        if *behaviour == "OK" {
            format!("{count} OK")
        } else {
            format!("{count} {behaviour} ({})", ids.join(" "))
        }
    });
    parts.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(behaviour: &str, behaviour_close: &str) -> Case {
        Case {
            id: "1.1.1".to_owned(),
            behaviour: behaviour.to_owned(),
            behaviour_close: behaviour_close.to_owned(),
            close_code: Some(1000),
            closed_by_server: false,
        }
    }

    #[test]
    fn ok_non_strict_and_informational_pass_and_nothing_else() {
        for (behaviour, close) in [
            ("OK", "OK"),
            ("NON-STRICT", "OK"),
            ("INFORMATIONAL", "INFORMATIONAL"),
        ] {
            assert_eq!(outcome(behaviour, close).fault(), None, "{behaviour}");
        }
        for (behaviour, close) in [
            ("FAILED", "OK"),
            ("UNIMPLEMENTED", "OK"),
            ("OK", "FAILED"),
            ("OK", "UNCLEAN"),
            ("OK", "WRONG CODE"),
            ("OK", "FAILED BY CLIENT"),
            ("", ""),
        ] {
            assert!(
                outcome(behaviour, close).fault().is_some(),
                "{behaviour} {close}"
            );
        }
    }

    #[test]
    fn a_server_that_closes_has_to_say_1002_or_1007() {
        for (code, is_fault) in [
            (Some(1002), false),
            (Some(1007), false),
            (Some(1000), true),
            (Some(1009), true),
            (None, true),
        ] {
            let case = Case {
                close_code: code,
                closed_by_server: true,
                ..outcome("OK", "OK")
            };
            assert_eq!(case.fault().is_some(), is_fault, "{code:?}");
        }
        let empty = Case {
            close_code: None,
            ..outcome("OK", "OK")
        };
        assert_eq!(empty.fault(), None, "an empty close is echoed as one");
    }

    #[test]
    fn reads_the_announcement() {
        let log = "Autobahn Fuzzing WebSocket Client (Autobahn Testsuite Version 25.10.1)\n\
                   Ok, will run 301 test cases against 1 servers\n";
        assert_eq!(announced(log), Some(301));
        assert_eq!(announced("Ok, will run 0 test cases against"), None);
        assert_eq!(announced("Traceback"), None);
    }

    const INDEX: &str = r#"{"relay":{
        "1.10":{"behavior":"OK","behaviorClose":"OK","remoteCloseCode":1000,"reportfile":"a"},
        "1.9":{"behavior":"NON-STRICT","behaviorClose":"OK","remoteCloseCode":null,"reportfile":"b"}
    }}"#;

    fn detail(file: &str) -> anyhow::Result<String> {
        Ok(format!(r#"{{"closedByMe":{}}}"#, file == "a"))
    }

    #[test]
    fn reads_the_index_in_order_of_numbers() {
        let expected = [
            Case {
                id: "1.9".to_owned(),
                close_code: None,
                closed_by_server: true,
                ..outcome("NON-STRICT", "OK")
            },
            Case {
                id: "1.10".to_owned(),
                ..outcome("OK", "OK")
            },
        ];
        let read = cases(INDEX, "relay", detail).unwrap();
        assert_eq!(read, expected);
        assert_eq!(summary(&read), "1 NON-STRICT (1.9), 1 OK");
    }

    #[test]
    fn a_report_of_another_form_is_an_error() {
        assert!(cases(INDEX, "somebody", detail).is_err());
        assert!(cases("{", "relay", detail).is_err());
        assert!(cases(INDEX, "relay", |_| Ok("{}".to_owned())).is_err());
        let less = r#"{"relay":{"1.9":{"behavior":"OK","reportfile":"a"}}}"#;
        assert!(cases(less, "relay", detail).is_err());
    }
}
