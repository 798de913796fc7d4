//! Lets a report or an explanation see what an examination sees, without a second look at the file.

use veraray_datasets::GrayImage;

use crate::frames::ScoredFrame;

/// Told of what is examined, while it is examined.
pub(crate) trait Witness {
    /// A frame as shown on screen, before it is cut into tiles.
    fn frame(&mut self, _index: u32, _gray: &GrayImage) {}

    /// The frames that have a score.
    fn scored(&mut self, _frames: &[ScoredFrame]) {}
}

/// Nobody watches.
impl Witness for () {}
