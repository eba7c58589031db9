//! Which part of the selected cases one of several machines runs.
//!
//! Every shard computes the whole division and takes its part, so shards need not know of each other; they agree as
//! long as they are given the same suites, flags and timings. Whether they did is checked when their reports are merged.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use policy_verify_model::code::Code;
use policy_verify_model::diagnostic::Diagnostic;
use policy_verify_model::outcome::{PartitionBy, RunReport, Shard};
use policy_verify_model::suite::Suite;

use super::selected::{PolicyKey, Selected, SelectedCase, used_policies};

/// Upper limit of shards.
const MAX_SHARDS: usize = 10_000;

/// What a module counts for that no report knows: compiling usually takes about that long.
const UNKNOWN_MODULE: Duration = Duration::from_millis(1_000);

/// What a case counts for that no report knows.
const UNKNOWN_CASE: Duration = Duration::from_millis(1);

/// `hash:2/3` or `policy:2/3`: one of several parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Partition {
    by: PartitionBy,
    /// Which part, counted from 1.
    number: usize,
    /// Of how many.
    of: usize,
}

impl FromStr for Partition {
    type Err = Diagnostic;

    fn from_str(text: &str) -> Result<Self, Diagnostic> {
        let form = || {
            Diagnostic::new(
                Code::Usage,
                format!("invalid partition `{text}`: expected hash:M/N or policy:M/N, 1 ≤ M ≤ N"),
            )
        };
        let (by, part) = text.split_once(':').ok_or_else(form)?;
        let by = match by {
            "hash" => PartitionBy::Hash,
            "policy" => PartitionBy::Policy,
            _ => return Err(form()),
        };
        let (number, of) = part.split_once('/').ok_or_else(form)?;
        let parse = |text: &str| text.parse::<usize>().map_err(|_| form());
        let (number, of) = (parse(number)?, parse(of)?);
        if number == 0 || number > of || of > MAX_SHARDS {
            return Err(form());
        }
        Ok(Self { by, number, of })
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}/{}", self.by.word(), self.number, self.of)
    }
}

/// How long cases and modules took in an earlier run.
#[derive(Debug, Clone, Default)]
pub struct Timings {
    cases: HashMap<String, Duration>,
    /// By path of the suite and name of the policy.
    policies: HashMap<(String, String), Duration>,
}

impl Timings {
    /// The times of a finished run.
    pub fn of(run: &RunReport) -> Self {
        let suite = |index: usize| run.suites.get(index).map_or_else(String::new, |suite| suite.path.clone());
        let policies = run.policies.iter().map(|it| ((suite(it.suite), it.name.clone()), it.compile_time));
        Self { cases: run.cases.iter().map(|it| (it.id.clone(), it.duration)).collect(), policies: policies.collect() }
    }
}

/// The part of `whole` that `partition` takes.
pub(super) fn take<'a>(
    partition: Partition,
    timings: &Timings,
    suites: &'a [Suite],
    whole: Selected<'a>,
) -> Selected<'a> {
    let shard = Shard {
        by: partition.by,
        number: partition.number,
        of: partition.of,
        total: whole.cases.len(),
        fingerprint: fingerprint(&whole),
    };
    let owner: Box<dyn Fn(Part<'_>) -> usize> = match partition.by {
        PartitionBy::Hash => Box::new(|part| by_hash(part, suites, partition.of)),
        PartitionBy::Policy => {
            let owners = by_policy(timings, suites, &whole, partition.of);
            Box::new(move |part| owners.get(&module_of(part, suites)).copied().unwrap_or(0))
        }
    };
    let is_mine = |part: Part<'_>| owner(part) == partition.number - 1;
    let used = used_policies(suites, &whole.cases);
    let cases: Vec<_> = whole.cases.into_iter().filter(|selected| is_mine(Part::Case(*selected))).collect();
    let mut policies = used_policies(suites, &cases);
    // Policies that no case uses belong to one shard too.
    let idle = whole.policies.into_iter().filter(|policy| !used.contains(policy));
    policies.extend(idle.filter(|key| is_mine(Part::IdlePolicy(*key))));
    Selected { cases, policies: policies.into_iter().collect(), total: whole.total, shard: Some(shard) }
}

