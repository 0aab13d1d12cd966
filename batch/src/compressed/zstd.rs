//! All frames of zstd data, one after the other.

use std::io::{self, Read};

use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use super::fault::{DecodeError, Fault};
use super::source::Source;
use super::{MAX_WINDOW, is_cut};

/// The decoded bytes of all frames. Checks the window of each frame before memory is allocated for
/// it.
pub(super) struct Frames<R> {
    source: R,
    decoder: FrameDecoder,
    in_frame: bool,
    /// The number of decoded bytes of the current frame.
    decoded: u64,
}

impl<'a> Frames<Source<'a>> {
    pub(super) fn new(source: Source<'a>) -> Self {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(MAX_WINDOW);
        Frames { source, decoder, in_frame: false, decoded: 0 }
    }

    pub(super) fn get_mut(&mut self) -> &mut Source<'a> {
        &mut self.source
    }

    pub(super) fn read(&mut self, room: &mut [u8]) -> Result<usize, DecodeError> {
        loop {
            if !self.in_frame && !self.begin()? {
                return Ok(0);
            }
            // The decoder holds at most the window and one block of 128 KiB: bytes beyond the
            // window are read at once.
            while self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
                let one = BlockDecodingStrategy::UptoBlocks(1);
                self.decoder.decode_blocks(&mut self.source, one).map_err(refused)?;
            }
            let len = self.decoder.read(room).map_err(DecodeError::Source)?;
            if len > 0 {
                self.decoded = self.decoded.saturating_add(len as u64);
                return Ok(len);
            }
            self.end()?;
        }
    }

    /// Begins the next frame with content. Returns false at the end.
    fn begin(&mut self) -> Result<bool, DecodeError> {
        loop {
            if !self.source.has_next()? {
                return Ok(false);
            }
            match self.decoder.init(&mut self.source) {
                Ok(()) => {
                    (self.in_frame, self.decoded) = (true, 0);
                    return Ok(true);
                }
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => self.skip(length.into())?,
                Err(error) => return Err(refused(error)),
            }
        }
    }

    fn skip(&mut self, len: u64) -> Result<(), DecodeError> {
        let mut skipped = self.source.by_ref().take(len);
        match io::copy(&mut skipped, &mut io::sink()).map_err(DecodeError::Source)? {
            found if found < len => Err(DecodeError::Cut),
            _ => Ok(()),
        }
    }

    /// Compares the length and the checksum of a decoded frame: the decoder does not.
    fn end(&mut self) -> Result<(), DecodeError> {
        self.in_frame = false;
        let declared = self.decoder.content_size();
        let is_len = declared == 0 || declared == self.decoded;
        let sum = self.decoder.get_checksum_from_data();
        let is_sum = sum.is_none() || self.decoder.get_calculated_checksum() == sum;
        if is_len && is_sum { Ok(()) } else { Err(DecodeError::Fault(Fault::Damaged)) }
    }
}

fn refused(error: FrameDecoderError) -> DecodeError {
    match error {
        FrameDecoderError::WindowSizeTooBig { requested, .. } => {
            DecodeError::Fault(Fault::Window(requested))
        }
        FrameDecoderError::DictNotProvided { .. } => DecodeError::Fault(Fault::Dictionary),
        error if is_cut(&error) => DecodeError::Cut,
        _ => DecodeError::Fault(Fault::Damaged),
    }
}
