//! One page that needs nothing beside it: the table, and the plots as inline SVG.

use crate::bench::figure::{Bar, Plot, Report};

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#1a1d21}\
table{border-collapse:collapse;width:100%}td,th{padding:.3rem .6rem;border-bottom:1px solid #d9dde2;text-align:left}\
td.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}.met{color:#0a7d33}.missed{color:#b3261e;font-weight:600}\
.plots{display:grid;grid-template-columns:repeat(auto-fill,minmax(26rem,1fr));gap:1rem}figure{margin:0}\
small{color:#59636e}svg{width:100%;height:auto}@media(prefers-color-scheme:dark){body{background:#15181c;color:#e5e8eb}}";

pub(in crate::bench) fn document(report: &Report) -> String {
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>pyrycode-relay: measurements</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><style>{STYLE}</style>\n<h1>pyrycode-relay: measurements</h1>\n<p><small>"
    );
    for (key, value) in &report.machine {
        page += &format!("{key}: {} · ", escaped(value));
    }
    page += &format!("measured in {:.0} s</small></p>\n", report.seconds);
    page += &rows(report);
    page += "<h2>Plots</h2>\n<div class=\"plots\">\n";
    for plot in &report.plots {
        page += &svg(plot);
    }
    page += "</div>\n</html>\n";
    page
}

fn rows(report: &Report) -> String {
    let mut rows = String::new();
    let mut section = "";
    for figure in &report.figures {
        if figure.section != section {
            if !section.is_empty() {
                rows += "</table>\n";
            }
            section = figure.section;
            rows += &format!(
                "<h2>{}</h2>\n<table><tr><th>What<th>Measured<th>Target<th><th>Detail</tr>\n",
                escaped(section)
            );
        }
        let target = figure
            .target
            .map(|target| format!("≤ {}", figure.unit.text(target)));
        rows += &format!(
            "<tr><td>{}<td class=\"n\">{}<td class=\"n\">{}<td class=\"{}\">{}<td><small>{}</small></tr>\n",
            escaped(&figure.name),
            figure.unit.text(figure.value),
            target.unwrap_or_default(),
            figure.verdict().to_lowercase(),
            figure.verdict(),
            escaped(&figure.detail),
        );
    }
    if !section.is_empty() {
        rows += "</table>\n";
    }
    rows
}

const WIDTH: f64 = 420.0;
const LABEL: f64 = 90.0;
const LINE: f64 = 26.0;

fn svg(plot: &Plot) -> String {
    let largest = |bar: &Bar| bar.value.max(bar.target.unwrap_or(0.0));
    let most = plot
        .bars
        .iter()
        .map(largest)
        .fold(f64::MIN_POSITIVE, f64::max);
    let scale = (WIDTH - LABEL - 70.0) / most;
    let height = LINE * plot.bars.len() as f64 + 8.0;
    let mut svg = format!(
        "<figure><figcaption>{} <small>({})</small></figcaption>\
         <svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" font-size=\"13\" fill=\"currentColor\">\n",
        escaped(&plot.title),
        escaped(plot.unit),
    );
    for (bar, top) in plot
        .bars
        .iter()
        .zip((0_u32..).map(|line| f64::from(line) * LINE + 4.0))
    {
        let length = (bar.value * scale).max(0.0);
        let middle = top + 15.0;
        svg += &format!(
            "<text x=\"{}\" y=\"{middle}\" text-anchor=\"end\">{}</text>\
             <rect x=\"{LABEL}\" y=\"{top}\" width=\"{length:.1}\" height=\"20\" fill=\"#4477aa\"/>\
             <text x=\"{:.1}\" y=\"{middle}\">{:.2}</text>\n",
            LABEL - 6.0,
            escaped(&bar.label),
            LABEL + length + 5.0,
            bar.value,
        );
        if let Some(target) = bar.target {
            let x = LABEL + target * scale;
            svg += &format!(
                "<line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{top}\" y2=\"{}\" stroke=\"#b3261e\" stroke-width=\"2\"><title>target {target}</title></line>\n",
                top + 20.0,
            );
        }
    }
    svg + "</svg></figure>\n"
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::figure::{Figure, Unit};

    #[test]
    fn a_page_holds_every_figure_and_nothing_unescaped() {
        let mut report = Report::of(vec![("processor", "a<b".to_owned())]);
        report.figures.push(Figure {
            section: "S & T",
            name: "n".to_owned(),
            value: 2.0,
            unit: Unit::Ratio,
            target: Some(1.0),
            detail: "d\"".to_owned(),
        });
        report.plots.push(Plot {
            title: "p".to_owned(),
            unit: "µs",
            bars: vec![Bar {
                label: "<l>".to_owned(),
                value: 1.5,
                target: Some(3.0),
            }],
        });
        let page = document(&report);
        for part in [
            "a&lt;b",
            "S &amp; T",
            "2.00",
            "≤ 1.00",
            "MISSED",
            "d&quot;",
            "&lt;l>",
            "target 3",
        ] {
            assert!(page.contains(part), "{part} in {page}");
        }
        assert!(!page.contains("<l>"));
    }
}
