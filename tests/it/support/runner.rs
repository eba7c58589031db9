//! A reader of logs that sees workflow commands where GitHub's runner does.
//!
//! Written from the runner's `ActionCommand.cs`, not from ours: `::name properties::data` at the start of a line, blanks
//! before it included, and `##[name properties]data` anywhere in a line.

/// A command found in a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Command {
    pub(crate) name: String,
    pub(crate) properties: Vec<(String, String)>,
    pub(crate) data: String,
}

impl Command {
    #[track_caller]
    pub(crate) fn property(&self, name: &str) -> &str {
        let found = self.properties.iter().find(|(key, _)| key == name);
        &found.unwrap_or_else(|| panic!("no {name} in {self:?}")).1
    }
}

/// The commands in a log. `\r` ends a line too, to be on the safe side.
pub(crate) fn commands(log: &str) -> Vec<Command> {
    log.split(['\n', '\r']).filter_map(|line| new_style(line).or_else(|| old_style(line))).collect()
}

fn new_style(line: &str) -> Option<Command> {
    let (head, data) = line.trim_start().strip_prefix("::")?.split_once("::")?;
    Some(command(head, ',', data))
}

fn old_style(line: &str) -> Option<Command> {
    let (_, rest) = line.split_once("##[")?;
    let (head, data) = rest.split_once(']')?;
    Some(command(head, ';', data))
}

fn command(head: &str, separator: char, data: &str) -> Command {
    let (name, properties) = head.split_once(' ').unwrap_or((head, ""));
    let properties = properties.split(separator).filter_map(|property| {
        let (name, value) = property.trim().split_once('=')?;
        Some((name.to_owned(), decoded(value)))
    });
    Command { name: name.to_owned(), properties: properties.collect(), data: decoded(data) }
}

fn decoded(text: &str) -> String {
    let pairs = [("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")];
    pairs.iter().fold(text.to_owned(), |text, (encoded, plain)| text.replace(encoded, plain))
}

#[test]
fn the_reader_finds_what_the_runner_finds() {
    let found = commands("a::error::no\n  ::error file=a%2Cb,line=2::x%0Ay\nabc ##[group]name\n::no end\n##vso[x]\n");
    let names: Vec<&str> = found.iter().map(|command| command.name.as_str()).collect();
    assert_eq!(names, ["error", "group"]);
    assert_eq!((found[0].property("file"), found[0].property("line"), found[0].data.as_str()), ("a,b", "2", "x\ny"));
}
