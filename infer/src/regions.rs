//! Suspicious regions: connected cells of the localisation map as rectangles of the image.

use crate::Region;
use crate::components::components;
use crate::frames::{ScoredFrame, ScoredTile};

/// Most regions reported per frame and per image: a reader looks at few, and records stay small.
const PER_FRAME: usize = 8;
const PER_IMAGE: usize = 32;

/// Fewest cells of a region. One cell alone is noise more often than not.
const LEAST_CELLS: usize = 2;

/// Share of the smaller rectangle above which two of one frame, from overlapping tiles or views, are
/// the same.
const SAME: f64 = 0.5;

/// Number of cells at or above `threshold` and of all cells, over all frames.
pub(crate) fn cells_above<'a>(
    frames: impl IntoIterator<Item = &'a ScoredFrame>,
    threshold: f64,
) -> (usize, usize) {
    let (mut above, mut all) = (0, 0);
    for tile in frames.into_iter().flat_map(|frame| &frame.tiles) {
        let grid = Grid::new(tile, threshold);
        all += grid.rows * grid.columns;
        above += grid.marked.iter().filter(|&&marked| marked).count();
    }
    (above, all)
}

/// The strongest regions at or above `threshold`, by frame and then by falling score. Where there are
/// too many, those that a neighbouring frame has in the same place come before those that stand alone.
pub(crate) fn find(frames: &[ScoredFrame], threshold: f64) -> Vec<Region> {
    let mut found = Vec::with_capacity(frames.len());
    for frame in frames {
        let mut candidates: Vec<Region> = frame
            .tiles
            .iter()
            .flat_map(|tile| of_tile(frame, tile, threshold))
            .collect();
        candidates.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.bbox.cmp(&b.bbox)));
        let mut kept: Vec<Region> = Vec::new();
        for candidate in candidates {
            if kept.len() < PER_FRAME && !kept.iter().any(|region| same(region, &candidate)) {
                kept.push(candidate);
            }
        }
        found.push(kept);
    }
    let mut regions = agreeing(found);
    if regions.len() > PER_IMAGE {
        regions.sort_by(|a, b| {
            let alone = |region: &Region| region.neighbours == 0;
            alone(a)
                .cmp(&alone(b))
                .then(b.score.total_cmp(&a.score))
                .then(a.frame.cmp(&b.frame))
        });
        regions.truncate(PER_IMAGE);
        regions.sort_by(|a, b| a.frame.cmp(&b.frame).then(b.score.total_cmp(&a.score)));
    }
    regions
}

/// The regions of all frames, each with how many of the frames beside it have one in the same place.
fn agreeing(mut found: Vec<Vec<Region>>) -> Vec<Region> {
    for at in 0..found.len() {
        let mut regions = std::mem::take(&mut found[at]);
        for region in &mut regions {
            let beside = [at.checked_sub(1), Some(at + 1)];
            let agrees = |frame: &usize| {
                let others = found.get(*frame);
                others.is_some_and(|others| others.iter().any(|other| same(region, other)))
            };
            region.neighbours = beside.into_iter().flatten().filter(agrees).count() as u32;
        }
        found[at] = regions;
    }
    found.into_iter().flatten().collect()
}

fn same(a: &Region, b: &Region) -> bool {
    let side = |axis: usize| {
        f64::from(a.bbox[axis + 2].min(b.bbox[axis + 2]))
            - f64::from(a.bbox[axis].max(b.bbox[axis]))
    };
    let area = |region: &Region| {
        let [x0, y0, x1, y1] = region.bbox.map(f64::from);
        (x1 - x0) * (y1 - y0)
    };
    side(0).max(0.0) * side(1).max(0.0) > SAME * area(a).min(area(b))
}

/// The cells of a tile whose centre shows the image, padding left out.
struct Grid {
    rows: usize,
    columns: usize,
    scores: Vec<f32>,
    marked: Vec<bool>,
}

impl Grid {
    fn new(tile: &ScoredTile, threshold: f64) -> Self {
        let stride = tile.score.columns.max(1);
        let cell = tile.cell();
        let within = |valid: usize, cell: f64| (valid as f64 / cell).round() as usize;
        let rows = within(tile.valid[0], cell[0]).min(tile.score.map.len() / stride);
        let columns = within(tile.valid[1], cell[1]).min(stride);
        let scores: Vec<f32> = (0..rows)
            .flat_map(|row| &tile.score.map[row * stride..row * stride + columns])
            .copied()
            .collect();
        // A cell that is no number is not above anything.
        let marked = scores
            .iter()
            .map(|&score| f64::from(score) >= threshold)
            .collect();
        Self {
            rows,
            columns,
            scores,
            marked,
        }
    }
}

