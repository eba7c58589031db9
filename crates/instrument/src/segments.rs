//! Code in segments: instructions of which either all are executed or none, up to a trap.

use std::ops::Range;

use wasmparser::Operator;

use crate::module::{Function, Module};
use crate::unmeasurable::Unmeasurable;

/// Instructions that are executed one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Which bytes of the module. A counter at its start counts how often the segment was reached.
    pub range: Range<usize>,
}

/// What an instruction means for the segment it is in.
enum Flow {
    /// The next instruction follows.
    On,
    /// Execution goes on here or elsewhere: the next instruction begins a segment.
    Maybe,
    /// Execution never goes on here: what follows is reached, if at all, after an `end` or `else`.
    Never,
    /// The end of a block or the second part of one, which has several ways to be reached. It does nothing itself.
    Joint,
}

/// The segments of a function. What cannot be reached is in none.
///
/// # Errors
///
/// The code cannot be read.
pub fn segments(module: &Module<'_>, function: &Function) -> Result<Vec<Segment>, Unmeasurable> {
    let mut segments = Vec::new();
    let mut start = Some(function.code);
    let mut close = |start: &mut Option<usize>, end: usize| {
        let closed = start.take().filter(|start| *start < end);
        segments.extend(closed.map(|start| Segment { range: start..end }));
    };
    let mut dead_blocks = 0_usize;
    for instruction in module.instructions(function) {
        let instruction = instruction?;
        let is_dead = start.is_none();
        match flow(&instruction.operator) {
            // A block in code that is never reached is never reached.
            _ if is_dead && opens_block(&instruction.operator) => dead_blocks += 1,
            Flow::Joint if dead_blocks > 0 => dead_blocks -= usize::from(matches!(instruction.operator, Operator::End)),
            Flow::Joint => {
                close(&mut start, instruction.range.start);
                start = Some(instruction.range.end);
            }
            Flow::Maybe if !is_dead => {
                close(&mut start, instruction.range.end);
                start = Some(instruction.range.end);
            }
            Flow::Never => close(&mut start, instruction.range.end),
            Flow::On | Flow::Maybe => {}
        }
    }
    Ok(segments)
}

fn opens_block(operator: &Operator<'_>) -> bool {
    matches!(
        operator,
        Operator::Block { .. }
            | Operator::Loop { .. }
            | Operator::If { .. }
            | Operator::TryTable { .. }
            | Operator::Try { .. }
    )
}

fn flow(operator: &Operator<'_>) -> Flow {
    match operator {
        Operator::End | Operator::Else | Operator::Catch { .. } | Operator::CatchAll | Operator::Delegate { .. } => {
            Flow::Joint
        }
        Operator::If { .. }
        | Operator::Loop { .. }
        | Operator::BrIf { .. }
        | Operator::BrOnNull { .. }
        | Operator::BrOnNonNull { .. }
        | Operator::BrOnCast { .. }
        | Operator::BrOnCastFail { .. } => Flow::Maybe,
        Operator::Br { .. }
        | Operator::BrTable { .. }
        | Operator::Return
        | Operator::ReturnCall { .. }
        | Operator::ReturnCallIndirect { .. }
        | Operator::ReturnCallRef { .. }
        | Operator::Throw { .. }
        | Operator::ThrowRef
        | Operator::Rethrow { .. }
        | Operator::Unreachable => Flow::Never,
        _ => Flow::On,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text of the segments, one instruction after the other.
    fn shown(code: &str) -> Vec<String> {
        let bytes = wat::parse_str(format!("(module (func (param i32) {code}) (func))")).unwrap();
        let module = Module::read(&bytes).unwrap();
        let function = &module.functions[0];
        let text = |segment: &Segment| {
            let instructions = module.instructions(function).map(Result::unwrap);
            let inside = instructions.filter(|it| segment.range.contains(&it.range.start));
            let names = inside.map(|it| format!("{:?}", it.operator).split([' ', '{']).next().unwrap().to_owned());
            names.collect::<Vec<_>>().join(" ")
        };
        segments(&module, function).unwrap().iter().map(text).collect()
    }

    #[test]
    fn branches_end_segments() {
        assert_eq!(shown("nop call 1"), ["Nop Call"]);
        assert_eq!(shown("local.get 0 if call 1 else nop end nop call 1"), ["LocalGet If", "Call", "Nop", "Nop Call"]);
        assert_eq!(
            shown("block loop local.get 0 br_if 1 call 1 br 0 end end call 1"),
            ["Block Loop", "LocalGet BrIf", "Call Br", "Call"]
        );
    }

    #[test]
    fn what_is_never_reached_is_in_no_segment() {
        assert_eq!(shown("return call 1"), ["Return"]);
        assert_eq!(shown("block unreachable block call 1 end call 1 end call 1"), ["Block Unreachable", "Call"]);
        assert_eq!(
            shown("local.get 0 if return if call 1 else call 1 end else nop end"),
            ["LocalGet If", "Return", "Nop"]
        );
    }
}
