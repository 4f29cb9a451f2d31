//! Everything that was measured, for machines.

use serde_json::{Map, Value, json};

use crate::bench::figure::Report;

pub(in crate::bench) fn document(report: &Report) -> String {
    let machine: Map<String, Value> = report
        .machine
        .iter()
        .map(|(key, value)| ((*key).to_owned(), json!(value)))
        .collect();
    let figures: Vec<_> = report
        .figures
        .iter()
        .map(|figure| {
            json!({
                "section": figure.section,
                "name": figure.name,
                "value": figure.value,
                "unit": format!("{:?}", figure.unit).to_lowercase(),
                "target": figure.target,
                "met": figure.is_met(),
                "detail": figure.detail,
            })
        })
        .collect();
    let raw: Map<String, Value> = report.raw.iter().cloned().collect();
    let document = json!({
        "machine": machine, "seconds": report.seconds, "figures": figures, "raw": raw,
    });
    format!("{document:#}\n")
}
