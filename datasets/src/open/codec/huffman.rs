//! Huffman codes and the bit stream of sequential JPEG (ITU-T T.81 Annex F).

use super::CodecError;

/// A canonical Huffman code of up to 16 bits.
#[derive(Debug, Clone)]
pub(super) struct Table {
    /// For every length: the first code, the number of codes and the index of its first value.
    lengths: [(u32, u32, usize); 17],
    values: Vec<u8>,
}

impl Table {
    /// From the 16 counts and the values of a DHT segment.
    pub(super) fn new(counts: &[u8; 16], values: &[u8]) -> Result<Self, CodecError> {
        let mut lengths = [(0, 0, 0); 17];
        let (mut code, mut index) = (0_u32, 0);
        for (length, &count) in counts.iter().enumerate() {
            code <<= 1;
            lengths[length + 1] = (code, count.into(), index);
            code += u32::from(count);
            index += usize::from(count);
            if code > 1 << (length + 1) {
                return Err(CodecError::corrupt("impossible Huffman table"));
            }
        }
        if index != values.len() {
            return Err(CodecError::corrupt("incomplete Huffman table"));
        }
        Ok(Self {
            lengths,
            values: values.to_vec(),
        })
    }
}

/// Bits of an entropy-coded segment, most significant first, stuffing removed.
pub(super) struct Bits<'a> {
    data: &'a [u8],
    pub(super) at: usize,
    cache: u64,
    count: u32,
}

impl<'a> Bits<'a> {
    pub(super) fn new(data: &'a [u8], at: usize) -> Self {
        Self {
            data,
            at,
            cache: 0,
            count: 0,
        }
    }

    fn fill(&mut self, needed: u32) -> Result<(), CodecError> {
        while self.count < needed {
            let byte = *self.data.get(self.at).ok_or_else(ended)?;
            if byte == 0xff {
                match self.data.get(self.at + 1) {
                    Some(0) => self.at += 1,
                    _ => return Err(ended()),
                }
            }
            self.at += 1;
            self.cache = self.cache << 8 | u64::from(byte);
            self.count += 8;
        }
        Ok(())
    }

    /// The next `count` bits, at most 16.
    pub(super) fn take(&mut self, count: u32) -> Result<u32, CodecError> {
        self.fill(count)?;
        self.count -= count;
        Ok((self.cache >> self.count) as u32 & ((1 << count) - 1))
    }

    /// The next Huffman-coded value.
    pub(super) fn symbol(&mut self, table: &Table) -> Result<u8, CodecError> {
        let mut code = 0;
        for &(first, count, index) in &table.lengths[1..] {
            code = code << 1 | self.take(1)?;
            if code < first + count {
                // Codes of a length are consecutive, and shorter prefixes were ruled out before.
                let at = index + (code.wrapping_sub(first)) as usize;
                return table.values.get(at).copied().ok_or_else(damaged);
            }
        }
        Err(damaged())
    }

    /// A signed value of `size` bits (T.81 F.2.2.1, RECEIVE and EXTEND).
    pub(super) fn signed(&mut self, size: u32) -> Result<i32, CodecError> {
        if size == 0 {
            return Ok(0);
        }
        let value = self.take(size)? as i32;
        Ok(if value < 1 << (size - 1) {
            value - (1 << size) + 1
        } else {
            value
        })
    }

    /// Drops the rest of the byte and passes the restart marker that must follow.
    pub(super) fn restart(&mut self) -> Result<(), CodecError> {
        (self.cache, self.count) = (0, 0);
        match self.data.get(self.at..self.at + 2) {
            Some([0xff, 0xd0..=0xd7]) => {
                self.at += 2;
                Ok(())
            }
            _ => Err(CodecError::corrupt("JPEG restart marker missing")),
        }
    }
}

fn ended() -> CodecError {
    CodecError::corrupt("JPEG data ends before the picture does")
}

fn damaged() -> CodecError {
    CodecError::corrupt("JPEG data holds an impossible code")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_codes() {
        // Codes 0, 10, 110 for the values 5, 6, 7.
        let mut counts = [0; 16];
        counts[..3].copy_from_slice(&[1, 1, 1]);
        let table = Table::new(&counts, &[5, 6, 7]).unwrap();
        let mut bits = Bits::new(&[0b0101_1011, 0xff, 0x00], 0);
        let symbols: Vec<u8> = (0..3).map(|_| bits.symbol(&table).unwrap()).collect();
        assert_eq!(symbols, [5, 6, 7]);
        assert_eq!(bits.take(2).unwrap(), 3, "11");
        assert_eq!(bits.take(8).unwrap(), 255, "a stuffed byte");
        assert!(bits.take(1).is_err());
    }

    #[test]
    fn signed_values_extend() {
        let mut bits = Bits::new(&[0b0111_0000], 0);
        assert_eq!(bits.signed(2).unwrap(), -2);
        assert_eq!(bits.signed(2).unwrap(), 3);
        assert_eq!(bits.signed(0).unwrap(), 0);
    }
}
