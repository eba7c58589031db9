//! `verify import`: tests of other tools become a suite.

use std::io;
use std::path::{Path, PathBuf};

use policy_verify::draft::bats::{BatsFile, Context};
use policy_verify::draft::{self, Imported};
use policy_verify::model::code::Code;
use policy_verify::model::diagnostic::Diagnostic;
use policy_verify::tree::{self, Search};
use policy_verify::{Error, Rewriting, is_stream, read_stdin, read_text, root_of};

use super::annotated;
use super::args::import::{ImportArgs, ImportFrom};
use super::args::new_suite::NewSuiteArgs;
use super::args::output::ColorChoice;
use super::console;
use super::exit_code::ExitCode;
use super::interrupt::Signals;
use super::new_suite::{self, NewSuite};
use super::paths::{is_same, refused, seen_from};
use super::places::Places;
use super::problem::usage;

/// Bytes of a file with tests.
const LONGEST: u64 = 64 << 20;

/// Files of a repository that patterns are held against.
const MOST_FILES: usize = 100_000;

/// What modules are called by default.
const MODULE: &str = "policy.wasm";

/// Where the suite is written by default.
const SUITE: &str = "suite.yml";

/// `verify import`.
pub(crate) fn import(arguments: &ImportArgs, signals: &Signals) -> ExitCode {
    let (common, done) = match &arguments.from {
        ImportFrom::Bats { files, policy, common } => (common, bats(files, policy.as_deref(), common)),
        ImportFrom::Gator { file, module, common } => (common, gator(file, module, common)),
        ImportFrom::Kyverno { file, module, common } => (common, kyverno(file, module, common)),
        ImportFrom::Reviews { files, module, keep_personal_data, common } => {
            (common, reviews(files, module, *keep_personal_data, common))
        }
    };
    match done.and_then(|imported| finish(imported, common, signals)) {
        Ok(code) => code,
        Err(error) => console::refuse(&error),
    }
}

/// A suite that was made, and where it goes.
struct Made {
    imported: Imported,
    suite: PathBuf,
    rewriting: Rewriting,
    /// Further lines about it.
    remarks: Vec<String>,
    /// The files it was made of.
    inputs: Vec<PathBuf>,
}

fn bats(files: &[PathBuf], policy: Option<&str>, common: &NewSuiteArgs) -> Result<Made, Error> {
    let suite = target(&files[0], common);
    let root = repository(&files[0])?;
    let in_root = |path: &Path| seen_from(&root.join(SUITE), path);
    let tests = |file: &PathBuf| Ok(BatsFile { path: in_root(file)?, text: read(file)? });
    let tests: Vec<BatsFile> = files.iter().map(tests).collect::<Result<_, Error>>()?;
    let folder = in_root(suite.parent().unwrap_or(Path::new("")))?;
    let named = |folder: PathBuf| folder.file_name().map(|name| name.to_string_lossy().into_owned());
    let usual = || named(root.join(&folder)).unwrap_or_else(|| "policy".to_owned());
    let policy = policy.map_or_else(usual, str::to_owned);
    let context = Context { folder, policy, files: names_below(&root) };
    let mut imported: Imported = draft::bats::bats(&tests, &context).into();
    annotated::take_apart(&mut imported.draft, suite.parent().unwrap_or(Path::new("")));
    Ok(Made { imported, suite, rewriting: Rewriting::Weak, remarks: Vec::new(), inputs: files.to_vec() })
}

/// The root of the repository of a file.
fn repository(file: &Path) -> Result<PathBuf, Error> {
    let root = root_of(file, None).ok_or_else(|| refused(usage(format!("cannot read `{}`", shown(file)))))?;
    Ok(root.absolute(""))
}

/// Files of a repository that a test may name by a pattern, from its root.
fn names_below(root: &Path) -> Vec<String> {
    let patterns = ["**/*.json", "**/*.yml", "**/*.yaml", "**/*.wasm"];
    let found = patterns.iter().filter_map(|pattern| tree::glob(root, pattern, Search::Fixtures).ok());
    let files = found.flat_map(|found| found.files);
    let named = files.filter_map(|file| Some(file.strip_prefix(root).ok()?.to_string_lossy().replace('\\', "/")));
    named.take(MOST_FILES).collect()
}

fn gator(file: &Path, modules: &[String], common: &NewSuiteArgs) -> Result<Made, Error> {
    let suite = target(file, common);
    let module = seen_from(&suite, &file.with_file_name(MODULE))?;
    let mut options = draft::gator::Options { folder: folder(file, &suite)?, module, ..Default::default() };
    for module in modules {
        match module.split_once('=') {
            Some((template, module)) => {
                options.modules.insert(template.to_owned(), module_of(module, &suite)?);
            }
            None => options.module = module_of(module, &suite)?,
        }
    }
    let text = read(file)?;
    let imported = draft::gator::import(&shown(file), &text, &beside(file), &options).map_err(refused)?;
    Ok(Made { imported, suite, rewriting: Rewriting::Weak, remarks: Vec::new(), inputs: vec![file.to_owned()] })
}

