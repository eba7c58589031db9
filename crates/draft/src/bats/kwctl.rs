//! The command line of `kwctl run`.

use super::invocation::{Document, Invocation};
use super::machine::Machine;
use super::problem::Problem;
use super::value::{self, Part, Text};

/// Flags with a value that change no verdict.
const IGNORED: [&str; 13] = [
    "--sources-path",
    "--docker-config-json-path",
    "--verification-config-path",
    "--verification-key",
    "-k",
    "--verification-annotation",
    "-a",
    "--cert-email",
    "--cert-oidc-issuer",
    "--github-owner",
    "--github-repo",
    "--record-host-capabilities-interactions",
    "--fulcio-cert-path",
];
/// Flags without a value that change no verdict.
const SWITCHES: [&str; 5] = ["--disable-wasmtime-cache", "-v", "--verbose", "--no-color", "-q"];
/// Other flags with a value, by their short forms.
const SHORT: [(&str, &str); 3] = [("-r", "--request-path"), ("-s", "--settings-path"), ("-e", "--execution-mode")];

/// The subcommand: the first word that is no flag.
pub(super) fn subcommand(arguments: &[Text]) -> Option<String> {
    arguments.iter().filter_map(|it| value::literal(it)).find(|it| !it.starts_with('-'))
}

impl Machine {
    /// Reads the arguments of kwctl, `run` included.
    pub(super) fn invocation(&mut self, arguments: &[Text]) -> Result<Invocation, Problem> {
        let mut invocation = Invocation::default();
        let (mut policy, mut has_subcommand, mut flags_end) = (None, false, false);
        let mut rest = arguments.iter().peekable();
        while let Some(argument) = rest.next() {
            let literal = value::literal(argument);
            let (flag, inline) = match literal.as_deref() {
                Some("--") => {
                    flags_end = true;
                    continue;
                }
                _ => split(argument).filter(|_| !flags_end).unwrap_or((String::new(), None)),
            };
            match flag.as_str() {
                "" if !has_subcommand => has_subcommand = true,
                "" => policy = Some(argument.clone()),
                "--raw" => invocation.is_raw = true,
                "--allow-context-aware" => invocation.is_context_aware = true,
                switch if SWITCHES.contains(&switch) => {}
                "--allowed-host-capabilities" => {
                    let mut names: Vec<String> = inline.iter().filter_map(|it| value::literal(it)).collect();
                    while inline.is_none()
                        && rest.peek().is_some_and(|it| value::literal(it).is_some_and(|it| !it.starts_with('-')))
                    {
                        names.extend(rest.next().and_then(|it| value::literal(it)));
                    }
                    invocation.capabilities = Some(names);
                }
                flag => {
                    let value =
                        inline.or_else(|| rest.next().cloned()).ok_or_else(|| Problem::Flag(flag.to_owned()))?;
                    self.flag(&mut invocation, flag, &value)?;
                }
            }
        }
        let policy = policy.ok_or(Problem::MissingFlag("a policy"))?;
        invocation.policy = value::literal(&policy).ok_or_else(|| unknown(&policy, "the policy"))?;
        if !invocation.policy.contains("://") || invocation.policy.starts_with("file://") {
            let path = invocation.policy.trim_start_matches("file://");
            invocation.policy = super::paths::join(&self.folder, path);
        }
        for document in [&invocation.request, &invocation.settings, &invocation.replay].into_iter().flatten() {
            if let Document::Text(text) = document {
                self.spend(text.len())?;
            }
        }
        if invocation.request.is_none() {
            return Err(Problem::MissingFlag("--request-path"));
        }
        Ok(invocation)
    }

    fn flag(&mut self, invocation: &mut Invocation, flag: &str, value: &Text) -> Result<(), Problem> {
        match flag {
            "--request-path" => invocation.request = Some(self.document(value, flag)?),
            "--settings-path" => invocation.settings = Some(self.document(value, flag)?),
            // A path wins over a text.
            "--settings-json" if matches!(invocation.settings, Some(Document::File(_))) => {}
            "--settings-json" => invocation.settings = Some(content_of(value).ok_or_else(|| unknown(value, flag))?),
            "--replay-host-capabilities-interactions" => invocation.replay = Some(self.document(value, flag)?),
            "--execution-mode" => {
                let mode = value::literal(value).ok_or_else(|| unknown(value, flag))?;
                invocation.execution_mode =
                    Some(if mode == "kubewarden" { "kubewarden-wapc".to_owned() } else { mode });
            }
            flag if IGNORED.contains(&flag) => {}
            flag => return Err(Problem::Flag(flag.to_owned())),
        }
        Ok(())
    }

    /// The document that a path names.
    fn document(&mut self, path: &Text, flag: &str) -> Result<Document, Problem> {
        if let Some(problem) = value::unknown(path) {
            return Err(problem.clone());
        }
        let content = match value::literal(path).as_deref() {
            Some("-") => self.stdin.clone().unwrap_or_default(),
            Some(_) => self.content(path),
            None => return Err(unknown(path, flag)),
        };
        content_of(&content).ok_or_else(|| unknown(&content, flag))
    }
}

/// A document from its content: a literal text, or the content of one file.
fn content_of(content: &Text) -> Option<Document> {
    match value::symbol(content) {
        Some(Part::File(path)) => Some(Document::File(path.clone())),
        Some(_) => None,
        None => value::literal(content).map(Document::Text),
    }
}

fn unknown(text: &Text, flag: &str) -> Problem {
    value::unknown(text).cloned().unwrap_or_else(|| Problem::Variable(flag.to_owned()))
}

/// A flag in its long form, and the value behind `=` or behind a short flag.
fn split(argument: &Text) -> Option<(String, Option<Text>)> {
    let Some(Part::Literal(first)) = argument.first() else { return None };
    let rest = |start: &str| {
        let mut value = value::text(start);
        value::append(&mut value, argument[1..].to_vec());
        value
    };
    if !first.starts_with('-') || first == "-" {
        return None;
    }
    if let Some((flag, start)) = first.split_once('=').filter(|(flag, _)| flag.starts_with("--")) {
        return Some((flag.to_owned(), Some(rest(start))));
    }
    for (short, long) in SHORT {
        if let Some(start) = first.strip_prefix(short) {
            let inline = (!start.is_empty() || argument.len() > 1).then(|| rest(start.trim_start_matches('=')));
            return Some((long.to_owned(), inline));
        }
    }
    value::literal(argument).map(|flag| (flag, None))
}
