//! Where the repository is, and the cargo that works on it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};

/// The repository this tool was built from.
#[derive(Debug)]
pub(crate) struct Workspace {
    root: PathBuf,
    cargo: OsString,
}

impl Workspace {
    /// Finds the root: the parent of this crate's directory.
    ///
    /// # Errors
    ///
    /// The directory it was built in is gone, as after a move of the checkout.
    pub(crate) fn locate() -> anyhow::Result<Self> {
        let manifest_dir = std::env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        let root = manifest_dir
            .parent()
            .context("xtask lives in a workspace")?
            .to_owned();
        ensure!(
            root.join("Cargo.toml").is_file(),
            "no workspace at {}: run through `cargo xtask`",
            root.display()
        );
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
        Ok(Self { root, cargo })
    }

    /// The directory of the workspace manifest.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// `cargo` in the root, with no standard input and with plain output.
    pub(crate) fn cargo(&self) -> Command {
        let mut command = Command::new(&self.cargo);
        command
            .current_dir(&self.root)
            .stdin(Stdio::null())
            .env("CARGO_TERM_COLOR", "never");
        command
    }

    /// Builds a package's executable of this name in this profile and asks cargo where it put it.
    ///
    /// # Errors
    ///
    /// It does not build.
    pub(crate) fn build_executable(
        &self,
        profile: &str,
        package: &str,
        name: &str,
    ) -> anyhow::Result<PathBuf> {
        let output = self
            .cargo()
            .args(["build", "--profile", profile])
            .args(["--package", package, "--bin", name])
            .args(["--message-format", "json-render-diagnostics"])
            .stderr(Stdio::inherit())
            .output()
            .context("could not start cargo")?;
        ensure!(output.status.success(), "{name} does not build");
        String::from_utf8_lossy(&output.stdout)
            .lines()
            .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
            .filter(|message| message["target"]["name"] == name)
            .find_map(|message| message["executable"].as_str().map(PathBuf::from))
            .context("cargo built no executable")
    }

    /// Whether `cargo <subcommand>` is installed.
    pub(crate) fn has_subcommand(&self, subcommand: &str) -> bool {
        self.cargo()
            .args([subcommand, "--version"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    }

    /// Runs cargo to its end and returns what it wrote to standard output.
    ///
    /// # Errors
    ///
    /// Cargo could not be started, failed, or wrote something other than UTF-8.
    pub(crate) fn cargo_output(&self, args: &[&str]) -> anyhow::Result<String> {
        let line = args.join(" ");
        let output = self
            .cargo()
            .args(args)
            .stderr(Stdio::inherit())
            .output()
            .with_context(|| format!("cargo {line}"))?;
        ensure!(output.status.success(), "cargo {line}: {}", output.status);
        String::from_utf8(output.stdout)
            .with_context(|| format!("cargo {line}: output is not UTF-8"))
    }
}
