//! Families that exist only as a procedure: forgeries made from authentic images as they are needed.

use rand::rngs::StdRng;
use veraray_datasets::{Entry, Plane};

use crate::Recipe;

/// Makes manipulated tiles out of authentic ones.
///
/// Training draws from the families that a recipe lists less those it excludes; evaluation forges
/// from held-out groups only, so that a family can be held out like one of the manifest.
pub trait Forger: Sync {
    /// Families it can make, by the names that reports use.
    fn families(&self) -> Vec<String>;

    /// Forges one tile. The same state of `rng` gives the same forgery. The plane that comes back has
    /// the side of `authentic` and a mask of what was changed, all ones for a whole image.
    /// `None` when the family cannot be made from this image.
    fn forge(
        &self,
        family: &str,
        authentic: &Plane,
        entry: &Entry,
        rng: &mut StdRng,
    ) -> Option<Plane>;
}

/// No family at all.
#[derive(Debug, Clone, Copy)]
struct Nothing;

impl Forger for Nothing {
    fn families(&self) -> Vec<String> {
        Vec::new()
    }

    fn forge(&self, _: &str, _: &Plane, _: &Entry, _: &mut StdRng) -> Option<Plane> {
        None
    }
}

/// The forger of the families that a recipe asks for and does not exclude.
#[must_use]
pub fn forger(_recipe: &Recipe) -> Box<dyn Forger> {
    Box::new(Nothing)
}
