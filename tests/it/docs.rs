//! The documentation says what is: tables come from what they describe, quoted files are those files, suites do what is
//! said of them.
//!
//! `VERIFY_TEST_WRITE_DOCS=1 cargo test --test it docs::` writes the generated parts anew.

use std::fs;
use std::path::Path;

use regex::Regex;
use serde_json::Value;

use crate::support::markdown::{Block, Page, pages};
use crate::support::{Repository, project, testdata, without_times};

/// The inputs of an action or of a workflow as a table.
fn table_of_inputs(inputs: &Value) -> String {
    let mut text = String::from("| input | default | meaning |\n|---|---|---|\n");
    for (name, input) in inputs.as_object().unwrap() {
        let default = match &input["default"] {
            Value::String(text) if text.is_empty() => String::new(),
            Value::String(text) => format!("`{}`", text.trim().replace('\n', "`, `")),
            other => format!("`{other}`"),
        };
        text += &format!("| `{name}` | {default} | {} |\n", input["description"].as_str().unwrap());
    }
    text
}

/// What is generated stands behind a comment: `<!-- file: PATH -->` the file in a code block, `<!-- inputs -->` and
/// `<!-- outputs -->` tables of the action, `<!-- inputs: FILE -->` that of a workflow.
fn generated(page: &Path, mark: &str) -> Option<String> {
    let action: Value = serde_saphyr::from_str(&fs::read_to_string(project().join("action.yml")).unwrap()).unwrap();
    let row = |cells: &[&str]| format!("| {} |\n", cells.join(" | "));
    match mark.split_once(": ").unwrap_or((mark, "")) {
        ("file", path) => {
            let file = page.parent().unwrap().join(path);
            let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            let language = match file.extension().and_then(|extension| extension.to_str()) {
                Some("yml" | "yaml") => "yaml",
                Some("sh") => "sh",
                Some("html") => "html",
                _ => "groovy",
            };
            Some(format!("```{language}\n{text}```\n"))
        }
        ("inputs", "") => Some(table_of_inputs(&action["inputs"])),
        ("inputs", file) => {
            let text = fs::read_to_string(project().join(".github/workflows").join(file)).unwrap();
            let workflow: Value = serde_saphyr::from_str(&text).unwrap();
            Some(table_of_inputs(&workflow["on"]["workflow_call"]["inputs"]))
        }
        ("outputs", "") => {
            let mut text = String::from("| output | meaning |\n|---|---|\n");
            for (name, output) in action["outputs"].as_object().unwrap() {
                text += &row(&[&format!("`{name}`"), output["description"].as_str().unwrap()]);
            }
            Some(text)
        }
        _ => None,
    }
}

/// The page with its generated parts as they are to be. A part ends with its code block, or with its table.
fn as_it_should_be(page: &Path) -> String {
    let text = fs::read_to_string(page).unwrap();
    let mut made = String::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        made += &format!("{line}\n");
        let mark = line.strip_prefix("<!-- ").and_then(|rest| rest.strip_suffix(" -->"));
        let Some(part) = mark.and_then(|mark| generated(page, mark)) else { continue };
        if part.starts_with("```") {
            if lines.next_if(|line| line.starts_with("```")).is_some() {
                lines.by_ref().find(|line| *line == "```");
            }
        } else {
            while lines.next_if(|line| line.starts_with('|')).is_some() {}
        }
        made += &part;
    }
    made
}

/// The pages that are printed by a command as a whole.
const PRINTED: &[(&str, &[&str])] = &[("docs/suite-reference.md", &["schema", "--markdown"])];

#[test]
fn printed_pages_are_what_is_printed() {
    for (page, arguments) in PRINTED {
        let printed = Repository::new().verify(arguments).run().exits_with(0).stdout;
        let page = project().join(page);
        if std::env::var_os("VERIFY_TEST_WRITE_DOCS").is_some() {
            fs::write(&page, &printed).unwrap();
        }
        assert!(fs::read_to_string(&page).unwrap() == printed, "{} is behind: verify {arguments:?}", page.display());
    }
}

