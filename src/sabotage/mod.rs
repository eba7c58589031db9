//! Policies that do something else than they are made for, or get other settings, so that it shows which cases notice it.

mod edited_settings;
mod stand_in;

pub(crate) use self::edited_settings::{SettingsEdit, WithSettings};
pub(crate) use self::stand_in::Sabotaged;
