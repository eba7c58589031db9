//! Two compilers: the quick one first, the optimising one where it pays or decides. No verdict depends on which it was.

use serde_json::Value;

use crate::support::{Report, Repository, testdata, without_times};

/// A report without what tells of compilers, of the flags of the run and of times.
fn verdicts(mut report: Report) -> String {
    report.0.as_object_mut().unwrap().remove("flags");
    for policy in report.0["policies"].as_array_mut().unwrap() {
        policy.as_object_mut().unwrap().remove("compilers");
    }
    without_times(&serde_json::to_string_pretty(&report.0).unwrap())
}

fn compilers(report: &Report) -> Vec<&str> {
    let policies = report.0["policies"].as_array().unwrap();
    policies.iter().flat_map(|policy| policy["compilers"].as_array().unwrap()).filter_map(Value::as_str).collect()
}

/// A waPC guest that accepts everything, after `calls` calls of a function within each other. Its frames are small only
/// where a compiler looks at what is used.
fn recursive(calls: u32) -> Vec<u8> {
    let locals = "i64 ".repeat(60);
    let text = format!(
        r#"(module
          (import "wapc" "__guest_response" (func $respond (param i32 i32)))
          (memory (export "memory") 1)
          (data (i32.const 8) "{{\22valid\22:true,\22accepted\22:true}}")
          (func $down (param $left i32) (result i32) (local {locals})
            (if (result i32) (local.get $left)
              (then (i32.add (i32.const 1) (call $down (i32.sub (local.get $left) (i32.const 1)))))
              (else (i32.const 0))))
          (func (export "__guest_call") (param i32 i32) (result i32)
            (drop (call $down (i32.const {calls})))
            (call $respond (i32.const 8) (i32.const 30))
            (i32.const 1)))"#
    );
    wat::parse_str(text).unwrap()
}

/// A guest that never ends.
const ENDLESS: &str = r#"(module
  (memory (export "memory") 1)
  (func (export "__guest_call") (param i32 i32) (result i32) (loop $for_ever (br $for_ever)) (unreachable)))"#;

fn with_module(module: Vec<u8>) -> Repository {
    let suite = "version: 1\n\
                 policies: { p: { uri: p.wasm, executionMode: kubewarden-wapc } }\n\
                 cases: [{ name: asked, timeout: 200ms, raw: { uid: u }, expect: allow }]\n";
    Repository::with_suite(suite).write("p.wasm", module)
}

#[test]
fn every_choice_gives_the_same_report() {
    let showcase = testdata().join("suites/showcase/suite.yml");
    let with = |compiler: &str| {
        let arguments = ["--compiler", compiler, "--code-cache", "none", showcase.to_str().unwrap()];
        Repository::new().report(&arguments)
    };
    let quick = with("winch");
    assert!(compilers(&quick).iter().all(|compiler| *compiler == "winch"), "{:?}", compilers(&quick));
    let (quick, optimised, chosen) = (verdicts(quick), verdicts(with("cranelift")), verdicts(with("auto")));
    assert_eq!(quick, optimised);
    assert_eq!(quick, chosen);
}

#[test]
fn a_stack_that_only_the_quick_code_fills_is_no_fault() {
    // On processors without the quick compiler, every choice is the optimising one.
    if cfg!(not(target_arch = "x86_64")) {
        return;
    }
    let repository = with_module(recursive(4_000));
    let quick = repository.report(&["--compiler", "winch", "--code-cache", "none"]);
    assert_eq!(quick.outcomes(), [("asked", "error")], "the test needs a function whose frames differ");
    let chosen = repository.report(&["--code-cache", "none"]);
    chosen.all_passed();
    assert_eq!(compilers(&chosen), ["winch", "cranelift"]);
}

#[test]
fn a_stack_that_fills_in_any_code_and_an_endless_loop_are_faults() {
    for module in [recursive(10_000_000), wat::parse_str(ENDLESS).unwrap()] {
        let repository = with_module(module);
        let of = |compiler| repository.report(&["--compiler", compiler, "--code-cache", "none"]);
        let (optimised, chosen) = (of("cranelift"), of("auto"));
        assert_eq!(optimised.outcomes(), [("asked", "error")]);
        assert_eq!(verdicts(optimised), verdicts(chosen));
    }
}

#[test]
fn what_the_quick_compiler_cannot_compile_is_compiled_by_the_other() {
    // References to functions with a type, as in modules of Go 1.26.
    let module = wat::parse_str(
        r#"(module
          (type $f (func (result i32)))
          (import "wapc" "__guest_response" (func $respond (param i32 i32)))
          (memory (export "memory") 1)
          (data (i32.const 8) "{\22valid\22:true,\22accepted\22:true}")
          (elem declare func $one)
          (func $one (result i32) (i32.const 1))
          (func (export "__guest_call") (param i32 i32) (result i32)
            (call $respond (i32.const 8) (i32.const 30))
            (call_ref $f (ref.func $one))))"#,
    );
    let report = with_module(module.unwrap()).report(&["--compiler", "winch", "--code-cache", "none"]);
    report.all_passed();
    assert_eq!(compilers(&report), ["cranelift"]);
}

#[test]
fn kept_code_of_the_optimising_compiler_is_preferred() {
    let (repository, beside) = (Repository::passing(), tempfile::tempdir().unwrap());
    let code = beside.path().to_str().unwrap();
    assert_eq!(compilers(&repository.report(&["--compiler", "cranelift", "--code-cache", code])), ["cranelift"]);
    assert_eq!(compilers(&repository.report(&["--code-cache", code])), ["cranelift"]);
}
