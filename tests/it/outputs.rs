//! Where reports go: every file that was asked for, whatever became of the run, and nothing that the run reads.

use std::fs;

use serde_json::Value;

use crate::support::runner::commands;
use crate::support::{POD, Repository};

const YES: &str = r#"{"valid":true,"accepted":true}"#;

fn suite(case: &str) -> String {
    format!("version: 1\npolicies: {{ yes: {{ uri: yes.wasm }} }}\ncases:\n  - {{ name: a, {case}, expect: allow }}\n")
}

fn good() -> Repository {
    Repository::with_suite(&suite(&format!("object: {POD}"))).replying("yes", YES)
}

/// A report of every format that has files.
const REPORTS: [&str; 8] = [
    "--report=junit=a.xml",
    "--report=json=a.json",
    "--report=ndjson=a.ndjson",
    "--report=sarif=a.sarif",
    "--report=tap=a.tap",
    "--report=html=a.html",
    "--report=markdown=a.md",
    "--report=human=a.txt",
];
const FILES: [&str; 8] = ["a.xml", "a.json", "a.ndjson", "a.sarif", "a.tap", "a.html", "a.md", "a.txt"];

#[test]
fn mistakes_are_in_every_report_that_was_asked_for() {
    for is_github in [false, true] {
        let text = suite("objct: 1") + "stray: 1\n";
        let repository = Repository::new().write("deep/suite.yml", text).write("summary.md", "before\n");
        let verify = repository.verify(&REPORTS).arg("deep/suite.yml");
        let verify = if is_github { verify.on_github() } else { verify };
        let verify = verify.env("GITHUB_STEP_SUMMARY", repository.path("summary.md"));
        let run = verify.env("GITHUB_OUTPUT", repository.path("out")).run().exits_with(2).reports_nothing();
        assert!(run.stderr.contains("invalid suite: "), "{run}");
        for file in FILES {
            let text = repository.read(file);
            let name = if file == "a.md" { "<code>deep/suite" } else { "deep/suite.yml" };
            assert!(text.contains("objct") && text.contains("stray") && text.contains(name), "{file}: {text}");
        }
        let report = repository.read_json("a.json");
        let lines: Vec<u64> =
            report["errors"].as_array().unwrap().iter().filter_map(|error| error["place"]["line"].as_u64()).collect();
        assert!(lines.contains(&4) && lines.contains(&5), "{report:#}");
        let text = repository.read("a.xml");
        let document = roxmltree::Document::parse(&text).unwrap();
        let errors: Vec<_> = document.descendants().filter(|node| node.has_tag_name("error")).collect();
        assert_eq!(errors.len(), lines.len());
        assert_eq!(errors[0].parent().unwrap().attribute("file"), Some("deep/suite.yml"));
        assert!(repository.read("a.tap").contains("Bail out!"));
        let found = commands(&run.stderr);
        let places: Vec<_> =
            found.iter().map(|it| (it.name.as_str(), it.property("file"), it.property("line"))).collect();
        if is_github {
            assert_eq!(places.len(), lines.len(), "{run}");
            assert!(places.contains(&("error", "deep/suite.yml", "5")), "{places:?}");
            let summary = repository.read("summary.md");
            assert!(summary.starts_with("before\n## ❌ nothing was run: ") && summary.contains("stray"), "{summary}");
            assert!(
                repository.read("out").contains("conclusion=error\n") && repository.read("out").contains("junit-path=")
            );
        } else {
            assert_eq!(places, []);
            assert_eq!(repository.read("summary.md"), "before\n");
        }
    }
}

#[test]
fn whatever_keeps_a_run_from_starting_is_in_its_reports() {
    for (arguments, code, says) in [
        (&["gone.yml"][..], 2, "suite not found: `gone.yml`"),
        (&["empty"], 2, "in the folder `empty`"),
        (&["--filter=never"], 4, "none of the 1 cases is selected"),
        (&["--filter=("], 2, "--filter"),
        (&["--failed=gone.json"], 2, "gone.json"),
        (&["yes.wasm"], 2, "is a module, not a suite"),
    ] {
        let repository = good();
        fs::create_dir(repository.path("empty")).unwrap();
        let run = repository.verify(arguments).arg("--report=json=a.json").arg("--report=junit").run().exits_with(code);
        assert!(run.stdout.contains("<error "), "{run}");
        let report = repository.read_json("a.json");
        assert!(report["errors"][0]["message"].as_str().unwrap().contains(says), "{report:#}");
        // Such a report is no run that another one could build on.
        for arguments in [
            &["merge", "a.json", "--report=json=b.json"][..],
            &["--failed=a.json"],
            &["--partition=policy:1/1", "--timings=a.json"],
        ] {
            repository.verify(arguments).run().exits_with(2).says(&["cannot use the report `a.json`: nothing was run"]);
        }
        assert!(repository.read_json("b.json")["errors"][0]["message"].as_str().unwrap().contains("nothing was run"));
    }
}

