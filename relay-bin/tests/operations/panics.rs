//! What the process logs of a fault of its own.

use std::process::Command;

/// Set for a run whose process is the relay's, hook and logger included.
const INSIDE: &str = "RELAY_BIN_PANICS_INSIDE";

#[test]
fn a_panic_is_one_line_with_its_place_and_without_its_words() {
    if std::env::var_os(INSIDE).is_some() {
        // Its command line is this test's name: it is refused, and leaves what a relay sets up first.
        let _ = relay_bin::main();
        let fault = std::thread::spawn(|| panic!("planted: {}", "what a peer sent"));
        assert!(fault.join().is_err());
        return;
    }
    let test = "panics::a_panic_is_one_line_with_its_place_and_without_its_words";
    let run = Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture"])
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let log = String::from_utf8(run.stderr).unwrap();
    assert!(run.status.success(), "{log}");
    let told: Vec<_> = log
        .lines()
        .filter(|line| line.contains("msg=panic"))
        .collect();
    let [line] = told[..] else {
        panic!("{log}");
    };
    assert!(
        line.contains(" level=ERROR msg=panic path=relay-bin/tests/operations/panics.rs:"),
        "{line}"
    );
    assert!(!log.contains("planted"), "{log}");
}
