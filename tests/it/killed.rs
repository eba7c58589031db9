//! Runs that are killed, and runs side by side: the store holds whole files or none.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::fetching::{accepting, repository};
use crate::support::registry::FakeRegistry;
use crate::support::{Repository, guests};

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