#[test]
fn two_reports_need_two_files() {
    let repository = good();
    fs::create_dir(repository.path("sub")).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink("sub", repository.path("link")).unwrap();
    for (one, other) in
        [("a.xml", "a.xml"), ("a.xml", "./a.xml"), ("new/a.xml", "new/../new/a.xml"), ("sub/a.xml", "link/a.xml")]
    {
        if cfg!(not(unix)) && other.starts_with("link") {
            continue;
        }
        for format in ["json", "ndjson", "junit"] {
            let arguments = [format!("--report=junit={one}"), format!("--report={format}={other}")];
            let run = repository.verify(&[]).args(&arguments.each_ref().map(String::as_str)).run().exits_with(2);
            run.reports_nothing().says(&["two reports for the file"]);
            assert!(!repository.path(one).exists());
        }
    }
    let github = |report: &str, variable: &str| {
        repository.verify(&[report]).on_github().env(variable, repository.path("g")).run()
    };
    let report = |format: &str| format!("--report={format}={}", repository.path("g").display());
    github(&report("json"), "GITHUB_STEP_SUMMARY").exits_with(2).says(&["two reports for the file"]);
    github(&report("json"), "GITHUB_OUTPUT").exits_with(2).says(&["two reports for the file"]);
    // The summary that was asked for is the summary.
    github(&report("markdown"), "GITHUB_STEP_SUMMARY").exits_with(0);
    assert_eq!(repository.read("g").matches("## ✅").count(), 1);
}

#[cfg(unix)]
#[test]
fn a_report_never_overwrites_what_the_run_reads() {
    let text = "version: 1\npolicies: { yes: { uri: yes.wasm, metadata: metadata.yml } }\ncrds: [crds/*.yaml]\ncases:\n  \
                - { name: a, objects: 'pods/*.yaml', rules: ignore, expect: allow }\n";
    let crd = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: { name: as.a.b }\nspec: { group: a.b, \
               scope: Cluster, names: { kind: A, plural: as }, versions: [{ name: v1, served: true, storage: true }] }\n";
    let metadata = "rules: []\nmutating: false\ncontextAware: false\nexecutionMode: kubewarden-wapc\n";
    for is_valid in [true, false] {
        let text = if is_valid { text.to_owned() } else { text.to_owned() + "stray: 1\n" };
        let repository = Repository::with_suite(&text)
            .replying("yes", YES)
            .write("metadata.yml", metadata)
            .write("crds/a.yaml", crd)
            .write("pods/a.yaml", POD);
        fs::hard_link(repository.path("suite.yml"), repository.path("hard.xml")).unwrap();
        std::os::unix::fs::symlink("pods/a.yaml", repository.path("link.xml")).unwrap();
        let before: Vec<String> =
            ["suite.yml", "pods/a.yaml", "metadata.yml", "crds/a.yaml"].map(|it| repository.read(it)).into();
        for path in [
            "suite.yml",
            "./suite.yml",
            "pods/../suite.yml",
            "hard.xml",
            "link.xml",
            "pods/a.yaml",
            "crds/a.yaml",
            "metadata.yml",
            "yes.wasm",
            "suite.lock",
        ] {
            for format in ["junit", "ndjson"] {
                let run = repository.verify(&[&format!("--report={format}={path}"), "--report=json=b.json"]).run();
                let run = run.exits_with(2).reports_nothing();
                run.says(&["would overwrite", "which the run reads", "name another file"]);
            }
            assert!(!repository.path("b.json").exists(), "nothing is written");
            assert!(!repository.path("suite.lock").exists(), "nor is an empty file left");
        }
        let after: Vec<String> =
            ["suite.yml", "pods/a.yaml", "metadata.yml", "crds/a.yaml"].map(|it| repository.read(it)).into();
        assert_eq!(before, after);
    }
    let repository = good();
    repository.verify(&["--report=json=part.json"]).run().exits_with(0);
    let run = repository.verify(&["merge", "part.json", "--report=json=./part.json"]).run().exits_with(2);
    run.says(&["would overwrite `part.json`"]);
    // An earlier report is read before the next one takes its place.
    repository.verify(&["--failed=part.json", "--allow-empty", "--report=json=part.json"]).run().exits_with(0);
}

