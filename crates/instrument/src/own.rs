//! The instructions of a policy's own code, one by one: what a mutation may change.

use crate::lines::{Lines, Place};
use crate::module::{Function, Instruction, Module};
use crate::origin::{self, Origin, Packages};
use crate::unmeasurable::Unmeasurable;

/// An instruction of the policy's own code.
#[derive(Debug, Clone)]
pub struct OwnInstruction<'a> {
    /// The function that it is in; after inlining that may be a function of somebody else.
    pub function: &'a Function,
    /// What it does, and where it is in the module.
    pub instruction: Instruction<'a>,
    /// Where it comes from; none in a module without lines.
    pub place: Option<Place>,
}

/// The own instructions of a module, in their order. Without lines, those of functions whose names say so: `packages` tells
/// the names of dependencies. What replaces one is an [`Edit`](crate::Edit) of the range of the instruction.
///
/// # Errors
///
/// An item is an error where code cannot be read.
pub fn own_instructions<'a>(
    module: &'a Module<'_>,
    lines: &'a Lines,
    packages: &'a dyn Packages,
) -> impl Iterator<Item = Result<OwnInstruction<'a>, Unmeasurable>> {
    let has_lines = lines.has_own();
    let is_read = move |function: &&Function| match (has_lines, &function.name) {
        (true, _) => !lines.rows_in(&function.body).is_empty(),
        (false, Some(name)) => origin::of_name(name, packages) == Origin::Own,
        (false, None) => false,
    };
    module.functions.iter().filter(is_read).flat_map(move |function| {
        module.instructions(function).filter_map(move |instruction| match instruction {
            Ok(instruction) => {
                let place = lines.place_of(instruction.range.start);
                let is_own = !has_lines || place.is_some();
                is_own.then_some(Ok(OwnInstruction { function, instruction, place }))
            }
            Err(error) => Some(Err(error)),
        })
    })
}

#[cfg(test)]
mod tests {
    use wasmparser::Operator;

    use super::*;
    use crate::edit::{Edit, edited};
    use crate::sources;

    /// Compiled from `fixtures/lines.rs.txt`.
    const LINES: &[u8] = include_bytes!("fixtures/lines.wasm");

    #[test]
    fn a_comparison_of_own_code_is_found_by_its_line_and_replaced() {
        let module = Module::read(LINES).unwrap();
        let lines = sources::lines(&module).unwrap();
        let none = |_: &str| false;
        let all: Vec<OwnInstruction<'_>> = own_instructions(&module, &lines, &none).map(Result::unwrap).collect();
        assert!(all.len() > 20, "{}", all.len());
        let ten =
            all.iter().find(|it| matches!(it.instruction.operator, Operator::I32Const { value: 10 | 11 })).unwrap();
        // The compiler has `if number > 10` in the line of the function.
        assert!([15, 16].contains(&ten.place.unwrap().line), "{:?}", ten.place);
        let copy = edited(&module, &[Edit { range: ten.instruction.range.clone(), bytes: vec![0x41, 20] }]).unwrap();
        wasmparser::Validator::new().validate_all(&copy).unwrap();
        let changed = Module::read(&copy).unwrap();
        let operators = |module: &Module<'_>| -> Vec<String> {
            let all = module.instructions(&module.functions[0]).map(|it| format!("{:?}", it.unwrap().operator));
            all.collect()
        };
        let (before, after) = (operators(&module), operators(&changed));
        let different = before.iter().zip(&after).filter(|(one, other)| one != other).count();
        assert_eq!((before.len(), different), (after.len(), 1));
    }

    #[test]
    fn without_lines_names_tell() {
        let bytes = wat::parse_str("(module (func $policy::a nop) (func $core::b nop nop))").unwrap();
        let module = Module::read(&bytes).unwrap();
        let lines = sources::lines(&module).unwrap();
        let none = |_: &str| false;
        let all: Vec<_> = own_instructions(&module, &lines, &none).map(Result::unwrap).collect();
        assert_eq!(all.len(), 2);
        assert!(all.iter().all(|it| it.place.is_none() && it.function.index == 0));
    }
}
