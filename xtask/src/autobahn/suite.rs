//! The suite in a virtual environment under `target/`: pinned packages from PyPI, ported to a Python that still runs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, anyhow, ensure};

const REQUIREMENTS: &str = "xtask/autobahn/requirements.txt";
const PORT: &str = "xtask/autobahn/port.py";

/// What builds the packages that come as source; of the same time as they are tested with.
const BUILD_REQUIREMENT: &str = "setuptools==80.9.0";

/// The interpreters that the port is for, the one it is tested with first.
const PYTHONS: &[&str] = &["python3.11", "python3.12", "python3.10", "python3"];

/// Whether an interpreter can make environments and has what the port rewrites Python 2 with.
const PROBE: &str = "import ensurepip, lib2to3, venv";

/// Why there is no suite.
#[derive(Debug)]
pub(super) enum SuiteError {
    /// The machine lacks something that is not ours to bring.
    Missing(String),
    Broken(anyhow::Error),
}

impl From<anyhow::Error> for SuiteError {
    fn from(error: anyhow::Error) -> Self {
        Self::Broken(error)
    }
}

/// The suite, ready to run.
#[derive(Debug)]
pub(super) struct Suite {
    program: PathBuf,
}

impl Suite {
    /// Sets the suite up below `directory`, unless what is there was made from the same files.
    pub(super) fn set_up(root: &Path, directory: &Path) -> Result<Self, SuiteError> {
        let venv = directory.join("venv");
        let suite = Self {
            program: venv.join("bin").join("wstest"),
        };
        let recipe = recipe(root)?;
        let stamp = venv.join("recipe");
        if fs::read_to_string(&stamp).is_ok_and(|made_from| made_from == recipe) {
            return Ok(suite);
        }
        let Some(python) = PYTHONS.iter().find(|python| can_run(python)) else {
            let what = "no Python 3.10 to 3.12 with venv and lib2to3 is installed";
            return Err(SuiteError::Missing(what.to_owned()));
        };
        fs::create_dir_all(directory).context("could not make target/autobahn")?;
        run(Command::new(python)
            .args(["-m", "venv", "--clear"])
            .arg(&venv))?;
        let inside = venv.join("bin").join("python");
        let install = |what: &[&str]| {
            let mut pip = Command::new(&inside);
            pip.args(["-m", "pip", "install", "--quiet"])
                .args(["--disable-pip-version-check", "--no-input", "--no-deps"])
                .args(["--no-compile", "--no-build-isolation"])
                .args(what)
                .current_dir(root);
            run(&mut pip).map_err(|error| {
                SuiteError::Missing(format!(
                    "the suite's packages were not installed ({error:#})"
                ))
            })
        };
        install(&[BUILD_REQUIREMENT])?;
        install(&["--requirement", REQUIREMENTS])?;
        run(Command::new(&inside).arg(PORT).current_dir(root))?;
        fs::write(&stamp, recipe).context("could not write the recipe")?;
        Ok(suite)
    }

    /// Runs it with this configuration and returns what it said; its verdicts are in the reports.
    ///
    /// # Cancel safety
    /// Kills the suite.
    pub(super) async fn run(&self, config: &Path) -> anyhow::Result<String> {
        let output = tokio::process::Command::new(&self.program)
            .args(["-m", "fuzzingclient", "-s"])
            .arg(config)
            .env("PYTHONWARNINGS", "ignore")
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .context("could not start the suite")?;
        let mut log = String::from_utf8_lossy(&output.stdout).into_owned();
        log += &String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "the suite failed:\n{log}");
        Ok(log)
    }
}

/// All that the environment is made from.
fn recipe(root: &Path) -> anyhow::Result<String> {
    let read = |file: &str| fs::read_to_string(root.join(file)).context(file.to_owned());
    Ok([BUILD_REQUIREMENT, &read(REQUIREMENTS)?, &read(PORT)?].join("\n"))
}

fn can_run(python: &str) -> bool {
    Command::new(python)
        .args(["-W", "ignore", "-c", PROBE])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let status = command
        .stdin(Stdio::null())
        .status()
        .with_context(|| anyhow!("could not start {:?}", command.get_program()))?;
    ensure!(status.success(), "{command:?}: {status}");
    Ok(())
}
