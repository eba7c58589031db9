//! The coverage of shards becomes that of the whole run: hits are added up.

use policy_verify_model::coverage::{Coverage, FunctionCoverage, PolicyCoverage, Share};

use super::shown;

/// Adds what another shard measured of the policies of a suite. What one shard could not measure is not measured.
pub(crate) fn add(all: &mut Vec<PolicyCoverage>, other: PolicyCoverage) {
    let same = |known: &&mut PolicyCoverage| {
        known.suite == other.suite && known.policies.iter().any(|name| other.policies.contains(name))
    };
    let Some(known) = all.iter_mut().find(same) else { return all.push(other) };
    for name in other.policies {
        if !known.policies.contains(&name) {
            known.policies.push(name);
        }
    }
    match (&mut known.result, other.result) {
        (Ok(known), Ok(other)) => join(known, other),
        (Ok(_), Err(reason)) => known.result = Err(reason),
        (Err(_), _) => {}
    }
}

fn join(known: &mut Coverage, other: Coverage) {
    for file in other.files {
        match known.files.iter_mut().find(|it| it.path == file.path) {
            Some(known) => shown::add(known, &file),
            None => known.files.push(file),
        }
    }
    for function in other.functions {
        let same = |it: &&mut FunctionCoverage| (it.line, &it.name) == (function.line, &function.name);
        match known.functions.iter_mut().find(same) {
            Some(known) => known.hits = known.hits.saturating_add(function.hits),
            None => known.functions.push(function),
        }
    }
    // Which functions they are is not known: at least so many were called.
    let Share { covered, total } = other.others;
    known.others = Share { covered: known.others.covered.max(covered), total: known.others.total.max(total) };
}

#[cfg(test)]
mod tests {
    use super::super::testing::measured;
    use super::*;

    #[test]
    fn hits_of_shards_are_added_up() {
        let run = measured();
        let mut all = Vec::new();
        let mut second = run.coverage[0].clone();
        second.result.as_mut().unwrap().files[0].lines = [(3, 4), (6, 0)].into();
        add(&mut all, run.coverage[0].clone());
        add(&mut all, second);
        assert_eq!(all.len(), 1);
        let lines = &all[0].result.as_ref().unwrap().files[0].lines;
        assert_eq!(*lines, [(1, 3), (2, 3), (3, 4), (6, 2)].into());

        let refused = PolicyCoverage { result: Err("why".into()), ..run.coverage[0].clone() };
        add(&mut all, refused);
        assert_eq!(all[0].result, Err("why".into()));
    }
}
