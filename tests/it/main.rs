//! The command `verify` as its users meet it: one file per topic, each test a fact about exit codes, streams or reports.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod action;
mod action_release;
mod annotate;
mod architecture;
mod book;
mod ci;
mod code_cache;
mod compat;
mod distribution;
mod docs;
mod errors;
mod exit_codes;
mod expiry;
mod failures;
mod faults;
mod fetching;
mod ghcr;
mod github;
mod groups;
mod hostile;
mod identity_tokens;
mod image;
mod inspect;
mod interrupted;
mod killed;
mod licences;
mod live;
mod manifests;
mod modes;
mod publish;
mod push;
mod readers;
mod release;
mod reports;
mod round_trip;
mod run_control;
mod schema;
mod selection;
mod shards;
mod signatures;
mod suite_format;
mod support;
mod walkthrough;
mod workflows;
