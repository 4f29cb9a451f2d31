//! Each target on its committed corpus, and on inputs made from that with a fixed seed: what a stable compiler can do
//! of fuzzing, and enough to keep what libFuzzer found.

#![expect(
    clippy::print_stdout,
    reason = "a seed is printed, and only a failure shows it"
)]

#[path = "corpora/dictionary.rs"]
mod dictionary;
#[path = "corpora/mutator.rs"]
mod mutator;

use std::collections::BTreeSet;
use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use mutator::Mutator;
use relay_fuzz::{TARGETS, target};

/// Of the inputs that are made; the same again in every run.
const SEED: u64 = 6455;

/// As libFuzzer is told by `cargo xtask fuzz`.
const MAX_INPUT_BYTES: usize = 4096;

macro_rules! targets {
    ($($name:ident: $rounds:literal,)*) => {
        $(
            #[test]
            fn $name() {
                run(stringify!($name), $rounds);
            }
        )*

        #[test]
        fn every_target_is_run() {
            let run = [$(stringify!($name)),*];
            let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
            assert_eq!(run[..], names[..]);
        }
    };
}

// So many rounds that each takes some seconds in a debug build.
targets! {
    cert_cache: 500,
    command_line: 5_000,
    envelopes: 10_000,
    frames: 10_000,
    http: 600,
    proxy_header: 10_000,
    push_replies: 10_000,
}

fn run(name: &str, rounds: u64) {
    let target = target(name);
    let corpus = corpus(name);
    println!(
        "{name}: {} files, {rounds} rounds, seed {SEED}",
        corpus.len()
    );
    let fails = |(_, input): &&(PathBuf, Vec<u8>)| catch_unwind(|| (target.run)(input)).is_err();
    let failed: Vec<_> = corpus.iter().filter(fails).map(|(path, _)| path).collect();
    assert!(failed.is_empty(), "{name} fails on {failed:#?}");
    let dictionary = dictionary::read(&root().join("dictionaries").join(format!("{name}.dict")));
    let inputs = corpus.into_iter().map(|(_, input)| input).collect();
    let mut mutator = Mutator::new(inputs, dictionary, SEED, MAX_INPUT_BYTES);
    let mut failed = Vec::new();
    for round in 0..rounds {
        let input = mutator.make();
        if catch_unwind(|| (target.run)(&input)).is_err() {
            let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{round}"));
            fs::write(&kept, &input).expect("room for a finding");
            failed.push(kept);
        }
    }
    assert!(
        failed.is_empty(),
        "{name} fails on {failed:#?}: keep them in fuzz/corpus/{name}, under names of what they show"
    );
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The committed inputs of a target, by name.
fn corpus(name: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files: Vec<_> = entries(&root().join("corpus").join(name));
    files.sort();
    assert!(!files.is_empty(), "{name} has a corpus");
    let read = |path: PathBuf| {
        let input = fs::read(&path).expect("an input");
        (path, input)
    };
    files.into_iter().map(read).collect()
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).expect("a directory");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths.collect()
}

/// A directory, a dictionary or a binary that no target uses would look like coverage.
#[test]
fn corpora_dictionaries_and_binaries_belong_to_targets() {
    let expected: BTreeSet<_> = TARGETS
        .iter()
        .map(|target| target.name.to_owned())
        .collect();
    for directory in ["corpus", "dictionaries", "cargo-fuzz/fuzz_targets"] {
        let found = entries(&root().join(directory));
        let stems = found.iter().filter_map(|path| path.file_stem()?.to_str());
        let stems: BTreeSet<_> = stems.map(str::to_owned).collect();
        assert_eq!(stems, expected, "{directory}");
    }
}

#[test]
fn the_corpora_are_small() {
    let mut total = 0;
    for target in TARGETS {
        let corpus = corpus(target.name);
        assert!(
            corpus.len() <= 100,
            "{} files of {}",
            corpus.len(),
            target.name
        );
        for (path, input) in corpus {
            assert!(input.len() <= MAX_INPUT_BYTES, "{}", path.display());
            total += input.len();
        }
    }
    assert!(total < 300_000, "{total} bytes");
}
