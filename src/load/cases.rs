//! `cases:` and `settingsCases:`: entries become cases, with defaults applied and every name resolved.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::answers;
use super::cluster::Clusters;
use super::expect;
use super::files::Files;
use super::kinds::Kinds;
use super::mistake::Mistakes;
use super::policies::Policies;
use super::read::read;
use super::request::{self, Requests};
use super::rows::{self, Row};
use super::schema::{
    CaseEntry, Data, DefaultsEntry, Either, FileOr, Named, OneOrMany, ReplayOrder, SettingsCaseEntry, SkipEntry,
};
use super::vars::Scope;
use super::yaml::{Content, Key, Node};
use crate::model::cluster::Cluster;
use crate::model::hosting::{HostAnswers, Session, TableEntry};
use crate::model::source::{Span, Spanned};
use crate::model::suite::{Case, CaseBody, Expectation, PolicyIndex, RequestCase, RulesMode, SettingsCase};

/// policy-server's own default for an evaluation.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(2);

/// Longest deadline a case may ask for: a run must end.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(600);

/// What the cases of one suite are read with.
pub(crate) struct Cases<'a> {
    pub(crate) suite_name: &'a str,
    pub(crate) files: &'a Files,
    pub(crate) kinds: &'a Kinds,
    pub(crate) variables: &'a Scope,
    pub(crate) defaults: DefaultsEntry,
    default_table: Arc<[TableEntry]>,
    default_session: Option<Arc<Session>>,
    clusters: Clusters<'a>,
    default_cluster: Option<Arc<Cluster>>,
    cases: Vec<Case>,
    lines: HashMap<String, usize>,
}

/// The keys of a case that are not about what it asks and expects.
struct Frame {
    name: Spanned<String>,
    /// Whether the case runs for several policies, whose names then belong to the names of the cases.
    tells_policies_apart: bool,
    tags: Vec<String>,
    skip: Option<Either<Spanned<String>, SkipEntry>>,
    only: Option<Spanned<bool>>,
    xfail: Option<Spanned<String>>,
    timeout: Option<Spanned<String>>,
    clock: Option<Spanned<String>>,
    labels: Vec<String>,
    expect_span: Span,
}

impl<'a> Cases<'a> {
    pub(crate) fn new(
        suite_name: &'a str,
        files: &'a Files,
        kinds: &'a Kinds,
        variables: &'a Scope,
        defaults: DefaultsEntry,
        mistakes: &mut Mistakes,
    ) -> Self {
        let default_table = answers::table(&defaults.host, files, mistakes).into();
        let default_session = answers::session(defaults.replay.as_ref(), defaults.order.as_ref(), files, mistakes);
        let clusters = Clusters::new(files, kinds);
        let default_cluster = clusters.read(defaults.cluster.as_ref(), mistakes);
        Self {
            suite_name,
            files,
            kinds,
            variables,
            defaults,
            default_table,
            default_session,
            clusters,
            default_cluster,
            cases: Vec::new(),
            lines: HashMap::new(),
        }
    }

    /// The cases read so far, in the order of the file.
    pub(crate) fn finish(mut self) -> Vec<Case> {
        self.cases.sort_by_key(|case| case.span.offset);
        self.cases
    }

    /// Adds the static checks of the policies.
    pub(crate) fn add_checks(&mut self, policies: &mut Policies, mistakes: &mut Mistakes) {
        for (index, check) in std::mem::take(&mut policies.checks) {
            let word = match &check {
                crate::model::suite::Check::Version(_) => "version",
                crate::model::suite::Check::Mutating(_) => "mutating",
                crate::model::suite::Check::HostCapabilities(_) => "hostCapabilities",
                crate::model::suite::Check::Size(_) => "size",
            };
            let name = format!("check {} {word}", policies.specs[index.0].name);
            let span = check.span().clone();
            let case = Case {
                id: format!("{} › {name}", self.suite_name),
                name,
                policy: index,
                expect_span: span.clone(),
                span,
                tags: Vec::new(),
                skip: None,
                is_only: false,
                xfail: None,
                timeout: DEFAULT_TIMEOUT,
                clock: None,
                body: CaseBody::Check(check),
            };
            self.push(case, mistakes);
        }
    }

