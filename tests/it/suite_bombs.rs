//! Suites and fixtures that would take all memory, or minutes, are mistakes with a place and a remedy.

use crate::support::{POD, Repository};

/// The mistakes of a suite, whose policy is there.
fn mistakes(repository: Repository) -> String {
    let repository = repository.replying("p", r#"{"valid":true,"accepted":true}"#);
    let run = repository.verify(&["list"]).run().exits_with(2);
    assert!(run.stderr.len() < 100_000, "{} bytes", run.stderr.len());
    run.stderr
}

fn with_suite(rest: &str) -> Repository {
    Repository::with_suite(&format!("version: 1\npolicies: {{ p: {{ uri: p.wasm }} }}\n{rest}"))
}

/// Variables that each name the one before, with `form` for the value.
fn chained(first: &str, number: usize, form: impl Fn(&str) -> String, last: &str) -> String {
    let mut vars = format!("vars:\n  a0: {first}\n");
    for index in 1..number {
        vars += &format!("  a{index}: {}\n", form(&format!("${{a{}}}", index - 1)));
    }
    format!("{vars}cases: [{{ name: n, raw: {{ x: \"{last}\" }}, expect: allow }}]\n")
}

#[test]
fn larger_files_are_read_where_the_run_says_so() {
    let values =
        |number: usize| format!("apiVersion: v1\nkind: ConfigMap\ndata: {{ list: [{}] }}\n", "1,".repeat(number));
    let suite = "version: 1\npolicies: { p: { uri: p.wasm } }\n\
                 cases: [{ name: a, object: big.yaml, expect: allow }]\n";
    let repository = Repository::with_suite(suite).replying("p", "{}").write("big.yaml", values(260_000));
    let list = |more: &[&str]| repository.verify(&[&["list"], more].concat()).run();
    list(&[]).exits_with(2).says(&["more values than are read", "big.yaml:3", "--max-file-size"]);
    list(&["--max-file-size=32MiB"]).exits_with(0);
    list(&["--max-file-size=100KiB"]).exits_with(2).says(&["it is larger than 102400 bytes", "--max-file-size"]);
}

#[test]
fn variables_that_double_are_a_mistake() {
    let texts = chained("xxxxxxxx", 45, |before| format!("\"{before}{before}\""), "${a44}");
    let lists = chained("[x]", 45, |before| format!("[\"{before}\", \"{before}\"]"), "${a44}");
    let maps = chained("{ a: x }", 45, |before| format!("{{ a: \"{before}\", b: \"{before}\" }}"), "${a44}");
    // Not in one place, but in many.
    let many = format!(
        "vars: {{ big: {} }}\ncases:\n  - name: n ${{n}}\n    matrix: {{ n: [{}] }}\n    raw: {{ x: \"${{big}}\" }}\n    expect: allow\n",
        "x".repeat(1 << 20),
        (0..200).map(|number| number.to_string()).collect::<Vec<_>>().join(", ")
    );
    for suite in [texts, lists, maps, many] {
        let stderr = mistakes(with_suite(&suite));
        assert!(stderr.contains("variables make the suite larger than 64 MiB"), "{stderr}");
        assert!(stderr.contains("suite.yml:") && stderr.contains("help: use variables that are smaller"), "{stderr}");
        assert!(stderr.contains("invalid suite: 1 mistake;"), "{stderr}");
    }
}

#[test]
fn variables_that_nest_are_a_mistake() {
    for form in [|before: &str| format!("[\"{before}\"]"), |before: &str| format!("{{ a: \"{before}\" }}")] {
        let stderr = mistakes(with_suite(&chained("[x]", 3_000, form, "${a2999}")));
        assert!(stderr.contains("the variable `a199` is nested deeper than 200 levels"), "{stderr}");
        assert!(stderr.contains("suite.yml:") && stderr.contains("fewer levels"), "{stderr}");
    }
}

#[test]
fn too_many_cases_are_a_mistake_before_they_are_read() {
    let numbers = |most: usize| (0..most).map(|number| number.to_string()).collect::<Vec<_>>().join(", ");
    let matrix = format!("{{ a: [{}], b: [{}] }}", numbers(1000), numbers(100));
    let case =
        |name: &str, table: &str| format!("  - {{ name: \"{name} ${{a}}\", {table}, object: {POD}, expect: allow }}\n");
    let matrices: String =
        (0..10).map(|number| case(&format!("{number} ${{b}}"), &format!("matrix: {matrix}"))).collect();
    let stderr = mistakes(with_suite(&format!("cases:\n{matrices}")));
    assert!(stderr.contains("with this one, the suite has more than 100000 cases\n  suite.yml:5:"), "{stderr}");
    assert!(stderr.contains("help: make fewer cases of `each`, `matrix` and `objects`"), "{stderr}");
}

#[test]
fn rows_and_objects_together_are_counted() {
    let rows: String = (0..30_000).map(|number| format!("      - {{ a: {number} }}\n")).collect();
    let suite = format!("cases:\n  - name: n ${{a}}\n    objects: all.yaml\n    expect: allow\n    each:\n{rows}");
    let all: Vec<String> = (0..1_000)
        .map(|number| format!("{{ apiVersion: v1, kind: Pod, metadata: {{ name: a{number} }} }}\n"))
        .collect();
    let stderr = mistakes(with_suite(&suite).write("all.yaml", all.join("---\n")));
    assert!(stderr.contains("with this one, the suite has more than 100000 cases"), "{stderr}");
}

#[test]
fn requests_of_all_cases_are_counted_in_bytes() {
    let numbers: Vec<String> = (0..100).map(|number| number.to_string()).collect();
    let suite = format!(
        "cases:\n  - name: n ${{a}}\n    matrix: {{ a: [{}] }}\n    object: pod.json\n    set: {{ metadata.name: \"n-${{a}}\" }}\n    expect: allow\n",
        numbers.join(", ")
    );
    let pod = format!(
        r#"{{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"a","annotations":{{"a":"{}"}}}}}}"#,
        "x".repeat(15 << 20)
    );
    let stderr = mistakes(with_suite(&suite).write("pod.json", pod));
    assert!(stderr.contains("with this one, the requests of the suite are larger than 512 MiB"), "{stderr}");
}

#[test]
fn files_are_counted_by_what_they_take_in_memory() {
    let list = |item: &str, number: usize| format!("{{\"l\":[{}]}}", vec![item; number].join(","));
    let one = "cases: [{ name: n, raw: big.json, expect: allow }]\n";
    let stderr = mistakes(with_suite(one).write("big.json", list("{\"a\":1}", 1_500_000)));
    assert!(stderr.contains("`big.json` would take more than 128 MiB of memory\n  suite.yml:3:"), "{stderr}");
    assert!(stderr.contains("help: name smaller files"), "{stderr}");
    let cases: String =
        (0..12).map(|number| format!("  - {{ name: n{number}, raw: f{number}.json, expect: allow }}\n")).collect();
    let each = list("{}", 150_000);
    let repository = (0..12).fold(with_suite(&format!("cases:\n{cases}")), |repository, number| {
        repository.write(&format!("f{number}.json"), &each)
    });
    let stderr = mistakes(repository);
    assert!(stderr.contains("the files of the suite would take more than 1024 MiB of memory"), "{stderr}");
}

#[test]
fn long_words_are_told_in_short() {
    let key = "k".repeat(60_000);
    let suite = format!("cases: [{{ name: n, object: pod.json, unset: [metadata.labels.{key}], expect: allow }}]\n");
    let pod =
        format!(r#"{{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"a","labels":{{"{}j":"1"}}}}}}"#, &key[1..]);
    let stderr = mistakes(with_suite(&suite).write("pod.json", pod));
    assert!(stderr.contains("more bytes)") && stderr.contains("suite.yml:3:"), "{stderr}");
}

#[test]
fn no_file_is_read_after_the_last_mistake_that_is_told() {
    let suite = "cases: [{ name: n, objects: \"f/*.yaml\", expect: allow }]\n";
    let repository = (0..3_000)
        .fold(with_suite(suite), |repository, number| repository.write(&format!("f/{number:04}.yaml"), "a: [\n"));
    let stderr = mistakes(repository);
    assert!(stderr.contains("f/0999.yaml") && !stderr.contains("f/1000.yaml"), "{}", &stderr[stderr.len() - 2_000..]);
    assert!(stderr.contains("invalid suite: 1000 mistakes"), "{}", &stderr[stderr.len() - 2_000..]);
}

#[cfg(unix)]
#[test]
fn no_glob_walks_out_of_the_repository() {
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("other.txt"), "").unwrap();
    for glob in ["**/*.yaml", "x/**/*.yaml", "x/*/a.yaml", "*/a/*.yaml"] {
        let suite = format!("cases: [{{ name: n, objects: \"{glob}\", expect: allow }}]\n");
        let repository = with_suite(&suite);
        std::os::unix::fs::symlink(outside.path(), repository.path("x")).unwrap();
        let stderr = mistakes(repository);
        assert!(stderr.contains("error[PV066]: `x` is outside the repository\n  suite.yml:3:"), "{glob}: {stderr}");
        assert!(stderr.contains("help: move the file into the repository"), "{stderr}");
    }
}
