//! What work on the host may use up that is done for a policy: time, steps and memory.
//!
//! A guest has a deadline and a memory limit, and whoever works for it has too: a policy that lets its host search, patch or
//! compare without end would otherwise take the whole run with it. Work is counted in steps, each about as long as a look
//! at one value, so that a limit is the same on every machine. The deadline and the end of the run are looked at now and
//! then on the way.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::answer::{Fault, FaultKind};

/// Steps for each second of a timeout.
const STEPS_A_SECOND: u64 = 50_000_000;

/// Steps where there is no timeout: those of policy-server's own, two seconds.
const STEPS: u64 = 2 * STEPS_A_SECOND;

/// Bytes that a piece of work may hold at least, however little memory the policy may have.
const BYTES: u64 = 64 << 20;

/// Part of the memory of a policy that the work for it may hold.
const PART_OF_MEMORY: u64 = 4;

/// Steps after which the clock is looked at.
const STEPS_BETWEEN_LOOKS: u64 = 1 << 14;

/// Time for a guest to meet its own deadline first, whose clock ticks and may be late.
const GRACE: Duration = Duration::from_millis(250);

/// Bytes of a JSON value beside those of its texts.
const VALUE: u64 = 32;

/// Bytes of an object with members: a node of a tree, however few they are.
const OBJECT: u64 = 640;

/// What the work for one policy may use up. Clones share what is left.
#[derive(Debug, Clone, Default)]
pub struct Budget(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    is_stopped: Arc<AtomicBool>,
    state: Mutex<State>,
}

#[derive(Debug, Clone, Copy)]
struct State {
    timeout: Duration,
    deadline: Option<Instant>,
    steps: u64,
    most_steps: u64,
    steps_to_look: u64,
    bytes: u64,
}

impl Default for State {
    fn default() -> Self {
        Self {
            timeout: Duration::ZERO,
            deadline: None,
            steps: STEPS,
            most_steps: STEPS,
            steps_to_look: 0,
            bytes: BYTES,
        }
    }
}

/// Which part of a budget is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Exceeded {
    /// The deadline passed.
    #[error("took longer than {0:?}")]
    Time(Duration),
    /// Too many steps.
    #[error("needs more than {0} steps of work on the host")]
    Steps(u64),
    /// Too many bytes at a time.
    #[error("needs more than {} MiB of memory on the host", .0 >> 20)]
    Memory(u64),
    /// The run was stopped.
    #[error("was interrupted")]
    Stopped,
}

impl Exceeded {
    /// The fault of the case; `work` is what was being done.
    pub fn fault(self, work: &str) -> Fault {
        let kind = match self {
            Self::Time(_) | Self::Stopped => FaultKind::Timeout,
            Self::Steps(_) | Self::Memory(_) => FaultKind::Limit,
        };
        let fault = Fault::new(kind, format!("{work} {self}"));
        match self {
            Self::Time(_) => fault.with_help("raise `timeout`, or give the policy less to work on"),
            Self::Steps(_) => fault.with_help(format!(
                "raise `timeout`: there are {STEPS_A_SECOND} steps for each of its seconds; or give the policy less to \
                 work on"
            )),
            Self::Memory(_) => fault.with_help(format!(
                "raise `--max-memory`: a part of it, one in {PART_OF_MEMORY} and at least {} MiB, is for the work on the \
                 host; or give the policy less to work on",
                BYTES >> 20
            )),
            Self::Stopped => fault,
        }
    }
}

impl Budget {
    /// A budget without a deadline, until [`begin`](Self::begin). Once the flag is set all work is over.
    pub fn until(is_stopped: Arc<AtomicBool>) -> Self {
        Self(Arc::new(Shared { is_stopped, state: Mutex::default() }))
    }

