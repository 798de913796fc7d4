//! Where a signature goes: the data set, or an item of a sequence in it.

use dicom_core::Tag;

use super::stored::{Item, Value};

/// Steps from the data set to an item: `(gggg,eeee)[n].(gggg,eeee)[m]`. No step is the data set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place(Vec<(Tag, usize)>);

impl std::str::FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() || text == "dataset" {
            return Ok(Self::default());
        }
        let wrong = || format!("'{text}' is no item: write it like (0040,A730)[0]");
        let step = |step: &str| {
            let (tag, index) = step.strip_suffix(']')?.split_once('[')?;
            let (group, element) = tag.strip_prefix('(')?.strip_suffix(')')?.split_once(',')?;
            let number = |hex: &str| {
                (hex.len() == 4)
                    .then(|| u16::from_str_radix(hex, 16).ok())
                    .flatten()
            };
            Some((Tag(number(group)?, number(element)?), index.parse().ok()?))
        };
        text.split('.')
            .map(|s| step(s).ok_or_else(wrong))
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

impl Place {
    pub(crate) fn new(steps: Vec<(Tag, usize)>) -> Self {
        Self(steps)
    }

    /// The data set or item itself.
    pub(crate) fn find<'i, 'a>(&self, dataset: &'i Item<'a>) -> Option<&'i Item<'a>> {
        self.0
            .iter()
            .try_fold(dataset, |item, (tag, index)| item.items(*tag).get(*index))
    }

    /// Like [`Self::find`], for changing: what is on the way loses its stored bytes, and the group
    /// lengths that would now be wrong are dropped (they are retired, PS3.5, 7.2).
    pub(crate) fn open<'i, 'a>(&self, dataset: &'i mut Item<'a>) -> Option<&'i mut Item<'a>> {
        let mut item = dataset;
        for (tag, index) in &self.0 {
            item.elements.retain(|e| e.tag != Tag(tag.group(), 0));
            let element = item.elements.iter_mut().find(|e| e.tag == *tag)?;
            element.raw = &[];
            let Value::Items(items) = &mut element.value else {
                return None;
            };
            item = items.get_mut(*index)?;
        }
        Some(item)
    }

    pub(crate) fn is_dataset(&self) -> bool {
        self.0.is_empty()
    }
}
