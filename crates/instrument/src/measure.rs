//! The counters of a module become lines and functions.

use std::collections::BTreeMap;
use std::ops::Range;

use policy_verify_model::coverage::{Coverage, FileCoverage, FunctionCoverage, Share};

use crate::counters::{Counter, counted};
use crate::language::Language;
use crate::lines::{Lines, Place};
use crate::module::Module;
use crate::origin::{self, Origin, Packages};
use crate::sources;
use crate::unmeasurable::Unmeasurable;

/// How a module is measured: a copy that counts, and what its counters mean.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The copy.
    pub copy: Vec<u8>,
    counters: Vec<Counter>,
    /// The paths of files.
    files: Vec<String>,
    functions: Vec<Measured>,
    language: Language,
}

/// A function of the module.
#[derive(Debug, Clone)]
struct Measured {
    /// Where its body is in the module.
    body: Range<usize>,
    name: String,
    origin: Origin,
    start: Option<Place>,
}

impl Plan {
    /// Reads a module and makes the copy. `built` is the module as it was built, which may have debug information that the
    /// first has lost; `packages` tells packages of others where there are only names.
    ///
    /// # Errors
    ///
    /// The module cannot be copied, or nothing tells the policy's own code from that of others.
    pub fn of(bytes: &[u8], built: &[u8], packages: &dyn Packages) -> Result<Self, Unmeasurable> {
        let module = Module::read(bytes)?.with_debug_information_of(&Module::read(built)?);
        let lines = sources::lines(&module)?;
        let language = Language::of(&module);
        let functions: Vec<Measured> = measured(&module, &lines, packages);
        if !lines.has_own() && functions.iter().all(|function| function.origin != Origin::Own) {
            return Err(Unmeasurable::NothingOwn(language.advice()));
        }
        let copy = counted(&module, &lines)?;
        let files = lines.files.into_iter().map(|file| file.path).collect();
        Ok(Self { copy: copy.bytes, counters: copy.counters, files, functions, language })
    }

    /// How many counters there are.
    pub fn counters(&self) -> usize {
        self.counters.len()
    }

    /// The counters: which instructions each of them counts, and their lines.
    pub fn counted(&self) -> &[Counter] {
        &self.counters
    }

    /// The instructions of which a counter tells whether they are executed: of a function without lines it tells only that
    /// of the whole.
    pub fn known_of(&self, counter: &Counter) -> Range<usize> {
        let is_whole = counter.is_entry && counter.range.is_empty();
        if is_whole { self.functions[counter.function].body.clone() } else { counter.range.clone() }
    }

    /// What the counters say. A line counts in each function that has code of it, and is executed as often as the part of it
    /// that is executed most.
    pub fn coverage(&self, hits: &[u64]) -> Coverage {
        let mut lines: BTreeMap<Place, u64> = BTreeMap::new();
        let mut of_function: BTreeMap<Place, u64> = BTreeMap::new();
        let mut current = None;
        let mut calls = vec![0; self.functions.len()];
        for (counter, hits) in self.counters.iter().zip(hits) {
            if current.replace(counter.function) != Some(counter.function) {
                add(&mut lines, &mut of_function);
            }
            if counter.is_entry {
                calls[counter.function] = *hits;
            }
            for place in &counter.places {
                let most = of_function.entry(*place).or_default();
                *most = (*most).max(*hits);
            }
        }
        add(&mut lines, &mut of_function);
        let mut files: BTreeMap<&str, FileCoverage> = BTreeMap::new();
        for (Place { file, line }, hits) in lines {
            let file = self.file(&mut files, file);
            let known = file.lines.entry(line).or_default();
            *known = known.saturating_add(hits);
        }
        let others = self.functions.iter().zip(&calls).filter(|(function, _)| function.origin != Origin::Own);
        let others = Share::of(others.map(|(_, calls)| *calls));
        let functions = self.own_functions(&calls, &mut files);
        let mut files: Vec<FileCoverage> = files.into_values().collect();
        files.iter_mut().for_each(|file| file.functions = merged(std::mem::take(&mut file.functions)));
        let advice = files.is_empty().then(|| self.language.advice().to_owned());
        Coverage { files, functions, others, advice }
    }

    fn file<'a, 'b>(&'a self, files: &'b mut BTreeMap<&'a str, FileCoverage>, file: usize) -> &'b mut FileCoverage {
        let path = self.files[file].as_str();
        files.entry(path).or_insert_with(|| FileCoverage {
            path: path.to_owned(),
            lines: BTreeMap::new(),
            functions: Vec::new(),
            source: None,
        })
    }

    /// The policy's own functions: those with a file go to it.
    fn own_functions<'a>(
        &'a self,
        calls: &[u64],
        files: &mut BTreeMap<&'a str, FileCoverage>,
    ) -> Vec<FunctionCoverage> {
        let mut homeless = Vec::new();
        for (function, hits) in self.functions.iter().zip(calls).filter(|(it, _)| it.origin == Origin::Own) {
            let coverage = |line| FunctionCoverage { line, name: function.name.clone(), hits: *hits };
            match function.start {
                Some(Place { file, line }) => self.file(files, file).functions.push(coverage(Some(line))),
                None => homeless.push(coverage(None)),
            }
        }
        merged(homeless)
    }
}

/// Adds what a function executed.
fn add(lines: &mut BTreeMap<Place, u64>, of_function: &mut BTreeMap<Place, u64>) {
    for (place, hits) in std::mem::take(of_function) {
        let all = lines.entry(place).or_default();
        *all = all.saturating_add(hits);
    }
}

