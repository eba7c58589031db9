//! `verify rehearse`: what policies would do to the objects of a cluster.

use std::collections::BTreeSet;
use std::path::PathBuf;

use policy_verify::model::answer::FaultKind;
use policy_verify::model::behaviour::Class;
use policy_verify::model::diagnostic::Diagnostic;
use policy_verify::model::rehearsal::{Finding, Rehearsal, Verdict};
use policy_verify::report::{json, rehearsal};
use policy_verify::{FileLimit, Options, RehearsalOptions, RehearsedPolicy, UnknownKinds, Written, is_stream};
use serde_json::{Map, Value, json};

use super::analysis;
use super::args::rehearse::{FailOn, RehearsalFormat, RehearseArgs};
use super::exit_code::ExitCode;
use super::interrupt::Signals;
use super::problem::usage;
use super::typed::{self, Paths, STREAM, globs};
use super::typed_policies::{self, TypedPolicy, unused};

/// Bytes of a file with objects where nobody says otherwise.
const USUAL_LIMIT: u64 = 1 << 30;

/// `verify rehearse`.
pub(crate) fn rehearse(arguments: &RehearseArgs, signals: &Signals) -> ExitCode {
    let (options, wanted) = match options(arguments) {
        Ok((options, wanted)) => (Ok(options), wanted),
        Err(problem) => (Err(vec![problem]), RehearsalOptions::default()),
    };
    let result = analysis::result(options, arguments.typed.root.as_deref(), signals, |options, bar| {
        policy_verify::rehearse(options, &wanted, bar)
    });
    let result = match result {
        Ok((_, result)) => result,
        Err(code) => return code,
    };
    let printed = analysis::print(|style, out| match arguments.format {
        RehearsalFormat::Human => rehearsal::text(&result, style, out),
        RehearsalFormat::Json => json::write(&result, out),
        RehearsalFormat::Markdown => rehearsal::markdown(&result, out),
        RehearsalFormat::Html => rehearsal::html(&result, out),
    });
    match printed {
        ExitCode::Success => verdict(&result, arguments),
        code => code,
    }
}

fn options(arguments: &RehearseArgs) -> Result<(Options, RehearsalOptions), Diagnostic> {
    if let Some(word) = arguments.fail_on.iter().find(|it| needs_old(**it)).filter(|_| arguments.old.is_empty()) {
        let word = if *word == FailOn::NewDenial { "new-denial" } else { "new-allowance" };
        return Err(usage(format!("--fail-on {word} needs --old")));
    }
    let mut options = typed::options(&arguments.typed, arguments.max_file_size)?;
    let mut paths = Paths::new()?;
    let (streams, files): (Vec<_>, Vec<_>) = arguments.objects.iter().cloned().partition(|path| is_stream(path));
    let mut objects: Vec<PathBuf> = globs(&files, &mut paths)?.into_iter().map(PathBuf::from).collect();
    objects.extend(streams.first().map(|_| PathBuf::from(STREAM)));
    let definitions = globs(&arguments.crds, &mut paths)?.into_iter().map(PathBuf::from).collect();
    let mut suite = SuiteOfPolicies::new(arguments, &mut paths)?;
    let new = suite.add(&arguments.policies, &mut paths, options.file_limit)?;
    let old = suite.add(&arguments.old, &mut paths, options.file_limit)?;
    options.written = Some(suite.written(paths.into_named()));
    let wanted = RehearsalOptions {
        objects,
        definitions,
        limit: arguments.max_file_size.unwrap_or(FileLimit::of_bytes(USUAL_LIMIT)),
        unknown_kinds: if arguments.skip_unknown { UnknownKinds::Skipped } else { UnknownKinds::Refused },
        policies: pairs(new, old),
        has_old: !arguments.old.is_empty(),
    };
    Ok((options, wanted))
}

fn needs_old(word: FailOn) -> bool {
    matches!(word, FailOn::NewDenial | FailOn::NewAllowance)
}

/// A suite with a case for each policy. The request of the case is never sent.
struct SuiteOfPolicies {
    policies: Map<String, Value>,
    metadata: Option<String>,
    settings: Option<String>,
    /// The policies that are named as modules.
    modules: BTreeSet<String>,
}

/// A policy of the suite: the name of its entry and its case.
struct Named {
    entry: String,
    policy: TypedPolicy,
}

impl SuiteOfPolicies {
    fn new(arguments: &RehearseArgs, paths: &mut Paths) -> Result<Self, Diagnostic> {
        let mut named = |path: &Option<PathBuf>| path.as_deref().map(|path| paths.named(path)).transpose();
        let (metadata, settings) = (named(&arguments.metadata)?, named(&arguments.settings)?);
        Ok(Self { policies: Map::new(), metadata, settings, modules: BTreeSet::new() })
    }

