//! Modules that are small, and cost a compiler minutes or gigabytes: a fault of their policy, and of no other.

use crate::support::{Repository, guests};

/// A suite of the bomb and a healthy policy.
fn repository() -> Repository {
    let suite = "version: 1\n\
                 policies:\n\
                 \x20 bomb: { uri: bomb.wasm, executionMode: kubewarden-wapc }\n\
                 \x20 healthy: { uri: healthy.wasm, executionMode: kubewarden-wapc }\n\
                 cases:\n\
                 \x20 - { name: boom, policy: bomb, raw: {}, expect: allow }\n\
                 \x20 - { name: fine, policy: healthy, raw: {}, expect: allow }\n";
    let healthy = guests::replying("{\"valid\":true,\"accepted\":true}");
    Repository::with_suite(suite).write("bomb.wasm", guests::jumps(900, 900)).write("healthy.wasm", healthy)
}

#[cfg(target_os = "linux")]
#[test]
fn a_module_that_takes_gigabytes_to_compile_is_unavailable_and_the_others_run() {
    let repository = repository();
    let run = repository.verify(&["--compiler", "cranelift", "--code-cache", "none", "-v"]).run().exits_with(3);
    run.says(&["cannot compile `file://bomb.wasm`: compiling takes more than", "--compile-timeout", "1 passed"]);
}

#[cfg(target_os = "linux")]
#[test]
fn the_time_for_compiling_is_limited_by_a_flag() {
    let repository = repository().write("bomb.wasm", guests::jumps(700, 700));
    let run = repository.verify(&["--compiler", "cranelift", "--code-cache", "none", "--compile-timeout", "1s"]).run();
    run.exits_with(3).says(&["compiling takes more than 1 s of processor time"]);
}

#[test]
fn a_module_that_cannot_be_compiled_is_refused_in_the_words_of_the_compiler() {
    let repository =
        repository().write("bomb.wasm", wat::parse_str("(module (func (export \"__guest_call\")))").unwrap());
    let mut broken =
        wat::parse_str("(module (memory (export \"memory\") 1) (func (result i32) (i32.const 1)))").unwrap();
    // The constant of the function becomes something that is no instruction.
    let place = broken.len() - 3;
    broken[place] = 0xff;
    let run = repository.write("bomb.wasm", broken).verify(&["--code-cache", "none"]).run().exits_with(3);
    run.says(&["cannot compile `file://bomb.wasm`: ", "1 passed"]);
}

#[cfg(target_os = "linux")]
#[test]
fn annotating_such_a_module_ends_too() {
    let metadata = "rules: []\nmutating: false\nexecutionMode: kubewarden-wapc\n";
    let repository = repository().write("metadata.yml", metadata);
    let run = repository.verify(&["annotate", "-m", "metadata.yml", "-o", "annotated.wasm", "bomb.wasm"]).run();
    run.exits_with(3).says(&["compiling takes more than"]);
    assert!(!repository.path("annotated.wasm").exists());
}
