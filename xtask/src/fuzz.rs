//! `cargo xtask fuzz`: libFuzzer on each target of `fuzz/`, for so many seconds.
//!
//! The targets run on the stable compiler too, on their corpora, with all other tests. What this adds is coverage to
//! steer by, and for that a nightly toolchain. What it finds stays below `target/fuzz`: inputs that reach new code in
//! `corpus`, inputs that break a property in `findings`.

use std::ffi::OsString;
use std::fs::{self, File};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use anyhow::{Context as _, anyhow, ensure};

use crate::tally::Tally;
use crate::workspace::Workspace;

/// The package of libFuzzer's binaries.
const PACKAGE: &str = "fuzz/cargo-fuzz";

/// From crates.io, with the lock file it was released with.
const CARGO_FUZZ: &str = "0.13.2";

/// Longer inputs find little and take long; the committed corpora keep to it as well.
const MAX_INPUT_BYTES: u32 = 4096;

/// A single input that takes longer is a finding. None takes a tenth of a second.
const INPUT_TIMEOUT_SECONDS: u32 = 10;

const DEFAULT_SECONDS: NonZeroU32 = NonZeroU32::new(60).expect("not zero");

/// What to fuzz, and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FuzzOptions {
    /// For each target; to libFuzzer, zero would be for ever.
    pub(crate) seconds: NonZeroU32,
    /// Only this target.
    pub(crate) target: Option<String>,
    /// Puts what reached new code into the committed corpora.
    pub(crate) merges: bool,
}

impl Default for FuzzOptions {
    fn default() -> Self {
        Self {
            seconds: DEFAULT_SECONDS,
            target: None,
            merges: false,
        }
    }
}

/// Fuzzes; each target counts as one check.
///
/// # Errors
///
/// There is no nightly toolchain or no such target, or what is needed cannot be installed or built.
pub(crate) fn run(workspace: &Workspace, options: &FuzzOptions) -> anyhow::Result<Tally> {
    let fuzzer = Fuzzer::set_up(workspace)?;
    let all = targets(workspace.root())?;
    let chosen: Vec<_> = all
        .iter()
        .filter(|name| options.target.as_ref().is_none_or(|target| target == *name))
        .collect();
    ensure!(
        !chosen.is_empty(),
        "no such target; there are: {}",
        all.join(" ")
    );
    fuzzer.build()?;
    let mut tally = Tally::default();
    for name in chosen {
        tally += Tally::of_check(fuzzer.fuzz(name, options)?);
    }
    Ok(tally)
}

/// The targets, by their binaries.
fn targets(root: &Path) -> anyhow::Result<Vec<String>> {
    let directory = root.join(PACKAGE).join("fuzz_targets");
    let mut names = Vec::new();
    for path in files(&directory)? {
        let name = path.file_stem().and_then(|stem| stem.to_str());
        names.extend(name.map(str::to_owned));
    }
    Ok(names)
}

/// In order; none where there is no directory.
fn files(directory: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if !directory.exists() {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(directory)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect());
    let mut files: Vec<PathBuf> = entries.with_context(|| directory.display().to_string())?;
    files.sort();
    Ok(files)
}

/// cargo-fuzz on a nightly toolchain.
#[derive(Debug)]
struct Fuzzer {
    root: PathBuf,
    /// With cargo-fuzz in front.
    path: OsString,
}

impl Fuzzer {
    fn set_up(workspace: &Workspace) -> anyhow::Result<Self> {
        ensure!(
            has_nightly(),
            "libFuzzer needs a nightly toolchain: rustup toolchain install nightly --profile minimal"
        );
        let root = workspace.root().to_owned();
        let tool = root.join(format!("target/tools/cargo-fuzz-{CARGO_FUZZ}"));
        if !tool.join("bin/cargo-fuzz").exists() {
            let mut install = workspace.cargo();
            install
                .args(["install", "cargo-fuzz", "--version", CARGO_FUZZ, "--locked"])
                .arg("--root")
                .arg(&tool);
            succeed(&mut install)?;
        }
        let old = std::env::var_os("PATH").unwrap_or_default();
        let paths = [tool.join("bin")].into_iter();
        let path = std::env::join_paths(paths.chain(std::env::split_paths(&old)))?;
        Ok(Self { root, path })
    }

    fn build(&self) -> anyhow::Result<()> {
        succeed(&mut self.cargo_fuzz("build"))
    }

