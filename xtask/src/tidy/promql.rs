//! Which series a PromQL expression asks for.
//!
//! It is a reader of names and label matchers, not of the grammar: that is promtool's to judge.

/// A series name and what is asked of its labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Selector<'e> {
    pub(crate) name: &'e str,
    pub(crate) matchers: Vec<Matcher<'e>>,
}

/// `label="value"` and its relatives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Matcher<'e> {
    pub(crate) label: &'e str,
    /// `=`, `!=`, `=~` or `!~`.
    pub(crate) operator: &'e str,
    /// As written between the quotes.
    pub(crate) value: &'e str,
}

/// Words that stand before a list of labels in parentheses.
const GROUPINGS: &[&str] = &[
    "by",
    "without",
    "on",
    "ignoring",
    "group_left",
    "group_right",
];

/// Words that are no series although no parenthesis need follow.
const WORDS: &[&str] = &[
    "and",
    "or",
    "unless",
    "bool",
    "offset",
    "atan2",
    "inf",
    "nan",
    "sum",
    "min",
    "max",
    "avg",
    "group",
    "stddev",
    "stdvar",
    "count",
    "count_values",
    "bottomk",
    "topk",
    "quantile",
];

/// The selectors of `expr` in the order they are written; of Grafana's `label_values(series, label)`, the series.
pub(crate) fn selectors(expr: &str) -> Vec<Selector<'_>> {
    let listed = expr
        .strip_prefix("label_values(")
        .and_then(|arguments| arguments.rsplit_once(','));
    let mut rest = listed.map_or(expr, |(series, _label)| series);
    let mut found: Vec<Selector<'_>> = Vec::new();
    while let Some(first) = rest.chars().next() {
        match first {
            '"' | '\'' | '`' => rest = &rest[string(rest)..],
            '#' => rest = &rest[until(rest, |letter| letter == '\n')..],
            '[' => rest = &rest[until(rest, |letter| letter == ']')..],
            // A variable of Grafana's, `$name` or `${name}`.
            '$' => {
                let name = &rest[1..];
                let length = if name.starts_with('{') {
                    until(name, |letter| letter == '}')
                } else {
                    word(name)
                };
                rest = &name[length..];
            }
            '0'..='9' => rest = &rest[word(rest)..],
            _ if is_word(first) => {
                let (name, behind) = rest.split_at(word(rest));
                let next = behind.trim_start();
                rest = next;
                if GROUPINGS.contains(&name.to_lowercase().as_str()) {
                    if next.starts_with('(') {
                        rest = &next[until(next, |letter| letter == ')')..];
                    }
                } else if !next.starts_with('(') && !WORDS.contains(&name.to_lowercase().as_str()) {
                    let (matchers, behind) = matchers(next);
                    found.push(Selector { name, matchers });
                    rest = behind;
                }
            }
            _ => rest = &rest[first.len_utf8()..],
        }
    }
    found
}

/// The matchers in braces at the start, if there are any, and what follows them.
fn matchers(text: &str) -> (Vec<Matcher<'_>>, &str) {
    let mut found = Vec::new();
    let Some(mut rest) = text.strip_prefix('{') else {
        return (found, text);
    };
    loop {
        rest = rest.trim_start_matches([' ', '\n', ',']);
        let (label, behind) = rest.split_at(word(rest));
        let behind = behind.trim_start();
        let operator = behind
            .find(|letter| !matches!(letter, '=' | '!' | '~'))
            .unwrap_or(behind.len());
        let (operator, behind) = behind.split_at(operator);
        let behind = behind.trim_start();
        if label.is_empty() || !behind.starts_with(['"', '\'', '`']) {
            return (found, rest.strip_prefix('}').unwrap_or(rest));
        }
        let (value, behind) = behind.split_at(string(behind));
        let value = value.get(1..value.len() - 1).unwrap_or_default();
        found.push(Matcher {
            label,
            operator,
            value,
        });
        rest = behind;
    }
}

fn is_word(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, '_' | ':')
}

fn word(text: &str) -> usize {
    text.find(|letter| !is_word(letter)).unwrap_or(text.len())
}

/// Length up to and with the first letter that ends it.
fn until(text: &str, ends: impl Fn(char) -> bool) -> usize {
    text.find(ends).map_or(text.len(), |at| {
        at + text[at..].chars().next().map_or(0, char::len_utf8)
    })
}

/// Length of the string at the start, quotes included.
fn string(text: &str) -> usize {
    let mut letters = text.char_indices();
    let Some((_, quote)) = letters.next() else {
        return 0;
    };
    let mut escaped = false;
    for (at, letter) in letters {
        if escaped {
            escaped = false;
        } else if letter == '\\' && quote != '`' {
            escaped = true;
        } else if letter == quote {
            return at + quote.len_utf8();
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(expr: &str, names: &[&str]) {
        let found: Vec<&str> = selectors(expr)
            .iter()
            .map(|selector| selector.name)
            .collect();
        assert_eq!(found, names, "{expr}");
    }

    #[test]
    fn names_series_and_neither_functions_nor_labels() {
        check("up == 0", &["up"]);
        check(
            "a_total / on (job, instance) group_left (x) b",
            &["a_total", "b"],
        );
        check(
            "sum by (job, instance) (rate(a_total{x=\"y, z}\"}[5m])) > 0.1",
            &["a_total"],
        );
        check(
            "sum(a) without (le) unless ignoring(x) b offset 5m",
            &["a", "b"],
        );
        check("a - time() < 14 * 86400 and bool 1e3", &["a"]);
        check("a # b\n + c", &["a", "c"]);
        check(
            "rate(a{job=~\"$job\"}[$__rate_interval]) * $scale + ${b}",
            &["a"],
        );
        check("job:a:rate5m", &["job:a:rate5m"]);
        check("count_values(\"v\", a)", &["a"]);
        check("", &[]);
    }

    #[test]
    fn reads_matchers() {
        let expr = "a{x=\"1\", y!~'b|c' ,z=\"\\\"}\",} + b{} + c";
        let found = selectors(expr);
        let a = &found[0];
        let matchers: Vec<_> = a
            .matchers
            .iter()
            .map(|matcher| (matcher.label, matcher.operator, matcher.value))
            .collect();
        assert_eq!(
            matchers,
            [("x", "=", "1"), ("y", "!~", "b|c"), ("z", "=", "\\\"}")]
        );
        check(expr, &["a", "b", "c"]);
    }

    #[test]
    fn of_a_variables_query_the_series_counts() {
        check("label_values(a{x=\"1\"}, instance)", &["a"]);
        check("label_values(a, job)", &["a"]);
    }

    #[test]
    fn what_is_torn_ends() {
        for expr in [
            "a{", "a{x", "a{x=", "a{x=\"", "a[", "\"", "sum by (", "$", "${", "a{x=é",
        ] {
            let _ = selectors(expr);
        }
    }
}