    /// Starts anew: a call into a policy that may take `timeout` and `memory`.
    pub fn begin(&self, timeout: Duration, memory: u64) {
        let nanoseconds = timeout.as_nanos().saturating_mul(u128::from(STEPS_A_SECOND)) / 1_000_000_000;
        let steps = u64::try_from(nanoseconds).unwrap_or(u64::MAX);
        *self.state() = State {
            timeout,
            deadline: Instant::now().checked_add(timeout.saturating_add(GRACE).saturating_add(timeout / 16)),
            steps,
            most_steps: steps,
            steps_to_look: 0,
            bytes: (memory / PART_OF_MEMORY).max(BYTES),
        };
    }

    /// A budget with the same deadline and steps of its own, for work that must not use up those of the policy.
    #[must_use]
    pub fn beside(&self) -> Self {
        let state = *self.state();
        let state = State { steps: state.most_steps, ..state };
        Self(Arc::new(Shared { is_stopped: Arc::clone(&self.0.is_stopped), state: Mutex::new(state) }))
    }

    /// Takes steps.
    ///
    /// # Errors
    ///
    /// There are not as many left, the deadline has passed, or the run is stopped.
    pub fn spend(&self, steps: u64) -> Result<(), Exceeded> {
        let mut state = self.state();
        state.steps = state.steps.checked_sub(steps).ok_or(Exceeded::Steps(state.most_steps))?;
        if steps < state.steps_to_look {
            state.steps_to_look -= steps;
            return Ok(());
        }
        state.steps_to_look = STEPS_BETWEEN_LOOKS;
        drop(state);
        self.look()
    }

    /// Looks at the clock at once, after a piece of work whose steps were counted before.
    ///
    /// # Errors
    ///
    /// The deadline has passed, or the run is stopped.
    pub fn look(&self) -> Result<(), Exceeded> {
        let state = self.state();
        if self.0.is_stopped.load(Ordering::Relaxed) {
            return Err(Exceeded::Stopped);
        }
        match state.deadline {
            Some(deadline) if Instant::now() >= deadline => Err(Exceeded::Time(state.timeout)),
            _ => Ok(()),
        }
    }

    /// Steps that are left.
    pub fn steps_left(&self) -> u64 {
        self.state().steps
    }

