//! Step 3: bytes become a policy that is ready to be asked.
//!
//! [`module`] is the part that runs nothing: metadata is read, checked and attached, the mode is chosen. [`policies`]
//! then compiles every module once, however many policies share it, and links it.

mod annotate;
pub(crate) mod check;
mod detect;
mod ferricel;
mod metadata;
mod prepared;
mod scan;
pub(crate) mod served;
pub(crate) mod single;
mod unknown_keys;

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rayon::prelude::*;

use policy_verify_engine::engine::{CompileError, Engine, Module};
use policy_verify_engine::{self as runtime, Policy};
use policy_verify_files::bounded;
use policy_verify_model::compiler::Compiler;
use policy_verify_model::inspection::DetectedKind;
use policy_verify_model::outcome::{Unavailable, UnavailableStage};
use policy_verify_model::policy::{Digest, ExecutionMode, Metadata, PolicyRef};
use policy_verify_model::release::Release;
use policy_verify_model::source::{SourceFile, Span, Spanned};
use policy_verify_model::suite::PolicySpec;

pub(crate) use self::prepared::{AnnotatedModule, PreparedPolicy};
use self::prepared::{unusable, unusable_at};

/// Far above any real metadata or README.
const MAX_BYTES: u64 = 1024 * 1024;

/// Prepares policies. `resolved` holds their modules, in the same order. `compiling` is called with the name of a policy when
/// its compilation begins and when it ends.
pub(crate) fn policies(
    specs: &[(&PolicySpec, Release)],
    resolved: Vec<Result<Arc<[u8]>, Unavailable>>,
    engine: &Engine,
    compiling: &(dyn Fn(&str, bool) + Sync),
) -> Vec<Result<PreparedPolicy, Arc<Unavailable>>> {
    let shared = Mutex::new(BTreeMap::new());
    let annotated: Vec<Result<AnnotatedModule, Unavailable>> = specs
        .par_iter()
        .zip(resolved)
        .map(|((spec, release), bytes)| served_module(spec, bytes?, *release).map(|module| held_once(module, &shared)))
        .collect();
    let named = |index: usize, is_begun: bool| compiling(&specs[index].0.name, is_begun);
    let compiled = compile_each_once(&annotated, engine, &named);
    specs
        .par_iter()
        .zip(annotated)
        .enumerate()
        .map(|(index, ((spec, _), annotated))| {
            let annotated = annotated?;
            let Compiled { first, result, time } = &compiled[&annotated.digest];
            let compile_time = if *first == index { *time } else { Duration::ZERO };
            link(spec, annotated, result.as_ref(), engine, compile_time)
        })
        .map(|prepared| prepared.map_err(Arc::new))
        .collect()
}

/// The same module, with the bytes of the first that has the same: metadata is attached to each policy of a module anew.
fn held_once(module: AnnotatedModule, shared: &Mutex<BTreeMap<Digest, Arc<[u8]>>>) -> AnnotatedModule {
    let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
    let bytes = Arc::clone(shared.entry(module.digest).or_insert_with(|| Arc::clone(&module.bytes)));
    AnnotatedModule { bytes, ..module }
}

/// A module that policy-server would serve.
fn served_module(spec: &PolicySpec, bytes: Arc<[u8]>, release: Release) -> Result<AnnotatedModule, Unavailable> {
    if spec.metadata.is_none() && matches!(spec.uri.value, PolicyRef::Registry(_)) {
        // Before the mode is chosen: no mode that the suite could state makes the server serve it.
        metadata::of_module(&bytes).map_or(Ok(()), |metadata| served::check_published(spec, metadata.as_ref()))?;
    }
    let module = module(spec, bytes)?;
    served::check(spec, module.metadata.as_ref(), module.mode, release)?;
    Ok(module)
}

/// What became of the bytes of one digest.
struct Compiled {
    /// The first policy that has them.
    first: usize,
    result: Result<Module, CompileError>,
    time: Duration,
}

