//! Every event in every phase, as one table.

use super::*;
use relay_core::CloseCode;

const SECOND: Duration = Duration::from_secs(1);
const TIMEOUT: Duration = Duration::from_secs(5);

/// What can happen to a close handshake.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// The relay orders a close with 4403 that flushes so much.
    Order(Flush),
    PeerCloses,
    /// The peer's stream can no longer be understood.
    Offence,
    QueueDone,
    CloseSent,
    /// The timers are looked at.
    Tick,
}

/// What the machine asks for in return.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Answer {
    Nothing,
    Echo,
    SendClose,
    ShutOurHalf,
    GiveQueueUp,
    Over,
}

use Answer::{Echo, GiveQueueUp, Nothing, Over, SendClose, ShutOurHalf};
use Event::{CloseSent, Offence, Order, PeerCloses, QueueDone, Tick};

/// Where a table row starts: the events that lead there, each at its second.
type Path = &'static [(u64, Event)];

const OPEN: Path = &[];
const FLUSHING_ALL: Path = &[(0, Order(Flush::All))];
const FLUSHING_7: Path = &[(0, Order(Flush::Within(Duration::from_secs(7))))];
const FINISHING: Path = &[(0, Order(Flush::Nothing))];
const SENDING: Path = &[(0, Order(Flush::Nothing)), (1, QueueDone)];
const SENDING_DEAF: Path = &[(0, Offence), (0, Order(Flush::Nothing)), (1, QueueDone)];
const ECHOING: Path = &[(1, PeerCloses)];
const CROSSED: Path = &[(0, Order(Flush::Nothing)), (1, QueueDone), (1, PeerCloses)];
const AWAITING_6: Path = &[(0, Order(Flush::Nothing)), (0, QueueDone), (1, CloseSent)];
const AWAITED_6: Path = &[
    (0, Order(Flush::Nothing)),
    (0, QueueDone),
    (1, CloseSent),
    (2, PeerCloses),
];
const LINGERING_6: Path = &[(1, PeerCloses), (1, CloseSent)];

const EVERYWHERE: [Path; 11] = [
    OPEN,
    FLUSHING_ALL,
    FLUSHING_7,
    FINISHING,
    SENDING,
    SENDING_DEAF,
    ECHOING,
    CROSSED,
    AWAITING_6,
    AWAITED_6,
    LINGERING_6,
];

/// Checks rows that begin in every phase there is.
fn check_all<const N: usize>(rows: [(Path, u64, Event, Answer, &str); N]) {
    for path in EVERYWHERE {
        let is_covered = rows
            .iter()
            .any(|row| format!("{:?}", row.0) == format!("{path:?}"));
        assert!(is_covered, "no row begins with {path:?}");
    }
    for (path, second, event, expected, phase) in rows {
        check(path, (second, event), expected, phase);
    }
}

fn start() -> Instant {
    crate::clock::now()
}

fn code() -> CloseCode {
    CloseCode::new(4403).expect("may be sent")
}

fn apply(closing: &mut Closing, event: Event, now: Instant) -> Answer {
    match event {
        Order(flush) => {
            let close = Close {
                flush,
                ..Close::directive(code())
            };
            closing.ordered(close, now);
            Nothing
        }
        PeerCloses => answer(closing.peer_closed(4999, now), Echo),
        Offence => {
            closing.deafen();
            Nothing
        }
        QueueDone => match closing.queue_done(now) {
            Some(close) => {
                assert_eq!(close.code, code());
                SendClose
            }
            None => Nothing,
        },
        CloseSent => answer(closing.close_sent(now), ShutOurHalf),
        Tick if closing.flush_over(now) => GiveQueueUp,
        Tick => answer(closing.is_over(now), Over),
    }
}

fn answer(holds: bool, answer: Answer) -> Answer {
    if holds { answer } else { Nothing }
}

/// Goes to the row's start, lets the event happen at its second, and compares answer and phase.
fn check(path: Path, (second, event): (u64, Event), expected: Answer, phase: &str) {
    let start = start();
    let at = |second: u64| start + SECOND * u32::try_from(second).unwrap();
    let mut closing = Closing::new(TIMEOUT);
    for (second, event) in path {
        apply(&mut closing, *event, at(*second));
    }
    let answer = apply(&mut closing, event, at(second));
    let row = format!("{path:?}, then {event:?} at {second}");
    assert_eq!(answer, expected, "{row}");
    assert_eq!(shown(closing.phase(), start), phase, "{row}");
}

/// A phase with its times in seconds since the start.
fn shown(phase: Phase, start: Instant) -> String {
    let seconds = |at: Instant| (at - start).as_secs();
    match phase {
        Phase::Open => "open".to_owned(),
        Phase::Flushing { until: None } => "flushing".to_owned(),
        Phase::Flushing { until: Some(at) } => format!("flushing until {}", seconds(at)),
        Phase::Finishing { since } => format!("finishing since {}", seconds(since)),
        Phase::Sending { since } => format!("sending since {}", seconds(since)),
        Phase::Awaiting { until } => format!("awaiting until {}", seconds(until)),
        Phase::Lingering { until } => format!("lingering until {}", seconds(until)),
    }
}

