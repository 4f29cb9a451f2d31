//! Which names are ours: the domains to answer for, and what a Host header or an SNI must say to be let in.

use std::sync::Arc;

/// The domains a relay answers for; at least one, each in lower case, without duplicates.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Domains(Arc<[String]>);

/// A domain that no certificate can be had for.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DomainError {
    /// No domain at all.
    #[error("no domain given")]
    Missing,
    /// Not a host name of at least two labels, in ASCII.
    #[error("{domain:?} is not a domain name: {problem}")]
    Malformed {
        /// What was given.
        domain: String,
        /// What is wrong with it.
        problem: &'static str,
    },
}

impl Domains {
    /// Reads the names; internationalised ones are given in their ASCII form (`xn--…`).
    ///
    /// # Errors
    /// The first name that is not one. A name of a single label is refused here, since no handshake and no public
    /// certificate authority would ever accept it; so is a wildcard, which http-01 cannot prove.
    pub fn new<I>(names: I) -> Result<Self, DomainError>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let mut domains = Vec::new();
        for name in names {
            let domain = name.as_ref().to_ascii_lowercase();
            if let Err(problem) = check(&domain) {
                return Err(DomainError::Malformed { domain, problem });
            }
            if !domains.contains(&domain) {
                domains.push(domain);
            }
        }
        if domains.is_empty() {
            return Err(DomainError::Missing);
        }
        Ok(Self(domains.into()))
    }

    /// The names, in the order given.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether a Host header names one of them, see [`host_matches`].
    pub fn match_host(&self, host: &str) -> bool {
        host_matches(&self.0, host)
    }
}

/// RFC 1035 §2.3.4.
const MAX_NAME_BYTES: usize = 253;
const MAX_LABEL_BYTES: usize = 63;

/// What keeps `domain` from being a host name; also what makes it safe as a file name.
fn check(domain: &str) -> Result<(), &'static str> {
    if domain.is_empty() {
        return Err("it is empty");
    }
    if domain.len() > MAX_NAME_BYTES {
        return Err("it is longer than 253 bytes");
    }
    if !domain.is_ascii() {
        return Err("it is not ASCII; give the xn-- form");
    }
    if !domain.contains('.') {
        return Err("it has a single label");
    }
    for label in domain.split('.') {
        if label.is_empty() {
            return Err("it has an empty label");
        }
        if label.len() > MAX_LABEL_BYTES {
            return Err("it has a label longer than 63 bytes");
        }
        if label.starts_with('-') || label.ends_with('-') {
            return Err("a label begins or ends with a hyphen");
        }
        if !label
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-')
        {
            return Err("it has a character that is not a letter, digit, hyphen or dot");
        }
    }
    if domain
        .rsplit('.')
        .next()
        .is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()))
    {
        return Err("it is an IP address");
    }
    Ok(())
}

/// Whether a Host header (or `:authority`) names one of `names`: without its port, case-insensitively, and exactly.
///
/// An empty value, a trailing dot, a prefix or a suffix does not match. A name `*.example.com` stands for one label
/// in place of the asterisk.
pub fn host_matches<N: AsRef<str>>(names: &[N], host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        Some(_) => return false,
        None => host,
    };
    covers(names, name)
}

/// Whether `name` is one of `names`, wildcards included.
pub(crate) fn covers<N: AsRef<str>>(names: &[N], name: &str) -> bool {
    !name.is_empty() && names.iter().any(|pattern| matches(pattern.as_ref(), name))
}

/// RFC 6125 §6.4.3: the asterisk is the whole left-most label and stands for exactly one.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_prefix("*.") {
        None => pattern.eq_ignore_ascii_case(name),
        Some(parent) => name
            .split_once('.')
            .is_some_and(|(label, rest)| !label.is_empty() && rest.eq_ignore_ascii_case(parent)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn o26_only_the_exact_host_passes() {
        let names = ["relay.example.com"];
        for host in [
            "relay.example.com",
            "RELAY.Example.COM",
            "relay.example.com:8443",
            "relay.example.com:",
        ] {
            assert!(host_matches(&names, host), "{host}");
        }
        for host in [
            "",
            ":443",
            "other.example.com",
            "relay.example.com.evil.com",
            "relay.example.com.",
            "relay.example.com.:443",
            "evilrelay.example.com",
            "example.com",
            "relay.example.com:443:443",
            "relay.example.com:44a",
            "relay.example.com@evil.com",
            " relay.example.com",
            "relay.example.com\0",
            "[::1]:443",
            "127.0.0.1",
        ] {
            assert!(!host_matches(&names, host), "{host}");
        }
    }

    #[test]
    fn a_wildcard_stands_for_one_label() {
        let names = ["*.example.com"];
        assert!(covers(&names, "relay.example.com"));
        assert!(covers(&names, "RELAY.EXAMPLE.COM"));
        for name in [
            "example.com",
            ".example.com",
            "a.b.example.com",
            "relay.example.org",
            "*",
        ] {
            assert!(!covers(&names, name), "{name}");
        }
    }

    #[test]
    fn domains_are_folded_to_lower_case_once_each() {
        let domains = Domains::new([
            "Relay.Example.com",
            "relay.example.COM",
            "xn--bcher-kva.example",
        ])
        .unwrap();
        assert_eq!(
            domains.iter().collect::<Vec<_>>(),
            ["relay.example.com", "xn--bcher-kva.example"]
        );
        assert!(domains.match_host("RELAY.example.com:80"));
    }

    #[test]
    fn refuses_what_is_no_domain() {
        let long_label = format!("{}.com", "a".repeat(64));
        let long_name = format!("{}com", "a.".repeat(126));
        for name in [
            "",
            "localhost",
            ".",
            "a.",
            ".a",
            "a..b",
            "-a.com",
            "a-.com",
            "*.example.com",
            "a b.com",
            "a/b.com",
            "../x",
            "bücher.example",
            "127.0.0.1",
            "a:80.com",
            "a_b.com",
            &long_label,
            &long_name,
        ] {
            assert!(Domains::new([name]).is_err(), "{name}");
        }
        assert_eq!(Domains::new::<[&str; 0]>([]), Err(DomainError::Missing));
    }
}
