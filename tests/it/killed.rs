//! Runs that are killed, and runs side by side: stores, caches and reports hold whole files or none.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::fetching::{accepting, repository};
use crate::support::registry::FakeRegistry;
use crate::support::{POD, Report, Repository, Verify, guests};

const POLICIES: usize = 4;

/// Policies with modules of some size, so that a kill meets them half way.
fn registry() -> (FakeRegistry, Vec<(String, String)>) {
    let fake = FakeRegistry::start();
    let policies = (0..POLICIES).map(|number| {
        let name = format!("p{number}");
        fake.add_policy(&name, "v1", &large(&name));
        (name.clone(), format!("registry://{}/{name}:v1", fake.host()))
    });
    let policies = policies.collect();
    (fake, policies)
}

fn large(name: &str) -> Vec<u8> {
    guests::padded(accepting(name), 256 * 1024)
}

fn of(fake: &FakeRegistry, policies: &[(String, String)]) -> Repository {
    let policies: Vec<(&str, &str)> = policies.iter().map(|(name, uri)| (name.as_str(), uri.as_str())).collect();
    repository(fake, &policies)
}

/// All files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// Every file of the store is the module of its policy.
fn check_store(repository: &Repository, whole: &BTreeMap<String, Vec<u8>>) -> usize {
    let found = files(&repository.path(".git/home/.cache/kubewarden/store"));
    for path in &found {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        assert!(fs::read(path).unwrap() == whole[&name], "{}", path.display());
    }
    found.len()
}

#[test]
fn a_fetch_that_is_killed_leaves_nothing_wrong() {
    let (fake, policies) = registry();
    let whole: BTreeMap<String, Vec<u8>> =
        policies.iter().map(|(name, _)| (format!("{name}:v1"), large(name))).collect();
    let repository = of(&fake, &policies);
    let cache = repository.path(".git/home/.cache");
    let mut counts = [0_usize; POLICIES + 1];
    for round in 0..50_u64 {
        let _ = fs::remove_dir_all(&cache);
        let before = fake.seen().len();
        fake.latency(Duration::from_millis(10));
        let mut child = repository.verify(&[]).start();
        // From the first request to some time after the last, on a machine of any speed.
        let asked = before + usize::try_from(round).unwrap() % (2 * POLICIES + 2);
        while fake.seen().len() < asked && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_millis(round * 7 % 60));
        child.kill().unwrap();
        child.wait().unwrap();
        counts[check_store(&repository, &whole)] += 1;
        fake.latency(Duration::ZERO);
        repository.verify(&[]).run().exits_with(0).says(&[&format!("{POLICIES} passed")]);
        assert_eq!(check_store(&repository, &whole), POLICIES, "after kill {round}");
    }
    assert!(counts.iter().filter(|count| **count > 0).count() > 1, "every kill came too early or too late: {counts:?}");
}

#[test]
fn two_runs_share_an_empty_store() {
    let (fake, policies) = registry();
    fake.latency(Duration::from_millis(10));
    let repository = of(&fake, &policies);
    let children: Vec<_> = (0..2).map(|_| repository.verify(&[]).start()).collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
    }
    for (name, _) in &policies {
        let fetched = fake.count("GET", &format!("/v2/{name}/blobs/"));
        assert!((1..=2).contains(&fetched), "{name}: {fetched}");
    }
    let whole = policies.iter().map(|(name, _)| (format!("{name}:v1"), large(name))).collect();
    assert_eq!(check_store(&repository, &whole), POLICIES);
}

/// Moments of a run, at random. The seed is named where a test fails; `VERIFY_TEST_SEED` repeats it.
struct Moments {
    seed: u64,
    state: u64,
}

impl Moments {
    fn new() -> Self {
        let given = std::env::var("VERIFY_TEST_SEED").ok().map(|seed| seed.parse().unwrap());
        let now = std::time::UNIX_EPOCH.elapsed().unwrap();
        let seed = given.unwrap_or_else(|| u64::from(now.subsec_nanos()) ^ now.as_secs());
        Self { seed, state: seed }
    }

    /// The next moment before `end`: xorshift, on a multiple of the golden ratio.
    fn before(&mut self, end: Duration) -> Duration {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)) >> 11;
        end.mul_f64(mixed as f64 / (1_u64 << 53) as f64)
    }
}

/// The reports of a run.
const REPORTS: [&str; 5] = ["a.json", "a.xml", "a.ndjson", "a.sarif", "a.html"];

/// A suite whose run is work of its host for the most part, and a cache of code.
struct Busy {
    repository: Repository,
    cache: tempfile::TempDir,
}

