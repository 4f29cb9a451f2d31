//! The mask of a status file, and how it is told.

use super::*;

#[test]
fn o13_the_mask_is_read_from_the_status_file() {
    for (status, mask) in [
        ("CapEff:\t0000000000000000\n", Ok(0)),
        ("Name:\tx\nCapEff:   400\nCapBnd:\tff\n", Ok(1 << 10)),
        ("CapEff:\t000001ffffffffff\n", Ok((1 << 41) - 1)),
        ("CapEff:\tffffffffffffffff\n", Ok(u64::MAX)),
        ("CapPrm:\t0\n", Err(CapabilityError::Missing)),
        ("", Err(CapabilityError::Missing)),
        ("CapEff:\n", Err(CapabilityError::Malformed)),
        ("CapEff:\t0x400\n", Err(CapabilityError::Malformed)),
        ("CapEff:\t+400\n", Err(CapabilityError::Malformed)),
        (
            "CapEff:\t1ffffffffffffffff\n",
            Err(CapabilityError::Malformed),
        ),
    ] {
        let expected = mask.map(CapabilityMask);
        assert_eq!(effective_in(status), expected, "{status:?}");
    }
}

#[test]
fn o13_all_but_low_ports_is_named_with_its_bit() {
    for (mask, named) in [
        (0, None),
        (1 << 10, None),
        (
            1 | 1 << 21 | 1 << 10,
            Some("CAP_CHOWN (bit 0), CAP_SYS_ADMIN (bit 21)"),
        ),
        (
            0b11 | 1 << 41,
            Some("CAP_CHOWN (bit 0), CAP_DAC_OVERRIDE (bit 1), bit 41"),
        ),
        (
            0b111 << 9,
            Some("CAP_LINUX_IMMUTABLE (bit 9), CAP_NET_BROADCAST (bit 11)"),
        ),
        (
            0b111 << 39 | 1 << 63,
            Some("CAP_BPF (bit 39), CAP_CHECKPOINT_RESTORE (bit 40), bit 41, bit 63"),
        ),
    ] {
        let expected = named.map(|named| format!("unexpected effective capabilities: {named}"));
        let found = CapabilityMask(mask).only_allowed().err();
        assert_eq!(found.map(|error| error.to_string()), expected, "{mask:x}");
    }
}

#[test]
fn o13_all_of_them_fit_into_a_log_line() {
    let problem = crate::config::ConfigProblem::Capabilities {
        source: CapabilityError::Unexpected(CapabilityMask(u64::MAX)),
    };
    let told = problem.err();
    assert!(told.ends_with("bit 63") && told.len() <= crate::logging::MAX_OWN_VALUE_LEN);
}

#[test]
#[cfg(target_os = "linux")]
fn a_linux_process_has_a_mask() {
    assert!(matches!(effective(), Capabilities::Effective(_)));
}
