//! Expansion of words: what a command gets as its arguments.

use super::braces::{self, Marked};
use super::claim::Cond;
use super::machine::Machine;
use super::paths;
use super::problem::Problem;
use super::shell::syntax::{Block, Piece, Word};
use super::value::{self, Part, Text, append, text};

/// Most words that one command gets.
const MOST: usize = 10_000;
/// Stands for a piece whose text is not known while braces are expanded.
const PLACEHOLDER: u32 = 0xF0000;

/// A part of an argument, and whether it is quoted.
pub(super) type Field = Vec<(Part, bool)>;

/// The text of an argument.
pub(super) fn text_of(field: Field) -> Text {
    let mut out = Text::new();
    field.into_iter().for_each(|(part, _)| append(&mut out, vec![part]));
    out
}

impl Machine {
    /// The arguments that words become: braces, expansions, splitting, file names.
    pub(super) fn arguments(&mut self, words: &[Word]) -> Result<Vec<Text>, Problem> {
        let mut arguments = Vec::new();
        for word in words {
            for word in with_braces(word)? {
                for field in self.fields(&word)? {
                    self.files_of(field, &mut arguments);
                    if arguments.len() > MOST {
                        return Err(Problem::Limit("words of a command"));
                    }
                }
            }
        }
        Ok(arguments)
    }

    /// One text, as in an assignment: no splitting, no file names.
    pub(super) fn single(&mut self, word: &Word) -> Result<Text, Problem> {
        Ok(text_of(self.marked(word)?))
    }

    /// One text whose parts know whether they are quoted, as in `[[ … ]]`.
    pub(super) fn marked(&mut self, word: &Word) -> Result<Field, Problem> {
        let mut whole = Field::new();
        for piece in word {
            for (index, list) in self.piece(piece)?.into_iter().enumerate() {
                if index > 0 {
                    whole.push((Part::Literal(" ".to_owned()), true));
                }
                whole.extend(list);
            }
        }
        self.spend(size(&whole))?;
        Ok(whole)
    }

    /// The fields of a word; unquoted expansions are split at blanks.
    fn fields(&mut self, word: &Word) -> Result<Vec<Field>, Problem> {
        let mut fields: Vec<Field> = Vec::new();
        let mut is_open = false;
        for piece in word {
            let is_expansion = !matches!(piece, Piece::Literal(..));
            let values = self.piece(piece)?;
            if values.is_empty() {
                continue;
            }
            for (index, value) in values.into_iter().enumerate() {
                self.spend(size(&value))?;
                is_open &= index == 0;
                for (part, is_quoted) in value {
                    match part {
                        Part::Literal(literal) if is_expansion && !is_quoted => {
                            split(&literal, &mut fields, &mut is_open)
                        }
                        part => add(part, is_quoted, &mut fields, &mut is_open),
                    }
                }
            }
        }
        Ok(fields)
    }

    /// What a piece becomes: one value, or several of a list.
    fn piece(&mut self, piece: &Piece) -> Result<Vec<Field>, Problem> {
        let one = |value: Text, is_quoted| vec![value.into_iter().map(|part| (part, is_quoted)).collect()];
        match piece {
            Piece::Literal(literal, is_quoted) => Ok(vec![vec![(Part::Literal(literal.clone()), *is_quoted)]]),
            Piece::Variable(parameter, is_quoted) => {
                let values = self.parameter(parameter)?;
                let mark = |value: Text| value.into_iter().map(|part| (part, *is_quoted)).collect();
                let mut values: Vec<Field> = values.into_iter().map(mark).collect();
                if *is_quoted {
                    // An empty text in quotes is an argument.
                    values.iter_mut().filter(|value| value.is_empty()).for_each(|value| {
                        value.push((Part::Literal(String::new()), true));
                    });
                }
                Ok(values)
            }
            Piece::Command(block, is_quoted) => {
                let value = self.substitute(block)?;
                Ok(one(value, *is_quoted))
            }
            Piece::Arithmetic(expression) => {
                let value = self.arithmetic(expression)?;
                Ok(one(value, true))
            }
            Piece::Process(block) => {
                let value = self.substitute(block)?;
                let path = self.temporary();
                self.files.insert(value::literal(&path).unwrap_or_default(), value);
                Ok(one(path, true))
            }
        }
    }

    /// What a command prints, without line breaks at the end.
    pub(super) fn substitute(&mut self, block: &Block) -> Result<Text, Problem> {
        let (printed, cond) = self.captured(block)?;
        self.status = Some(cond);
        self.substitutions += 1;
        Ok(value::trimmed(printed))
    }

    /// Runs commands, with what they print and the condition of their success.
    pub(super) fn captured(&mut self, block: &Block) -> Result<(Text, Cond), Problem> {
        self.enter(false)?;
        self.outputs.push(Text::new());
        let folder = self.folder.clone();
        let result = self.block(block);
        self.folder = folder;
        let printed = self.outputs.pop().unwrap_or_default();
        let required = self.leave();
        let (last, _) = result?;
        Ok((printed, Cond::all([required, last])))
    }

