//! The bytes of a copy as parts that a store keeps: made and read on a thread that may wait, while the store is asked from one that must not.

use std::io::{self, Read, Write};

use tokio::sync::mpsc;

/// Bytes of a part: few enough to be one value of a database and a short write, many enough to be few.
const PART: usize = 1 << 20;
/// Parts that wait between the two.
pub(super) const WAITING: usize = 2;

/// Cuts what is written into parts.
pub(super) struct Cutter {
    part: Vec<u8>,
    to: mpsc::Sender<Vec<u8>>,
}

impl Cutter {
    pub(super) fn new(to: mpsc::Sender<Vec<u8>>) -> Self {
        Self { part: Vec::with_capacity(PART), to }
    }

    /// Gives away the last part.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.give()
    }

    fn give(&mut self) -> io::Result<()> {
        let part = std::mem::replace(&mut self.part, Vec::with_capacity(PART));
        // Its own error is told by who has stopped to take them.
        self.to.blocking_send(part).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

impl Write for Cutter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.part.len() == PART {
            self.give()?;
        }
        let taken = bytes.len().min(PART - self.part.len());
        self.part.extend(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Reads parts one after the other.
pub(super) struct Joined {
    part: io::Cursor<Vec<u8>>,
    from: mpsc::Receiver<Vec<u8>>,
}

impl Joined {
    pub(super) fn new(from: mpsc::Receiver<Vec<u8>>) -> Self {
        Self { part: io::Cursor::default(), from }
    }
}

impl Read for Joined {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.part.read(into)?;
            if read > 0 || into.is_empty() {
                return Ok(read);
            }
            match self.from.blocking_recv() {
                Some(part) => self.part = io::Cursor::new(part),
                None => return Ok(0),
            }
        }
    }
}
