//! A repository in a temporary folder, and the command run in it with nothing of the surroundings: no `CI`, no
//! `GITHUB_*`, no `NO_COLOR`.

#[cfg(unix)]
pub(crate) mod act;
pub(crate) mod api_server;
pub(crate) mod distribution;
pub(crate) mod guests;
pub(crate) mod http;
pub(crate) mod kubernetes;
pub(crate) mod markdown;
pub(crate) mod policy_server;
pub(crate) mod program;
pub(crate) mod proxy;
pub(crate) mod runner;
pub(crate) mod tls;
pub(crate) mod token_service;
pub(crate) mod webhook;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;
use tempfile::TempDir;

pub(crate) use policy_verify_registry::testing as registry;

/// The binary under test.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_verify");

/// The folder for compiled code that all tests share.
const CODE_CACHE: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/code");

/// A pod with one label, as the suites write it inline.
pub(crate) const POD: &str = "{ apiVersion: v1, kind: Pod, metadata: { name: web, labels: { owner: team-a } }, \
                              spec: { containers: [{ name: web, image: \"ghcr.io/acme/web:1\" }] } }";

/// Events of GitHub whose code may be that of a pull request.
pub(crate) const EVENTS_OF_STRANGERS: [&str; 7] = [
    "pull_request",
    "pull_request_target",
    "pull_request_review",
    "pull_request_review_comment",
    "issue_comment",
    "workflow_run",
    "merge_group",
];

/// The root of the project.
pub(crate) fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The `testdata` folder of the project.
pub(crate) fn testdata() -> PathBuf {
    project().join("testdata")
}

/// A repository of its own, gone when it is dropped.
pub(crate) struct Repository {
    folder: TempDir,
}

impl Repository {
    pub(crate) fn new() -> Self {
        let repository = Self { folder: tempfile::tempdir().unwrap() };
        repository.write(".git/HEAD", "ref: refs/heads/main\n")
    }

    /// A repository with this `suite.yml`.
    pub(crate) fn with_suite(text: &str) -> Self {
        Self::new().write("suite.yml", text)
    }

    /// A repository with one case, `a`, which passes.
    pub(crate) fn passing() -> Self {
        let suite = format!(
            "version: 1\npolicies: {{ yes: {{ uri: yes.wasm }} }}\ncases:\n  - {{ name: a, object: {POD}, expect: allow }}\n"
        );
        Self::with_suite(&suite).replying("yes", r#"{"valid":true,"accepted":true}"#)
    }

    pub(crate) fn write(self, path: &str, content: impl AsRef<[u8]>) -> Self {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        self
    }

    /// Adds `NAME.wasm` made from `testdata/wat/NAME.wat`.
    pub(crate) fn guest(self, name: &str) -> Self {
        self.write(&format!("{name}.wasm"), guests::from_testdata(name))
    }

    /// Adds `NAME.wasm`: a waPC guest that gives this reply to everything.
    pub(crate) fn replying(self, name: &str, reply: &str) -> Self {
        self.write(&format!("{name}.wasm"), guests::replying(reply))
    }

    /// Adds `NAME/policy.wasm` and `NAME/metadata.yml` from `testdata/policies`.
    pub(crate) fn policy(self, name: &str) -> Self {
        let folder = testdata().join("policies").join(name);
        let read = |file: &str| fs::read(folder.join(file)).unwrap();
        let (module, metadata) = (read("policy.wasm"), read("metadata.yml"));
        self.write(&format!("{name}/policy.wasm"), module).write(&format!("{name}/metadata.yml"), metadata)
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap()
    }

    pub(crate) fn read_json(&self, path: &str) -> Value {
        serde_json::from_str(&self.read(path)).unwrap()
    }

    /// `verify ARGUMENTS` in the root of the repository.
    pub(crate) fn verify(&self, arguments: &[&str]) -> Verify {
        let mut command = Command::new(BINARY);
        self.isolate(&mut command).current_dir(self.folder.path()).args(arguments);
        Verify { command, folder: self.folder.path().canonicalize().unwrap() }
    }

    /// A line of a shell, with `verify` on its path.
    pub(crate) fn shell(&self, line: &str) -> Verify {
        let mut command = Command::new("sh");
        self.isolate(&mut command).current_dir(self.folder.path()).args(["-c", line]);
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{}:{path}", Path::new(BINARY).parent().unwrap().display()));
        Verify { command, folder: self.folder.path().canonicalize().unwrap() }
    }

    /// A line of a shell at a terminal of 80 columns: what it would show comes on stdout. Nothing where no terminal can be
    /// had.
    #[cfg(target_os = "linux")]
    pub(crate) fn terminal(&self, line: &str) -> Option<Verify> {
        program::program("script")?;
        let line = format!("script -qec 'stty cols 80 rows 24; {line}' /dev/null");
        Some(self.shell(&line).env("TERM", "xterm"))
    }

    /// Nothing of the surroundings, and a home of its own: no store, no credentials. Only compiled code is shared by all
    /// tests, which takes minutes off them.
    pub(crate) fn isolate<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.env_clear().envs(std::env::vars_os().filter(|(name, _)| name == "PATH" || name == "TMPDIR"));
        command.env("HOME", self.path(".git/home")).env("VERIFY_CODE_CACHE", CODE_CACHE)
    }