    /// Adds one entry of `cases:`.
    pub(crate) fn add_case(&mut self, written: &Data, policies: &mut Policies, mistakes: &mut Mistakes) {
        for Row { node, labels } in rows::expand(&written.0, self.variables, mistakes) {
            let node = self.inherit(&node, true);
            if let Some(entry) = read::<CaseEntry>(&node, mistakes) {
                self.add_request_case(entry, labels, policies, mistakes);
            }
        }
    }

    /// Adds one entry of `settingsCases:`.
    pub(crate) fn add_settings_case(&mut self, written: &Data, policies: &mut Policies, mistakes: &mut Mistakes) {
        for Row { node, labels } in rows::expand(&written.0, self.variables, mistakes) {
            let node = self.inherit(&node, false);
            if let Some(entry) = read::<SettingsCaseEntry>(&node, mistakes) {
                self.add_case_of_settings(entry, labels, policies, mistakes);
            }
        }
    }

    // In both functions below every part is read before the first missing one ends the work, so that the mistakes of
    // all parts are reported together.

    fn add_case_of_settings(
        &mut self,
        entry: SettingsCaseEntry,
        labels: Vec<String>,
        policies: &mut Policies,
        mistakes: &mut Mistakes,
    ) {
        let settings = request::settings(&entry.value, self.files).map_err(|mistake| mistakes.push(mistake)).ok();
        let answers =
            self.answers(&entry.host, entry.replay.as_ref(), entry.order.as_ref(), entry.cluster.as_ref(), mistakes);
        let expect = expect::settings_expectation(&entry.expect.0, mistakes);
        let indices = self.policies_of(entry.policy.as_ref(), &entry.name.span, policies, mistakes);
        let (Some(settings), Some(expect)) = (settings.map(Arc::new), expect.map(Arc::new)) else { return };
        let frame = Frame {
            name: entry.name,
            tells_policies_apart: indices.len() > 1,
            tags: entry.tags,
            skip: entry.skip,
            only: entry.only,
            xfail: entry.xfail,
            timeout: entry.timeout,
            clock: entry.clock,
            labels,
            expect_span: entry.expect.0.span,
        };
        for index in indices {
            let (settings, expect) = (Arc::clone(&settings), Arc::clone(&expect));
            let body = CaseBody::Settings(SettingsCase { settings, answers: Arc::clone(&answers), expect });
            self.add(&frame, index, None, body, policies, mistakes);
        }
    }

    fn add_request_case(
        &mut self,
        entry: CaseEntry,
        labels: Vec<String>,
        policies: &mut Policies,
        mistakes: &mut Mistakes,
    ) {
        let arrivals = self.requests().of_case(&entry, mistakes);
        let answers =
            self.answers(&entry.host, entry.replay.as_ref(), entry.order.as_ref(), entry.cluster.as_ref(), mistakes);
        let expect = expect::expectation(&entry.expect.0, self.files, mistakes);
        let indices = self.policies_of(entry.policy.as_ref(), &entry.name.span, policies, mistakes);
        let own_settings = entry.settings.as_ref().and_then(|settings| {
            request::settings(settings, self.files).map_err(|mistake| mistakes.push(mistake)).ok().map(Arc::new)
        });
        if let (Some(_), Some(variant)) = (&entry.settings, &entry.variant) {
            mistakes.add(&variant.span, "`settings` and `variant` exclude each other");
        }
        let Some(expect) = expect.map(Arc::new) else { return };
        if matches!(*expect, Expectation::NotApplicable) && entry.rules == Some(RulesMode::Ignore) {
            let help = "rules that are ignored select everything";
            mistakes.add_with_help(
                &entry.expect.0.span,
                "`not-applicable` and `rules: ignore` exclude each other",
                help,
            );
        }
        let frame = Frame {
            name: entry.name,
            tells_policies_apart: indices.len() > 1,
            tags: entry.tags,
            skip: entry.skip,
            only: entry.only,
            xfail: entry.xfail,
            timeout: entry.timeout,
            clock: entry.clock,
            labels,
            expect_span: entry.expect.0.span,
        };
        for index in indices {
            let settings = match (&own_settings, &entry.variant) {
                (Some(settings), _) => Arc::clone(settings),
                (None, None) => policies.settings(index),
                (None, Some(variant)) => match policies.variant(index, variant) {
                    Ok(settings) => settings,
                    Err(mistake) => {
                        mistakes.push(mistake);
                        continue;
                    }
                },
            };
            for arrival in &arrivals {
                let body = CaseBody::Request(Box::new(RequestCase {
                    request: Arc::clone(&arrival.request),
                    settings: Arc::clone(&settings),
                    rules: entry.rules.unwrap_or_default(),
                    answers: Arc::clone(&answers),
                    expect: Arc::clone(&expect),
                }));
                self.add(&frame, index, arrival.label.as_deref(), body, policies, mistakes);
            }
        }
    }

