//! An outbox is charged for what it pins: no more, no less, and given back once.

use proptest::prelude::*;

use super::*;
use crate::close::Close;
use crate::framing::MAX_HEAD;
use crate::outbox::chunk::CHUNK_BYTES;
use crate::testing::{payloads, write_all};

#[test]
fn an_empty_outbox_pins_nothing() {
    let outbox = to_phone();
    assert_eq!(outbox.charged(), 0);
    outbox.push_len(100);
    assert!(outbox.charged() > 0);
    write_all(&outbox);
    assert_eq!(outbox.charged(), 0);
    assert_eq!(outbox.droppable(), 0);
    assert_eq!(outbox.budget_used(), 0);
}

#[test]
fn small_messages_share_chunks_of_bounded_size() {
    let outbox = to_phone();
    for _ in 0..10_000 {
        outbox.push_len(20);
    }
    let chunks = outbox.state.lock().chunks.len();
    assert_eq!(chunks, (10_000 * 22usize).div_ceil(CHUNK_BYTES));
    while let Some(chunk) = outbox.take_chunk() {
        assert!(chunk.bytes().len() <= CHUNK_BYTES);
        outbox.written(chunk);
    }
}

#[test]
fn a_growing_chunk_leaves_no_piece_behind_that_is_worth_keeping() {
    let outbox = to_phone();
    let mut sizes = vec![];
    while outbox.state.lock().chunks.len() < 2 {
        outbox.push_len(1_000);
        sizes.push(outbox.charged());
    }
    sizes.pop();
    sizes.dedup();
    let outgrown = sizes.iter().filter(|size| **size < CHUNK_BYTES);
    assert!(outgrown.clone().count() > 1, "{sizes:?}");
    assert!(outgrown.sum::<usize>() < 16 << 10, "{sizes:?}");
    assert_eq!(sizes.last(), Some(&CHUNK_BYTES));
}

#[test]
fn a_large_message_gets_a_chunk_to_its_measure() {
    let outbox = to_phone();
    outbox.push_len(262_144);
    outbox.push_len(10);
    let large = outbox.take_chunk().expect("queued");
    assert_eq!(payloads(large.bytes()).len(), 1);
    assert_eq!(large.pinned(), 262_144 + MAX_HEAD);
    assert_eq!(
        payloads(outbox.take_chunk().expect("queued").bytes()).len(),
        1
    );
}

#[test]
fn the_chunk_being_written_stays_charged_but_is_not_droppable() {
    let outbox = to_phone();
    outbox.push_len(70_000);
    outbox.push_len(10);
    let chunk = outbox.take_chunk().expect("queued");
    assert_eq!(outbox.charged(), chunk.pinned() + outbox.pinned_by_queue());
    assert_eq!(outbox.droppable(), outbox.pinned_by_queue());
    outbox.drop_queued();
    assert_eq!(outbox.charged(), chunk.pinned());
    assert_eq!(outbox.droppable(), 0);
    outbox.written(chunk);
    assert_eq!(outbox.charged(), 0);
}

#[test]
fn a_chunk_given_back_after_the_end_is_released() {
    for is_written in [true, false] {
        let outbox = to_phone();
        outbox.push_len(100);
        let chunk = outbox.take_chunk().expect("queued");
        outbox.push_len(100);
        outbox.retire();
        assert_eq!(outbox.budget_used(), chunk.pinned());
        if is_written {
            outbox.written(chunk);
        } else {
            outbox.torn(chunk, 0);
        }
        assert_eq!(outbox.budget_used(), 0);
        assert_eq!(outbox.charged(), 0);
    }
}

#[test]
fn an_outbox_dropped_with_a_chunk_out_returns_all_of_its_budget() {
    let accounts = accounts();
    let outbox = Outbox::new(Arc::clone(&accounts), Direction::ToPhone);
    outbox.push_len(70_000);
    outbox.push_len(70_000);
    let lost_in_a_panic = outbox.take_chunk();
    drop(outbox);
    assert_eq!(accounts.budget.used(), 0);
    drop(lost_in_a_panic);
}

#[test]
fn admits_up_to_the_bound_and_not_a_byte_more() {
    for (max_bytes, payloads, is_admitted) in [
        (0, &[0][..], false),
        (9, &[0], false),
        (10, &[0], true),
        (100, &[90], true),
        (100, &[91], false),
        (100, &[40, 40], true),
        (100, &[0; 10], true),
        (300_000, &[262_144], true),
        (300_000, &[262_144, 37_836], true),
        (300_000, &[262_144, 37_837], false),
        (1 << 20, &[262_134; 4], true),
        (1 << 20, &[262_134, 262_134, 262_134, 262_134, 0], false),
    ] {
        let outbox = to_phone();
        let (last, before) = payloads.split_last().expect("a payload");
        for len in before {
            let pushed = outbox.push(&[&vec![b'x'; *len]], max_bytes);
            assert!(pushed.is_ok(), "{max_bytes} {payloads:?}");
        }
        let pushed = outbox.push(&[&vec![b'x'; *last]], max_bytes);
        assert_eq!(pushed.is_ok(), is_admitted, "{max_bytes} {payloads:?}");
        if !is_admitted {
            assert_eq!(pushed, Err(Refused::Full));
        }
        assert!(outbox.charged() <= max_bytes, "{max_bytes} {payloads:?}");
    }
}

