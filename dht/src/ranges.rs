//! Ranges: the arcs that a node answers for, kept apart and joined where they meet.

use alloc::vec::Vec;

use crate::id::Arc;
use crate::view::Range;

/// Adds an arc that is served from now on in `epoch`; what of it was served before is superseded.
pub(crate) fn insert(ranges: &mut Vec<Range>, arc: Arc, epoch: u32) {
    remove(ranges, arc);
    let mut new = Range { arc, epoch };
    ranges.retain(|old| {
        if old.arc.end == new.arc.start {
            new.arc.start = old.arc.start;
        } else if new.arc.end == old.arc.start {
            new.arc.end = old.arc.end;
        } else {
            return true;
        }
        new.epoch = new.epoch.max(old.epoch);
        false
    });
    ranges.push(new);
    ranges.sort_unstable_by_key(|range| range.arc.end);
}

/// Takes an arc away.
pub(crate) fn remove(ranges: &mut Vec<Range>, arc: Arc) {
    let pieces = |range: Range| {
        let rest = range.arc.without(arc);
        rest.map(move |arc| Range { arc, ..range })
    };
    *ranges = ranges.drain(..).flat_map(pieces).collect();
}

/// What of `arc` lies in none of the arcs.
pub(crate) fn missing(arc: Arc, arcs: impl IntoIterator<Item = Arc>) -> Vec<Arc> {
    arcs.into_iter()
        .fold([arc].into(), |rest: Vec<Arc>, other| {
            rest.into_iter()
                .flat_map(|arc| arc.without(other))
                .collect()
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Id;

    fn arc(start: u8, end: u8) -> Arc {
        Arc::new(Id::from_bytes([start; 20]), Id::from_bytes([end; 20]))
    }

    #[test]
    fn neighbouring_arcs_become_one_under_the_higher_epoch() {
        let mut ranges = Vec::new();
        insert(&mut ranges, arc(1, 2), 7);
        insert(&mut ranges, arc(2, 3), 4);
        assert_eq!(
            ranges,
            [Range {
                arc: arc(1, 3),
                epoch: 7
            }]
        );
    }

    #[test]
    fn two_halves_become_the_whole_ring() {
        let mut ranges = Vec::new();
        insert(&mut ranges, arc(1, 2), 1);
        insert(&mut ranges, arc(2, 1), 1);
        assert_eq!(ranges.len(), 1);
        assert_eq!(ranges[0].arc.start, ranges[0].arc.end);
    }

    #[test]
    fn taking_an_arc_out_of_the_middle_leaves_two() {
        let mut ranges = Vec::new();
        insert(&mut ranges, arc(1, 9), 1);
        remove(&mut ranges, arc(3, 5));
        let arcs: Vec<Arc> = ranges.iter().map(|range| range.arc).collect();
        assert_eq!(arcs, [arc(1, 3), arc(5, 9)]);
        assert_eq!(missing(arc(1, 9), arcs), [arc(3, 5)]);
    }
}
