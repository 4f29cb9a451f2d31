//! What a decoder may pin, and what it may cost.

use super::*;

/// Decodes the whole of `bytes` and returns the number of events.
fn feed(decoder: &mut Decoder, mut bytes: Vec<u8>) -> usize {
    let (mut done, mut events) = (0, 0);
    while done < bytes.len() {
        let decoded = decoder.decode(&mut bytes[done..]).unwrap();
        done += decoded.consumed;
        events += usize::from(decoded.event.is_some());
    }
    events
}

#[test]
fn a_decoder_is_small() {
    let size = size_of::<Decoder>();
    assert!(size <= 96, "{size} bytes");
}

#[test]
fn a_payload_that_arrives_whole_is_lent_from_the_input() {
    let single = frame(FIN | TEXT, "payload");
    let split_head = frame(FIN | BINARY, "payload");
    let after_empty_fragment = frame(FIN | CONTINUATION, "payload");
    let ping = frame(FIN | PING, "payload");
    for (prefix, frame) in [
        (Vec::new(), single),
        (split_head[..3].to_vec(), split_head[3..].to_vec()),
        (frame(TEXT, ""), after_empty_fragment),
        (frame(BINARY, ""), ping),
    ] {
        let mut decoder = decoder(MAX);
        feed(&mut decoder, prefix);
        let mut input = frame;
        let range = input.as_ptr_range();
        let decoded = decoder.decode(&mut input).unwrap();
        let payload = match decoded.event.unwrap() {
            Event::Message(Message::Text(text)) => text.as_bytes(),
            Event::Message(Message::Binary(bytes)) | Event::Ping(bytes) | Event::Pong(bytes) => {
                bytes
            }
            Event::Close(_) => unreachable!("no close was sent"),
        };
        assert_eq!(payload, b"payload");
        assert!(range.contains(&payload.as_ptr()), "copied");
        assert_eq!(decoder.buffered_bytes(), 0);
    }
}

#[test]
fn a_buffer_follows_the_bytes_that_arrived() {
    for first in [FIN | TEXT, FIN | BINARY, TEXT, BINARY] {
        let mut decoder = decoder(MAX);
        feed(
            &mut decoder,
            head(first, Length::Minimal, Some([0; 4]), MAX - 1),
        );
        assert_eq!(decoder.buffered_bytes(), 0, "an announcement costs nothing");
        let announced = if first & FIN == 0 { MAX } else { MAX - 1 };
        let mut arrived = 0;
        for part in [1, 1, 2, 1000, 500, 5000, 2000, 90_000, 100_000] {
            feed(&mut decoder, vec![b'x'; part]);
            arrived += part;
            let held = decoder.buffered_bytes();
            assert!(
                held >= arrived && held <= (2 * arrived).min(announced),
                "{held} for {arrived}"
            );
        }
        let rest = vec![b'x'; MAX - 1 - arrived];
        assert_eq!(feed(&mut decoder, rest), usize::from(first & FIN != 0));
        assert!(decoder.buffered_bytes() <= announced);
    }
}

#[test]
fn settling_releases_what_was_lent_and_only_that() {
    let mut decoder = decoder(MAX);
    let message = frame(FIN | TEXT, "x".repeat(MAX));
    let (front, back) = message.split_at(MAX / 2);
    feed(&mut decoder, front.to_vec());
    let held = decoder.buffered_bytes();
    decoder.settle();
    assert_eq!(
        decoder.buffered_bytes(),
        held,
        "the message is not complete"
    );
    assert_eq!(feed(&mut decoder, back.to_vec()), 1);
    assert_eq!(decoder.buffered_bytes(), MAX);
    decoder.settle();
    assert_eq!(decoder.buffered_bytes(), 0);

    feed(&mut decoder, frame(TEXT, "abcd"));
    let ping = frame(FIN | PING, "x".repeat(100));
    feed(&mut decoder, ping[..50].to_vec());
    decoder.settle();
    assert_eq!(decoder.buffered_bytes(), 104);
    assert_eq!(feed(&mut decoder, ping[50..].to_vec()), 1);
    decoder.settle();
    assert_eq!(decoder.buffered_bytes(), 4);
}

#[test]
fn the_next_event_releases_the_last_one() {
    let mut decoder = decoder(MAX);
    let message = frame(FIN | BINARY, [0; 1000]);
    feed(&mut decoder, message[..500].to_vec());
    let mut rest = [&message[500..], &frame(FIN | PING, "")].concat();
    let consumed = decoder.decode(&mut rest).unwrap().consumed;
    assert_eq!(decoder.buffered_bytes(), 1000);
    decoder.decode(&mut rest[consumed..]).unwrap();
    assert_eq!(decoder.buffered_bytes(), 0);
}

/// A connection lingers after its end: it must not keep half a message for as long.
#[test]
fn the_end_releases_an_open_message_at_once_and_the_rest_when_settled() {
    for (last, ends_well) in [
        (frame(FIN | CLOSE, b"\x03\xe8bye"), true),
        (frame(FIN | CLOSE, b"\x03\xe7bye"), false),
        (frame(FIN | TEXT, "intruder"), false),
    ] {
        for at in 0..last.len() {
            let mut decoder = decoder(MAX);
            feed(&mut decoder, frame(BINARY, [0; 1000]));
            let (mut front, mut back) = (last[..at].to_vec(), last[at..].to_vec());
            let result = decoder
                .decode(&mut front)
                .map(drop)
                .and_then(|()| decoder.decode(&mut back).map(drop));
            assert_eq!(result.is_ok(), ends_well);
            assert!(!decoder.mid_message() && !decoder.is_idle());
            assert!(decoder.buffered_bytes() <= 5);
            decoder.settle();
            assert_eq!(decoder.buffered_bytes(), 0);
        }
    }
}

/// A quadratic decoder would copy or check some 34 GB for each of these streams.
#[test]
fn the_largest_message_byte_by_byte_is_linear_work() {
    let payload = "é世🌍xyz".repeat(MAX / 12);
    let whole = frame(FIN | TEXT, &payload);
    let fragmented: Vec<u8> = payload
        .as_bytes()
        .chunks(65)
        .enumerate()
        .flat_map(|(n, part)| frame(if n == 0 { TEXT } else { CONTINUATION }, part))
        .chain(frame(FIN | CONTINUATION, ""))
        .collect();
    for stream in [whole, fragmented] {
        let mut decoder = decoder(MAX);
        let (mut moves, mut held) = (0, 0);
        let mut received = None;
        for byte in stream {
            let mut input = [byte];
            if let Some(event) = decoder.decode(&mut input).unwrap().event {
                received = Some(Seen::from(event));
            }
            moves += usize::from(decoder.buffered_bytes() != held);
            held = decoder.buffered_bytes();
        }
        assert_eq!(received, Some(text(&payload)));
        assert!(moves <= 20, "the buffer moved {moves} times");
    }
}
