//! evaluate

mod rules;