/// The files that flags name are read as well.
#[test]
fn a_report_never_overwrites_the_configuration_of_a_run() {
    let repository = good().write("sources.yaml", "{}\n").write("docker/config.json", "{}").write("ca.pem", "x");
    let repository = repository.write("config.yml", "apiVersion: v1\n").write("trust.json", "{}");
    for (flag, file) in [
        ("--sources-path=sources.yaml", "sources.yaml"),
        ("--docker-config-json-path=docker", "docker/config.json"),
        ("--verification-config-path=config.yml", "config.yml"),
        ("--sigstore-trust-config=trust.json", "trust.json"),
        ("--against-ca=ca.pem", "ca.pem"),
    ] {
        let before = repository.read(file);
        let report = format!("--report=json=./{file}");
        let run = repository.verify(&[flag, &report, "--against=http://127.0.0.1:9"]).run().named(flag).exits_with(2);
        run.reports_nothing().says(&[&format!("the report `./{file}` would overwrite `{file}`, which the run reads")]);
        assert_eq!(repository.read(file), before);
    }
}

/// A report for the file of a recording, or for the folder of recordings.
#[cfg(unix)]
#[test]
fn a_report_never_replaces_a_recording() {
    let suite =
        "version: 1\npolicies: { p: { uri: wapc-accepts.wasm } }\ncases: [{ name: A pod, raw: {}, expect: allow }]\n";
    let repository = Repository::with_suite(suite).guest("wapc-accepts").write("sub/empty", "");
    std::os::unix::fs::symlink("out", repository.path("link")).unwrap();
    // A link of the user, not one of the repository.
    let outside = tempfile::tempdir().unwrap();
    let link = outside.path().join("link");
    std::os::unix::fs::symlink(repository.path("out"), &link).unwrap();
    let through_link = format!("--record={}", link.display());
    for (command, record, report, says) in [
        ("run", "--record=out", "out", "is the folder of the recordings"),
        ("run", "--record=out", "link", "is the folder of the recordings"),
        ("run", "--record=./sub/../out/", "out", "is the folder of the recordings"),
        ("run", "--record=out", "out/a-pod.yml", "are the same file"),
        ("run", "--record=out", "sub/../out/a-pod.yml", "are the same file"),
        ("record", &through_link, "out/a-pod.yml", "are the same file"),
        ("record", "-q", "sessions", "is the folder of the recordings"),
        ("record", "-q", "sessions/a-pod.yml", "are the same file"),
    ] {
        for format in ["json", "ndjson"] {
            let run = repository.verify(&[command, record, &format!("--report={format}={report}")]).run();
            run.named(report).exits_with(2).reports_nothing().says(&[says, "name another file"]);
            for folder in ["out", "sessions"] {
                // Folders that are empty are all that may be left.
                assert!(!repository.path(folder).exists() || fs::remove_dir(repository.path(folder)).is_ok());
            }
        }
    }
    // Beside the recordings there is room.
    fs::remove_file(repository.path("link")).unwrap();
    repository.verify(&["--record=out", "--report=json=out/report.json"]).run().exits_with(0);
    assert_eq!(repository.read("out/a-pod.yml"), "[]\n");
    assert_eq!(repository.read_json("out/report.json")["summary"]["passed"], 1);
}

/// A recording replaces nothing that the run reads, but for the recording that is replayed.
#[test]
fn a_recording_never_overwrites_what_the_run_reads() {
    let suite = |case: &str| {
        format!("version: 1\npolicies: {{ p: {{ uri: wapc-accepts.wasm }} }}\ncases: [{{ {case}, expect: allow }}]\n")
    };
    for (case, file) in
        [("name: pod, object: pod.yml", "pod.yml"), ("name: pod, object: pod.yml, tags: [a]", "pod.yml")]
    {
        let repository = Repository::with_suite(&suite(case)).guest("wapc-accepts").write("pod.yml", POD);
        let before = repository.read(file);
        for record in ["--record=.", "--record=./"] {
            let run = repository.verify(&[record, "--report=json=a.json"]).run().named(case).exits_with(2);
            run.reports_nothing().says(&[&format!("{file}`, which the run reads"), "the recording"]);
        }
        assert_eq!(repository.read(file), before);
        assert!(!repository.path("a.json").exists());
    }
    let repository = Repository::with_suite(&suite("name: told, raw: {}, replay: told.yml"));
    let repository = repository.guest("wapc-accepts").write("told.yml", "[]\n# old\n");
    repository.verify(&["--record=."]).run().exits_with(0);
    assert_eq!(repository.read("told.yml"), "[]\n");
}

