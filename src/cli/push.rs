//! `verify push`, and what `verify run --push` says about what it published.

use std::env;

use policy_verify::PushOptions;
use policy_verify::model::diagnostic::Diagnostic;
use policy_verify::model::publication::{Publication, PublishMode, PublishOutcome};
use policy_verify::report::publication::{CalledWorkflow, Signer};
use policy_verify::report::{escape, publication};

use super::args::policy::{PushArgs, PushFormat};
use super::ci;
use super::console::{self, Bar};
use super::exit_code::ExitCode;
use super::interrupt::{Phase, Signals};

/// `verify push`.
pub(crate) fn push(arguments: &PushArgs, signals: &Signals) -> ExitCode {
    if let Some(reason) = obstacle(arguments.dry_run) {
        return console::refuse_usage(reason);
    }
    let options = PushOptions {
        module: arguments.module.clone(),
        to: arguments.uri.clone(),
        tags: arguments.tags.clone(),
        immutable: arguments.immutable.clone(),
        annotations: arguments.annotations.clone(),
        is_forced: arguments.force,
        mode: mode(arguments.dry_run),
        network: arguments.network.network(),
    };
    if options.mode == PublishMode::Push {
        signals.enter(Phase::Publishing);
    }
    let bar = Bar::new(true);
    let pushed = policy_verify::push(&options, &bar);
    bar.clear();
    let published = match pushed {
        Ok(published) => published,
        Err(error) => return console::refuse(&error),
    };
    tell(&published);
    let result = match arguments.output {
        PushFormat::Json => publication::json(&published),
        PushFormat::Text => match (&published.outcome, published.immutable_ref(), &published.manifest) {
            (PublishOutcome::Pushed, Some(reference), _) => format!("{reference}\n"),
            (PublishOutcome::WouldPush, _, Some(manifest)) => format!("{}\n", escape::json(manifest)),
            _ => String::new(),
        },
    };
    match console::print(&result) {
        ExitCode::Success if published.is_done() => ExitCode::Success,
        ExitCode::Success => ExitCode::Unpublished,
        code => code,
    }
}

/// How far publishing goes.
pub(crate) fn mode(is_dry: bool) -> PublishMode {
    if is_dry { PublishMode::DryRun } else { PublishMode::Push }
}

/// Why nothing may be published here. A dry run publishes nothing.
pub(crate) fn obstacle(is_dry: bool) -> Option<Diagnostic> {
    if is_dry { None } else { ci::publish_obstacle() }
}

/// Says on stderr what a run published, or would publish: stdout carries a report.
pub(crate) fn tell_of_run(published: &Publication) {
    tell(published);
    if let (PublishOutcome::WouldPush, Some(manifest)) = (&published.outcome, &published.manifest) {
        console::say(&escape::json(manifest));
    }
}

/// Says on stderr what was published, and how others make sure of it.
fn tell(published: &Publication) {
    console::say(&publication::text(published));
    if published.outcome == PublishOutcome::Pushed
        && let Some(commands) = publication::consumer_commands(published, &signer())
    {
        console::say(&commands);
    }
}

/// Who signs what a job on GitHub publishes. A workflow that others call says so in a variable.
fn signer() -> Signer {
    let variable = |name: &str| env::var(name).ok().filter(|value| !value.is_empty() && console::is_github());
    let called = variable("VERIFY_SIGNER_REPOSITORY").zip(variable("GITHUB_REPOSITORY"));
    Signer {
        owner: variable("GITHUB_REPOSITORY_OWNER"),
        called: called.map(|(repository, caller)| CalledWorkflow { repository, caller }),
    }
}
