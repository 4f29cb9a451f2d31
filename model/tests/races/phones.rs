//! Phones that join and send while their binary is replaced or leaves.

use relay_model::{Cause, ForwardError, JoinError, Limits};

use crate::race::{coin, race, race3};
use crate::relay::{cause, write_queued};
use crate::{Relay, check};

#[test]
fn a_join_beside_a_takeover_lands_on_one_of_the_two() {
    check(|| {
        let relay = Relay::new();
        let holder = relay.claim("s");
        let incumbent = relay.incumbent("s");
        let (r1, r2) = (relay.clone(), relay.clone());
        let (phone, successor) = race(
            move || r1.join("s"),
            move || r2.take_over(&incumbent).expect("silent"),
        );
        match cause(phone.outbox()) {
            Some(cause) => {
                assert_eq!(cause, Cause::Evicted);
                assert_eq!(phone.forward(b"1"), Err(ForwardError::Closing));
                assert_eq!(relay.connected(), (1, 0));
            }
            None => {
                assert!(phone.forward(b"1").is_ok());
                assert_eq!(write_queued(successor.outbox()).len(), 1);
                assert_eq!(relay.connected(), (1, 1));
            }
        }
        assert!(write_queued(holder.outbox()).is_empty());
        drop((holder, phone, successor));
        relay.check_nothing_is_left();
    });
}

#[test]
fn a_join_beside_its_binarys_leave_survives_into_the_grace() {
    check(|| {
        let relay = Relay::new();
        let mut holder = relay.claim("s");
        let (r1, r2) = (relay.clone(), relay.clone());
        let (phone, ()) = race(
            move || r1.join("s"),
            move || {
                if coin() {
                    holder.leave(r2.now);
                }
                drop(holder);
            },
        );
        assert_eq!(cause(phone.outbox()), None);
        assert_eq!(phone.forward(b"1"), Err(ForwardError::NoBinary));
        assert_eq!(relay.connected(), (0, 1));
        relay.end_grace();
        assert_eq!(cause(phone.outbox()), Some(Cause::GraceExpired));
        drop(phone);
        relay.check_nothing_is_left();
    });
}

#[test]
fn joins_side_by_side_keep_to_the_cap() {
    check(|| {
        let relay = Relay::with(Limits::default().max_phones_per_server(2));
        let holder = relay.claim("s");
        let join = || {
            let relay = relay.clone();
            move || relay.try_join("s")
        };
        let (a, b, c) = race3(join(), join(), join());
        let joined = [a, b, c];
        let refused = joined
            .iter()
            .filter(|joined| matches!(joined, Err(JoinError::AtCap)));
        assert_eq!(refused.count(), 1, "{joined:?}");
        assert_eq!(relay.connected(), (1, 2));
        drop((joined, holder));
        relay.check_nothing_is_left();
    });
}

/// A phone is closed before its binary is, so it never takes the new binary's arrival for its own binary's end.
#[test]
fn a_frame_beside_a_takeover_goes_to_the_old_binary_or_nowhere() {
    check(|| {
        let relay = Relay::new();
        let holder = relay.claim("s");
        let phone = relay.join("s");
        let incumbent = relay.incumbent("s");
        let taker = relay.clone();
        let (sent, successor) = race(
            move || {
                let sent = [phone.forward(b"1"), phone.forward(b"2")];
                drop(phone);
                sent
            },
            move || taker.take_over(&incumbent).expect("silent"),
        );
        for sent in sent {
            assert!(
                matches!(sent, Ok(_) | Err(ForwardError::Closing)),
                "{sent:?}"
            );
        }
        assert!(write_queued(successor.outbox()).is_empty());
        drop((holder, successor));
        relay.check_nothing_is_left();
    });
}
