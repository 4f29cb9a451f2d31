//! Random conversations over narrow pipes: whatever happens in whatever order, the client reads whole frames, in order,
//! none twice, and at most one close, which is the last.

use super::*;

/// xorshift32 (Marsaglia 2003), from a fixed seed that a failure prints.
struct Random(u32);

impl Random {
    fn below(&mut self, bound: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0 % bound
    }
}

/// How a conversation ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Last {
    Directive,
    Eviction,
    Drain,
    NotJson,
    Offence,
    PeerClose,
    PeerEnd,
}

const LASTS: [Last; 7] = [
    Last::Directive,
    Last::Eviction,
    Last::Drain,
    Last::NotJson,
    Last::Offence,
    Last::PeerClose,
    Last::PeerEnd,
];

impl Last {
    /// The status of the close frame, if there is to be one.
    fn code(self) -> Option<u16> {
        match self {
            Self::Directive => Some(4403),
            Self::Eviction => Some(4404),
            Self::Drain => Some(1001),
            Self::NotJson => Some(1000),
            Self::Offence => Some(1002),
            Self::PeerClose => Some(4999),
            Self::PeerEnd => None,
        }
    }

    /// Whether everything queued goes out before it, to a peer that reads.
    fn flushes(self) -> bool {
        match self {
            Self::Directive | Self::Drain | Self::NotJson => true,
            Self::Eviction | Self::Offence | Self::PeerClose | Self::PeerEnd => false,
        }
    }
}

struct Conversation {
    random: Random,
    leg: Leg,
    delivered: Vec<String>,
    pings: u32,
    sent: Vec<String>,
    read: Vec<u8>,
}

impl Conversation {
    async fn step(&mut self, binary: &relay_core::Binary) {
        match self.random.below(6) {
            0 | 1 => {
                let padding = "x".repeat(self.random.below(300) as usize);
                let frame = format!("\"{}{padding}\"", self.delivered.len());
                self.leg.deliver(binary, &frame);
                self.delivered.push(frame);
            }
            2 => {
                self.pings += 1;
                self.leg.client.send(ping(&self.pings.to_string())).await;
            }
            3 => {
                let message = self.sent.len().to_string();
                self.leg.client.send(text(&message)).await;
                self.sent.push(message);
            }
            4 => tokio::task::yield_now().await,
            _ => {
                let bytes = self.random.below(400);
                self.read(bytes).await;
            }
        }
    }

    /// Reads up to so many bytes, and fewer when no more come.
    async fn read(&mut self, bytes: u32) {
        for _ in 0..bytes {
            let byte = tokio::time::timeout(SECOND / 1000, self.leg.client.byte());
            match byte.await {
                Ok(Some(byte)) => self.read.push(byte),
                Ok(None) | Err(_) => return,
            }
        }
    }

    async fn end(&mut self, binary: relay_core::Binary, last: Last) {
        match last {
            Last::Directive => self.leg.direct(&binary, 4403),
            Last::Eviction => drop(self.leg.evict(binary)),
            Last::Drain => self.leg.drain(5 * SECOND),
            Last::NotJson => self.leg.client.send(text("not JSON")).await,
            Last::Offence => self.leg.client.send(frame(FIN | 0x3, "")).await,
            Last::PeerClose => self.leg.client.send(close(4999, "")).await,
            Last::PeerEnd => self.leg.client.finish().await,
        }
        // Everything that is still to come.
        self.read(u32::MAX).await;
        if last != Last::PeerEnd {
            self.leg.client.send(close(1000, "")).await;
            self.leg.client.finish().await;
        }
        self.read(u32::MAX).await;
    }

    async fn check(mut self, last: Last) {
        let ended = self.leg.ended().await;
        assert_eq!(ended.close_written, last.code().is_some());
        let stats = self.leg.registry.stats();
        if last == Last::PeerEnd {
            // The relay is free to stop anywhere.
            return;
        }
        let mut wire = Client::new(tokio::io::join(&self.read[..], tokio::io::sink()));
        let frames = wire.recv_all().await;
        let (close, frames) = frames.split_last().expect("a close");
        let Frame::Close(Some((code, _))) = close else {
            panic!("{close:?} is no close");
        };
        assert_eq!(Some(*code), last.code());
        let mut texts = Vec::new();
        let mut newest_pong = 0;
        for frame in frames {
            if let Frame::Pong(payload) = frame {
                let n = std::str::from_utf8(payload).unwrap().parse().unwrap();
                assert!(n > newest_pong && n <= self.pings, "pong {n}");
                newest_pong = n;
            } else {
                let Frame::Text(text) = frame else {
                    panic!("{frame:?}");
                };
                texts.push(text.clone());
            }
        }
        assert_eq!(texts, self.delivered[..texts.len()], "in order, none twice");
        assert!(!last.flushes() || texts.len() == self.delivered.len());
        assert_eq!(stats.frames_to_phones, texts.len() as u64);
        let dropped = (self.delivered.len() - texts.len()) as u64;
        assert_eq!(stats.frames_to_phones_dropped, dropped);
        let messages = self.leg.messages();
        assert_eq!(messages[..self.sent.len()], self.sent, "all understood");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_reads_whole_frames_in_order_and_one_close() {
    for seed in 1..=700 {
        let last = LASTS[seed as usize % LASTS.len()];
        // Shown only when the test fails.
        println!("seed {seed}, {last:?}");
        let mut random = Random(0x9e37_79b9_u32.wrapping_mul(seed));
        let setup = Setup {
            pipe_bytes: 1 + random.below(200) as usize,
            fault: match random.below(3) {
                0 => Fault::HoldsBack,
                _ => Fault::None,
            },
            ..Setup::default()
        };
        let (binary, leg) = setup.phone();
        let mut conversation = Conversation {
            random,
            leg,
            delivered: Vec::new(),
            pings: 0,
            sent: Vec::new(),
            read: Vec::new(),
        };
        for _ in 0..conversation.random.below(60) {
            conversation.step(&binary).await;
        }
        conversation.end(binary, last).await;
        conversation.check(last).await;
    }
}
