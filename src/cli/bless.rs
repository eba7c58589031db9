//! `verify run --bless`: expectations are rewritten before the run that judges them.

use std::fs;
use std::path::Path;

use policy_verify::model::diagnostic::Diagnostic;
use policy_verify::report::{changes, count, escape};
use policy_verify::{BlessedFile, Blessing, Error, Options, Rewriting, is_stream};

use super::args::output::OutputArgs;
use super::console;
use super::files;
use super::places::Places;
use super::problem::{cannot_write, check_links, usage};

/// Rewrites expectations of a run, and shows what changed.
///
/// # Errors
///
/// Nothing could be run, or a file cannot be written.
pub(super) fn bless(options: &Options, rewriting: Rewriting, arguments: &OutputArgs) -> Result<(), Error> {
    if let Some(obstacle) = obstacle(options) {
        return Err(Error::Arguments(vec![obstacle]));
    }
    let blessing = policy_verify::bless(options, rewriting, &())?;
    if options.interrupt.is_stopped() {
        return Ok(());
    }
    write(&blessing, options.root.as_deref())?;
    let places = Places::of(&options.suites, options.root.as_deref());
    for left in &blessing.left {
        let place = format!("{}:{}", places.shown(&left.place.file.path), left.place.line);
        console::complain(&format!("not rewritten: {} ({place}): {}", left.id, left.reason));
    }
    if arguments.quiet == 0 {
        for file in &blessing.files {
            let diff = changes::unified(&places.shown(&file.shown), &file.before, &file.after);
            console::say(escape::terminal(&diff).trim_end());
        }
        let (cases, files) = (blessing.cases, blessing.files.len());
        console::complain(&match files {
            0 => "no expectation was rewritten".to_owned(),
            _ => format!("rewrote the expectations of {} in {}", count(cases, "case"), count(files, "file")),
        });
    }
    Ok(())
}

/// Why expectations are not rewritten here.
fn obstacle(options: &Options) -> Option<Diagnostic> {
    if console::is_ci() {
        let help = "run it where somebody reads what changes, and commit that";
        return Some(
            usage("`--bless` is refused in CI: whatever the policies answer would pass").with_help(help.to_owned()),
        );
    }
    let is_piped = options.suites.iter().any(|suite| is_stream(suite));
    is_piped.then(|| usage("`--bless` cannot rewrite a suite from stdin"))
}

/// Puts the new texts of all files in place; none, if one of them cannot be written.
///
/// # Errors
///
/// A file cannot be written, or is not what was read.
pub(super) fn write(blessing: &Blessing, root: Option<&Path>) -> Result<(), Error> {
    let texts = blessing.files.iter().map(|file| text(file, root)).collect::<Vec<_>>();
    let problems: Vec<Diagnostic> = texts.iter().filter_map(|text| text.clone().err()).collect();
    if !problems.is_empty() {
        return Err(Error::Arguments(problems));
    }
    for (file, text) in blessing.files.iter().zip(texts.into_iter().flatten()) {
        let written = files::write(&file.path, text.as_bytes());
        written.map_err(|error| Error::Arguments(vec![cannot_write(WHAT, &file.path, &error)]))?;
    }
    Ok(())
}

const WHAT: &str = "the expectations to";

/// A mark of its encoding that a file may begin with, and that readers drop.
const MARK: char = '\u{feff}';

/// The new text of a file, if the file is still what was read.
fn text(file: &BlessedFile, root: Option<&Path>) -> Result<String, Diagnostic> {
    check_links(WHAT, &file.path, root)?;
    let present = fs::read_to_string(&file.path).map_err(|error| cannot_write(WHAT, &file.path, &error))?;
    if present == file.before {
        return Ok(file.after.clone());
    }
    match present.strip_prefix(MARK) {
        Some(rest) if rest == file.before => Ok(format!("{MARK}{}", file.after)),
        _ => Err(cannot_write(WHAT, &file.path, &"it has changed since it was read")),
    }
}
