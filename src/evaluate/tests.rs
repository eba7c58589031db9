//! Equality with policy-server: every policy and every hostile guest of `testdata` against the bytes in
//! `testdata/server/answers.yml`, under `compat: server`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rayon::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};

use super::evaluation::accepted;
use super::{compat, deploy};
use policy_verify_engine::compiler::CompilerChoice;
use policy_verify_engine::engine::{Engine, Module, Setup};
use policy_verify_engine::{self as runtime, Context};
use policy_verify_host::Host;
use policy_verify_host::access::Access;
use policy_verify_model::answer::Fault;
use policy_verify_model::hosting::{ContextAware, Grants, HostAnswers, TableAnswer, TableEntry};
use policy_verify_model::policy::{ContextAwareResource, ExecutionMode, Metadata, Settings};
use policy_verify_model::request::Request;
use policy_verify_model::source::{SourceFile, Span, Spanned};
use policy_verify_model::suite::{Compat, Deployment};

/// Long enough for every guest that ends by itself; no test waits for it.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The name under which every policy is deployed.
const ID: &str = "id";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    requests: BTreeMap<String, Value>,
    answers: Vec<Row>,
}

/// One answer of the server.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Row {
    /// `wat/NAME` or `policies/NAME`.
    module: String,
    mode: Option<ExecutionMode>,
    #[serde(default)]
    settings: Settings,
    /// Name of an AdmissionRequest of the table.
    request: Option<String>,
    raw: Option<Value>,
    #[serde(default)]
    host: BTreeMap<String, BTreeMap<String, Value>>,
    /// `apiVersion/Kind` of what it may read.
    #[serde(default)]
    context_aware: Vec<String>,
    #[serde(default)]
    deployment: Deployed,
    timeout: Option<String>,
    answer: Option<String>,
    begins: Option<String>,
    fault: Option<String>,
    /// What the real server said, settings validation included.
    server: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Deployed {
    mode: Option<String>,
    allowed_to_mutate: Option<bool>,
    message: Option<String>,
}

fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata")
}

fn table() -> Table {
    let text = std::fs::read_to_string(testdata().join("server/answers.yml")).unwrap();
    serde_saphyr::from_str(&text).unwrap()
}

/// Names of the modules that ought to be in the table.
fn modules() -> BTreeSet<String> {
    let names = |folder: &str| {
        let entries = std::fs::read_dir(testdata().join(folder)).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect::<Vec<_>>()
    };
    let stem = |path: &Path| path.file_stem().unwrap().to_str().unwrap().to_owned();
    let guests = names("wat").into_iter().map(|path| format!("wat/{}", stem(&path)));
    let policies = names("policies").into_iter().filter(|path| path.join("policy.wasm").exists());
    guests.chain(policies.map(|path| format!("policies/{}", stem(&path)))).collect()
}

fn compile(engine: &Engine, name: &str) -> Module {
    let path = testdata().join(name);
    let bytes = match name.starts_with("wat/") {
        true => wat::parse_file(path.with_extension("wat")).unwrap(),
        false => std::fs::read(path.join("policy.wasm")).unwrap(),
    };
    engine.compile(&bytes).unwrap()
}

impl Row {
    fn mode(&self) -> ExecutionMode {
        match (&self.mode, self.module.strip_prefix("wat/")) {
            (Some(mode), _) => *mode,
            (None, Some(guest)) if guest.starts_with("wasi-") => ExecutionMode::Wasi,
            (None, Some(_)) => ExecutionMode::KubewardenWapc,
            (None, None) => {
                let text = std::fs::read_to_string(testdata().join(&self.module).join("metadata.yml")).unwrap();
                serde_saphyr::from_str::<Metadata>(&text).unwrap().execution_mode
            }
        }
    }

    fn request(&self, requests: &BTreeMap<String, Value>) -> Request {
        match &self.request {
            Some(name) => Request::Admission(Box::new(serde_json::from_value(requests[name].clone()).unwrap())),
            None => Request::Raw(self.raw.clone().unwrap_or_else(|| json!({"uid": "u1"}))),
        }
    }

