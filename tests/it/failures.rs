//! What people see of a case that failed: expected and actual, where, and a command that repeats it.

use crate::support::{Finished, POD, Repository, guests};

const NAMES: [&str; 7] = [
    "plain",
    "it's \"quoted\" $(touch pwned) `touch pwned`; touch pwned",
    "-dash and --exact",
    "star * (a|b) [c] \\d+",
    "naïve › 日本 👩‍💻",
    "tab\\tand # and !",
    "100% $HOME ~",
];

fn repository() -> Repository {
    let mut text = "version: 1\nname: \"--it's\"\npolicies: { no: { uri: no.wasm } }\ncases:\n".to_owned();
    for name in NAMES {
        let name = serde_json::to_string(&name.replace("\\t", "\t")).unwrap();
        text += &format!("  - {{ name: {name}, object: {POD}, expect: {{ deny: not tomorrow }} }}\n");
    }
    text += &format!("  - {{ name: {}long, object: {POD}, expect: allow }}\n", "very ".repeat(20));
    text += &format!("  - {{ name: plain and more, object: {POD}, expect: allow }}\n");
    Repository::with_suite(&text).write("no.wasm", guests::denying("not today"))
}

/// The commands a report offers. Where one is broken, all of its lines.
pub(crate) fn repeats(run: &Finished) -> Vec<String> {
    let mut lines = run.stdout.lines();
    let mut commands = Vec::new();
    while let Some(line) = lines.next() {
        let Some(command) = line.trim().strip_prefix("repeat ") else { continue };
        let mut command = command.trim().to_owned();
        while command.ends_with('\\') {
            command += &format!("\n{}", lines.next().unwrap());
        }
        commands.push(command);
    }
    commands
}

/// A case that fails only with the flags of its run.
fn with_variables() -> Repository {
    let text = format!(
        "version: 1\nvars: {{ word: today }}\npolicies: {{ no: {{ uri: no.wasm }} }}\ncases:\n  - {{ name: a, object: {POD}, \
         expect: {{ deny: \"not ${{word}}\" }} }}\n"
    );
    Repository::with_suite(&text).write("no.wasm", guests::annotated(guests::denying("not today")))
}

/// The command fails as the run did, wherever its flags came from.
#[test]
fn the_command_has_every_flag_that_decides() {
    let repository = with_variables();
    repository.verify(&[]).run().exits_with(0);
    let long = format!("--var=word={}", "it's late ".repeat(9));
    for (arguments, variables, repeated) in [
        (&["--var", "word=a b"] as &[&str], &[][..], "--var 'word=a b'"),
        (&[&long], &[], "--var 'word=it'\\''s late"),
        (&["--var=word=x", "--kubewarden=1.36", "-j1", "--report=json=a.json"], &[], "--var word=x --kubewarden 1.36"),
        (&["--repeat=2"], &[("VERIFY_VAR", "word=x"), ("VERIFY_OFFLINE", "1")], "--var word=x --repeat 2 --offline"),
        (&["record", "suite.yml", "--var=word=x", "--record=out"], &[], "--var word=x --live"),
    ] {
        for columns in ["60", "100", "160"] {
            let mut verify = repository.verify(arguments).env("COLUMNS", columns);
            for (name, value) in variables {
                verify = verify.env(name, value);
            }
            let run = verify.run().exits_with(1);
            let [command] = &repeats(&run)[..] else { panic!("{run}") };
            let whole = command.replace("\\\n", " ").split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(whole.starts_with(&format!("verify suite.yml {repeated}")), "{whole}");
            assert!(whole.ends_with(" --filter a --exact"), "{whole}");
            repository.shell(command).run().exits_with(1).says(&["1 failed"]);
        }
    }
}

/// Of shards it has the flags that all of them had: what one machine needed is of no use for the cases of another.
#[test]
fn the_command_of_merged_shards_has_their_common_flags() {
    let repository = with_variables();
    let merged = |of_second: &[&str]| {
        for (number, more) in [(1, &[][..]), (2, of_second)] {
            let partition = format!("--partition=hash:{number}/2");
            let report = format!("--report=json={number}.json");
            repository.verify(&["--var=word=x", &partition, &report]).args(more).run();
        }
        repeats(&repository.verify(&["merge", "1.json", "2.json"]).run().exits_with(1))
    };
    assert_eq!(merged(&[]), ["verify suite.yml --var word=x --filter a --exact"]);
    assert_eq!(merged(&["--offline"]), ["verify suite.yml --var word=x --filter a --exact"]);
    assert_eq!(merged(&["--var=word=y"]), ["verify suite.yml --var word=x --filter a --exact"]);
}