#[test]
fn a_flag_is_one_value_and_a_variable_a_list() {
    let repository = good();
    repository.verify(&["--report", "junit=my report.xml", "--report=json=other report.json"]).run().exits_with(0);
    assert!(repository.read("my report.xml").contains("<testsuites"));
    assert!(repository.read("other report.json").starts_with('{'));
    repository.verify(&[]).env("VERIFY_REPORT", "junit=a.xml json=b.json").run().exits_with(0);
    assert!(repository.read("a.xml").contains("<testsuites") && repository.read("b.json").starts_with('{'));
    // The flag wins as a whole.
    repository.verify(&["--report=tap=c d.tap"]).env("VERIFY_REPORT", "junit=e.xml").run().exits_with(0);
    assert!(repository.path("c d.tap").exists() && !repository.path("e.xml").exists());
    repository.verify(&["--report", "junit=a.xml json=b.json"]).run().exits_with(0);
    assert!(repository.path("a.xml json=b.json").exists());
}

#[test]
fn folders_of_reports_are_made() {
    let repository = good();
    repository.verify(&["--report=junit=out/sub/j.xml", "--report=ndjson=out/n/n.ndjson"]).run().exits_with(0);
    assert!(repository.read("out/sub/j.xml").contains("<testsuites"));
    assert!(repository.read("out/n/n.ndjson").ends_with("}\n"));
    let run = repository.verify(&["--report=junit=suite.yml/j.xml"]).run().exits_with(2).reports_nothing();
    run.says(&["cannot write the report `suite.yml/j.xml`"]);
    assert!(!repository.path("out/sub").join("j.xml/").exists());
}

#[test]
fn a_dash_is_stdout() {
    let repository = good();
    for (format, begins) in [("junit", "<?xml"), ("json", "{"), ("ndjson", "{"), ("tap", "TAP"), ("markdown", "## ")] {
        let run = repository.verify(&[&format!("--report={format}=-")]).run().exits_with(0);
        assert!(run.stdout.starts_with(begins) && !run.stdout.contains("\n1 test: 1 passed"), "{run}");
    }
    assert!(!repository.path("-").exists());
    let run = repository.verify(&["--report=junit=-", "--report=json=-"]).run().exits_with(2).reports_nothing();
    run.says(&["two reports for stdout: `junit` and `json`"]);
    repository.verify(&["--report=junit=-", "--report=json"]).run().exits_with(2).says(&["two reports for stdout"]);
    repository.verify(&["--report=junit=./-"]).run().exits_with(0);
    assert!(repository.read("-").contains("<testsuites"));
}

#[cfg(target_os = "linux")]
#[test]
fn the_name_of_stdout_is_stdout() {
    let repository = good();
    for line in [
        "verify --report=json=/dev/stdout",
        "verify --report=json=/dev/fd/1 | cat",
        "verify --report=json=a.json > a.json; cat a.json",
    ] {
        let run = repository.shell(line).run().exits_with(0);
        let report: Value = serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{line}: {error}\n{run}"));
        assert_eq!(report["summary"]["passed"], 1);
    }
    repository.verify(&["--report=json=/dev/null", "--report=junit=/dev/null"]).run().exits_with(0);
}

#[test]
fn files_of_a_runner_that_cannot_be_written_are_a_warning() {
    let repository = good();
    for variable in ["GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT"] {
        let mut places = vec![repository.path("gone/file"), repository.path(".")];
        if cfg!(target_os = "linux") {
            places.push("/dev/full".into());
        }
        for place in places {
            let run =
                repository.verify(&["--report=json=a.json"]).on_github().env(variable, &place).run().exits_with(0);
            run.says(&[
                "warning: cannot write",
                &place.display().to_string().replace(repository.path("").to_str().unwrap(), ""),
            ]);
            assert_eq!(repository.read_json("a.json")["summary"]["passed"], 1);
        }
    }
    let failing =
        Repository::with_suite(&suite(&format!("object: {POD}")).replace("allow", "deny")).replying("yes", YES);
    let run = failing.verify(&[]).on_github().env("GITHUB_OUTPUT", "gone/x").env("GITHUB_STEP_SUMMARY", "gone/y").run();
    run.exits_with(1);
}

