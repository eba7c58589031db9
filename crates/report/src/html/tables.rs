//! What the cases exercise of each policy, as tables of numbers.

use std::fmt::Write as _;

use crate::escape;

/// Tables on a page, and rows of all of them: more are not read.
const MOST_ROWS: usize = 2_000;

/// What the cases exercise of a policy.
pub(super) struct Table<'a> {
    /// The policy.
    pub(super) policy: &'a str,
    /// The path of its suite.
    pub(super) suite: &'a str,
    /// `2 of 4 requests of the rules have a case`
    pub(super) summary: String,
    /// Whether it shows without a click: something is missing.
    pub(super) is_open: bool,
    /// What the rows are about, and the names of the numbers.
    pub(super) columns: &'static [&'static str],
    /// At least one.
    pub(super) rows: Vec<Row>,
    /// What else is to be known.
    pub(super) notes: Vec<&'a str>,
}

/// A row of a table.
pub(super) struct Row {
    /// What it is about.
    pub(super) name: String,
    /// The numbers.
    pub(super) numbers: Vec<usize>,
    /// Whether no case has it.
    pub(super) is_missing: bool,
}

/// The tables under a heading; nothing where there are none.
pub(super) fn section<'a>(id: &str, heading: &str, tables: impl Iterator<Item = Table<'a>>) -> String {
    let mut tables = tables.peekable();
    if tables.peek().is_none() {
        return String::new();
    }
    let mut text = format!("<section id=\"{id}\">\n<h2>{heading}</h2>\n");
    let mut room = MOST_ROWS;
    for mut table in tables {
        if room == 0 {
            text.push_str("<p class=\"dim\">The JSON report has the other policies.</p>\n");
            break;
        }
        table.rows.truncate(room);
        room -= table.rows.len();
        text.push_str(&table.html());
    }
    text.push_str("</section>\n");
    text
}

impl Table<'_> {
    fn html(&self) -> String {
        let Self { policy, suite, summary, is_open, columns, rows, notes } = self;
        let is_open = if *is_open { " open" } else { "" };
        let head: String = columns.iter().map(|column| format!("<th>{column}</th>")).collect();
        let mut text = format!(
            "<details{is_open}>\n<summary><h3>{}</h3> {} · {summary}</summary>\n\
             <div class=\"scroll\"><table class=\"matrix numbers\">\n<thead><tr>{head}</tr></thead>\n<tbody>\n",
            escape::html_line(policy),
            escape::html_line(suite),
        );
        text.extend(rows.iter().map(|row| row.html(columns.len() - 1)));
        text.push_str("</tbody>\n</table></div>\n");
        for note in notes {
            let _ = writeln!(text, "<p class=\"dim\">{}</p>", escape::html_line(note));
        }
        text.push_str("</details>\n");
        text
    }
}

impl Row {
    /// The row with a cell for each of its numbers, and empty ones where it has fewer.
    fn html(&self, cells: usize) -> String {
        let class = if self.is_missing { " class=\"bad\"" } else { "" };
        let numbers = self.numbers.iter().map(ToString::to_string).chain(std::iter::repeat(String::new()));
        let numbers: String = numbers.take(cells).map(|number| format!("<td>{number}</td>")).collect();
        format!("<tr{class}><th scope=\"row\"><code>{}</code></th>{numbers}</tr>\n", escape::html_line(&self.name))
    }
}
