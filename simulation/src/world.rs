//! A world as it runs: one relay, its front door, its peers and its end, on one thread and a paused clock.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use relay_core::{BoxFuture, DrainServer, Limits, Registry};
use relay_shutdown::{ShutdownContext, ShutdownReport, shutdown};
use relay_transport::{Config, Http1, Io, RelayService, ServerBuilder};
use tokio::task::{AbortHandle, JoinSet};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::actor;
use crate::checks;
use crate::clock::{Clock, now};
use crate::ledger::{Ledger, Record};
use crate::log::Errors;
use crate::plan::{Plan, Smaller};
use crate::trace::{Note, Trace};
use crate::wire::{End, Wire};

/// Who would come later after the beginning of a drain finds nothing that drains any more, and stays away.
const LATECOMERS: Duration = Duration::from_secs(15);

/// Everything is over by then, whatever it was.
const ALL_OVER: Duration = Duration::from_secs(200);

pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) clock: Clock,
    pub(crate) registry: Registry,
    pub(crate) service: RelayService,
    pub(crate) ledger: Mutex<Ledger>,
    front: Front,
}

/// What became of a world.
#[derive(Debug)]
pub struct Story {
    /// What happened.
    pub trace: Trace,
    /// What must not have happened; empty if all is well.
    pub faults: Vec<String>,
}

/// Runs `plan`, or what of it takes part, from its beginning to its end.
///
/// # Panics
/// If there is no memory or file descriptor for a runtime.
#[must_use]
pub fn run(plan: &Plan, taking_part: &Smaller) -> Story {
    let errors = Errors::default();
    let _listening = tracing::subscriber::set_default(errors.clone());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without IO needs nothing that could be missing");
    let world = runtime.block_on(World::run(plan.clone(), taking_part.clone()));
    // With the tasks that hang on to the world, if there should be any.
    drop(runtime);
    let mut ledger = world.ledger.lock();
    for error in errors.take() {
        ledger.fault(format!("logged as an error: {error}"));
    }
    Story {
        trace: std::mem::take(&mut ledger.trace),
        faults: std::mem::take(&mut ledger.faults),
    }
}

impl World {
    fn new(plan: Plan) -> Self {
        let limits = Limits::default()
            .max_phones_per_server(plan.bounds.phones_per_server)
            .binary_high_water(plan.bounds.binary_high_water)
            .max_phone_backlog(plan.bounds.phone_backlog)
            .queue_memory(plan.bounds.queue_memory);
        let registry = relay_core::internals::repeatable_registry(limits, plan.seed);
        let service = ServerBuilder::new(registry.clone()).into_service();
        relay_transport::internals::seed_heartbeats(&service, plan.seed as u32);
        let record = |actor: &crate::plan::Actor| {
            Record::new(actor.role, actor.server, actor.link.is_quick())
        };
        let ledger = Ledger {
            records: plan.actors.iter().map(record).collect(),
            ..Ledger::default()
        };
        Self {
            plan,
            clock: Clock::start(),
            registry,
            service,
            ledger: Mutex::new(ledger),
            front: Front::default(),
        }
    }

    async fn run(plan: Plan, taking_part: Smaller) -> Arc<Self> {
        let world = Arc::new(Self::new(plan));
        let mut peers = JoinSet::new();
        let latest = world.plan.drain.at + LATECOMERS;
        for (me, actor) in world.plan.actors.iter().enumerate() {
            let steps = taking_part.steps_of(me);
            if let Some(steps) = steps.filter(|_| actor.dials_at <= latest) {
                peers.spawn(actor::live(Arc::clone(&world), me, steps));
            }
        }
        world.clock.reach(world.plan.drain.at).await;
        if world.plan.drain.is_settled {
            checks::settled(&world);
        }
        let began = world.note_drain();
        let report = world.drain().await;
        world.note(None, Note::Drained);
        checks::drained(&world, began, &report);
        let all_over = async {
            while let Some(lived) = peers.join_next().await {
                if let Err(error) = lived {
                    world.fault(format!("a peer of the simulation itself failed: {error}"));
                }
            }
        };
        if tokio::time::timeout(ALL_OVER, all_over).await.is_err() {
            world.fault("some peers never learnt of their end");
        }
        // For the relay to see that the last one has left, however long its link is frozen.
        world.clock.reach(world.clock.elapsed() + ALL_OVER).await;
        checks::over(&world);
        world
    }

