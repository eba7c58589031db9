//! What one case of a suite costs, as a ratio against a bare wasmtime loop that is measured in the same run; how a run
//! grows with its cases and its threads.
//!
//! `cargo bench` runs everything, `cargo bench -- wapc` one part. Nothing here passes or fails: see `README.md`.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

/// As the program has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

mod cost;
mod floor;
mod growth;
mod subject;

use subject::Subject;

/// The parts, by the word that selects them.
const PARTS: [(&str, fn()); 4] = [
    ("wapc", || cost::measure(&Subject::wapc())),
    ("wasi", || cost::measure(&Subject::wasi())),
    ("threads", growth::threads),
    ("size", growth::size),
];

fn main() {
    // Cargo passes flags of its own.
    let wanted: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    for (name, measure) in PARTS {
        if wanted.is_empty() || wanted.iter().any(|word| word == name) {
            measure();
            println!();
        }
    }
}

/// The value in the middle, and the outermost ones.
struct Spread {
    median: f64,
    least: f64,
    most: f64,
}

impl Spread {
    /// The spread of `values`, of which there must be some.
    fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        Self { median: values[values.len() / 2], least: values[0], most: values[values.len() - 1] }
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let decimals = if self.median < 100.0 { 3 } else { 0 };
        write!(f, "{:>10.decimals$}  ({:.decimals$} … {:.decimals$})", self.median, self.least, self.most)
    }
}
