//! `verify run --bless`: expectations are rewritten before the run that judges them.

use std::fs;
use std::path::Path;

use policy_verify::model::diagnostic::Diagnostic;
use policy_verify::report::{changes, escape};
use policy_verify::{BlessedFile, Blessing, Error, Options, Rewriting, is_stream};

use super::args::output::OutputArgs;
use super::console;
use super::files;
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
    if arguments.quiet == 0 {
        for file in &blessing.files {
            console::say(escape::terminal(&changes::unified(&file.shown, &file.before, &file.after)).trim_end());
        }
        for left in &blessing.left {
            console::complain(&format!("not rewritten: {} ({}): {}", left.id, left.place.file_and_line(), left.reason));
        }
        let (cases, files) = (blessing.cases, blessing.files.len());
        let plural = |number: usize| if number == 1 { "" } else { "s" };
        console::complain(&match files {
            0 => "no expectation was rewritten".to_owned(),
            _ => format!("rewrote the expectations of {cases} case{} in {files} file{}", plural(cases), plural(files)),
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

/// Puts the new texts of all files in place.
///
/// # Errors
///
/// A file cannot be written.
pub(super) fn write(blessing: &Blessing, root: Option<&Path>) -> Result<(), Error> {
    let problems: Vec<Diagnostic> = blessing.files.iter().filter_map(|file| put(file, root).err()).collect();
    if problems.is_empty() { Ok(()) } else { Err(Error::Arguments(problems)) }
}

/// Puts the new text of a file in place, if it is still what was read.
fn put(file: &BlessedFile, root: Option<&Path>) -> Result<(), Diagnostic> {
    let what = "the expectations to";
    check_links(what, &file.path, root)?;
    let present = fs::read_to_string(&file.path).map_err(|error| cannot_write(what, &file.path, &error))?;
    if present != file.before {
        return Err(cannot_write(what, &file.path, &"it has changed since it was read"));
    }
    files::write(&file.path, file.after.as_bytes()).map_err(|error| cannot_write(what, &file.path, &error))
}
