//! Cells that are off their background → connected regions of the picture, largest first.

use nightjar_types::BBox;

/// At most this many regions of one picture; more small ones are no place to look at but a restless picture.
pub const MAX_REGIONS: usize = 16;
/// A region has at least this many cells: single ones are noise.
const LEAST_CELLS: u32 = 3;
/// Cells this far apart still belong together: a person in a coat like the wall behind moves in pieces.
const REACH: usize = 2;

/// The motion gate's cells after one picture, row by row.
#[derive(Debug, Clone, Copy)]
pub struct Cells<'a> {
    /// Whether each differs from its background; empty when nothing is known of single cells.
    pub off: &'a [bool],
    /// Columns of cells.
    pub columns: usize,
    /// Side of a cell in pixels; those at the right and lower edge may be cut.
    pub side: usize,
    /// Width and height of the picture in pixels.
    pub picture: (usize, usize),
}

/// Boxes around cells that hang together, as fractions of the picture, largest first.
pub fn regions(cells: Cells<'_>) -> Vec<BBox> {
    let Cells { off, columns, side, picture } = cells;
    if columns == 0 || side == 0 || picture.0 == 0 || picture.1 == 0 {
        return Vec::new();
    }
    let rows = off.len() / columns;
    let mut left = off[..rows * columns].to_vec();
    let mut found: Vec<(u32, BBox)> = Vec::new();
    let mut open = Vec::new();
    for seed in 0..left.len() {
        if !std::mem::take(&mut left[seed]) {
            continue;
        }
        open.push(seed);
        let (mut count, mut low, mut high) = (0, (columns, rows), (0, 0));
        while let Some(cell) = open.pop() {
            let (x, y) = (cell % columns, cell / columns);
            count += 1;
            low = (x.min(low.0), y.min(low.1));
            high = (x.max(high.0), y.max(high.1));
            for near_y in y.saturating_sub(REACH)..(y + REACH + 1).min(rows) {
                for near_x in x.saturating_sub(REACH)..(x + REACH + 1).min(columns) {
                    let near = near_y * columns + near_x;
                    if std::mem::take(&mut left[near]) {
                        open.push(near);
                    }
                }
            }
        }
        if count >= LEAST_CELLS {
            let part = |cell: usize, whole: usize| ((cell * side) as f32 / whole as f32).min(1.0);
            let (x, y) = (part(low.0, picture.0), part(low.1, picture.1));
            let (w, h) = (part(high.0 + 1, picture.0) - x, part(high.1 + 1, picture.1) - y);
            found.push((count, BBox { x, y, w, h }));
        }
    }
    found.sort_by_key(|f| std::cmp::Reverse(f.0));
    found.truncate(MAX_REGIONS);
    found.into_iter().map(|(_, region)| region).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cells(off: &[bool], columns: usize) -> Cells<'_> {
        let rows = off.len() / columns;
        Cells { off, columns, side: 4, picture: (columns * 4, rows * 4) }
    }

    #[test]
    fn pieces_of_one_thing_are_one_region_and_specks_are_none() {
        let mut off = vec![false; 20 * 10];
        for at in [21, 22, 41, 42, 82, 83] {
            off[at] = true; // A thing in two pieces, one row of cells between them.
        }
        off[199] = true; // A speck.
        let found = regions(cells(&off, 20));
        assert_eq!(found.len(), 1);
        let r = found[0];
        assert_eq!((r.x, r.y), (0.05, 0.1));
        assert!((r.w - 0.15).abs() < 1e-6 && (r.h - 0.4).abs() < 1e-6, "{r:?}");
    }

    proptest! {
        #[test]
        fn every_lump_lies_in_a_region_and_regions_lie_in_the_picture(
            columns in 1usize..40, off in prop::collection::vec(prop::bool::weighted(0.1), 0..800),
        ) {
            let found = regions(cells(&off, columns));
            prop_assert!(found.len() <= MAX_REGIONS);
            for r in &found {
                prop_assert!(r.x >= 0.0 && r.y >= 0.0 && r.w > 0.0 && r.h > 0.0);
                prop_assert!(r.x + r.w <= 1.0001 && r.y + r.h <= 1.0001);
            }
            let rows = off.len() / columns;
            let inside = |at: usize, r: &BBox| {
                let (x, y) = ((at % columns) as f32 + 0.5, (at / columns) as f32 + 0.5);
                let (x, y) = (x / columns as f32, y / rows as f32);
                x > r.x && x < r.x + r.w && y > r.y && y < r.y + r.h
            };
            // Three off in a row hang together for certain.
            let lumps = (0..rows * columns).filter(|i| i % columns + 2 < columns && off[*i] && off[i + 1] && off[i + 2]);
            for at in lumps {
                prop_assert!(found.len() == MAX_REGIONS || found.iter().any(|r| inside(at, r)), "{at}");
            }
        }
    }
}
