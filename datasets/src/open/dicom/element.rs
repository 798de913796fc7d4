//! Attributes of a data set that lead to the pixels, and their values.

use std::collections::BTreeMap;

/// A tag as one number: group in the high half.
pub(super) type Tag = u32;

/// Tags that are read; everything else, patient identity included, is skipped unread.
pub(super) mod tags {
    #![allow(missing_docs)]
    use super::Tag;

    pub(in super::super) const TRANSFER_SYNTAX: Tag = 0x0002_0010;
    pub(in super::super) const MEDIA_CLASS: Tag = 0x0002_0002;
    pub(in super::super) const SOP_CLASS: Tag = 0x0008_0016;
    pub(in super::super) const SOP_INSTANCE: Tag = 0x0008_0018;
    pub(in super::super) const MODALITY: Tag = 0x0008_0060;
    pub(in super::super) const BODY_PART: Tag = 0x0018_0015;
    pub(in super::super) const IMAGER_PIXEL_SPACING: Tag = 0x0018_1164;
    pub(in super::super) const STUDY: Tag = 0x0020_000d;
    pub(in super::super) const SERIES: Tag = 0x0020_000e;
    pub(in super::super) const IMAGE_POSITION: Tag = 0x0020_0032;
    pub(in super::super) const IMAGE_ORIENTATION: Tag = 0x0020_0037;
    pub(in super::super) const SAMPLES: Tag = 0x0028_0002;
    pub(in super::super) const PHOTOMETRIC: Tag = 0x0028_0004;
    pub(in super::super) const PLANAR: Tag = 0x0028_0006;
    pub(in super::super) const FRAMES: Tag = 0x0028_0008;
    pub(in super::super) const ROWS: Tag = 0x0028_0010;
    pub(in super::super) const COLUMNS: Tag = 0x0028_0011;
    pub(in super::super) const PIXEL_SPACING: Tag = 0x0028_0030;
    pub(in super::super) const BITS_ALLOCATED: Tag = 0x0028_0100;
    pub(in super::super) const BITS_STORED: Tag = 0x0028_0101;
    pub(in super::super) const HIGH_BIT: Tag = 0x0028_0102;
    pub(in super::super) const REPRESENTATION: Tag = 0x0028_0103;
    pub(in super::super) const PADDING: Tag = 0x0028_0120;
    pub(in super::super) const WINDOW_CENTER: Tag = 0x0028_1050;
    pub(in super::super) const WINDOW_WIDTH: Tag = 0x0028_1051;
    pub(in super::super) const INTERCEPT: Tag = 0x0028_1052;
    pub(in super::super) const SLOPE: Tag = 0x0028_1053;
    pub(in super::super) const VOI_FUNCTION: Tag = 0x0028_1056;
    pub(in super::super) const PALETTE_DESCRIPTOR: Tag = 0x0028_1101;
    pub(in super::super) const PALETTE_DATA: Tag = 0x0028_1201;
    pub(in super::super) const PALETTE_SEGMENTED: Tag = 0x0028_1221;
    pub(in super::super) const MODALITY_LUT: Tag = 0x0028_3000;
    pub(in super::super) const LUT_DESCRIPTOR: Tag = 0x0028_3002;
    pub(in super::super) const LUT_DATA: Tag = 0x0028_3006;
    pub(in super::super) const VOI_LUT: Tag = 0x0028_3010;
    pub(in super::super) const PIXEL_MEASURES: Tag = 0x0028_9110;
    pub(in super::super) const FRAME_VOI: Tag = 0x0028_9132;
    pub(in super::super) const VALUE_TRANSFORM: Tag = 0x0028_9145;
    pub(in super::super) const SHARED_GROUPS: Tag = 0x5200_9229;
    pub(in super::super) const FRAME_GROUPS: Tag = 0x5200_9230;
    pub(in super::super) const OFFSETS: Tag = 0x7fe0_0001;
    pub(in super::super) const FLOAT_PIXELS: Tag = 0x7fe0_0008;
    pub(in super::super) const DOUBLE_PIXELS: Tag = 0x7fe0_0009;
    pub(in super::super) const PIXELS: Tag = 0x7fe0_0010;

