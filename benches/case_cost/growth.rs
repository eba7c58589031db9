//! How a run grows: with its threads, and with its cases.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use policy_verify::model::outcome::CaseReport;
use policy_verify::report::{Style, by_name, names};
use policy_verify::{Progress, list, verify};

use crate::Spread;
use crate::subject::Subject;

/// The same suite on one thread, on two and on four, by turns.
pub(crate) fn threads() {
    const PAIRS: usize = 7;
    for (subject, cases) in [(Subject::wapc(), 10_000), (Subject::wasi(), 600)] {
        let mut suite = subject.suite(cases);
        let mut cost = |jobs| {
            suite.options.jobs = Some(jobs);
            let stopwatch = Stopwatch::default();
            verify(&suite.options, &stopwatch).expect("the suite runs");
            stopwatch.since_prepared().as_secs_f64() * 1e6 / cases as f64
        };
        let rounds: Vec<[f64; 3]> = (0..PAIRS).map(|_| [1, 2, 4].map(&mut cost)).collect();
        let column = |index: usize| Spread::of(rounds.iter().map(|times| times[index]));
        let ratio = |one: usize, other: usize| Spread::of(rounds.iter().map(|times| times[one] / times[other]));
        println!("{}: µs for one of {cases} cases, median (least … most) of {PAIRS} rounds of runs", subject.name);
        println!("  one thread                    {}", column(0));
        println!("  two threads                   {}", column(1));
        println!("  four threads                  {}", column(2));
        println!("  how much faster two are       {}", ratio(0, 1));
        println!("  four against two              {}", ratio(1, 2));
    }
}

/// Reading suites of 1,000 and of 10,000 cases, and writing their reports: what is linear costs the same for each case.
pub(crate) fn size() {
    const ROUNDS: usize = 5;
    const SIZES: [usize; 2] = [1_000, 10_000];
    let subject = Subject::wapc();
    println!("µs for one case in suites of 1,000 and 10,000 cases, and by how much the second is dearer");
    let suites = SIZES.map(|cases| subject.suite(cases));
    let row = |what: &str, mut measure: Box<dyn FnMut(usize) + '_>| {
        let mut cost = |index: usize| {
            let start = Instant::now();
            measure(index);
            start.elapsed().as_secs_f64() * 1e6 / SIZES[index] as f64
        };
        let pairs: Vec<_> = (0..ROUNDS).map(|_| (cost(0), cost(1))).collect();
        let [small, large] = [Spread::of(pairs.iter().map(|pair| pair.0)), Spread::of(pairs.iter().map(|pair| pair.1))];
        let ratio = Spread::of(pairs.iter().map(|(small, large)| large / small));
        println!("  {what:<28}{:>10.3}{:>10.3}{:>8.2}", small.median, large.median, ratio.median);
    };
    row("reading the suite", Box::new(|index| drop(list(&suites[index].options).expect("the suite is right"))));
    for (kind, spoil) in [("all pass", false), ("all fail", true)] {
        let runs = suites.each_ref().map(|suite| {
            let mut run = verify(&suite.options, &()).expect("the suite runs");
            if spoil {
                crate::subject::spoil(&mut run);
            }
            run
        });
        for name in names() {
            let format = by_name(name, &Style::default()).expect("it has just been named");
            let what = format!("report {name}, {kind}");
            row(&what, Box::new(|index| format.write(&runs[index], &mut std::io::sink()).expect("a sink takes all")));
        }
    }
}

/// Knows when the policies were ready.
#[derive(Default)]
struct Stopwatch(Mutex<Option<Instant>>);

impl Stopwatch {
    fn since_prepared(&self) -> Duration {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).map_or(Duration::ZERO, |prepared| prepared.elapsed())
    }
}

impl Progress for Stopwatch {
    fn started(&self, _cases: usize) {}

    fn prepared(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    fn case_finished(&self, _report: &CaseReport) {}
}