fn compile_each_once(
    annotated: &[Result<AnnotatedModule, Unavailable>],
    engine: &Engine,
    compiling: &(dyn Fn(usize, bool) + Sync),
) -> BTreeMap<Digest, Compiled> {
    let mut distinct: BTreeMap<Digest, (usize, &[u8])> = BTreeMap::new();
    for (index, module) in annotated.iter().enumerate() {
        if let Ok(module) = module {
            distinct.entry(module.digest).or_insert((index, &module.bytes));
        }
    }
    // The largest first: it would keep the run waiting if it came last.
    let mut distinct: Vec<_> = distinct.into_iter().collect();
    distinct.sort_by_key(|(_, (_, bytes))| Reverse(bytes.len()));
    distinct
        .into_iter()
        .par_bridge()
        .map(|(digest, (first, bytes))| {
            if let Some(module) = engine.kept(digest) {
                return (digest, Compiled { first, result: Ok(module), time: Duration::ZERO });
            }
            let start = Instant::now();
            compiling(first, true);
            let result = engine.compile_and_keep(digest, bytes);
            compiling(first, false);
            let time = start.elapsed();
            (digest, Compiled { first, result, time })
        })
        .collect()
}

fn link(
    spec: &PolicySpec,
    annotated: AnnotatedModule,
    compiled: Result<&Module, &CompileError>,
    engine: &Engine,
    compile_time: Duration,
) -> Result<PreparedPolicy, Unavailable> {
    // kwctl asks the module when it annotates it; a module that was annotated before has been asked then.
    let asks = spec.metadata.is_some();
    let ready = |compiled| ready(&annotated, compiled, engine, asks, &spec.uri_text, &mode_span(spec));
    let (guest, compiler) = match (ready(compiled), compiled) {
        (Ok(guest), compiled) => (guest, compiled.ok().map(Module::compiler)),
        // What provisional code says about a module is no verdict.
        (Err(_), Ok(module)) if engine.is_provisional(module) => {
            let optimised = engine.optimise(annotated.digest, &annotated.bytes);
            (ready(optimised.as_ref())?, Some(Compiler::Cranelift))
        }
        (Err(unavailable), _) => return Err(unavailable),
    };
    let AnnotatedModule { bytes, metadata, mode, digest, .. } = annotated;
    Ok(PreparedPolicy { module: bytes, digest, metadata, execution_mode: mode, guest, compiler, compile_time })
}

/// Links a compiled module, and `asks` it for its protocol version. `name` and `place` are for the messages.
fn ready(
    annotated: &AnnotatedModule,
    compiled: Result<&Module, &CompileError>,
    engine: &Engine,
    asks: bool,
    name: &str,
    place: &Span,
) -> Result<Arc<dyn Policy>, Unavailable> {
    let unavailable = |stage: UnavailableStage, message: String, help: Option<String>| Unavailable {
        stage,
        message,
        help,
        span: Some(place.clone()),
    };
    let mode = annotated.mode;
    if mode == ExecutionMode::Ferricel {
        ferricel::check_abi(&annotated.bytes).map_err(|text| unavailable(UnavailableStage::Compile, text, None))?;
    }
    let module = compiled.map_err(|error| {
        let help = match error {
            CompileError::Refused(_) => None,
            CompileError::Stopped(_) => Some("to give it more: `--compile-timeout 60s`".to_owned()),
        };
        unavailable(UnavailableStage::Compile, format!("cannot compile `{name}`: {error}"), help)
    })?;
    let AnnotatedModule { digest, bytes, .. } = annotated;
    let guest = runtime::load_with_tiers(engine, module, mode, *digest, bytes).map_err(|error| {
        let help = detect::guess(annotated.detected_kind)
            .filter(|guess| *guess != mode)
            .map(|guess| format!("it looks like a policy for `executionMode: {guess}`"));
        unavailable(UnavailableStage::Compile, error.to_string(), help)
    })?;
    if asks && mode == ExecutionMode::KubewardenWapc {
        runtime::protocol_version(engine, module).map_err(|error| {
            let message = format!("Error while detecting Kubewarden protocol version: {error}");
            unavailable(UnavailableStage::Metadata, message, None)
        })?;
    }
    Ok(guest)
}

