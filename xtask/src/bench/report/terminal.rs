//! The table on the terminal.

use crate::bench::figure::{Figure, Report};

pub(in crate::bench) fn table(report: &Report) -> String {
    let mut text = String::new();
    let mut section = "";
    for figure in &report.figures {
        if figure.section != section {
            section = figure.section;
            text += &format!("\n{section}\n");
        }
        text += &format!("  {}\n", figure.line());
    }
    let with_target = report.figures.iter().filter_map(Figure::is_met);
    let (met, all) = with_target.fold((0, 0), |(met, all), is_met| {
        (met + u32::from(is_met), all + 1)
    });
    text += &format!("\n{met} of {all} targets met, in {:.0} s\n", report.seconds);
    text
}
