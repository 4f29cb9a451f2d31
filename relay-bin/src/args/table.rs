//! The flags: one entry each, from which come the [`Flags`] struct, the lookup table and the usage text.

use std::ffi::OsStr;
use std::fmt;
use std::time::Duration;

use super::{ByteSize, Cidrs, FlagValue, Names, Setting, ValueError};
use crate::logging::LogFormat;

flag_table! {
    domain: Names {
        name: "domain",
        takes: "name",
        default: "",
        help: "serve TLS for this public name, with a certificate from an ACME authority; may be repeated",
    }
    tls_cert: String {
        name: "tls-cert",
        takes: "file",
        default: "",
        help: "serve TLS with this certificate chain (PEM); read again when it changes and on SIGHUP",
    }
    tls_key: String {
        name: "tls-key",
        takes: "file",
        default: "",
        help: "the private key of --tls-cert (PEM)",
    }
    https_listen: String {
        name: "https-listen",
        takes: "host:port",
        default: ":443",
        help: "address for TLS",
    }
    http_listen: String {
        name: "http-listen",
        takes: "host:port",
        default: ":80",
        help: "address where the ACME authority's challenges are answered, and nothing else",
    }
    https_proxy_protocol: bool {
        name: "https-proxy-protocol",
        takes: "",
        default: "false",
        help: "require a PROXY header in front of TLS; with --trusted-proxy only from there",
    }
    cert_cache: String {
        name: "cert-cache",
        takes: "directory",
        default: "",
        help: "where certificates and the ACME account are kept (default ~/.pyrycode-relay/certs)",
    }
    acme_directory: String {
        name: "acme-directory",
        takes: "url",
        default: "",
        help: "the ACME authority (default Let's Encrypt)",
    }
    acme_ca: String {
        name: "acme-ca",
        takes: "file",
        default: "",
        help: "the root (PEM) that the ACME authority's own HTTPS is trusted by (default the system's)",
    }
    acme_email: String {
        name: "acme-email",
        takes: "address",
        default: "",
        help: "whom the ACME authority may write to",
    }
    insecure_listen: String {
        name: "insecure-listen",
        takes: "host:port",
        default: "",
        help: "serve plain HTTP on this address, without TLS; an empty host means every interface",
    }
    max_connections: i64 {
        name: "max-connections",
        takes: "N",
        default: "10000",
        help: "live WebSockets, binaries and phones together; lowered to what the open-file limit allows",
    }
    max_connections_per_ip: i64 {
        name: "max-connections-per-ip",
        takes: "N",
        default: "0",
        help: "live WebSockets of one IPv4 address or IPv6 /64; 0 means a quarter of all, at least 64",
    }
    rate_limit_per_minute: i64 {
        name: "rate-limit-per-minute",
        takes: "N",
        default: "10",
        help: "WebSocket requests of one IPv4 address or IPv6 /64; 0 means no limit",
    }
    rate_limit_burst: i64 {
        name: "rate-limit-burst",
        takes: "N",
        default: "20",
        help: "WebSocket requests of one IPv4 address or IPv6 /64 at once",
    }
    trusted_proxy: Cidrs {
        name: "trusted-proxy",
        takes: "address/bits",
        default: "",
        help: "believe these hops when they name their client; may be repeated",
    }
    trust_x_forwarded_for: bool {
        name: "trust-x-forwarded-for",
        takes: "",
        default: "false",
        help: "count requests by the first X-Forwarded-For entry: ANY CLIENT CAN SPOOF IT; use --trusted-proxy",
    }
    metrics_listen: String {
        name: "metrics-listen",
        takes: "ip:port",
        default: "127.0.0.1:9090",
        help: "serve /metrics on this loopback address; empty for no metrics page",
    }
    drain_deadline: Duration {
        name: "drain-deadline",
        takes: "duration",
        default: "10s",
        help: "time for all peers together to take what is queued and answer the close, once a drain began",
    }
    drain_spread: Duration {
        name: "drain-spread",
        takes: "duration",
        default: "0s",
        help: "spread the closes of a drain over this much of --drain-deadline, daemons before their phones",
    }
    queue_memory: ByteSize {
        name: "queue-memory",
        takes: "size",
        default: "256MiB",
        help: "memory for everything queued to peers, all of them together; at most half of the memory limit",
    }
    log_format: LogFormat {
        name: "log-format",
        takes: "logfmt|json",
        default: "logfmt",
        help: "how log records are written to stderr; RUST_LOG sets their level",
    }
    version: bool {
        name: "version",
        takes: "",
        default: "false",
        help: "print the version and exit",
    }
}

/// A row of the table, its type erased.
pub(super) struct Flag {
    pub(super) name: &'static str,
    /// The value a bare `--name` stands for.
    pub(super) implied: Option<&'static str>,
    pub(super) set: fn(&mut Flags, &OsStr) -> Result<(), ValueError>,
    takes: &'static str,
    default: &'static str,
    help: &'static str,
}

/// The usage text.
pub(super) struct Usage;

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Usage: pyrycode-relay [flags]\n")?;
        for flag in TABLE {
            let gap = if flag.takes.is_empty() { "" } else { " " };
            writeln!(f, "  --{}{gap}{}", flag.name, flag.takes)?;
            write!(f, "        {}", flag.help)?;
            match flag.default {
                "" | "false" => writeln!(f)?,
                default => writeln!(f, " (default {default})")?,
            }
        }
        writeln!(f, "  --help\n        print this and exit")
    }
}

macro_rules! flag_table {
    ($($field:ident: $type:ty {
        name: $name:literal,
        takes: $takes:literal,
        default: $default:literal,
        help: $help:literal,
    })*) => {
        /// Every flag, each with its value and whether it was given.
        #[derive(Clone, Debug)]
        #[non_exhaustive]
        pub struct Flags {
            $(#[doc = concat!("`--", $name, "`: ", $help, ".")] pub $field: Setting<$type>,)*
        }

        impl Default for Flags {
            fn default() -> Self {
                Self { $($field: Setting::absent($default),)* }
            }
        }

        pub(super) const TABLE: &[Flag] = &[$(Flag {
            name: $name,
            implied: <$type as FlagValue>::IMPLIED,
            set: |flags, raw| flags.$field.set(raw),
            takes: $takes,
            default: $default,
            help: $help,
        },)*];
    };
}
use flag_table;
