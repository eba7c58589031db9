//! Modules: what code coverage makes of them.

use policy_verify_instrument::{Module, Plan, edited};

/// A copy with counters is as valid as the module, and a copy without changes is the module but for debug information. When
/// every counter counted, everything is covered, and nothing is when none did.
pub fn instrument(bytes: &[u8]) {
    let Ok(module) = Module::read(bytes) else { return };
    let is_valid = wasmparser::validate(bytes).is_ok();
    if let Ok(copy) = edited(&module, &[]) {
        let again = Module::read(&copy).map(|again| again.functions.len());
        assert_eq!(again, Ok(module.functions.len()));
    }
    let Ok(plan) = Plan::of(bytes, bytes, &|_: &str| false) else { return };
    if is_valid {
        wasmparser::validate(&plan.copy).unwrap_or_else(|error| panic!("no longer valid: {error}"));
    }
    let all = plan.coverage(&vec![1; plan.counters()]);
    assert_eq!(all.lines().covered, all.lines().total);
    assert_eq!(all.functions().covered, all.functions().total);
    let none = plan.coverage(&vec![0; plan.counters()]);
    assert_eq!((none.lines().covered, none.functions().covered), (0, 0));
    assert_eq!((none.lines().total, none.functions().total), (all.lines().total, all.functions().total));
}
