//! Changes of single instructions that a good test notices: mutants.

use wasm_encoder::{Encode as _, Instruction as Encoded};
use wasmparser::{CompositeInnerType, FuncType, Operator, Parser, Payload, TypeRef, ValType};

use crate::edit::Edit;
use crate::lines::{Lines, Place};
use crate::module::{Function, Module};
use crate::origin::Packages;
use crate::own::{OwnInstruction, own_instructions};
use crate::unmeasurable::Unmeasurable;

/// The largest constant that is changed: beyond are mostly addresses of memory.
const LARGEST: i64 = 4096;

/// Most mutants of a module.
const MOST_MUTANTS: usize = 100_000;

/// A module with one instruction that is another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mutant {
    /// Where the instruction is: a byte of the module.
    pub offset: usize,
    /// The name of its function.
    pub function: Option<String>,
    /// Its line; none in a module without lines.
    pub place: Option<Place>,
    /// What is different.
    pub change: MutantChange,
    /// How the copy is made.
    pub edit: Edit,
}

/// What is different in a mutant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MutantChange {
    /// The other branch is taken.
    Inverted,
    /// Another operator has the same operands: the names of both.
    Operator(&'static str, &'static str),
    /// A constant is one more.
    Constant(i64),
    /// A function is not called, and this is its result.
    Result(String, i32),
    /// The function returns at once.
    Return,
}

impl std::fmt::Display for MutantChange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Inverted => f.write_str("the condition is inverted"),
            Self::Operator(from, to) => write!(f, "`{from}` is `{to}`"),
            Self::Constant(value) => write!(f, "{value} is {}", value.saturating_add(1)),
            Self::Result(function, value) => write!(f, "`{function}` is not called, its result is {value}"),
            Self::Return => f.write_str("the function returns at once"),
        }
    }
}

/// The mutants of a policy's own code, in its order; those of instructions for which `is_wanted` is true, by their offset.
///
/// # Errors
///
/// The code cannot be read.
pub fn mutants(
    module: &Module<'_>,
    lines: &Lines,
    packages: &dyn Packages,
    is_wanted: &dyn Fn(usize) -> bool,
) -> Result<Vec<Mutant>, Unmeasurable> {
    let types = Types::of(module.bytes())?;
    let mut found = Vec::new();
    let mut entered = None;
    for own in own_instructions(module, lines, packages) {
        let own = own?;
        let offset = own.instruction.range.start;
        if !is_wanted(offset) {
            continue;
        }
        // After inlining, an instruction of own code may be in a function of somebody else, which is not left early.
        let is_first = entered != Some(own.function.index) && offset == own.function.code;
        entered = Some(own.function.index);
        let early = is_first.then(|| types.early_return(own.function)).flatten();
        found.extend(early.map(|bytes| mutant(&own, MutantChange::Return, Edit { range: offset..offset, bytes })));
        found.extend(of_instruction(module, &own, &types));
        if found.len() >= MOST_MUTANTS {
            break;
        }
    }
    Ok(found)
}

fn mutant(own: &OwnInstruction<'_>, change: MutantChange, edit: Edit) -> Mutant {
    let (offset, function) = (own.instruction.range.start, own.function.name.clone());
    Mutant { offset, function, place: own.place, change, edit }
}

