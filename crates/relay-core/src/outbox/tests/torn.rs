//! Which frames count as forwarded, dropped, flushed: exact to the frame, also in a chunk that was torn.

use std::time::Duration;

use super::*;
use crate::close::{Close, CloseCode};

const FRAME: usize = 30;
const NOTICE: usize = 20;

/// Queues frames (`f`) and notices (`n`) into one chunk and tears it behind every byte in turn.
fn check(layout: &str) {
    let lens = layout.chars().map(|kind| match kind {
        'f' => (FRAME + 2, 1),
        _notice => (NOTICE + 2, 0),
    });
    let total: usize = lens.clone().map(|(len, _)| len).sum();
    let frames: u64 = lens.clone().map(|(_, frames)| frames).sum();
    for written in 0..=total {
        let outbox = to_binary();
        for kind in layout.chars() {
            match kind {
                'f' => outbox.push_len(FRAME),
                _notice => outbox.push_notice(&[b'n'; NOTICE]).expect("open"),
            }
        }
        let chunk = outbox.take_chunk().expect("queued");
        assert!(outbox.take_chunk().is_none(), "one chunk");
        outbox.torn(chunk, written);

        let mut end = 0;
        let got_out: u64 = lens
            .clone()
            .filter(|(len, _)| {
                end += len;
                end <= written
            })
            .map(|(_, frames)| frames)
            .sum();
        let stats = outbox.stats();
        assert_eq!(stats.frames_to_binaries, got_out, "{layout} at {written}");
        assert_eq!(
            stats.frames_to_binaries_dropped,
            frames - got_out,
            "{layout} at {written}"
        );
        assert_eq!(outbox.charged(), 0);
    }
}

#[test]
fn a_torn_chunk_counts_the_frames_that_got_out_whole() {
    for layout in ["f", "fff", "ffn", "nff", "fnf", "nnfnffnn", "n", "fnnnnf"] {
        check(layout);
    }
}

#[test]
fn a_written_chunk_counts_its_frames_and_not_its_notices() {
    let outbox = to_binary();
    outbox.push_text("one");
    outbox.push_notice(b"{}").expect("open");
    outbox.push_text("two");
    let chunk = outbox.take_chunk().expect("queued");
    assert_eq!(
        outbox.stats().frames_to_binaries,
        0,
        "not before it is written"
    );
    outbox.written(chunk);
    assert_eq!(outbox.stats().frames_to_binaries, 2);
}

#[test]
fn each_direction_has_its_own_counters() {
    for (outbox, expected) in [(to_phone(), (1, 0)), (to_binary(), (0, 1))] {
        outbox.push_text("x");
        outbox.written(outbox.take_chunk().expect("queued"));
        let stats = outbox.stats();
        assert_eq!((stats.frames_to_phones, stats.frames_to_binaries), expected);
    }
}

/// Six frames: one written before the drain, one whole and one torn during it, three dropped.
#[test]
fn a_drain_counts_every_frame_as_flushed_or_dropped() {
    let directive = Close::directive(CloseCode::NORMAL);
    for closes_before in [None, Some(directive)] {
        let outbox = to_phone();
        for _ in 0..6 {
            outbox.push_len(65_000);
        }
        outbox.written(outbox.take_chunk().expect("queued"));
        closes_before
            .into_iter()
            .for_each(|close| outbox.close(close));
        outbox.close(Close::drain(Duration::from_secs(5)));
        outbox.written(outbox.take_chunk().expect("queued"));
        outbox.torn(outbox.take_chunk().expect("queued"), 64_000);
        outbox.drop_queued();

        let stats = outbox.stats();
        assert_eq!(stats.drain_frames_flushed, 1, "{closes_before:?}");
        assert_eq!(stats.drain_frames_dropped, 4, "{closes_before:?}");
        assert_eq!(stats.frames_to_phones, 2);
        assert_eq!(stats.frames_to_phones_dropped, 4);
    }
}

#[test]
fn frames_that_got_out_of_a_torn_chunk_were_flushed() {
    let outbox = to_phone();
    for _ in 0..3 {
        outbox.push_len(100);
    }
    outbox.close(Close::drain(Duration::from_secs(5)));
    outbox.torn(outbox.take_chunk().expect("queued"), 250);
    assert_eq!(outbox.stats().drain_frames_flushed, 2);
    assert_eq!(outbox.stats().drain_frames_dropped, 1);
}