#[test]
fn an_order_starts_a_flush_or_shortens_it_and_never_lengthens_it() {
    const DROP: Event = Order(Flush::Nothing);
    const FLUSH_3: Event = Order(Flush::Within(Duration::from_secs(3)));
    const FLUSH_ALL: Event = Order(Flush::All);
    const ENDLESS: Event = Order(Flush::Within(Duration::MAX));
    check_all([
        (OPEN, 2, DROP, Nothing, "finishing since 2"),
        (OPEN, 2, FLUSH_3, Nothing, "flushing until 5"),
        (OPEN, 2, FLUSH_ALL, Nothing, "flushing"),
        (OPEN, 2, ENDLESS, Nothing, "flushing"),
        (FLUSHING_ALL, 2, DROP, Nothing, "finishing since 2"),
        (FLUSHING_ALL, 2, FLUSH_3, Nothing, "flushing until 5"),
        (FLUSHING_ALL, 2, FLUSH_ALL, Nothing, "flushing"),
        (FLUSHING_7, 2, DROP, Nothing, "finishing since 2"),
        (FLUSHING_7, 2, FLUSH_3, Nothing, "flushing until 5"),
        // A later order never gives more time than the one before.
        (FLUSHING_7, 5, FLUSH_3, Nothing, "flushing until 7"),
        (FLUSHING_7, 2, FLUSH_ALL, Nothing, "flushing until 7"),
        (FLUSHING_7, 2, ENDLESS, Nothing, "flushing until 7"),
        (FINISHING, 2, DROP, Nothing, "finishing since 0"),
        (FINISHING, 2, FLUSH_ALL, Nothing, "finishing since 0"),
        (SENDING, 2, DROP, Nothing, "sending since 1"),
        (SENDING, 2, FLUSH_ALL, Nothing, "sending since 1"),
        (SENDING_DEAF, 2, DROP, Nothing, "sending since 1"),
        (ECHOING, 2, DROP, Nothing, "sending since 1"),
        (ECHOING, 2, FLUSH_ALL, Nothing, "sending since 1"),
        (CROSSED, 2, DROP, Nothing, "sending since 1"),
        (AWAITING_6, 2, DROP, Nothing, "awaiting until 6"),
        (AWAITING_6, 2, FLUSH_ALL, Nothing, "awaiting until 6"),
        (AWAITED_6, 3, DROP, Nothing, "awaiting until 6"),
        (LINGERING_6, 2, DROP, Nothing, "lingering until 6"),
    ]);
}

#[test]
fn the_peers_close_is_echoed_unless_ours_is_on_its_way() {
    check_all([
        (OPEN, 3, PeerCloses, Echo, "sending since 3"),
        (FLUSHING_ALL, 3, PeerCloses, Echo, "sending since 3"),
        (FLUSHING_7, 3, PeerCloses, Echo, "sending since 3"),
        (FINISHING, 3, PeerCloses, Echo, "sending since 3"),
        (SENDING, 3, PeerCloses, Nothing, "sending since 1"),
        (SENDING_DEAF, 3, PeerCloses, Nothing, "sending since 1"),
        (ECHOING, 3, PeerCloses, Nothing, "sending since 1"),
        (CROSSED, 3, PeerCloses, Nothing, "sending since 1"),
        (AWAITING_6, 3, PeerCloses, Nothing, "awaiting until 6"),
        (AWAITED_6, 3, PeerCloses, Nothing, "awaiting until 6"),
        (LINGERING_6, 3, PeerCloses, Nothing, "lingering until 6"),
    ]);
}

#[test]
fn an_empty_queue_lets_the_close_out_once() {
    check_all([
        (OPEN, 3, QueueDone, Nothing, "open"),
        (FLUSHING_ALL, 3, QueueDone, SendClose, "sending since 3"),
        (FLUSHING_7, 3, QueueDone, SendClose, "sending since 3"),
        (FINISHING, 3, QueueDone, SendClose, "sending since 3"),
        (SENDING, 3, QueueDone, Nothing, "sending since 1"),
        (SENDING_DEAF, 3, QueueDone, Nothing, "sending since 1"),
        (ECHOING, 3, QueueDone, Nothing, "sending since 1"),
        (CROSSED, 3, QueueDone, Nothing, "sending since 1"),
        (AWAITING_6, 3, QueueDone, Nothing, "awaiting until 6"),
        (AWAITED_6, 3, QueueDone, Nothing, "awaiting until 6"),
        (LINGERING_6, 3, QueueDone, Nothing, "lingering until 6"),
    ]);
}

