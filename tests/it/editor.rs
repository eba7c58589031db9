//! Suites in an editor: what the language server for YAML makes of the schema.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

use crate::support::program::program;
use crate::support::{Repository, testdata};

/// The language server, spoken to as editors do.
struct Editor {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    requests: u64,
}

impl Editor {
    fn start() -> Option<Self> {
        let mut child = Command::new(program("yaml-language-server")?)
            .arg("--stdio")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (input, output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let mut editor = Self { child, input, output, requests: 0 };
        let completion = json!({ "completionItem": { "snippetSupport": true } });
        let capabilities = json!({ "textDocument": { "completion": completion, "publishDiagnostics": {} } });
        editor.ask("initialize", &json!({ "processId": null, "rootUri": null, "capabilities": capabilities }));
        editor.tell("initialized", &json!({}));
        let yaml = json!({ "validate": true, "hover": true, "completion": true, "schemaStore": { "enable": false } });
        editor.tell("workspace/didChangeConfiguration", &json!({ "settings": { "yaml": yaml } }));
        Some(editor)
    }

    fn send(&mut self, message: &Value) {
        let text = message.to_string();
        write!(self.input, "Content-Length: {}\r\n\r\n{text}", text.len()).unwrap();
        self.input.flush().unwrap();
    }

    fn tell(&mut self, method: &str, params: &Value) {
        self.send(&json!({ "jsonrpc": "2.0", "method": method, "params": params }));
    }

    fn ask(&mut self, method: &str, params: &Value) -> Value {
        self.requests += 1;
        let id = self.requests;
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }));
        self.until(|message| message["id"] == id && message.get("method").is_none())["result"].clone()
    }

    /// The next message that is wanted. What the server asks for itself, it gets no answer to but the usual one.
    fn until(&mut self, is_wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let message = self.receive();
            if is_wanted(&message) {
                return message;
            }
            if message.get("id").is_some() && message["method"] == "workspace/configuration" {
                let count = message["params"]["items"].as_array().map_or(0, Vec::len);
                self.send(&json!({ "jsonrpc": "2.0", "id": message["id"], "result": vec![json!({}); count] }));
            } else if message.get("id").is_some() && message.get("method").is_some() {
                self.send(&json!({ "jsonrpc": "2.0", "id": message["id"], "result": null }));
            }
        }
    }

    fn receive(&mut self) -> Value {
        let mut length = 0;
        loop {
            let mut line = String::new();
            self.output.read_line(&mut line).unwrap();
            match line.trim_end().split_once(": ") {
                Some(("Content-Length", number)) => length = number.parse().unwrap(),
                Some(_) => {}
                None => break,
            }
        }
        let mut bytes = vec![0; length];
        self.output.read_exact(&mut bytes).unwrap();
        serde_json::from_slice(&bytes).unwrap()
    }

    /// Opens a suite; what the editor underlines, as `line: message`.
    fn open(&mut self, repository: &Repository, name: &str, text: &str) -> Vec<String> {
        let uri = uri(repository, name);
        let document = json!({ "uri": uri, "languageId": "yaml", "version": 1, "text": text });
        self.tell("textDocument/didOpen", &json!({ "textDocument": document }));
        let published =
            self.until(|it| it["method"] == "textDocument/publishDiagnostics" && it["params"]["uri"] == uri);
        let problems = published["params"]["diagnostics"].as_array().unwrap();
        let shown = |it: &Value| {
            format!("{}: {}", it["range"]["start"]["line"].as_u64().unwrap() + 1, it["message"].as_str().unwrap())
        };
        problems.iter().map(shown).collect()
    }

    /// What is offered at a place, and what is shown of it.
    fn at(&mut self, method: &str, repository: &Repository, name: &str, line: usize, character: usize) -> Value {
        let position = json!({ "line": line - 1, "character": character });
        self.ask(method, &json!({ "textDocument": { "uri": uri(repository, name) }, "position": position }))
    }
}

