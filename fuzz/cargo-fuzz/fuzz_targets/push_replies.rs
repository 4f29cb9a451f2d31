//! libFuzzer's way to the target of this name.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| (relay_fuzz::target("push_replies").run)(input));