/// Joins a module and the metadata the suite has for it, and chooses its mode.
pub(crate) fn module(spec: &PolicySpec, bytes: Arc<[u8]>) -> Result<AnnotatedModule, Unavailable> {
    let detected_kind = detect::kind(&bytes).map_err(|error| not_a_module(spec, &error))?;
    match &spec.metadata {
        Some(path) => annotate_with(path, spec, &bytes, detected_kind),
        None => with_its_own(spec, bytes, detected_kind),
    }
}

/// A module whose metadata is in the suite.
fn annotate_with(
    path: &Spanned<impl AsRef<Path>>,
    spec: &PolicySpec,
    bytes: &[u8],
    detected_kind: DetectedKind,
) -> Result<AnnotatedModule, Unavailable> {
    let file = read_text(path)?;
    let usage = spec.usage.as_ref().map(|usage| Ok(read_text(usage)?.text.clone())).transpose()?;
    let choose_mode = |metadata: &Metadata, _: &Span| choose_mode(spec, Some(metadata), detected_kind);
    annotate::with_file(bytes, detected_kind, &file, usage, choose_mode)
        .and_then(|annotated| annotate::no_key_is_misspelt(&file).map(|()| annotated))
        .map_err(|refused| refused.into_one(|error| not_a_module(spec, error)))
}

/// A module that runs as it is.
fn with_its_own(
    spec: &PolicySpec,
    bytes: Arc<[u8]>,
    detected_kind: DetectedKind,
) -> Result<AnnotatedModule, Unavailable> {
    if let Some(usage) = &spec.usage {
        let help = "add `metadata: metadata.yml`, or leave `usage` out";
        return Err(unusable(usage.span.clone(), "`usage` is a part of the metadata".into(), Some(help.into())));
    }
    let metadata = metadata::of_module(&bytes).map_err(|error| unusable_at(&spec.uri.span, error))?;
    let mode = choose_mode(spec, metadata.as_ref(), detected_kind)?;
    Ok(AnnotatedModule { digest: Digest::of(&bytes), bytes, metadata, mode, detected_kind })
}

fn choose_mode(
    spec: &PolicySpec,
    metadata: Option<&Metadata>,
    detected_kind: DetectedKind,
) -> Result<ExecutionMode, Unavailable> {
    if let (Some(metadata), Some(stated)) = (metadata, &spec.execution_mode)
        && metadata.execution_mode != stated.value
    {
        let message = format!(
            "the suite says `executionMode: {}`, the metadata says `{}`",
            stated.value, metadata.execution_mode
        );
        let help = "the metadata decides in the cluster: correct it, and leave `executionMode` out of the suite";
        return Err(unusable(stated.span.clone(), message, Some(help.into())));
    }
    let stated = spec.execution_mode.as_ref().map(|stated| stated.value);
    detect::mode(metadata, stated, detected_kind).map_err(|error| unusable_at(&mode_span(spec), error))
}

/// The place in the suite that decides about the execution mode.
fn mode_span(spec: &PolicySpec) -> Span {
    let stated = spec.execution_mode.as_ref().map(|stated| &stated.span);
    stated.or(spec.metadata.as_ref().map(|path| &path.span)).unwrap_or(&spec.uri.span).clone()
}

fn not_a_module(spec: &PolicySpec, error: &wasmparser::BinaryReaderError) -> Unavailable {
    Unavailable {
        stage: UnavailableStage::Compile,
        message: format!("Error parsing wasm module: `{}`: {error}", spec.uri_text),
        help: None,
        span: Some(spec.uri.span.clone()),
    }
}