/// What a repository of a stranger may have where a report goes.
#[cfg(unix)]
#[test]
fn a_report_is_never_written_through_a_link_of_the_repository() {
    use std::os::unix::fs::symlink;

    let outside = tempfile::tempdir().unwrap();
    let keys = outside.path().join("authorized_keys");
    fs::write(&keys, "mine\n").unwrap();
    let repository = good().write("other/kept", "kept");
    symlink(&keys, repository.path("out.xml")).unwrap();
    symlink(outside.path().join("new"), repository.path("new.xml")).unwrap();
    symlink(outside.path(), repository.path("away")).unwrap();
    symlink("other/kept", repository.path("in.xml")).unwrap();
    symlink("other", repository.path("folder")).unwrap();
    symlink(".git/hooks/post-checkout", repository.path("hook.xml")).unwrap();
    for (path, says) in [
        ("out.xml", &["`out.xml` is a link to `", "`, outside the repository"][..]),
        ("new.xml", &["`new.xml` is a link to `", "outside the repository"]),
        ("away/a.xml", &["`away` is a link to `", "outside the repository"]),
        ("away/deep/er/a.xml", &["`away` is a link"]),
        ("./other/../away/a.xml", &["`away` is a link"]),
        ("in.xml", &["`in.xml` is a link inside the repository, whose root is"]),
        ("folder/kept", &["`folder` is a link inside the repository"]),
        ("folder/new.xml", &["`folder` is a link inside the repository"]),
        ("hook.xml", &["`hook.xml` is a link inside the repository"]),
    ] {
        for format in ["junit", "ndjson", "json", "html"] {
            let report = format!("--report={format}={path}");
            for arguments in [&[report.as_str()][..], &["--report=json=fine.json", &report]] {
                let run = repository.verify(arguments).run().exits_with(2).reports_nothing();
                run.says(says).says(&[&format!("cannot write the report `{path}`"), "remove the link"]);
            }
        }
        let absolute = format!("--report=junit={}", repository.path(path).display());
        repository.verify(&[&absolute]).run().exits_with(2).says(says);
        // The repository is that of the file, wherever the run is.
        let suite = repository.path("suite.yml");
        let elsewhere = repository.shell(&format!("cd /; verify '{}' '{absolute}'", suite.display()));
        elsewhere.run().exits_with(2).says(says);
        let mistaken = good().write("suite.yml", "version: 1\n");
        mistaken.verify(&[&absolute]).run().exits_with(2);
    }
    let repository = repository.write("part.json", "");
    repository.verify(&["--report=json=part.json"]).run().exits_with(0);
    repository
        .verify(&["merge", "part.json", "--report=junit=out.xml"])
        .run()
        .exits_with(2)
        .says(&["`out.xml` is a link"]);
    for arguments in [
        &["annotate", "yes.wasm", "--metadata-path=m.yml", "--output-path=out.xml"][..],
        &["server-config", "--output=out.xml"],
        &["server-config", "--output=new.yml", "--modules=away"],
        &["record", "suite.yml", "--record=away"],
        &["record", "suite.yml", "--record=folder/new"],
    ] {
        let run = repository.verify(arguments).run();
        if arguments.contains(&"--modules=away") {
            continue;
        }
        run.exits_with(2).says(&["is a link"]);
    }
    assert_eq!(fs::read_to_string(&keys).unwrap(), "mine\n");
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
    assert_eq!(repository.read("other/kept"), "kept");
    assert_eq!(fs::read_dir(repository.path("other")).unwrap().count(), 1);
    assert!(!repository.path(".git/hooks").exists() && !repository.path("fine.json").exists());
    // Links outside of the repository are the user's own.
    let mine = outside.path().join("mine.xml");
    symlink(outside.path().join("report.xml"), &mine).unwrap();
    repository.verify(&[&format!("--report=junit={}", mine.display())]).run().exits_with(0);
    assert!(fs::read_to_string(outside.path().join("report.xml")).unwrap().contains("<testsuites"));
}
