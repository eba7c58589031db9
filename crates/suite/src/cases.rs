//! `cases:` and `settingsCases:`: entries become cases, with defaults applied and every name resolved.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

use super::answers;
use super::cluster::Clusters;
use super::expect;
use super::files::Files;
use super::kinds::Kinds;
use super::mistake::{Mistakes, mistake};
use super::policies::{Policies, PolicyOrGroup, Relations};
use super::read::read;
use super::request::{self, Arrival, Requests};
use super::rows::{self, Row};
use super::schema::{
    CaseEntry, Data, DefaultsEntry, Either, FileOr, OneOrMany, ReplayOrder, SettingsCaseEntry, SkipEntry, UnitText,
    XfailEntry,
};
use super::vars::Scope;
use super::yaml::{Content, Key, Node};
use super::{baseline, relations, schema, subject, timeout};
use policy_verify_model::behaviour::Class;
use policy_verify_model::cluster::Cluster;
use policy_verify_model::code::Code;
use policy_verify_model::diagnostic::Diagnostic;
use policy_verify_model::hosting::{HostAnswers, Session, TableEntry};
use policy_verify_model::source::{FileOrder, SourceFile, Span, Spanned};
use policy_verify_model::suite::{
    Case, CaseBody, Expectation, PolicyIndex, PolicyUse, RequestCase, RulesMode, SettingsCase, Snapshot, Step,
    StoredAnswer, Subject, Xfail,
};

/// Bytes of the requests of a suite that are kept as they are, at about 10 to 20 KB each; all further ones are kept as text,
/// which takes a tenth of it, and some microseconds.
const MOST_WHOLE: usize = 32 << 20;

/// Most cases of a suite.
const MOST_CASES: usize = 100_000;

/// Bytes of the requests of all cases of a suite.
const MOST_BYTES: usize = 512 << 20;

/// Whether all rows of a case have the objects of the same files.
fn has_same_objects(case: &Node) -> bool {
    let is_fixed = |node: &Node| node.as_str().is_some_and(|text| !text.contains("${"));
    let are_fixed = |items: &[Node]| !items.is_empty() && items.iter().all(is_fixed);
    case.get("objects").is_some_and(|objects| is_fixed(objects) || are_fixed(objects.items()))
}

/// What is said about a suite with more.
fn too_many() -> String {
    format!("with this one, the suite has more than {MOST_CASES} cases")
}

/// The keys of a case that give its request.
const SOURCES: [&str; 5] = ["object", "oldObject", "objects", "request", "raw"];

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
    /// Where each name is written.
    places: HashMap<String, Span>,
    /// Where cases begin of whose rows a name twice was told.
    with_equal_rows: HashSet<(String, usize)>,
    /// Whether variables are part of the names of cases.
    is_named_by_variables: bool,
    /// Bytes of the requests.
    bytes: usize,
    /// Whether no further case is read.
    is_full: bool,
}

/// The keys of a case that are not about what it asks and expects.
struct Frame {
    name: Spanned<String>,
    /// Whether the case runs for several policies, whose names then belong to the names of the cases.
    tells_subjects_apart: bool,
    tags: Vec<String>,
    skip: Option<Either<Spanned<String>, SkipEntry>>,
    only: Option<Spanned<bool>>,
    xfail: Option<Either<Spanned<String>, XfailEntry>>,
    timeout: Option<Spanned<UnitText>>,
    clock: Option<Spanned<String>>,
    has_snapshot: bool,
    expected_changes: Vec<Class>,
    row: Expanded,
    expect_span: Span,
}

/// What a case has from the row it is made of.
struct Expanded {
    /// Where the row is written.
    origin: Option<Span>,
    labels: Vec<String>,
    /// How many rows, this one included, make as many cases; the others of them come later.
    alike: usize,
}

