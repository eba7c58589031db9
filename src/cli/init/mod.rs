//! `verify init`: a first suite for a policy.

mod ci;
mod github;
mod missing;
mod settings;
mod subject;
mod tell;

use std::path::{Path, PathBuf};

use policy_verify::draft::first::{self, FirstSuite};
use policy_verify::{Error, Options, Rewriting, is_stream};

use self::settings::{Writer, Written};
use self::tell::Told;
use super::args::init::InitArgs;
use super::args::output::ColorChoice;
use super::console;
use super::exit_code::ExitCode;
use super::files;
use super::interrupt::Signals;
use super::new_suite::{self, Asked};
use super::paths::{is_same, refused};
use super::places::Places;
use super::problem::{cannot_write, usage};

/// `verify init`.
pub(crate) fn init(arguments: &InitArgs, signals: &Signals) -> ExitCode {
    let made = if arguments.missing { missing::add(arguments, signals) } else { make(arguments, signals) };
    made.unwrap_or_else(|error| console::refuse(&error))
}

fn make(arguments: &InitArgs, signals: &Signals) -> Result<ExitCode, Error> {
    // Files of CI systems may be wanted later than the suite, also where the policy is not built yet.
    if let Some(suite) = kept(arguments) {
        let ci = ci::files(arguments, &suite, github::modules_of(&suite))?;
        let files: Vec<PathBuf> = ci.files.iter().map(ci::CiFile::write).collect::<Result<_, Error>>()?;
        let told = Told { is_kept: true, files, remarks: ci.notes, ..Told::of(&suite) };
        return Ok(tell::tell(&told, arguments.new_suite.format));
    }
    let target = subject::target(arguments.policy.as_deref())?;
    let suite = arguments.new_suite.output.clone().unwrap_or_else(|| target.suite());
    let modules = target.path().iter().map(|path| github::module(path)).collect();
    let ci = ci::files(arguments, &suite, modules)?;
    let (subject, mut remarks) = subject::subject(&target, arguments, &suite)?;
    let form = subject::questions(&target, arguments)?;
    let inputs = [arguments.metadata.clone(), form.as_ref().map(|(path, _)| path.into()), target.path()];
    if inputs.into_iter().flatten().any(|input| is_same(&input, &suite)) {
        return Err(refused(usage(format!("`{}` would overwrite what the suite is made of", suite.display()))));
    }
    let options = || new_suite::options(&arguments.new_suite, signals);
    let is_asked = !arguments.new_suite.no_run && !is_stream(&suite);
    let writer = Writer { subject: &subject, suite: &suite, is_forced: arguments.new_suite.force };
    let written = settings::write(&writer, form.as_ref(), is_asked.then_some(&options as &dyn Fn() -> Options))?;
    let mut files = named(&suite, &written.first);
    for file in &ci.files {
        files.push(file.write()?);
    }
    remarks.extend(ci.notes);
    remarks.extend(tests_of_bats(target.folder()));
    let mut told = Told { files, remarks, is_cut: form.is_some_and(|(_, form)| form.is_cut), ..Told::of(&suite) };
    let mut code = ExitCode::Success;
    if is_asked {
        match complete(&suite, &written, options()) {
            Ok(asked) => told.asked = asked,
            Err(error) => {
                console::explain(&error, ColorChoice::Auto, &Places::default());
                code = ExitCode::from(&error);
            }
        }
    }
    told.refusal = written.refusal;
    told.first = written.first;
    let printed = tell::tell(&told, arguments.new_suite.format);
    Ok(if printed == ExitCode::Success { code } else { printed })
}

/// That tests of bats are there, which know more than a first suite.
fn tests_of_bats(folder: &Path) -> Option<String> {
    let here = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let names =
        here.read_dir().into_iter().flatten().filter_map(Result::ok).map(|entry| folder.join(entry.file_name()));
    let mut files: Vec<PathBuf> = names.filter(|path| path.extension().is_some_and(|it| it == "bats")).collect();
    files.sort();
    let file = files.first()?.display();
    Some(format!("{file} has tests too: `verify import bats {file} --force` makes the suite of them"))
}

/// The suite that is there already and is kept, where only files of CI systems are to be written.
fn kept(arguments: &InitArgs) -> Option<PathBuf> {
    if !ci::is_wanted(arguments) || arguments.new_suite.force {
        return None;
    }
    let named = arguments.policy.as_deref().map(|policy| Path::new(policy.strip_prefix("file://").unwrap_or(policy)));
    let folder = match named {
        Some(path) if path.is_dir() => path,
        Some(path) if !path.to_string_lossy().contains("://") => path.parent().unwrap_or(Path::new("")),
        _ => Path::new(""),
    };
    let suite = arguments.new_suite.output.clone().unwrap_or_else(|| folder.join("suite.yml"));
    suite.exists().then_some(suite)
}

/// The files of a suite, itself first, as seen from the working directory.
fn named(suite: &Path, first: &FirstSuite) -> Vec<PathBuf> {
    let folder = suite.parent().unwrap_or(Path::new(""));
    let fixtures = first.files.iter().map(|file| folder.join(&file.path)).filter(|_| !is_stream(suite));
    std::iter::once(suite.to_owned()).chain(fixtures).collect()
}

/// Completes the expectations. Cases without a verdict get a comment that says why.
fn complete(suite: &Path, written: &Written, options: Options) -> Result<Option<Asked>, Error> {
    let names: Vec<String> = written.first.cases.iter().chain(&written.first.settings_cases).cloned().collect();
    let asked = new_suite::ask(suite, &names, Rewriting::All, options)?;
    // One comment says it of settings that are rejected.
    if let Some(asked) = asked.as_ref().filter(|_| written.refusal.is_none()) {
        comment(suite, asked)?;
    }
    Ok(asked)
}

fn comment(suite: &Path, asked: &Asked) -> Result<(), Error> {
    let comments: Vec<(String, String)> = asked
        .wrong
        .iter()
        .filter(|wrong| wrong.is_fault)
        .map(|wrong| (wrong.name.clone(), format!("Ends in a fault: {}", wrong.reason)))
        .collect();
    if comments.is_empty() {
        return Ok(());
    }
    let failed = |error: std::io::Error| refused(cannot_write("the suite to", suite, &error));
    let text = std::fs::read_to_string(suite).map_err(failed)?;
    files::write(suite, first::with_comments(&text, &comments).as_bytes()).map_err(failed)
}
