//! `verify scaffold`: files that are made of the metadata of a policy.

use std::path::{Path, PathBuf};

use policy_verify::{ArtifactHubOptions, artifact_hub};

use super::args::scaffold::{ArtifactHubArgs, ScaffoldArgs, ScaffoldKind};
use super::console;
use super::exit_code::ExitCode;
use super::files;
use super::problem::{cannot_write, check_links, usage};

const WHAT: &str = "the package to";

/// The names of metadata, the first that is there.
const METADATA: [&str; 2] = ["metadata.yml", "metadata.yaml"];

/// The names of the form of the settings.
const QUESTIONS: [&str; 4] = ["questions-ui.yml", "questions-ui.yaml", "questions.yml", "questions.yaml"];

/// `verify scaffold`.
pub(crate) fn scaffold(arguments: &ScaffoldArgs) -> ExitCode {
    match &arguments.what {
        ScaffoldKind::Artifacthub(arguments) => artifacthub(arguments),
    }
}

fn artifacthub(arguments: &ArtifactHubArgs) -> ExitCode {
    let Some(metadata) = arguments.metadata.clone().or_else(|| first(&METADATA)) else {
        let problem = usage("there is no metadata.yml in the working directory");
        return console::refuse_usage(problem.with_help("name the file with `--metadata-path`".to_owned()));
    };
    let created_at = match std::env::var("SOURCE_DATE_EPOCH") {
        Ok(time) if !time.is_empty() => match time.parse() {
            Ok(seconds) => Some(seconds),
            Err(_) => {
                let problem = usage(format!("invalid SOURCE_DATE_EPOCH `{time}`"));
                return console::refuse_usage(problem.with_help("write seconds since 1970".to_owned()));
            }
        },
        _ => None,
    };
    let questions = arguments.questions.clone().or_else(|| first(&QUESTIONS));
    let version = arguments.version.clone();
    let package = match artifact_hub(&ArtifactHubOptions { metadata, questions, version, created_at }) {
        Ok(package) => package,
        Err(error) => return console::refuse(&error),
    };
    if package.is_version_ignored {
        console::complain(
            "warning: `--version` is ignored: the metadata has another in `io.kubewarden.policy.version`",
        );
    }
    match &arguments.output {
        Some(output) => write(output, &package.text),
        // As kwctl prints it: with an empty line at the end, which its file does not have.
        None => console::print(&format!("{}\n", package.text)),
    }
}

fn first(names: &[&str]) -> Option<PathBuf> {
    names.iter().map(PathBuf::from).find(|path| path.exists())
}

fn write(output: &Path, text: &str) -> ExitCode {
    if let Err(problem) = check_links(WHAT, output, None) {
        return console::refuse_usage(problem);
    }
    match files::write(output, text.as_bytes()) {
        Ok(()) => ExitCode::Success,
        Err(error) => console::refuse_usage(cannot_write(WHAT, output, &error)),
    }
}
