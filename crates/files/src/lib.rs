//! Files that appear whole or not at all.

pub mod durable;
