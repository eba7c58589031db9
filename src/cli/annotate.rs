//! `verify annotate`: a module with its metadata, written to a file.

use std::io;

use policy_verify::model::inspection::{CapabilityUse, IgnoredKey};
use policy_verify::report::{self, escape};
use policy_verify::{AnnotateOptions, Annotated};

use super::args::policy::AnnotateArgs;
use super::exit_code::ExitCode;
use super::files::{self, Destination};
use super::problem::check_links;
use super::{cage, console};

/// `verify annotate`.
pub(crate) fn annotate(arguments: &AnnotateArgs) -> ExitCode {
    let options = AnnotateOptions {
        module: arguments.module.clone(),
        metadata: arguments.metadata.clone(),
        usage: arguments.usage.clone(),
        cage: cage::of_run(arguments.compile.compile_timeout),
    };
    if let Err(problem) = check_links("the module", &arguments.output, None) {
        return console::refuse_usage(problem);
    }
    let output = escape::terminal_line(&arguments.output.to_string_lossy());
    let cannot_write = |error: io::Error| {
        console::complain(&format!("cannot write `{output}`: {error}"));
        ExitCode::Usage
    };
    // Compiling takes a while: that its result can be written is made sure of before.
    if let Err(error) = Destination::new(&arguments.output) {
        return cannot_write(error);
    }
    let annotated = match policy_verify::annotate(&options) {
        Ok(annotated) => annotated,
        Err(error) => return console::refuse(&error),
    };
    annotated.ignored.iter().for_each(name);
    warn(&annotated.capabilities, &arguments.metadata.to_string_lossy());
    if let Err(error) = files::write(&arguments.output, &annotated.bytes) {
        return cannot_write(error);
    }
    let Annotated { bytes, digest, .. } = &annotated;
    console::say(&format!("{output}: {}, {digest}", report::size(bytes.len() as u64)));
    ExitCode::Success
}

/// Names an unknown key, which kwctl drops in silence.
fn name(key: &IgnoredKey) {
    let mut text = format!("{}: warning: {key} is ignored", key.name.span.file_and_line());
    if let Some(meant) = key.meant {
        text += &format!("\n  help: did you mean `{meant}`?");
    }
    console::complain(&text);
}

/// Says which host capabilities should be declared, or no longer be. It is advice: names are found in dead code too.
fn warn(capabilities: &CapabilityUse, metadata: &str) {
    let metadata = escape::terminal_line(metadata);
    let listed = |names: &[String]| escape::terminal_line(&names.join(", "));
    if !capabilities.undeclared.is_empty() {
        let names = listed(&capabilities.undeclared);
        console::complain(&format!(
            "warning: {metadata} does not declare host capabilities whose names the module holds: {names}\n  help: add what \
             the policy uses: hostCapabilities: [{names}]; SDKs hold names of capabilities that their policies never use"
        ));
    }
    if capabilities.declared == ["*"] {
        let names = listed(&capabilities.found);
        console::complain(&format!(
            "warning: {metadata} declares all host capabilities (*)\n  help: declare only what the policy uses: \
             hostCapabilities: [{names}]"
        ));
        return;
    }
    if !capabilities.unused.is_empty() {
        let names = listed(&capabilities.unused);
        console::complain(&format!(
            "warning: {metadata} declares host capabilities whose names the module does not hold: {names}\n  help: take \
             them out of hostCapabilities, unless the policy puts the names together while it runs"
        ));
    }
}