fn kyverno(file: &Path, modules: &[String], common: &NewSuiteArgs) -> Result<Made, Error> {
    let suite = target(file, common);
    let mut options = draft::kyverno::Options { folder: folder(file, &suite)?, ..Default::default() };
    for module in modules {
        let Some((policy, module)) = module.split_once('=') else {
            return Err(refused(usage(format!("`--module {module}`: expected POLICY=MODULE"))));
        };
        options.modules.insert(policy.to_owned(), module_of(module, &suite)?);
    }
    let text = read(file)?;
    let imported = draft::kyverno::import(&shown(file), &text, &beside(file), &options).map_err(refused)?;
    Ok(Made { imported, suite, rewriting: Rewriting::Weak, remarks: Vec::new(), inputs: vec![file.to_owned()] })
}

fn reviews(files: &[PathBuf], module: &str, keeps: bool, common: &NewSuiteArgs) -> Result<Made, Error> {
    let suite = target(&files[0], common);
    let texts: Vec<(String, String)> =
        files.iter().map(|file| Ok((shown(file), read(file)?))).collect::<Result<_, Error>>()?;
    let options =
        draft::reviews::Options { module: module.to_owned(), replaces_personal_data: !keeps, ..Default::default() };
    let made = draft::reviews::import(texts.iter().map(|(path, text)| (path.as_str(), text.as_str())), &options);
    let replaced: Vec<String> =
        made.replaced.iter().map(|(kind, count)| format!("{count} {}", kind.name(*count))).collect();
    let remark = (!replaced.is_empty()).then(|| format!("replaced: {}", replaced.join(", ")));
    // What was not recorded is only a place holder.
    Ok(Made {
        imported: made.imported,
        suite,
        rewriting: Rewriting::All,
        remarks: remark.into_iter().collect(),
        inputs: files.to_vec(),
    })
}

/// Writes the suite, asks the policies, and tells what became of the tests.
fn finish(made: Made, common: &NewSuiteArgs, signals: &Signals) -> Result<ExitCode, Error> {
    let Made { imported, suite, rewriting, remarks, inputs } = made;
    if inputs.iter().any(|input| is_same(input, &suite)) {
        return Err(refused(usage(format!("`{}` would overwrite what is imported", suite.display()))));
    }
    if imported.tests.is_empty() {
        return Err(refused(usage("there is no test in it")));
    }
    let options = new_suite::options(common, signals);
    let new = NewSuite { path: &suite, draft: &imported.draft, files: &imported.files };
    new.write(common.force)?;
    let weak: Vec<String> = imported.tests.iter().flat_map(|test| test.weak.iter().cloned()).collect();
    let mut code = ExitCode::Success;
    let asked = match common.no_run || is_stream(&suite) {
        true => None,
        false => match new_suite::ask(&suite, &weak, rewriting, options) {
            Ok(asked) => asked,
            Err(error) => {
                console::explain(&error, ColorChoice::Auto, &Places::default());
                // A policy that is not there yet is no mistake.
                let is_missing = error.diagnostics().iter().all(is_missing_module);
                code = if is_missing { ExitCode::Success } else { ExitCode::from(&error) };
                None
            }
        },
    };
    let told = new_suite::tell(&imported.tests, &suite, asked.as_ref(), &remarks, common.format);
    Ok(if told == ExitCode::Success { code } else { told })
}

/// Whether a mistake is that there is no module.
fn is_missing_module(problem: &Diagnostic) -> bool {
    problem.code == Code::FileNotFound && problem.message.contains(".wasm`")
}

fn target(file: &Path, common: &NewSuiteArgs) -> PathBuf {
    let beside = || if is_stream(file) { PathBuf::from(SUITE) } else { file.with_file_name(SUITE) };
    common.output.clone().unwrap_or_else(beside)
}

fn shown(file: &Path) -> String {
    if is_stream(file) { "<stdin>".to_owned() } else { file.to_string_lossy().replace('\\', "/") }
}

fn read(file: &Path) -> Result<String, Error> {
    let text = match is_stream(file) {
        true => read_stdin(Default::default()).map(|file| file.text.clone()),
        false => read_text(file, LONGEST),
    };
    text.map_err(|error| refused(usage(format!("cannot read `{}`: {error}", shown(file)))))
}

/// Reads files that a test names; none outside of its repository.
fn beside(file: &Path) -> impl Fn(&str) -> io::Result<String> {
    let folder = file.parent().map(Path::to_owned).unwrap_or_default();
    let root = root_of(file, None);
    move |path: &str| {
        let path = folder.join(path);
        match root.as_ref().is_some_and(|root| root.contains(&path)) || !path.exists() {
            true => read_text(&path, LONGEST),
            false => Err(io::Error::other("it is outside of the repository")),
        }
    }
}

/// The folder of a file with tests, as the new suite would name it.
fn folder(file: &Path, suite: &Path) -> Result<String, Error> {
    let folder = file.parent().unwrap_or(Path::new(""));
    seen_from(suite, folder)
}

/// A module that was typed, as the new suite would name it.
fn module_of(typed: &str, suite: &Path) -> Result<String, Error> {
    if typed.contains("://") { Ok(typed.to_owned()) } else { seen_from(suite, Path::new(typed)) }
}
