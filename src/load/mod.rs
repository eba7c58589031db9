//! load

mod kinds;
