//! Files that appear whole or not at all, for two processes at once and whatever kills one of them; and files that are
//! read up to a limit.
//!
//! ```
//! use policy_verify_files::bounded;
//! use policy_verify_files::durable::{self, Flush};
//!
//! let folder = tempfile::tempdir()?;
//! let path = folder.path().join("store/policy.wasm");
//! durable::write(&path, &folder.path().join("unfinished"), b"\0asm", Flush::Yes)?;
//! assert_eq!(bounded::read(&path, 1024)?, b"\0asm");
//! # Ok::<(), std::io::Error>(())
//! ```

pub mod bounded;
pub mod durable;
