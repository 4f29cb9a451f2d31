//! A binary closing its phones: order, codes, and the notice that is then not due.

use super::*;
use crate::close::Cause;
use crate::testing::write_all;
use crate::{Delivery, Departure, ForwardError};

#[test]
fn c22_a_frame_goes_out_before_its_close_and_no_notice_follows() {
    let relay = Relay::new();
    let binary = relay.claim("s");
    let mut phone = relay.join("s");
    assert_eq!(direct(&binary, &phone, Some("1"), 4401), Delivery::Queued);
    assert_eq!(write_all(phone.outbox()), ["1"]);
    assert_eq!(closed_with(phone.outbox()), (4401, ""));
    assert_eq!(phone.leave(Some(4401)), Departure::NoNoticeDue);
    assert!(write_all(binary.outbox()).is_empty());
    assert_eq!(relay.connected(), (1, 0));
}

#[test]
fn c23_a_close_needs_no_frame() {
    let relay = Relay::new();
    let binary = relay.claim("s");
    let phone = relay.join("s");
    assert_eq!(direct(&binary, &phone, None, 4403), Delivery::Queued);
    assert!(write_all(phone.outbox()).is_empty());
    assert_eq!(closed_with(phone.outbox()), (4403, ""));
}

#[test]
fn c24_nothing_gets_behind_a_directive() {
    let relay = Relay::new();
    let binary = relay.claim("s");
    let phone = relay.join("s");
    for frame in ["1", "2", "3"] {
        assert_eq!(deliver(&binary, &phone, frame), Delivery::Queued);
    }
    assert_eq!(direct(&binary, &phone, Some("4"), 4401), Delivery::Queued);
    assert_eq!(deliver(&binary, &phone, "5"), Delivery::PhoneClosing);
    assert_eq!(write_all(phone.outbox()), ["1", "2", "3", "4"]);
    assert_eq!(closed_with(phone.outbox()), (4401, ""));
}

#[test]
fn c25_codes_that_may_be_sent_are_and_others_become_1011() {
    use Delivery::{InvalidCloseCode, Queued};
    let invalid = (1011, "invalid close code");
    for (code, delivery, closed) in [
        (1000, Queued, (1000, "")),
        (1005, Queued, (1005, "")),
        (1014, Queued, (1014, "")),
        (3000, Queued, (3000, "")),
        (4999, Queued, (4999, "")),
        (1, InvalidCloseCode, invalid),
        (999, InvalidCloseCode, invalid),
        (1004, InvalidCloseCode, invalid),
        (1006, InvalidCloseCode, invalid),
        (1015, InvalidCloseCode, invalid),
        (2999, InvalidCloseCode, invalid),
        (5000, InvalidCloseCode, invalid),
        (u16::MAX, InvalidCloseCode, invalid),
    ] {
        let relay = Relay::new();
        let binary = relay.claim("s");
        let mut phone = relay.join("s");
        assert_eq!(direct(&binary, &phone, Some("1"), code), delivery, "{code}");
        assert_eq!(write_all(phone.outbox()), ["1"], "{code}");
        assert_eq!(closed_with(phone.outbox()), closed, "{code}");
        assert_eq!(phone.leave(None), Departure::NoNoticeDue, "{code}");
        assert_eq!(order(binary.outbox()), None, "the binary is not harmed");
    }
}

/// Requirement C20 of the peers.
#[test]
fn after_a_directive_no_frame_of_the_phone_is_forwarded() {
    let relay = Relay::new();
    let binary = relay.claim("s");
    let phone = relay.join("s");
    phone.forward(b"1").expect("open");
    direct(&binary, &phone, None, 4401);
    assert_eq!(phone.forward(b"2"), Err(ForwardError::Closing));
    assert_eq!(write_all(binary.outbox()), [routed(&phone, "1")]);
}

#[test]
fn the_first_of_two_directives_wins() {
    let relay = Relay::new();
    let binary = relay.claim("s");
    let mut phone = relay.join("s");
    direct(&binary, &phone, None, 4401);
    for frame in [None, Some("late")] {
        let delivery = direct(&binary, &phone, frame, 4402);
        assert_eq!(delivery, Delivery::PhoneClosing);
    }
    assert_eq!(closed_with(phone.outbox()), (4401, ""));
    assert!(write_all(phone.outbox()).is_empty());
    assert_eq!(phone.leave(Some(4401)), Departure::NoNoticeDue);
}

#[test]
fn a_directive_for_a_phone_that_the_relay_closes_comes_too_late_to_waive_its_notice() {
    let relay = Relay::with(Limits::default().max_phone_backlog(100));
    let binary = relay.claim("s");
    let mut phone = relay.join("s");
    assert_eq!(
        deliver(&binary, &phone, &"x".repeat(100)),
        Delivery::BacklogFull
    );
    for frame in [None, Some("1")] {
        let delivery = direct(&binary, &phone, frame, 4401);
        assert_eq!(delivery, Delivery::PhoneClosing);
    }
    assert_eq!(closed_with(phone.outbox()), (1011, "phone backlog full"));
    assert_eq!(phone.leave(Some(1011)), Departure::Notified);
    assert_eq!(write_all(binary.outbox()), [notice(&phone, 1011)]);
}

#[test]
fn a_directive_that_does_not_fit_closes_with_its_own_code() {
    for (code, closed) in [
        (4401, (4401, "phone backlog full")),
        (999, (1011, "phone backlog full")),
    ] {
        let relay = Relay::with(Limits::default().max_phone_backlog(1000));
        let binary = relay.claim("s");
        let mut phone = relay.join("s");
        deliver(&binary, &phone, "1");
        let delivery = direct(&binary, &phone, Some(&"x".repeat(1000)), code);
        assert_eq!(delivery, Delivery::BacklogFull);
        assert_eq!(closed_with(phone.outbox()), closed);
        assert!(
            write_all(phone.outbox()).is_empty(),
            "the backlog is dropped"
        );
        assert_eq!(
            phone.leave(Some(closed.0)),
            Departure::NoNoticeDue,
            "it asked"
        );
    }
}

#[test]
fn a_directive_does_not_outlast_an_eviction() {
    let relay = Relay::new();
    let mut binary = relay.claim("s");
    let phone = relay.join("s");
    deliver(&binary, &phone, "1");
    direct(&binary, &phone, None, 4401);
    binary.leave(relay.now);
    let _new = relay.claim("s");
    let order = order(phone.outbox()).expect("closing");
    assert_eq!(order.cause, Cause::Directive, "the first close wins");
    assert!(
        write_all(phone.outbox()).is_empty(),
        "but its flush is cut short"
    );
}

#[test]
fn a_phone_that_left_is_unknown() {
    let relay = Relay::new();
    let binary = relay.claim("s");
    let mut phone = relay.join("s");
    phone.leave(None);
    assert_eq!(deliver(&binary, &phone, "1"), Delivery::UnknownPhone);
    assert_eq!(direct(&binary, &phone, None, 4401), Delivery::UnknownPhone);
    assert_eq!(write_all(binary.outbox()), [notice(&phone, 1001)]);
}
