//! What a policy was written in, for advice about its build.

use crate::module::Module;

/// A language that policies are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// Rust.
    Rust,
    /// Go, by the official compiler.
    Go,
    /// Go, by TinyGo.
    TinyGo,
    /// Rego, by `opa build`.
    Rego,
    /// Something else, or nothing tells.
    Other,
}

impl Language {
    /// What the names of a module tell.
    pub fn of(module: &Module<'_>) -> Self {
        let has_name = |test: &dyn Fn(&str) -> bool| {
            module.functions.iter().filter_map(|function| function.name.as_deref()).any(test)
        };
        let is_exported = |name: &str| module.exports.contains(&name);
        if is_exported("opa_eval_ctx_new") || is_exported("opa_malloc") {
            Self::Rego
        } else if module.is_by_go {
            Self::Go
        } else if is_exported("tinygo_getCurrentStackPointer") || has_name(&|name| name.starts_with("tinygo_")) {
            Self::TinyGo
        } else if has_name(&|name| name.contains("::")) {
            Self::Rust
        } else {
            Self::Other
        }
    }

    /// What to change in a build so that its module tells lines.
    pub fn advice(self) -> &'static str {
        match self {
            Self::Rust => {
                "for lines: `debug = \"line-tables-only\"` and `strip = false` under `[profile.release]` of Cargo.toml, and no \
                 `wasm-opt` or `wasm-strip` afterwards"
            }
            Self::TinyGo => "for lines: build without `-no-debug`, and run no `wasm-opt` or `wasm-strip` afterwards",
            Self::Go => "its table of lines could not be read: build with Go 1.20 or newer",
            Self::Rego => {
                "`opa build` writes no lines: a rule counts as the line of its first definition, once it was evaluated"
            }
            Self::Other => {
                "for lines, keep debug information: Rust: `debug = \"line-tables-only\"` and `strip = false` under \
                 `[profile.release]`; TinyGo: no `-no-debug`; and run no `wasm-opt` or `wasm-strip` afterwards"
            }
        }
    }
}
