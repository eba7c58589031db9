//! evaluate

mod deploy;
mod rules;
