//! Bats tests that run `kwctl run`, translated into a suite.
//!
//! Each test is run by a small interpreter of bash whose programs are known: a run of kwctl gives an answer that is not
//! known, and what the test asserts about it is collected. That becomes the expectation of a case. Nothing is executed.

mod answer;
mod arithmetic;
mod assertions;
mod braces;
mod branches;
mod builtins;
mod checks;
mod claim;
mod exec;
mod expand;
mod expect;
mod fact;
mod filters;
mod grep;
mod import;
mod invocation;
mod jq;
mod json_text;
mod kwctl;
mod loops;
mod machine;
mod member;
mod parameter;
mod patch_text;
mod paths;
mod pattern;
mod problem;
mod regex_syntax;
mod response;
mod row;
mod shell;
mod simple;
mod source;
mod suite;
mod value;

pub use expect::Weakness;
pub use import::bats;
pub use row::{BatsFile, CaseRow, Context, Fate, Imported, Reason, TestRow};
