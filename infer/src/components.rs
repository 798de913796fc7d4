//! Connected components of a mask.

/// The sets of marked places that hang together over their edges, by their first place. `mask` is
/// row-major, rows of `columns`; places are indices into it.
pub(crate) fn components(mut mask: Vec<bool>, columns: usize) -> impl Iterator<Item = Vec<usize>> {
    let mut start = 0;
    std::iter::from_fn(move || {
        start += mask[start..].iter().position(|&marked| marked)?;
        mask[start] = false;
        let mut members = vec![start];
        let mut next = 0;
        while let Some(&at) = members.get(next) {
            next += 1;
            let column = at % columns;
            let beside = [
                at.checked_sub(columns),
                (at + columns < mask.len()).then_some(at + columns),
                (column > 0).then(|| at - 1),
                (column + 1 < columns).then_some(at + 1),
            ];
            for near in beside.into_iter().flatten() {
                if std::mem::take(&mut mask[near]) {
                    members.push(near);
                }
            }
        }
        Some(members)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_join_over_edges_and_neither_over_corners_nor_around_the_border() {
        let mask = [
            "##.#", //
            ".#..", //
            "#..#", //
            "....",
        ];
        let marked = mask.concat().bytes().map(|b| b == b'#').collect();
        let found: Vec<Vec<usize>> = components(marked, 4).collect();
        assert_eq!(found, [vec![0, 1, 5], vec![3], vec![8], vec![11]]);
        assert_eq!(components(Vec::new(), 4).count(), 0);
    }
}
