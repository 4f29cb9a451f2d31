//! Tasks that end, panic, are dropped, and are spawned when nothing runs any more.

use std::sync::mpsc;
use std::time::Duration;

use super::*;
use crate::testing::eventually;

struct Report(mpsc::SyncSender<&'static str>);

impl Drop for Report {
    fn drop(&mut self) {
        let _ = self.0.send("dropped");
    }
}

fn live(tasks: &Tasks) -> usize {
    tasks.live.handles.lock().len()
}

#[tokio::test]
async fn is_closed_when_the_last_task_has_ended_and_keeps_nothing_of_it() {
    let tasks = Tasks::default();
    let (go, gone) = tokio::sync::oneshot::channel::<()>();
    tasks.spawn(async {});
    tasks.spawn(async {
        let _ = gone.await;
    });
    let mut closed = std::pin::pin!(tasks.closed());
    tokio::task::yield_now().await;
    assert!(futures_util::poll!(closed.as_mut()).is_pending());
    go.send(()).unwrap();
    closed.await;
    assert_eq!(live(&tasks), 0);
}

#[tokio::test]
async fn a_panic_is_counted_and_ends_its_own_task_only() {
    let tasks = Tasks::default();
    let (go, gone) = tokio::sync::oneshot::channel::<()>();
    tasks.spawn(async move {
        let _ = gone.await;
    });
    tasks.spawn(async { panic!("one connection's bug") });
    eventually(|| tasks.panics() > 0).await;
    assert_eq!(live(&tasks), 1);
    go.send(()).unwrap();
    tasks.closed().await;
    assert_eq!((tasks.panics(), live(&tasks)), (1, 0));
}

#[tokio::test]
async fn abort_drops_every_task_where_it_stands() {
    let tasks = Tasks::default();
    let (sender, dropped) = mpsc::sync_channel(3);
    for _ in 0..3 {
        let report = Report(sender.clone());
        tasks.spawn(async move {
            let _report = report;
            std::future::pending::<()>().await;
        });
    }
    tokio::task::yield_now().await;
    tasks.abort();
    tasks.closed().await;
    assert_eq!(dropped.try_iter().count(), 3);
    assert_eq!((tasks.panics(), live(&tasks)), (0, 0));
}

/// A request can be answered while the runtime shuts down, and what is spawned then is dropped inside the spawn.
#[test]
fn spawning_on_a_runtime_that_shuts_down_drops_the_task() {
    struct SpawnOnDrop(Tasks, mpsc::SyncSender<&'static str>);
    impl Drop for SpawnOnDrop {
        fn drop(&mut self) {
            let report = Report(self.1.clone());
            self.0.spawn(async move {
                let _report = report;
            });
            let _ = self.1.send("spawned");
        }
    }
    let (sender, events) = mpsc::sync_channel(2);
    let tasks = Tasks::default();
    let last = SpawnOnDrop(tasks.clone(), sender);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        tasks.spawn(async move {
            let _last = last;
            std::future::pending::<()>().await;
        });
        tokio::task::yield_now().await;
    });
    // On a thread of its own, because a deadlock would otherwise hang the test.
    let shutting_down = std::thread::spawn(move || drop(runtime));
    let patience = Duration::from_secs(10);
    assert_eq!(events.recv_timeout(patience), Ok("dropped"));
    assert_eq!(events.recv_timeout(patience), Ok("spawned"));
    shutting_down.join().unwrap();
    assert_eq!(live(&tasks), 0);
}

#[test]
fn keeping_account_of_a_task_does_not_double_it() {
    const TASK_BYTES: usize = 1000;
    let ballast = [0_u8; TASK_BYTES];
    let task = async move {
        std::future::pending::<()>().await;
        let _ballast = ballast;
    };
    let tasks = Tasks::default();
    let ended = Ended {
        live: Arc::clone(&tasks.live),
        id: 0,
    };
    let (bare, guarded) = (size_of_val(&task), size_of_val(&guarded(task, ended)));
    assert!(guarded <= bare + 32, "{guarded} bytes for a task of {bare}");
}