    fn add(&mut self, texts: &[String], paths: &mut Paths, limit: FileLimit) -> Result<Vec<Named>, Diagnostic> {
        let mut added = Vec::new();
        for text in texts {
            for policy in typed_policies::read(text, paths, limit)? {
                let entry = unused(&policy.name, &self.policies);
                self.policies.insert(entry.clone(), policy.entry(self.metadata.as_deref(), true)?);
                if policy.resource.is_none() {
                    self.modules.insert(entry.clone());
                }
                added.push(Named { entry, policy });
            }
        }
        Ok(added)
    }

    fn written(self, named: BTreeSet<PathBuf>) -> Written {
        let object = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "rehearsal" } });
        let case = |name: &String| {
            let mut case =
                json!({ "name": name, "policy": name, "object": object, "rules": "skip", "expect": "accept" });
            if let Some(settings) = self.settings.as_ref().filter(|_| self.modules.contains(name)) {
                case["settings"] = settings.as_str().into();
            }
            case
        };
        let cases: Vec<Value> = self.policies.keys().map(case).collect();
        let suite = json!({ "version": 1, "name": "rehearsal", "policies": self.policies, "cases": cases });
        // What was typed has no variables.
        let text = serde_json::to_string_pretty(&suite).expect("plain values are JSON").replace("${", "$${");
        Written { text, named, ..Written::default() }
    }
}

/// The policies with the old ones in whose place they are: those of the same kind, namespace and name, or the only ones.
fn pairs(new: Vec<Named>, old: Vec<Named>) -> Vec<RehearsedPolicy> {
    let is_only = new.len() == 1 && old.len() == 1;
    let mut old: Vec<Option<Named>> = old.into_iter().map(Some).collect();
    let mut names = BTreeSet::new();
    let mut pairs = Vec::new();
    for Named { entry, policy } in new {
        let is_same = |it: &Option<Named>| {
            it.as_ref()
                .is_some_and(|it| is_only || (it.policy.name == policy.name && it.policy.resource == policy.resource))
        };
        let old = old.iter_mut().find(|it| is_same(it)).and_then(Option::take).map(|it| it.entry);
        pairs.push(RehearsedPolicy { name: title(&policy, &mut names), new: Some(entry), old });
    }
    for Named { entry, policy } in old.into_iter().flatten() {
        pairs.push(RehearsedPolicy { name: title(&policy, &mut names), new: None, old: Some(entry) });
    }
    pairs
}

/// `labels`, or `shop/labels` in a namespace; a name that another policy has gets a number.
fn title(policy: &TypedPolicy, names: &mut BTreeSet<String>) -> String {
    let namespace = policy.resource.as_ref().and_then(|(_, namespace)| namespace.as_ref());
    let name = namespace.map_or_else(|| policy.name.clone(), |namespace| format!("{namespace}/{}", policy.name));
    let numbered = (2..).map(|number| format!("{name}-{number}"));
    let unused = std::iter::once(name.clone()).chain(numbered).find(|it| !names.contains(it));
    let unused = unused.expect("there are more names than policies");
    names.insert(unused.clone());
    unused
}

/// Whether a bug in verify kept a policy from answering.
fn has_bug(result: &Rehearsal) -> bool {
    let internal = format!("{}: ", FaultKind::Internal);
    let is_bug = |finding: &Finding| finding.verdict == Verdict::Fault && finding.cause.starts_with(&internal);
    result.policies.iter().flat_map(|policy| &policy.findings).any(is_bug)
}

/// What is missing from the result is no success.
fn verdict(result: &Rehearsal, arguments: &RehearseArgs) -> ExitCode {
    let counts = result.counts();
    let number_of = |class| result.differences.as_ref().map_or(0, |differences| differences.number_of(class));
    let has = |word: &FailOn| match word {
        FailOn::Rejections => counts.rejected > 0,
        FailOn::Monitored => counts.monitored_rejections > 0,
        FailOn::Mutations => counts.mutated > 0,
        FailOn::Audit => result.policies.iter().any(|policy| policy.audit.fail > 0),
        FailOn::NewDenial => number_of(Class::NewDenial) > 0,
        FailOn::NewAllowance => number_of(Class::NewAllowance) > 0,
    };
    if has_bug(result) {
        ExitCode::Bug
    } else if result.unavailable() > 0 {
        ExitCode::Unavailable
    } else if result.is_incomplete() || arguments.fail_on.iter().any(has) {
        ExitCode::Failure
    } else if counts.asked() == 0 && !arguments.typed.allow_empty {
        ExitCode::NothingSelected
    } else {
        ExitCode::Success
    }
}
