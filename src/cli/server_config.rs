//! `verify server-config`: `policies.yml` on stdout or in a file, and the modules it names.

use std::fs;
use std::path::{Path, PathBuf};

use policy_verify::model::diagnostic::Diagnostic;
use policy_verify::{Error, Options, ServerConfig};

use super::args::server::ServerConfigArgs;
use super::args::variable::EnvironmentNames;
use super::exit_code::ExitCode;
use super::files::{self, Destination};
use super::problem::{cannot_write, check_links, usage};
use super::{console, run, suites};

/// Folder for modules next to the output.
const MODULES: &str = "modules";

/// `verify server-config`.
pub(crate) fn server_config(arguments: &ServerConfigArgs) -> ExitCode {
    let ready = options(arguments).and_then(|options| {
        let folder = modules_folder(arguments).map_err(|problem| vec![problem])?;
        Ok((options, folder))
    });
    let (options, folder) = match ready {
        Ok(ready) => ready,
        Err(problems) => return console::refuse(&Error::Arguments(problems)),
    };
    // Fetching takes a while: that its result can be written is made sure of before.
    let root = arguments.root.as_deref();
    let output = arguments.output.as_deref().map(|path| destination(path, root).map(|destination| (path, destination)));
    let output = match output.transpose() {
        Ok(output) => output,
        Err(problem) => return console::refuse_usage(problem),
    };
    let config = match policy_verify::server_config(&options, folder.as_deref()) {
        Ok(config) => config,
        Err(error) => return console::refuse(&error),
    };
    for remark in &config.remarks {
        console::complain(&format!("warning: not served: {remark}"));
    }
    if let Err(problem) = write_modules(&config, root) {
        return console::refuse_usage(problem);
    }
    let Some((path, mut destination)) = output else { return console::print(&config.policies) };
    match destination.write(config.policies.as_bytes()) {
        Ok(()) => ExitCode::Success,
        Err(error) => console::refuse_usage(cannot_write("the configuration", path, &error)),
    }
}

fn destination(path: &Path, root: Option<&Path>) -> Result<Destination, Diagnostic> {
    check_links("the configuration", path, root)?;
    Destination::new(path).map_err(|error| cannot_write("the configuration", path, &error))
}

fn options(arguments: &ServerConfigArgs) -> Result<Options, Vec<Diagnostic>> {
    let mut options = Options::default();
    options.root = arguments.root.as_deref().map(run::root).transpose().map_err(|problem| vec![problem])?;
    options.suites = suites::find(&arguments.suites, options.root.as_deref())?;
    options.outputs = arguments.output.iter().cloned().collect();
    options.variables.clone_from(&arguments.variables);
    options.environment = EnvironmentNames::environment(&arguments.allow_env);
    options.network = arguments.network.network();
    arguments.fetching.apply(&mut options);
    arguments.lock.apply(&mut options, true);
    Ok(options)
}

/// The absolute path of the folder for modules; none without a place for it.
fn modules_folder(arguments: &ServerConfigArgs) -> Result<Option<PathBuf>, Diagnostic> {
    let default = |output: &PathBuf| output.parent().unwrap_or(Path::new("")).join(MODULES);
    let Some(folder) = arguments.modules.clone().or_else(|| arguments.output.as_ref().map(default)) else {
        return Ok(None);
    };
    let absolute = std::path::absolute(&folder);
    absolute.map(Some).map_err(|error| usage(format!("invalid folder `{}`: {error}", folder.display())))
}

fn write_modules(config: &ServerConfig, root: Option<&Path>) -> Result<(), Diagnostic> {
    for (path, bytes) in &config.modules {
        check_links("the module", path, root)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let written = fs::create_dir_all(folder).and_then(|()| files::write(path, bytes));
        written.map_err(|error| cannot_write("the module", path, &error))?;
    }
    Ok(())
}