#[test]
fn every_command_and_flag_is_in_the_documentation() {
    let page = fs::read_to_string(project().join("docs/command-line.md")).unwrap();
    let has = |word: &str| {
        let is_word = |letter: char| letter.is_alphanumeric() || letter == '-';
        page.split(|letter: char| !is_word(letter)).any(|known| known == word)
    };
    let flags = Regex::new(r"(?m)^ +(?:(-\w), |    )?(--[a-z-]+)").unwrap();
    let help = |arguments: &[&str]| Repository::new().verify(arguments).run().exits_with(0).stdout;
    let general = help(&["--help"]);
    let listed = general.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let commands: Vec<&str> =
        listed.filter(|line| !line.starts_with("   ")).filter_map(|line| line.split_whitespace().next()).collect();
    assert!(commands.contains(&"run"), "{general}");
    for command in commands.into_iter().filter(|command| *command != "help") {
        assert!(command == "run" || page.contains(&format!("verify {command}")), "`verify {command}` is missing");
        for flag in flags.captures_iter(&help(&[command, "--help"])) {
            let is_there =
                &flag[2] == "--help" || has(&flag[2]) || flag.get(1).is_some_and(|short| has(short.as_str()));
            assert!(is_there, "{} of `verify {command}` is missing", &flag[2]);
        }
    }
}

/// The suites of a page stand in the folder of `testdata/suites/docs` that is called like the page, if there is one.
#[test]
fn whole_suites_on_a_page_are_run() {
    let repository = Repository::new();
    let copy = format!("mkdir testdata && cp -r '{0}/suites' '{0}/policies' testdata/", testdata().display());
    repository.shell(&copy).run().exits_with(0);
    let mut count = 0;
    // These have tests of their own: one below, `errors.rs`, `walkthrough.rs`, `signatures.rs`.
    let elsewhere = ["docs/getting-started.md", "docs/errors.md", "docs/publishing.md", "docs/signatures.md"];
    for page in pages().iter().filter(|page| !elsewhere.iter().any(|other| page.ends_with(other))) {
        let name = page.file_stem().unwrap().to_str().unwrap();
        let own = format!("testdata/suites/docs/{name}");
        let folder = if repository.path(&own).is_dir() { own } else { "testdata/suites/docs/readme".into() };
        for Block { language, text, .. } in Page::read(page).blocks {
            if language == "yaml" && text.starts_with("version: 1\n") && text.contains("\ncases:") {
                count += 1;
                let path = format!("{folder}/page.suite.yml");
                fs::write(repository.path(&path), text).unwrap();
                repository.verify(&[&path]).run().exits_with(0);
            }
        }
    }
    assert!(count > 3, "{count}");
}

/// The suite that the README begins with, copied into an empty folder. It names a policy that Kubewarden publishes; tests
/// have no network, so the policy of the same name in `testdata` takes its place.
#[test]
fn first_suite_of_the_readme_passes_in_an_empty_folder() {
    const PUBLISHED: &str = "uri: registry://ghcr.io/kubewarden/policies/safe-labels:v1.0.2\n";
    let blocks = Page::read(&project().join("README.md")).blocks;
    let suite = &blocks.iter().find(|block| block.text.starts_with("# suite.yml\n")).unwrap().text;
    assert!(suite.contains(PUBLISHED), "{suite}");
    let folder = testdata().join("policies/safe-labels");
    let read = |name: &str| fs::read(folder.join(name)).unwrap();
    let repository = Repository::new()
        .write("policy.wasm", read("policy.wasm"))
        .write("metadata.yml", read("metadata.yml"))
        .write("suite.yml", suite.replace(PUBLISHED, "uri: policy.wasm\n    metadata: metadata.yml\n"));
    let printed = shown(&repository.verify(&["suite.yml"]).run().exits_with(0).stdout);
    let output = &blocks.iter().find(|block| block.text.contains("  ✓ ")).unwrap().text;
    assert_eq!(shown(output), printed);
}

/// Walks the page as its reader does. Files are named right before their content; "at the end of" adds to one; what is
/// shown behind a command is what the command prints, and it fails when the text says "exits with 1".
#[test]
fn the_first_five_minutes_go_as_described() {
    let page = fs::read_to_string(project().join("docs/getting-started.md")).unwrap();
    let folder = project().join("testdata/policies/safe-labels");
    let copy = |name: &str| fs::read(folder.join(name)).unwrap();
    let mut repository =
        Repository::new().write("policy.wasm", copy("policy.wasm")).write("metadata.yml", copy("metadata.yml"));
    let (mut prose, mut said, mut commands) = (String::new(), String::new(), 0);
    let mut lines = page.lines().peekable();
    while let Some(line) = lines.next() {
        let Some(language) = line.strip_prefix("```") else {
            prose += &format!("{line} ");
            continue;
        };
        let block: String = lines.by_ref().take_while(|line| *line != "```").map(|line| format!("{line}\n")).collect();
        match language {
            "yaml" => {
                let name = prose.rsplit('`').nth(1).unwrap().to_owned();
                let before = if prose.contains("at the end of") || prose.contains("At the end of") {
                    repository.read(&name)
                } else {
                    String::new()
                };
                repository = repository.write(&name, before + &block);
            }
            "sh" => {
                let rest: String = lines.clone().take_while(|line| !line.starts_with("```")).collect();
                let code = i32::from(rest.starts_with("exits with 1") || rest.starts_with("\nexits with 1"));
                said = without_times(&repository.shell(&format!("set -e\n{block}")).run().exits_with(code).stdout);
                commands += 1;
            }
            _ => {
                for line in without_times(&block).lines() {
                    assert!(said.contains(line.trim_end()), "{line:?} is not in\n{said}");
                }
            }
        }
        prose.clear();
    }
    assert_eq!(commands, 4);
}

