//! Waiting for other tasks without a clock.

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
