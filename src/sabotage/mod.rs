//! Policies that do something else than they are made for, so that it shows which cases notice it.

mod stand_in;

pub(crate) use self::stand_in::Sabotaged;
