//! Files that appear whole or not at all, for two processes at once and whatever kills one of them.
//!
//! ```
//! use policy_verify_files::durable::{self, Flush};
//!
//! let folder = tempfile::tempdir()?;
//! let path = folder.path().join("store/policy.wasm");
//! durable::write(&path, &folder.path().join("unfinished"), b"\0asm", Flush::Yes)?;
//! assert_eq!(std::fs::read(&path)?, b"\0asm");
//! # Ok::<(), std::io::Error>(())
//! ```

pub mod durable;