    /// The JSON report of a run, whatever its exit code.
    pub(crate) fn report(&self, arguments: &[&str]) -> Report {
        let run = self.verify(arguments).arg("--report=json").run();
        match serde_json::from_str(&run.stdout) {
            Ok(document) => Report(document),
            Err(error) => panic!("{error}\n{run}"),
        }
    }
}

/// A command to be run.
pub(crate) struct Verify {
    command: Command,
    folder: PathBuf,
}

impl Verify {
    pub(crate) fn arg(mut self, argument: &str) -> Self {
        self.command.arg(argument);
        self
    }

    pub(crate) fn args(mut self, arguments: &[&str]) -> Self {
        self.command.args(arguments);
        self
    }

    /// Starts it with this stdout and does not wait.
    pub(crate) fn start_into(mut self, stdout: impl Into<std::process::Stdio>) -> std::process::Child {
        self.command.stdout(stdout).stderr(std::process::Stdio::piped()).spawn().unwrap()
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    /// As a job on GitHub.
    pub(crate) fn on_github(self) -> Self {
        self.env("CI", "true").env("GITHUB_ACTIONS", "true")
    }

    pub(crate) fn directory(mut self, folder: &str) -> Self {
        self.command.current_dir(self.folder.join(folder));
        self
    }

    /// Starts it and does not wait.
    pub(crate) fn start(mut self) -> std::process::Child {
        self.command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap()
    }

    /// Starts it with stdout and stderr into one pipe, and does not wait.
    pub(crate) fn start_joined(mut self) -> (std::process::Child, std::io::PipeReader) {
        let (reader, writer) = std::io::pipe().unwrap();
        let child = self.command.stdout(writer.try_clone().unwrap()).stderr(writer).spawn().unwrap();
        (child, reader)
    }

    /// Starts it with stdout and stderr into a pipe that is full, and does not wait. Writing ends when the reader is dropped.
    pub(crate) fn start_unread(mut self) -> (std::process::Child, std::io::PipeReader) {
        let (reader, writer) = std::io::pipe().unwrap();
        let filler = writer.try_clone().unwrap();
        std::thread::spawn(move || while (&filler).write(&[b' '; 4096]).is_ok() {});
        let child = self.command.stdout(writer.try_clone().unwrap()).stderr(writer).spawn().unwrap();
        (child, reader)
    }

    pub(crate) fn run(mut self) -> Finished {
        let output = self.command.output().unwrap();
        Self::finished(&self.folder, output)
    }

    /// The run, and the most memory it had at a time, in bytes. Processes that it starts do not count.
    #[cfg(target_os = "linux")]
    pub(crate) fn run_with_peak(self) -> (Finished, u64) {
        let folder = self.folder.clone();
        let child = self.start();
        let path = format!("/proc/{}/status", child.id());
        let output = std::thread::spawn(|| child.wait_with_output().unwrap());
        let mut peak = 0;
        while !output.is_finished() {
            // The system's own high-water mark: looking seldom misses only what grows at the very end.
            let status = fs::read_to_string(&path).unwrap_or_default();
            let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            let kibibytes: Option<u64> = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse().ok());
            peak = peak.max(kibibytes.unwrap_or(0) << 10);
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        (Self::finished(&folder, output.join().unwrap()), peak)
    }

    fn finished(folder: &Path, output: Output) -> Finished {
        let Output { status, stdout, stderr } = output;
        let folder = folder.to_string_lossy().into_owned();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().replace(&folder, "[repository]");
        // What ended by a signal has no code: whoever reads why a test failed needs to know which.
        let name = if status.code().is_none() { status.to_string() } else { String::new() };
        Finished { code: status.code(), name, stdout: text(stdout), stderr: text(stderr) }
    }
}

/// A line of a suite as it is quoted, ` 12 │ …`: after the name of the job in the log of a workflow, and in colours.
static QUOTED_LINE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^(\[[^\]]*\]\s+\|)?(\s|\x1b\[[0-9;]*m)*\d+(\s|\x1b\[[0-9;]*m)*│").unwrap());

/// The words with one blank between any two, without the bar that stands before what is wrapped in a frame.
fn unwrapped(text: &str) -> String {
    text.split_whitespace().filter(|word| *word != "│").collect::<Vec<_>>().join(" ")
}

/// How a command ended. Paths of the repository are replaced by `[repository]`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Finished {
    code: Option<i32>,
    /// Of which of several it is the run; no part of what it says.
    name: String,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Finished {
    /// The name is shown where an assertion about the run fails.
    pub(crate) fn named(self, name: &str) -> Self {
        Self { name: name.to_owned(), ..self }
    }

    #[track_caller]
    pub(crate) fn exits_with(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self}");
        self
    }

    /// Every text is in a message on stdout or stderr, however the lines are wrapped. The lines of a suite that a message
    /// quotes do not count: a word that stands there proves nothing.
    #[track_caller]
    pub(crate) fn says(self, texts: &[&str]) -> Self {
        let messages = unwrapped(&self.lines(|line| !QUOTED_LINE.is_match(line)));
        for text in texts {
            assert!(!text.trim().is_empty(), "an empty text is in every message");
            assert!(messages.contains(&unwrapped(text)), "{text:?} is in no message\n{self}");
        }
        self
    }

    /// Every text is in a line of a suite that a message quotes.
    #[track_caller]
    pub(crate) fn quotes(self, texts: &[&str]) -> Self {
        let quoted = unwrapped(&self.lines(|line| QUOTED_LINE.is_match(line)));
        for text in texts {
            assert!(!text.trim().is_empty(), "an empty text is in every line");
            assert!(quoted.contains(&unwrapped(text)), "{text:?} is in no quoted line\n{self}");
        }
        self
    }

    /// The lines of stdout and then of stderr that are like this.
    fn lines(&self, are_wanted: impl Fn(&str) -> bool) -> String {
        let lines = self.stdout.lines().chain(self.stderr.lines()).filter(|line| are_wanted(line));
        lines.flat_map(|line| [line, "\n"]).collect()
    }

    #[track_caller]
    pub(crate) fn never_says(self, text: &str) -> Self {
        assert!(!text.is_empty(), "an empty text is everywhere");
        assert!(!self.stdout.contains(text) && !self.stderr.contains(text), "{text:?} is there\n{self}");
        self
    }

    /// Nothing was run: stdout is empty.
    #[track_caller]
    pub(crate) fn reports_nothing(self) -> Self {
        assert_eq!(self.stdout, "", "{self}");
        self
    }
}

impl std::fmt::Display for Finished {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: exit code {:?}\n--- stdout\n{}\n--- stderr\n{}", self.name, self.code, self.stdout, self.stderr)
    }
}

