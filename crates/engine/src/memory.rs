//! Reading and writing guest memory: the only place where a number from a guest is used as an address.

use wasmtime::{AsContext, AsContextMut, Caller, Memory};

use super::fault::Stop;

/// The import on whose behalf memory is touched, for messages.
pub(super) type ImportName = &'static str;

/// Copies `len` bytes out of the guest. Nothing is dereferenced when `len` is 0, so any address will do then.
pub(super) fn read<T: 'static>(
    caller: &mut Caller<'_, T>,
    import: ImportName,
    address: u32,
    len: u32,
) -> wasmtime::Result<Vec<u8>> {
    let memory = exported_memory(caller, import)?;
    let bytes = range(&memory, caller, import, address, u64::from(len))?;
    Ok(memory.data(&caller)[bytes].to_vec())
}

/// Copies text out of the guest; what is not UTF-8 is replaced.
pub(super) fn read_text<T: 'static>(
    caller: &mut Caller<'_, T>,
    import: ImportName,
    address: u32,
    len: u32,
) -> wasmtime::Result<String> {
    read(caller, import, address, len).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// Copies `bytes` into the guest.
pub(super) fn write<T: 'static>(
    caller: &mut Caller<'_, T>,
    import: ImportName,
    address: u32,
    bytes: &[u8],
) -> wasmtime::Result<()> {
    let memory = exported_memory(caller, import)?;
    let target = range(&memory, caller, import, address, bytes.len() as u64)?;
    memory.data_mut(caller)[target].copy_from_slice(bytes);
    Ok(())
}

/// Refuses a range that is not inside the guest's memory, without copying anything.
pub(super) fn check<T: 'static>(
    caller: &mut Caller<'_, T>,
    import: ImportName,
    address: u32,
    len: u32,
) -> wasmtime::Result<()> {
    let memory = exported_memory(caller, import)?;
    range(&memory, caller, import, address, u64::from(len)).map(drop)
}

/// Copies the text at `address` out of the guest, up to its NUL. `source` is the import it was passed to or the export
/// that gave it. A text of more than `limit` bytes is refused; what is not UTF-8 is replaced.
pub(super) fn read_c_text(
    memory: &Memory,
    store: impl AsContext,
    source: ImportName,
    address: u32,
    limit: usize,
) -> wasmtime::Result<String> {
    let data = memory.data(&store);
    let rest = data.get(address as usize..).filter(|rest| !rest.is_empty());
    let rest = rest.ok_or_else(|| outside(source, address, data.len()))?;
    match rest.iter().take(limit.saturating_add(1)).position(|byte| *byte == 0) {
        Some(len) => Ok(String::from_utf8_lossy(&rest[..len]).into_owned()),
        None if rest.len() > limit => {
            Err(Stop::Limit(format!("the text at `{source}` is longer than {limit} bytes")).into())
        }
        None => Err(Stop::Misuse(format!("the text at `{source}` has no end inside the policy's memory")).into()),
    }
}

/// Copies `len` bytes at an address that the export `source` gave.
pub(super) fn read_at(
    memory: &Memory,
    store: impl AsContext,
    source: ImportName,
    address: u32,
    len: u32,
) -> wasmtime::Result<Vec<u8>> {
    let data = memory.data(&store);
    let start = address as usize;
    let bytes = start.checked_add(len as usize).and_then(|end| data.get(start..end));
    Ok(bytes.ok_or_else(|| outside(source, address, data.len()))?.to_vec())
}

/// Copies `bytes` to an address that the export `source` gave.
pub(super) fn write_at(
    memory: &Memory,
    mut store: impl AsContextMut,
    source: ImportName,
    address: u32,
    bytes: &[u8],
) -> wasmtime::Result<()> {
    let data = memory.data_mut(&mut store);
    let size = data.len();
    let start = address as usize;
    let target = start.checked_add(bytes.len()).and_then(|end| data.get_mut(start..end));
    target.ok_or_else(|| outside(source, address, size))?.copy_from_slice(bytes);
    Ok(())
}

fn outside(source: ImportName, address: u32, size: usize) -> Stop {
    Stop::Misuse(format!("the address {address:#x} at `{source}` is outside the policy's memory of {size} bytes"))
}

/// The memory of the module that called an import.
pub(super) fn exported_memory<T: 'static>(caller: &mut Caller<'_, T>, import: ImportName) -> wasmtime::Result<Memory> {
    caller
        .get_export("memory")
        .and_then(wasmtime::Extern::into_memory)
        .ok_or_else(|| Stop::Misuse(format!("`{import}` was called by a module that exports no memory")).into())
}

fn range<T: 'static>(
    memory: &Memory,
    caller: &Caller<'_, T>,
    import: ImportName,
    address: u32,
    len: u64,
) -> wasmtime::Result<std::ops::Range<usize>> {
    if len == 0 {
        return Ok(0..0);
    }
    let size = memory.data_size(caller);
    let start = address as usize;
    let end = usize::try_from(len).ok().and_then(|len| start.checked_add(len));
    match end {
        Some(end) if end <= size => Ok(start..end),
        _ => Err(Stop::Misuse(format!(
            "`{import}` was given {len} bytes at address {address:#x}, outside the policy's memory of {size} bytes"
        ))
        .into()),
    }
}
