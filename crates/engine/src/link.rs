//! Checks before any case runs whether a module fits its execution mode.

use wasmtime::{ExternType, InstancePre, Linker, Store, ValType};

use super::engine::Module;
use super::sandbox::Sandboxed;
use policy_verify_model::policy::ExecutionMode;

/// The module cannot be run in this mode.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// It lacks what the mode calls.
    #[error("the module cannot run as `{mode}`: it does not export {}", listed(names))]
    MissingExports {
        /// The mode.
        mode: ExecutionMode,
        /// What is missing, and as what.
        names: Vec<String>,
    },
    /// It needs what the mode does not offer.
    #[error("the module cannot run as `{mode}`: it imports {}, which this mode does not offer", listed(names))]
    UnknownImports {
        /// The mode.
        mode: ExecutionMode,
        /// The imports, as `module.name`.
        names: Vec<String>,
    },
    /// An import or export has another type than the mode's.
    #[error("the module cannot run as `{mode}`: {text}")]
    Mismatch {
        /// The mode.
        mode: ExecutionMode,
        /// What wasmtime says.
        text: String,
    },
}

fn listed(names: &[String]) -> String {
    let quoted: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}

/// Parameters and results of a function.
pub(super) type Signature = (&'static [ValType], &'static [ValType]);

/// A function without parameters and results.
pub(super) const NOTHING: Signature = (&[], &[]);

/// Links the module once for all of its instances. Call [`require`] before: what a module lacks tells more about
/// the mode it was made for than what it wants.
pub(super) fn link<T: Sandboxed>(
    linker: &Linker<T>,
    module: &Module,
    mode: ExecutionMode,
    any_state: T,
) -> Result<InstancePre<T>, LinkError> {
    let module = &module.wasmtime;
    let mut store = Store::new(linker.engine(), any_state);
    let names: Vec<_> = module
        .imports()
        .filter(|import| linker.get_by_import(&mut store, import).is_none())
        .map(|import| format!("{}.{}", import.module(), import.name()))
        .collect();
    if !names.is_empty() {
        return Err(LinkError::UnknownImports { mode, names });
    }
    linker.instantiate_pre(module).map_err(|error| LinkError::Mismatch { mode, text: format!("{error:#}") })
}

/// Refuses a module without a memory called `memory` or without these functions.
pub(super) fn require(module: &Module, mode: ExecutionMode, functions: &[(&str, Signature)]) -> Result<(), LinkError> {
    let mut names: Vec<_> = functions
        .iter()
        .filter(|(name, _)| !matches!(module.wasmtime.get_export(name), Some(ExternType::Func(_))))
        .map(|(name, _)| (*name).to_owned())
        .collect();
    if !matches!(module.wasmtime.get_export("memory"), Some(ExternType::Memory(_))) {
        names.push("memory".into());
    }
    if !names.is_empty() {
        return Err(LinkError::MissingExports { mode, names });
    }
    functions.iter().try_for_each(|(name, signature)| check_signature(module, mode, name, *signature))
}

/// Whether the module exports this function. One of another type is an error.
pub(super) fn has_function(
    module: &Module,
    mode: ExecutionMode,
    name: &str,
    signature: Signature,
) -> Result<bool, LinkError> {
    if !matches!(module.wasmtime.get_export(name), Some(ExternType::Func(_))) {
        return Ok(false);
    }
    check_signature(module, mode, name, signature).map(|()| true)
}

fn check_signature(
    module: &Module,
    mode: ExecutionMode,
    name: &str,
    (parameters, results): Signature,
) -> Result<(), LinkError> {
    let Some(ExternType::Func(actual)) = module.wasmtime.get_export(name) else { return Ok(()) };
    let matches = |actual: &mut dyn Iterator<Item = ValType>, wanted: &[ValType]| {
        let actual: Vec<_> = actual.collect();
        actual.len() == wanted.len() && actual.iter().zip(wanted).all(|(actual, wanted)| ValType::eq(actual, wanted))
    };
    if matches(&mut actual.params(), parameters) && matches(&mut actual.results(), results) {
        return Ok(());
    }
    Err(LinkError::Mismatch { mode, text: format!("its export `{name}` has the type `{actual}`") })
}