impl<'a> Cases<'a> {
    pub(crate) fn new(suite_name: &'a str, files: &'a Files, kinds: &'a Kinds, variables: &'a Scope) -> Self {
        Self {
            suite_name,
            files,
            kinds,
            variables,
            defaults: DefaultsEntry::default(),
            default_table: Arc::default(),
            default_session: None,
            clusters: Clusters::new(files, kinds),
            default_cluster: None,
            cases: Vec::new(),
            places: HashMap::new(),
            with_equal_rows: HashSet::new(),
            is_named_by_variables: false,
            bytes: 0,
            is_full: false,
        }
    }

    /// These are the defaults of the cases that are added from now on.
    pub(crate) fn use_defaults(&mut self, defaults: DefaultsEntry, mistakes: &mut Mistakes) {
        refuse_two_sources(&defaults, mistakes);
        self.default_table = answers::table(&defaults.host, self.files, mistakes).into();
        let (replay, order) = (defaults.replay.as_ref(), defaults.order.as_ref());
        self.default_session = answers::session(replay, order, self.files, mistakes);
        self.default_cluster = self.clusters.read(defaults.cluster.as_ref(), mistakes);
        self.defaults = defaults;
    }

    /// The cases read so far, in the order of the files: what is included comes first.
    pub(crate) fn finish(mut self, included: &[Arc<SourceFile>]) -> Vec<Case> {
        let order = FileOrder::of(included);
        self.cases.sort_by_key(|case| order.place(&case.span));
        self.cases
    }

    /// Whether variables are part of the names of cases: a run may then have others.
    pub(crate) fn are_named_by_variables(&self) -> bool {
        self.is_named_by_variables
    }

    /// Adds the static checks of the policies.
    pub(crate) fn add_checks(&mut self, policies: &mut Policies, mistakes: &mut Mistakes) {
        for (index, check) in std::mem::take(&mut policies.checks) {
            let name = format!("check {} {}", policies.specs[index.0].name, check.word());
            let span = check.span().clone();
            let case = Case {
                id: format!("{} › {name}", self.suite_name),
                name,
                subject: policies.specs[index.0].name.clone(),
                expect_span: span.clone(),
                span,
                origin: None,
                tags: Vec::new(),
                skip: None,
                is_only: false,
                xfail: None,
                timeout: None,
                clock: None,
                snapshot: None,
                expected_changes: Vec::new(),
                body: CaseBody::Check { policy: index, check },
            };
            self.push(case, mistakes);
        }
    }

    /// Adds the relations of the policies, once all cases are read.
    pub(crate) fn add_relations(&mut self, policies: &Policies, defaults: &Relations, mistakes: &mut Mistakes) {
        for test in relations::tests(self.suite_name, policies, defaults, &self.cases, mistakes) {
            self.push(test, mistakes);
        }
    }