/// Reads a file the suite names.
fn read_text(path: &Spanned<impl AsRef<Path>>) -> Result<Arc<SourceFile>, Unavailable> {
    let shown = shown(path.value.as_ref(), &path.span.file);
    match bounded::read_text(path.value.as_ref(), MAX_BYTES) {
        Ok(text) => Ok(Arc::new(SourceFile { path: shown, text })),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(unusable(path.span.clone(), format!("file not found: `{shown}`"), Some("correct its path".into())))
        }
        Err(error) => Err(unusable(path.span.clone(), format!("cannot read `{shown}`: {error}"), None)),
    }
}

/// The path of a file in the form in which that of the suite is shown: relative to the same folder.
fn shown(path: &Path, suite: &SourceFile) -> String {
    let is_root = |folder: &&Path| Path::new(&suite.path).is_relative() && folder.join(&suite.path).is_file();
    let relative = path.ancestors().skip(1).find(is_root).and_then(|root| path.strip_prefix(root).ok());
    relative.unwrap_or(path).to_string_lossy().replace('\\', "/")
}

#[cfg(test)]
mod tests {
    use super::*;
    use policy_verify_engine::engine::Limits;
    use policy_verify_model::hosting::Grants;
    use policy_verify_model::policy::ProtocolVersion;
    use policy_verify_model::suite::{Compat, Deployment};

    const METADATA: &str = "rules: []\nmutating: false\nexecutionMode: wasi\n";

    /// A folder with a suite, and one policy of it.
    struct Fixture {
        folder: tempfile::TempDir,
        spec: PolicySpec,
    }

    impl Fixture {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            std::fs::write(folder.path().join("suite.yml"), "version: 1\n").unwrap();
            let spec = PolicySpec {
                name: "policy".into(),
                span: span(1),
                uri: Spanned::new(PolicyRef::File(folder.path().join("policy.wasm")), span(2)),
                uri_text: "policy.wasm".into(),
                metadata: None,
                nearby_metadata: None,
                form: None,
                settings: Vec::new(),
                usage: None,
                execution_mode: None,
                deployment: Deployment::default(),
                grants: Grants::default(),
                compat: Compat::Strict,
                signed_by: Vec::new(),
                baseline: None,
            };
            Self { folder, spec }
        }

        fn metadata(mut self, text: &str) -> Self {
            self.spec.metadata = Some(Spanned::new(self.write("metadata.yml", text), span(3)));
            self
        }

        fn usage(mut self, text: &str) -> Self {
            self.spec.usage = Some(Spanned::new(self.write("README.md", text), span(4)));
            self
        }

        fn mode(mut self, mode: ExecutionMode) -> Self {
            self.spec.execution_mode = Some(Spanned::new(mode, span(5)));
            self
        }

        fn write(&self, name: &str, text: &str) -> std::path::PathBuf {
            let path = self.folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        }

        fn module(&self, bytes: &[u8]) -> Result<AnnotatedModule, Unavailable> {
            module(&self.spec, bytes.into())
        }

