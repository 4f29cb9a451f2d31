//! Every decision of the waker, with made-up time.

use std::time::{Duration, Instant};

use http::StatusCode;
use proptest::prelude::*;
use relay_core::{ServerId, WakeToken};

use super::*;
use crate::error::{CallError, FetchError, Reason};

/// A queue and the wakes it has sent; times are seconds from the start.
struct Bench {
    queue: Queue,
    start: Instant,
    in_flight: Vec<Wake>,
}

impl Bench {
    fn new(config: &Config) -> Self {
        Self {
            // With this seed the first noise is 0: the first retry is put off by 0.8 of the back-off.
            queue: Queue::new(config, 0x9e37_79b9_u32.wrapping_neg()),
            start: crate::clock::now(),
            in_flight: Vec::new(),
        }
    }

    fn at(&self, seconds: f64) -> Instant {
        self.start + Duration::from_secs_f64(seconds)
    }

    fn ask(&mut self, seconds: f64, server: &str, token: &str) -> Result<(), WakeRefused> {
        let server = ServerId::new(server.as_bytes());
        let request = Request::new(&server, WakeToken::new(token));
        let now = self.at(seconds);
        self.queue.admit(request, now)
    }

    /// Does all there is to do; the tokens sent, how others ended, and when there is more to do.
    fn run(&mut self, seconds: f64) -> (Vec<String>, Vec<End>, Option<f64>) {
        let now = self.at(seconds);
        let (mut sent, mut ends) = (Vec::new(), Vec::new());
        loop {
            match self.queue.next(now) {
                Step::Send(wake) => {
                    sent.push(wake.token.expose().to_owned());
                    self.in_flight.push(wake);
                }
                Step::End(ended) => ends.push(ended.end().clone()),
                Step::Wait(until) => {
                    let until = until.map(|until| (until - self.start).as_secs_f64());
                    return (sent, ends, until.map(|until| (until * 10.0).round() / 10.0));
                }
            }
        }
    }

    /// The oldest send comes to its end; how that ended the wake, if it did.
    fn settle(
        &mut self,
        seconds: f64,
        result: Result<Option<MessageId>, SendError>,
    ) -> Option<End> {
        let wake = self.in_flight.remove(0);
        let ended = self.queue.settle(wake, result, self.at(seconds));
        ended.map(|ended| ended.end().clone())
    }

    fn counts(&self) -> [u64; 5] {
        Outcome::ALL.map(|outcome| self.queue.stats().count(outcome))
    }
}

fn refused(status: StatusCode, retry_after: Option<u64>) -> SendError {
    SendError::Refused {
        status,
        reason: Reason::default(),
        retry_after: retry_after.map(Duration::from_secs),
    }
}

fn busy() -> SendError {
    refused(StatusCode::SERVICE_UNAVAILABLE, None)
}

fn unregistered() -> SendError {
    SendError::Refused {
        status: StatusCode::NOT_FOUND,
        reason: Reason {
            status: Some("NOT_FOUND".into()),
            code: Some("UNREGISTERED".into()),
        },
        retry_after: None,
    }
}

