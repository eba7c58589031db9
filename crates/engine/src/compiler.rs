//! The choice of the compiler that makes native code of a policy.

use policy_verify_model::compiler::Compiler;

/// Which compiler a run uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CompilerChoice {
    /// Winch for what was never compiled here, and Cranelift as soon as it pays or is needed: when the cases of a policy took
    /// as long as compiling it again would, and when a policy traps or takes too long. A verdict that stands is thus one
    /// that Cranelift's code gives, too.
    Auto,
    /// Cranelift for everything.
    #[default]
    Cranelift,
    /// Winch for everything that it can compile. For measuring.
    Winch,
}

impl CompilerChoice {
    /// The compilers whose code may be used, the first choice first.
    pub(super) fn of_kept_code(self) -> &'static [Compiler] {
        match self {
            Self::Auto => &[Compiler::Cranelift, Compiler::Winch],
            Self::Cranelift => &[Compiler::Cranelift],
            Self::Winch => &[Compiler::Winch],
        }
    }

    /// The compilers to try with what was never compiled, in order.
    pub(super) fn of_new_code(self) -> &'static [Compiler] {
        match self {
            Self::Auto | Self::Winch if IS_WINCH_COMPLETE => &[Compiler::Winch, Compiler::Cranelift],
            _ => &[Compiler::Cranelift],
        }
    }
}

/// Whether wasmtime supports Winch on this processor as well as Cranelift (its first tier).
/// Source: `docs/stability-tiers.md` of wasmtime 48.
const IS_WINCH_COMPLETE: bool = cfg!(target_arch = "x86_64");
