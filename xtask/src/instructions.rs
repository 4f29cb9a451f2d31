//! `cargo xtask instructions`: how many instructions a step of a frame's way takes, against committed budgets.
//!
//! Callgrind counts, so the figures do not depend on the machine's mood: the same code and compiler give the same
//! number. Each operation is run so often and three times as often; the difference is free of start and end.
//! A library does this too (gungraun), with a runner to be installed beside it and some thirty crates: for one number
//! out of one tool that was more than the tool.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};

use crate::tally::Tally;
use crate::workspace::Workspace;

/// The budgets, one operation a line.
const BUDGETS: &str = "bench/instructions/budgets.txt";

const FEW: u64 = 500;
const MANY: u64 = 3 * FEW;

/// Above a measurement when budgets are written: room for another point release of the compiler, not for a regression.
const ROOM_PERCENT: u64 = 5;

/// One line of the budgets.
#[derive(Debug, PartialEq, Eq)]
struct Budget<'t> {
    operation: &'t str,
    instructions: u64,
}

/// Counts and compares. Without valgrind that is a failure where it is `required`, and nothing elsewhere. With
/// `rewrites` the budgets become what was counted, and some room.
///
/// # Errors
///
/// The program does not build or run, or the budgets cannot be read.
pub(crate) fn run(workspace: &Workspace, required: bool, rewrites: bool) -> anyhow::Result<Tally> {
    if !Path::new("/usr/bin/valgrind").exists() {
        println!("valgrind is not installed: instructions were not counted");
        return Ok(if required {
            Tally::of_check(false)
        } else {
            Tally::default()
        });
    }
    let mut build = workspace.cargo();
    build.args(["build", "--release", "--package", "relay-instructions"]);
    ensure!(build.status()?.success(), "cargo build failed");
    let program = workspace.root().join("target/release/relay-instructions");
    let path = workspace.root().join(BUDGETS);
    let text = std::fs::read_to_string(&path).context(BUDGETS)?;
    let mut tally = Tally::default();
    let mut rewritten = String::new();
    for line in text.lines() {
        let Some(budget) = budget(line) else {
            rewritten += &format!("{line}\n");
            continue;
        };
        let counted = count(&program, budget.operation)?;
        let is_met = counted <= budget.instructions;
        let verdict = if is_met { "ok  " } else { "FAIL" };
        println!(
            "{verdict} {:<14} {counted:>7} of {:>7}",
            budget.operation, budget.instructions
        );
        tally += Tally::of_check(is_met || rewrites);
        let with_room = counted + counted.div_ceil(100 / ROOM_PERCENT);
        rewritten += &format!("{:<14} {with_room}\n", budget.operation);
    }
    ensure!(tally != Tally::default(), "{BUDGETS} names no operation");
    if rewrites {
        std::fs::write(&path, rewritten).context(BUDGETS)?;
    }
    Ok(tally)
}

/// `None` for a comment or a blank line.
fn budget(line: &str) -> Option<Budget<'_>> {
    let (operation, instructions) = line.split_once(' ')?;
    let instructions = instructions.trim().parse().ok()?;
    Some(Budget {
        operation,
        instructions,
    })
}

/// Instructions of one operation.
fn count(program: &Path, operation: &str) -> anyhow::Result<u64> {
    let total = |times: u64| -> anyhow::Result<u64> {
        let output = Command::new("/usr/bin/valgrind")
            .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
            .arg(program)
            .args([operation, &times.to_string()])
            .stdin(Stdio::null())
            .output()
            .context("valgrind")?;
        let report = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{operation} failed: {report}");
        collected(&report).with_context(|| format!("callgrind said: {report}"))
    };
    let (few, many) = (total(FEW)?, total(MANY)?);
    Ok(many.saturating_sub(few) / (MANY - FEW))
}

fn collected(report: &str) -> Option<u64> {
    report
        .lines()
        .find_map(|line| line.split_once("Collected : "))
        .and_then(|(_, number)| number.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_callgrind_reports() {
        let report = "==7== Events    : Ir\n==7== Collected : 123456\n==7==\n";
        assert_eq!(collected(report), Some(123_456));
        assert_eq!(collected("==7== nothing"), None);
    }

    #[test]
    fn a_budget_is_a_name_and_a_number() {
        let expected = Budget {
            operation: "decode/64",
            instructions: 210,
        };
        assert_eq!(budget("decode/64      210"), Some(expected));
        for line in ["", "# a comment", "decode/64", "decode/64 many"] {
            assert_eq!(budget(line), None, "{line}");
        }
    }
}