/// A JSON report.
#[derive(Debug)]
pub(crate) struct Report(pub(crate) Value);

impl Report {
    pub(crate) fn cases(&self) -> &[Value] {
        self.0["cases"].as_array().unwrap()
    }

    /// The case of this name, without the name of the suite.
    #[track_caller]
    pub(crate) fn case(&self, name: &str) -> &Value {
        let found = self.cases().iter().find(|case| case["name"] == name);
        found.unwrap_or_else(|| panic!("no case {name:?} among {:?}", self.names()))
    }

    pub(crate) fn names(&self) -> Vec<&str> {
        self.cases().iter().map(|case| case["name"].as_str().unwrap()).collect()
    }

    /// Names and outcomes, in order.
    pub(crate) fn outcomes(&self) -> Vec<(&str, &str)> {
        self.cases().iter().map(|case| (case["name"].as_str().unwrap(), case["outcome"].as_str().unwrap())).collect()
    }

    /// Every case passed, and there was one.
    #[track_caller]
    pub(crate) fn all_passed(&self) -> &Self {
        assert!(!self.cases().is_empty());
        for case in self.cases() {
            assert_eq!(case["outcome"], "passed", "{case:#}");
        }
        self
    }
}

/// The digest of some bytes, as everybody writes it.
pub(crate) fn digest(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    format!("sha256:{}", hex::encode(sha2::Sha256::digest(bytes)))
}

/// The line, counted from 1, on which `marker` stands.
#[track_caller]
pub(crate) fn line_of(text: &str, marker: &str) -> usize {
    text.lines().position(|line| line.contains(marker)).unwrap_or_else(|| panic!("no {marker:?} in\n{text}")) + 1
}

/// Takes times out of a report, in any format: they are all that may differ from run to run.
pub(crate) fn without_times(report: &str) -> String {
    static TIMES: LazyLock<Vec<Regex>> = LazyLock::new(|| {
        let patterns = [
            r#"("(?:duration_ms|duration_us|compile_us)": )\d+"#,
            r#"("started_at": )"[^"]*""#,
            r#"(\s(?:time|timestamp)=)"[^"]*""#,
            r"()\s*\d+(?:\.\d+)? (?:µs|ms|s)\b",
        ];
        patterns.map(|pattern| Regex::new(pattern).unwrap()).into()
    });
    TIMES.iter().fold(report.to_owned(), |text, pattern| pattern.replace_all(&text, "$1[time]").into_owned())
}
