//! The flags about compiling.

use std::time::Duration;

use clap::{Args, ValueEnum};
use policy_verify::CompilerChoice;

#[derive(Debug, Args)]
pub(crate) struct CompileArgs {
    /// Most processor time that compiling a policy may take; by default 5s, and 4s for each MiB
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration, env = "VERIFY_COMPILE_TIMEOUT")]
    pub(crate) compile_timeout: Option<Duration>,
}

/// The choice of a compiler.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum CompilerArgument {
    /// A quick one for what is new, and an optimising one where it pays or decides
    Auto,
    /// The quick one, where it can compile a policy
    Winch,
    /// The optimising one
    Cranelift,
}

impl From<CompilerArgument> for CompilerChoice {
    fn from(argument: CompilerArgument) -> Self {
        match argument {
            CompilerArgument::Auto => Self::Auto,
            CompilerArgument::Winch => Self::Winch,
            CompilerArgument::Cranelift => Self::Cranelift,
        }
    }
}