fn texts(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

#[test]
fn o58_c48_six_go_at_once_and_the_seventh_ten_seconds_later() {
    let mut bench = Bench::new(&Config::default());
    for token in ["1", "2", "3", "4", "5", "6", "7"] {
        assert_eq!(bench.ask(0.0, "s", token), Ok(()));
    }
    assert_eq!(bench.ask(0.0, "other", "8"), Ok(()));
    let at_once = texts(&["1", "2", "3", "4", "5", "6", "8"]);
    assert_eq!(bench.run(0.0), (at_once, vec![], Some(10.0)));
    assert_eq!(bench.run(9.9), (vec![], vec![], Some(10.0)));
    assert_eq!(bench.run(10.0), (texts(&["7"]), vec![], None));
}

#[test]
fn o58_what_would_wait_a_minute_is_dropped() {
    let mut bench = Bench::new(&Config::default());
    let refusals: Vec<_> = (0..13)
        .map(|token| bench.ask(0.0, "s", &token.to_string()).err())
        .collect();
    let (admitted, over) = refusals.split_at(11);
    assert_eq!(admitted, [None; 11]);
    assert_eq!(over, [Some(WakeRefused::RateLimited); 2]);
    assert_eq!(bench.counts(), [0, 0, 0, 0, 2]);
}

#[test]
fn requests_for_the_same_device_become_one_while_the_first_waits() {
    let mut bench = Bench::new(&Config::default().burst(1));
    assert_eq!(bench.ask(0.0, "s", "T"), Ok(()));
    assert_eq!(bench.ask(0.0, "s", "T"), Ok(()), "not yet sent: one");
    assert_eq!(bench.run(0.0), (texts(&["T"]), vec![], None));
    assert_eq!(bench.ask(1.0, "s", "T"), Ok(()), "in flight: another");
    assert_eq!(bench.ask(2.0, "s", "T"), Ok(()));
    assert_eq!(bench.ask(3.0, "s", "U"), Ok(()), "another device");
    assert_eq!(bench.ask(4.0, "r", "T"), Ok(()), "another server-id");
    assert_eq!(bench.run(4.0), (texts(&["T"]), vec![], Some(10.0)));
    assert_eq!(bench.run(20.0), (texts(&["T", "U"]), vec![], None));
    let stats = bench.queue.stats();
    assert_eq!((stats.coalesced, stats.in_flight), (2, 4));
}

#[test]
fn o59_c49_beyond_the_sends_in_flight_wakes_wait_their_turn() {
    let mut bench = Bench::new(&Config::default());
    for server in 0..34 {
        let server = server.to_string();
        assert_eq!(bench.ask(0.0, &server, &server), Ok(()));
    }
    let (sent, ends, until) = bench.run(0.0);
    assert_eq!((sent.len(), ends, until), (32, vec![], Some(60.0)));
    assert_eq!(bench.settle(5.0, Ok(None)), Some(End::Sent(None)));
    assert_eq!(bench.run(5.0), (texts(&["32"]), vec![], Some(60.0)));
    assert_eq!(bench.run(60.0), (vec![], vec![End::Late], None));
    assert_eq!(bench.counts(), [1, 0, 0, 0, 1]);
    assert_eq!(End::Late.to_string(), "relay: push_wake waited too long");
}

#[test]
fn a_full_queue_refuses_the_newest_at_no_cost() {
    let config = Config::default().max_queued(2).max_in_flight(1).burst(1);
    let mut bench = Bench::new(&config);
    for (server, token) in [("a", "1"), ("b", "2")] {
        assert_eq!(bench.ask(0.0, server, token), Ok(()));
    }
    assert_eq!(bench.ask(0.0, "c", "3"), Err(WakeRefused::QueueFull));
    assert_eq!(bench.ask(0.0, "b", "2"), Ok(()), "coalesced: needs no room");
    assert_eq!(bench.counts(), [0, 0, 0, 0, 1]);
    assert_eq!(bench.run(0.0).0, texts(&["1"]));
    assert_eq!(bench.ask(1.0, "c", "3"), Ok(()));
    assert_eq!(bench.settle(1.0, Ok(None)), Some(End::Sent(None)));
    assert_eq!(bench.run(1.0).0, texts(&["2"]));
    assert_eq!(bench.settle(1.0, Ok(None)), Some(End::Sent(None)));
    assert_eq!(bench.run(1.0).0, texts(&["3"]), "c had its burst still");
}

#[test]
fn what_may_pass_is_tried_again_within_a_minute() {
    let mut bench = Bench::new(&Config::default());
    assert_eq!(bench.ask(0.0, "s", "T"), Ok(()));
    let (mut attempts, mut now) = (0, 0.0);
    let end = loop {
        let (sent, ends, until) = bench.run(now);
        assert_eq!(ends, []);
        if sent.is_empty() {
            // What `run` says is rounded.
            now = until.unwrap() + 0.1;
            continue;
        }
        attempts += 1;
        now += 0.1;
        if let Some(end) = bench.settle(now, Err(busy())) {
            break end;
        }
    };
    assert_eq!(end, End::Failed(busy()));
    assert!((6..=8).contains(&attempts), "{attempts} attempts");
    assert!((40.0..60.0).contains(&now), "the last one at {now} s");
    assert_eq!(bench.counts(), [0, 0, 1, 0, 0]);
    assert_eq!(bench.queue.stats().retried, attempts - 1);
}

#[test]
fn a_retry_waits_as_long_as_it_was_asked_to() {
    let mut bench = Bench::new(&Config::default());
    let too_many = |seconds| refused(StatusCode::TOO_MANY_REQUESTS, Some(seconds));
    assert_eq!(bench.ask(0.0, "s", "T"), Ok(()));
    bench.run(0.0);
    assert_eq!(bench.settle(0.0, Err(too_many(30))), None);
    assert_eq!(bench.run(0.0), (vec![], vec![], Some(30.0)));
    assert_eq!(bench.run(30.0).0, texts(&["T"]));
    let end = bench.settle(30.0, Err(too_many(31)));
    assert_eq!(end, Some(End::Failed(too_many(31))), "beyond its time");
}

#[test]
fn a_retry_takes_in_a_new_request_and_gets_its_time() {
    let mut bench = Bench::new(&Config::default());
    assert_eq!(bench.ask(0.0, "s", "T"), Ok(()));
    bench.run(0.0);
    let asleep = refused(StatusCode::SERVICE_UNAVAILABLE, Some(50));
    assert_eq!(bench.settle(0.0, Err(asleep.clone())), None);
    assert_eq!(bench.ask(40.0, "s", "T"), Ok(()));
    assert_eq!(bench.run(51.0).0, texts(&["T"]), "its turn is the same");
    assert_eq!(bench.settle(51.0, Err(busy())), None, "its time is not");
    assert_eq!(bench.queue.stats().coalesced, 1);
}

#[test]
fn a_wake_that_was_tried_and_runs_out_of_time_tells_its_last_failure() {
    let mut bench = Bench::new(&Config::default().max_in_flight(1));
    assert_eq!(bench.ask(0.0, "a", "1"), Ok(()));
    assert_eq!(bench.ask(0.0, "b", "2"), Ok(()));
    bench.run(0.0);
    assert_eq!(bench.settle(0.0, Err(busy())), None);
    assert_eq!(bench.run(1.0).0, texts(&["2"]), "and hangs");
    assert_eq!(bench.run(60.0), (vec![], vec![End::Failed(busy())], None));
    assert_eq!(bench.counts(), [0, 0, 1, 0, 0]);
}

#[test]
fn what_will_not_pass_ends_at_once() {
    for (error, counts) in [
        (refused(StatusCode::BAD_REQUEST, None), [0, 0, 1, 0, 0]),
        (SendError::TokenFetch(FetchError::Unusable), [0, 0, 0, 1, 0]),
        (SendError::Call(CallError::Certificate), [0, 0, 1, 0, 0]),
    ] {
        let mut bench = Bench::new(&Config::default());
        assert_eq!(bench.ask(0.0, "s", "T"), Ok(()));
        bench.run(0.0);
        let end = bench.settle(0.0, Err(error.clone()));
        assert_eq!(end, Some(End::Failed(error)));
        assert_eq!(bench.counts(), counts);
    }
}

#[test]
fn an_unregistered_token_is_refused_for_an_hour() {
    let mut bench = Bench::new(&Config::default());
    assert_eq!(bench.ask(0.0, "s", "T"), Ok(()));
    assert_eq!(bench.ask(0.0, "s", "U"), Ok(()));
    bench.run(0.0);
    assert_eq!(bench.ask(0.0, "r", "T"), Ok(()));
    let end = bench.settle(1.0, Err(unregistered()));
    assert_eq!(end, Some(End::Failed(unregistered())));
    assert_eq!(
        bench.run(1.0),
        (vec![], vec![End::Unregistered], None),
        "also one that waited already"
    );
    let refusal = Err(WakeRefused::Unregistered);
    assert_eq!(bench.ask(1.0, "s", "T"), refusal);
    assert_eq!(bench.ask(3600.0, "q", "T"), refusal);
    assert_eq!(bench.counts(), [0, 4, 0, 0, 0]);
    assert_eq!(bench.ask(3601.0, "q", "T"), Ok(()));
}

#[test]
fn o63_once_closed_everything_ends_and_nothing_begins() {
    let mut bench = Bench::new(&Config::default().burst(1));
    for token in ["1", "2", "3"] {
        assert_eq!(bench.ask(0.0, "s", token), Ok(()));
    }
    assert_eq!(bench.run(0.0).0, texts(&["1"]));
    let ends = bench.queue.close(bench.at(1.0));
    assert_eq!(ends.len(), 2);
    for ended in &ends {
        assert_eq!(*ended.end(), End::Failed(SendError::Stopping));
    }
    assert_eq!(bench.ask(1.0, "r", "4"), Err(WakeRefused::Off));
    let end = bench.settle(1.0, Err(busy()));
    assert_eq!(end, Some(End::Failed(busy())), "no retry");
    assert_eq!(bench.run(100.0), (vec![], vec![], None));
    assert_eq!(bench.counts(), [0, 0, 3, 0, 0]);
    assert_eq!(bench.queue.close(bench.at(1.0)).len(), 0);
}

#[derive(Clone, Debug)]
enum Op {
    Ask { server: u8, token: u8 },
    Pass { seconds: u8 },
    Run,
    Settle { which: usize, how: u8 },
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (0..4_u8, 0..6_u8).prop_map(|(server, token)| Op::Ask { server, token }),
        2 => (1..20_u8).prop_map(|seconds| Op::Pass { seconds }),
        3 => Just(Op::Run),
        3 => (any::<usize>(), 0..5_u8).prop_map(|(which, how)| Op::Settle { which, how }),
    ]
}

