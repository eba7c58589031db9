//! The tokio runtime for network access, one per process, started on first use.
//!
//! Synchronous callers block with [`wait`]; it panics when called from within a future.

use std::sync::LazyLock;

use tokio::runtime::{Builder, Runtime};

/// Lives as long as the process, so that connections are reused between calls.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let built = Builder::new_multi_thread().worker_threads(2).thread_name("network").enable_all().build();
    built.expect("two threads can be started")
});

/// Blocks until a future is complete. Tasks it spawned may go on.
pub fn wait<F: Future>(future: F) -> F::Output {
    RUNTIME.block_on(future)
}

#[cfg(test)]
mod tests {
    #[test]
    fn several_threads_block_at_the_same_time() {
        let threads: Vec<_> = (0..4).map(|n| std::thread::spawn(move || super::wait(async move { n }))).collect();
        assert_eq!(threads.into_iter().map(|thread| thread.join().unwrap()).sum::<i32>(), 6);
    }
}
