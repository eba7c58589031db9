//! The threads that wait for the network: one tokio runtime per process, started when something first waits.
//!
//! Everything around it is ordinary code. A caller on a thread of its own waits with [`wait`]; nobody may call it from
//! within a future.

use std::sync::LazyLock;

use tokio::runtime::{Builder, Runtime};

/// Lives as long as the process, so that connections outlast the call that opened them.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let built = Builder::new_multi_thread().worker_threads(2).thread_name("network").enable_all().build();
    built.expect("a process that runs policies on threads can start two more")
});

/// Waits until a future is done; it may start tasks that outlast it.
pub fn wait<F: Future>(future: F) -> F::Output {
    RUNTIME.block_on(future)
}

#[cfg(test)]
mod tests {
    #[test]
    fn several_threads_wait_at_once() {
        let threads: Vec<_> = (0..4).map(|n| std::thread::spawn(move || super::wait(async move { n }))).collect();
        assert_eq!(threads.into_iter().map(|thread| thread.join().unwrap()).sum::<i32>(), 6);
    }
}