impl Busy {
    fn new() -> Self {
        // Each match of this search looks through the rest of the text.
        let text = format!("\"{}\"", "A".repeat(6_000));
        let search = guests::opa_calling("regex.find_n", &["\".*[^A-Z]|[A-Z]\"".to_owned(), text, "-1".to_owned()]);
        let mut suite =
            "version: 1\npolicies:\n  yes: { uri: yes.wasm }\n  busy: { uri: busy.wasm, executionMode: opa }\n\
                         cases:\n"
                .to_owned();
        for number in 0..4 {
            suite +=
                &format!("  - {{ name: yes {number}, policy: yes, object: {POD}, timeout: 60s, expect: allow }}\n");
            suite += &format!("  - {{ name: no {number}, policy: yes, object: {POD}, timeout: 60s, expect: deny }}\n");
            suite +=
                &format!("  - {{ name: busy {number}, policy: busy, object: {POD}, timeout: 60s, expect: allow }}\n");
        }
        let repository = Repository::with_suite(&suite)
            .replying("yes", r#"{"valid":true,"accepted":true}"#)
            .write("busy.wasm", search);
        Self { repository, cache: tempfile::tempdir().unwrap() }
    }

    fn verify(&self) -> Verify {
        let reports = ["--report=json=a.json", "--report=junit=a.xml", "--report=ndjson=a.ndjson"];
        let more = ["--report=sarif=a.sarif", "--report=html=a.html", "-j2", "--compiler=cranelift"];
        self.repository.verify(&[&reports[..], &more].concat()).env("VERIFY_CODE_CACHE", self.cache.path())
    }

    /// A whole run, which has the right result, and how long it took.
    fn run(&self, hint: &str) -> Duration {
        let start = Instant::now();
        self.verify().run().named(hint).exits_with(1).says(&["12 tests: 8 passed, 4 failed"]);
        let took = start.elapsed();
        let report = Report(self.repository.read_json("a.json"));
        for case in report.cases() {
            let expected = if case["name"].as_str().unwrap().starts_with("no") { "failed" } else { "passed" };
            assert_eq!(case["outcome"], expected, "{hint}: {case:#}");
        }
        self.check_reports(hint);
        took
    }

    /// Every report can be read: the one of an earlier run, or that of the run that was ended.
    fn check_reports(&self, hint: &str) {
        for file in REPORTS {
            // A stream begins anew with its run.
            let text = self.repository.read(file);
            let is_whole = match file.rsplit_once('.').unwrap().1 {
                "json" | "sarif" => serde_json::from_str::<Value>(&text).is_ok(),
                "ndjson" => text.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()),
                "xml" => roxmltree::Document::parse(&text).is_ok(),
                _ => text.ends_with("</html>\n"),
            };
            assert!(is_whole, "{hint}: {file}:\n{text}");
        }
    }

    /// What is in the cache, by path. A process that compiled for a run that was killed may still write: what it has not
    /// finished is no part of the cache.
    fn cached(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let is_finished = |path: &PathBuf| !path.file_name().unwrap().to_string_lossy().starts_with(".verify-");
        let paths = files(self.cache.path()).into_iter().filter(is_finished);
        paths.filter_map(|path| Some((path.clone(), fs::read(path).ok()?))).collect()
    }

    /// Ends runs at moments of theirs, and looks at what they leave. `end` gives whether it was in time.
    fn is_ended(&self, times: usize, end: impl Fn(std::process::Child) -> bool) {
        let whole = self.run("the first run");
        let mut moments = Moments::new();
        let mut in_time = 0;
        for round in 0..times {
            // Every other run has to compile as well.
            if round % 2 == 0 {
                files(self.cache.path()).iter().for_each(|path| drop(fs::remove_file(path)));
            }
            let moment = moments.before(whole);
            let hint = format!("VERIFY_TEST_SEED={}, round {round}, after {moment:?}", moments.seed);
            let child = self.verify().start();
            std::thread::sleep(moment);
            in_time += usize::from(end(child));
            self.check_reports(&hint);
            let kept = self.cached();
            self.run(&hint);
            // What was kept was whole: else it would have been made again.
            let now = self.cached();
            for (path, bytes) in kept.iter().filter(|(path, _)| now.contains_key(*path)) {
                assert!(now[path] == *bytes, "{hint}: {}", path.display());
            }
        }
        assert!(in_time > times / 5, "{in_time} of {times} were in time, with VERIFY_TEST_SEED={}", moments.seed);
    }
}

#[test]
fn a_run_that_is_killed_leaves_whole_reports_and_caches() {
    Busy::new().is_ended(50, |mut child| {
        let is_running = child.try_wait().unwrap().is_none();
        child.kill().unwrap();
        child.wait().unwrap();
        is_running
    });
}

#[cfg(unix)]
#[test]
fn a_run_that_is_interrupted_leaves_whole_reports_and_caches() {
    for signal in ["INT", "TERM"] {
        Busy::new().is_ended(20, |child| {
            let begun = Instant::now();
            // It fails only for a process that is over.
            std::process::Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()]).output().unwrap();
            let output = child.wait_with_output().unwrap();
            let told = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(begun.elapsed() < Duration::from_secs(10), "{:?}: {told}", begun.elapsed());
            // Before it listens to signals, the system ends it.
            assert!(matches!(output.status.code(), Some(130 | 1) | None), "{:?}: {told}", output.status);
            output.status.code() == Some(130)
        });
    }
}
