//! Variables of the environment: what they say counts, not that they are there.

use crate::support::Repository;

#[test]
fn a_variable_breaks_no_command_that_it_is_not_about() {
    let repository = Repository::passing();
    for (name, value, arguments) in [
        ("VERIFY_DRY_RUN", "false", &[][..]),
        ("VERIFY_FAIL_FAST", "false", &["--max-fail", "2"]),
        ("VERIFY_UPDATE", "0", &["--locked"]),
        ("VERIFY_PUSH", "no", &["--partition", "hash:1/1"]),
        // These mean nothing to a run that publishes nothing, or is no part of one.
        ("VERIFY_DRY_RUN", "true", &[]),
        ("VERIFY_PUBLISH_TO", "ghcr.io/a/b", &[]),
        ("VERIFY_PUBLISH_TAG", "v1", &[]),
        ("VERIFY_ANNOTATION", "a=b", &[]),
        ("VERIFY_TIMINGS", "gone.json", &[]),
    ] {
        repository.verify(arguments).env(name, value).run().exits_with(0).says(&["1 test: 1 passed"]);
    }
    let inspect = || repository.verify(&["inspect", "--show-signatures", "yes.wasm"]);
    // It has no metadata, which is what is said.
    let plain = inspect().run().exits_with(3);
    let told = inspect().env("VERIFY_OFFLINE", "false").run().exits_with(3);
    assert_eq!((&told.stdout, &told.stderr), (&plain.stdout, &plain.stderr), "{told}");
    assert!(!plain.stdout.is_empty(), "{plain}");
}

#[test]
fn flags_that_contradict_each_other_name_the_variable() {
    let repository = Repository::passing();
    let refuses = |name: &str, value: &str, arguments: &[&str], says: &[&str]| {
        repository.verify(arguments).env(name, value).run().exits_with(2).reports_nothing().says(says);
    };
    let inspect = &["inspect", "--show-signatures", "yes.wasm"];
    refuses("VERIFY_OFFLINE", "true", inspect, &["`--offline` (from VERIFY_OFFLINE)", "`--show-signatures`"]);
    refuses("VERIFY_FAIL_FAST", "1", &["--max-fail", "2"], &["`--fail-fast` (from VERIFY_FAIL_FAST)", "`--max-fail`"]);
    refuses("VERIFY_MAX_FAIL", "2", &["--fail-fast"], &["`--max-fail` (from VERIFY_MAX_FAIL)"]);
    refuses("VERIFY_LOCKED", "true", &["--update"], &["`--locked` (from VERIFY_LOCKED)"]);
    refuses("VERIFY_PUSH", "true", &["--partition", "hash:1/1"], &["`--push` (from VERIFY_PUSH)"]);
    // What is typed is meant, whatever a variable says of the flag that it needs.
    for (flag, needs) in [
        ("--dry-run", "--push"),
        ("--publish-to=ghcr.io/a/b", "--push"),
        ("--publish-tag=v1", "--push"),
        ("--annotation=a=b", "--push"),
        ("--timings=gone.json", "--partition"),
    ] {
        let says = format!("needs `{needs}`");
        refuses("VERIFY_PUSH", "false", &[flag], &[&says, flag.split('=').next().unwrap()]);
    }
}