/// What is given to one of the shards.
#[derive(Clone, Copy)]
enum Part<'a> {
    /// A case.
    Case(SelectedCase<'a>),
    /// A policy that no case uses.
    IdlePolicy(PolicyKey),
}

/// Tells whether two shards divided the same cases.
fn fingerprint(whole: &Selected<'_>) -> String {
    let mut hash = Sha256::new();
    for selected in &whole.cases {
        hash.update(selected.case.id.as_bytes());
        hash.update(b"\n");
    }
    hex::encode(&hash.finalize()[..8])
}

/// By the hash of the full name, so that a new case moves no other.
fn by_hash(part: Part<'_>, suites: &[Suite], of: usize) -> usize {
    let name = match part {
        Part::Case(selected) => selected.case.id.clone(),
        Part::IdlePolicy(key) => format!("{} › policy {}", suites[key.suite.0].name, key.spec(suites).name),
    };
    let digest = Sha256::digest(name);
    let number = digest.iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    // The remainder is smaller than a usize.
    (number % of as u64) as usize
}

/// One of the modules that a part needs; the others are on the same shard.
fn module_of(part: Part<'_>, suites: &[Suite]) -> String {
    match part {
        Part::Case(selected) => {
            used_policies(suites, &[selected]).first().map_or_else(String::new, |it| module(suites, *it))
        }
        Part::IdlePolicy(key) => module(suites, key),
    }
}

fn module(suites: &[Suite], key: PolicyKey) -> String {
    format!("{:?}", key.spec(suites).uri.value)
}

/// Modules that have to be on one machine, because some case needs all of them, and what they cost.
#[derive(Default)]
struct Bundle {
    modules: BTreeSet<String>,
    weight: Duration,
}

/// The shard of every module: the heaviest bundle first, always to the shard that has least to do.
fn by_policy(timings: &Timings, suites: &[Suite], whole: &Selected<'_>, of: usize) -> HashMap<String, usize> {
    let mut bundles: Vec<Bundle> = Vec::new();
    let mut add = |modules: BTreeSet<String>, weight: Duration| {
        let mut joined = Bundle { modules, weight };
        bundles.retain_mut(|bundle| {
            let is_apart = bundle.modules.is_disjoint(&joined.modules);
            if !is_apart {
                joined.modules.append(&mut bundle.modules);
                joined.weight += bundle.weight;
            }
            is_apart
        });
        bundles.push(joined);
    };
    let mut modules: HashMap<String, Duration> = HashMap::new();
    for &key in &whole.policies {
        let name = (suites[key.suite.0].file.path.clone(), key.spec(suites).name.clone());
        let time = timings.policies.get(&name).copied();
        // Of policies with the same module only the first was compiled.
        let known = modules.entry(module(suites, key)).or_default();
        *known = (*known).max(time.unwrap_or(UNKNOWN_MODULE));
    }
    for (module, time) in modules {
        add(BTreeSet::from([module]), time);
    }
    for selected in &whole.cases {
        let keys = used_policies(suites, std::slice::from_ref(selected));
        let modules = keys.into_iter().map(|key| module(suites, key)).collect();
        add(modules, timings.cases.get(&selected.case.id).copied().unwrap_or(UNKNOWN_CASE));
    }
    bundles.sort_by(|a, b| b.weight.cmp(&a.weight).then_with(|| a.modules.cmp(&b.modules)));
    let mut loads = vec![Duration::ZERO; of];
    let mut owners = HashMap::new();
    for bundle in bundles {
        let least = (0..of).min_by_key(|shard| loads[*shard]).unwrap_or(0);
        loads[least] += bundle.weight;
        owners.extend(bundle.modules.into_iter().map(|module| (module, least)));
    }
    owners
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_read_strictly() {
        for text in ["hash:1/1", "hash:2/3", "policy:7/7"] {
            assert_eq!(text.parse::<Partition>().unwrap().to_string(), text);
        }
        for text in
            ["", "hash", "hash:0/3", "hash:4/3", "hash:1/0", "hash:a/3", "hash:1", "name:1/2", "hash:1/99999", "1/2"]
        {
            assert!(text.parse::<Partition>().is_err(), "{text}");
        }
    }
}