    /// Refuses tables that make too many cases before any of them is read.
    pub(crate) fn refuse_too_many<'b>(&mut self, written: impl Iterator<Item = &'b Data>, mistakes: &mut Mistakes) {
        let mut sum = 0_usize;
        for case in written {
            let rows = rows::count(&case.0);
            sum = sum.saturating_add(rows);
            // A single table has a limit and a mistake of its own.
            if sum > MOST_CASES && rows <= MOST_CASES {
                let name = case.0.get("name").unwrap_or(&case.0);
                return self.refuse(&name.span, too_many(), mistakes);
            }
        }
    }

    /// Says why no further case is read.
    fn refuse(&mut self, span: &Span, too_much: String, mistakes: &mut Mistakes) {
        self.is_full = true;
        let help = "make fewer cases of `each`, `matrix` and `objects`, or split the suite into several files";
        mistakes.add_with_help(span, too_much, help);
    }

    /// Whether further rows are read.
    fn go_on(&self) -> ControlFlow<()> {
        if self.is_full { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// Whether there is room for another case. A suite that makes more than fit is a mistake, at the case that is one too many.
    fn has_room(&mut self, frame: &Frame, mistakes: &mut Mistakes) -> bool {
        if self.is_full {
            return false;
        }
        let too_much = if self.cases.len() >= MOST_CASES {
            too_many()
        } else if self.bytes > MOST_BYTES {
            format!("with this one, the requests of the suite are larger than {} MiB", MOST_BYTES >> 20)
        } else {
            return true;
        };
        self.refuse(&frame.name.span, too_much, mistakes);
        false
    }

    /// Adds one entry of `cases:`.
    pub(crate) fn add_case(&mut self, written: &Data, policies: &mut Policies, mistakes: &mut Mistakes) {
        if self.is_full {
            return;
        }
        self.is_named_by_variables |= rows::is_named_by_variables(&written.0);
        let mut alike = if has_same_objects(&written.0) { rows::count(&written.0) } else { 1 };
        rows::expand(&written.0, self.variables, mistakes, &mut |Row { node, origin, labels }, mistakes| {
            let node = self.inherit(&node, true);
            if let Some(entry) = read::<CaseEntry>(&node, mistakes) {
                self.add_request_case(entry, Expanded { origin, labels, alike }, policies, mistakes);
            }
            alike = 1;
            self.go_on()
        });
        mistakes.end_cases();
    }

    /// Adds one entry of `settingsCases:`.
    pub(crate) fn add_settings_case(&mut self, written: &Data, policies: &mut Policies, mistakes: &mut Mistakes) {
        if self.is_full {
            return;
        }
        self.is_named_by_variables |= rows::is_named_by_variables(&written.0);
        rows::expand(&written.0, self.variables, mistakes, &mut |Row { node, origin, labels }, mistakes| {
            let node = self.inherit(&node, false);
            if let Some(entry) = read::<SettingsCaseEntry>(&node, mistakes) {
                self.add_case_of_settings(entry, Expanded { origin, labels, alike: 1 }, policies, mistakes);
            }
            self.go_on()
        });
        mistakes.end_cases();
    }

    // In both functions below every part is read before the first missing one ends the work, so that the mistakes of
    // all parts are reported together.

    fn add_case_of_settings(
        &mut self,
        entry: SettingsCaseEntry,
        row: Expanded,
        policies: &mut Policies,
        mistakes: &mut Mistakes,
    ) {
        let is_misread = mistakes.is_case_wrong();
        let settings = request::settings(&entry.value, self.files).map_err(|mistake| mistakes.push(mistake)).ok();
        let answers =
            self.answers(&entry.host, entry.replay.as_ref(), entry.order.as_ref(), entry.cluster.as_ref(), mistakes);
        let expect = expect::settings_expectation(&entry.expect.0, mistakes);
        let has_policy = entry.policy.as_ref().is_some_and(|list| !list.0.is_empty());
        // Where reading the case had mistakes, the key of its policy may be among them.
        let indices = match is_misread && !has_policy {
            true => Vec::new(),
            false => self.policies_of(entry.policy.as_ref(), &entry.name.span, policies, mistakes),
        };
        let (Some(settings), Some(expect)) = (settings.map(Arc::new), expect.map(Arc::new)) else { return };
        let frame = Frame {
            name: entry.name,
            tells_subjects_apart: indices.len() > 1,
            tags: entry.tags,
            skip: entry.skip,
            only: entry.only,
            xfail: entry.xfail,
            timeout: entry.timeout,
            clock: entry.clock,
            has_snapshot: entry.snapshot.is_some_and(|snapshot| snapshot.value),
            expected_changes: baseline::expected_changes(entry.expect_change, policies, mistakes),
            row,
            expect_span: entry.expect.0.span,
        };
        for index in indices {
            let policy = PolicyUse { policy: index, settings: Arc::clone(&settings) };
            let (answers, expect) = (Arc::clone(&answers), Arc::clone(&expect));
            let subject = policies.specs[index.0].name.clone();
            self.add(&frame, subject, None, CaseBody::Settings(SettingsCase { policy, answers, expect }), mistakes);
        }
    }

    fn add_request_case(&mut self, entry: CaseEntry, row: Expanded, policies: &mut Policies, mistakes: &mut Mistakes) {
        let is_misread = mistakes.is_case_wrong();
        let arrivals = self.requests().of_case(&entry, mistakes);
        // Once for each, however many policies share it.
        self.bytes = arrivals.iter().fold(self.bytes, |bytes, arrival| bytes.saturating_add(arrival.request.bytes()));
        let answers =
            self.answers(&entry.host, entry.replay.as_ref(), entry.order.as_ref(), entry.cluster.as_ref(), mistakes);
        let expect = expect::expectation(&entry.expect.0, self.files, mistakes);
        let subjects = self.subjects_of(&entry, is_misread, policies, mistakes);
        let Some(expect) = expect.map(Arc::new) else { return };
        subject::check_members(&expect, &subjects, policies, mistakes);
        subject::check_mode(&expect, &subjects, policies, mistakes);
        subject::check_faults(&expect, &subjects, policies, mistakes);
        if matches!(*expect, Expectation::NotApplicable) && entry.rules == Some(RulesMode::Ignore) {
            let message = "`not-applicable` cannot be combined with `rules: ignore`";
            let mistake = mistake(&entry.expect.0.span, message).with_code(Code::Contradiction);
            mistakes.push(mistake.with_help("remove `rules: ignore`: it makes every request match".to_owned()));
        }
        let settings_spans: Vec<_> = subjects.iter().map(|it| settings_span(it, &entry, policies)).collect();
        let frame = Frame {
            name: entry.name,
            tells_subjects_apart: subjects.len() > 1,
            tags: entry.tags,
            skip: entry.skip,
            only: entry.only,
            xfail: entry.xfail,
            timeout: entry.timeout,
            clock: entry.clock,
            has_snapshot: entry.snapshot.is_some_and(|snapshot| snapshot.value),
            expected_changes: baseline::expected_changes(entry.expect_change, policies, mistakes),
            row,
            expect_span: entry.expect.0.span,
        };
        let expected = frame.row.alike.saturating_mul(subjects.len()).saturating_mul(arrivals.len());
        if self.cases.len().saturating_add(expected) > MOST_CASES && frame.row.alike > 1 {
            return self.refuse(&frame.name.span, too_many(), mistakes);
        }
        for (subject, settings_span) in subjects.into_iter().zip(settings_spans) {
            for arrival in &arrivals {
                let body = CaseBody::Request(Box::new(RequestCase {
                    subject: subject.clone(),
                    request: Arc::clone(&arrival.request),
                    created: arrival.created.clone(),
                    written: Arc::clone(&arrival.written),
                    settings_span: settings_span.clone(),
                    equivalents: arrival.equivalents.clone(),
                    rules: entry.rules.unwrap_or_default(),
                    answers: Arc::clone(&answers),
                    expect: Arc::clone(&expect),
                }));
                self.add(&frame, policies.name_of(&subject), Some(arrival), body, mistakes);
            }
        }
    }

    fn subjects_of(
        &self,
        entry: &CaseEntry,
        is_misread: bool,
        policies: &mut Policies,
        mistakes: &mut Mistakes,
    ) -> Vec<Subject> {
        let inherited = [&self.defaults.settings, &self.defaults.variant];
        let written = subject::Written {
            policy: entry.policy.as_ref(),
            group: entry.group.as_ref(),
            chain: entry.chain.as_ref(),
            settings: entry.settings.as_ref(),
            variant: entry.variant.as_ref(),
            is_misread,
            inherited: inherited.into_iter().flatten().map(|data| &data.0.span).collect(),
        };
        subject::subjects(&written, &entry.name.span, policies, self.files, mistakes)
    }

    fn requests(&self) -> Requests<'_> {
        let inherited_namespace = self.defaults.namespace.as_ref().map(|namespace| &namespace.0.span);
        Requests::new(self.files, self.kinds, inherited_namespace, self.bytes >= MOST_WHOLE)
    }

    fn add(
        &mut self,
        frame: &Frame,
        subject: String,
        arrival: Option<&Arrival>,
        body: CaseBody,
        mistakes: &mut Mistakes,
    ) {
        if !self.has_room(frame, mistakes) {
            return;
        }
        let mut labels = frame.row.labels.clone();
        if frame.tells_subjects_apart {
            labels.push(subject.clone());
        }
        let mut lasting = labels.clone();
        labels.extend(arrival.and_then(|arrival| arrival.label.clone()));
        lasting.extend(arrival.and_then(|arrival| arrival.lasting_label.clone()));
        let written = frame.name.value.trim();
        if written.is_empty() {
            mistakes.add_with_help(&frame.name.span, "the name of the case is empty", "write what the case shows");
        }
        let name = with_labels(written, &labels);
        let reasons = [frame.xfail.as_ref().map(xfail_reason), frame.skip.as_ref().map(Either::reason)];
        for reason in reasons.into_iter().flatten().filter(|reason| reason.value.trim().is_empty()) {
            mistakes.add_with_help(&reason.span, "the reason is empty", "write why the case is skipped or fails");
        }
        let case = Case {
            id: format!("{} › {name}", self.suite_name),
            name,
            subject,
            span: frame.name.span.clone(),
            expect_span: frame.expect_span.clone(),
            tags: frame.tags.clone(),
            origin: arrival.and_then(|arrival| arrival.origin.clone()).or_else(|| frame.row.origin.clone()),
            skip: frame
                .skip
                .as_ref()
                .and_then(|skip| skip_reason(skip, mistakes))
                .or_else(|| arrival.and_then(|arrival| arrival.skip.clone())),
            is_only: frame.only.as_ref().is_some_and(|only| only.value),
            xfail: frame.xfail.as_ref().map(xfail),
            timeout: timeout::read(frame.timeout.as_ref(), mistakes),
            clock: frame.clock.as_ref().and_then(|clock| point_in_time(clock, mistakes)),
            expected_changes: frame.expected_changes.clone(),
            snapshot: frame.has_snapshot.then(|| unread_snapshot(with_labels(written, &lasting))),
            body,
        };
        self.push(case, mistakes);
    }

    fn push(&mut self, case: Case, mistakes: &mut Mistakes) {
        if let Some(other) = self.places.insert(case.id.clone(), case.span.clone()) {
            let is_same_file = other.file.path == case.span.file.path;
            let is_of_rows = is_same_file && other.line == case.span.line;
            let help = match (is_of_rows, is_same_file) {
                (true, _) => "add a `${…}` of the row to the name".to_owned(),
                (false, true) => format!("rename this case, or the one in line {}", other.line),
                (false, false) => format!("rename this case, or the one in {}", other.file_and_line()),
            };
            // Rows that give one name twice usually do so many times.
            if !is_of_rows || self.with_equal_rows.insert((case.span.file.path.clone(), case.span.offset)) {
                let mistake = mistake(&case.span, format!("duplicate case name `{}`", case.name));
                let mistake = mistake.with_code(Code::NameTwice).with_help(help);
                mistakes.push(if is_same_file { mistake } else { mistake.with_related(&other, "also here") });
            }
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
        let found: Vec<Result<PolicyIndex, Diagnostic>> = match named {
            None => vec![policies.only_one(case).and_then(|named| match named {
                PolicyOrGroup::Policy(policy) => Ok(policy),
                PolicyOrGroup::Group(_) => Err(
                    mistake(case, "a settings case needs a policy, not a group").with_help("add `policy:`".to_owned()),
                ),
            })],
            Some(list) => list.0.iter().map(|name| policies.find_policy(name, self.files)).collect(),
        };
        if found.is_empty() {
            mistakes.add_coded(Code::NeverRuns, case, "the list of policies is empty: the case would never run");
        }
        found.into_iter().filter_map(|policy| policy.map_err(|mistake| mistakes.push(mistake)).ok()).collect()
    }

    fn answers(
        &self,
        host: &schema::Named<schema::Named<Data>>,
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
        let has_source = has(&SOURCES);
        let is_complete = match has_source {
            true => has(&["request", "raw"]),
            false => self.defaults.request.is_some() || self.defaults.raw.is_some(),
        };
        let mut inherited = case.clone();
        let Content::Map(entries) = &mut inherited.content else { return inherited };
        for (key, value) in self.defaults.inherited() {
            let Some(value) = value else { continue };
            let is_given = match key {
                "policy" if is_request => has(&["policy", "group", "chain"]),
                "group" | "chain" => !is_request || has(&["policy", "group", "chain"]),
                "object" | "request" | "raw" => !is_request || has_source,
                "settings" | "variant" => !is_request || has(&["settings", "variant"]),
                "user" | "namespace" | "operation" | "subresource" | "dryRun" | "complete" => {
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

/// The name of a case with what tells it from others.
fn with_labels(name: &str, labels: &[String]) -> String {
    if labels.is_empty() { name.to_owned() } else { format!("{name} [{}]", labels.join(", ")) }
}

/// A snapshot that is read once all cases are known: only then its file has a name.
fn unread_snapshot(case: String) -> Snapshot {
    Snapshot { case, path: PathBuf::new(), shown: String::new(), stored: StoredAnswer::Absent }
}

/// Where the settings of a single policy are written.
fn settings_span(subject: &Subject, entry: &CaseEntry, policies: &Policies) -> Option<Span> {
    let [Step::Policy(used)] = subject.steps.as_slice() else { return None };
    let variant = entry.variant.as_ref().map(|variant| variant.value.as_str());
    let own = entry.settings.as_ref().map(FileOr::span);
    own.or_else(|| policies.settings_span(used.policy, variant)).cloned()
}

/// Only one of the sources of a request can be inherited.
fn refuse_two_sources(defaults: &DefaultsEntry, mistakes: &mut Mistakes) {
    let given = [("object", &defaults.object), ("request", &defaults.request), ("raw", &defaults.raw)];
    let given: Vec<_> = given.into_iter().filter_map(|(key, data)| Some((key, data.as_ref()?))).collect();
    if let [(first, _), (second, data), ..] = given.as_slice() {
        let mistake = mistake(&data.0.span, format!("`{first}` and `{second}` cannot be combined in `defaults`"));
        mistakes.push(mistake.with_code(Code::Contradiction).with_help("keep one of them".to_owned()));
    }
}

fn point_in_time(written: &Spanned<String>, mistakes: &mut Mistakes) -> Option<jiff::Timestamp> {
    let time = written.value.parse();
    if time.is_err() {
        let message = format!("invalid timestamp `{}`", written.value);
        mistakes.add_with_help(&written.span, message, "write `2026-01-01T00:00:00Z`");
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

fn xfail_reason(xfail: &Either<Spanned<String>, XfailEntry>) -> &Spanned<String> {
    match xfail {
        Either::Scalar(reason) => reason,
        Either::Mapping(entry) => &entry.reason,
    }
}

fn xfail(written: &Either<Spanned<String>, XfailEntry>) -> Xfail {
    let fault = match written {
        Either::Scalar(_) => None,
        Either::Mapping(entry) => entry.fault.as_ref().map(|fault| fault.value),
    };
    Xfail { reason: xfail_reason(written).value.clone(), fault }
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
            mistakes.add_with_help(&until.span, format!("invalid date `{}`", until.value), "write `2027-01-31`");
            None
        }
    }
}
