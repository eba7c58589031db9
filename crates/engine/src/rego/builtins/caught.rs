//! Panics of the crates below the server's built-ins. In the server they end the worker; here they are caught, and not
//! printed.

use std::any::Any;
use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

use super::server::BuiltinError;

thread_local! {
    /// Whether a panic of this thread is caught and reported, so that the hook has nothing to print.
    static IS_CAUGHT: Cell<bool> = const { Cell::new(false) };
}

static HOOK: Once = Once::new();

/// A panic that was caught; the text is its message.
#[derive(Debug, PartialEq)]
pub(super) struct Panic(String);

impl From<Panic> for BuiltinError {
    fn from(Panic(message): Panic) -> Self {
        Self::Panicked(message)
    }
}

/// Runs a function, and gives its panic as an error.
pub(super) fn caught<T>(run: impl FnOnce() -> T) -> Result<T, Panic> {
    HOOK.call_once(|| {
        let print = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !IS_CAUGHT.get() {
                print(info);
            }
        }));
    });
    let was_caught = IS_CAUGHT.replace(true);
    let result = panic::catch_unwind(AssertUnwindSafe(run));
    IS_CAUGHT.set(was_caught);
    result.map_err(|payload| Panic(message(payload.as_ref())))
}

fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| payload.downcast_ref().cloned()).unwrap_or_else(|| "panic without a text".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_with_its_text() {
        assert_eq!(caught(|| 1), Ok(1));
        assert_eq!(caught(|| panic!("no {}", "way")), Err::<(), _>(Panic("no way".into())));
        assert_eq!(caught(|| panic!("fixed")), Err::<(), _>(Panic("fixed".into())));
        assert!(!IS_CAUGHT.get());
    }
}
