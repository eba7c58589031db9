//! Patterns of host capabilities: `oci/*`.

use super::mistake::Mistakes;
use policy_verify_host as host;
use policy_verify_model::source::Spanned;

/// The patterns of capabilities a policy may use. The texts about patterns are policy-server's.
pub(super) fn host_capabilities(patterns: &[Spanned<String>], mistakes: &mut Mistakes) -> Vec<String> {
    for pattern in patterns {
        if let Err(error) = host::check_pattern(&pattern.value) {
            mistakes.add(&pattern.span, error.to_string());
        }
    }
    patterns.iter().map(|pattern| pattern.value.trim().to_owned()).collect()
}