#[test]
fn generated_parts_are_what_they_are_generated_from() {
    for page in pages().iter().filter(|page| !PRINTED.iter().any(|(printed, _)| page.ends_with(printed))) {
        let wanted = as_it_should_be(page);
        if std::env::var_os("VERIFY_TEST_WRITE_DOCS").is_some() {
            fs::write(page, &wanted).unwrap();
        }
        assert!(
            fs::read_to_string(page).unwrap() == wanted,
            "{} is behind; VERIFY_TEST_WRITE_DOCS=1 cargo test --test it docs:: writes it anew",
            page.display()
        );
    }
}

/// Lines of what a terminal shows, without times and without the list of what was slowest.
fn shown(text: &str) -> Vec<String> {
    let lines = text.lines().map(|line| {
        let line = without_times(&line.replace('\u{a0}', " ")).replace("[time]", " [time]");
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    });
    lines.filter(|line| !line.is_empty() && line != "slowest" && !line.starts_with("[time]")).collect()
}

/// The page about reports shows runs of the suite in `testdata/suites/docs/readme`: as it is, and with a wrong word in its
/// last line.
#[test]
fn runs_on_pages_show_what_a_run_shows_today() {
    let suite = "testdata/suites/docs/readme/suite.yml";
    let repository = Repository::new();
    let copy = format!(
        "mkdir -p testdata/suites/docs testdata/policies && cp -r '{0}/suites/docs/readme' testdata/suites/docs/ \
                        && cp -r '{0}/policies/safe-labels' testdata/policies/",
        testdata().display()
    );
    repository.shell(&copy).run().exits_with(0);
    let green = shown(&repository.verify(&[suite]).run().exits_with(0).stdout);
    let wrong = repository.read(suite).trim_end().replace("owner\" }", "owners\" }");
    fs::write(repository.path(suite), wrong).unwrap();
    let red = shown(&repository.verify(&[suite]).run().exits_with(1).stdout);
    let mut seen = 0;
    for block in Page::read(&project().join("docs/reports.md")).blocks {
        let text = block.text.replace(&format!("$ verify {suite}\n"), "");
        let Some(known) =
            [("✓", &green), ("✗", &red)].into_iter().find(|(mark, _)| text.contains(&format!("  {mark} ")))
        else {
            continue;
        };
        seen += 1;
        for line in shown(&text) {
            assert!(known.1.contains(&line), "line {}: {line:?} is not in\n{}", block.line, known.1.join("\n"));
        }
    }
    assert_eq!(seen, 2);
}

/// `docs/demo/render.sh` draws the picture anew.
#[test]
fn the_picture_in_the_readme_is_what_a_run_shows_today() {
    let picture = fs::read_to_string(project().join("docs/demo/demo.svg")).unwrap();
    let picture = roxmltree::Document::parse(&picture).unwrap();
    let mut lines: Vec<(String, String)> = Vec::new();
    for node in picture.descendants().filter(|node| node.has_tag_name("text")) {
        let (Some(line), Some(text)) = (node.attribute("clip-path"), node.text()) else { continue };
        match lines.last_mut() {
            Some((last, before)) if last == line => *before += text,
            _ => lines.push((line.to_owned(), text.to_owned())),
        }
    }
    let drawn: String = lines.into_iter().map(|(_, text)| text + "\n").collect();
    let drawn = shown(&drawn);
    let (command, drawn) = drawn.split_first().unwrap();
    let arguments: Vec<&str> = command.strip_prefix("$ verify ").unwrap().split(' ').collect();
    let folder = project().join("docs/demo");
    let run = Repository::new().verify(&arguments).directory(folder.to_str().unwrap()).run().exits_with(1);
    assert_eq!(drawn, shown(&run.stdout));
}
