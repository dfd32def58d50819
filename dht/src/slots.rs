//! Slots: what a node waits for, in a table whose places are used again but whose tickets are not.

use alloc::vec::Vec;

use crate::event::Ticket;

/// A table of things that are open. A ticket is a place and how often the place was used before,
/// so that an answer that comes late or twice finds nothing rather than something else.
#[derive(Clone, Debug)]
pub(crate) struct Slots<T> {
    slots: Vec<(u32, Option<T>)>,
    open: usize,
    /// How often any place was used.
    uses: u32,
}

impl<T> Slots<T> {
    pub(crate) const fn new() -> Slots<T> {
        Slots {
            slots: Vec::new(),
            open: 0,
            uses: 0,
        }
    }

    pub(crate) fn insert(&mut self, thing: T) -> Ticket {
        let free = self.slots.iter().position(|(_, slot)| slot.is_none());
        self.uses = self.uses.wrapping_add(1);
        let entry = (self.uses, Some(thing));
        let place = match free {
            Some(place) => {
                self.slots[place] = entry;
                place
            }
            None => {
                // Mostly one is enough, and a million nodes have room for no more.
                if self.slots.is_empty() {
                    self.slots.reserve_exact(1);
                }
                self.slots.push(entry);
                self.slots.len() - 1
            }
        };
        self.open += 1;
        ticket(self.uses, place)
    }

    pub(crate) fn take(&mut self, ticket: Ticket) -> Option<T> {
        let thing = self.slot(ticket)?.take();
        self.open -= usize::from(thing.is_some());
        if self.open == 0 {
            self.slots = Vec::new();
        }
        thing
    }

    pub(crate) fn find(&mut self, ticket: Ticket) -> Option<&mut T> {
        self.slot(ticket)?.as_mut()
    }

    pub(crate) fn look(&self, ticket: Ticket) -> Option<&T> {
        let (uses, slot) = self.slots.get(ticket.0 as u32 as usize)?;
        let is_open = u64::from(*uses) == ticket.0 >> 32;
        slot.as_ref().filter(|_| is_open)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.slots.iter().filter_map(|(_, slot)| slot.as_ref())
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.slots.iter_mut().filter_map(|(_, slot)| slot.as_mut())
    }

    /// The tickets of all of which this is true.
    pub(crate) fn tickets(&self, is: impl Fn(&T) -> bool) -> Vec<Ticket> {
        let slots = self.slots.iter().enumerate();
        let open = slots.filter(|(_, (_, slot))| slot.as_ref().is_some_and(&is));
        open.map(|(place, (uses, _))| ticket(*uses, place))
            .collect()
    }

    /// How many are open.
    pub(crate) fn len(&self) -> usize {
        self.open
    }

    fn slot(&mut self, ticket: Ticket) -> Option<&mut Option<T>> {
        let (uses, slot) = self.slots.get_mut(ticket.0 as u32 as usize)?;
        (u64::from(*uses) == ticket.0 >> 32).then_some(slot)
    }
}

fn ticket(uses: u32, place: usize) -> Ticket {
    Ticket(u64::from(uses) << 32 | place as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_good_once() {
        let mut slots = Slots::new();
        let ticket = slots.insert("first");
        assert_eq!(slots.take(ticket), Some("first"));
        assert_eq!(slots.take(ticket), None);
    }

    #[test]
    fn an_old_ticket_does_not_open_a_place_that_is_used_again() {
        let mut slots = Slots::new();
        let old = slots.insert("first");
        slots.take(old);
        let new = slots.insert("second");
        assert_eq!(slots.find(old), None);
        assert_eq!(slots.find(new), Some(&mut "second"));
        assert_eq!(slots.len(), 1);
    }
}
