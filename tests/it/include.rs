//! `include:`: cases, policies and more that several suites share, in files of their own.

use std::fs;

use serde_json::{Value, json};

use crate::support::{POD, Repository, line_of};

const YES: &str = r#"{"valid":true,"accepted":true}"#;

const NO: &str = r#"{"valid":true,"accepted":false,"message":"no owner"}"#;

const PODS: &str = "version: 1
defaults: { object: pod.yaml }
cases:
  - { name: shared, expect: allow }
  - { name: shared too, tags: [t], expect: accept }
";

fn suite(include: &str, rest: &str) -> String {
    format!("version: 1\ninclude: {include}\npolicies: {{ yes: {{ uri: ../yes.wasm }} }}\n{rest}")
}

/// A repository with `labels/suite.yml`, which includes `shared/pods.cases.yml`.
fn repository() -> Repository {
    Repository::new()
        .replying("yes", YES)
        .replying("no", NO)
        .write("shared/pod.yaml", "apiVersion: v1\nkind: Pod\nmetadata: { name: web }\nspec: {}\n")
        .write("shared/pods.cases.yml", PODS)
        .write("labels/suite.yml", suite("[../shared/pods.cases.yml]", ""))
}

fn failing() -> Repository {
    repository().write("shared/pods.cases.yml", PODS.replace("expect: accept", "expect: deny"))
}

#[test]
fn shared_cases_are_cases_of_each_suite() {
    let own = format!("cases:\n  - {{ name: own, object: {POD}, expect: allow }}\n");
    let repository = repository()
        .write("labels/suite.yml", suite("[../shared/pods.cases.yml]", &own))
        .write("other/suite.yml", suite("../shared/*.cases.yml", "name: other\n").replace("yes.wasm", "no.wasm"));
    let report = repository.report(&["labels"]);
    assert_eq!(report.names(), ["shared", "shared too", "own"]);
    report.all_passed();
    assert_eq!(repository.report(&["labels", "--tag", "t"]).names(), ["shared too"]);
    // Files that are only included are no suites.
    let all = repository.verify(&["."]).run().exits_with(1);
    all.says(&["labels/suite.yml", "other/suite.yml", "5 tests: 3 passed, 2 failed"]);
    let list = repository.verify(&["list", "labels", "--format=json"]).run().exits_with(0);
    let listed: Value = serde_json::from_str(&list.stdout).unwrap();
    assert_eq!(
        (&listed[0]["id"], &listed[0]["file"]),
        (&json!("labels/suite.yml › shared"), &json!("shared/pods.cases.yml"))
    );
    assert_eq!((&listed[0]["line"], &listed[2]["file"]), (&json!(4), &json!("labels/suite.yml")));
}

#[test]
fn reports_point_into_the_file_that_has_the_case() {
    let repository = failing();
    let line = line_of(&repository.read("shared/pods.cases.yml"), "shared too");
    let report = repository.report(&["labels"]);
    let case = report.case("shared too");
    let place = json!(["shared/pods.cases.yml", line]);
    assert_eq!(json!([case["file"], case["line"]]), place);
    assert_eq!(json!([case["mismatches"][0]["file"], case["mismatches"][0]["line"]]), place);
    for (format, says) in [
        ("human", format!("shared/pods.cases.yml:{line}")),
        ("junit", format!("file=\"shared/pods.cases.yml\" line=\"{line}\"")),
        ("github", format!("::error file=shared/pods.cases.yml,line={line},")),
        ("sarif", "\"uri\": \"shared/pods.cases.yml\"".to_owned()),
        ("markdown", format!("shared/pods.cases.yml:{line}")),
        ("html", format!("shared/pods.cases.yml:{line}")),
        ("tap", "shared/pods.cases.yml".to_owned()),
    ] {
        let run = repository.verify(&["labels", "--report", format]).run().exits_with(1).named(format);
        assert!(run.stdout.contains(&says) || run.stderr.contains(&says), "{says}\n{run}");
        run.says(&["shared too"]);
    }
    // A report that was read back says the same.
    repository.verify(&["labels", "--report=json=out.json"]).run().exits_with(1);
    for format in ["human", "junit", "sarif"] {
        let merged = repository.verify(&["merge", "out.json", "--report", format]).run().exits_with(1);
        assert!(merged.stdout.contains("shared/pods.cases.yml"), "{merged}");
    }
}

