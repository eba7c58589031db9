//! Ctrl-C, SIGTERM and SIGHUP: the process ends at once with exit code 130, and nothing is left half done.
#![cfg(unix)]

use std::fs;
use std::io::Read as _;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::fetching;
use crate::publish;
use crate::support::registry::FakeRegistry;
use crate::support::{POD, Repository, Verify, guests};

/// Long after any test here should be over.
const LONG: Duration = Duration::from_secs(60);

/// How long servers take for each answer, where a signal is to find somebody waiting.
const SLOW: Duration = Duration::from_secs(1);

/// At once, on a machine that has much else to do.
const AT_ONCE: Duration = Duration::from_secs(4);

/// The signals that end a run. Under `nohup`, of which its processes inherit it, the tests cannot send SIGHUP.
fn signals() -> impl Iterator<Item = &'static str> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    ["INT", "TERM", "HUP"].into_iter().filter(move |signal| *signal != "HUP" || ignored & 1 == 0)
}

fn send(signal: &str, child: &Child) {
    // It fails only for a process that is over.
    Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()]).output().unwrap();
}

/// Waits until something holds of a process that runs.
#[track_caller]
fn wait_until(child: &mut Child, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        if let Some(status) = child.try_wait().unwrap() {
            let mut told = String::new();
            child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
            panic!("it ended too early, {status}: {told}");
        }
        assert!(begun.elapsed() < LONG, "it never happened");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// How a process ended after a signal, how long that took, and what it said on stderr.
fn end(signal: &str, child: Child) -> (Option<i32>, Duration, String) {
    let begun = Instant::now();
    send(signal, &child);
    let output = child.wait_with_output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    (output.status.code(), begun.elapsed(), told)
}

/// Nine cases of which the fifth never ends, and reports of earlier runs.
fn endless() -> Repository {
    let case = |n: usize| {
        let policy = if n == 4 { "endless" } else { "yes" };
        format!("  - {{ name: case {n}, policy: {policy}, object: {POD}, expect: allow, timeout: 10m }}\n")
    };
    let cases: String = (0..9).map(case).collect();
    Repository::with_suite(&format!(
        "version: 1\nname: s\npolicies: {{ yes: {{ uri: yes.wasm }}, endless: {{ uri: endless.wasm }} }}\ncases:\n{cases}"
    ))
    .replying("yes", r#"{"valid":true,"accepted":true}"#)
    .write("endless.wasm", wat::parse_str(ENDLESS).unwrap())
    .write("old.xml", "<old/>")
}

/// Takes any settings, and never answers a request. The operations are told apart by the lengths of their names.
const ENDLESS: &str = r#"(module
  (import "wapc" "__guest_response" (func $respond (param i32 i32)))
  (memory (export "memory") 1)
  (data (i32.const 1024) "{\"valid\":true}")
  (func (export "__guest_call") (param i32 i32) (result i32)
    (if (i32.eq (local.get 0) (i32.const 8)) (then (loop $for_ever (br $for_ever))))
    (call $respond (i32.const 1024) (i32.const 14))
    (i32.const 1)))"#;

/// Starts that suite, and waits until the cases before the endless one are over.
fn start(repository: &Repository, verify: Verify) -> Child {
    let mut child = verify.arg("-j1").arg("--report=ndjson=a.ndjson").start();
    let path = repository.path("a.ndjson");
    wait_until(&mut child, || fs::read_to_string(&path).is_ok_and(|text| text.lines().count() == 5));
    // Now the endless case runs, or is about to.
    std::thread::sleep(Duration::from_millis(20));
    child
}

#[test]
fn reports_tell_what_finished_before_the_signal_and_what_did_not_run() {
    for signal in signals() {
        let repository = endless();
        let arguments = ["--report=junit=a.xml", "--report=junit=old.xml", "--report=json=a.json", "--no-fail"];
        let verify = repository.verify(&arguments).on_github().env("GITHUB_OUTPUT", repository.path("out"));
        let (code, time, told) = end(signal, start(&repository, verify));
        assert_eq!(code, Some(130), "{told}");
        assert!(time < AT_ONCE, "{time:?}");
        assert!(told.contains("interrupted: 5 of 9 tests did not run"), "{told}");
        let report = repository.read_json("a.json");
        let summary = &report["summary"];
        assert_eq!((&summary["passed"], &summary["not_run"]), (&Value::from(4), &Value::from(5)));
        assert_eq!(report["cases"][4]["skip_reason"], "the run was interrupted");
        for file in ["a.xml", "old.xml"] {
            let text = repository.read(file);
            let document = roxmltree::Document::parse(&text).unwrap();
            assert_eq!(document.descendants().filter(|node| node.has_tag_name("testcase")).count(), 9);
        }
        assert!(repository.read("out").contains("conclusion=error\n"));
        // What was not run is run by the next one, and the stream is whole.
        for file in ["a.json", "a.ndjson"] {
            let list = repository.verify(&["list", &format!("--failed={file}")]).run().exits_with(0).stdout;
            assert_eq!(list.lines().count(), 5, "{list}");
        }
        repository.verify(&["merge", "a.ndjson"]).run().exits_with(1).says(&["4 passed, 5 not run"]);
    }
}

/// Each match of this search looks through the rest of the text, so that all of them take hours.
#[test]
fn work_on_the_host_ends_with_the_run() {
    let arguments = ["\".*[^A-Z]|[A-Z]\"".to_owned(), format!("\"{}\"", "A".repeat(2_000_000)), "-1".to_owned()];
    let repository = endless();
    let suite = repository.read("suite.yml").replace("endless.wasm", "endless.wasm, executionMode: opa");
    let repository =
        repository.write("suite.yml", suite).write("endless.wasm", guests::opa_calling("regex.find_n", &arguments));
    let (code, time, told) = end("INT", start(&repository, repository.verify(&["--report=json=a.json"])));
    assert_eq!(code, Some(130), "{told}");
    assert!(time < AT_ONCE, "{time:?}");
    let report = repository.read_json("a.json");
    assert_eq!((&report["summary"]["passed"], &report["summary"]["not_run"]), (&Value::from(4), &Value::from(5)));
    assert_eq!(report["cases"][4]["skip_reason"], "the run was interrupted");
}

/// Whoever starts a program with `nohup` wants it to outlive the terminal.
#[cfg(target_os = "linux")]
#[test]
fn a_hangup_that_is_ignored_stays_ignored() {
    let repository = endless();
    let verify = repository.shell("trap '' HUP; exec verify -j1 --report=ndjson=a.ndjson");
    let mut child = verify.start();
    let path = repository.path("a.ndjson");
    wait_until(&mut child, || fs::read_to_string(&path).is_ok_and(|text| text.lines().count() == 5));
    send("HUP", &child);
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(child.try_wait().unwrap(), None, "it runs on");
    let (code, _, told) = end("TERM", child);
    assert_eq!(code, Some(130), "{told}");
}

#[test]
fn interrupted_run_ends_although_its_output_is_not_read() {
    for (signals, most) in [(&["TERM", "INT"] as &[&str], AT_ONCE), (&["INT"], AT_ONCE + Duration::from_secs(5))] {
        let repository = endless();
        let verify = repository.verify(&["--filter=case [0-3]", "--report=junit=a.xml"]);
        let (mut child, unread) = verify.start_unread();
        // Files are written first; then the human report meets the full pipe.
        let begun = Instant::now();
        while !repository.path("a.xml").exists() {
            assert!(begun.elapsed() < LONG && child.try_wait().unwrap().is_none());
            std::thread::sleep(Duration::from_millis(2));
        }
        let begun = Instant::now();
        for signal in signals {
            std::thread::sleep(Duration::from_millis(200));
            assert!(child.try_wait().unwrap().is_none(), "something read it");
            send(signal, &child);
        }
        while child.try_wait().unwrap().is_none() {
            if begun.elapsed() > most {
                child.kill().unwrap();
                panic!("{signals:?} did not end it");
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        assert_eq!(child.wait().unwrap().code(), Some(130));
        drop(unread);
    }
}

#[test]
fn a_run_that_was_interrupted_publishes_nothing() {
    let target = FakeRegistry::start();
    let publish = "publish:\n  - { policy: yes, to: HOST/acme/yes, tags: [v1] }\n".replace("HOST", &target.host());
    let repository = endless();
    let text = repository.read("suite.yml").replace("yes.wasm }", "yes.wasm, metadata: metadata.yml }") + &publish;
    let repository = repository
        .write("suite.yml", text)
        .write("yes.wasm", publish::accepting("yes"))
        .write("metadata.yml", publish::METADATA)
        .write("sources.yaml", target.sources());
    // All cases of `yes` are over.
    let verify = repository.verify(&["--push", "--sources-path=sources.yaml", "--report=json=a.json"]);
    let (code, _, told) = end("INT", start(&repository, verify));
    assert_eq!(code, Some(130), "{told}");
    assert!(target.take_seen().is_empty(), "{:?}", target.take_seen());
    assert!(repository.read_json("a.json").get("published").is_none());
}

#[test]
fn a_fetch_ends_at_once_and_leaves_no_report() {
    for signal in ["INT", "TERM"] {
        // A registry for each: requests of a process that has ended may still arrive.
        let fake = FakeRegistry::start();
        fake.add_policy("acme/p", "v1", &fetching::accepting("p"));
        fake.latency(SLOW);
        let uri = format!("registry://{}/acme/p:v1", fake.host());
        let repository =
            fetching::repository(&fake, &[("p", &uri)]).write("old.json", "{}").write("old.ndjson", "{}\n");
        let reports =
            ["--report=junit=a.xml", "--report=json=old.json", "--report=ndjson=old.ndjson", "--report=html=a.html"];
        let asked = fake.seen().len();
        let mut child = repository.verify(&reports).start();
        wait_until(&mut child, || fake.seen().len() > asked);
        let (code, time, told) = end(signal, child);
        assert_eq!(code, Some(130), "{told}");
        assert!(time < AT_ONCE, "{time:?}");
        assert!(told.contains("interrupted before any case was run; no report was written"), "{told}");
        assert!(!repository.path("a.xml").exists() && !repository.path("a.html").exists());
        assert_eq!((repository.read("old.json"), repository.read("old.ndjson")), ("{}".into(), "{}\n".into()));
    }
}

/// A registry that takes its time, and a suite whose policy passes and goes there.
fn publishing(latency: Duration) -> (FakeRegistry, Repository) {
    let target = FakeRegistry::start();
    target.latency(latency);
    let suite = format!(
        "version: 1\npolicies: {{ p: {{ uri: p.wasm, metadata: metadata.yml }} }}\n\
         cases: [{{ name: a, object: {POD}, expect: allow }}]\n\
         publish: [{{ policy: p, to: {}/acme/p, tags: [v1, latest] }}]\n",
        target.host()
    );
    let repository = Repository::with_suite(&suite)
        .write("p.wasm", publish::accepting("p"))
        .write("metadata.yml", publish::METADATA)
        .write("sources.yaml", target.sources());
    (target, repository)
}

#[test]
fn a_push_ends_at_once_whenever_the_signal_comes_and_every_tag_leads_to_something_whole() {
    let flags = ["--push", "--sources-path=sources.yaml", "--report=junit=a.xml"];
    let (target, repository) = publishing(Duration::from_millis(60));
    repository.verify(&flags).run().exits_with(0);
    let requests = target.take_seen().len();
    assert!(requests > 5, "{requests}");
    let mut interrupted = 0;
    for answered in (1..requests).step_by(2) {
        let (target, repository) = publishing(Duration::from_millis(60));
        let mut child = repository.verify(&flags).start();
        // On a busy machine the process may be over before we know how far it is.
        let mut seen = 0;
        while seen < answered && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(2));
            seen += target.take_seen().len();
        }
        let (code, time, told) = end(["INT", "TERM"][answered / 2 % 2], child);
        if code == Some(0) {
            continue;
        }
        interrupted += 1;
        assert_eq!(code, Some(130), "{answered}: {told}");
        assert!(time < AT_ONCE, "{time:?}");
        assert!(told.contains("interrupted while publishing; no report was written"), "{told}");
        assert!(told.contains("What was already uploaded is not signed by the action"), "{told}");
        assert!(!repository.path("a.xml").exists());
        target.content().is_consistent();
        // The same command goes on from there.
        repository.verify(&flags).run().exits_with(0).says(&["Policy successfully pushed"]);
        target.content().is_consistent();
    }
    assert!(interrupted > requests / 4, "{interrupted} of {requests}");
}

#[test]
fn a_dry_run_publishes_nothing_that_could_be_half_done_and_writes_its_reports() {
    let (target, repository) = publishing(Duration::from_millis(400));
    let flags = ["--push", "--dry-run", "--sources-path=sources.yaml", "--report=json=a.json"];
    let mut child = repository.verify(&flags).start();
    wait_until(&mut child, || !target.take_seen().is_empty());
    let (code, time, told) = end("INT", child);
    assert_eq!(code, Some(130), "{told}");
    assert!(time < AT_ONCE && !told.contains("interrupted while publishing"), "{time:?} {told}");
    assert!(told.contains("interrupted: 0 of 1 tests did not run"), "{told}");
    let report = repository.read_json("a.json");
    assert_eq!((&report["summary"]["passed"], &report["published"][0]["policy"]), (&Value::from(1), &Value::from("p")));
}

#[test]
fn a_push_of_a_module_ends_at_once_too() {
    let target = FakeRegistry::start();
    target.latency(SLOW);
    let repository = Repository::new().write("p.wasm", publish::accepting("p")).write("sources.yaml", target.sources());
    let to = format!("registry://{}/acme/p:v1", target.host());
    let mut child = repository.verify(&["push", "p.wasm", &to, "--force", "--sources-path=sources.yaml"]).start();
    wait_until(&mut child, || !target.take_seen().is_empty());
    let (code, time, told) = end("TERM", child);
    assert_eq!(code, Some(130), "{told}");
    assert!(time < AT_ONCE && told.contains("interrupted while publishing"), "{time:?} {told}");
}
