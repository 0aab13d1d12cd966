use std::io::{self, Read};

use bytes::Bytes;
use tokio::sync::mpsc;

struct Chunks {
    receiver: mpsc::Receiver<io::Result<Bytes>>,
    rest: Bytes,
}

impl Read for Chunks {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() {
            match self.receiver.blocking_recv() {
                Some(chunk) => self.rest = chunk?,
                // The sender was dropped: the body ends here.
                None => return Ok(0),
            }
        }
        let len = self.rest.len().min(out.len());
        out[..len].copy_from_slice(&self.rest.split_to(len));
        Ok(len)
    }
}
