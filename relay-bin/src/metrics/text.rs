//! Prometheus's text format 0.0.4: families with help and type, and their samples.
//!
//! The format is that of
//! [the specification](https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format); names come
//! from our own code and are right by construction.

use std::fmt::{Display, Write as _};

/// What `Content-Type` says of it.
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A page being written.
#[derive(Debug, Default)]
pub(super) struct Text(String);

/// The samples of one family.
#[derive(Debug)]
pub(super) struct Family<'t> {
    name: &'static str,
    text: &'t mut String,
}

impl Text {
    /// A number that only grows until the process ends.
    pub(super) fn counter(&mut self, name: &'static str, help: &'static str) -> Family<'_> {
        debug_assert!(name.ends_with("_total"), "{name}");
        self.family(name, "counter", help)
    }

    /// A number of this moment.
    pub(super) fn gauge(&mut self, name: &'static str, help: &'static str) -> Family<'_> {
        debug_assert!(!name.ends_with("_total"), "{name}");
        self.family(name, "gauge", help)
    }

    fn family(&mut self, name: &'static str, kind: &str, help: &'static str) -> Family<'_> {
        debug_assert!(!help.contains(['\\', '\n']), "{help}");
        let text = &mut self.0;
        text.push_str(&format!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
        Family { name, text }
    }

    pub(super) fn finish(self) -> String {
        self.0
    }
}

impl Family<'_> {
    /// The only sample of a family without labels.
    pub(super) fn value(mut self, value: impl Display) {
        self.sample(&[], value);
    }

    /// One sample.
    pub(super) fn sample(&mut self, labels: &[(&str, &str)], value: impl Display) -> &mut Self {
        self.text.push_str(self.name);
        for (index, (label, content)) in labels.iter().enumerate() {
            self.text.push(if index == 0 { '{' } else { ',' });
            self.text.push_str(label);
            self.text.push_str("=\"");
            push_escaped(self.text, content);
            self.text.push('"');
        }
        if !labels.is_empty() {
            self.text.push('}');
        }
        writeln!(self.text, " {value}").expect("a String takes all text");
        self
    }
}

fn push_escaped(text: &mut String, content: &str) {
    for c in content.chars() {
        match c {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            c => text.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_and_samples_look_as_specified() {
        let mut text = Text::default();
        text.counter("frames_total", "Frames.")
            .sample(&[("direction", "up"), ("leg", "phone")], 7)
            .sample(&[("direction", "down"), ("leg", "phone")], 0);
        text.gauge("bytes", "Bytes.").value(1.5);
        assert_eq!(
            text.finish(),
            "# HELP frames_total Frames.\n\
             # TYPE frames_total counter\n\
             frames_total{direction=\"up\",leg=\"phone\"} 7\n\
             frames_total{direction=\"down\",leg=\"phone\"} 0\n\
             # HELP bytes Bytes.\n\
             # TYPE bytes gauge\n\
             bytes 1.5\n"
        );
    }

    #[test]
    fn a_label_cannot_break_its_line() {
        let mut text = Text::default();
        text.gauge("build_info", "Build.")
            .sample(&[("version", "a\"b\\c\nd")], 1);
        let text = text.finish();
        let line = text.lines().last().unwrap();
        assert_eq!(line, r#"build_info{version="a\"b\\c\nd"} 1"#);
    }
}
