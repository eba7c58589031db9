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
            if is_many {
                self.labels.push(label(&value));
            }
            self.set(name, value);
            let result = self.block(body);
            if is_many {
                self.labels.pop();
            }
            let (cond, flow) = result?;
            match flow {
                Flow::Next | Flow::Continue(0 | 1) => {}
                Flow::Break(0 | 1) => break,
                Flow::Break(levels) => return Ok((cond, Flow::Break(levels - 1))),
                Flow::Continue(levels) => return Ok((cond, Flow::Continue(levels - 1))),
                flow => return Ok((cond, flow)),
            }
        }
        GOOD
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
            self.labels.push(rounds.to_string());
            let result = self.block(body);
            self.labels.pop();
            match result? {
                (_, Flow::Next | Flow::Continue(_)) => {}
                (_, Flow::Break(_)) => return GOOD,
                other => return Ok(other),
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
            self.labels.push(rounds.to_string());
            let result = self.block(body);
            self.labels.pop();
            match result? {
                (_, Flow::Next | Flow::Continue(_)) => {}
                (_, Flow::Break(_)) => return GOOD,
                other => return Ok(other),
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
