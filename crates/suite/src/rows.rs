//! `each` and `matrix`: one case in the file, many cases in the run.

use std::collections::HashSet;
use std::ops::ControlFlow;

use super::mistake::{Mistakes, mistake};
use super::vars::{Scope, names_in, scalar_text, substitute};
use super::yaml::{Content, Key, Node};
use policy_verify_model::code::Code;
use policy_verify_model::source::{Span, Spanned};

/// Most cases a matrix may make.
const MOST_ROWS: usize = 100_000;

/// One case made from a table: its node with everything filled in, and what tells it apart.
pub(crate) struct Row {
    /// The case without `each` and `matrix`, variables replaced.
    pub(crate) node: Node,
    /// Where the row of `each` is written.
    pub(crate) origin: Option<Span>,
    /// `owner=team-a`, for parameters of the request that are not in the name.
    pub(crate) labels: Vec<String>,
}

/// How many rows a case has at least: those of a table that is a variable are not known yet.
pub(crate) fn count(case: &Node) -> usize {
    let each = case.get("each").map_or(1, |each| each.items().len().max(1));
    let columns = case.get("matrix").map(Node::entries).unwrap_or_default();
    let matrix = columns.iter().map(|(_, values)| values.items().len().max(1));
    matrix.fold(each, usize::saturating_mul)
}

/// Hands over the cases that `case` stands for, one after the other until there are enough: all of them at once would take
/// more memory than what becomes of them.
pub(crate) fn expand(
    case: &Node,
    variables: &Scope,
    mistakes: &mut Mistakes,
    read: &mut dyn FnMut(Row, &mut Mistakes) -> ControlFlow<()>,
) {
    let Some(table) = table(case, variables, mistakes) else { return };
    let bare = without_tables(case);
    let Some(table) = table else {
        mistakes.begin_case();
        let node = substitute(&bare, &[variables], mistakes);
        let _ = read(Row { node, origin: None, labels: Vec::new() }, mistakes);
        return;
    };
    let incomplete = incomplete_rows(&bare, &table, variables, mistakes);
    let name = case.get("name").and_then(Node::as_str).unwrap_or_default();
    let shown = names_in(name);
    // Expectations are not in names: they change while the case stays the same. Only the text of the case decides,
    // so that a new row never renames the others.
    let asked = names_outside_of_expect(&bare);
    let is_told = |key: &Key| !shown.contains(&key.name.as_str()) && asked.contains(key.name.as_str());
    // An unused parameter is reported for the first row only.
    let mut unused = HashSet::new();
    for index in (0..table.len()).filter(|index| !incomplete.contains(index)) {
        let row = table.row(index);
        mistakes.begin_case();
        let labels = row.iter().filter(|(key, _)| is_told(key)).map(|(key, value)| {
            let text = scalar_text(&value.content).filter(|text| text.len() <= 60);
            format!("{}={}", key.name, text.unwrap_or_else(|| format!("#{}", index + 1)))
        });
        let labels = labels.collect();
        let mut scope = Scope::default();
        for (key, value) in row {
            scope.define(Spanned::new(key.name.clone(), key.span.clone()), value.clone());
        }
        let node = substitute(&bare, &[&scope, variables], mistakes);
        for (span, name) in scope.unused().filter(|(_, name)| !unused.contains(*name)) {
            let help = format!("use it as `${{{name}}}`, or remove it");
            let mistake = mistake(span, format!("unused parameter `{name}`")).with_code(Code::Variable);
            mistakes.push(mistake.with_help(help));
        }
        unused.extend(scope.unused().map(|(_, name)| name.to_owned()));
        if read(Row { node, origin: table.origin(index).cloned(), labels }, mistakes).is_break() {
            return;
        }
    }
}

/// The rows that lack a name which the case uses and other rows have; each such name is a mistake.
fn incomplete_rows(case: &Node, table: &Table, variables: &Scope, mistakes: &mut Mistakes) -> HashSet<usize> {
    // Every row of a matrix has every name.
    let Table::Each(rows) = table else { return HashSet::new() };
    let mut used = HashSet::new();
    collect_names(case, &mut used);
    let mut used: Vec<&str> = used.into_iter().filter(|name| !variables.names().any(|known| known == *name)).collect();
    used.sort_unstable();
    let mut incomplete = HashSet::new();
    for name in used {
        let has = |row: &EachRow| row.entries.iter().any(|(key, _)| key.name == name);
        let (with, without): (Vec<usize>, Vec<usize>) = (0..rows.len()).partition(|index| has(&rows[*index]));
        let (Some(example), Some(first)) = (with.first(), without.first()) else { continue };
        let lacking = match without.len() {
            1 => format!("row {} has no `{name}`", first + 1),
            several => format!("{several} rows have no `{name}`, the first is row {}", first + 1),
        };
        let mistake = mistake(&rows[*first].span, format!("{lacking}; row {} has one", example + 1));
        mistakes.push(mistake.with_code(Code::Variable).with_help(format!("add `{name}: …` to the row")));
        incomplete.extend(without);
    }
    incomplete
}

