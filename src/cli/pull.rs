//! `verify pull`: a policy from a registry or a web server, into a file or the store.

use std::path::{Path, PathBuf};

use policy_verify::Pulled;
use policy_verify::report::{self, escape};

use super::args::policy::PullArgs;
use super::console::{self, Bar};
use super::exit_code::ExitCode;
use super::problem::check_links;
use super::{digest, files};

/// `verify pull`.
pub(crate) fn pull(arguments: &PullArgs) -> ExitCode {
    if let Some(reason) = digest::instead_of_reference(&arguments.uri) {
        return console::refuse_usage(reason);
    }
    let bar = Bar::new(true);
    bar.waiting(format!("fetching {}", escape::terminal_line(&arguments.uri)));
    let pulled = policy_verify::pull(&arguments.uri, arguments.output.is_none(), &arguments.network.network());
    bar.clear();
    let pulled = match pulled {
        Ok(pulled) => pulled,
        Err(error) => return console::refuse(&error),
    };
    let what = format!("{}, {}", report::size(pulled.bytes.len() as u64), pulled.digest);
    let Some(output) = &arguments.output else {
        console::say(&format!("{}: {what}, kept in the store", escape::terminal_line(&pulled.uri)));
        return ExitCode::Success;
    };
    let path = if output.is_dir() { output.join(file_name(&pulled)) } else { output.clone() };
    if let Err(problem) = check_links("the module", &path, None) {
        return console::refuse_usage(problem);
    }
    let shown = escape::terminal_line(&path.to_string_lossy());
    if let Err(error) = files::write(&path, &pulled.bytes) {
        console::complain(&format!("cannot write `{shown}`: {error}"));
        return ExitCode::Usage;
    }
    console::say(&format!("{shown}: {what}"));
    ExitCode::Success
}

/// The last segment of the URI, as with kwctl: `safe-labels:v1.0.0`.
fn file_name(pulled: &Pulled) -> PathBuf {
    let name = pulled.uri.rsplit('/').find(|part| !part.is_empty()).unwrap_or("policy.wasm");
    Path::new(name).file_name().map_or_else(|| "policy.wasm".into(), PathBuf::from)
}
