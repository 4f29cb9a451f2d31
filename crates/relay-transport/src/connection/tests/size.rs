//! What a connection costs while nothing happens: its task, and no heap besides.

use super::reader::{Next, Reader};
use super::writer::Writer;
use super::*;
use crate::endpoint;
use crate::ws::{self, Bounds};

fn future_bytes<A, F: Future<Output = ()>>(_: impl Fn(A) -> F) -> usize {
    size_of::<F>()
}

/// With what tokio keeps beside it, a task of 1440 bytes lies in the allocator's class of 1536 bytes, and one of 1456 in
/// that of 1792.
const MAX_TASK_BYTES: usize = 1440;

/// Measured: 1360 and 1392 bytes. An argument that an `async fn` keeps beside itself, or a local that is borrowed
/// before it is moved into what is awaited, soon doubles that.
#[test]
fn the_whole_task_of_a_leg_fits_into_its_class_of_the_allocator() {
    let phone = future_bytes(endpoint::serve_phone);
    let binary = future_bytes(endpoint::serve_binary);
    assert!(phone <= MAX_TASK_BYTES, "{phone} bytes for a phone");
    assert!(binary <= MAX_TASK_BYTES, "{binary} bytes for a binary");
}

#[test]
fn h12_a_reader_that_went_idle_holds_no_buffer() {
    let mut reader = Reader::new(Bounds::new(262_144), 30 * SECOND, text("left over"));
    let idle = format!(
        "{:?}",
        Reader::new(Bounds::new(262_144), 30 * SECOND, Vec::new())
    );
    let now = crate::clock::now();
    let mut carry = reader.take_carry().expect("something was left over");
    let mut messages = 0;
    let mut feed = |reader: &mut Reader, bytes: &mut [u8], next| {
        let fed = reader.feed(bytes, now, |event| {
            messages += usize::from(matches!(event, ws::Event::Message(_)));
            next
        });
        fed.expect("no offence");
    };
    feed(&mut reader, &mut carry, Next::Decode);

    let mut large = text(&"x".repeat(262_144));
    for part in large.chunks_mut(1000) {
        feed(&mut reader, part, Next::Decode);
    }
    assert_eq!(format!("{reader:?}"), idle, "after a large message");

    let mut small = text("{}").repeat(3000);
    feed(&mut reader, &mut small, Next::Keep);
    assert_ne!(format!("{reader:?}"), idle, "the rest waits");
    let mut carry = reader.take_carry().expect("the rest");
    feed(&mut reader, &mut carry, Next::Decode);
    assert_eq!(format!("{reader:?}"), idle, "after a flood of small ones");

    for byte in &mut ping("dribbled") {
        feed(&mut reader, std::slice::from_mut(byte), Next::Decode);
    }
    assert_eq!(format!("{reader:?}"), idle, "after a ping in parts");
    assert_eq!(messages, 2 + 3000);
}

#[tokio::test(start_paused = true)]
async fn h12_a_writer_that_went_idle_holds_no_frame() {
    let mut writer = Writer::default();
    let idle = format!("{writer:?}");
    writer.ping(ws::ping(b"1"));
    writer.pong(&ws::pong(b"2"));
    assert_ne!(format!("{writer:?}"), idle);
    let mut sink = tokio::io::sink();
    let now = crate::clock::now();
    std::future::poll_fn(|cx| writer.poll(&mut sink, cx, None, now))
        .await
        .expect("a sink takes everything");
    assert_eq!(format!("{writer:?}"), idle);
}
