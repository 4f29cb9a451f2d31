//! What a binary reads about phones that go: one notice each, behind the last frame, unless it asked for the close.

use relay_model::{Binary, Delivery, Departure, ForwardError, Phone};
use shuttle::future::block_on;

use crate::race::{coin, race, race3};
use crate::relay::{deliver, is_notice, write_queued, write_until_closed};
use crate::{Relay, check};

/// Sends two frames, then leaves in one of the ways there are; how many frames were accepted.
fn send_and_leave(mut phone: Phone) -> usize {
    let mut accepted = 0;
    for frame in [b"1", b"2"] {
        match phone.forward(frame) {
            Ok(_room) => accepted += 1,
            Err(refused) => assert_eq!(refused, ForwardError::Closing),
        }
    }
    if coin() {
        phone.leave(Some(1000));
    }
    accepted
}

/// The connection of a binary that reads until it is closed, and then leaves.
fn read(relay: &Relay, mut binary: Binary) -> Vec<String> {
    let read = block_on(write_until_closed(binary.outbox()));
    binary.leave(relay.now);
    read
}

/// Frames, in order and without a gap, and behind them `notices` notices.
fn check_read(read: &[String], frames: usize, notices: usize) {
    assert_eq!(read.len(), frames + notices, "{read:?}");
    for (n, text) in read.iter().enumerate() {
        if n < frames {
            assert!(
                text.ends_with(&format!("\"frame\":{}}}", n + 1)),
                "{read:?}"
            );
        } else {
            assert!(is_notice(text), "{read:?}");
        }
    }
}

#[test]
fn a_phone_that_leaves_beside_a_drain_is_told_of_once_behind_its_frames() {
    check(|| {
        let relay = Relay::new();
        let binary = relay.claim("s");
        let phone = relay.join("s");
        let (r1, r2) = (relay.clone(), relay.clone());
        let (accepted, read, ()) = race3(
            move || send_and_leave(phone),
            move || read(&r1, binary),
            move || r2.drain(),
        );
        check_read(&read, accepted, 1);
        relay.check_nothing_is_left();
    });
}

#[test]
fn a_directive_beside_the_phones_leave_is_accepted_or_a_notice_is_due() {
    check(|| {
        let relay = Relay::new();
        let binary = relay.claim("s");
        let mut phone = relay.join("s");
        let conn_id = phone.conn_id().to_string();
        let (departure, (binary, delivery)) = race(
            move || phone.leave(Some(1000)),
            move || {
                let frame = coin().then_some("1");
                let code = if coin() { 4401 } else { 999 };
                let delivery = deliver(&binary, &conn_id, frame, Some(code));
                (binary, delivery)
            },
        );
        let was_accepted = match delivery {
            Delivery::Queued | Delivery::InvalidCloseCode => true,
            Delivery::PhoneClosing | Delivery::UnknownPhone => false,
            Delivery::BacklogFull => panic!("there is room"),
        };
        let expected = if was_accepted {
            Departure::NoNoticeDue
        } else {
            Departure::Notified
        };
        assert_eq!(departure, expected, "{delivery:?}");
        check_read(
            &write_queued(binary.outbox()),
            0,
            usize::from(!was_accepted),
        );
        drop(binary);
        relay.check_nothing_is_left();
    });
}

#[test]
fn a_directive_and_a_drain_beside_a_leave_make_at_most_one_notice() {
    check(|| {
        let relay = Relay::new();
        let binary = relay.claim("s");
        let phone = relay.join("s");
        let conn_id = phone.conn_id().to_string();
        let drainer = relay.clone();
        let (accepted, (binary, delivery), ()) = race3(
            move || send_and_leave(phone),
            move || {
                let delivery = deliver(&binary, &conn_id, None, Some(4401));
                (binary, delivery)
            },
            move || drainer.drain(),
        );
        let read = write_queued(binary.outbox());
        let notices = read.iter().filter(|text| is_notice(text)).count();
        if delivery == Delivery::Queued {
            assert!(notices <= 1, "{read:?}");
        } else {
            assert_eq!(notices, 1, "{delivery:?}: {read:?}");
        }
        check_read(&read, accepted, notices);
        drop(binary);
        relay.check_nothing_is_left();
    });
}

#[test]
fn a_phone_that_leaves_beside_a_takeover_is_never_told_to_the_successor() {
    check(|| {
        let relay = Relay::new();
        let holder = relay.claim("s");
        let mut phone = relay.join("s");
        let incumbent = relay.incumbent("s");
        let (r1, r2) = (relay.clone(), relay.clone());
        let (departure, successor, read) = race3(
            move || phone.leave(Some(1000)),
            move || r1.take_over(&incumbent).expect("silent"),
            move || read(&r2, holder),
        );
        let is_told = departure == Departure::Notified;
        assert!(
            read.len() <= usize::from(is_told),
            "{departure:?}: {read:?}"
        );
        assert!(write_queued(successor.outbox()).is_empty());
        assert_eq!(relay.connected(), (1, 0));
        drop(successor);
        relay.check_nothing_is_left();
    });
}

#[test]
fn two_phones_that_leave_beside_their_binarys_leave_are_told_of_once_or_not() {
    check(|| {
        let relay = Relay::new();
        let mut binary = relay.claim("s");
        let phones = [relay.join("s"), relay.join("s")];
        let leaver = relay.clone();
        let [first, second] = phones.map(|mut phone| move || phone.leave(Some(1000)));
        let (first, second, read) = race3(first, second, move || {
            let read = write_queued(binary.outbox());
            binary.leave(leaver.now);
            read
        });
        let told = [first, second]
            .into_iter()
            .filter(|departure| *departure == Departure::Notified);
        assert!(read.len() <= told.count(), "{read:?}");
        assert!(![first, second].contains(&Departure::NoNoticeDue));
        assert!(read.len() < 2 || read[0] != read[1]);
        relay.check_nothing_is_left();
    });
}