#[test]
fn our_half_is_shut_once_both_closes_are_known_or_the_peers_never_will_be() {
    check_all([
        (OPEN, 3, CloseSent, Nothing, "open"),
        // Together with the end of the queue.
        (FLUSHING_ALL, 3, CloseSent, Nothing, "awaiting until 8"),
        (FLUSHING_7, 3, CloseSent, Nothing, "awaiting until 8"),
        (FINISHING, 3, CloseSent, Nothing, "awaiting until 8"),
        (SENDING, 3, CloseSent, Nothing, "awaiting until 8"),
        (SENDING_DEAF, 3, CloseSent, ShutOurHalf, "lingering until 8"),
        (ECHOING, 3, CloseSent, ShutOurHalf, "lingering until 8"),
        (CROSSED, 3, CloseSent, ShutOurHalf, "lingering until 8"),
        (AWAITING_6, 3, CloseSent, Nothing, "awaiting until 6"),
        // Our close and the peer's share one time.
        (AWAITED_6, 3, CloseSent, ShutOurHalf, "lingering until 6"),
        (LINGERING_6, 3, CloseSent, Nothing, "lingering until 6"),
    ]);
}

#[test]
fn time_ends_a_flush_and_a_wait_and_nothing_else() {
    check_all([
        (OPEN, 1000, Tick, Nothing, "open"),
        (FLUSHING_ALL, 1000, Tick, Nothing, "flushing"),
        (FLUSHING_7, 6, Tick, Nothing, "flushing until 7"),
        (FLUSHING_7, 7, Tick, GiveQueueUp, "finishing since 7"),
        (FINISHING, 1000, Tick, Nothing, "finishing since 0"),
        (SENDING, 1000, Tick, Nothing, "sending since 1"),
        (SENDING_DEAF, 1000, Tick, Nothing, "sending since 1"),
        (ECHOING, 1000, Tick, Nothing, "sending since 1"),
        (CROSSED, 1000, Tick, Nothing, "sending since 1"),
        (AWAITING_6, 5, Tick, Nothing, "awaiting until 6"),
        (AWAITING_6, 6, Tick, Over, "awaiting until 6"),
        (AWAITED_6, 6, Tick, Over, "awaiting until 6"),
        (LINGERING_6, 5, Tick, Nothing, "lingering until 6"),
        (LINGERING_6, 6, Tick, Over, "lingering until 6"),
    ]);
}

#[test]
fn an_offence_changes_no_phase_by_itself() {
    check_all([
        (OPEN, 3, Offence, Nothing, "open"),
        (FLUSHING_ALL, 3, Offence, Nothing, "flushing"),
        (FLUSHING_7, 3, Offence, Nothing, "flushing until 7"),
        (FINISHING, 3, Offence, Nothing, "finishing since 0"),
        (SENDING, 3, Offence, Nothing, "sending since 1"),
        (SENDING_DEAF, 3, Offence, Nothing, "sending since 1"),
        (ECHOING, 3, Offence, Nothing, "sending since 1"),
        (CROSSED, 3, Offence, Nothing, "sending since 1"),
        (AWAITING_6, 3, Offence, Nothing, "awaiting until 6"),
        (AWAITED_6, 3, Offence, Nothing, "awaiting until 6"),
        (LINGERING_6, 3, Offence, Nothing, "lingering until 6"),
    ]);
}

#[test]
fn each_phase_knows_its_deadline_and_what_it_can_still_understand() {
    for (path, deadline, sending_since, is_decodable) in [
        (OPEN, None, None, true),
        (FLUSHING_ALL, None, None, true),
        (FLUSHING_7, Some(7), None, true),
        (FINISHING, None, Some(0), true),
        (SENDING, None, Some(1), true),
        (SENDING_DEAF, None, Some(1), false),
        (ECHOING, None, Some(1), false),
        (CROSSED, None, Some(1), false),
        (AWAITING_6, Some(6), None, true),
        (AWAITED_6, Some(6), None, false),
        (LINGERING_6, Some(6), None, false),
    ] {
        let start = start();
        let at = |second: u64| start + SECOND * u32::try_from(second).unwrap();
        let mut closing = Closing::new(TIMEOUT);
        for (second, event) in path {
            apply(&mut closing, *event, at(*second));
        }
        assert_eq!(closing.deadline(), deadline.map(at), "{path:?}");
        assert_eq!(closing.sending_since(), sending_since.map(at), "{path:?}");
        assert_eq!(closing.is_decodable(), is_decodable, "{path:?}");
        assert_eq!(closing.is_open(), path.is_empty(), "{path:?}");
        let answers_pings = sending_since.is_none() && deadline != Some(6);
        assert_eq!(closing.answers_pings(), answers_pings, "{path:?}");
    }
}

#[test]
fn the_first_order_and_the_peers_first_close_are_remembered() {
    let now = start();
    let mut closing = Closing::new(TIMEOUT);
    assert_eq!((closing.order(), closing.by_peer()), (None, None));
    let first = Close::directive(code());
    closing.ordered(first, now);
    for later in [
        Close::drain(SECOND),
        Close::evicted(),
        Close::heartbeat_timeout(),
    ] {
        closing.ordered(later, now);
        assert_eq!(closing.order().map(|close| close.code), Some(code()));
        assert_eq!(closing.order().map(|close| close.cause), Some(first.cause));
    }
    closing.peer_closed(1005, now);
    closing.peer_closed(1000, now);
    assert_eq!(closing.by_peer(), Some(1005));
}