/// Every report has it, and so has one that was read back.
#[test]
fn every_report_has_the_command_with_its_flags() {
    let repository = with_variables();
    let command = "verify suite.yml --var 'word=a b' --filter a --exact";
    let formats = ["junit", "markdown", "github", "json", "ndjson", "html"];
    let reports = formats.map(|format| format!("--report={format}={format}"));
    repository.verify(&["--var=word=a b"]).args(&reports.each_ref().map(String::as_str)).run().exits_with(1);
    let shown = |format: &str| {
        let text = repository.read(format).replace("&apos;", "'").replace("&#x27;", "'").replace("&#39;", "'");
        text.replace("<span class=\"flag\">", "").replace("</span>", "")
    };
    for format in ["junit", "markdown", "github", "html"] {
        assert!(shown(format).contains(command), "{format}: {}", shown(format));
    }
    assert_eq!(repository.read_json("json")["flags"], serde_json::json!(["--var", "word=a b"]));
    for part in ["json", "ndjson"] {
        let run = repository.verify(&["merge", part]).run().exits_with(1);
        assert_eq!(repeats(&run), [command]);
    }
}

#[test]
fn expected_and_actual_stand_together_with_pointer_line_and_command() {
    let text = format!(
        "version: 1\nname: labels\npolicies: {{ no: {{ uri: no.wasm }} }}\ncases:\n  - name: words\n    object: {POD}\n    expect:\n      deny: not tomorrow\n"
    );
    let repository = Repository::with_suite(&text).write("no.wasm", guests::denying("not today"));
    let run = repository.verify(&[]).run().exits_with(1);
    let run = run.says(&["✗ words", "suite.yml:8", "/status/message", "1 test: 1 failed"]);
    let run = run.says(&["expected \"not tomorrow\" actual \"not today\""]).quotes(&["8 │       deny: not tomorrow"]);
    run.says(&["verify suite.yml --filter words --exact"]);
}

#[test]
fn a_wrong_object_is_told_field_by_field() {
    let text = "version: 1\npolicies:\n  labels:\n    uri: default-labels/policy.wasm\n    metadata: default-labels/metadata.yml\n    \
                settings: { labels: { team: a, zone: b } }\ncases:\n  - name: labels\n    object: POD\n    expect:\n      mutate:\n        \
                object: { metadata: { labels: { team: a, zone: c, gone: d } } } # here\n        only: [/metadata/labels/team]\n        idempotent: true\n"
        .replace("POD", POD);
    let repository = Repository::with_suite(&text).policy("default-labels");
    let run = repository.verify(&[]).run().exits_with(1);
    let run =
        run.says(&["/object/metadata/labels/zone", "\"c\"", "\"b\"", "/object/metadata/labels/gone", "suite.yml:12"]);
    run.never_says("/object/metadata/labels/team ·").says(&["/metadata/labels/zone"]);
    let report = repository.report(&[]);
    let mismatches = report.cases()[0]["mismatches"].as_array().unwrap();
    assert!(
        !mismatches.is_empty() && mismatches.iter().all(|mismatch| mismatch["kind"] == "mutation"),
        "{mismatches:#?}"
    );
}

#[test]
fn the_command_repeats_exactly_that_case() {
    let repository = repository();
    let report = repository.report(&[]);
    let all: Vec<String> = report.cases().iter().map(|case| case["id"].as_str().unwrap().to_owned()).collect();
    let commands = repeats(&repository.verify(&[]).run().exits_with(1));
    assert_eq!(commands.len(), all.len(), "{commands:?}");
    assert!(commands.iter().any(|command| command.contains("\\\n")), "the long one is broken: {commands:?}");
    for (command, id) in commands.iter().zip(&all) {
        assert!(command.starts_with("verify "), "{command}");
        let run = repository.shell(&format!("{command} --report=json")).run().exits_with(1);
        let report: serde_json::Value =
            serde_json::from_str(&run.stdout).unwrap_or_else(|_| panic!("{command}\n{run}"));
        let ids: Vec<&str> =
            report["cases"].as_array().unwrap().iter().map(|case| case["id"].as_str().unwrap()).collect();
        assert_eq!(ids, [id], "{command}");
        assert!(!repository.path("pwned").exists(), "{command}");
    }
}

