//! Completion in real shells: bash and zsh in a terminal, where keys are typed, and fish by its own command.
#![cfg(unix)]

use crate::support::program::program;
use crate::support::{Finished, POD, Repository};

/// Two suites of one policy. Names have what shells take for something else.
fn repository() -> Repository {
    let suite = |cases: &str| {
        format!(
            "version: 1\npolicies: {{ p: {{ uri: safe-labels/policy.wasm, metadata: safe-labels/metadata.yml, \
             settings: {{ mandatory_labels: [owner] }} }} }}\ndefaults: {{ object: {POD} }}\ncases:\n{cases}"
        )
    };
    let case = |name: &str, tag: &str| {
        format!(
            "  - {{ name: \"{name}\", tags: [{tag}], set: {{ metadata.labels: {{ owner: me }} }}, expect: allow }}\n"
        )
    };
    let first = [case("takes an owner", "quick"), case("cost: $5 (it's \\\"cheap\\\")", "slow")].concat();
    Repository::with_suite(&suite(&first))
        .write("other/suite.yml", suite(&case("looks elsewhere", "quick")).replace("safe-labels/", "../safe-labels/"))
        .policy("safe-labels")
}

/// The values that a shell without quotes would offer.
fn offered(repository: &Repository, line: &str) -> Vec<String> {
    let words: Vec<&str> = line.split(' ').collect();
    let arguments = [&["--"], &words[..]].concat();
    let run = repository.verify(&arguments).env("VERIFY_COMPLETE", "bash").run().exits_with(0);
    run.stdout.lines().map(str::to_owned).collect()
}

#[test]
fn cases_tags_suites_and_modules_are_offered() {
    let repository = repository();
    let offers = |line: &str| offered(&repository, line);
    assert_eq!(offers("verify debug take"), ["takes an owner"]);
    assert_eq!(offers("verify debug other/suite.yml "), ["looks elsewhere", "suite.yml", "other/", "safe-labels/"]);
    assert_eq!(offers("verify suite.yml --filter cost"), ["cost: \\$5 \\(it's \"cheap\"\\)"]);
    assert_eq!(offers("verify --exact --filter suite")[0], "suite.yml › takes an owner");
    assert_eq!(offers("verify other --tag "), ["quick"]);
    assert_eq!(offers("verify suite.yml --filter = take"), ["takes an owner"]);
    assert_eq!(offers("verify eval safe-labels/"), ["safe-labels/metadata.yml", "safe-labels/policy.wasm"]);
    assert_eq!(offers("verify inspect safe-labels/"), ["safe-labels/policy.wasm"]);
    assert_eq!(offers("verify oth"), ["other/"]);
    assert!(offers("verify -").contains(&"--last-failed".to_owned()));
    assert!(offers("verify ").iter().all(|value| !value.starts_with('-')));
}

#[test]
fn nothing_is_offered_of_suites_with_mistakes() {
    let repository = repository().write("suite.yml", "version: [\n");
    assert_eq!(offered(&repository, "verify suite.yml --filter "), [""; 0]);
    let large = format!("version: 1\ncases: [{}]\n", " ".repeat(5 << 20));
    let repository = repository.write("suite.yml", large);
    assert_eq!(offered(&repository, "verify suite.yml --filter "), [""; 0]);
    // Without the mark of the script it is a run.
    repository.verify(&["list"]).env("VERIFY_COMPLETE", "bash").run().exits_with(4).says(&["the suites have no cases"]);
    let hostile = "version: 1\npolicies: { p: { uri: safe-labels/policy.wasm } }\ncases:\n  - { name: \"a\\e[31m\\nb\", object: {}, expect: allow }\n";
    let repository = repository.write("suite.yml", hostile);
    assert_eq!(offered(&repository, "verify suite.yml --filter "), [""; 0]);
}

/// What a shell at a terminal shows after these keys. `$` in front of a code is its exit code.
fn typed(repository: &Repository, shell: &str, keys: &[&str]) -> Option<Finished> {
    program(shell.split(' ').next().unwrap())?;
    program("script")?;
    let keys: String = keys.iter().map(|line| format!("{line}\n")).collect();
    std::fs::write(repository.path("keys"), keys + "exit 0\n").unwrap();
    let line = format!("script -qec '{shell}' /dev/null < keys");
    Some(repository.shell(&line).env("TERM", "dumb").env("PS1", "> ").run())
}

#[test]
fn bash_completes_names_with_blanks_and_quotes_them() {
    let keys = [
        "source <(verify completions bash)",
        "verify debug take\t; echo first=$?",
        "verify debug \"take\t; echo second=$?",
        "verify debug 'take\t; echo third=$?",
        "verify debug cost\t; echo fourth=$?",
        "verify suite.yml --filter=cost\t; echo fifth=$?",
        "verify insp\tsafe-labels/pol\t; echo sixth=$?",
    ];
    let Some(run) = typed(&repository(), "bash --norc -i", &keys) else { return };
    for code in ["first=0", "second=0", "third=0", "fourth=0", "fifth=0", "sixth=3"] {
        assert!(run.stdout.contains(&format!("\n{code}")), "{code}: {run}");
    }
    run.exits_with(0).says(&["verify debug takes\\ an\\ owner", "suite.yml › takes an owner", "1 test: 1 passed"]);
}

#[test]
fn zsh_completes_names_with_blanks_and_quotes_them() {
    let keys = [
        "autoload -U compinit; compinit -u; source <(verify completions zsh)",
        "verify debug take\t; echo first=$?",
        "verify debug \"take\t; echo second=$?",
        "verify debug cost\t; echo third=$?",
        "verify insp\tsafe-labels/pol\t; echo fourth=$?",
    ];
    let Some(run) = typed(&repository(), "zsh -f -i", &keys) else { return };
    for code in ["first=0", "second=0", "third=0", "fourth=3"] {
        assert!(run.stdout.contains(&format!("\n{code}")), "{code}: {run}");
    }
    run.exits_with(0).says(&["suite.yml › takes an owner"]);
}

#[test]
fn fish_completes_names_and_tells_what_flags_mean() {
    let Some(_) = program("fish") else { return };
    let repository = repository();
    let completed = |line: &str| {
        let script = format!("verify completions fish | source; complete -C '{line}'");
        repository.shell(&format!("fish --no-config -c \"{script}\"")).run().exits_with(0).stdout
    };
    assert_eq!(completed("verify debug take"), "takes an owner\n");
    assert_eq!(
        completed("verify suite.yml --last"),
        "--last-failed\tRun only cases that went wrong when they last ran here; all if there are none\n"
    );
}
