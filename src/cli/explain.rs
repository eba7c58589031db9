//! `verify explain`: what an error code means, an example and the remedy; without a code, all of them.

use std::fmt::Write as _;

use policy_verify::model::code::Code;

use super::console;
use super::exit_code::ExitCode;

/// `verify explain`.
pub(crate) fn explain(code: Option<Code>) -> ExitCode {
    console::print(&code.map_or_else(table, section))
}

fn section(code: Code) -> String {
    format!("{code} {}: {}\n\n{}\n", code.name(), code.title(), code.explanation())
}

fn table() -> String {
    let longest = Code::ALL.iter().map(|code| code.name().len()).max().unwrap_or(0);
    Code::ALL.iter().fold(String::new(), |mut text, code| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{code}  {:longest$}  {}", code.name(), code.title());
        text
    })
}
