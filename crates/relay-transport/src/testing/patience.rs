//! Waiting that fails instead of going on for ever.

use std::time::Duration;

/// Longer than anything a relay waits for.
const LONGEST: Duration = Duration::from_secs(7200);

/// What `future` comes to, which on a paused clock takes no time.
pub(crate) async fn in_time<F: Future>(future: F) -> F::Output {
    let result = tokio::time::timeout(LONGEST, future).await;
    result.expect("something happens within two hours")
}

/// Lets other tasks run until `is_so`, and fails if it never is. A paused clock stands still meanwhile.
pub(crate) async fn eventually(mut is_so: impl FnMut() -> bool) {
    for _ in 0..10_000 {
        if is_so() {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("it never came about");
}
