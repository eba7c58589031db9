//! `verify run --bless`: expectations are rewritten before the run that judges them.

use std::fs;
use std::io;
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
            let diff = changes::unified(&places.shown(&file.shown), file.before.as_deref(), file.after.as_deref());
            console::say(escape::terminal(&diff).trim_end());
        }
        summary(&blessing).iter().for_each(|line| console::complain(line));
    }
    Ok(())
}

/// What was done, in a line for each kind of change.
fn summary(blessing: &Blessing) -> Vec<String> {
    let Blessing { cases, snapshots, removed, files, .. } = blessing;
    let suites = files.len() - snapshots - removed;
    if files.is_empty() {
        return vec!["no expectation was rewritten".to_owned()];
    }
    let rewritten = format!("rewrote the expectations of {} in {}", count(*cases, "case"), count(suites, "file"));
    let lines = [
        (suites, rewritten),
        (*snapshots, format!("wrote {}", count(*snapshots, "snapshot"))),
        (*removed, format!("removed {} without a case", count(*removed, "snapshot"))),
    ];
    lines.into_iter().filter(|(number, _)| *number > 0).map(|(_, line)| line).collect()
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
    let changes = blessing.files.iter().map(|file| change(file, root)).collect::<Vec<_>>();
    let problems: Vec<Diagnostic> = changes.iter().filter_map(|change| change.clone().err()).collect();
    if !problems.is_empty() {
        return Err(Error::Arguments(problems));
    }
    for (file, text) in blessing.files.iter().zip(changes.into_iter().flatten()) {
        let written = match text {
            Some(text) => files::make_folder_of(&file.path).and_then(|()| files::write(&file.path, text.as_bytes())),
            None => fs::remove_file(&file.path),
        };
        written.map_err(|error| Error::Arguments(vec![cannot_write(WHAT, &file.path, &error)]))?;
    }
    Ok(())
}

const WHAT: &str = "the expectations to";

/// A mark of its encoding that a file may begin with, and that readers drop.
const MARK: char = '\u{feff}';

/// The new text of a file, if the file is still what was read; nothing for one that goes.
fn change(file: &BlessedFile, root: Option<&Path>) -> Result<Option<String>, Diagnostic> {
    check_links(WHAT, &file.path, root)?;
    let failed = |error: &dyn std::fmt::Display| cannot_write(WHAT, &file.path, &error);
    let changed = || failed(&"it has changed since it was read");
    let Some(before) = &file.before else {
        // A link that leads nowhere is something, too.
        return match file.path.symlink_metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(file.after.clone()),
            Err(error) => Err(failed(&error)),
            Ok(_) => Err(changed()),
        };
    };
    let present = fs::read_to_string(&file.path).map_err(|error| failed(&error))?;
    let rest = present.strip_prefix(MARK);
    match rest.unwrap_or(&present) == before {
        true => Ok(file.after.as_ref().map(|after| match rest {
            Some(_) => format!("{MARK}{after}"),
            None => after.clone(),
        })),
        false => Err(changed()),
    }
}
