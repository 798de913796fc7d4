//! From stored values to modality values (PS3.3 C.11.1), and what to show of them (C.11.2).

use super::element::{DataSet, Tag, tags};
use super::header::{Color, Header, Kind};
use crate::frame::robust_range;
use crate::{Display, Voi, VoiFunction};

/// A lookup table of 8 to 16 bits (PS3.3 C.11.1.1.1 and C.11.2.1.1).
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Lut {
    pub first: i32,
    pub bits: u16,
    pub data: Vec<u16>,
}

impl Lut {
    /// The table at `descriptor` and `data`. `signed` tells whether the values that go in are.
    pub(super) fn read(set: &DataSet, descriptor: Tag, data: Tag, signed: bool) -> Option<Self> {
        let &[entries, first, bits, ..] = set.u16s(descriptor).as_slice() else {
            return None;
        };
        let entries = if entries == 0 {
            1 << 16
        } else {
            usize::from(entries)
        };
        let first = if signed {
            (first as i16).into()
        } else {
            first.into()
        };
        let bytes = set.bytes(data)?;
        // Entries of 8 bits may be packed two to a word, or have a word each.
        let mut data: Vec<u16> = if bits <= 8 && bytes.len() < 2 * entries {
            bytes.iter().map(|&b| b.into()).collect()
        } else {
            set.u16s(data)
        };
        data.truncate(entries);
        (!data.is_empty() && (1..=16).contains(&bits)).then_some(Self { first, bits, data })
    }

    /// The entry for `value`; the ends serve what lies beyond them.
    pub(super) fn at(&self, value: f64) -> u16 {
        let index = (value - f64::from(self.first)).clamp(0.0, (self.data.len() - 1) as f64);
        self.data[index as usize]
    }
}

/// The Modality LUT module.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Modality {
    Identity,
    Rescale { slope: f64, intercept: f64 },
    Lut(Lut),
}

impl Modality {
    pub(super) fn apply(&self, stored: f64) -> f32 {
        match self {
            Self::Identity => stored as f32,
            Self::Rescale { slope, intercept } => (stored * slope + intercept) as f32,
            Self::Lut(lut) => lut.at(stored).into(),
        }
    }

    /// The transform of frame `index`: a table, else what the frame says, else what all share.
    pub(super) fn read(set: &DataSet, header: &Header, index: u32) -> Self {
        let lut = set.items(tags::MODALITY_LUT).first();
        let lut = lut
            .and_then(|item| Lut::read(item, tags::LUT_DESCRIPTOR, tags::LUT_DATA, header.signed));
        if let Some(lut) = lut {
            return Self::Lut(lut);
        }
        let rescale = |set: &DataSet| {
            let (slope, intercept) = (set.number(tags::SLOPE)?, set.number(tags::INTERCEPT)?);
            (slope != 0.0).then_some((slope, intercept))
        };
        let found = groups(set, index, tags::VALUE_TRANSFORM)
            .find_map(rescale)
            .or_else(|| rescale(set));
        match found {
            None | Some((1.0, 0.0)) => Self::Identity,
            Some((slope, intercept)) => Self::Rescale { slope, intercept },
        }
    }

    /// Modality values of the smallest and the largest stored value, in ascending order.
    fn range(&self, header: &Header) -> (f64, f64) {
        if let Self::Lut(lut) = self {
            return (0.0, f64::from(u16::MAX >> (16 - lut.bits)));
        }
        let span = 2_f64.powi(header.stored.into());
        let low = if header.signed { -span / 2.0 } else { 0.0 };
        let (a, b) = match *self {
            Self::Rescale { slope, intercept } => (
                low * slope + intercept,
                (low + span - 1.0) * slope + intercept,
            ),
            _ => (low, low + span - 1.0),
        };
        (a.min(b), a.max(b))
    }
}

/// Items of a functional group macro for frame `index`, the frame's own first (PS3.3 C.7.6.16).
fn groups(set: &DataSet, index: u32, tag: Tag) -> impl Iterator<Item = &DataSet> {
    let own = set.items(tags::FRAME_GROUPS).get(index as usize);
    let shared = set.items(tags::SHARED_GROUPS).first();
    own.into_iter()
        .chain(shared)
        .filter_map(move |group| group.items(tag).first())
}

/// How a grey frame of `values` is shown.
pub(super) fn display(
    set: &DataSet,
    header: &Header,
    index: u32,
    modality: &Modality,
    values: &[f32],
    notes: &mut Vec<String>,
) -> Display {
    let inverted = header.color == Color::Monochrome1;
    let (low, high) = modality.range(header);
    let sources = || groups(set, index, tags::FRAME_VOI).chain([set]);
    let lut = sources().find_map(|set| {
        let item = set.items(tags::VOI_LUT).first()?;
        Lut::read(item, tags::LUT_DESCRIPTOR, tags::LUT_DATA, low < 0.0)
    });
    if let Some(Lut { first, bits, data }) = lut {
        return Display {
            inverted,
            voi: Voi::Lut { first, bits, data },
        };
    }
    let voi = sources()
        .find_map(|set| window(set, notes))
        .unwrap_or_else(|| {
            let (low, high) = match header.kind {
                Kind::Integer if header.stored <= 8 => (low as f32, high as f32),
                _ => robust_range(values),
            };
            Voi::Range { low, high }
        });
    Display { inverted, voi }
}

/// The first window of a data set, if it is usable.
fn window(set: &DataSet, notes: &mut Vec<String>) -> Option<Voi> {
    let centers = set.numbers(tags::WINDOW_CENTER);
    let widths = set.numbers(tags::WINDOW_WIDTH);
    let (&center, &width) = (centers.first()?, widths.first()?);
    let function = match set.code(tags::VOI_FUNCTION).as_deref() {
        Some("SIGMOID") => VoiFunction::Sigmoid,
        Some("LINEAR_EXACT") => VoiFunction::LinearExact,
        _ => VoiFunction::Linear,
    };
    // C.11.2.1.2.1 wants 1 at least for LINEAR, the other functions more than 0.
    let usable = if function == VoiFunction::Linear {
        width >= 1.0
    } else {
        width > 0.0
    };
    if !usable {
        notes.push(format!("window of width {width} ignored"));
        return None;
    }
    if centers.len() > 1 {
        notes.push(format!("first of {} windows used", centers.len()));
    }
    Some(Voi::Window {
        center,
        width,
        function,
    })
}