    /// A number, or why it is unknown.
    pub(super) fn arithmetic(&mut self, expression: &str) -> Result<Text, Problem> {
        let result = super::arithmetic::evaluate(expression, &mut |name, set| {
            match set {
                Some(number) => self.set(name, text(number.to_string())),
                None => return value::literal(self.get(name)?)?.trim().parse().ok(),
            }
            set
        });
        Ok(match result {
            Ok(number) => text(number.to_string()),
            Err(problem) => vec![Part::Unknown(problem)],
        })
    }

    /// Adds the files that match, or the field itself.
    fn files_of(&mut self, field: Field, arguments: &mut Vec<Text>) {
        let has_wildcard = |(part, is_quoted): &(Part, bool)| matches!(part, Part::Literal(text) if !is_quoted && text.contains(['*', '?', '[']));
        let is_literal = field.iter().all(|(part, _)| matches!(part, Part::Literal(_)));
        if !is_literal || !field.iter().any(has_wildcard) {
            arguments.push(text_of(field));
            return;
        }
        let pattern: String = field
            .iter()
            .map(|(part, is_quoted)| match part {
                Part::Literal(text) if *is_quoted => glob::Pattern::escape(text),
                Part::Literal(text) => text.clone(),
                _ => String::new(),
            })
            .collect();
        let found = self.matching(&pattern);
        match found.is_empty() {
            true => arguments.push(text_of(field)),
            false => arguments.extend(found.into_iter().map(text)),
        }
    }

    /// Known files that match the pattern, as it is written: relative to the folder, or to the root.
    fn matching(&self, pattern: &str) -> Vec<String> {
        let options = glob::MatchOptions {
            require_literal_separator: true,
            require_literal_leading_dot: true,
            ..Default::default()
        };
        // A long pattern of many wildcards would take long to match.
        if pattern.len() > 256 || pattern.matches('*').count() > 4 {
            return Vec::new();
        }
        let Ok(glob) = glob::Pattern::new(&paths::join(&self.folder, pattern)) else { return Vec::new() };
        let mut found: Vec<&String> = self.known_files.iter().filter(|file| glob.matches_with(file, options)).collect();
        found.sort();
        let inside = format!("{}/", self.folder);
        let shown = |file: &String| match file.strip_prefix(&inside) {
            _ if self.folder.is_empty() => file.clone(),
            Some(relative) => relative.to_owned(),
            None => format!("{}/{file}", paths::ROOT),
        };
        found.into_iter().map(shown).collect()
    }
}

fn size(field: &Field) -> usize {
    field.iter().map(|(part, _)| if let Part::Literal(text) = part { text.len() } else { 16 }).sum()
}

/// Adds a part to the open field, or begins one.
fn add(part: Part, is_quoted: bool, fields: &mut Vec<Field>, is_open: &mut bool) {
    match fields.last_mut() {
        Some(last) if *is_open => last.push((part, is_quoted)),
        _ => fields.push(vec![(part, is_quoted)]),
    }
    *is_open = true;
}

/// Adds words of an expansion.
fn split(literal: &str, fields: &mut Vec<Field>, is_open: &mut bool) {
    *is_open &= !literal.starts_with(char::is_whitespace);
    for word in literal.split_whitespace() {
        add(Part::Literal(word.to_owned()), false, fields, is_open);
        *is_open = false;
    }
    *is_open = !literal.is_empty() && !literal.ends_with(char::is_whitespace);
}

/// The words that braces make of a word.
fn with_braces(word: &Word) -> Result<Vec<Word>, Problem> {
    let may = |piece: &Piece| matches!(piece, Piece::Literal(text, false) if text.contains('{'));
    if !word.iter().any(may) {
        return Ok(vec![word.clone()]);
    }
    let mut marked: Vec<Marked> = Vec::new();
    for (index, piece) in word.iter().enumerate() {
        match piece {
            Piece::Literal(text, false) => marked.extend(text.chars().map(|next| (next, false))),
            _ => marked
                .extend(u32::try_from(index).ok().and_then(|it| char::from_u32(PLACEHOLDER + it)).map(|it| (it, true))),
        }
    }
    let words = braces::expand(&marked)?;
    Ok(words.into_iter().map(|marked| unmarked(marked, word)).collect())
}

fn unmarked(marked: Vec<Marked>, word: &Word) -> Word {
    let mut out = Word::new();
    for (next, is_placeholder) in marked {
        match (is_placeholder, out.last_mut()) {
            (true, _) => {
                out.extend((next as u32).checked_sub(PLACEHOLDER).and_then(|at| word.get(at as usize)).cloned())
            }
            (false, Some(Piece::Literal(text, false))) => text.push(next),
            (false, _) => out.push(Piece::Literal(next.to_string(), false)),
        }
    }
    out
}
