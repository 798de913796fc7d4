//! The bit stream of a JPEG-LS scan (T.87 Annex A).

use super::super::CodecError;

/// Bits of a scan; the bit after every FF byte is stuffing (A.1).
pub(super) struct Bits<'a> {
    data: &'a [u8],
    at: usize,
    cache: u64,
    count: u32,
    after_ff: bool,
}

impl<'a> Bits<'a> {
    pub(super) fn new(data: &'a [u8]) -> Self {
        Self {
            data,
            at: 0,
            cache: 0,
            count: 0,
            after_ff: false,
        }
    }

    fn fill(&mut self) {
        while self.count <= 48 {
            let Some(&byte) = self.data.get(self.at) else {
                break;
            };
            let width = if self.after_ff { 7 } else { 8 };
            if self.after_ff && byte >= 0x80 {
                // A marker: the scan has no more bits.
                break;
            }
            self.after_ff = byte == 0xff;
            self.cache = self.cache << width | u64::from(byte);
            self.count += width;
            self.at += 1;
        }
    }

    /// The next `count` bits, at most 24.
    pub(super) fn take(&mut self, count: u32) -> Result<u32, CodecError> {
        if self.count < count {
            self.fill();
            if self.count < count {
                return Err(CodecError::corrupt(
                    "JPEG-LS data ends before the picture does",
                ));
            }
        }
        self.count -= count;
        Ok((self.cache >> self.count) as u32 & ((1 << count) - 1))
    }

    /// A Golomb code of limited length (A.5.3).
    pub(super) fn golomb(
        &mut self,
        k: u32,
        limit: u32,
        error_bits: u32,
    ) -> Result<u32, CodecError> {
        let escape = limit.saturating_sub(error_bits + 1);
        let mut zeros = 0;
        while self.take(1)? == 0 {
            zeros += 1;
            if zeros > escape {
                return Err(CodecError::corrupt("JPEG-LS code longer than its limit"));
            }
        }
        if zeros < escape {
            Ok(zeros << k | self.take(k.min(24))?)
        } else {
            Ok(self.take(error_bits)? + 1)
        }
    }
}