impl Drop for Editor {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn uri(repository: &Repository, name: &str) -> String {
    format!("file://{}", repository.path(name).display())
}

const GOOD: &str = "# yaml-language-server: $schema=./suite.schema.json
version: 1
policies:
  labels: { uri: policy.wasm, settings: { mandatory_labels: [owner] } }
defaults: { timeout: 1s, operation: CREATE }
cases:
  - name: a
    object: pod.yaml
    expect: { deny: { contains: owner }, calls: [oci/v1/verify] }
";

/// Mistakes, and the line that is underlined.
const BAD: &[(&str, &str, &str)] = &[
    ("    object: pod.yaml", "    objct: pod.yaml", "8: "),
    ("version: 1", "version: 2", "2: "),
    ("expect: { deny: { contains: owner }, calls: [oci/v1/verify] }", "expect: alow", "9: "),
    ("operation: CREATE", "operation: create", "5: "),
    ("timeout: 1s", "timeout: 1", "5: "),
    ("    expect", "    wrap: Pods\n    expect", "9: "),
    ("uri: policy.wasm", "url: policy.wasm", "4: "),
];

#[test]
fn an_editor_underlines_mistakes_and_offers_keys() {
    let Some(mut editor) = Editor::start() else { return };
    let schema = std::fs::read(testdata().join("suite.schema.json")).unwrap();
    let repository = Repository::new().write("suite.schema.json", schema);
    assert_eq!(editor.open(&repository, "good.yml", GOOD), Vec::<String>::new());
    for (index, (good, bad, line)) in BAD.iter().enumerate() {
        assert!(GOOD.contains(good), "{good}");
        let found = editor.open(&repository, &format!("bad-{index}.yml"), &GOOD.replace(good, bad));
        assert!(found.iter().any(|problem| problem.starts_with(line)), "{bad}: {found:?}");
    }
    let suites =
        ["quickstart", "rego", "context-aware"].map(|name| testdata().join("suites").join(name).join("suite.yml"));
    for path in suites {
        let text = std::fs::read_to_string(&path).unwrap();
        let rest = text.split_once('\n').unwrap().1;
        let text = format!("# yaml-language-server: $schema=./suite.schema.json\n{rest}");
        assert_eq!(editor.open(&repository, "shipped.yml", &text), Vec::<String>::new(), "{}", path.display());
    }
}

#[test]
fn an_editor_completes_words_and_explains_keys() {
    let Some(mut editor) = Editor::start() else { return };
    let schema = std::fs::read(testdata().join("suite.schema.json")).unwrap();
    let repository = Repository::new().write("suite.schema.json", schema);
    let text = "# yaml-language-server: $schema=./suite.schema.json\nversion: 1\ncases:\n  - name: a\n    expect: \n    host:\n      \n  - name: b\n    \n";
    editor.open(&repository, "new.yml", text);
    let labels = |found: &Value| -> Vec<String> {
        let items = found["items"].as_array().or(found.as_array()).unwrap();
        items.iter().map(|item| item["label"].as_str().unwrap().to_owned()).collect()
    };
    let completion = "textDocument/completion";
    let words = labels(&editor.at(completion, &repository, "new.yml", 5, 12));
    assert!(words.iter().all(|word| !word.contains("[object")), "{words:?}");
    assert!(words.iter().any(|word| word == "{ deny: { contains: owner } }"), "{words:?}");
    assert!(["allow", "deny", "mutate"].iter().all(|word| words.iter().any(|it| it == word)), "{words:?}");
    let capabilities = labels(&editor.at(completion, &repository, "new.yml", 7, 6));
    assert!(capabilities.iter().any(|it| it == "oci/v1/manifest_digest"), "{capabilities:?}");
    let keys = labels(&editor.at(completion, &repository, "new.yml", 9, 4));
    assert!(["object", "set", "policy"].iter().all(|key| keys.iter().any(|it| it == key)), "{keys:?}");
    let hover = editor.at("textDocument/hover", &repository, "new.yml", 5, 6);
    assert!(hover["contents"]["value"].as_str().is_some_and(|text| text.len() > 40), "{hover}");
}
