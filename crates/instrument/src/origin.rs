//! Whose code something is: that of the policy, that of other packages, or that of the language. Paths tell it, and names
//! where there are no paths.

/// Whose code something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// The policy's own.
    Own,
    /// Of another package, such as the SDK.
    Dependency,
    /// Of the language: its standard library, its runtime, the compiler itself.
    Language,
}

/// What is in paths of sources of the language.
const LANGUAGE: &[&str] = &[
    "/rustc/",
    "/lib/rustlib/src/",
    "/usr/src/rustc-",
    "/usr/local/go/src/",
    "/libexec/src/",
    "/lib/go/src/",
    "/wasi-libc/",
    "/wasi-sdk",
    "/lib/tinygo/src/",
    "/tinygo/src/",
    "/tinygo/lib/",
    "/dlmalloc/src/",
    "/libc-bottom-half/",
    "/libc-top-half/",
    "/lib/clang/",
];

/// What is in paths of sources of other packages.
const DEPENDENCIES: &[&str] = &[
    "/.cargo/registry/",
    "/registry/src/",
    "/.cargo/git/",
    "/git/checkouts/",
    "index.crates.io-",
    "/pkg/mod/",
    "/vendor/",
    "/node_modules/",
];

/// The folders of the crates that are the standard library of Rust.
const RUST_LIBRARY: &[&str] = &[
    "alloc",
    "backtrace",
    "compiler-builtins",
    "core",
    "panic_abort",
    "panic_unwind",
    "portable-simd",
    "proc_macro",
    "std",
    "stdarch",
    "unwind",
];

/// Whose file this is. A path that begins with a package, as Go's `-trimpath` writes it, is one of Go's; that of
/// the module of the policy is known from elsewhere.
pub fn of_path(path: &str) -> Origin {
    let path = path.replace('\\', "/");
    let anchored = format!("/{path}");
    let has = |parts: &[&str]| parts.iter().any(|part| anchored.contains(part));
    if has(LANGUAGE) || is_rust_library(&anchored) || path.starts_with('<') || path.is_empty() {
        return Origin::Language;
    }
    if has(DEPENDENCIES) || has_version(&path) {
        return Origin::Dependency;
    }
    Origin::Own
}

/// Whether there is a part such as `library/core/src` in it, whatever a build put in front of it.
fn is_rust_library(path: &str) -> bool {
    let mut parts = path.split('/').skip_while(|part| *part != "library").skip(1);
    parts.next().is_some_and(|name| RUST_LIBRARY.contains(&name))
}

/// Whether a module of Go with its version is in it: `github.com/kubewarden/policy-sdk-go@v0.12.0/`.
fn has_version(path: &str) -> bool {
    path.split('/').any(|part| part.split_once('@').is_some_and(|(_, version)| version.starts_with('v')))
}

/// Crates that are the language, or that policies get with the SDK and with reading JSON and YAML.
const CRATES_OF_LANGUAGE: &[&str] = &[
    "alloc",
    "backtrace",
    "compiler_builtins",
    "core",
    "dlmalloc",
    "gimli",
    "hashbrown",
    "std",
    "wasi",
    "wit_bindgen",
];

/// Crates that policies get with the SDK, and what is used most besides.
const CRATES_OF_SDK: &[&str] = &[
    "ahash",
    "aho_corasick",
    "anyhow",
    "bytes",
    "chrono",
    "either",
    "form_urlencoded",
    "getrandom",
    "idna",
    "indexmap",
    "itertools",
    "itoa",
    "jsonpath_lib",
    "k8s_openapi",
    "kubewarden_policy_sdk",
    "lazy_static",
    "log",
    "memchr",
    "num_traits",
    "once_cell",
    "oci_spec",
    "percent_encoding",
    "regex",
    "regex_automata",
    "regex_lite",
    "regex_syntax",
    "ryu",
    "serde",
    "serde_core",
    "serde_json",
    "serde_yaml",
    "serde_path_to_error",
    "slog",
    "smallvec",
    "thiserror",
    "time",
    "unicode_normalization",
    "unsafe_libyaml",
    "url",
    "wapc_guest",
    "wildmatch",
    "zmij",
];

