//! Fuzz targets: what the relay reads from strangers, each as a function of bytes that panics when a property breaks.
//!
//! Owns the properties, and the slow readers that the fast ones are held against.
//! It must not know where the bytes come from: a corpus, a mutator on a stable compiler, or libFuzzer on a nightly one.

mod clock;
mod cuts;
mod random;
mod targets;

pub use random::Random;

/// Something that reads bytes from outside.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// As its corpus, its dictionary and its binary are called.
    pub name: &'static str,
    /// Panics when the input breaks a property.
    pub run: fn(&[u8]),
}

/// All of them. `fuzz/cargo-fuzz` has a binary for each.
pub const TARGETS: &[Target] = &[
    Target {
        name: "cert_cache",
        run: targets::cert_cache,
    },
    Target {
        name: "command_line",
        run: targets::command_line,
    },
    Target {
        name: "envelopes",
        run: targets::envelopes,
    },
    Target {
        name: "frames",
        run: targets::frames,
    },
    Target {
        name: "http",
        run: targets::http,
    },
    Target {
        name: "proxy_header",
        run: targets::proxy_header,
    },
    Target {
        name: "push_replies",
        run: targets::push_replies,
    },
];

/// The target of this name.
///
/// # Panics
/// When there is none: whoever asks by name has its name from here.
#[must_use]
pub fn target(name: &str) -> Target {
    let found = TARGETS.iter().find(|target| target.name == name);
    *found.expect("a target of this name")
}
