//! Letter: a question of one member to another, or its answer, and what is on its way to a member.
//!
//! Questions have no names here: two with the same words about the same thing are the same question.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use crate::check::group::Order;
use crate::check::group::host::Place;
use crate::check::seen::{Fast, Seen};
use crate::check::words::Word;

/// A letter, by its number.
pub(super) type LetterId = u32;

/// A question on its way there, or its answer on its way back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Letter {
    /// Who asks.
    pub(super) from: u8,
    /// Who is asked.
    pub(super) to: u8,
    pub(super) request: Word,
    /// What the asker wants to know it for.
    pub(super) about: Word,
    /// The answer, where it is on its way back.
    pub(super) reply: Option<Word>,
}

impl Letter {
    /// Whom it is on its way to.
    pub(super) fn receiver(&self) -> Place {
        let receiver = match self.reply {
            None => self.to,
            Some(_) => self.from,
        };
        receiver.into()
    }

    /// What it does not overtake: letters with the same lane, if it has one.
    fn lane(&self, order: Order) -> Option<(u8, u8)> {
        let sender = self.from + self.to - self.receiver() as u8;
        match order {
            Order::Pair => Some((sender, 0)),
            Order::Line => Some((self.from, self.to)),
            Order::Any => None,
        }
    }
}

/// What is on its way to one member, by its number; 0 is nothing.
pub(super) type MailId = u32;

/// All that was ever on its way.
pub(super) struct Mails {
    letters: Seen<Letter>,
    order: Order,
    /// Sorted: by lane and as it was sent there, or by number.
    mails: Vec<Vec<LetterId>>,
    numbers: HashMap<Vec<LetterId>, MailId>,
    changes: HashMap<(MailId, LetterId, bool), MailId, BuildHasherDefault<Fast>>,
}

impl Mails {
    pub(super) fn new(order: Order) -> Mails {
        Mails {
            letters: Seen::new(),
            order,
            mails: vec![Vec::new()],
            numbers: HashMap::from([(Vec::new(), 0)]),
            changes: HashMap::default(),
        }
    }

    pub(super) fn number(&mut self, letter: Letter) -> LetterId {
        self.letters.insert(letter).0
    }

    pub(super) fn letter(&self, number: LetterId) -> Letter {
        self.letters.item(number)
    }

    pub(super) fn all(&self, mail: MailId) -> &[LetterId] {
        &self.mails[mail as usize]
    }

    /// What may arrive next, each once.
    pub(super) fn next(&self, mail: MailId, out: &mut Vec<LetterId>) {
        out.clear();
        let lane = |letter: &LetterId| self.letter(*letter).lane(self.order);
        let is_same = |one: &LetterId, other: &LetterId| match lane(one) {
            None => one == other,
            same => same == lane(other),
        };
        for letter in self.all(mail) {
            if !out.last().is_some_and(|last| is_same(last, letter)) {
                out.push(*letter);
            }
        }
    }

    /// With one more, or one fewer.
    pub(super) fn changed(&mut self, mail: MailId, letter: LetterId, is_more: bool) -> MailId {
        if let Some(changed) = self.changes.get(&(mail, letter, is_more)) {
            return *changed;
        }
        let mut letters = self.all(mail).to_vec();
        if is_more {
            let rank = |number: LetterId| {
                let lane = self.letter(number).lane(self.order);
                (lane, if lane.is_some() { 0 } else { number })
            };
            let place = letters.partition_point(|other| rank(*other) <= rank(letter));
            letters.insert(place, letter);
        } else {
            let place = letters.iter().position(|other| *other == letter);
            letters.remove(place.expect("it is on its way"));
        }
        let changed = self.keep(letters);
        self.changes.insert((mail, letter, is_more), changed);
        changed
    }

    /// Without all that this member has asked.
    pub(super) fn without(&mut self, mail: MailId, from: Place) -> MailId {
        let letters = self.all(mail).iter().copied();
        let rest = letters.filter(|letter| Place::from(self.letter(*letter).from) != from);
        let rest = rest.collect();
        self.keep(rest)
    }

    fn keep(&mut self, letters: Vec<LetterId>) -> MailId {
        if let Some(number) = self.numbers.get(&letters) {
            return *number;
        }
        let number = self.mails.len() as MailId;
        self.mails.push(letters.clone());
        self.numbers.insert(letters, number);
        number
    }
}