    async fn drain(&self) -> ShutdownReport {
        let drain = &self.plan.drain;
        let ctx = ShutdownContext::new()
            .deadline(drain.deadline)
            .spread(drain.spread)
            .jitter_seed(self.plan.seed);
        let cut = ctx.cut_handle();
        let servers: [&dyn DrainServer; 2] = [&self.front, &self.service];
        let mut drained = std::pin::pin!(shutdown(ctx, &self.registry, &servers));
        if let Some(cut_after) = drain.cut_after {
            match tokio::time::timeout(cut_after, drained.as_mut()).await {
                Ok(report) => return report,
                Err(_) => cut.cut(),
            }
        }
        drained.await
    }

    /// A connection to the relay.
    pub(crate) fn dial(&self, me: usize) -> End {
        let actor = &self.plan.actors[me];
        let (wire, relay, peer) = Wire::connect(actor.link, actor.seed, self.clock);
        self.ledger.lock().records[me].wire = Some(wire);
        self.front.serve(relay, actor.host, &self.service);
        peer
    }

    pub(crate) fn note(&self, actor: Option<usize>, note: Note) {
        let at = self.clock.elapsed();
        let mut ledger = self.ledger.lock();
        ledger.trace.add(at, actor, note);
        let queued = self.registry.stats().queued_bytes;
        ledger.most_queued = ledger.most_queued.max(queued);
    }

    pub(crate) fn fault(&self, what: impl Into<String>) {
        self.ledger.lock().fault(what);
    }

    /// What the relay has read up to here is what it has accepted.
    fn note_drain(&self) -> Duration {
        self.note(None, Note::Drain);
        let mut ledger = self.ledger.lock();
        ledger.drain_began = Some(self.clock.elapsed());
        for record in &mut ledger.records {
            let wire = record.wire.as_ref();
            record.read_at_drain = wire.map_or(0, |wire| wire.read_by_relay());
        }
        self.clock.elapsed()
    }
}

/// The HTTP server in front of the relay: what it accepted ends with a drain, what is accepted later is an embedder's
/// that goes on.
struct Front {
    http1: Http1,
    tasks: TaskTracker,
    aborts: Mutex<Vec<AbortHandle>>,
    stop: CancellationToken,
}

impl Default for Front {
    fn default() -> Self {
        Self {
            http1: Http1::new(&Config::default()),
            tasks: TaskTracker::new(),
            aborts: Mutex::default(),
            stop: CancellationToken::new(),
        }
    }
}

impl Front {
    fn serve(&self, end: End, host: u8, service: &RelayService) {
        let service = service.for_peer(([192, 0, 2, host], 40_000).into());
        let http1 = self.http1.clone();
        let stop = if self.stop.is_cancelled() {
            CancellationToken::new()
        } else {
            self.stop.clone()
        };
        // As a TLS stream comes in; the relay takes it back out of hyper.
        let io: Box<dyn Io> = Box::new(end);
        let accepted = now().into_std();
        let task = async move { http1.serve(io, accepted, service, stop.cancelled()).await };
        let task = self.tasks.spawn(task);
        self.aborts.lock().push(task.abort_handle());
    }
}

impl DrainServer for Front {
    fn name(&self) -> &str {
        "front"
    }

    fn stop_accepting(&self) {
        self.stop.cancel();
    }

    fn closed(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            self.tasks.close();
            self.tasks.wait().await;
        })
    }

    fn abort(&self) {
        for task in self.aborts.lock().drain(..) {
            task.abort();
        }
    }
}
