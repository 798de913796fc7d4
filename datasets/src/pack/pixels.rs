//! The pixels of one row of a pack, checked, and how they are shown.

use hdf5_reader::{Datatype, SliceInfo, SliceInfoElem};
use sha2::{Digest, Sha256};

use super::PackError;
use super::columns::caught;
use super::read::Shard;
use crate::frame::{make_finite, robust_range};
use crate::{Display, Frame, OpenOptions, Voi, VoiFunction, hex};

/// A frame, and what its samples were stored as.
pub(super) struct Read {
    pub(super) frame: Frame,
    bytes: bool,
}

impl Shard {
    pub(super) fn pixels(
        &self,
        mask: bool,
        stack: &str,
        row: u64,
        sha256: &str,
    ) -> Result<Read, PackError> {
        let wrong = |message: String| PackError::malformed(&self.path, message);
        let data = self
            .pixels
            .get(&(mask, stack.to_owned()))
            .ok_or_else(|| wrong(format!("stack '{stack}' is missing")))?;
        let (rows, columns, channels) = match *data.shape() {
            [_, rows, columns] => (rows, columns, 1),
            [_, rows, columns, channels @ (1 | 3)] => (rows, columns, channels),
            _ => {
                return Err(wrong(format!(
                    "stack '{stack}' has shape {:?}",
                    data.shape()
                )));
            }
        };
        let limit = OpenOptions::default().max_pixels;
        if rows == 0 || columns == 0 || rows.saturating_mul(columns) > limit {
            return Err(wrong(format!("frames of {columns} x {rows} pixels")));
        }
        if row >= data.shape()[0] {
            return Err(wrong(format!("stack '{stack}' has no row {row}")));
        }
        let mut selections = vec![SliceInfoElem::Index(row)];
        selections.extend(data.shape()[1..].iter().map(|&end| SliceInfoElem::Slice {
            start: 0,
            end,
            step: 1,
        }));
        let selection = SliceInfo { selections };
        let mut digest = Sha256::new();
        let check = !sha256.is_empty();
        macro_rules! read {
            ($kind:ty) => {{
                let array = caught(&self.path, || data.read_slice::<$kind>(&selection))?;
                let values: Vec<$kind> = array.into_iter().collect();
                if check {
                    let mut bytes = Vec::with_capacity(values.len() * size_of::<$kind>());
                    for value in &values {
                        bytes.extend_from_slice(&value.to_le_bytes());
                    }
                    digest.update(&bytes);
                }
                values.into_iter().map(f32::from).collect::<Vec<f32>>()
            }};
        }
        let mut values = match data.dtype() {
            Datatype::FixedPoint {
                size: 1,
                signed: false,
                ..
            } => read!(u8),
            Datatype::FixedPoint {
                size: 2,
                signed: false,
                ..
            } => read!(u16),
            Datatype::FixedPoint {
                size: 2,
                signed: true,
                ..
            } => read!(i16),
            Datatype::FloatingPoint { size: 4, .. } => read!(f32),
            _ => {
                return Err(wrong(format!(
                    "stack '{stack}' holds samples of another type than u8, u16, i16 or f32"
                )));
            }
        };
        if check && hex(&digest.finalize()) != sha256.to_ascii_lowercase() {
            return Err(wrong(format!(
                "row {row} of stack '{stack}' does not fit its checksum"
            )));
        }
        let mut notes = Vec::new();
        make_finite(&mut values, &mut notes);
        let bytes = matches!(data.dtype(), Datatype::FixedPoint { size: 1, .. });
        let (low, high) = if bytes { (0.0, 255.0) } else { (0.0, 65535.0) };
        Ok(Read {
            frame: Frame {
                rows: rows as u32,
                columns: columns as u32,
                channels: channels as u8,
                values,
                display: Display {
                    inverted: false,
                    voi: Voi::Range { low, high },
                },
                notes,
            },
            bytes,
        })
    }
}

impl Read {
    /// Takes the display of an index row.
    pub(super) fn show(&mut self, shard: &Shard, row: usize) -> Result<(), PackError> {
        let index = &shard.index;
        let (a, b) = (index.voi_a[row], index.voi_b[row]);
        let window = |function| Voi::Window {
            center: a,
            width: b,
            function,
        };
        let voi = match index.voi[row].as_str() {
            // Written by somebody else: as an image file without a window is shown.
            "" if self.bytes => Voi::Range {
                low: 0.0,
                high: 255.0,
            },
            "" => {
                let (low, high) = robust_range(&self.frame.values);
                Voi::Range { low, high }
            }
            "range" => Voi::Range {
                low: a as f32,
                high: b as f32,
            },
            "window_linear" => window(VoiFunction::Linear),
            "window_linear_exact" => window(VoiFunction::LinearExact),
            "window_sigmoid" => window(VoiFunction::Sigmoid),
            "lut" => {
                let at = usize::try_from(index.lut[row]).unwrap_or(usize::MAX);
                let data = shard.luts.get(at).cloned();
                Voi::Lut {
                    first: a as i32,
                    bits: b as u16,
                    data: data.ok_or_else(|| {
                        PackError::malformed(&shard.path, format!("/luts/{at} is missing"))
                    })?,
                }
            }
            other => {
                return Err(PackError::malformed(
                    &shard.path,
                    format!("/index/voi says '{other}'"),
                ));
            }
        };
        self.frame.display = Display {
            inverted: index.inverted[row] != 0,
            voi,
        };
        Ok(())
    }
}
