//! What the books accept, and what they do not.

use super::*;

const CONN_ID: &str = "client-0123456789abcdef0123456789abcdef";

const fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Two server-ids, the first held by the daemon that is returned, and a phone of it that dialled at 2 s.
fn books() -> (Books, u64, u64) {
    let mut books = Books::of(2);
    let life = books.claim_begun(0, at(0));
    books.claim_settled(0, life, at(1));
    let phone = books.dialled(0, at(2));
    (books, life, phone)
}

/// The same after the phone has spoken, and the log said so.
fn spoken() -> (Books, u64, u64) {
    let (mut books, life, phone) = books();
    books.introduced(0, life, CONN_ID, phone).unwrap();
    books.registered(CONN_ID, phone).unwrap();
    (books, life, phone)
}

#[test]
fn a_whole_story_is_settled_and_forgotten() {
    let (mut books, life, phone) = spoken();
    books.ended(phone, End::Closed(1000), 5, at(10));
    books.noticed(life, CONN_ID, 1000, 5).unwrap();
    books.unregistered(CONN_ID).unwrap();
    books.settle(at(29)).unwrap();
    assert!(books.expect_settled().is_err());
    books.settle(at(30)).unwrap();
    books.expect_settled().unwrap();
}

#[test]
fn a_second_notice_is_found_before_and_after_settling() {
    let (mut books, life, phone) = spoken();
    books.noticed(life, CONN_ID, 1001, 5).unwrap();
    assert!(books.noticed(life, CONN_ID, 1001, 5).is_err());
    books.ended(phone, End::Dropped, 5, at(10));
    books.unregistered(CONN_ID).unwrap();
    books.settle(at(30)).unwrap();
    assert!(books.noticed(life, CONN_ID, 1001, 5).is_err());
    assert!(books.introduced(0, life, CONN_ID, phone).is_err());
}

#[test]
fn a_leg_that_stays_registered_is_found() {
    let (mut books, life, phone) = spoken();
    books.ended(phone, End::Dropped, 5, at(10));
    books.noticed(life, CONN_ID, 1001, 5).unwrap();
    assert!(books.settle(at(30)).is_err());
}

#[test]
fn a_frame_behind_its_notice_is_found() {
    let (mut books, life, phone) = books();
    books.noticed(life, CONN_ID, 1001, 0).unwrap();
    assert!(books.introduced(0, life, CONN_ID, phone).is_err());
}

#[test]
fn a_frame_at_another_server_or_daemon_is_found() {
    let (mut books, life, phone) = books();
    assert!(books.introduced(1, life, CONN_ID, phone).is_err());
    let (mut books, life, phone) = spoken();
    assert!(books.introduced(0, life + 1, CONN_ID, phone).is_err());
}

#[test]
fn a_close_needs_a_reason() {
    let (mut books, _, phone) = spoken();
    let judge = |books: &Books, provocation, close, received| {
        books
            .judge_close(phone, provocation, close, received, at(10))
            .ok()
    };
    for close in [
        (4404, "no server with that id"),
        (4404, "binary reclaimed server-id"),
        (4429, "too many phones for server-id"),
        (1000, ""),
        (1001, "shutting down"),
        (1011, "heartbeat timeout"),
        (4001, ""),
    ] {
        let found = judge(&books, Provocation::Nothing, close, 0);
        assert_eq!(found, None, "{close:?}");
    }
    let echoed = judge(&books, Provocation::Close(4001), (4001, ""), 0);
    assert_eq!(echoed, Some(End::Closed(4001)));
    let offended = judge(&books, Provocation::Offence(1007), (1007, "utf-8"), 0);
    assert_eq!(offended, Some(End::Offended));

    books.directed(
        phone,
        Directive {
            code: 4001,
            frames: 3,
        },
    );
    let close = (4001, "");
    let whole = judge(&books, Provocation::Nothing, close, 3);
    assert_eq!(whole, Some(End::Evicted));
    assert_eq!(judge(&books, Provocation::Nothing, close, 2), None);
    let offended = Provocation::Offence(1009);
    assert_eq!(judge(&books, offended, close, 2), Some(End::Evicted));
    assert_eq!(judge(&books, offended, close, 4), None);
}

#[test]
fn a_daemon_that_leaves_explains_its_phones_closes() {
    let (mut books, life, phone) = spoken();
    books.leaving(0, life, at(5));
    let judge = |books: &Books, close, now| {
        books
            .judge_close(phone, Provocation::Nothing, close, 0, now)
            .is_ok()
    };
    assert!(judge(&books, (1000, ""), at(6)));
    assert!(!judge(&books, (4404, "no server with that id"), at(34)));
    assert!(judge(&books, (4404, "no server with that id"), at(35)));
    assert!(!judge(&books, (4404, "binary reclaimed server-id"), at(6)));
    books.claim_begun(0, at(6));
    assert!(judge(&books, (4404, "binary reclaimed server-id"), at(6)));
}

#[test]
fn a_crash_explains_a_directive_that_never_arrived() {
    let (mut books, life, phone) = spoken();
    books.directed(
        phone,
        Directive {
            code: 1000,
            frames: 1,
        },
    );
    let judge = |books: &Books, received| {
        books
            .judge_close(phone, Provocation::Nothing, (1000, ""), received, at(10))
            .ok()
    };
    assert_eq!(judge(&books, 0), None);
    assert_eq!(judge(&books, 1), Some(End::Evicted));
    books.leaving(0, life, at(9));
    assert_eq!(judge(&books, 0), Some(End::Evicted));
}

#[test]
fn a_code_that_may_not_be_sent_closes_with_1011() {
    let (mut books, _, phone) = spoken();
    books.directed(
        phone,
        Directive {
            code: 2000,
            frames: 0,
        },
    );
    let judge = |close| {
        books
            .judge_close(phone, Provocation::Nothing, close, 0, at(10))
            .is_ok()
    };
    assert!(judge((1011, "invalid close code")));
    assert!(!judge((2000, "")));
}