/// Whether the names of the cases that `case` stands for depend on variables, be it of the suite or of the environment.
pub(crate) fn is_named_by_variables(case: &Node) -> bool {
    const NAMING: [&str; 7] = ["name", "each", "matrix", "policy", "group", "chain", "objects"];
    let mut used = HashSet::new();
    NAMING.iter().filter_map(|key| case.get(key)).for_each(|node| collect_names(node, &mut used));
    let rows = case.get("each").map(Node::items).unwrap_or_default().iter().flat_map(Node::entries);
    let columns = case.get("matrix").map(Node::entries).unwrap_or_default();
    let own: HashSet<&str> = rows.chain(columns).map(|(key, _)| key.name.as_str()).collect();
    used.iter().any(|name| !own.contains(name))
}

/// The variables a case uses anywhere but in its expectation.
fn names_outside_of_expect(case: &Node) -> HashSet<&str> {
    let mut names = HashSet::new();
    let others = case.entries().iter().filter(|(key, _)| key.name != "expect");
    others.for_each(|(_, value)| collect_names(value, &mut names));
    names
}

/// The variables used anywhere in a node.
fn collect_names<'a>(node: &'a Node, names: &mut HashSet<&'a str>) {
    match &node.content {
        Content::String(text) => names.extend(names_in(text)),
        Content::List(items) => items.iter().for_each(|item| collect_names(item, names)),
        Content::Map(entries) => {
            for (key, value) in entries {
                names.extend(names_in(&key.name));
                collect_names(value, names);
            }
        }
        _ => {}
    }
}

fn without_tables(case: &Node) -> Node {
    let mut bare = case.clone();
    if let Content::Map(entries) = &mut bare.content {
        entries.retain(|(key, _)| key.name != "each" && key.name != "matrix");
    }
    bare
}

/// The rows of a case.
enum Table {
    /// They are written down.
    Each(Vec<EachRow>),
    /// They are all combinations of these values.
    Matrix(Vec<(Key, Vec<Node>)>),
}

/// A row that is written down.
struct EachRow {
    span: Span,
    entries: Vec<(Key, Node)>,
}

impl Table {
    /// How many rows there are.
    fn len(&self) -> usize {
        match self {
            Self::Each(rows) => rows.len(),
            Self::Matrix(columns) => columns.iter().map(|(_, values)| values.len()).product(),
        }
    }

    /// The values of a row.
    fn row(&self, index: usize) -> Vec<(&Key, &Node)> {
        match self {
            Self::Each(rows) => rows[index].entries.iter().map(|(key, value)| (key, value)).collect(),
            Self::Matrix(columns) => {
                // The last column changes fastest, as the last digit of a number does.
                let mut rest = index;
                let mut row = Vec::with_capacity(columns.len());
                for (key, values) in columns.iter().rev() {
                    row.push((key, &values[rest % values.len()]));
                    rest /= values.len();
                }
                row.reverse();
                row
            }
        }
    }

    /// Where a row is written, if it is.
    fn origin(&self, index: usize) -> Option<&Span> {
        match self {
            Self::Each(rows) => Some(&rows[index].span),
            Self::Matrix(_) => None,
        }
    }
}

/// The table of a case; the inner `None` means that it has none, the outer one that it is wrong.
fn table(case: &Node, variables: &Scope, mistakes: &mut Mistakes) -> Option<Option<Table>> {
    match (case.get("each"), case.get("matrix")) {
        (None, None) => Some(None),
        (Some(each), None) => rows_of_each(&substitute(each, &[variables], mistakes), mistakes).map(Some),
        (None, Some(matrix)) => columns_of_matrix(&substitute(matrix, &[variables], mistakes), mistakes).map(Some),
        (Some(_), Some(matrix)) => {
            mistakes.add_coded(Code::Contradiction, &matrix.span, "`each` cannot be combined with `matrix`");
            None
        }
    }
}

fn rows_of_each(each: &Node, mistakes: &mut Mistakes) -> Option<Table> {
    let Content::List(items) = &each.content else {
        if !each.is_unknown() {
            let message = format!("`each` needs a list of rows, found {}", each.description());
            mistakes.add_coded(Code::WrongType, &each.span, message);
        }
        return None;
    };
    if items.is_empty() {
        mistakes.add_coded(Code::NeverRuns, &each.span, "`each` has no rows: the case would never run");
        return None;
    }
    let mut rows = Vec::new();
    for item in items {
        if item.entries().is_empty() {
            let found = if matches!(item.content, Content::Map(_)) { "an empty one" } else { item.description() };
            let message = format!("a row needs a mapping of names to values, found {found}");
            mistakes.add_coded(Code::WrongType, &item.span, message);
            return None;
        }
        rows.push(EachRow { span: item.span.clone(), entries: item.entries().to_vec() });
    }
    Some(Table::Each(rows))
}

