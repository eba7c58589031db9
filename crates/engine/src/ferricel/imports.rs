//! The three functions of the host that a module may import: a log, the end of an evaluation, calls of extensions.

use serde_json::{Map, Value};
use wasmtime::{Caller, Linker};

use super::abi::{MALLOC, State, length, packed, unpacked};
use super::extensions;
use crate::cel_error::CelError;
use crate::fault::Stop;
use crate::memory;
use policy_verify_host::BINDING;

/// The module of the imports.
const MODULE: &str = "env";
const LOG: &str = "cel_log";
const ABORT: &str = "cel_abort";
const CALL_EXTENSION: &str = "cel_call_extension";

/// Everything a module can import.
pub(super) fn linker(engine: &wasmtime::Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    linker.func_wrap(MODULE, LOG, log)?;
    linker.func_wrap(MODULE, ABORT, abort)?;
    linker.func_wrap(MODULE, CALL_EXTENSION, call_extension)?;
    Ok(linker)
}

/// Keeps an entry of the log; what cannot be read is ignored, as in the server.
fn log(mut caller: Caller<'_, State>, address: u32, len: u32) -> wasmtime::Result<()> {
    memory::check(&mut caller, LOG, address, len)?;
    caller.data_mut().sandbox.charge_log(len as usize)?;
    let entry = memory::read(&mut caller, LOG, address, len)?;
    if let Some(entry) = in_host_words(&entry) {
        // The host keeps it, and answers nothing.
        let _ = caller.data().sandbox.host.call(BINDING, "tracing", "log", entry.to_string().as_bytes());
    }
    Ok(())
}

/// An entry with the levels of Kubewarden's log. The place is one in ferricel and not in the policy.
fn in_host_words(entry: &[u8]) -> Option<Value> {
    let mut entry: Map<String, Value> = serde_json::from_slice(entry).ok()?;
    let level = entry.get("level")?.as_str()?.to_lowercase();
    entry.get("message")?.as_str()?;
    let level = if level == "warn" { "warning".to_owned() } else { level };
    entry.insert("level".into(), level.into());
    for place in ["file", "line", "column"] {
        entry.remove(place);
    }
    Some(entry.into())
}

/// Ends the evaluation with an error of an expression.
fn abort(mut caller: Caller<'_, State>, error: u64) -> wasmtime::Result<()> {
    let (address, len) = unpacked(error);
    memory::check(&mut caller, ABORT, address, len)?;
    caller.data().sandbox.check_reply(len)?;
    let bytes = memory::read(&mut caller, ABORT, address, len)?;
    Err(CelError::read(&bytes).map_or_else(Stop::Refused, Stop::Cel).into())
}

/// Answers a call of an extension, in memory that the guest gives.
fn call_extension(mut caller: Caller<'_, State>, request: u64) -> wasmtime::Result<u64> {
    let (address, len) = unpacked(request);
    memory::check(&mut caller, CALL_EXTENSION, address, len)?;
    caller.data_mut().sandbox.charge_host_call(u64::from(len))?;
    let request = memory::read(&mut caller, CALL_EXTENSION, address, len)?;
    let host = std::sync::Arc::clone(&caller.data().sandbox.host);
    let reply = extensions::answer(&*host, &request).map_err(Stop::Refused)?;
    caller.data_mut().sandbox.charge_host_bytes(reply.len() as u64)?;
    let allocate = caller.get_export(MALLOC).and_then(wasmtime::Extern::into_func);
    let allocate = allocate
        .ok_or_else(|| Stop::Misuse(format!("`{CALL_EXTENSION}` was called by a module without `{MALLOC}`")))?;
    let len = length(reply.len())?;
    let address = allocate.typed::<u32, u32>(&caller)?.call(&mut caller, len)?;
    memory::write(&mut caller, CALL_EXTENSION, address, &reply)?;
    Ok(packed(address, len))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_of_the_log_have_kubewardens_levels() {
        let entry = |text: &str| in_host_words(text.as_bytes()).map(|entry| entry.to_string());
        let written = r#"{"level":"Warn","message":"m","file":"a.rs","line":1,"column":2,"policy":"p"}"#;
        assert_eq!(entry(written).unwrap(), r#"{"level":"warning","message":"m","policy":"p"}"#);
        assert_eq!(entry(r#"{"level":"Debug","message":"m"}"#).unwrap(), r#"{"level":"debug","message":"m"}"#);
        for ignored in ["", "[]", "{}", r#"{"level":1,"message":"m"}"#, r#"{"level":"Info"}"#] {
            assert_eq!(entry(ignored), None, "{ignored}");
        }
    }
}