/// What packages are called that are not the policy's own.
pub trait Packages {
    /// Whether a package of this name, with `_` for `-`, is a dependency.
    fn is_dependency(&self, name: &str) -> bool;
}

impl<F: Fn(&str) -> bool> Packages for F {
    fn is_dependency(&self, name: &str) -> bool {
        self(name)
    }
}

/// Whose function this is, by its readable name alone.
pub fn of_name(name: &str, packages: &dyn Packages) -> Origin {
    if let Some(origin) = of_rego_name(name) {
        return origin;
    }
    let Some(package) = package(name) else { return Origin::Language };
    match package {
        package if CRATES_OF_LANGUAGE.contains(&package) => Origin::Language,
        package if CRATES_OF_SDK.contains(&package) || packages.is_dependency(package) => Origin::Dependency,
        _ => Origin::Own,
    }
}

/// Rules that `opa build` compiled are `g0.data.…`; what else there is in such a module is OPA's.
fn of_rego_name(name: &str) -> Option<Origin> {
    let rest = name.strip_prefix('g')?.trim_start_matches(|digit: char| digit.is_ascii_digit());
    rest.starts_with(".data.").then_some(Origin::Own)
}

/// The crate of a Rust function: the first segment of its path. Implementations `<a::B as c::D>::e` are those of `a`.
fn package(name: &str) -> Option<&str> {
    let name = name.trim_start_matches(['<', '&', '*', '(', '[']);
    let name = name.strip_prefix("dyn ").or_else(|| name.strip_prefix("mut ")).unwrap_or(name);
    let (package, _) = name.split_once("::")?;
    let is_name = !package.is_empty() && package.chars().all(|letter| letter.is_alphanumeric() || letter == '_');
    is_name.then_some(package)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_tell_whose_a_file_is() {
        for (path, origin) in [
            ("src/lib.rs", Origin::Own),
            ("/home/runner/work/policy/policy/src/settings.rs", Origin::Own),
            ("policies/safe-labels/src/lib.rs", Origin::Own),
            ("C:\\work\\policy\\src\\lib.rs", Origin::Own),
            ("/rustc/1159e78c4747b02ef996e55082b704c09b970588/library/core/src/fmt/mod.rs", Origin::Language),
            ("/usr/src/rustc-1.85.0/library/std/src/io/mod.rs", Origin::Language),
            ("rustc/library/alloc/src/vec/mod.rs", Origin::Language),
            ("/home/a/library/src/lib.rs", Origin::Own),
            ("/root/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/serde-1.0.0/src/lib.rs", Origin::Dependency),
            ("crates/index.crates.io-1949cf8c6b5b557f/serde_json-1.0.1/src/de.rs", Origin::Dependency),
            ("/root/.cargo/git/checkouts/sdk-1/2/src/lib.rs", Origin::Dependency),
            ("/usr/local/go/src/fmt/print.go", Origin::Language),
            ("github.com/kubewarden/policy-sdk-go@v0.12.0/wapc.go", Origin::Dependency),
            ("/root/go/pkg/mod/github.com/francoispqt/gojay@v1.2.13/decode.go", Origin::Dependency),
            ("vendor/github.com/a/b/c.go", Origin::Dependency),
            ("<autogenerated>", Origin::Language),
        ] {
            assert_eq!(of_path(path), origin, "{path}");
        }
    }

    #[test]
    fn names_tell_whose_a_function_is() {
        let packages = |name: &str| name == "widgets";
        for (name, origin) in [
            ("safe_labels::validate", Origin::Own),
            ("<safe_labels::Settings as serde::Deserialize>::deserialize", Origin::Own),
            ("serde_json::from_str", Origin::Dependency),
            ("widgets::turn", Origin::Dependency),
            ("<core::fmt::Error as core::fmt::Debug>::fmt", Origin::Language),
            ("<&mut serde_json::Deserializer<R> as serde::Deserializer>::x", Origin::Dependency),
            ("memcpy", Origin::Language),
            ("g0.data.policy.main", Origin::Own),
            ("opa_json_parse", Origin::Language),
        ] {
            assert_eq!(of_name(name, &packages), origin, "{name}");
        }
    }
}
