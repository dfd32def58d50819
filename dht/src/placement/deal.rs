//! Deal: partitions are given to nodes, evenly, at random, and as few as possible anew.
//!
//! Every node owns the same number of partitions, or one more, and the same holds of the copies as far as
//! zones let it. Who comes takes its share from all others alike, and what one leaves behind goes to all others.
//! The randomness comes from outside, as a seed.

use alloc::vec::Vec;

use super::zones::Zones;
use super::{Seat, mix};

/// A map as it should be for these seats: for each partition the places of those that keep it, the owner
/// first, up to `copies` in all.
///
/// - `map`: as it is; an empty row is of a partition that nobody has yet.
/// - `gone`: the seat that is to keep nothing any more.
///
/// At least one seat stays.
pub fn deal(
    map: &[Vec<u16>],
    seats: &[Seat],
    gone: Option<usize>,
    copies: usize,
    seed: u64,
) -> Vec<Vec<u16>> {
    let keepers: Vec<usize> = (0..seats.len())
        .filter(|seat| Some(*seat) != gone)
        .collect();
    assert!(!keepers.is_empty(), "somebody has to keep it all");
    let mut order: Vec<usize> = (0..map.len()).collect();
    order.sort_unstable_by_key(|partition| mix(mix(seed) ^ *partition as u64));
    let mut zones = seats.to_vec();
    if let Some(gone) = gone {
        // Its zone counts no more, unless others are in it.
        zones[gone].zone = zones[keepers[0]].zone.or(Some(u64::MAX));
    }
    let mut table = Deal {
        rows: map.iter().map(|row| Row::of(row, gone)).collect(),
        width: copies.clamp(1, keepers.len()),
        zones: Zones::of(&zones),
        keepers,
        order,
    };
    table.give_owners();
    table.level_owners();
    table.drop_copies();
    table.give_copies();
    table.level_copies();
    table.rows.into_iter().map(Row::into_map).collect()
}

struct Deal {
    rows: Vec<Row>,
    keepers: Vec<usize>,
    zones: Zones,
    /// How many keep each partition.
    width: usize,
    /// Partitions in random order.
    order: Vec<usize>,
}

/// Those that keep a partition.
struct Row {
    owner: Option<usize>,
    copies: Vec<usize>,
}

impl Row {
    fn of(row: &[u16], gone: Option<usize>) -> Row {
        let mut row = row.iter().map(|seat| usize::from(*seat));
        let stays = |seat: &usize| Some(*seat) != gone;
        Row {
            owner: row.next().filter(stays),
            copies: row.filter(stays).collect(),
        }
    }

    fn has(&self, seat: usize) -> bool {
        self.owner == Some(seat) || self.copies.contains(&seat)
    }

    fn all(&self) -> Vec<usize> {
        self.owner.iter().chain(&self.copies).copied().collect()
    }

    fn into_map(self) -> Vec<u16> {
        self.all().into_iter().map(|seat| seat as u16).collect()
    }
}

impl Deal {
    /// Partitions without an owner go to those that own least; best to one that has a copy.
    fn give_owners(&mut self) {
        let mut loads = self.loads(|row| row.owner.as_slice());
        for partition in self.order.clone() {
            let row = &mut self.rows[partition];
            if row.owner.is_some() {
                continue;
            }
            let rank = |seat: &&usize| (loads[**seat], !row.has(**seat));
            let heir = self.keepers.iter().min_by_key(rank).copied();
            let heir = heir.expect("there is at least one");
            row.copies.retain(|seat| *seat != heir);
            row.owner = Some(heir);
            loads[heir] += 1;
        }
    }

    /// From those that own most to those that own least, until nobody owns two more than another.
    fn level_owners(&mut self) {
        let mut loads = self.loads(|row| row.owner.as_slice());
        for partition in self.order.clone() {
            let load = |seat: &&usize| loads[**seat];
            let (most, least) = (
                self.keepers.iter().map(|seat| loads[*seat]).max(),
                self.keepers.iter().min_by_key(load).copied(),
            );
            let (most, least) = (most.unwrap_or(0), least.expect("there is at least one"));
            let row = &mut self.rows[partition];
            let owner = row.owner.expect("all have one by now");
            if most <= loads[least] + 1 {
                return;
            }
            if loads[owner] < most {
                continue;
            }
            // Who owned it may keep a copy, if that is of use.
            let place = row.copies.iter().position(|seat| *seat == least);
            match place {
                Some(place) => row.copies[place] = owner,
                None => row.copies.push(owner),
            }
            row.owner = Some(least);
            loads[owner] -= 1;
            loads[least] += 1;
        }
    }

    /// No more copies than there should be, and none in a zone that another one is in.
    fn drop_copies(&mut self) {
        for row in &mut self.rows {
            let mut kept: Vec<usize> = row.owner.into_iter().collect();
            for copy in core::mem::take(&mut row.copies) {
                if kept.len() < self.width && self.zones.fits(&kept, copy) {
                    kept.push(copy);
                    row.copies.push(copy);
                }
            }
        }
    }

    /// Copies that are missing go to those that keep least.
    fn give_copies(&mut self) {
        let mut loads = self.loads(|row| &row.copies);
        for partition in self.order.clone() {
            while self.rows[partition].copies.len() + 1 < self.width {
                let row = &mut self.rows[partition];
                let all = row.all();
                let fits = |seat: &&usize| !row.has(**seat) && self.zones.fits(&all, **seat);
                let fitting = self.keepers.iter().filter(fits);
                let Some(seat) = fitting.min_by_key(|seat| loads[**seat]).copied() else {
                    break;
                };
                row.copies.push(seat);
                loads[seat] += 1;
            }
        }
    }

    /// From those that have most copies to those that have least, as far as zones let it.
    fn level_copies(&mut self) {
        let mut loads = self.loads(|row| &row.copies);
        for partition in self.order.clone() {
            let row = &mut self.rows[partition];
            let all = row.all();
            let Some(place) = (0..row.copies.len()).max_by_key(|place| loads[row.copies[*place]])
            else {
                return;
            };
            let giver = row.copies[place];
            let rest: Vec<usize> = all.into_iter().filter(|seat| *seat != giver).collect();
            let fits = |seat: &&usize| {
                !row.has(**seat)
                    && self.zones.fits(&rest, **seat)
                    && loads[**seat] + 1 < loads[giver]
            };
            let taker = self.keepers.iter().filter(fits);
            if let Some(taker) = taker.min_by_key(|seat| loads[**seat]).copied() {
                row.copies[place] = taker;
                loads[giver] -= 1;
                loads[taker] += 1;
            }
        }
    }

    fn loads<'a>(&'a self, of: impl Fn(&'a Row) -> &'a [usize]) -> Vec<usize> {
        let seats = self.keepers.iter().max().map_or(0, |seat| seat + 1);
        let mut loads = alloc::vec![0; seats];
        for seat in self.rows.iter().flat_map(of) {
            loads[*seat] += 1;
        }
        loads
    }
}
