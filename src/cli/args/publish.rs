//! The flags about where the policy of a run goes, in place of what the suite says.

use clap::Args;
use policy_verify::model::diagnostic::Diagnostic;
use policy_verify::model::publication::Redirection;

use super::super::problem::usage;

/// Where the one policy of a run is published.
#[derive(Debug, Args)]
#[command(next_help_heading = "Publishing one policy")]
pub(crate) struct RedirectionArgs {
    /// With --push: publish here instead of where the suite says, HOST/REPOSITORY or HOST/REPOSITORY:TAG
    #[arg(long, value_name = "REFERENCE", env = "VERIFY_PUBLISH_TO")]
    pub(crate) publish_to: Option<String>,

    /// With --push: let this tag lead to the policy, instead of the tags of the suite; may be repeated
    #[arg(long = "publish-tag", value_name = "TAG", env = "VERIFY_PUBLISH_TAG", value_delimiter = ' ')]
    pub(crate) publish_tags: Vec<String>,

    /// With --push: add an annotation to the manifest; may be repeated
    #[arg(long = "annotation", value_name = "KEY=VALUE", value_parser = annotation, env = "VERIFY_ANNOTATION")]
    pub(crate) annotations: Vec<(String, String)>,
}

impl RedirectionArgs {
    pub(crate) fn redirection(&self) -> Redirection {
        let mut redirection = Redirection::default();
        redirection.to.clone_from(&self.publish_to);
        redirection.tags.clone_from(&self.publish_tags);
        redirection.annotations.clone_from(&self.annotations);
        redirection
    }
}

/// Reads `KEY=VALUE`; both are checked when the manifest is made.
pub(super) fn annotation(text: &str) -> Result<(String, String), Diagnostic> {
    let (key, value) = text.split_once('=').ok_or_else(|| usage("expected KEY=VALUE"))?;
    Ok((key.to_owned(), value.to_owned()))
}