/// Functions in order, those of the same place and name as one: compilers make several of a generic one.
fn merged(mut functions: Vec<FunctionCoverage>) -> Vec<FunctionCoverage> {
    functions.sort();
    functions.dedup_by(|one, kept| {
        let is_same = (one.line, &one.name) == (kept.line, &kept.name);
        if is_same {
            kept.hits = kept.hits.saturating_add(one.hits);
        }
        is_same
    });
    functions
}

/// The functions of a module. Where there are lines, they tell whose a function is; names do otherwise.
fn measured(module: &Module<'_>, lines: &Lines, packages: &dyn Packages) -> Vec<Measured> {
    let has_lines = lines.has_own();
    let starts = lines.starts.iter().copied().chain(std::iter::repeat(None));
    let names = lines.names.iter().cloned().chain(std::iter::repeat(None));
    let functions = module.functions.iter().zip(starts).zip(names);
    functions
        .map(|((function, start), name)| {
            let name = name.or_else(|| function.name.clone()).unwrap_or_else(|| format!("function {}", function.index));
            let origin = match (start, has_lines) {
                (Some(place), true) => lines.files[place.file].origin,
                (None, true) => Origin::Language,
                (_, false) => function.name.as_deref().map_or(Origin::Language, |name| origin::of_name(name, packages)),
            };
            Measured { body: function.body.clone(), name, origin, start: start.filter(|_| has_lines) }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two functions in one, compiled from `fixtures/lines.rs.txt`: `twice`, in line 11, is inlined into `answer`.
    const LINES: &[u8] = include_bytes!("fixtures/lines.wasm");

    fn plan() -> Plan {
        Plan::of(LINES, LINES, &|_: &str| false).unwrap()
    }

    /// The lines that are executed when the counters with these lines counted.
    fn covered(plan: &Plan, is_hit: impl Fn(&[u32]) -> bool) -> Vec<u32> {
        let lines = |counter: &Counter| counter.places.iter().map(|place| place.line).collect::<Vec<u32>>();
        let hits: Vec<u64> = plan.counters.iter().map(|counter| u64::from(is_hit(&lines(counter)))).collect();
        let coverage = plan.coverage(&hits);
        let [file] = &coverage.files[..] else { panic!("one file: {:?}", coverage.files) };
        assert!(file.path.ends_with("lib.rs"), "{}", file.path);
        file.lines.iter().filter(|(_, hits)| **hits > 0).map(|(line, _)| *line).collect()
    }

    #[test]
    fn lines_come_from_debug_information_and_from_inlined_calls() {
        let plan = plan();
        let all = covered(&plan, |_| true);
        for line in [11, 15, 16, 20, 21, 24] {
            assert!(all.contains(&line), "{line} is not in {all:?}");
        }
        // The multiplication is of line 11, and inlined where line 17 calls it.
        let branch = covered(&plan, |lines| lines.contains(&11));
        assert!(branch.contains(&11) && branch.contains(&17) && !branch.contains(&21), "{branch:?}");
        let coverage = plan.coverage(&vec![1; plan.counters()]);
        assert_eq!(coverage.files[0].functions.len(), 1);
        assert_eq!((coverage.files[0].functions[0].name.as_str(), coverage.advice), ("answer", None));
    }

    #[test]
    fn debug_information_of_the_build_serves_for_an_annotated_module() {
        let module = Module::read(LINES).unwrap();
        let annotated = crate::edit::edited(&module, &[]).unwrap();
        assert!(matches!(Plan::of(&annotated, &annotated, &|_: &str| false), Err(Unmeasurable::NothingOwn(_))));
        let plan = Plan::of(&annotated, LINES, &|_: &str| false);
        assert!(plan.unwrap().coverage(&[1]).has_lines());
    }

    /// Official Go writes no debug information; its runtime has a table of lines.
    #[test]
    fn lines_of_go_come_from_the_table_of_its_runtime() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/policies/unique-host-go/policy.wasm");
        let bytes = std::fs::read(path).unwrap();
        let plan = Plan::of(&bytes, &bytes, &|_: &str| false).unwrap();
        let coverage = plan.coverage(&vec![1; plan.counters()]);
        let paths: Vec<&str> = coverage.files.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(paths, ["main.go", "validate.go"].map(|name| format!("policies.example.com/unique-host-go/{name}")));
        assert!(coverage.lines().total > 50, "{:?}", coverage.lines());
        assert!(
            coverage.files.iter().flat_map(|file| &file.functions).any(|function| function.name == "main.validate")
        );
    }

    /// Bytes changed here and there, by a generator of Knuth's, so that a failure comes again.
    #[test]
    fn damaged_modules_are_measured_or_refused() {
        let mut state = 1_u64;
        let mut next = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % below
        };
        let mut measured = 0;
        for _ in 0..3_000 {
            let mut bytes = LINES.to_vec();
            for _ in 0..=next(4) {
                let at = next(bytes.len());
                bytes[at] = next(256) as u8;
            }
            let Ok(plan) = Plan::of(&bytes, &bytes, &|_: &str| false) else { continue };
            measured += 1;
            let coverage = plan.coverage(&vec![u64::MAX; plan.counters()]);
            assert_eq!(coverage.lines().covered, coverage.lines().total);
        }
        assert!(measured > 500, "{measured}");
    }
}
