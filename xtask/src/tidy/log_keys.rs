//! Log events: a literal message, and keys from a closed set.
//!
//! Operators grep for these names, and a key that is not here is where a secret would leak.
//! The same set is what the end-to-end scenarios hold every captured log line against.

use super::Violation;
use super::tokens::{Kind, Token, closing, tokens};

/// Every key a log line of the relay may carry, besides its time, level and message.
pub(crate) const KEYS: &[&str] = &[
    // The data path.
    "server_id",
    "conn_id",
    "binary_conn_id",
    "device_name",
    "remote",
    "binary_version",
    "err",
    "path",
    "from",
    "to",
    "close_code",
    "token_fp",
    "fcm_message_id",
    "duration",
    "suppressed",
    // The drain.
    "binaries",
    "phones",
    "closed",
    "cut",
    "frames_flushed",
    "frames_dropped",
    "asked",
    "gone",
    // The boot.
    "version",
    "mode",
    "listen",
    "domain",
    "cert_cache",
    "https_proxy_protocol",
    "value",
    "fix",
    "env_var",
    "reason",
    "bypass_env_var",
    "effective_uid",
    "unexpected_ports",
    "expected_ports",
    "addr",
    // A successor.
    "pid",
];

const MACROS: &[&str] = &["trace", "debug", "info", "warn", "error", "event"];
const SPAN_MACROS: &[&str] = &[
    "span",
    "trace_span",
    "debug_span",
    "info_span",
    "warn_span",
    "error_span",
];

/// One call of a logging macro.
pub(super) struct Event {
    pub(super) line: usize,
    pub(super) level: String,
    pub(super) message: String,
    pub(super) keys: Vec<String>,
}

