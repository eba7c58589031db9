//! What the cases exercise of the settings of each policy: a row for each setting, and one for each of its choices.

use policy_verify_model::outcome::RunReport;
use policy_verify_model::settings_coverage::{KeyCoverage, SettingsCoverage};

use super::tables::{self, Row, Table};
use crate::place::path_of;

/// The tables; nothing where no policy has settings, or the run cannot tell.
pub(super) fn section(run: &RunReport) -> String {
    let shown = run.settings.iter().filter(|settings| run.shard.is_none() && !settings.keys.is_empty());
    tables::section("settings", "Settings", shown.map(|settings| table(run, settings)))
}

fn table<'a>(run: &'a RunReport, settings: &'a SettingsCoverage) -> Table<'a> {
    let (set, known) = (settings.set(), settings.known());
    Table {
        policy: &settings.policy,
        suite: path_of(&run.suites, settings.suite),
        summary: format!("{set} of {known} settings and choices have a case"),
        is_open: set < known,
        columns: &["setting", "verdicts with it", "settings rejected"],
        rows: settings.keys.iter().flat_map(rows).collect(),
        notes: settings.notes.iter().map(String::as_str).collect(),
    }
}

fn rows(key: &KeyCoverage) -> Vec<Row> {
    let own = Row { name: key.key.clone(), numbers: vec![key.cases, key.rejections], is_missing: key.cases == 0 };
    let choices = key.choices.iter().map(|choice| Row {
        name: format!("{}: {}", key.key, choice.value),
        numbers: vec![choice.cases],
        is_missing: choice.cases == 0,
    });
    std::iter::once(own).chain(choices).collect()
}