proptest! {
    #[test]
    fn every_admitted_wake_ends_once_and_the_bounds_hold(ops in prop::collection::vec(op(), 1..200)) {
        let config = Config::default().burst(2).max_queued(5).max_in_flight(3);
        let mut bench = Bench::new(&config);
        let (mut now, mut admitted, mut ended, mut refused) = (0.0, 0, 0, 0);
        for op in ops {
            match op {
                Op::Ask { server, token } => {
                    let coalesced = bench.queue.stats().coalesced;
                    match bench.ask(now, &server.to_string(), &token.to_string()) {
                        Ok(()) => admitted += 1 + coalesced - bench.queue.stats().coalesced,
                        Err(_) => refused += 1,
                    }
                }
                Op::Pass { seconds } => now += f64::from(seconds),
                Op::Run => ended += bench.run(now).1.len() as u64,
                Op::Settle { which, how } if !bench.in_flight.is_empty() => {
                    let which = which % bench.in_flight.len();
                    bench.in_flight.swap(0, which);
                    let result = match how {
                        0 => Ok(None),
                        1 => Err(unregistered()),
                        2 => Err(SendError::Aborted),
                        _ => Err(busy()),
                    };
                    ended += u64::from(bench.settle(now, result).is_some());
                }
                Op::Settle { .. } => {}
            }
            let stats = bench.queue.stats();
            prop_assert_eq!(stats.in_flight, bench.in_flight.len());
            prop_assert!(stats.in_flight <= 3);
            prop_assert!(stats.queued <= 5 + 3);
            prop_assert_eq!(admitted, ended + (stats.queued + stats.in_flight) as u64);
            prop_assert_eq!(bench.counts().iter().sum::<u64>(), ended + refused);
            prop_assert!(bench.queue.turns.values().all(|turn| bench.queue.waiting.contains_key(turn)));
        }
        ended += bench.queue.close(bench.at(now)).len() as u64;
        prop_assert_eq!(admitted, ended + bench.in_flight.len() as u64);
    }
}