fn of_instruction(module: &Module<'_>, own: &OwnInstruction<'_>, types: &Types) -> Vec<Mutant> {
    let range = &own.instruction.range;
    let replaced =
        |change, encoded: &[Encoded<'_>]| mutant(own, change, Edit { range: range.clone(), bytes: bytes_of(encoded) });
    match &own.instruction.operator {
        Operator::BrIf { .. } | Operator::If { .. } => {
            let edit = Edit { range: range.start..range.start, bytes: bytes_of(&[Encoded::I32Eqz]) };
            vec![mutant(own, MutantChange::Inverted, edit)]
        }
        Operator::I32Const { value } if (0..=LARGEST).contains(&i64::from(*value)) => {
            vec![replaced(MutantChange::Constant(i64::from(*value)), &[Encoded::I32Const(value + 1)])]
        }
        Operator::I64Const { value } if (0..=LARGEST).contains(value) => {
            vec![replaced(MutantChange::Constant(*value), &[Encoded::I64Const(value + 1)])]
        }
        Operator::Call { function_index } => types.results(module, *function_index, &replaced),
        operator => other_operator(operator)
            .map(|(from, to, encoded)| replaced(MutantChange::Operator(from, to), &[encoded]))
            .into_iter()
            .collect(),
    }
}

fn bytes_of(encoded: &[Encoded<'_>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    encoded.iter().for_each(|instruction| instruction.encode(&mut bytes));
    bytes
}

/// The neighbour of an operator: a comparison that differs where both are equal, or the opposite.
fn other_operator(operator: &Operator<'_>) -> Option<(&'static str, &'static str, Encoded<'static>)> {
    use Encoded as E;
    use Operator as O;
    Some(match operator {
        O::I32Eq => ("==", "!=", E::I32Ne),
        O::I32Ne => ("!=", "==", E::I32Eq),
        O::I64Eq => ("==", "!=", E::I64Ne),
        O::I64Ne => ("!=", "==", E::I64Eq),
        O::I32LtS => ("<", "<=", E::I32LeS),
        O::I32LtU => ("<", "<=", E::I32LeU),
        O::I32LeS => ("<=", "<", E::I32LtS),
        O::I32LeU => ("<=", "<", E::I32LtU),
        O::I32GtS => (">", ">=", E::I32GeS),
        O::I32GtU => (">", ">=", E::I32GeU),
        O::I32GeS => (">=", ">", E::I32GtS),
        O::I32GeU => (">=", ">", E::I32GtU),
        O::I64LtS => ("<", "<=", E::I64LeS),
        O::I64LtU => ("<", "<=", E::I64LeU),
        O::I64LeS => ("<=", "<", E::I64LtS),
        O::I64LeU => ("<=", "<", E::I64LtU),
        O::I64GtS => (">", ">=", E::I64GeS),
        O::I64GtU => (">", ">=", E::I64GeU),
        O::I64GeS => (">=", ">", E::I64GtS),
        O::I64GeU => (">=", ">", E::I64GtU),
        O::I32And => ("&", "|", E::I32Or),
        O::I32Or => ("|", "&", E::I32And),
        O::I64And => ("&", "|", E::I64Or),
        O::I64Or => ("|", "&", E::I64And),
        O::I32Sub => ("-", "+", E::I32Add),
        O::I64Sub => ("-", "+", E::I64Add),
        O::I32Mul => ("*", "+", E::I32Add),
        O::I64Mul => ("*", "+", E::I64Add),
        _ => return None,
    })
}

/// The types of all functions, imported ones first.
struct Types {
    functions: Vec<Option<FuncType>>,
}

impl Types {
    fn of(bytes: &[u8]) -> Result<Self, Unmeasurable> {
        let (mut types, mut functions): (Vec<Option<FuncType>>, _) = (Vec::new(), Vec::new());
        let of_index = |types: &[Option<FuncType>], index: u32| types.get(index as usize).cloned().flatten();
        for payload in Parser::new(0).parse_all(bytes) {
            match payload? {
                Payload::TypeSection(section) => {
                    for group in section {
                        types.extend(group?.into_types().map(|it| match it.composite_type.inner {
                            CompositeInnerType::Func(function) => Some(function),
                            _ => None,
                        }));
                    }
                }
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        if let TypeRef::Func(index) = import?.ty {
                            functions.push(of_index(&types, index));
                        }
                    }
                }
                Payload::FunctionSection(section) => {
                    for index in section {
                        functions.push(of_index(&types, index?));
                    }
                }
                Payload::CodeSectionStart { .. } => break,
                _ => {}
            }
        }
        Ok(Self { functions })
    }

    fn of_function(&self, index: u32) -> Option<&FuncType> {
        self.functions.get(index as usize)?.as_ref()
    }

    /// Instructions that leave a function with a result of zero.
    fn early_return(&self, function: &Function) -> Option<Vec<u8>> {
        let mut encoded = Vec::new();
        for result in self.of_function(function.index)?.results() {
            encoded.push(zero(*result)?);
        }
        encoded.push(Encoded::Return);
        Some(bytes_of(&encoded))
    }

    /// Mutants in which a call that gives a number of 32 bits, which is often a yes or no, gives 0 or 1 instead.
    fn results(
        &self,
        module: &Module<'_>,
        index: u32,
        replaced: &dyn Fn(MutantChange, &[Encoded<'_>]) -> Mutant,
    ) -> Vec<Mutant> {
        let Some(of_callee) = self.of_function(index).filter(|it| it.results() == [ValType::I32]) else {
            return Vec::new();
        };
        let position = index.checked_sub(module.imported_functions).map(|position| position as usize);
        let name = position.and_then(|position| module.functions.get(position)?.name.clone());
        let name = name.unwrap_or_else(|| format!("function {index}"));
        let with = |value: i32| {
            let mut encoded: Vec<Encoded<'_>> = of_callee.params().iter().map(|_| Encoded::Drop).collect();
            encoded.push(Encoded::I32Const(value));
            replaced(MutantChange::Result(name.clone(), value), &encoded)
        };
        vec![with(0), with(1)]
    }
}

fn zero(of: ValType) -> Option<Encoded<'static>> {
    Some(match of {
        ValType::I32 => Encoded::I32Const(0),
        ValType::I64 => Encoded::I64Const(0),
        ValType::F32 => Encoded::F32Const(0.0.into()),
        ValType::F64 => Encoded::F64Const(0.0.into()),
        ValType::V128 | ValType::Ref(_) => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edit::edited;
    use crate::sources;

    fn all(bytes: &[u8]) -> Vec<(Mutant, Vec<u8>)> {
        let module = Module::read(bytes).unwrap();
        let lines = sources::lines(&module).unwrap();
        let found = mutants(&module, &lines, &|_: &str| false, &|_| true).unwrap();
        found.into_iter().map(|it| (it.clone(), edited(&module, &[it.edit]).unwrap())).collect()
    }

    #[test]
    fn each_instruction_has_its_mutants_and_all_of_them_are_modules() {
        let text = r#"(module
            (import "env" "ask" (func $ask (param i32 i64) (result i32)))
            (func $policy::decide (param i32) (result i32)
              (if (result i32) (i32.lt_u (local.get 0) (i32.const 10))
                (then (call $ask (i32.const 99999) (i64.const 1)))
                (else (i32.sub (local.get 0) (i32.const 1)))))
            (func $core::other (param i32) (result i32) (i32.lt_u (local.get 0) (i32.const 10))))"#;
        let bytes = wat::parse_str(text).unwrap();
        let found = all(&bytes);
        let shown: Vec<String> = found.iter().map(|(mutant, _)| mutant.change.to_string()).collect();
        assert_eq!(
            shown,
            [
                "the function returns at once",
                "10 is 11",
                "`<` is `<=`",
                "the condition is inverted",
                "1 is 2",
                "`function 0` is not called, its result is 0",
                "`function 0` is not called, its result is 1",
                "1 is 2",
                "`-` is `+`",
            ]
        );
        for (mutant, copy) in &found {
            assert_ne!(copy, &bytes);
            wasmparser::Validator::new().validate_all(copy).unwrap_or_else(|error| panic!("{mutant:?}: {error}"));
        }
    }

    #[test]
    fn a_module_of_rust_has_mutants_with_lines() {
        let found = all(include_bytes!("fixtures/lines.wasm"));
        assert!(found.len() > 5, "{}", found.len());
        for (mutant, copy) in found {
            assert!(mutant.place.is_some_and(|place| place.line > 0), "{mutant:?}");
            wasmparser::Validator::new().validate_all(&copy).unwrap();
        }
    }
}