fn columns_of_matrix(matrix: &Node, mistakes: &mut Mistakes) -> Option<Table> {
    if matrix.entries().is_empty() {
        if !matrix.is_unknown() {
            let message = "`matrix` needs a mapping of names to lists of values";
            mistakes.add_coded(Code::WrongType, &matrix.span, message);
        }
        return None;
    }
    let mut columns = Vec::new();
    let mut rows = 1_usize;
    for (key, values) in matrix.entries() {
        let Content::List(values) = &values.content else {
            if !values.is_unknown() {
                let message = format!("`{}` needs a list of values, found {}", key.name, values.description());
                mistakes.add_coded(Code::WrongType, &values.span, message);
            }
            return None;
        };
        if values.is_empty() {
            let message = format!("`{}` has no values: the case would never run", key.name);
            mistakes.add_coded(Code::NeverRuns, &key.span, message);
            return None;
        }
        rows = rows.saturating_mul(values.len());
        if rows > MOST_ROWS {
            mistakes.add(&matrix.span, format!("the matrix has more than {MOST_ROWS} rows"));
            return None;
        }
        columns.push((key.clone(), values.clone()));
    }
    Some(Table::Matrix(columns))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::yaml;
    use super::*;
    use policy_verify_model::source::SourceFile;

    fn labels(case: &str) -> Vec<Vec<String>> {
        let file = Arc::new(SourceFile { path: "suite.yml".into(), text: case.into() });
        let mut labels = Vec::new();
        let mut read = |row: Row, _: &mut Mistakes| {
            labels.push(row.labels);
            ControlFlow::Continue(())
        };
        expand(&yaml::parse(&file).unwrap(), &Scope::default(), &mut Mistakes::default(), &mut read);
        labels
    }

    #[test]
    fn labels_are_the_parameters_of_the_request() {
        let each = "each: [{ owner: a, verdict: allow }, { owner: b, verdict: deny }]\nset: { o: '${owner}' }\nexpect: ${verdict}";
        assert_eq!(labels(&format!("name: owner ${{owner}}\n{each}")), [[""; 0]; 2]);
        assert_eq!(labels(&format!("name: an owner\n{each}")), [["owner=a"], ["owner=b"]]);
        let each =
            "each: [{ owner: a, size: 1 }, { owner: a, size: 2 }]\nset: { '${owner}': '${size}' }\nexpect: allow";
        assert_eq!(labels(&format!("name: owner ${{owner}}\n{each}")), [["size=1"], ["size=2"]]);
    }

    #[test]
    fn a_value_that_a_row_lacks_is_one_mistake() {
        let each = "each: [{ owner: a, answer: allow }, { owner: b }, { owner: c }]\nexpect: ${answer}";
        let file = Arc::new(SourceFile { path: "suite.yml".into(), text: format!("name: n ${{owner}}\n{each}") });
        let mut mistakes = Mistakes::default();
        let mut rows = 0;
        expand(&yaml::parse(&file).unwrap(), &Scope::default(), &mut mistakes, &mut |_, _| {
            rows += 1;
            ControlFlow::Continue(())
        });
        assert_eq!(rows, 1);
        let mistakes: Vec<String> = mistakes.into_sorted().iter().map(ToString::to_string).collect();
        assert_eq!(mistakes, ["2 rows have no `answer`, the first is row 2; row 1 has one"]);
    }

    #[test]
    fn a_matrix_has_every_combination_and_its_last_column_changes_fastest() {
        let matrix = "matrix: { a: [1, 2], b: [x, y, z] }\nset: { '${a}': '${b}' }\nexpect: allow";
        let labels: Vec<String> = labels(&format!("name: n\n{matrix}")).into_iter().map(|row| row.join(" ")).collect();
        assert_eq!(labels, ["a=1 b=x", "a=1 b=y", "a=1 b=z", "a=2 b=x", "a=2 b=y", "a=2 b=z"]);
    }

    #[test]
    fn a_new_row_renames_no_other() {
        let case = |rows: &str| format!("name: n\neach: [{rows}]\nset: {{ a: '${{a}}', b: '${{b}}' }}\nexpect: allow");
        let two = labels(&case("{ a: 1, b: 1 }, { a: 2, b: 1 }"));
        let three = labels(&case("{ a: 1, b: 1 }, { a: 2, b: 1 }, { a: 1, b: 2 }"));
        assert_eq!(two[..], three[..2]);
    }
}
