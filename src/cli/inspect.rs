//! `verify inspect`: what can be known of a module without running it.

use std::io::{self, IsTerminal as _};

use policy_verify::InspectOptions;
use policy_verify::model::inspection::Inspection;
use policy_verify::report::inspection::{self, TextOptions};
use policy_verify::report::{Style, escape};

use super::args::output::ColorChoice;
use super::args::policy::{InspectArgs, InspectFormat};
use super::console;
use super::exit_code::ExitCode;

/// `verify inspect`.
pub(crate) fn inspect(arguments: &InspectArgs) -> ExitCode {
    let options = InspectOptions {
        module: arguments.module.clone(),
        metadata: None,
        lists_signatures: arguments.show_signatures,
        is_offline: arguments.offline,
        network: arguments.network.network(),
    };
    let inspection = match policy_verify::inspect(&options) {
        Ok(inspection) => inspection,
        Err(error) => return console::refuse(&error),
    };
    for remark in &inspection.remarks {
        console::complain(&escape::terminal_line(remark));
    }
    if arguments.show_signatures && inspection.signatures.is_none() {
        console::complain("only registries have signatures: to see them, inspect registry://…");
    }
    let mut bytes = Vec::new();
    let written = match arguments.output {
        InspectFormat::Text => inspection::text(&inspection, text_options(), &mut bytes),
        InspectFormat::Json => inspection::json(&inspection, &mut bytes),
        InspectFormat::Yaml => inspection::yaml(&inspection, &mut bytes),
    };
    if let Err(error) = written {
        console::complain(&format!("cannot write what was found: {error}"));
        return ExitCode::Bug;
    }
    match console::print(&String::from_utf8_lossy(&bytes)) {
        ExitCode::Success => verdict(&inspection),
        code => code,
    }
}

/// As with kwctl, a module without metadata is a failure.
fn verdict(inspection: &Inspection) -> ExitCode {
    if inspection.metadata.is_some() {
        return ExitCode::Success;
    }
    let uri = escape::terminal_line(&inspection.uri);
    console::complain(&format!(
        "No Kubewarden metadata found inside of '{uri}'.\n  help: `verify annotate` attaches metadata to a module"
    ));
    ExitCode::Unavailable
}

fn text_options() -> TextOptions {
    let is_terminal = io::stdout().is_terminal();
    let colour = console::uses_colour(ColorChoice::Auto, is_terminal);
    TextOptions {
        style: Style { colour, width: console::width(), ..Style::default() },
        renders_usage: is_terminal && console::has_escapes(),
    }
}