    fn requests(&self) -> Requests<'_> {
        let inherited_namespace = self.defaults.namespace.as_ref().map(|namespace| &namespace.0.span);
        Requests { files: self.files, kinds: self.kinds, inherited_namespace }
    }

    fn add(
        &mut self,
        frame: &Frame,
        policy: PolicyIndex,
        arrival: Option<&str>,
        body: CaseBody,
        policies: &Policies,
        mistakes: &mut Mistakes,
    ) {
        let mut labels = frame.labels.clone();
        if frame.tells_policies_apart {
            labels.push(policies.specs[policy.0].name.clone());
        }
        labels.extend(arrival.map(str::to_owned));
        let written = frame.name.value.trim();
        if written.is_empty() {
            mistakes.add(&frame.name.span, "a case needs a name");
        }
        let name = if labels.is_empty() { written.to_owned() } else { format!("{written} [{}]", labels.join(", ")) };
        let reasons = [frame.xfail.as_ref(), frame.skip.as_ref().map(Either::reason)];
        for reason in reasons.into_iter().flatten().filter(|reason| reason.value.trim().is_empty()) {
            mistakes.add(&reason.span, "a reason is missing");
        }
        let case = Case {
            id: format!("{} › {name}", self.suite_name),
            name,
            policy,
            span: frame.name.span.clone(),
            expect_span: frame.expect_span.clone(),
            tags: frame.tags.clone(),
            skip: frame.skip.as_ref().and_then(|skip| skip_reason(skip, mistakes)),
            is_only: frame.only.as_ref().is_some_and(|only| only.value),
            xfail: frame.xfail.clone(),
            timeout: timeout(frame.timeout.as_ref(), mistakes),
            clock: frame.clock.as_ref().and_then(|clock| point_in_time(clock, mistakes)),
            body,
        };
        self.push(case, mistakes);
    }

    fn push(&mut self, case: Case, mistakes: &mut Mistakes) {
        if let Some(line) = self.lines.insert(case.id.clone(), case.span.line) {
            let help = if line == case.span.line {
                "rows of a table need a `${…}` in the name that tells them apart".to_owned()
            } else {
                format!("line {line} has it too; names tell cases apart in every report")
            };
            mistakes.add_with_help(&case.span, format!("the name `{}` is used twice", case.name), help);
        }
        self.cases.push(case);
    }

    fn policies_of(
        &self,
        named: Option<&OneOrMany<Spanned<String>>>,
        case: &Span,
        policies: &mut Policies,
        mistakes: &mut Mistakes,
    ) -> Vec<PolicyIndex> {
        let names: Vec<Option<&Spanned<String>>> = match named {
            None => vec![None],
            Some(list) => list.0.iter().map(Some).collect(),
        };
        if names.is_empty() {
            mistakes.add(case, "the list of policies is empty, so the case would never run");
        }
        let mut indices = Vec::new();
        for name in names {
            match policies.find(name, case, self.files) {
                Ok(index) => indices.push(index),
                Err(mistake) => mistakes.push(mistake),
            }
        }
        indices
    }

    fn answers(
        &self,
        host: &Named<Named<Data>>,
        replay: Option<&Spanned<String>>,
        order: Option<&Spanned<ReplayOrder>>,
        cluster: Option<&OneOrMany<FileOr>>,
        mistakes: &mut Mistakes,
    ) -> Arc<HostAnswers> {
        Arc::new(HostAnswers {
            own_table: answers::table(host, self.files, mistakes),
            own_session: answers::session(replay, order, self.files, mistakes),
            own_cluster: self.clusters.read(cluster, mistakes),
            default_table: Arc::clone(&self.default_table),
            default_session: self.default_session.clone(),
            default_cluster: self.default_cluster.clone(),
            kinds: self.clusters.kinds(),
        })
    }

    /// Fills the keys a case lacks from the defaults. Keys that say the same in another way count as given.
    fn inherit(&self, case: &Node, is_request: bool) -> Node {
        let has = |keys: &[&str]| keys.iter().any(|key| case.get(key).is_some());
        let is_complete = has(&["request", "raw"]);
        let mut inherited = case.clone();
        let Content::Map(entries) = &mut inherited.content else { return inherited };
        for (key, value) in self.defaults.inherited() {
            let Some(value) = value else { continue };
            let is_given = match key {
                "object" => !is_request || has(&["object", "oldObject", "objects", "request", "raw"]),
                "settings" | "variant" => !is_request || has(&["settings", "variant"]),
                "user" | "namespace" | "operation" | "subresource" | "dryRun" => {
                    !is_request || is_complete || has(&[key])
                }
                "rules" => !is_request || has(&[key]),
                _ => has(&[key]),
            };
            if !is_given {
                entries.push((Key { name: key.to_owned(), span: value.0.span.clone() }, value.0.clone()));
            }
        }
        inherited
    }
}