    fn host(&self) -> Host {
        let span = Span::start_of(&Arc::new(SourceFile { path: "answers.yml".into(), text: String::new() }));
        let entry = |capability: &String, (request, answer): (&String, &Value)| TableEntry {
            capability: capability.clone(),
            request: Spanned::new(request.clone(), span.clone()),
            answer: match answer.get("error").and_then(Value::as_str) {
                Some(text) => TableAnswer::Error(text.to_owned()),
                None => TableAnswer::Value(answer.clone()),
            },
        };
        let table = self.host.iter().flat_map(|(capability, answers)| answers.iter().map(|it| entry(capability, it)));
        let granted = self.context_aware.iter().map(|resource| {
            let (api_version, kind) = resource.rsplit_once('/').unwrap();
            ContextAwareResource { api_version: api_version.to_owned(), kind: kind.to_owned() }
        });
        let granted: BTreeSet<ContextAwareResource> = granted.collect();
        let plural = |it: &ContextAwareResource| policy_verify_model::cluster::ClusterKind {
            plural: if it.kind == "Ingress" { "ingresses".into() } else { unreachable!("no plural of {}", it.kind) },
            is_namespaced: true,
        };
        let kinds = granted.iter().map(|resource| (resource.clone(), plural(resource))).collect();
        let answers = HostAnswers { own_table: table.collect(), kinds: Arc::new(kinds), ..HostAnswers::default() };
        let grants = Grants { context_aware: ContextAware::Listed(granted), ..Grants::default() };
        Host::new(Arc::new(answers)).with_access(Access::new(&grants, None, Compat::Server))
    }

    /// The bytes of the answer of an evaluation, or the kind of the fault. Settings are not validated: most guests give
    /// the same answer to every call.
    fn answered(&self, engine: &Engine, module: &Module, requests: &BTreeMap<String, Value>) -> Result<String, String> {
        self.answered_after(engine, module, requests, |_| Ok(()))
    }

    /// The same with what comes before the evaluation.
    fn answered_after(
        &self,
        engine: &Engine,
        module: &Module,
        requests: &BTreeMap<String, Value>,
        before: impl FnOnce(&mut dyn runtime::Instance) -> Result<(), Fault>,
    ) -> Result<String, String> {
        let guest = runtime::load(engine, module, self.mode()).map_err(|_| "link".to_owned())?;
        let request = self.request(requests);
        let host = Arc::new(self.host());
        let timeout = self.timeout.as_ref().map_or(TIMEOUT, |text| humantime::parse_duration(text).unwrap());
        let mut context = Context::new(Arc::clone(&host), timeout);
        // The release whose answers were recorded.
        (context.release, context.memory_limit) = ("1.36".parse().unwrap(), None);
        let started = guest.start(&context);
        let answer = started.and_then(|mut instance| {
            before(instance.as_mut())?;
            instance.validate(&request, &self.settings)
        });
        let answer = compat::answer(answer, Compat::Server, request.uid());
        assert_eq!(host.fault(), None);
        let deployment = Deployment {
            is_monitor: self.deployment.mode.as_deref() == Some("monitor"),
            allowed_to_mutate: self.deployment.allowed_to_mutate.unwrap_or(true),
            message: self.deployment.message.clone(),
            ..Deployment::default()
        };
        let deployed = answer.map(|response| deploy::post_process(response, &deployment, ID));
        let answer = compat::not_served(deployed, Compat::Server, request.uid());
        answer.map(|response| serde_json::to_string(&response).unwrap()).map_err(|fault| fault.kind.to_string())
    }

    /// What is wrong with an answer.
    fn difference(&self, answered: &Result<String, String>) -> Option<String> {
        let is_right = match (answered, &self.answer, &self.begins, &self.fault) {
            (Ok(bytes), Some(expected), None, None) => bytes == expected,
            (Ok(bytes), None, Some(beginning), None) => bytes.starts_with(beginning),
            (Err(kind), None, None, Some(expected)) => kind == expected,
            (_, Some(_), None, None) | (_, None, Some(_), None) | (_, None, None, Some(_)) => false,
            _ => panic!("{}: exactly one of answer, begins and fault is expected", self.module),
        };
        let expected = self.answer.as_ref().or(self.begins.as_ref()).or(self.fault.as_ref())?;
        (!is_right).then(|| format!("{}\n  expected {expected}\n  answered {answered:?}", self.module))
    }
}

fn engine_with(compiler: CompilerChoice) -> Engine {
    Engine::set_up(Setup { compiler, ..Setup::default() }).unwrap()
}

#[test]
fn answers_are_those_of_the_server_byte_for_byte() {
    answers_are_those_of_the_server(&engine_with(CompilerChoice::Cranelift));
}

