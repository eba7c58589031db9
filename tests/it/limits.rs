//! Terminals that show lines only, limits of a process, and streams that take little at a time.
#![cfg(target_os = "linux")]

use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::support::{POD, Repository};

#[test]
fn a_terminal_of_lines_gets_no_escapes() {
    let repository = Repository::passing();
    let escapes = |prefix: &str, line: &str| {
        let verify = repository.terminal(&format!("{prefix} {line}"))?;
        let run = verify.run();
        assert!(run.stdout.contains("passed") || run.stdout.contains("Usage"), "{run}");
        Some(run.stdout.contains('\u{1b}'))
    };
    for line in ["verify --status=all", "verify --help"] {
        let Some(is_coloured) = escapes("TERM=xterm", line) else { return };
        assert!(is_coloured, "{line}");
        for prefix in ["TERM=dumb", "TERM=", "env -u TERM"] {
            assert_eq!(escapes(prefix, line), Some(false), "{prefix} {line}");
        }
    }
    // Who asks for colour gets it.
    assert_eq!(escapes("TERM=dumb FORCE_COLOR=1", "verify"), Some(true));
    assert_eq!(escapes("TERM=dumb", "verify --color=always"), Some(true));
}

#[test]
fn a_limit_of_the_address_space_leaves_room_for_a_run() {
    let repository = Repository::passing().policy("safe-labels");
    for limit in ["3145728", "1500000"] {
        repository.shell(&format!("ulimit -v {limit}; verify -j2")).run().exits_with(0).says(&["1 passed"]);
        repository.shell(&format!("ulimit -v {limit}; verify inspect safe-labels/policy.wasm")).run();
    }
    // Who runs out of it knows why.
    let run = repository.shell("ulimit -v 900000; verify -j1").run();
    run.says(&["the address space is limited to 878 MiB (`ulimit -v`)"]);
    // Without the limit, the code of one is not taken for that of the other.
    repository.verify(&[]).run().exits_with(0);
}

#[test]
fn a_limit_of_the_size_of_files_is_an_error() {
    let repository = Repository::passing();
    let run = repository.shell("ulimit -f 8; verify --code-cache=none --report=html=a.html --report=junit=b.xml").run();
    let run = run.exits_with(2).says(&[
        "cannot write the report `a.html`",
        "File too large",
        "`ulimit -f unlimited`",
        "1 passed",
    ]);
    assert!(!run.stderr.contains("b.xml"), "{run}");
    assert!(!repository.path("a.html").exists() && repository.read("b.xml").contains("</testsuites>"));
    let run =
        repository.shell("ulimit -f 8; verify --code-cache=none --report=html > out.html; echo code $? >&2").run();
    run.says(&["cannot write to stdout", "File too large", "code 2"]);
    let run = repository.shell("ulimit -f 0; verify --code-cache=none --report=ndjson=a.ndjson").run().exits_with(2);
    run.says(&["cannot write the report `a.ndjson`", "File too large"]);
    repository.shell("ulimit -f 0; verify").run().exits_with(0).says(&["1 passed"]);
}

#[test]
fn a_stream_that_does_not_block_gets_the_whole_report() {
    let cases: String =
        (0..2500).map(|n| format!("  - {{ name: case {n}, object: {POD}, expect: allow }}\n")).collect();
    let suite = format!("version: 1\npolicies: {{ yes: {{ uri: yes.wasm }} }}\ncases:\n{cases}");
    let repository = Repository::with_suite(&suite).replying("yes", r#"{"valid":true,"accepted":true}"#);
    for (format, end) in [("html", "</html>\n"), ("json", "}\n"), ("ndjson", "}\n"), ("human", " ms\n")] {
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        theirs.set_nonblocking(true).unwrap();
        let verify = repository.verify(&["--status=all", &format!("--report={format}")]);
        let child = verify.start_into(OwnedFd::from(theirs));
        // The stream is full long before the report is over.
        std::thread::sleep(Duration::from_millis(300));
        let mut text = String::new();
        ours.read_to_string(&mut text).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(
            text.contains("case 2499") && (text.ends_with(end) || text.ends_with(" s\n")),
            "{format}: {}",
            text.len()
        );
    }
}
