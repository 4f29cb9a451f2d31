//! Which crate may know which: the architecture, read off `cargo tree`.

use std::collections::BTreeSet;

use anyhow::Context as _;

use crate::workspace::Workspace;

/// What the code of one of our crates may not reach, its dev-dependencies aside.
struct Edges {
    package: &'static str,
    /// Those of our crates it may use.
    ours: &'static [&'static str],
    /// Crates of others that would mean it does another crate's work.
    forbidden: &'static [&'static str],
}

/// Sockets: tokio's `net` needs mio and socket2, and nothing else of tokio does.
const EDGES: &[Edges] = &[
    Edges {
        package: "relay-core",
        ours: &[],
        forbidden: &[
            "hyper",
            "hyper-util",
            "http",
            "fastwebsockets",
            "mio",
            "socket2",
            "tracing",
        ],
    },
    Edges {
        package: "relay-transport",
        ours: &["relay-core"],
        forbidden: &[],
    },
    Edges {
        package: "relay-shutdown",
        ours: &["relay-core"],
        forbidden: &["hyper", "fastwebsockets", "mio", "socket2"],
    },
    Edges {
        package: "relay-tls",
        ours: &[],
        forbidden: &["fastwebsockets"],
    },
    Edges {
        package: "relay-push",
        ours: &["relay-core"],
        forbidden: &["fastwebsockets"],
    },
    Edges {
        package: "relay-bench",
        ours: &[],
        forbidden: &["fastwebsockets", "hyper"],
    },
    Edges {
        package: "relay-instructions",
        ours: &["relay-core", "relay-transport"],
        forbidden: &[],
    },
    Edges {
        package: "relay-model",
        ours: &[],
        forbidden: &[],
    },
    Edges {
        package: "relay-conformance",
        ours: &["relay-core", "relay-transport"],
        forbidden: &[],
    },
    Edges {
        package: "relay-simulation",
        ours: &["relay-core", "relay-shutdown", "relay-transport"],
        forbidden: &[],
    },
    Edges {
        package: "relay-fuzz",
        ours: &[
            "relay-bin",
            "relay-core",
            "relay-push",
            "relay-shutdown",
            "relay-tls",
            "relay-transport",
        ],
        forbidden: &[],
    },
    Edges {
        package: "xtask",
        ours: &[],
        forbidden: &[],
    },
];

/// The one package that may know all others.
const WIRES_ALL: &str = "relay-bin";

/// Broken rules of the workspace as it is.
///
/// # Errors
///
/// Cargo could not say what the workspace is made of.
pub(super) fn violations_of(workspace: &Workspace) -> anyhow::Result<Vec<String>> {
    let metadata = workspace.cargo_output(&["metadata", "--format-version", "1", "--no-deps"])?;
    let members = members(&metadata)?;
    let mut found = Vec::new();
    for package in &members {
        let tree = workspace.cargo_output(&[
            "tree",
            "--package",
            package,
            "--edges",
            "normal,build",
            "--prefix",
            "none",
            "--format",
            "{p}",
        ])?;
        found.extend(violations(package, &reached(package, &tree), &members));
    }
    Ok(found)
}

/// The packages of the workspace.
fn members(metadata: &str) -> anyhow::Result<BTreeSet<String>> {
    let metadata: serde_json::Value =
        serde_json::from_str(metadata).context("cargo metadata is not JSON")?;
    let packages = metadata["packages"]
        .as_array()
        .context("cargo metadata names no packages")?;
    packages
        .iter()
        .map(|package| {
            package["name"]
                .as_str()
                .map(str::to_owned)
                .context("a package without a name")
        })
        .collect()
}

/// The packages that `cargo tree` printed, one a line, `package` itself aside.
fn reached(package: &str, tree: &str) -> BTreeSet<String> {
    let names = tree
        .lines()
        .filter_map(|line| line.split_whitespace().next());
    names
        .filter(|&name| name != package)
        .map(str::to_owned)
        .collect()
}

/// What `package` reaches and must not.
fn violations(
    package: &str,
    reached: &BTreeSet<String>,
    members: &BTreeSet<String>,
) -> Vec<String> {
    if package == WIRES_ALL {
        return Vec::new();
    }
    let Some(edges) = EDGES.iter().find(|edges| edges.package == package) else {
        return vec![format!("{package} has no line in the table of edges")];
    };
    let ours = reached
        .iter()
        .filter(|name| members.contains(*name) && !edges.ours.contains(&name.as_str()));
    let forbidden = reached
        .iter()
        .filter(|name| edges.forbidden.contains(&name.as_str()));
    ours.chain(forbidden)
        .map(|name| format!("{package} reaches {name}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(package: &str, reached: &[&str], expected: &[&str]) {
        let members = [
            "relay-core",
            "relay-transport",
            "relay-shutdown",
            "relay-bin",
            "xtask",
        ];
        let set = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        assert_eq!(
            violations(package, &set(reached), &set(&members)),
            expected,
            "{package}"
        );
    }

    #[test]
    fn accepts_the_architecture() {
        check("relay-core", &["bytes", "tokio"], &[]);
        check("relay-transport", &["relay-core", "hyper", "mio"], &[]);
        check("relay-shutdown", &["relay-core", "tokio"], &[]);
        check(
            "relay-bin",
            &["relay-core", "relay-transport", "relay-shutdown", "hyper"],
            &[],
        );
        check("xtask", &["tokio-tungstenite", "mio"], &[]);
    }

    #[test]
    fn refuses_every_other_edge() {
        check(
            "relay-core",
            &["hyper", "mio"],
            &["relay-core reaches hyper", "relay-core reaches mio"],
        );
        check(
            "relay-core",
            &["relay-shutdown"],
            &["relay-core reaches relay-shutdown"],
        );
        check(
            "relay-transport",
            &["relay-shutdown"],
            &["relay-transport reaches relay-shutdown"],
        );
        check(
            "relay-shutdown",
            &["relay-transport", "hyper"],
            &[
                "relay-shutdown reaches relay-transport",
                "relay-shutdown reaches hyper",
            ],
        );
        check("xtask", &["relay-core"], &["xtask reaches relay-core"]);
        check(
            "relay-new",
            &[],
            &["relay-new has no line in the table of edges"],
        );
    }

    #[test]
    fn reads_the_output_of_cargo() {
        let tree =
            "relay-core v0.1.0 (/x/crates/relay-core)\nbytes v1.12.1\nserde_json v1.0.1 (*)\n\n";
        assert_eq!(
            reached("relay-core", tree),
            BTreeSet::from(["bytes".to_owned(), "serde_json".to_owned()])
        );
        let metadata = r#"{"packages":[{"name":"b"},{"name":"a"}]}"#;
        assert_eq!(
            members(metadata).unwrap(),
            BTreeSet::from(["a".to_owned(), "b".to_owned()])
        );
        assert!(members("{}").is_err());
    }
}