#[test]
fn a_generous_guess_never_takes_an_outbox_over_its_bound() {
    let outbox = to_phone();
    for _ in 0..100 {
        outbox.push_len(600);
    }
    write_all(&outbox);
    let charged = outbox.push(&[b"small"], 1000);
    assert_eq!(charged, Ok(1000), "the guess is cut to the bound");
}

#[test]
fn a_refusal_for_want_of_room_leaves_the_queue_as_it_was() {
    let outbox = to_phone();
    outbox.push_text("kept");
    let charged = outbox.charged();
    assert_eq!(outbox.push(&[&[b'x'; 1000]], 1000), Err(Refused::Full));
    assert_eq!(outbox.charged(), charged);
    assert_eq!(write_all(&outbox), ["kept"]);
}

#[test]
fn notices_are_never_refused_for_want_of_room() {
    let outbox = to_binary();
    outbox.push_len(100_000);
    for _ in 0..100 {
        assert_eq!(outbox.push_notice(b"{}"), Ok(()));
    }
    assert_eq!(outbox.charged(), outbox.pinned_by_queue());
}

#[derive(Clone, Debug)]
enum Op {
    Push(usize),
    PushBounded(usize),
    Notice,
    Take,
    Written,
    Torn(usize),
    DropQueued,
    Close(Close),
}

fn op() -> impl Strategy<Value = Op> {
    let len = || prop_oneof![4 => 0..300usize, 2 => 0..70_000usize, 1 => 0..300_000usize];
    prop_oneof![
        8 => len().prop_map(Op::Push),
        4 => len().prop_map(Op::PushBounded),
        2 => Just(Op::Notice),
        6 => Just(Op::Take),
        6 => Just(Op::Written),
        1 => (0..100_000usize).prop_map(Op::Torn),
        1 => Just(Op::DropQueued),
        1 => prop_oneof![Just(Close::evicted()), Just(Close::invalid_directive())].prop_map(Op::Close),
    ]
}

proptest! {
    #[test]
    fn any_sequence_keeps_the_books_and_the_bytes(ops in prop::collection::vec(op(), 1..80)) {
        const BOUND: usize = 400_000;
        let outbox = to_binary();
        let mut queued = std::collections::VecDeque::new();
        let mut out: Option<Chunk> = None;
        for (number, op) in ops.into_iter().enumerate() {
            match op {
                Op::Push(len) => {
                    let text = format!("{number}{}", "x".repeat(len));
                    if outbox.push(&[text.as_bytes()], UNBOUNDED).is_ok() {
                        queued.push_back(text);
                    }
                }
                Op::PushBounded(len) => {
                    let text = format!("{number}{}", "x".repeat(len));
                    if let Ok(charged) = outbox.push(&[text.as_bytes()], BOUND) {
                        prop_assert!(charged <= BOUND);
                        prop_assert_eq!(charged, outbox.charged());
                        queued.push_back(text);
                    }
                }
                Op::Notice => {
                    let text = format!("notice {number}");
                    if outbox.push_notice(text.as_bytes()).is_ok() {
                        queued.push_back(text);
                    }
                }
                Op::Take if out.is_none() => {
                    out = outbox.take_chunk();
                    for text in out.iter().flat_map(|chunk| payloads(chunk.bytes())) {
                        prop_assert_eq!(Some(text), queued.pop_front());
                    }
                }
                Op::Take => {}
                Op::Written => out.take().into_iter().for_each(|chunk| outbox.written(chunk)),
                Op::Torn(at) => out.take().into_iter().for_each(|chunk| outbox.torn(chunk, at)),
                Op::DropQueued => {
                    outbox.drop_queued();
                    queued.clear();
                }
                Op::Close(close) => {
                    outbox.close(close);
                    if close.flush == crate::Flush::Nothing {
                        queued.clear();
                    }
                }
            }
            let being_written = out.as_ref().map_or(0, Chunk::pinned);
            prop_assert_eq!(outbox.droppable(), outbox.pinned_by_queue());
            prop_assert_eq!(outbox.charged(), outbox.pinned_by_queue() + being_written);
            prop_assert_eq!(outbox.budget_used(), outbox.charged());
        }
    }
}
