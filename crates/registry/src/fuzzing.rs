//! The reader of `WWW-Authenticate`, for the fuzz targets, which have a header instead of a registry. No part of the
//! interface; it may change at any time.

use url::Url;

use super::token::Challenge;

/// The challenges in a header of a response from `base`: realm and service of those for bearer tokens, nothing for those
/// for a password.
pub fn challenges(header: &str, base: &Url) -> Vec<Option<(Url, Option<String>)>> {
    let challenges = Challenge::parse(header, base).into_iter();
    let parts = |challenge| match challenge {
        Challenge::Basic => None,
        Challenge::Bearer { realm, service } => Some((realm, service)),
    };
    challenges.map(parts).collect()
}