fn timeout(written: Option<&Spanned<String>>, mistakes: &mut Mistakes) -> Duration {
    let Some(written) = written else { return DEFAULT_TIMEOUT };
    match humantime::parse_duration(&written.value) {
        Ok(timeout) if timeout > LONGEST_TIMEOUT || timeout.is_zero() => {
            let longest = LONGEST_TIMEOUT.as_secs();
            mistakes.add(&written.span, format!("a deadline is longer than nothing and at most {longest}s"));
            DEFAULT_TIMEOUT
        }
        Ok(timeout) => timeout,
        Err(_) => {
            mistakes.add_with_help(
                &written.span,
                format!("`{}` is no duration", written.value),
                "durations are written with their unit: `200ms`, `2s`",
            );
            DEFAULT_TIMEOUT
        }
    }
}

fn point_in_time(written: &Spanned<String>, mistakes: &mut Mistakes) -> Option<jiff::Timestamp> {
    let time = written.value.parse();
    if time.is_err() {
        let message = format!("`{}` is no point in time", written.value);
        mistakes.add_with_help(&written.span, message, "write it as `2026-01-01T00:00:00Z`");
    }
    time.ok()
}

impl Either<Spanned<String>, SkipEntry> {
    fn reason(&self) -> &Spanned<String> {
        match self {
            Self::Scalar(reason) => reason,
            Self::Mapping(entry) => &entry.reason,
        }
    }
}

/// Why a case is skipped; nothing once its day has come.
fn skip_reason(skip: &Either<Spanned<String>, SkipEntry>, mistakes: &mut Mistakes) -> Option<String> {
    let entry = match skip {
        Either::Scalar(reason) => return Some(reason.value.clone()),
        Either::Mapping(entry) => entry,
    };
    let Some(until) = &entry.until else { return Some(entry.reason.value.clone()) };
    match until.value.parse::<jiff::civil::Date>() {
        Ok(day) => {
            let is_over = jiff::Zoned::now().date() >= day;
            (!is_over).then(|| format!("{} (until {day})", entry.reason.value))
        }
        Err(_) => {
            mistakes.add_with_help(&until.span, format!("`{}` is no day", until.value), "write it as `2027-01-31`");
            None
        }
    }
}