#[test]
fn the_command_works_for_rows_suites_elsewhere_and_settings() {
    let text = format!(
        "version: 1\nname: rows\npolicies:\n  a: {{ uri: no.wasm }}\n  b: {{ uri: no.wasm }}\ncases:\n  - name: row\n    policy: [a, b]\n    \
         each: [{{ owner: \"it's\" }}, {{ owner: \"it's more\" }}]\n    object: {POD}\n    set: {{ metadata.labels.owner: \"${{owner}}\" }}\n    expect: allow\n\
         settingsCases:\n  - {{ name: settings, policy: a, value: {{ a: 1 }}, expect: invalid }}\n"
    );
    let repository =
        Repository::new().write("my suites/it's.yml", text).write("my suites/no.wasm", guests::denying("not today"));
    let run = repository.verify(&["my suites/it's.yml"]).run().exits_with(1);
    let commands = repeats(&run);
    assert_eq!(commands.len(), 5, "{run}");
    for command in commands {
        let run = repository.shell(&command).run().exits_with(1);
        assert!(run.stdout.contains("1 test: 1 failed"), "{command}\n{run}");
        assert_eq!(repeats(&run), [command]);
    }
}

#[test]
fn a_narrow_terminal_loses_nothing_and_colour_is_only_colour() {
    let repository = repository();
    for columns in ["40", "60", "200"] {
        let run = repository.verify(&[]).env("COLUMNS", columns).run().exits_with(1);
        let run = run.says(&["not tomorrow", "not today"]);
        assert!(!run.stdout.contains('\u{1b}'));
        assert_eq!(repeats(&run).len(), 9, "{run}");
    }
    let coloured = repository.verify(&["--color=always"]).run();
    assert!(coloured.stdout.contains("\u{1b}["));
    for (name, value, is_coloured) in
        [("FORCE_COLOR", "1", true), ("NO_COLOR", "1", false), ("CLICOLOR_FORCE", "1", true)]
    {
        let run = repository.verify(&[]).env(name, value).run();
        assert_eq!(run.stdout.contains('\u{1b}'), is_coloured, "{name}");
    }
    let run = repository.verify(&[]).env("FORCE_COLOR", "1").env("NO_COLOR", "1").run();
    assert!(!run.stdout.contains('\u{1b}'));
}

#[test]
fn quiet_says_less_and_verbose_says_more() {
    let repository = repository();
    let text = |arguments: &[&str]| repository.verify(arguments).run().exits_with(1).stdout;
    assert_eq!(text(&["-qq"]).trim().lines().count(), 1);
    assert!(text(&["-q"]).contains("✗ plain"));
    assert!(!text(&[]).contains("file://no.wasm"));
    assert!(text(&["-v"]).contains("file://no.wasm"));
    assert!(!text(&["--status=none"]).contains("✗ plain"));
}

/// A column has no limit: minified JSON has one line.
#[test]
fn a_mistake_far_to_the_right_is_shown() {
    let long = "a".repeat(70_000);
    let pod =
        |rest: &str| format!("{{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{{\"name\":\"{long}\",{rest}}}}}");
    let suite = |object: &str| {
        format!(
            "version: 1\npolicies: {{ yes: {{ uri: yes.wasm }} }}\ncases: [{{ name: a, object: {object}, expect: allow }}]\n"
        )
    };
    let yes = r#"{"valid":true,"accepted":true}"#;
    for (text, says) in [
        (pod("\"labels\":{\"a\":\"b\",}"), "pod.json:1:7"),
        (pod("\"labels\":{\"a\":\"b\",\"a\":\"c\"}"), "duplicate key `a`"),
        (pod("\"labels\":{\"a\":\"b\""), "pod.json:1:7"),
    ] {
        let repository = Repository::with_suite(&suite("pod.json")).write("pod.json", text).replying("yes", yes);
        for report in ["human", "junit", "html", "sarif", "markdown", "github", "tap", "json"] {
            let run = repository.verify(&[&format!("--report={report}=out"), "suite.yml"]).run().exits_with(2);
            run.says(&["pod.json:1:7", says]).never_says("a bug in verify");
        }
    }
    let text = suite(&pod("\"labels\":{}")).replace("expect: allow", "expct: allow");
    let run = Repository::with_suite(&text).replying("yes", yes).verify(&[]).run().exits_with(2);
    run.says(&["suite.yml:3:70", "did you mean `expect`?"]);
    // An expectation that is not met is quoted in the same way.
    let text = suite(&pod("\"labels\":{}")).replace("expect: allow", "expect: deny");
    Repository::with_suite(&text).replying("yes", yes).verify(&[]).run().exits_with(1).quotes(&["expect: deny"]);
}
