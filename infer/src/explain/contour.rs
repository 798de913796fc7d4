//! Where a map crosses a threshold, as line segments (marching squares; Lorensen and Cline, 1987, in
//! two dimensions).

/// The contour of a grid at `level` as an SVG path, in a picture of `size` (rows, columns). Cells of
/// the grid are values at their centres; beyond the edge, and where there is no number, it is lower
/// than any level.
pub(crate) fn path(
    grid: &[f32],
    rows: usize,
    columns: usize,
    level: f32,
    size: [f64; 2],
) -> String {
    let at = |row: isize, column: isize| {
        let inside = (0..rows as isize).contains(&row) && (0..columns as isize).contains(&column);
        let value = match inside {
            true => grid[row as usize * columns + column as usize],
            false => f32::NAN,
        };
        // Half a level below crosses halfway to the neighbour or nearer.
        if value.is_nan() { level - 1.0 } else { value }
    };
    let mut path = String::new();
    for row in -1..rows as isize {
        for column in -1..columns as isize {
            let corners = [
                at(row, column),
                at(row, column + 1),
                at(row + 1, column + 1),
                at(row + 1, column),
            ];
            let place = [[0.0, 0.0], [0.0, 1.0], [1.0, 1.0], [1.0, 0.0]];
            let mut crossings = Vec::new();
            for edge in 0..4 {
                let next = (edge + 1) % 4;
                let (a, b) = (corners[edge], corners[next]);
                if (a >= level) != (b >= level) {
                    let share = f64::from((level - a) / (b - a)).clamp(0.0, 1.0);
                    let along = |axis: usize| {
                        let (from, to): (f64, f64) = (place[edge][axis], place[next][axis]);
                        from + share * (to - from)
                    };
                    let point = |axis: usize, index: isize, count: usize| {
                        ((index as f64 + along(axis) + 0.5) / count as f64 * size[axis])
                            .clamp(0.0, size[axis])
                    };
                    crossings.push([point(1, column, columns), point(0, row, rows)]);
                }
            }
            // Four crossings are a saddle; either pairing of neighbours is as good.
            for pair in crossings.chunks_exact(2) {
                let [[x0, y0], [x1, y1]] = [pair[0], pair[1]];
                path.push_str(&format!("M{x0:.1} {y0:.1}L{x1:.1} {y1:.1}"));
            }
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hill_has_a_closed_contour_around_it() {
        let mut grid = vec![0.0; 25];
        grid[12] = 1.0;
        let path = path(&grid, 5, 5, 0.5, [50.0, 50.0]);
        assert_eq!(path.matches('M').count(), 4);
        // Halfway between the centre at 25 and the neighbours at 15 and 35.
        for corner in ["25.0 20.0", "25.0 30.0", "20.0 25.0", "30.0 25.0"] {
            assert_eq!(path.matches(corner).count(), 2, "{path}");
        }
    }

    #[test]
    fn plains_have_none_and_what_touches_the_edge_is_closed() {
        assert_eq!(path(&[0.0; 6], 2, 3, 0.5, [2.0, 3.0]), "");
        assert_eq!(path(&[f32::NAN; 6], 2, 3, 0.5, [2.0, 3.0]), "");
        let all = path(&[0.9; 6], 2, 3, 0.5, [2.0, 3.0]);
        assert!(all.matches('M').count() >= 8, "{all}");
    }
}
