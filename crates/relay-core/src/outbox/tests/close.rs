//! Closing an outbox: the first order wins, its flush only tightens, and nothing gets behind the last words.

use std::time::Duration;

use super::*;
use crate::close::{Cause, Close, CloseCode, Flush};
use crate::testing::write_all;

const SHORT: Duration = Duration::from_secs(1);
const LONG: Duration = Duration::from_secs(5);

impl Outbox {
    fn order(&self) -> Option<Close> {
        self.take(Waker::noop(), false).close
    }
}

#[test]
fn the_first_close_wins() {
    let outbox = to_phone();
    outbox.close(Close::directive(CloseCode::new(4401).expect("sendable")));
    for later in [
        Close::evicted(),
        Close::drain(LONG),
        Close::backlog_full(None),
    ] {
        outbox.close(later);
        let order = outbox.order().expect("closing");
        assert_eq!(order.code.get(), 4401);
        assert_eq!(order.reason, "");
        assert_eq!(order.cause, Cause::Directive);
    }
}

#[test]
fn a_later_close_can_only_shorten_the_flush() {
    let (all, nothing) = (Flush::All, Flush::Nothing);
    let (short, long) = (Flush::Within(SHORT), Flush::Within(LONG));
    for (first, later, in_force) in [
        (all, all, all),
        (all, long, long),
        (all, nothing, nothing),
        (long, all, long),
        (long, short, short),
        (short, long, short),
        (short, nothing, nothing),
        (nothing, all, nothing),
        (nothing, long, nothing),
    ] {
        let outbox = to_phone();
        outbox.push_text("queued");
        let with_flush = |flush| Close {
            flush,
            ..Close::invalid_directive()
        };
        outbox.close(with_flush(first));
        outbox.close(with_flush(later));
        let order = outbox.order().expect("closing");
        assert_eq!(order.flush, in_force, "{first:?} then {later:?}");
        let left = write_all(&outbox).len();
        assert_eq!(
            left,
            usize::from(in_force != nothing),
            "{first:?} {later:?}"
        );
    }
}

#[test]
fn a_close_is_repeated_until_the_end() {
    let outbox = to_phone();
    assert_eq!(outbox.order(), None);
    outbox.close(Close::grace_expired());
    assert_eq!(outbox.order(), Some(Close::grace_expired()));
    assert_eq!(outbox.order(), Some(Close::grace_expired()));
}

#[test]
fn nothing_is_queued_behind_a_close() {
    let outbox = to_binary();
    outbox.push_text("before");
    outbox.close(Close::drain(LONG));
    let closing = Err(Refused::Closing(Cause::Drain));
    assert_eq!(outbox.push(&[b"behind"], UNBOUNDED).map(|_| ()), closing);
    assert_eq!(outbox.push_notice(b"behind"), closing);
    assert_eq!(write_all(&outbox), ["before"]);
}

#[test]
fn last_words_go_behind_the_last_frame_and_only_once() {
    let outbox = to_binary();
    outbox.push_text("frame");
    let words = || {
        ["one", "two"]
            .into_iter()
            .map(|word| word.as_bytes().to_vec())
    };
    outbox.close_after(Close::drain(LONG), words());
    outbox.close_after(Close::drain(LONG), words());
    assert_eq!(write_all(&outbox), ["frame", "one", "two"]);
}

#[test]
fn dropping_the_queue_spares_the_chunk_being_written() {
    let outbox = to_phone();
    outbox.push_len(70_000);
    let chunk = outbox.take_chunk().expect("queued");
    outbox.push_text("pending");
    outbox.close(Close::evicted());
    assert!(outbox.take_chunk().is_none());
    outbox.written(chunk);
    assert_eq!(outbox.stats().frames_to_phones, 1);
    assert_eq!(outbox.stats().frames_to_phones_dropped, 1);
}

#[test]
fn an_outbox_that_ended_refuses_everything_and_takes_no_order() {
    let outbox = to_phone();
    outbox.push_text("lost");
    outbox.retire();
    outbox.close(Close::evicted());
    assert_eq!(outbox.push(&[b"late"], UNBOUNDED), Err(Refused::Retired));
    assert_eq!(outbox.push_notice(b"late"), Err(Refused::Retired));
    assert_eq!(outbox.order(), None);
    assert!(outbox.take_chunk().is_none());
    assert_eq!(outbox.stats().frames_to_phones_dropped, 1);
}

#[test]
fn a_cut_stays_and_a_ping_is_asked_for_once() {
    let outbox = to_phone();
    outbox.ping();
    outbox.ping();
    outbox.cut();
    let work = outbox.take(Waker::noop(), true);
    assert!(work.ping && work.cut);
    let work = outbox.take(Waker::noop(), true);
    assert!(!work.ping && work.cut);
}