    /// The memory for one piece of work.
    pub fn room(&self) -> Room {
        let bytes = self.state().bytes;
        Room { left: Cell::new(bytes), most: bytes }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The memory that one piece of work may hold.
#[derive(Debug)]
pub struct Room {
    left: Cell<u64>,
    most: u64,
}

impl Default for Room {
    fn default() -> Self {
        Budget::default().room()
    }
}

impl Room {
    /// Room for this many bytes.
    pub fn of(bytes: u64) -> Self {
        Self { left: Cell::new(bytes), most: bytes }
    }

    /// Takes bytes.
    ///
    /// # Errors
    ///
    /// There are not as many left.
    pub fn take(&self, bytes: u64) -> Result<(), Exceeded> {
        self.left.set(self.left.get().checked_sub(bytes).ok_or(Exceeded::Memory(self.most))?);
        Ok(())
    }

    /// Takes what a JSON text takes once it is parsed, by an estimate from above: a text of 16 MiB with small objects
    /// makes values of gigabytes.
    ///
    /// # Errors
    ///
    /// There is not as much left.
    pub fn take_json(&self, text: &[u8]) -> Result<(), Exceeded> {
        self.take(Self::size_of_json(text))
    }

    /// Bytes that a JSON text takes once it is parsed, by the same estimate.
    pub fn size_of_json(text: &[u8]) -> u64 {
        let (mut values, mut objects) = (1_u64, 0_u64);
        let mut bytes = text.iter();
        while let Some(byte) = bytes.next() {
            match byte {
                b'{' => (values, objects) = (values + 1, objects + 1),
                b'[' | b',' => values += 1,
                b'"' => skip_text(&mut bytes),
                _ => {}
            }
        }
        (text.len() as u64).saturating_add(values.saturating_mul(VALUE)).saturating_add(objects.saturating_mul(OBJECT))
    }
}

/// Goes on behind the end of a text.
fn skip_text(bytes: &mut std::slice::Iter<'_, u8>) {
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => return,
            b'\\' => drop(bytes.next()),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_counted_for_all_clones() {
        let budget = Budget::default();
        budget.begin(Duration::from_secs(1), 0);
        assert_eq!(budget.steps_left(), STEPS_A_SECOND);
        budget.clone().spend(STEPS_A_SECOND - 1).unwrap();
        assert_eq!(budget.spend(2), Err(Exceeded::Steps(STEPS_A_SECOND)));
        assert_eq!(budget.spend(1), Ok(()));
        assert_eq!(budget.beside().steps_left(), STEPS_A_SECOND);
        budget.begin(Duration::MAX, 0);
        assert_eq!(budget.steps_left(), u64::MAX);
    }

    #[test]
    fn work_ends_with_the_deadline_and_with_the_run() {
        let is_stopped = Arc::new(AtomicBool::new(false));
        let budget = Budget::until(Arc::clone(&is_stopped));
        budget.begin(Duration::ZERO, 0);
        budget.state().deadline = Some(Instant::now());
        assert_eq!(budget.spend(0), Err(Exceeded::Time(Duration::ZERO)));
        budget.begin(Duration::from_secs(3600), 0);
        budget.spend(STEPS_BETWEEN_LOOKS).unwrap();
        is_stopped.store(true, Ordering::Relaxed);
        assert_eq!(budget.spend(STEPS_BETWEEN_LOOKS + 1), Err(Exceeded::Stopped));
        assert_eq!(budget.beside().spend(STEPS_BETWEEN_LOOKS + 1), Err(Exceeded::Stopped));
    }

    #[test]
    fn memory_is_that_of_one_piece_of_work() {
        let budget = Budget::default();
        budget.begin(Duration::ZERO, 1 << 30);
        assert_eq!(budget.room().take((256 << 20) + 1), Err(Exceeded::Memory(256 << 20)));
        budget.begin(Duration::ZERO, 0);
        let room = budget.room();
        room.take(BYTES).unwrap();
        assert_eq!(room.take(1), Err(Exceeded::Memory(BYTES)));
        assert_eq!(budget.room().take(BYTES), Ok(()));
    }

    #[test]
    fn small_objects_take_more_than_their_text() {
        let list = |item: &str, number: usize| format!("[{}]", vec![item; number].join(","));
        for item in ["{}", "{\"a\":1}", "[]", "1", "\"\\\"{\""] {
            assert_eq!(Room::default().take_json(list(item, 1000).as_bytes()), Ok(()), "{item}");
            let is_object = item.starts_with('{');
            assert_eq!(Room::default().take_json(list(item, 200_000).as_bytes()).is_err(), is_object, "{item}");
            assert!(Room::default().take_json(list(item, 4_000_000).as_bytes()).is_err(), "{item}");
        }
        // What is inside texts is no value.
        assert_eq!(Room::default().take_json(format!("\"{}\"", "{[,".repeat(1_000_000)).as_bytes()), Ok(()));
        assert_eq!(Room::default().take_json(b"\"\\"), Ok(()));
    }

    #[test]
    fn faults_say_which_limit_and_how_to_raise_it() {
        for (exceeded, kind, message, help) in [
            (Exceeded::Time(Duration::from_secs(2)), FaultKind::Timeout, "it took longer than 2s", "raise `timeout`"),
            (Exceeded::Steps(7), FaultKind::Limit, "it needs more than 7 steps of work on the host", "raise `timeout`"),
            (
                Exceeded::Memory(64 << 20),
                FaultKind::Limit,
                "it needs more than 64 MiB of memory on the host",
                "raise `--max-memory`",
            ),
        ] {
            let fault = exceeded.fault("it");
            assert_eq!((fault.kind, fault.message.as_str()), (kind, message));
            assert!(fault.help.unwrap().starts_with(help));
        }
    }
}