#[test]
fn answers_of_the_quick_compiler_are_the_same() {
    answers_are_those_of_the_server(&engine_with(CompilerChoice::Winch));
}

fn answers_are_those_of_the_server(engine: &Engine) {
    let table = table();
    let names: BTreeSet<&str> = table.answers.iter().map(|row| row.module.as_str()).collect();
    let compiled: BTreeMap<&str, Module> = names.into_par_iter().map(|name| (name, compile(engine, name))).collect();
    let answered = |row: &Row| row.answered(engine, &compiled[row.module.as_str()], &table.requests);
    let wrong: Vec<String> = table.answers.par_iter().filter_map(|row| row.difference(&answered(row))).collect();
    assert!(wrong.is_empty(), "{} of {} differ\n{}", wrong.len(), table.answers.len(), wrong.join("\n"));
}

/// Rows in which the server gives an answer and `verify` a fault, and why.
const FAULTS_HERE: [(&str, &str); 10] = [
    ("wat/wapc-memory-hog-traps", "the recorded release has no limit of memory"),
    ("wat/wapc-memory-hog-reports", "the recorded release has no limit of memory"),
    ("wat/wapc-memory-minimum", "the recorded release has no limit of memory"),
    ("wat/wasi-memory-hog", "the recorded release has no limit of memory"),
    ("wat/wapc-reply-too-long", "the limit of a reply is ours"),
    ("wat/wapc-request-out-of-range", "an address outside of the memory is never an answer"),
    ("wat/wapc-wasi-out-of-range", "an address outside of the memory is never an answer"),
    ("wat/wapc-no-memory", "the module is refused before any case runs"),
    ("wat/wapc-odd-signature", "the module is refused before any case runs"),
    ("wat/wapc-unknown-import", "the module is refused before any case runs"),
];

/// A text without the frames of its backtraces: the recorded modules were annotated, which moved their code and took the
/// names of functions, and the server lists functions of its own.
fn without_frames(answer: &str) -> String {
    let Some((before, after)) = answer.split_once("wasm backtrace:") else { return answer.to_owned() };
    let cause = after.split_once("Caused by:").map_or("", |(_, cause)| cause);
    let cause = cause.split_once("\\n\\nStack backtrace").map_or(cause, |(cause, _)| cause);
    format!("{before}{}", cause.trim_end_matches("\",\"code\":500},\"auditAnnotations\":null,\"warnings\":null}"))
}

#[test]
fn recorded_answers_of_the_server_are_ours() {
    recorded_answers_are_those_of(&engine_with(CompilerChoice::Cranelift));
}

#[test]
fn recorded_answers_of_the_server_are_those_of_the_quick_compiler() {
    recorded_answers_are_those_of(&engine_with(CompilerChoice::Winch));
}

fn recorded_answers_are_those_of(engine: &Engine) {
    let text = std::fs::read_to_string(testdata().join("server/answers.jsonl")).unwrap();
    let rows: Vec<Row> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let requests = table().requests;
    let names: BTreeSet<&str> = rows.iter().map(|row| row.module.as_str()).collect();
    let compiled: BTreeMap<&str, Module> = names.into_par_iter().map(|name| (name, compile(engine, name))).collect();
    let wrong: Vec<String> = rows
        .par_iter()
        .filter_map(|row| {
            let answered = row.answered_after(engine, &compiled[row.module.as_str()], &requests, |instance| {
                instance.validate_settings(&row.settings).and_then(|verdict| accepted(verdict, &row.settings))
            });
            let recorded = row.server.as_deref().unwrap();
            let is_fault = recorded.starts_with("server ") || FAULTS_HERE.iter().any(|(name, _)| *name == row.module);
            let is_right = match &answered {
                Err(_) => is_fault,
                Ok(answered) => !is_fault && without_frames(answered) == without_frames(recorded),
            };
            (!is_right).then(|| format!("{}\n  recorded {recorded}\n  answered {answered:?}", row.module))
        })
        .collect();
    assert!(wrong.is_empty(), "{} of {} differ\n{}", wrong.len(), rows.len(), wrong.join("\n"));
}

#[test]
fn every_policy_and_every_hostile_guest_has_an_answer() {
    let answered: BTreeSet<String> = table().answers.into_iter().map(|row| row.module).collect();
    let missing: Vec<String> = modules().difference(&answered).cloned().collect();
    assert!(missing.is_empty(), "not in testdata/server/answers.yml: {missing:?}");
}