/// The events of `content`, spans left out.
pub(super) fn events(content: &str) -> Vec<Event> {
    let tokens = tokens(content);
    let mut found = Vec::new();
    for at in 0..tokens.len() {
        let [name, bang, open, ..] = &tokens[at..] else {
            break;
        };
        if bang.is("!") && is_open(open) && MACROS.iter().any(|word| name.is(word)) {
            let arguments = split_at_commas(&tokens[at + 3..closing(&tokens, at + 2)]);
            let message = arguments.iter().find_map(|argument| match argument {
                [text] if text.kind == Kind::Str => Some(text.text.trim_matches('"')),
                _ => None,
            });
            let is_message =
                |argument: &[Token<'_>]| matches!(argument, [text] if text.kind == Kind::Str);
            found.push(Event {
                line: name.line,
                level: name.text.to_uppercase(),
                message: message.unwrap_or_default().to_owned(),
                keys: arguments
                    .into_iter()
                    .filter(|argument| !is_message(argument))
                    .filter_map(key)
                    .collect(),
            });
        }
    }
    found
}

fn is_open(token: &Token<'_>) -> bool {
    token.kind == Kind::Punct && matches!(token.text, "(" | "{" | "[")
}

/// Events and spans of `content` that break the rule.
pub(super) fn violations(content: &str) -> Vec<Violation> {
    let tokens = tokens(content);
    let mut found = Vec::new();
    for at in 0..tokens.len() {
        let [name, bang, open, ..] = &tokens[at..] else {
            break;
        };
        let span = SPAN_MACROS.contains(&name.text);
        let called = name.kind == Kind::Ident && bang.is("!") && is_open(open);
        if called && (span || MACROS.contains(&name.text)) {
            let arguments = &tokens[at + 3..closing(&tokens, at + 2)];
            found.extend(
                call(arguments, span)
                    .into_iter()
                    .map(|text| Violation::at(name.line, text)),
            );
        }
    }
    found
}

/// What is wrong with the arguments of one call.
fn call(arguments: &[Token<'_>], span: bool) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut messages = 0;
    for argument in split_at_commas(arguments) {
        match argument {
            // `target: "x"`, `parent: &span`, `name: "x"`, or the level of `event!` and `span!`.
            [word, colon, ..]
                if word.kind == Kind::Ident && colon.is(":") && !is_path(argument) => {}
            [..] if is_path(argument) => {}
            [message] if message.kind == Kind::Str => {
                messages += 1;
                if message.text.contains('{') {
                    wrong.push(format!(
                        "the message {} is formatted, not literal",
                        message.text
                    ));
                }
            }
            _ => match key(argument) {
                Some(key) if KEYS.contains(&key.as_str()) => {}
                Some(key) => wrong.push(format!("the key `{key}` is not in the closed set")),
                None => {
                    wrong
                        .push("an argument that is neither a key nor a literal message".to_owned());
                }
            },
        }
    }
    if messages != 1 && !span {
        wrong.push(format!("{messages} literal messages instead of one"));
    }
    wrong
}

/// `Level::INFO` and the like, alone.
fn is_path(argument: &[Token<'_>]) -> bool {
    matches!(argument, [.., first, second, last] if first.is(":") && second.is(":") && last.kind == Kind::Ident)
        && argument
            .iter()
            .all(|token| token.kind == Kind::Ident || token.is(":"))
}

/// The key of `key = value`, `key`, `%key`, `?key` or `"key" = value`; dotted keys whole.
fn key(argument: &[Token<'_>]) -> Option<String> {
    let name = argument.split(|token| token.is("=")).next()?;
    let name = match name {
        [sigil, rest @ ..] if name.len() == argument.len() && (sigil.is("%") || sigil.is("?")) => {
            rest
        }
        _ => name,
    };
    if let [quoted] = name
        && quoted.kind == Kind::Str
    {
        return Some(quoted.text.trim_matches('"').to_owned());
    }
    let dotted = !name.is_empty()
        && name
            .iter()
            .all(|token| token.kind == Kind::Ident || token.is("."));
    dotted.then(|| name.iter().map(|token| token.text).collect())
}

/// The arguments between top-level commas, empty ones left out.
fn split_at_commas<'t, 's>(arguments: &'t [Token<'s>]) -> Vec<&'t [Token<'s>]> {
    let mut parts = Vec::new();
    let (mut start, mut at) = (0, 0);
    while at < arguments.len() {
        let token = &arguments[at];
        if token.kind == Kind::Punct && matches!(token.text, "(" | "[" | "{") {
            at = closing(arguments, at);
        } else if token.is(",") {
            parts.push(&arguments[start..at]);
            start = at + 1;
        }
        at += 1;
    }
    parts.push(&arguments[start..]);
    parts.retain(|part| !part.is_empty());
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(source: &str, expected: &[&str]) {
        let found: Vec<String> = violations(source)
            .into_iter()
            .map(|violation| violation.text)
            .collect();
        assert_eq!(found, expected, "{source}");
    }

    #[test]
    fn accepts_literal_events() {
        check(
            "tracing::info!(server_id = %id, remote = %addr.ip(), \"server_claimed\");",
            &[],
        );
        check("warn!(%err, ?path, close_code, \"x\",);", &[]);
        check(
            "error!(target: \"relay\", err = %format!(\"{a}, {b}\"), \"listener failed\");",
            &[],
        );
        check(
            "tracing::event!(tracing::Level::INFO, server_id, \"x\");",
            &[],
        );
        check("let s = tracing::info_span!(\"leg\", conn_id = %id);", &[]);
        check("// info!(token, \"x\")\nlet error = info(token);", &[]);
    }

    #[test]
    fn refuses_keys_outside_of_the_set() {
        check(
            "info!(token = %token, \"x\");",
            &["the key `token` is not in the closed set"],
        );
        check(
            "info!(%payload, \"x\");",
            &["the key `payload` is not in the closed set"],
        );
        check(
            "info!(peer.addr = 1, \"x\");",
            &["the key `peer.addr` is not in the closed set"],
        );
        check(
            "info!(\"user agent\" = ua, \"x\");",
            &["the key `user agent` is not in the closed set"],
        );
        check(
            "info_span!(\"leg\", token);",
            &["the key `token` is not in the closed set"],
        );
    }

    #[test]
    fn refuses_messages_that_are_not_literal() {
        check(
            "info!(\"phone {id}\");",
            &["the message \"phone {id}\" is formatted, not literal"],
        );
        check("info!(server_id);", &["0 literal messages instead of one"]);
        check(
            "info!(message(id));",
            &[
                "an argument that is neither a key nor a literal message",
                "0 literal messages instead of one",
            ],
        );
    }

    #[test]
    fn reports_the_line_of_the_call() {
        assert_eq!(
            violations("\n\ninfo!(\n    server_id,\n);\n")[0].line,
            Some(3)
        );
    }
}
