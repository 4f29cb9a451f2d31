//! Messages that are too big and frames that should not be.

use crate::support::frame::{BINARY, CLOSE, CONTINUATION, FIN, Frame, PING, PONG, RSV1, TEXT};
use crate::support::{RawPeer, Relay, Request, deliver, millis, notice, routed};
use relay_core::Limits;
use relay_transport::Config;

const MAX_MESSAGE: usize = 262_144;

/// A JSON string of this many bytes, quotes included.
fn json_of(bytes: usize) -> String {
    format!(r#""{}""#, "j".repeat(bytes - 2))
}

fn in_two(message: &str) -> Vec<u8> {
    let (first, second) = message.split_at(message.len() / 2);
    let fragments = [
        Frame::new(TEXT & !FIN, first),
        Frame::new(CONTINUATION | FIN, second),
    ];
    fragments.map(|fragment| fragment.masked()).concat()
}

#[tokio::test]
async fn c38_a_phones_message_may_have_262144_bytes_and_not_one_more() {
    let relay = Relay::start().await;
    let mut binary = relay.binary("c38").await;
    let (mut phone, id) = relay.known_phone("c38", &mut binary).await;
    let largest = json_of(MAX_MESSAGE);
    phone.send_text(&largest).await;
    assert_eq!(binary.text().await, routed(&id, &largest));
    phone.send_bytes(&in_two(&largest)).await;
    assert_eq!(binary.text().await, routed(&id, &largest));

    let larger = json_of(MAX_MESSAGE + 1);
    phone.send_text(&larger).await;
    phone.expect_code(1009).await;
    assert_eq!(binary.text().await, notice(&id, 1001));

    let (mut phone, id) = relay.known_phone("c38", &mut binary).await;
    phone.send_bytes(&in_two(&larger)).await;
    phone.expect_code(1009).await;
    assert_eq!(binary.text().await, notice(&id, 1001));
}

#[tokio::test]
async fn c38_the_same_for_a_binary_which_then_is_in_grace() {
    let relay = Relay::start().await;
    let (mut binary, mut phone, id) = relay.pair("c38-b").await;
    let around = deliver(&id, "").len();
    let largest = json_of(MAX_MESSAGE - around);
    binary.send_text(deliver(&id, &largest)).await;
    assert_eq!(phone.text().await, largest);
    binary.send_bytes(&in_two(&deliver(&id, &largest))).await;
    assert_eq!(phone.text().await, largest);

    let larger = deliver(&id, &json_of(MAX_MESSAGE - around + 1));
    binary.send_text(larger).await;
    binary.expect_code(1009).await;
    let stats = relay.registry.stats();
    assert_eq!((stats.connected_binaries, stats.connected_phones), (0, 1));
    phone.settle().await;
}

/// Offences and the code each is closed with.
fn offences() -> Vec<(&'static str, Vec<u8>, u16)> {
    let masked = |first: u8, payload: &[u8]| Frame::new(first, payload).masked();
    let long = [0x81, 0xfe, 0, 1, 0, 0, 0, 0, b'1'].to_vec();
    let huge = [0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0].to_vec();
    let interrupted = [masked(TEXT & !FIN, b"\""), masked(TEXT, b"1")].concat();
    let unfinished = [
        masked(TEXT & !FIN, b"\""),
        masked(CONTINUATION | FIN, b"\xe2\x82"),
    ];
    let endless = [
        masked(TEXT & !FIN, b""),
        masked(CONTINUATION, b"").repeat(4096),
    ];
    vec![
        ("RSV1", masked(TEXT | RSV1, b"1"), 1002),
        ("opcode 3", masked(0x83, b"1"), 1002),
        ("opcode 11", masked(0x8b, b"1"), 1002),
        ("continuation", masked(CONTINUATION | FIN, b"1"), 1002),
        ("interrupted message", interrupted, 1002),
        ("fragmented ping", masked(PING & !FIN, b""), 1002),
        ("ping of 126 bytes", masked(PING, &[b'p'; 126]), 1002),
        ("pong of 126 bytes", masked(PONG, &[b'p'; 126]), 1002),
        ("close of 126 bytes", masked(CLOSE, &[3; 126]), 1002),
        ("close code 999", masked(CLOSE, &999u16.to_be_bytes()), 1002),
        (
            "close code 1005",
            masked(CLOSE, &1005u16.to_be_bytes()),
            1002,
        ),
        ("close of one byte", masked(CLOSE, &[3]), 1002),
        ("unmasked", Frame::text("1").unmasked(), 1002),
        ("length not minimal", long, 1002),
        ("length with its top bit", huge, 1002),
        ("text that is not UTF-8", masked(TEXT, b"\"\xff\""), 1007),
        (
            "text that ends inside a character",
            unfinished.concat(),
            1007,
        ),
        ("fragments without end", endless.concat(), 1009),
        (
            "reason that is not UTF-8",
            masked(CLOSE, b"\x03\xe8\xff"),
            1007,
        ),
    ]
}

#[tokio::test]
async fn c45_a_phones_framing_offences_end_it_with_1002() {
    let relay = Relay::start().await;
    let mut binary = relay.binary("c45").await;
    for (what, bytes, code) in offences() {
        println!("{what}");
        let (mut phone, id) = relay.known_phone("c45", &mut binary).await;
        // What follows an offence is never delivered.
        let good = Frame::text(r#""behind""#).masked();
        phone.send_bytes(&[bytes, good].concat()).await;
        phone.expect_code(code).await;
        assert_eq!(binary.text().await, notice(&id, 1001));
    }
}

#[tokio::test]
async fn c45_a_binarys_framing_offences_end_it_with_1002() {
    let relay = Relay::start().await;
    for (what, bytes, code) in offences() {
        println!("{what}");
        let mut binary = relay.binary("c45-b").await;
        binary.send_bytes(&bytes).await;
        binary.expect_code(code).await;
        assert_eq!(relay.registry.stats().connected_binaries, 0);
    }
}

#[tokio::test]
async fn c45_a_refused_peer_with_an_offence_still_reads_its_refusal() {
    let relay = Relay::start().await;
    for (what, bytes, _) in offences() {
        println!("{what}");
        let mut phone = relay.dial(Request::phone("c45-none")).await;
        phone.send_bytes(&bytes).await;
        assert_eq!(phone.frame().await.close_status().0, 4404);
    }
}

#[tokio::test]
async fn a_message_may_have_fragments_without_a_byte() {
    let relay = Relay::start().await;
    let (mut binary, mut phone, id) = relay.pair("empty-fragments").await;
    let fragments = [
        Frame::new(TEXT & !FIN, ""),
        Frame::new(CONTINUATION, "4"),
        Frame::new(CONTINUATION, ""),
        Frame::new(CONTINUATION, "2"),
        Frame::new(CONTINUATION | FIN, ""),
    ];
    let bytes = fragments.map(|fragment| fragment.masked()).concat();
    phone.send_bytes(&bytes).await;
    assert_eq!(binary.text().await, routed(&id, "42"));
}

#[tokio::test]
async fn c46_pings_are_answered_with_their_payload() {
    let relay = Relay::start().await;
    let (mut binary, mut phone, _) = relay.pair("c46").await;
    for peer in [&mut binary, &mut phone] {
        for payload in ["hi", "", &"p".repeat(125)] {
            peer.send(Frame::ping(payload)).await;
            assert_eq!(peer.frame().await, Frame::new(PONG, payload));
        }
    }
}

#[tokio::test]
async fn c46_pings_in_one_segment_are_answered_one_by_one() {
    let relay = Relay::start().await;
    let (mut binary, mut phone, _) = relay.pair("c46-many").await;
    for peer in [&mut binary, &mut phone] {
        let pings = (0..10).map(|n| Frame::ping(&n.to_string()).masked());
        let segment: Vec<_> = pings.collect();
        peer.send_bytes(&segment.concat()).await;
        for n in 0..10 {
            assert_eq!(peer.frame().await, Frame::new(PONG, n.to_string()));
        }
    }
}

#[tokio::test]
async fn c46_the_relays_own_pings_count_in_decimal() {
    let config = Config::default().heartbeat_interval(millis(20));
    let relay = Relay::with(config, Limits::default()).await;
    let count = async |mut peer: RawPeer| {
        for n in 1..=12 {
            let expected = Frame::new(PING, n.to_string());
            assert_eq!(peer.next().await, Ok(expected));
        }
        // Kept open: a phone that leaves is news for its binary.
        peer
    };
    let binary = relay.binary("c46-own").await;
    let phone = relay.phone("c46-own").await;
    let _both = tokio::join!(count(binary), count(phone));
}

#[tokio::test]
async fn binary_opcode_is_as_good_as_text_on_the_binarys_leg() {
    let relay = Relay::start().await;
    let (mut binary, mut phone, id) = relay.pair("opcode").await;
    binary.send(Frame::new(BINARY, deliver(&id, "1"))).await;
    assert_eq!(phone.frame().await, Frame::new(TEXT, "1"));
    // There, bytes that are not UTF-8 are a bad envelope and no offence.
    binary.send(Frame::new(BINARY, b"\xff".as_slice())).await;
    binary.send_text(deliver(&id, "2")).await;
    assert_eq!(phone.text().await, "2");
}
