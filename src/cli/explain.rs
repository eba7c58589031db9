//! `verify explain`: what an error code means, an example and the remedy; without a code, all of them.

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _};

use policy_verify::model::code::Code;
use policy_verify::report::{Style, prose};

use super::args::output::ColorChoice;
use super::console;
use super::exit_code::ExitCode;

/// Longer lines of prose are hard to read.
const WIDEST: usize = 100;

/// `verify explain`.
pub(crate) fn explain(code: Option<Code>) -> ExitCode {
    console::print(&code.map_or_else(table, section))
}

/// In a pipe the text is Markdown, as on the page of the documentation; at a terminal it is laid out for its width.
fn section(code: Code) -> String {
    let is_terminal = io::stdout().is_terminal();
    let colour = console::uses_colour(ColorChoice::Auto, is_terminal);
    let style = Style { colour, width: console::width().min(WIDEST), ..Style::default() };
    let is_rendered = is_terminal && console::has_escapes();
    let text = prose::lines(code.explanation(), &style, is_rendered).join("\n");
    format!("{code} {}: {}\n\n{text}\n", code.name(), code.title())
}

fn table() -> String {
    let longest = Code::ALL.iter().map(|code| code.name().len()).max().unwrap_or(0);
    Code::ALL.iter().fold(String::new(), |mut text, code| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{code}  {:longest$}  {}", code.name(), code.title());
        text
    })
}