/// The regions of one tile.
fn of_tile(frame: &ScoredFrame, tile: &ScoredTile, threshold: f64) -> Vec<Region> {
    let Grid {
        columns,
        scores,
        marked,
        ..
    } = Grid::new(tile, threshold);
    components(marked, columns)
        .filter(|cells| cells.len() >= LEAST_CELLS)
        .map(|cells| {
            let mut score = 0.0_f32;
            let (mut low, mut high) = ([usize::MAX; 2], [0; 2]);
            for cell in cells {
                let (row, column) = (cell / columns, cell % columns);
                score = score.max(scores[cell]);
                low = [low[0].min(row), low[1].min(column)];
                high = [high[0].max(row), high[1].max(column)];
            }
            Region {
                frame: frame.index,
                bbox: bbox(frame, tile, low, high),
                // Four decimals say all that a map can.
                score: (f64::from(score) * 1e4).round() / 1e4,
                neighbours: 0,
            }
        })
        .collect()
}

/// Cells `low..=high` of a tile, as `[row, column]`, in pixels of the frame.
fn bbox(frame: &ScoredFrame, tile: &ScoredTile, low: [usize; 2], high: [usize; 2]) -> [u32; 4] {
    let [x0, y0, x1, y1] = tile.region.map(f64::from);
    let cell = tile.cell();
    let place = |index: usize, axis: usize, start: f64, end: f64| {
        let valid = tile.valid[axis] as f64;
        start + (index as f64 * cell[axis]).min(valid) / valid * (end - start)
    };
    let clip = |value: f64, side: usize| value.clamp(0.0, side as f64) as u32;
    [
        clip(place(low[1], 1, x0, x1).floor(), frame.columns),
        clip(place(low[0], 0, y0, y1).floor(), frame.rows),
        clip(place(high[1] + 1, 1, x0, x1).ceil(), frame.columns),
        clip(place(high[0] + 1, 0, y0, y1).ceil(), frame.rows),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forward::TileScore;

    /// A frame of one 64×96 tile, 60×90 of it valid, at half resolution.
    fn frame(hot: &[(usize, usize)]) -> ScoredFrame {
        let mut map = vec![0.1; 4 * 6];
        for (row, column) in hot {
            map[row * 6 + column] = 0.9;
        }
        let score = TileScore {
            logit: 1.0,
            map,
            columns: 6,
            features: Vec::new(),
        };
        let tile = ScoredTile {
            height: 64,
            width: 96,
            valid: [60, 90],
            region: [0.0, 0.0, 180.0, 120.0],
            score,
        };
        ScoredFrame {
            index: 3,
            rows: 120,
            columns: 180,
            tiles: vec![tile],
        }
    }

    #[test]
    fn joined_cells_become_one_rectangle_in_pixels() {
        let regions = find(&[frame(&[(0, 1), (1, 1), (1, 2)])], 0.5);
        assert_eq!(regions.len(), 1);
        assert_eq!(regions[0].frame, 3);
        assert_eq!(regions[0].bbox, [32, 0, 96, 64]);
        assert!((regions[0].score - 0.9).abs() < 1e-6);
    }

    #[test]
    fn single_and_diagonal_cells_are_no_region_and_the_end_is_clipped() {
        assert!(find(&[frame(&[(0, 0), (1, 1)])], 0.5).is_empty());
        let regions = find(&[frame(&[(3, 4), (3, 5)])], 0.5);
        assert_eq!(regions[0].bbox, [128, 96, 180, 120]);
        assert_eq!(cells_above(&[frame(&[(3, 4), (3, 5)])], 0.5), (2, 24));
    }

    #[test]
    fn padding_and_what_is_no_number_do_not_count() {
        let mut padded = frame(&[(3, 5), (2, 5)]);
        padded.tiles[0].valid = [60, 80];
        assert_eq!(cells_above(&[padded], 0.5), (0, 20));
        let mut broken = frame(&[]);
        broken.tiles[0].score.map.fill(f32::NAN);
        assert_eq!(cells_above(&[broken], 0.5), (0, 24));
    }

    #[test]
    fn overlapping_rectangles_are_reported_once_and_few() {
        let mut twice = frame(&[(0, 1), (1, 1)]);
        twice.tiles.push(twice.tiles[0].clone());
        assert_eq!(find(&[twice], 0.5).len(), 1);
        let many: Vec<ScoredFrame> = (0..64).map(|_| frame(&[(0, 1), (1, 1)])).collect();
        assert_eq!(find(&many, 0.5).len(), PER_IMAGE);
    }

    #[test]
    fn regions_know_their_neighbours_and_those_that_stand_alone_go_first() {
        let at = |index: u32, hot: &[(usize, usize)]| ScoredFrame {
            index,
            ..frame(hot)
        };
        let (left, right) = ([(0, 0), (1, 0)], [(2, 4), (3, 4)]);
        let both = [left, right].concat();
        let found = find(&[at(4, &left), at(5, &both), at(6, &left)], 0.5);
        let seen: Vec<(u32, u32)> = found.iter().map(|r| (r.frame, r.neighbours)).collect();
        assert_eq!(seen.len(), 4);
        assert_eq!((seen[0], seen[3]), ((4, 1), (6, 1)));
        assert!(seen.contains(&(5, 2)) && seen.contains(&(5, 0)));
        let mut many: Vec<ScoredFrame> = (0..40).map(|index| at(index, &left)).collect();
        many[20] = at(20, &right);
        let found = find(&many, 0.5);
        assert_eq!(found.len(), PER_IMAGE);
        assert!(found.iter().all(|region| region.neighbours > 0));
    }
}
