//! Shell commands as they are written: what the parser makes, and the interpreter reads.

use std::rc::Rc;

/// Commands one after the other.
pub(in crate::bats) type Block = Vec<Statement>;

/// Pipelines joined by `&&` and `||`.
#[derive(Debug, Clone)]
pub(in crate::bats) struct Statement {
    /// The line it starts on, from 1.
    pub(in crate::bats) line: usize,
    pub(in crate::bats) first: Pipeline,
    pub(in crate::bats) rest: Vec<(Joint, Pipeline)>,
}

/// What joins two pipelines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::bats) enum Joint {
    And,
    Or,
}

/// Commands joined by `|`.
#[derive(Debug, Clone)]
pub(in crate::bats) struct Pipeline {
    pub(in crate::bats) is_negated: bool,
    pub(in crate::bats) stages: Vec<Stage>,
}

/// A command and its redirections.
#[derive(Debug, Clone)]
pub(in crate::bats) struct Stage {
    pub(in crate::bats) line: usize,
    pub(in crate::bats) command: Command,
    pub(in crate::bats) redirects: Vec<Redirect>,
}

/// A command.
#[derive(Debug, Clone)]
pub(in crate::bats) enum Command {
    Simple(Simple),
    Group(Block),
    Subshell(Block),
    /// Conditions with their bodies, then the body of `else`.
    If(Vec<(Block, Block)>, Block),
    /// Without words it walks over the arguments.
    For(String, Option<Vec<Word>>, Block),
    /// Start, condition, step.
    Count([String; 3], Block),
    /// `true` for `until`.
    While(bool, Block, Block),
    Case(Word, Vec<(Vec<Word>, Block)>),
    Function(String, Rc<Block>),
    /// `@test`.
    Test(Rc<Block>),
    /// `[[ … ]]`
    Condition(Condition),
    /// `(( … ))`
    Arithmetic(String),
}

/// Assignments and words.
#[derive(Debug, Clone, Default)]
pub(in crate::bats) struct Simple {
    pub(in crate::bats) assignments: Vec<Assignment>,
    pub(in crate::bats) words: Vec<Word>,
}

/// `name=value`, `name[index]+=value`, `name=(a b)`
#[derive(Debug, Clone)]
pub(in crate::bats) struct Assignment {
    pub(in crate::bats) name: String,
    pub(in crate::bats) index: Option<Word>,
    pub(in crate::bats) is_appended: bool,
    pub(in crate::bats) value: Assigned,
}

/// What is assigned.
#[derive(Debug, Clone)]
pub(in crate::bats) enum Assigned {
    Text(Word),
    /// With the index of each, where it is written.
    List(Vec<(Option<Word>, Word)>),
}

/// A redirection.
#[derive(Debug, Clone)]
pub(in crate::bats) enum Redirect {
    /// `<`
    Read(Word),
    /// `>`, `>>` of the standard output; `true` appends.
    Write(Word, bool),
    /// `<<`: number of the document.
    Here(usize),
    /// `<<<`
    Text(Word),
    /// Others, such as `2>&1`, which change nothing that is translated.
    Other,
}

/// Pieces that are put together to one word.
pub(in crate::bats) type Word = Vec<Piece>;

/// A piece of a word; `true` stands for quoted.
#[derive(Debug, Clone)]
pub(in crate::bats) enum Piece {
    Literal(String, bool),
    Variable(Box<Parameter>, bool),
    Command(Block, bool),
    Arithmetic(String),
    /// `<(…)`
    Process(Block),
}

/// `$name`, `${name[index]:-word}`
#[derive(Debug, Clone)]
pub(in crate::bats) struct Parameter {
    pub(in crate::bats) name: String,
    pub(in crate::bats) index: Option<Index>,
    pub(in crate::bats) operation: Operation,
}

/// What stands in the brackets.
#[derive(Debug, Clone)]
pub(in crate::bats) enum Index {
    /// `@`
    All,
    /// `*`
    Joined,
    Of(Word),
}

/// What is done to the value of a parameter.
#[derive(Debug, Clone)]
pub(in crate::bats) enum Operation {
    None,
    /// `#`
    Length,
    /// `!`, of a name or of the indexes of a list.
    Indirect,
    /// `-`, `=`, `+`, `?`; `true` if an empty text counts as unset.
    Unset(char, bool, Word),
    /// `#`, `##`, `%`, `%%`: from the start, the longest, the pattern.
    Remove(bool, bool, Word),
    /// `/`, `//`, `/#`, `/%`
    Replace(Replaced, Word, Word),
    /// `:offset:length`
    Part(String, Option<String>),
    /// `^`, `^^`, `,`, `,,`: upper, all.
    Case(bool, bool),
}

/// Which matches are replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::bats) enum Replaced {
    First,
    All,
    Start,
    End,
}

/// What stands in `[[ … ]]`.
#[derive(Debug, Clone)]
pub(in crate::bats) enum Condition {
    Not(Box<Self>),
    And(Box<Self>, Box<Self>),
    Or(Box<Self>, Box<Self>),
    /// `-n word`; a word alone has `-n`.
    Unary(String, Word),
    Binary(Word, String, Word),
}
