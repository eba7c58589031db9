//! `verify scaffold`: files that are made of the metadata of a policy.

use std::path::PathBuf;

use super::policy;
use crate::error::Error;
use crate::prepare::single;
use policy_verify_draft::artifact_hub::{self, PackageProblem};
use policy_verify_model::code::Code;
use policy_verify_model::diagnostic::Diagnostic;
use policy_verify_suite::RepositoryLink;

/// What the package of Artifact Hub is made of.
#[derive(Debug, Clone)]
pub struct ArtifactHubOptions {
    /// The `metadata.yml`.
    pub metadata: PathBuf,
    /// The form of the settings, `questions-ui.yml`.
    pub questions: Option<PathBuf>,
    /// The version of a policy whose metadata has none.
    pub version: Option<String>,
    /// When the package was made, in seconds since 1970; now by default.
    pub created_at: Option<i64>,
}

/// A package of Artifact Hub.
#[derive(Debug)]
#[non_exhaustive]
pub struct ArtifactHubPackage {
    /// The text of `artifacthub-pkg.yml`, the bytes that `kwctl scaffold artifacthub` writes.
    pub text: String,
    /// Whether the version of the options is not the one of the metadata, which stands in the text.
    pub is_version_ignored: bool,
}

/// Makes the package of a policy.
///
/// # Errors
///
/// A link that leads out of the repository; files that cannot be read, all of them; else what is wrong with the metadata.
pub fn artifact_hub(options: &ArtifactHubOptions) -> Result<ArtifactHubPackage, Error> {
    for path in [Some(&options.metadata), options.questions.as_ref()].into_iter().flatten() {
        if let Some(link) = RepositoryLink::leading_out(path) {
            return Err(Error::read_behind_link(path, &link));
        }
    }
    let place = policy::command_line();
    let metadata = single::text(&options.metadata, &place).and_then(|file| single::metadata(&file));
    let questions = options.questions.as_ref().map(|path| single::text(path, &place)).transpose();
    let (mut stated, questions) = match (metadata, questions) {
        (Ok(metadata), Ok(questions)) => (metadata, questions),
        (metadata, questions) => {
            return Err(Error::policy([metadata.err(), questions.err()].into_iter().flatten().collect(), &place));
        }
    };
    let given = options.created_at.map(jiff::Timestamp::from_second);
    let created_at = given.unwrap_or_else(|| Ok(jiff::Timestamp::now()));
    let created_at = created_at.map_err(|error| Error::usage(format!("invalid time of creation: {error}"), None))?;
    let questions = questions.as_ref().map(|file| file.text.as_str());
    let is_version_ignored = options.version.as_ref().is_some_and(|version| {
        let annotations = stated.metadata.annotations.get_or_insert_default();
        annotations.entry(artifact_hub::VERSION.to_owned()).or_insert_with(|| version.clone()) != version
    });
    let text = artifact_hub::package(&stated.metadata, questions, &created_at.to_string()).map_err(|problems| {
        let diagnostic = |problem: &PackageProblem| {
            let annotation = problem.annotation().and_then(|name| stated.annotations.get(name));
            let diagnostic = Diagnostic::new(Code::Metadata, problem.to_string());
            diagnostic.at(annotation.unwrap_or(&stated.start))
        };
        Error::Policy(problems.iter().map(diagnostic).collect())
    })?;
    Ok(ArtifactHubPackage { text, is_version_ignored })
}