    /// Whether nothing was found in the given time.
    fn fuzz(&self, name: &str, options: &FuzzOptions) -> anyhow::Result<bool> {
        let [grown, findings, logs] = ["corpus", "findings", "logs"]
            .map(|directory| self.root.join("target/fuzz").join(directory));
        let (grown, findings) = (grown.join(name), findings.join(name));
        for directory in [&grown, &findings, &logs] {
            fs::create_dir_all(directory).context("could not make room below target/fuzz")?;
        }
        let committed = self.root.join("fuzz/corpus").join(name);
        let dictionary = self.root.join(format!("fuzz/dictionaries/{name}.dict"));
        let log = logs.join(format!("{name}.log"));
        let before = files(&findings)?;

        let mut run = self.cargo_fuzz("run");
        run.arg(name)
            .args([&grown, &committed])
            .arg("--")
            .arg(format!("-max_total_time={}", options.seconds))
            .arg(format!("-max_len={MAX_INPUT_BYTES}"))
            .arg(format!("-timeout={INPUT_TIMEOUT_SECONDS}"))
            .arg(format!("-dict={}", dictionary.display()))
            .arg(format!("-artifact_prefix={}/", findings.display()))
            .arg("-print_final_stats=1");
        let status = logged(&mut run, &log)?;
        let text = fs::read(&log).with_context(|| log.display().to_string())?;
        let stats = Stats::read(&String::from_utf8_lossy(&text));
        let verdict = if status.success() { "ok  " } else { "FAIL" };
        println!("{verdict} {name:<14} {stats}");

        let found = files(&findings)?;
        for finding in found.iter().filter(|path| !before.contains(path)) {
            let path = finding.display();
            println!("     {path}");
            println!("     keep: cp {path} fuzz/corpus/{name}/<what it shows>");
            println!("     replay: cargo test -p relay-fuzz --test corpora {name}");
        }
        if !status.success() {
            println!("     what happened: {}", log.display());
        } else if options.merges {
            self.merge(name, &committed, &grown, &log)?;
        }
        Ok(status.success())
    }

    /// Copies from `grown` a few inputs that reach what nothing in `committed` reaches: by edges, not by how often each
    /// is taken, and as a set that covers them, since the first that reaches each would be hundreds of files.
    fn merge(&self, name: &str, committed: &Path, grown: &Path, log: &Path) -> anyhow::Result<()> {
        let before = files(committed)?.len();
        let mut merge = self.cargo_fuzz("run");
        merge
            .arg(name)
            .args([committed, grown])
            .args(["--", "-set_cover_merge=1", "-use_counters=0"])
            .arg(format!("-max_len={MAX_INPUT_BYTES}"));
        let status = logged(&mut merge, log)?;
        ensure!(status.success(), "merging failed: {}", log.display());
        let added = files(committed)?.len() - before;
        println!("     {added} inputs added to fuzz/corpus/{name}");
        Ok(())
    }

    fn cargo_fuzz(&self, subcommand: &str) -> Command {
        let mut command = Command::new("rustup");
        command
            .args(["run", "nightly", "cargo", "fuzz", subcommand])
            .args(["--fuzz-dir", PACKAGE, "--target-dir", "target/fuzz/build"])
            .current_dir(&self.root)
            // Of the cargo that runs this program, which is not the nightly one.
            .env_remove("CARGO")
            .env("PATH", &self.path)
            .stdin(Stdio::null());
        command
    }
}

fn has_nightly() -> bool {
    Command::new("rustup")
        .args(["run", "nightly", "rustc", "--version"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

fn succeed(command: &mut Command) -> anyhow::Result<()> {
    let status = command
        .status()
        .with_context(|| anyhow!("could not start {}", command.get_program().display()))?;
    ensure!(status.success(), "{command:?}: {status}");
    Ok(())
}

/// Runs a command, with all it says in a file.
fn logged(command: &mut Command, log: &Path) -> anyhow::Result<ExitStatus> {
    let file = File::create(log).with_context(|| log.display().to_string())?;
    let status = command.stdout(file.try_clone()?).stderr(file).status();
    status.with_context(|| anyhow!("could not start {}", command.get_program().display()))
}

/// What libFuzzer says of a run.
#[derive(Debug, Default, PartialEq, Eq)]
struct Stats {
    executions: u64,
    executions_per_second: u64,
    /// Edges of the code that were reached.
    edges: u64,
}

impl Stats {
    fn read(log: &str) -> Self {
        let stat = |name: &str| {
            let rest = log.lines().rev().find_map(|line| line.strip_prefix(name));
            rest.and_then(|rest| rest.trim().parse().ok()).unwrap_or(0)
        };
        let edges = log.lines().rev().find_map(|line| {
            let (_, rest) = line.split_once(" cov: ")?;
            rest.split(' ').next()?.parse().ok()
        });
        Self {
            executions: stat("stat::number_of_executed_units:"),
            executions_per_second: stat("stat::average_exec_per_sec:"),
            edges: edges.unwrap_or(0),
        }
    }
}

impl std::fmt::Display for Stats {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            executions,
            executions_per_second,
            edges,
        } = self;
        write!(
            f,
            "{executions:>10} executions {executions_per_second:>7}/s {edges:>6} edges"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_libfuzzer_says() {
        let log = "#2\tINITED cov: 41 ft: 42 corp: 1/1b exec/s: 0 rss: 30Mb\n\
            #9001\tDONE   cov: 812 ft: 3001 corp: 90/4Kb lim: 4096 exec/s: 4500 rss: 90Mb\n\
            Done 9001 runs in 2 second(s)\n\
            stat::number_of_executed_units: 9001\n\
            stat::average_exec_per_sec:     4500\n";
        let expected = Stats {
            executions: 9001,
            executions_per_second: 4500,
            edges: 812,
        };
        assert_eq!(Stats::read(log), expected);
        assert_eq!(Stats::read("error: could not compile"), Stats::default());
    }

    #[test]
    fn targets_are_the_binaries() {
        let workspace = Workspace::locate().unwrap();
        let targets = targets(workspace.root()).unwrap();
        assert!(targets.contains(&"frames".to_owned()), "{targets:?}");
    }
}
