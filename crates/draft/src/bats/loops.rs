//! Loops: each round runs, and is named after its value.

use super::claim::Cond;
use super::exec::{Done, GOOD};
use super::machine::{Flow, Machine};
use super::problem::Problem;
use super::shell::syntax::{Block, Word};
use super::value::{self, Text};

impl Machine {
    /// Values of a loop; a pattern that no file matches is told.
    pub(super) fn loop_values(&mut self, words: &[Word]) -> Result<Vec<Text>, Problem> {
        let values = self.arguments(words)?;
        let mut kept = Vec::new();
        for value in values {
            match value::literal(&value) {
                Some(literal) if literal.contains('*') && literal.contains('/') => self.tell(Problem::Glob(literal)),
                _ => kept.push(value),
            }
        }
        Ok(kept)
    }

    pub(super) fn loop_over(&mut self, name: &str, values: Vec<Text>, body: &Block) -> Done {
        let (count, is_status) = (values.len(), self.is_status);
        let is_many = count > 1;
        for (index, value) in values.into_iter().enumerate() {
            self.step()?;
            // The status of a loop is that of its last round.
            self.is_status = is_status && index + 1 == count;
            let label = is_many.then(|| label(&value));
            self.set(name, value);
            if let Some(left) = self.round(label, body)? {
                return Ok(left);
            }
        }
        GOOD
    }

    /// One round, named in its cases. It gives what the loop ends with, if it ends.
    fn round(&mut self, label: Option<String>, body: &Block) -> Result<Option<(Cond, Flow)>, Problem> {
        let labels = self.labels.len();
        self.labels.extend(label);
        let result = self.block(body);
        self.labels.truncate(labels);
        let (cond, flow) = result?;
        Ok(match flow {
            Flow::Next | Flow::Continue(0 | 1) => None,
            Flow::Break(0 | 1) => Some(GOOD?),
            Flow::Break(levels) => Some((cond, Flow::Break(levels - 1))),
            Flow::Continue(levels) => Some((cond, Flow::Continue(levels - 1))),
            flow => Some((cond, flow)),
        })
    }

    pub(super) fn count(&mut self, start: &str, cond: &str, step: &str, body: &Block) -> Done {
        self.arithmetic(start)?;
        let mut rounds = 0;
        loop {
            self.step()?;
            match value::literal(&self.arithmetic(cond)?).as_deref() {
                Some("0") => return GOOD,
                Some(_) => {}
                None => {
                    self.tell(Problem::Command(format!("(( {cond} ))")));
                    return GOOD;
                }
            }
            rounds += 1;
            if let Some(left) = self.round(Some(rounds.to_string()), body)? {
                return Ok(left);
            }
            let stepped = self.arithmetic(step)?;
            if let Some(problem) = value::unknown(&stepped) {
                self.tell(problem.clone());
                return GOOD;
            }
        }
    }

    pub(super) fn repeat(&mut self, is_until: bool, condition: &Block, body: &Block) -> Done {
        let mut rounds = 0;
        loop {
            self.step()?;
            self.enter(false)?;
            let result = self.block(condition);
            let required = self.leave();
            match Cond::all([required, result?.0]) {
                Cond::Known(holds) if holds != is_until => {}
                Cond::Known(_) => return GOOD,
                _ => {
                    self.tell(Problem::Branch);
                    return GOOD;
                }
            }
            rounds += 1;
            if let Some(left) = self.round(Some(rounds.to_string()), body)? {
                return Ok(left);
            }
        }
    }
}

/// How a value of a loop is named in a case: a path by its file.
fn label(value: &Text) -> String {
    let literal = value::literal(value).unwrap_or_default();
    let name = literal.rsplit('/').next().unwrap_or_default().to_owned();
    let name = name.strip_suffix(".json").or_else(|| name.strip_suffix(".yaml")).unwrap_or(&name);
    name.chars().take(60).collect()
}
