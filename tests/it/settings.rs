//! Settings that many cases share: validated for all of them, and what the policy tells meanwhile is in each report.

use crate::support::{Repository, guests};

#[test]
fn what_is_printed_while_settings_are_validated_is_in_every_case() {
    let suite = "version: 1\n\
                 policies: { p: { uri: p.wasm, executionMode: kubewarden-wapc, settings: { a: 1 } } }\n\
                 cases:\n\
                 \x20 - { name: first, raw: {}, expect: allow }\n\
                 \x20 - { name: second, raw: {}, expect: allow }\n";
    let guest = guests::printing_and_replying("hello\n", "{\"valid\":true,\"accepted\":true}");
    let report = Repository::with_suite(suite).write("p.wasm", guest).report(&["--jobs", "1"]);
    report.all_passed();
    for name in ["first", "second"] {
        assert_eq!(report.case(name)["log"]["stdout"], "hello\nhello\n", "once for the settings, once for the request");
    }
}

#[test]
fn settings_that_are_rejected_are_an_error_of_every_case() {
    let suite = "version: 1\n\
                 policies: { p: { uri: p.wasm, executionMode: kubewarden-wapc, settings: { a: 1 } } }\n\
                 cases:\n\
                 \x20 - { name: first, raw: {}, expect: allow }\n\
                 \x20 - { name: second, raw: {}, expect: allow }\n";
    let guest = guests::replying("{\"valid\":false,\"message\":\"no\",\"accepted\":true}");
    let report = Repository::with_suite(suite).write("p.wasm", guest).report(&["--jobs", "1"]);
    assert_eq!(report.outcomes(), [("first", "error"), ("second", "error")]);
}