        fn error(&self, bytes: &[u8]) -> Unavailable {
            self.module(bytes).unwrap_err()
        }
    }

    fn span(line: usize) -> Span {
        let file = Arc::new(SourceFile { path: "suite.yml".into(), text: String::new() });
        Span { line, ..Span::start_of(&file) }
    }

    fn wasi() -> Vec<u8> {
        wat::parse_str(r#"(module (memory (export "memory") 1) (func (export "_start")))"#).unwrap()
    }

    /// A waPC policy that answers everything with this text.
    fn wapc(reply: &str) -> Vec<u8> {
        let text = format!(
            r#"(module
                (import "wapc" "__guest_response" (func $respond (param i32 i32)))
                (memory (export "memory") 1)
                (data (i32.const 0) "{}")
                (func (export "__guest_call") (param i32 i32) (result i32)
                  (call $respond (i32.const 0) (i32.const {}))
                  (i32.const 1)))"#,
            reply.replace('"', "\\\""),
            reply.len()
        );
        wat::parse_str(text).unwrap()
    }

    fn prepare(fixtures: Vec<Fixture>, modules: &[&[u8]]) -> Vec<Result<PreparedPolicy, Arc<Unavailable>>> {
        let specs = fixtures.into_iter().map(|fixture| {
            // The files have to outlive this call.
            let _ = fixture.folder.keep();
            fixture.spec
        });
        let specs: Vec<PolicySpec> = specs.collect();
        let engine = Engine::new(Limits::default()).unwrap();
        let specs: Vec<_> = specs.iter().map(|spec| (spec, Release::default())).collect();
        policies(&specs, modules.iter().map(|&bytes| Ok(bytes.into())).collect(), &engine, &|_, _| ())
    }

    #[test]
    fn without_metadata_in_the_suite_nothing_is_changed() {
        let own = r#"(module (@custom "io.kubewarden.metadata" "{\"rules\":[],\"mutating\":true,\"executionMode\":\"wasi\"}"))"#;
        let bytes = wat::parse_str(own).unwrap();
        let module = Fixture::new().module(&bytes).unwrap();
        assert_eq!(*module.bytes, bytes[..]);
        assert_eq!((module.mode, module.digest), (ExecutionMode::Wasi, Digest::of(&bytes)));
        assert!(module.metadata.unwrap().mutating);
    }

    #[test]
    fn metadata_of_the_suite_is_attached() {
        let module = Fixture::new().metadata(METADATA).usage("# Usage").module(&wasi()).unwrap();
        assert_eq!(metadata::of_module(&module.bytes).unwrap(), module.metadata);
        assert_eq!(module.digest, Digest::of(&module.bytes));
        let metadata = module.metadata.unwrap();
        assert_eq!(metadata.protocol_version, Some(ProtocolVersion::Unknown));
        assert_eq!(metadata.annotations.unwrap()["io.kubewarden.policy.usage"], "# Usage");
    }

    #[test]
    fn real_policies_take_their_metadata() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/policies");
        let mut modes = Vec::new();
        for entry in std::fs::read_dir(folder).unwrap() {
            let folder = entry.unwrap().path();
            let Ok(bytes) = std::fs::read(folder.join("policy.wasm")) else { continue };
            let mut fixture = Fixture::new();
            fixture.spec.metadata = Some(Spanned::new(folder.join("metadata.yml"), span(3)));
            let module = fixture.module(&bytes).unwrap();
            assert_eq!(metadata::of_module(&module.bytes).unwrap(), module.metadata);
            assert!(module.bytes.starts_with(&bytes), "{} changed in the middle", folder.display());
            modes.push(module.mode);
        }
        modes.sort_by_key(ToString::to_string);
        modes.dedup();
        let every_mode = [
            ExecutionMode::Ferricel,
            ExecutionMode::Gatekeeper,
            ExecutionMode::KubewardenWapc,
            ExecutionMode::Opa,
            ExecutionMode::Wasi,
        ];
        assert_eq!(modes, every_mode);
    }

    #[test]
    fn problems_of_the_metadata_are_found_in_their_file() {
        let error = Fixture::new().metadata("rules: []\n").error(&wasi());
        assert!(
            error.message.starts_with("Error unmarshalling metadata missing field `mutating`"),
            "{}",
            error.message
        );
        assert_eq!(error.stage, UnavailableStage::Metadata);
        assert_eq!(error.span.unwrap().file.path, "metadata.yml");
        let rules = "mutating: false\nexecutionMode: wasi\nrules:\n- {apiGroups: [], apiVersions: [], resources: [x], operations: ['*']}\n";
        let error = Fixture::new().metadata(rules).error(&wasi());
        assert!(error.message.starts_with("Metadata is invalid: rules[0].apiGroups is empty"), "{}", error.message);
        assert!(error.message.contains("\nrules[0].apiVersions is empty"), "{}", error.message);
        assert_eq!(error.span.unwrap().line, 4);
    }

    #[test]
    fn files_that_cannot_be_read_are_named_as_the_suite_would() {
        let fixture = Fixture::new().metadata(METADATA);
        std::fs::remove_file(&fixture.spec.metadata.as_ref().unwrap().value).unwrap();
        let error = fixture.error(&wasi());
        assert_eq!(error.message, "file not found: `metadata.yml`");
        assert_eq!(error.span.unwrap().line, 3);
    }

    #[test]
    fn the_mode_of_the_suite_may_only_repeat_the_metadata() {
        assert!(Fixture::new().metadata(METADATA).mode(ExecutionMode::Wasi).module(&wasi()).is_ok());
        let error = Fixture::new().metadata(METADATA).mode(ExecutionMode::KubewardenWapc).error(&wasi());
        assert_eq!(error.message, "the suite says `executionMode: kubewarden-wapc`, the metadata says `wasi`");
        assert_eq!(error.span.unwrap().line, 5);
    }

    #[test]
    fn a_module_without_metadata_may_be_told_its_mode() {
        assert_eq!(Fixture::new().mode(ExecutionMode::Wasi).module(&wasi()).unwrap().mode, ExecutionMode::Wasi);
        let error = Fixture::new().error(&wasi());
        assert!(error.help.unwrap().contains("executionMode: wasi"));
        assert_eq!(error.span.unwrap().line, 2);
    }

    #[test]
    fn usage_needs_metadata() {
        let error = Fixture::new().usage("# Usage").mode(ExecutionMode::Wasi).error(&wasi());
        assert_eq!((error.message.as_str(), error.span.unwrap().line), ("`usage` is a part of the metadata", 4));
    }

    #[test]
    fn what_cannot_be_parsed_is_unavailable() {
        let error = Fixture::new().error(b"\0asm\x01\0\0\0\x07\xff");
        assert!(error.message.starts_with("Error parsing wasm module: `policy.wasm`: "), "{}", error.message);
        assert_eq!(error.stage, UnavailableStage::Compile);
    }

    #[test]
    fn equal_modules_are_compiled_once() {
        let bytes = wasi();
        let mode = || Fixture::new().mode(ExecutionMode::Wasi);
        let prepared = prepare(vec![mode(), mode()], &[&bytes, &bytes]);
        let times: Vec<Duration> = prepared.iter().map(|it| it.as_ref().ok().unwrap().compile_time).collect();
        assert!(times[0] > Duration::ZERO);
        assert_eq!(times[1], Duration::ZERO);
    }

    #[test]
    fn one_unavailable_policy_leaves_the_others_alone() {
        let wrong = Fixture::new().mode(ExecutionMode::Wasi);
        let prepared = prepare(vec![wrong, Fixture::new()], &[&wapc("{}"), &wapc("{}")]);
        let error = prepared[0].as_ref().err().unwrap();
        assert_eq!(error.stage, UnavailableStage::Compile);
        assert!(error.help.as_ref().unwrap().contains("`executionMode: kubewarden-wapc`"), "{error:?}");
        assert!(prepared[1].is_ok());
    }

    #[test]
    fn annotating_asks_for_the_protocol_version() {
        let text = "rules: []\nmutating: false\n";
        let fixtures = || vec![Fixture::new().metadata(text)];
        let right = prepare(fixtures(), &[&wapc("\"v1\"")]);
        let metadata = right[0].as_ref().ok().unwrap().metadata.as_ref().unwrap();
        assert_eq!(metadata.protocol_version, Some(ProtocolVersion::V1));
        let wrong = prepare(fixtures(), &[&wapc("\"v2\"")]);
        let error = wrong[0].as_ref().err().unwrap();
        assert!(error.message.starts_with("Error while detecting Kubewarden protocol version: "), "{}", error.message);
        assert_eq!(error.stage, UnavailableStage::Metadata);
    }
}
