//! Reasons not to start, as text and as log fields.

use std::error::Error as _;

use relay_tls::DomainError;
use thiserror::Error;

use super::environment::SINGLE_INSTANCE;
use super::{ActivationError, Fields, ListenAddrError, MetricsListenError};
use crate::boot::capabilities::CapabilityError;

/// One thing wrong with the configuration.
///
/// The text never holds what the operator typed: that is in the [`fields`](Self::fields).
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ConfigProblem {
    /// No flag says how to serve.
    #[error("no mode selected: want --insecure-listen (plain HTTP) or --domain (TLS)")]
    NoMode,
    /// Flags that make no sense together.
    #[error("{flags} cannot be given with {with}")]
    FlagConflict {
        /// Those that are too much, with their dashes.
        flags: String,
        /// What they contradict.
        with: &'static str,
    },
    /// A chain without its key, or the reverse.
    #[error("--tls-cert and --tls-key need each other")]
    HalfCertificate,
    /// `--domain` is none.
    #[error("--domain is not a domain")]
    Domain {
        /// What is wrong with it.
        source: DomainError,
    },
    /// A value that its flag can read and not use.
    #[error("--{flag} must be {want}")]
    Value {
        /// The flag's name.
        flag: &'static str,
        /// Its range.
        want: &'static str,
        /// The value as typed.
        value: String,
    },
    /// Two ways to read `X-Forwarded-For`.
    #[error("--trusted-proxy and --trust-x-forwarded-for exclude each other")]
    TrustConflict,
    /// A registered variable is present and not of its form.
    #[error("environment variable refused")]
    MalformedVariable {
        /// Its name.
        env_var: &'static str,
        /// What is wrong with it; quotes the value unless that is a secret.
        reason: String,
        /// What to do about it.
        fix: &'static str,
    },
    /// The platform may run several relays, and nobody says that it does not.
    #[error("multi-instance deploy detected: FLY_APP_NAME is set and {SINGLE_INSTANCE} is not")]
    MultiInstance,
    /// Plain HTTP in production.
    #[error("--insecure-listen is refused in production")]
    InsecureInProduction,
    /// Root in production.
    #[error("running as root is refused in production")]
    RootInProduction {
        /// Always 0.
        effective_uid: u32,
    },
    /// Capabilities in production.
    #[error("capabilities are refused in production")]
    Capabilities {
        /// Which, or why they are not known.
        source: CapabilityError,
    },
    /// `--metrics-listen` is not an address on the loopback interface.
    #[error("--metrics-listen is refused")]
    MetricsListen {
        /// The address as typed.
        value: String,
        /// What is wrong with it.
        source: MetricsListenError,
    },
    /// A socket that the process was given fits no listener.
    #[error("a socket that was handed over is refused")]
    Activation {
        /// The socket's name.
        name: String,
        /// Where it listens, if it does.
        addr: Option<String>,
        /// What is wrong with it.
        source: ActivationError,
    },
    /// Not an address to listen on.
    #[error("--{flag} is not a listen address")]
    ListenAddr {
        /// The flag's name.
        flag: &'static str,
        /// The address as typed.
        addr: String,
        /// What is wrong with it.
        source: ListenAddrError,
    },
}

impl ConfigProblem {
    /// The `err` field: the text, and what caused it.
    #[must_use]
    pub fn err(&self) -> String {
        match self.source() {
            Some(source) => format!("{self}: {source}"),
            None => self.to_string(),
        }
    }

    /// The other fields.
    #[must_use]
    pub fn fields(&self) -> Fields<'_> {
        match self {
            Self::NoMode => Fields::fix("for a first try: --insecure-listen 127.0.0.1:8080"),
            Self::Value { value, .. } => Fields::value(value, "leave the flag out for its default"),
            Self::FlagConflict { .. } => Fields::fix("leave one of them out"),
            Self::HalfCertificate => Fields::fix("give both; they may name the same file"),
            Self::Domain { .. } => Fields::fix("give a public name such as relay.example.com"),
            Self::TrustConflict => Fields::fix("keep --trusted-proxy alone: it cannot be spoofed"),
            Self::MalformedVariable {
                env_var,
                reason,
                fix,
            } => Fields {
                env_var: Some(env_var),
                reason: Some(reason),
                ..Fields::fix(fix)
            },
            Self::MultiInstance => Fields {
                bypass_env_var: Some(SINGLE_INSTANCE),
                ..Fields::fix("run one instance and set PYRYCODE_RELAY_SINGLE_INSTANCE=1")
            },
            Self::InsecureInProduction => {
                Fields::in_production("serve TLS with --domain, or unset the variable")
            }
            Self::RootInProduction { effective_uid } => Fields {
                effective_uid: Some(*effective_uid),
                ..Fields::in_production("run as another user, such as uid 65532")
            },
            Self::Capabilities { .. } => Fields::in_production(
                "drop all but CAP_NET_BIND_SERVICE: docker run --cap-drop ALL --user 65532",
            ),
            Self::MetricsListen { value, .. } => Fields::value(
                value,
                "give 127.0.0.1:9090 or [::1]:9090, or \"\" for no page",
            ),
            Self::Activation { name, addr, .. } => Fields {
                addr: addr.as_deref(),
                ..Fields::value(
                    name,
                    "name sockets http, https, acme or metrics, as the flags have it (FileDescriptorName=)",
                )
            },
            Self::ListenAddr { addr, .. } => Fields {
                addr: Some(addr),
                ..Fields::fix("give host:port, :port or [v6]:port, port 1 to 65535")
            },
        }
    }

    /// Writes the problem as one ERROR record.
    pub fn log(&self) {
        let Fields {
            addr,
            value,
            env_var,
            reason,
            bypass_env_var,
            effective_uid,
            fix,
        } = self.fields();
        tracing::error!(
            err = self.err(),
            addr,
            value,
            env_var,
            reason,
            bypass_env_var,
            effective_uid,
            fix,
            "configuration refused"
        );
    }
}
