//! The tokio runtime for network access, one per process, started on first use.
//!
//! Synchronous callers block with [`wait`]; it panics when called from within a future. A process that ends while connections are
//! still made has to [`stop`] them first: what C code cleans up at the end, such as that of TLS, is not there for them any more.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

/// Lives until [`stop`], so that connections are reused between calls.
static RUNTIME: Mutex<Option<Arc<Runtime>>> = Mutex::new(None);

/// Longest time that its threads are waited for.
const MOST_TIME_TO_STOP: Duration = Duration::from_secs(1);

/// Blocks until a future is complete. Tasks it spawned may go on.
pub fn wait<F: Future>(future: F) -> F::Output {
    runtime().block_on(future)
}

/// Ends what goes on, unless somebody still [waits](wait). For the end of a process; whoever waits later begins anew.
pub fn stop() {
    if let Some(runtime) = RUNTIME.lock().unwrap_or_else(PoisonError::into_inner).take() {
        end(runtime);
    }
}

fn end(runtime: Arc<Runtime>) {
    if let Some(runtime) = Arc::into_inner(runtime) {
        runtime.shutdown_timeout(MOST_TIME_TO_STOP);
    }
}

fn runtime() -> Arc<Runtime> {
    let mut runtime = RUNTIME.lock().unwrap_or_else(PoisonError::into_inner);
    let started = runtime.get_or_insert_with(|| {
        let built = Builder::new_multi_thread().worker_threads(2).thread_name("network").enable_all().build();
        Arc::new(built.expect("two threads can be started"))
    });
    Arc::clone(started)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::mpsc;

    use tokio::runtime::Builder;

    #[test]
    fn tasks_that_go_on_are_over_once_their_runtime_is_ended() {
        let runtime = Arc::new(Builder::new_multi_thread().worker_threads(1).build().unwrap());
        let (sender, receiver) = mpsc::channel::<()>();
        runtime.spawn(async move {
            let _kept = sender;
            std::future::pending::<()>().await;
        });
        // Somebody still uses it.
        super::end(Arc::clone(&runtime));
        assert_eq!(receiver.try_recv(), Err(mpsc::TryRecvError::Empty));
        super::end(runtime);
        assert_eq!(receiver.try_recv(), Err(mpsc::TryRecvError::Disconnected));
    }

    #[test]
    fn several_threads_block_at_the_same_time() {
        let threads: Vec<_> = (0..4).map(|n| std::thread::spawn(move || super::wait(async move { n }))).collect();
        assert_eq!(threads.into_iter().map(|thread| thread.join().unwrap()).sum::<i32>(), 6);
    }
}
