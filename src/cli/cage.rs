//! Compiling in a process of its own: this program, called again.

use std::ffi::OsString;
use std::time::Duration;

use policy_verify::{Cage, compile_inside};

/// What the program is called with. No word of the command line: nobody types it.
const WORD: &str = "compile-in-a-cage";

/// What mimalloc, the allocator of this program, reserves at a time, in KiB: it counts as used, and is 1 GiB by default.
const RESERVE: (&str, &str) = ("MIMALLOC_ARENA_RESERVE", "65536");

/// How the run compiles; in its own process where the program does not know where it is.
pub(crate) fn of_run(time: Option<Duration>) -> Option<Cage> {
    let program = std::env::current_exe().ok()?;
    Some(Cage { program, arguments: vec![WORD.into()], environment: vec![RESERVE], time })
}

/// Compiles where this process was started for that, and gives the code to end with.
pub(crate) fn inside(arguments: &[OsString]) -> Option<i32> {
    let [_, word, rest @ ..] = arguments else { return None };
    if word != WORD {
        return None;
    }
    compile_inside(rest, std::io::stdin().lock(), std::io::stdout().lock())
}
