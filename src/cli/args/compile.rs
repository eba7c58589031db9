//! The flags about compiling and running policies.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};
use policy_verify::{CompilerChoice, Options};

use super::super::cage;
use super::size::size;

#[derive(Debug, Args)]
pub(crate) struct CompileArgs {
    /// Most processor time that compiling a policy may take; by default 5s, and 4s for each MiB
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration, env = "VERIFY_COMPILE_TIMEOUT")]
    pub(crate) compile_timeout: Option<Duration>,
}

/// How policies are run.
#[derive(Debug, Args)]
pub(crate) struct EngineArgs {
    #[command(flatten)]
    pub(crate) compile: CompileArgs,

    /// Where compiled code is kept between runs; `none` keeps nothing. By default in the cache of this user
    #[arg(long, value_name = "DIR", env = "VERIFY_CODE_CACHE")]
    pub(crate) code_cache: Option<PathBuf>,

    /// Most memory an instance of a policy may have, such as 256MiB
    #[arg(long, value_name = "SIZE", value_parser = size, env = "VERIFY_MAX_MEMORY")]
    pub(crate) max_memory: Option<u64>,
}

impl EngineArgs {
    /// Makes them options of a run.
    pub(crate) fn apply(&self, options: &mut Options) {
        options.cage = cage::of_run(self.compile.compile_timeout);
        options.memory = self.max_memory;
        options.code_cache = match self.code_cache.as_deref() {
            Some(folder) => Some(folder.to_owned()).filter(|folder| folder != Path::new("none")),
            None => policy_verify::usual_code_cache(),
        };
    }
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