    /// Whether the value of `tag` is kept.
    pub(in super::super) fn wanted(tag: Tag) -> bool {
        const SINGLE: [Tag; 36] = [
            TRANSFER_SYNTAX,
            MEDIA_CLASS,
            SOP_CLASS,
            SOP_INSTANCE,
            MODALITY,
            BODY_PART,
            IMAGER_PIXEL_SPACING,
            STUDY,
            SERIES,
            IMAGE_POSITION,
            IMAGE_ORIENTATION,
            SAMPLES,
            PHOTOMETRIC,
            PLANAR,
            FRAMES,
            ROWS,
            COLUMNS,
            PIXEL_SPACING,
            BITS_ALLOCATED,
            BITS_STORED,
            HIGH_BIT,
            REPRESENTATION,
            PADDING,
            WINDOW_CENTER,
            WINDOW_WIDTH,
            INTERCEPT,
            SLOPE,
            VOI_FUNCTION,
            MODALITY_LUT,
            LUT_DESCRIPTOR,
            LUT_DATA,
            VOI_LUT,
            PIXEL_MEASURES,
            FRAME_VOI,
            VALUE_TRANSFORM,
            OFFSETS,
        ];
        let palette = [PALETTE_DESCRIPTOR, PALETTE_DATA, PALETTE_SEGMENTED];
        SINGLE.contains(&tag)
            || palette
                .iter()
                .any(|&first| (first..first + 3).contains(&tag))
            || matches!(tag, SHARED_GROUPS | FRAME_GROUPS)
    }

    /// Whether `tag` is a sequence that is descended into when its VR is not written down.
    pub(in super::super) fn sequence(tag: Tag) -> bool {
        matches!(
            tag,
            MODALITY_LUT
                | VOI_LUT
                | PIXEL_MEASURES
                | FRAME_VOI
                | VALUE_TRANSFORM
                | SHARED_GROUPS
                | FRAME_GROUPS
        )
    }
}

/// One value.
#[derive(Debug, Clone)]
pub(super) enum Value {
    /// Bytes as stored.
    Bytes(Vec<u8>),
    /// Items of a sequence.
    Items(Vec<DataSet>),
}

/// The wanted attributes of a data set or of an item.
#[derive(Debug, Clone, Default)]
pub(super) struct DataSet {
    pub big_endian: bool,
    pub values: BTreeMap<Tag, Value>,
}

impl DataSet {
    /// The stored bytes of a value that is not empty.
    pub(super) fn bytes(&self, tag: Tag) -> Option<&[u8]> {
        match self.values.get(&tag)? {
            Value::Bytes(bytes) if !bytes.is_empty() => Some(bytes),
            _ => None,
        }
    }

    /// The items of a sequence; none if it is absent.
    pub(super) fn items(&self, tag: Tag) -> &[DataSet] {
        match self.values.get(&tag) {
            Some(Value::Items(items)) => items,
            _ => &[],
        }
    }

    /// 16-bit numbers (US, SS, OW).
    pub(super) fn u16s(&self, tag: Tag) -> Vec<u16> {
        let read = if self.big_endian {
            u16::from_be_bytes
        } else {
            u16::from_le_bytes
        };
        let bytes = self.bytes(tag).unwrap_or_default();
        bytes.as_chunks().0.iter().map(|&b| read(b)).collect()
    }

    pub(super) fn u16(&self, tag: Tag) -> Option<u16> {
        self.u16s(tag).first().copied()
    }

    /// Text without padding; `None` if nothing is left.
    pub(super) fn text(&self, tag: Tag) -> Option<String> {
        let text = String::from_utf8_lossy(self.bytes(tag)?);
        let text = text.trim_matches(|c: char| c == '\0' || c.is_whitespace());
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// Code strings and UIDs that make it into records: printable ASCII only, at most 64 characters.
    pub(super) fn code(&self, tag: Tag) -> Option<String> {
        let text = self.text(tag)?;
        let code: String = text
            .chars()
            .filter(|c| matches!(c, ' '..='~'))
            .take(64)
            .collect();
        (!code.is_empty()).then_some(code)
    }

    /// Decimal strings (DS, IS), up to the first that is none.
    pub(super) fn numbers(&self, tag: Tag) -> Vec<f64> {
        let text = self.text(tag).unwrap_or_default();
        let numbers = text
            .split('\\')
            .map(|part| part.trim_matches(['\0', ' ']).parse::<f64>());
        numbers
            .map_while(|n| n.ok().filter(|n| n.is_finite()))
            .collect()
    }

    pub(super) fn number(&self, tag: Tag) -> Option<f64> {
        self.numbers(tag).first().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(tag: Tag, bytes: &[u8]) -> DataSet {
        let mut set = DataSet::default();
        set.values.insert(tag, Value::Bytes(bytes.to_vec()));
        set
    }

    #[test]
    fn values() {
        let window = set(tags::WINDOW_CENTER, b"40\\ 400 \0");
        assert_eq!(window.numbers(tags::WINDOW_CENTER), [40.0, 400.0]);
        assert_eq!(set(tags::FRAMES, b"1A").number(tags::FRAMES), None);
        assert_eq!(
            set(tags::MODALITY, b"CT\0").code(tags::MODALITY).as_deref(),
            Some("CT")
        );
        assert_eq!(set(tags::MODALITY, b"  ").code(tags::MODALITY), None);
        let mut rows = set(tags::ROWS, &[1, 2]);
        assert_eq!(rows.u16(tags::ROWS), Some(0x201));
        rows.big_endian = true;
        assert_eq!(rows.u16(tags::ROWS), Some(0x102));
    }
}
