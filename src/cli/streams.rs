//! Writing to stdout, stderr and pipes: everything, or an error.
//!
//! The buffers of the standard library lose count where a stream takes nothing for a while, as a pipe does that another
//! program has made non-blocking.

use std::io::{self, Write};
use std::thread;
use std::time::Duration;

/// How long a stream is left alone that takes nothing.
const PAUSE: Duration = Duration::from_millis(1);

/// Writes everything to stdout.
pub(crate) fn stdout(bytes: &[u8]) -> io::Result<()> {
    let stdout = io::stdout().lock();
    write_all(&mut unbuffered(&stdout)?, bytes)
}

/// Writes everything to stderr.
pub(crate) fn stderr(bytes: &[u8]) -> io::Result<()> {
    let stderr = io::stderr().lock();
    write_all(&mut unbuffered(&stderr)?, bytes)
}

#[cfg(unix)]
fn unbuffered(stream: &impl std::os::fd::AsFd) -> io::Result<std::fs::File> {
    Ok(stream.as_fd().try_clone_to_owned()?.into())
}

#[cfg(not(unix))]
fn unbuffered(stream: &impl std::os::windows::io::AsHandle) -> io::Result<std::fs::File> {
    Ok(stream.as_handle().try_clone_to_owned()?.into())
}

/// Writes everything, however often that is interrupted, cut short or put off.
pub(crate) fn write_all(out: &mut impl Write, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match out.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(PAUSE),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes at most three bytes at a time, and refuses every second time.
    struct Slow {
        written: Vec<u8>,
        calls: usize,
        error: io::ErrorKind,
    }

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.calls += 1;
            if self.calls % 2 == 1 {
                return Err(self.error.into());
            }
            let taken = &bytes[..bytes.len().min(3)];
            self.written.extend(taken);
            Ok(taken.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_stream_that_takes_little_gets_everything() {
        for (error, is_written) in [
            (io::ErrorKind::WouldBlock, true),
            (io::ErrorKind::Interrupted, true),
            (io::ErrorKind::StorageFull, false),
            (io::ErrorKind::BrokenPipe, false),
        ] {
            let mut slow = Slow { written: Vec::new(), calls: 0, error };
            let result = write_all(&mut slow, b"a report of some length");
            assert_eq!(result.is_ok(), is_written, "{error}");
            assert_eq!(slow.written == b"a report of some length", is_written, "{error}");
        }
        assert_eq!(write_all(&mut &mut [0; 2][..], b"abc").unwrap_err().kind(), io::ErrorKind::WriteZero);
    }
}
