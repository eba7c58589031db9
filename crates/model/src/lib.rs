//! What travels between the steps: plain data.
//!
//! Nothing in this folder reads files, runs policies or knows the command line; every step may use it.

pub mod answer;
pub mod behaviour;
pub mod budget;
pub mod cluster;
pub mod code;
pub mod compiler;
pub mod conversion;
pub mod cost;
pub mod coverage;
pub mod deployed;
pub mod diagnostic;
pub mod explanation;
pub mod file_name;
pub mod found;
pub mod gate;
pub mod gate_reports;
pub mod hosting;
pub mod inspection;
pub mod installation;
pub mod kind;
pub mod location;
pub mod long_text;
pub mod name;
pub mod nearest;
pub mod outcome;
pub mod patch;
pub mod policy;
pub mod publication;
pub mod reference;
pub mod release;
pub mod request;
pub mod rule_coverage;
pub mod sabotage;
pub mod scope;
pub mod signature;
pub mod source;
pub mod split_mix;
pub mod stored_request;
pub mod suite;
pub mod weakness;
pub mod written_object;
pub mod yaml;
