//! How GitHub's runner reads a log: which of its lines are commands. Written after `ActionCommand.cs` and
//! `OutputManager.cs` of actions/runner.

/// A command as the runner understands it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Command {
    /// `error`, `set-output`.
    pub(crate) name: String,
    /// In the order of the line.
    pub(crate) properties: Vec<(String, String)>,
    /// What is behind the second `::`.
    pub(crate) data: String,
}

impl Command {
    /// The value of a property.
    pub(crate) fn property(&self, name: &str) -> Option<&str> {
        self.properties.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }
}

/// The commands of a log, whatever their names: the runner may learn new ones.
pub(crate) fn commands(log: &str) -> Vec<Command> {
    lines(log).into_iter().filter_map(|line| new_form(line).or_else(|| old_form(line))).collect()
}

/// Lines as .NET's `ReadLine` gives them.
fn lines(log: &str) -> Vec<&str> {
    log.split("\r\n").flat_map(|part| part.split(['\r', '\n'])).collect()
}

/// `::name key=value,key=value::data`, behind blanks.
fn new_form(line: &str) -> Option<Command> {
    let (head, data) = line.trim_start().strip_prefix("::")?.split_once("::")?;
    let (name, properties) = head.split_once(' ').unwrap_or((head, ""));
    let properties = properties.trim().split(',').filter_map(|it| it.split_once('=')).filter(|(_, it)| !it.is_empty());
    let decoded =
        |text: &str| replaced(text, &[("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")]);
    Some(Command {
        name: name.to_owned(),
        properties: properties.map(|(key, value)| (key.to_owned(), decoded(value))).collect(),
        data: replaced(data, &[("%0D", "\r"), ("%0A", "\n"), ("%25", "%")]),
    })
}

/// `##[name key=value;key=value]data`, anywhere in a line.
fn old_form(line: &str) -> Option<Command> {
    let (head, data) = line.split_once("##[")?.1.split_once(']')?;
    let (name, properties) = head.split_once(' ').unwrap_or((head, ""));
    let properties = properties.trim().split(';').filter_map(|it| it.split_once('='));
    let decoded =
        |text: &str| replaced(text, &[("%3B", ";"), ("%0D", "\r"), ("%0A", "\n"), ("%5D", "]"), ("%25", "%")]);
    Some(Command {
        name: name.to_owned(),
        properties: properties.map(|(key, value)| (key.to_owned(), decoded(value))).collect(),
        data: decoded(data),
    })
}

fn replaced(text: &str, escapes: &[(&str, &str)]) -> String {
    escapes.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_runner_finds_commands_wherever_they_are() {
        let log = "fine\n \u{a0}::error file=a%2Cb,line=3::one%0Atwo%250A\r\rx ##[set-env name=A;b=c]d%5D\r\n\\::error::x\n:: x";
        let found = commands(log);
        assert_eq!(found.len(), 2, "{found:?}");
        assert_eq!((found[0].name.as_str(), found[0].data.as_str()), ("error", "one\ntwo%0A"));
        assert_eq!((found[0].property("file"), found[0].property("line")), (Some("a,b"), Some("3")));
        assert_eq!((found[1].name.as_str(), found[1].data.as_str()), ("set-env", "d]"));
        assert_eq!(found[1].property("b"), Some("c"));
    }
}
