//! The cost of one case: stretches of a real run, each followed at once by the floor doing the same cases.
//!
//! A run calls back after every case. After each stretch the callback lets the floors do those very cases, with the
//! bytes the policy was sent, on the same thread. Whatever else the machine is doing thus meets both alike, and loading
//! and compiling lie outside of the stretches.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use policy_verify::model::outcome::{CaseReport, RunReport};
use policy_verify::{Progress, verify};
use serde_json::{Value, json};

use crate::Spread;
use crate::floor::{Floor, Settings};
use crate::subject::Subject;

/// Stretches at the beginning that are not counted.
const WARM_UP: usize = 2;

/// Runs a suite of the subject against both floors and prints the figures.
pub(crate) fn measure(subject: &Subject) {
    let cases = subject.chunk * (subject.rounds + WARM_UP);
    let suite = subject.suite(cases);
    // What the policy is sent is known after a run, so there is one before the one that counts.
    let rehearsal = verify(&suite.options, &()).expect("the suite runs");
    let rounds = Rounds {
        chunk: subject.chunk,
        questions: questions(subject, &rehearsal),
        floors: [Settings::Same, Settings::Default].map(|settings| Floor::new(subject, settings).expect("it links")),
        state: Mutex::default(),
    };
    drop(rehearsal);
    let start = Instant::now();
    let run = verify(&suite.options, &rounds).expect("the suite runs");
    let end = Instant::now();
    drop(run);
    let state = rounds.state.into_inner().unwrap_or_else(PoisonError::into_inner);
    let (loaded, prepared) = state.loaded.zip(state.prepared).expect("both were reported");
    let per_case = |time: Duration| time.as_secs_f64() * 1e6 / cases as f64;
    print(subject, &state.stretches[WARM_UP..], per_case(loaded - start), per_case(end - prepared - state.aside));
    println!("  compiling the policy, once    {:>10.0} ms", (prepared - loaded).as_secs_f64() * 1e3);
}

fn print(subject: &Subject, stretches: &[[f64; 3]], loading: f64, running: f64) {
    let Subject { name, chunk, .. } = subject;
    let column = |index: usize| Spread::of(stretches.iter().map(|times| times[index]));
    let ratio = |index: usize| Spread::of(stretches.iter().map(|times| times[0] / times[index]));
    println!("{name}: µs for one case, median (least … most) of {} rounds of {chunk} cases", stretches.len());
    println!("  verify, one thread            {}", column(0));
    println!("  bare wasmtime, same settings  {}", column(1));
    println!("  bare wasmtime, its defaults   {}", column(2));
    println!("  ratio to the same settings    {}", ratio(1));
    println!("  ratio to the defaults         {}", ratio(2));
    let (whole, floor) = (loading + running, column(1).median);
    println!("  with reading the suite        {whole:>10.3}  ({loading:.3} reading, {running:.3} running)");
    println!("  ratio with reading the suite  {:>10.3}", whole / floor);
}

/// What a policy was sent, and whether it allowed it.
type Question = (Vec<u8>, bool);

fn questions(subject: &Subject, run: &RunReport) -> Vec<Question> {
    let question = |case: &CaseReport| {
        assert!(!case.outcome.is_bad(), "{case:?}");
        let payload = json!({"request": case.request.as_deref(), "settings": subject.settings});
        (payload.to_string().into_bytes(), case.response.as_ref().is_some_and(|response| response.allowed))
    };
    run.cases.iter().map(question).collect()
}

/// Lets the floors run between the stretches.
struct Rounds {
    chunk: usize,
    questions: Vec<Question>,
    floors: [Floor; 2],
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    loaded: Option<Instant>,
    prepared: Option<Instant>,
    /// When the current stretch began.
    began: Option<Instant>,
    /// Cases that are over.
    finished: usize,
    /// Microseconds per case: ours, then each floor's.
    stretches: Vec<[f64; 3]>,
    /// Time that belongs to the floors.
    aside: Duration,
}

impl Progress for Rounds {
    fn started(&self, _cases: usize) {
        self.with_state(|state| state.loaded = Some(Instant::now()));
    }

    fn prepared(&self) {
        let now = Some(Instant::now());
        self.with_state(|state| (state.prepared, state.began) = (now, now));
    }

    fn case_finished(&self, _report: &CaseReport) {
        self.with_state(|state| {
            state.finished += 1;
            if !state.finished.is_multiple_of(self.chunk) {
                return;
            }
            let now = Instant::now();
            let began = state.began.replace(now).unwrap_or(now);
            let questions = &self.questions[state.finished - self.chunk..state.finished];
            // Either floor comes first in turn.
            let order = if state.stretches.len().is_multiple_of(2) { [0, 1] } else { [1, 0] };
            let mut times = [micros(now - began, questions.len()), 0.0, 0.0];
            for index in order {
                times[index + 1] = micros(run(&self.floors[index], questions), questions.len());
            }
            state.stretches.push(times);
            state.aside += now.elapsed();
            state.began = Some(Instant::now());
        });
    }
}

impl Rounds {
    fn with_state<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn micros(time: Duration, cases: usize) -> f64 {
    time.as_secs_f64() * 1e6 / cases as f64
}

/// The time the floor takes for these cases. That it comes to the same verdicts is checked afterwards.
fn run(floor: &Floor, questions: &[Question]) -> Duration {
    let start = Instant::now();
    let replies: Vec<_> = questions.iter().map(|(payload, _)| floor.case(payload)).collect();
    let time = start.elapsed();
    for (reply, (_, is_allowed)) in replies.into_iter().zip(questions) {
        let reply: Value =
            serde_json::from_slice(&reply.expect("the policy answers")).expect("a policy replies in JSON");
        assert_eq!(reply["accepted"], json!(is_allowed));
    }
    time
}