#[test]
fn policies_groups_kinds_variables_and_defaults_are_shared() {
    let crd = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: { name: shops.a.test }\nspec: { group: a.test, scope: Namespaced, names: { kind: Shop, plural: shops }, versions: [{ name: v1, served: true, storage: true, schema: { openAPIV3Schema: { type: object } } }] }\n";
    let base = "version: 1
vars: { team: a, greeting: \"hello ${team}\", unused: 1 }
crds: [crd.yaml]
policies:
  yes: { uri: ../yes.wasm, settings: settings.yml }
  unused: { uri: \"registry://127.0.0.1:1/unused:v1\" }
groups:
  both: { expression: \"yes() || no()\", message: no, members: { yes: { policy: yes }, no: { policy: no } } }
defaults: { user: \"of-${team}\", tags: [base] }
";
    let own = format!(
        "version: 1
include: [../shared/base.cases.yml]
vars: {{ team: b }}
policies: {{ no: {{ uri: ../no.wasm }} }}
defaults: {{ object: {POD} }}
cases:
  - {{ name: \"a ${{greeting}}\", policy: yes, expect: allow }}
  - {{ name: b, group: both, expect: allow }}
  - {{ name: c, policy: yes, object: {{ apiVersion: a.test/v1, kind: Shop, metadata: {{ name: s }} }}, expect: allow }}
"
    );
    let repository = repository()
        .write("shared/base.cases.yml", format!("{base}cases:\n  - {{ name: of base, policy: yes, expect: allow }}\n"))
        .write("shared/crd.yaml", crd)
        .write("shared/settings.yml", "a: 1\n")
        .write("labels/suite.yml", &own);
    let report = repository.report(&["labels"]);
    assert_eq!(report.names(), ["of base", "a hello b", "b", "c"]);
    report.all_passed();
    let user = |name: &str| report.case(name)["request"]["userInfo"]["username"].clone();
    // Defaults of a file are those of its cases; those of the suite fill what they do not say.
    assert_eq!((user("of base"), user("b")), (json!("of-b"), json!("test-user")));
    assert_eq!(report.case("of base")["request"]["object"]["metadata"]["name"], "web");
    assert_eq!(repository.report(&["labels", "--var", "team=c"]).names()[1], "a hello c");
    // What only stands in a file for several suites need not be used by this one, and is not fetched.
    repository.verify(&["labels"]).run().exits_with(0);
    // Of keys that say the same in another way, those of the file count.
    let repository = repository.write(
        "shared/base.cases.yml",
        base.replace("tags: [base]", "request: review.yaml")
            + "cases:\n  - { name: of base, policy: yes, expect: allow }\n",
    );
    let repository = repository.write("shared/review.yaml", "{ uid: u, operation: CREATE, kind: { group: '', version: v1, kind: Pod }, resource: { group: '', version: v1, resource: pods }, userInfo: {}, object: { kind: Pod, metadata: { name: reviewed } } }\n");
    let report = repository.report(&["labels"]);
    assert_eq!(report.case("of base")["request"]["object"]["metadata"]["name"], "reviewed");
    assert_eq!(report.case("b")["request"]["object"]["metadata"]["name"], "web");
}

#[test]
fn each_file_counts_once_and_comes_before_what_includes_it() {
    let file = |include: &str, name: &str| {
        format!("version: 1\ninclude: {include}\ncases:\n  - {{ name: {name}, object: {POD}, expect: allow }}\n")
    };
    let repository = repository()
        .write("shared/deep/base.cases.yml", file("[]", "base"))
        .write("shared/one.cases.yml", file("[deep/base.cases.yml]", "one"))
        .write("shared/two.cases.yml", file("[deep/*.cases.yml, one.cases.yml]", "two"))
        .write(
            "labels/suite.yml",
            suite(
                "[../shared/one.cases.yml, ../shared/two.cases.yml]",
                &format!("cases:\n  - {{ name: own, object: {POD}, expect: allow }}\n"),
            ),
        );
    assert_eq!(repository.report(&["labels"]).names(), ["base", "one", "two", "own"]);
    for jobs in ["1", "8"] {
        assert_eq!(
            repository.report(&["labels", "--jobs", jobs, "--shuffle=7"]).names(),
            ["base", "one", "two", "own"]
        );
    }
}

#[test]
fn mistakes_name_the_file_and_line_of_what_is_included() {
    let case = |case: &str| format!("version: 1\n\ncases:\n  - {{ name: a, {case} }}\n");
    for (text, says) in [
        (case("object: pod.yaml, expct: allow"), vec!["shared/pods.cases.yml:4", "unknown key `expct`"]),
        (case("object: pods.yaml, expect: allow"), vec!["shared/pods.cases.yml:4", "did you mean `pod.yaml`?"]),
        (
            case("object: gone/x.yaml, expect: allow"),
            vec!["shared/pods.cases.yml:4", "paths are relative to their file, in `shared/`"],
        ),
        (case("object: ../../x.yaml, expect: allow"), vec!["`../../x.yaml` is outside the repository"]),
        (case("object: pod.yaml, policy: nobody, expect: allow"), vec!["unknown policy `nobody`", "`yes`"]),
        (case("object: pod.yaml, tags: ['${who}'], expect: allow"), vec!["unknown variable `who`"]),
        ("version: 1\ncase: []\n".to_owned(), vec!["shared/pods.cases.yml:2", "did you mean `cases`?"]),
        ("version: 2\n".to_owned(), vec!["shared/pods.cases.yml:1", "unsupported version 2"]),
        ("version: 1\nname: x\n".to_owned(), vec!["pods.cases.yml:2", "`name` cannot be in a file that is included"]),
        ("version: 1\nkubewarden: '1.38'\n".to_owned(), vec!["`kubewarden` cannot be in a file that is included"]),
        ("version: 1\ndefaults: { compat: server }\n".to_owned(), vec!["`compat` cannot be in a file"]),
        ("version: 1\ndefaults: { objet: x }\n".to_owned(), vec!["did you mean `object`?"]),
        ("version: 1\ncases: [\n".to_owned(), vec!["shared/pods.cases.yml:", "PV061"]),
        (String::new(), vec!["labels/suite.yml:2", "the included file `shared/pods.cases.yml` is empty"]),
        ("kind: Pod\napiVersion: v1\n".to_owned(), vec!["this is a Kubernetes manifest (`Pod`)"]),
        (
            "version: 1\npolicies: { yes: { uri: ../no.wasm } }\n".to_owned(),
            vec!["duplicate policy `yes`", "labels/suite.yml:3", "the one in shared/pods.cases.yml:2"],
        ),
    ] {
        let repository = repository().write("shared/pods.cases.yml", &text);
        repository.verify(&["labels"]).run().named(&text).exits_with(2).says(&says);
    }
    for (include, says) in [
        ("[../shared/gone.cases.yml]", "file not found: `../shared/gone.cases.yml`"),
        ("[../shared/pod.cases.yml]", "did you mean"),
        ("[../../pods.cases.yml]", "is outside the repository"),
        ("[/etc/passwd]", "is outside the repository"),
        ("['../shared/${x}.yml']", "`include` cannot use variables"),
        ("[../shared]", "is a folder, not a file"),
        ("[../shared/none-*.yml]", "no file matches"),
        ("[1]", "expected a text"),
        ("{ a: b }", "expected a"),
        ("[suite.yml]", "is included in a circle: labels/suite.yml → labels/suite.yml"),
        ("[../yes.wasm]", "it is not UTF-8 text"),
    ] {
        let repository = repository().write("labels/suite.yml", suite(include, ""));
        repository.verify(&["labels"]).run().named(include).exits_with(2).says(&[says, "labels/suite.yml:2"]);
    }
}

#[test]
fn names_of_cases_are_unique_in_all_files() {
    let own = format!("cases:\n  - {{ name: shared, object: {POD}, expect: allow }}\n");
    let repository = repository().write("labels/suite.yml", suite("[../shared/pods.cases.yml]", &own));
    let run = repository.verify(&["labels"]).run().exits_with(2);
    run.says(&[
        "duplicate case name `shared`",
        "labels/suite.yml:5",
        "rename this case, or the one in shared/pods.cases.yml:4",
        "also here",
    ]);
    let one = "version: 1\nvars: { team: a }\n";
    let repository = self::repository()
        .write("shared/one.cases.yml", one)
        .write("shared/two.cases.yml", one.replace("team: a", "team: b"))
        .write("labels/suite.yml", suite("[../shared/one.cases.yml, ../shared/two.cases.yml]", &own));
    let run = repository.verify(&["labels"]).run().exits_with(2);
    run.says(&["duplicate variable `team`", "shared/two.cases.yml:2", "shared/one.cases.yml:2"]);
    // The suite decides.
    let own = own.replace("expect", "tags: ['${team}'], expect") + "vars: { team: c }\n";
    let repository =
        repository.write("labels/suite.yml", suite("[../shared/one.cases.yml, ../shared/two.cases.yml]", &own));
    assert_eq!(repository.report(&["labels", "--tag", "c"]).names(), ["shared"]);
}

#[test]
fn circles_and_floods_of_files_end() {
    let repository = repository()
        .write("shared/pods.cases.yml", "version: 1\ninclude: [b.cases.yml]\n")
        .write("shared/b.cases.yml", "version: 1\ninclude: [./../shared/pods.cases.yml]\n");
    repository.verify(&["labels"]).run().exits_with(2).says(&[
        "shared/b.cases.yml:2",
        "is included in a circle: shared/pods.cases.yml → shared/b.cases.yml → shared/pods.cases.yml",
    ]);
    let mut repository = self::repository();
    for depth in 0..20 {
        repository =
            repository.write(&format!("shared/{depth}.yml"), format!("version: 1\ninclude: {}.yml\n", depth + 1));
    }
    let repository = repository.write("labels/suite.yml", suite("../shared/0.yml", ""));
    repository.verify(&["labels"]).run().exits_with(2).says(&["more than 8 levels deep"]);
    let mut repository = self::repository();
    for number in 0..300 {
        repository = repository.write(&format!("many/{number}.yml"), "version: 1\n");
    }
    let repository = repository.write("labels/suite.yml", suite("../many/*.yml", ""));
    repository.verify(&["labels"]).run().exits_with(2).says(&["the included files are more than 200"]);
}

/// A value of two bytes takes a hundred in memory.
#[test]
fn included_files_are_counted_by_what_they_take_in_memory() {
    let values = format!("version: 1\nx-values: [{}1]\n", "1,".repeat(240_000));
    let mut repository = repository();
    for number in 0..20 {
        repository = repository.write(&format!("many/{number}.yml"), &values);
    }
    let repository = repository.write("labels/suite.yml", suite("../many/*.yml", ""));
    repository.verify(&["labels"]).run().exits_with(2).says(&["larger than 256 MiB", "labels/suite.yml:2"]);
}

#[cfg(unix)]
#[test]
fn a_file_outside_is_not_included_through_a_link() {
    use std::os::unix::fs::symlink;

    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("secret.cases.yml"), "password: x\n").unwrap();
    let repository = repository();
    symlink(outside.path().join("secret.cases.yml"), repository.path("shared/link.cases.yml")).unwrap();
    for include in ["[../shared/link.cases.yml]", "[../shared/l*.cases.yml]"] {
        let repository = &repository;
        fs::write(repository.path("labels/suite.yml"), suite(include, "")).unwrap();
        let run = repository.verify(&["labels"]).run().named(include).exits_with(2);
        run.says(&["is outside the repository"]).never_says("password");
    }
}

#[test]
fn expectations_are_rewritten_where_they_are() {
    let repository = failing().write("shared/after.yaml", "kind: Pod\n");
    let before = repository.read("labels/suite.yml");
    let run = repository.verify(&["labels", "--bless"]).run().exits_with(0);
    run.says(&["+++ b/shared/pods.cases.yml", "of 1 case in 1 file"]);
    assert_eq!(repository.read("shared/pods.cases.yml"), PODS.replace("expect: accept", "expect: allow"));
    assert_eq!(repository.read("labels/suite.yml"), before);
    // Two suites may want the same value otherwise: then it stays.
    let repository = repository
        .write("shared/pods.cases.yml", PODS.replace("expect: allow", "expect: { deny: x }"))
        .write("other/suite.yml", suite("../shared/pods.cases.yml", "").replace("yes.wasm", "no.wasm"));
    let before = repository.read("shared/pods.cases.yml");
    let run = repository.verify(&[".", "--bless"]).run().exits_with(1);
    run.says(&["not rewritten: labels/suite.yml › shared", "expects the same value otherwise"]);
    assert_eq!(repository.read("shared/pods.cases.yml"), before);
    // What a file names as an object is no expectation in any of them.
    let case = "version: 1\ncases:\n  - { name: a, object: pod.yaml, expect: { mutate: { exactly: pod.yaml } } }\n";
    let mutating = r#"{"valid":true,"accepted":true,"mutated_object":{"apiVersion":"v1","kind":"Pod","metadata":{"name":"web","namespace":"x"},"spec":{}}}"#;
    let repository = self::repository().replying("yes", mutating).write("shared/pods.cases.yml", case);
    let pod = repository.read("shared/pod.yaml");
    let run = repository.verify(&["labels", "--bless"]).run().exits_with(1);
    run.says(&["`shared/pod.yaml` is read as a request"]);
    assert_eq!(repository.read("shared/pod.yaml"), pod);
}

/// They are answers to this suite, whoever wrote the case.
#[test]
fn snapshots_of_shared_cases_are_beside_the_suite() {
    let repository = repository()
        .write("shared/pods.cases.yml", PODS.replace("object: pod.yaml", "object: pod.yaml, snapshot: true"));
    repository.verify(&["labels", "--bless"]).run().exits_with(0).says(&["wrote 2 snapshots"]);
    assert!(repository.path("labels/snapshots/suite/shared-too.yaml").exists());
    assert!(!repository.path("shared/snapshots").exists());
    repository.report(&["labels"]).all_passed();
}

#[cfg(unix)]
#[test]
fn an_included_file_is_not_written_through_a_link() {
    let repository = failing();
    fs::rename(repository.path("shared/pods.cases.yml"), repository.path("shared/real.yml")).unwrap();
    std::os::unix::fs::symlink("real.yml", repository.path("shared/pods.cases.yml")).unwrap();
    let before = repository.read("shared/real.yml");
    repository.verify(&["labels", "--bless"]).run().exits_with(2).says(&["is a link inside the repository"]);
    assert_eq!(repository.read("shared/real.yml"), before);
}

#[test]
fn files_that_are_named_in_an_included_file_are_beside_it() {
    let cases = "version: 1
policies:
  labels:
    uri: policy.wasm
    metadata: metadata.yml
    usage: README.md
    settings: settings.yml
    variants: { other: settings/other.yml }
cases:
  - { name: a, policy: labels, object: ../shared/pod.yaml#web, unset: [], expect: { response: response.yaml } }
  - { name: b, policy: labels, variant: other, objects: '*pod.yaml', expect: accept }
";
    let repository = repository()
        .policy("safe-labels")
        .write("safe-labels/shared.cases.yml", cases)
        .write("safe-labels/README.md", "Labels.\n")
        .write("safe-labels/settings.yml", "mandatory_labels: [owner]\n")
        .write("safe-labels/settings/other.yml", "mandatory_labels: []\n")
        .write("safe-labels/response.yaml", "allowed: false\n")
        .write("safe-labels/a-pod.yaml", "apiVersion: v1\nkind: Pod\nmetadata: { name: other }\nspec: {}\n")
        .write("labels/suite.yml", "version: 1\ninclude: ../safe-labels/shared.cases.yml\n");
    let report = repository.report(&["labels"]);
    assert_eq!(report.names(), ["a", "b [Pod other (a-pod.yaml:1)]"]);
    report.all_passed();

    // One path in two files may be two modules.
    let case = |name: &str, expect: &str| {
        format!("cases:\n  - {{ name: {name}, policy: m.wasm, object: {POD}, expect: {expect} }}\n")
    };
    let (yes, no) = (fs::read(repository.path("yes.wasm")).unwrap(), fs::read(repository.path("no.wasm")).unwrap());
    let repository = repository
        .write("labels/m.wasm", no)
        .write("shared/m.wasm", yes)
        .write("shared/pods.cases.yml", format!("version: 1\n{}", case("a", "allow")))
        .write("labels/suite.yml", format!("version: 1\ninclude: ../shared/pods.cases.yml\n{}", case("b", "deny")));
    let report = repository.report(&["labels"]);
    report.all_passed();
    assert_eq!((&report.case("a")["policy"], &report.case("b")["policy"]), (&json!("m.wasm"), &json!("labels/m.wasm")));
    // Alone, the file is no suite.
    let alone = repository.write("shared/pods.cases.yml", PODS).verify(&["shared/pods.cases.yml"]).run().exits_with(2);
    alone.says(&["the suite has no policy", "run a suite that includes this file"]);
}
