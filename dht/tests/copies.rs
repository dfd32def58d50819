//! Copies: one member of a group at a time, and a test that plays the others. Whatever these send, a member
//! keeps what it has acknowledged, and a leader tells only what is certain.

mod support;

use dht::event::{Event, Ticket, Timer};
use dht::message::{Elsewhere, Reply, Request};
use dht::record::{Change, Changed, Condition, Record, Version};
use dht::replication::Ballot;
use dht::replication::group::{Group, Tag};
use dht::replication::message::{Ask, Entry, Fetch, GroupRequest, Page, Told};
use dht::store::{Command, Memory, Outcome, Store, perform};
use dht::{Action, Config, Id, Node};
use support::Address;
use support::hand::{Hand, all, at, small};

/// Leads the group that the tests are about.
const LEADER: Address = 10;
const MEMBER: Address = 20;
const OTHER: Address = 30;

/// A node of three, with a store that does at once what it is told, as long as it takes anything.
struct Rig {
    hand: Hand,
    store: Memory,
    refusal: Option<Refusal>,
    group: Group<Address>,
    /// What it has answered and asked since the test last looked.
    replies: Vec<(Ticket, Reply<Address>)>,
    asks: Vec<(Ticket, Address, Request<Address>)>,
    tickets: u64,
}

/// How a store takes nothing more.
#[derive(Clone, Copy)]
enum Refusal {
    /// What is written shows, and never becomes durable.
    Flush,
    /// Nothing is written at all.
    All,
}

impl Refusal {
    fn is_of(self, command: &Command) -> bool {
        match command {
            Command::Sync => true,
            Command::Change { .. } | Command::Write { .. } => matches!(self, Refusal::All),
            _ => false,
        }
    }
}

impl Rig {
    fn new(me: Address, config: Config) -> Rig {
        let ring = all(&[LEADER, MEMBER, OTHER]);
        Rig::of(Node::in_ring(at(me), &ring, config))
    }

    fn of(node: Node<Address>) -> Rig {
        let mut held = node.view().groups.iter().map(|held| &held.group);
        let group = held.find(|group| group.leader().peer.address == LEADER);
        Rig {
            group: group.expect("each of three keeps all").clone(),
            hand: Hand::of(node),
            store: Memory::default(),
            refusal: None,
            replies: Vec::new(),
            asks: Vec::new(),
            tickets: 1 << 32,
        }
    }

    fn feed(&mut self, event: Event<Address>) {
        self.hand.feed(event);
        loop {
            self.replies.extend(self.hand.replies());
            self.asks.extend(self.hand.asks());
            let stores = self
                .hand
                .actions
                .drain(..)
                .filter_map(|action| match action {
                    Action::Store { ticket, command } => Some((ticket, command)),
                    _ => None,
                });
            let stores: Vec<(Ticket, Command)> = stores.collect();
            if stores.is_empty() {
                return;
            }
            let mut actions = Vec::new();
            for (ticket, command) in stores {
                let is_refused = self.refusal.is_some_and(|refusal| refusal.is_of(&command));
                let outcome = match is_refused {
                    true => Outcome::Failed,
                    false => perform(&mut self.store, command),
                };
                let event = Event::Stored { ticket, outcome };
                self.hand.node.handle(event, &mut actions);
            }
            self.hand.actions = actions;
        }
    }

    /// Another node asks. Returns the ticket.
    fn request(&mut self, from: Address, request: Request<Address>) -> Ticket {
        self.tickets += 1;
        let (ticket, from) = (Ticket(self.tickets), at(from));
        self.feed(Event::Asked {
            ticket,
            from,
            request,
        });
        ticket
    }

    /// Another member of the group asks, and is told this.
    fn ask(&mut self, from: Address, ask: Ask<Address>) -> Told<Address> {
        let (tag, store) = (self.tag(), self.group.leader().store);
        let request = GroupRequest {
            tag,
            from: store,
            to: store,
            ask,
        };
        let ticket = self.request(from, Request::Group(Box::new(request)));
        match self.reply(ticket) {
            Some(Reply::Group(told)) => *told,
            reply => panic!("answered {reply:?}"),
        }
    }

    fn reply(&mut self, ticket: Ticket) -> Option<Reply<Address>> {
        let place = self.replies.iter().position(|reply| reply.0 == ticket)?;
        Some(self.replies.remove(place).1)
    }

    /// What it has asked members about the group, and not been answered.
    fn asks(&mut self) -> Vec<(Ticket, Address, Ask<Address>)> {
        let tag = self.tag();
        let asks = self
            .asks
            .drain(..)
            .filter_map(|(ticket, to, ask)| match ask {
                Request::Group(request) if request.tag == tag => Some((ticket, to, request.ask)),
                _ => None,
            });
        asks.collect()
    }

    /// What it wants to fetch, and of whom.
    fn fetches(&mut self) -> Option<(Ticket, Address, Fetch)> {
        let mut asks = self.asks().into_iter();
        asks.find_map(|(ticket, to, ask)| match ask {
            Ask::Fetch(fetch) => Some((ticket, to, fetch)),
            _ => None,
        })
    }

    fn answer(&mut self, (ticket, from): (Ticket, Address), told: Told<Address>) {
        self.feed(Event::Answered {
            ticket,
            from: at(from),
            reply: Reply::Group(Box::new(told)),
            micros: 1,
        });
    }

    fn beat(&mut self) {
        self.feed(Event::Elapsed(Timer::Beat));
    }

    fn tag(&self) -> Tag {
        self.group.tag()
    }

    /// A key of the group's arc.
    fn key(&self) -> Id {
        self.group.arc.end
    }

    fn value(&self) -> Option<Vec<u8>> {
        let value = self.store.read(self.key())?.value?;
        Some(value.to_vec())
    }

    fn record(&self, sequence: u32) -> (Id, Record) {
        let record = Record {
            name: None,
            value: Some(sequence.to_be_bytes()[..].into()),
            version: Version::new(self.group.epoch, sequence),
            flags: 0,
            expires_ms: None,
        };
        (self.key(), record)
    }

    /// The leader sends writes of the key with these sequences.
    fn append(&mut self, sequences: &[u32]) -> Told<Address> {
        let entries = sequences.iter().map(|sequence| Entry {
            sequence: *sequence,
            write: Some(self.record(*sequence)),
        });
        let (after, entries) = (sequences[0] - 1, entries.collect());
        self.ask(LEADER, Ask::Append { after, entries })
    }

    /// The leader has not at hand what follows: the node is to fetch. Returns the question.
    fn enroll(&mut self) -> (Ticket, Address) {
        let store = self.group.leader().store;
        let told = self.ask(LEADER, Ask::Enroll(self.group.clone()));
        assert_eq!(told, Told::Store(store));
        let (ticket, to, fetch) = self.fetches().expect("it fetches");
        assert_eq!((fetch.since, fetch.after), (None, None));
        (ticket, to)
    }

    /// Somebody takes the leader for dead, after a while in which nothing was heard of it.
    fn promise(&mut self) -> Told<Address> {
        for _ in 0..3 {
            self.beat();
        }
        let ballot = Ballot {
            round: 1,
            by: small(OTHER),
        };
        self.ask(OTHER, Ask::Prepare(ballot))
    }

    /// The last page of the arc, with the key as it was after this write.
    fn page(&self, sequence: u32) -> Told<Address> {
        Told::Page(Page {
            records: [self.record(sequence)].into(),
            more: false,
            has: sequence,
            until: sequence,
        })
    }
}

fn config() -> Config {
    Config {
        replicas: 3,
        ..Config::default()
    }
}

/// A member that has these writes.
fn member(sequences: &[u32]) -> Rig {
    let mut rig = Rig::new(MEMBER, config());
    let last = sequences[sequences.len() - 1];
    assert_eq!(rig.append(sequences), Told::Appended(last));
    rig
}

#[test]
fn what_is_written_after_everything_was_fetched_anew_is_not_mended_away() {
    let mut rig = member(&[1, 2, 3]);
    let asked = rig.enroll();
    rig.answer(
        asked,
        Told::Page(Page {
            records: [rig.record(9)].into(),
            more: true,
            has: 10,
            until: 10,
        }),
    );
    let (ticket, to, _) = rig.fetches().expect("there is more");
    let nothing = Page {
        records: Vec::new(),
        more: false,
        has: 10,
        until: 10,
    };
    rig.answer((ticket, to), Told::Page(nothing));
    assert_eq!(rig.append(&[11]), Told::Appended(11));
    let (key, older) = rig.record(9);
    rig.ask(LEADER, Ask::Mend(10, [(key, Some(older))].into()));
    assert_eq!(rig.value(), Some(11_u32.to_be_bytes().into()));
}

#[test]
fn who_has_to_fetch_anew_asks_its_leader_first() {
    let (_, to) = member(&[1, 2, 3]).enroll();
    assert_eq!(to, LEADER);
}

#[test]
fn what_holds_less_than_a_member_has_acknowledged_does_not_replace_it() {
    let mut rig = member(&[1, 2, 3]);
    let asked = rig.enroll();
    rig.answer(asked, rig.page(2));
    assert_eq!(rig.value(), Some(3_u32.to_be_bytes().into()));
    rig.beat();
    let (ticket, to, _) = rig.fetches().expect("it asks another one");
    rig.answer((ticket, to), rig.page(4));
    assert_eq!(rig.value(), Some(4_u32.to_be_bytes().into()));
    assert_eq!(rig.append(&[5]), Told::Appended(5));
}

#[test]
fn who_has_to_fetch_anew_votes_with_what_it_has_until_something_comes() {
    let mut rig = member(&[1, 2, 3]);
    let asked = rig.enroll();
    assert_eq!(rig.promise(), Told::Promised(None, 3));
    // What it has promised with must stay, for the next epoch may begin with it.
    rig.answer(asked, rig.page(4));
    assert_eq!(rig.value(), Some(3_u32.to_be_bytes().into()));
}

#[test]
fn who_has_taken_the_first_of_what_it_fetches_anew_does_not_vote() {
    let mut rig = member(&[1, 2, 3]);
    let asked = rig.enroll();
    rig.answer(
        asked,
        Told::Page(Page {
            records: [rig.record(4)].into(),
            more: true,
            has: 4,
            until: 4,
        }),
    );
    assert_eq!(rig.promise(), Told::Lagging);
}

#[test]
fn who_has_promised_does_not_begin_to_fetch_anew() {
    let mut rig = member(&[1, 2, 3]);
    assert_eq!(rig.promise(), Told::Promised(None, 3));
    let told = rig.ask(LEADER, Ask::Enroll(rig.group.clone()));
    assert_eq!(told, Told::Lagging);
    assert_eq!(rig.fetches(), None);
}

#[test]
fn a_restart_does_not_make_less_of_who_was_about_to_fetch_anew() {
    let mut rig = member(&[1, 2, 3]);
    rig.enroll();
    let ring = all(&[LEADER, MEMBER, OTHER]);
    let notes = rig.store.notes();
    let mut again = Rig::of(Node::in_ring_again(at(MEMBER), &ring, config(), &notes));
    assert_eq!(again.promise(), Told::Promised(None, 3));
}

#[test]
fn writes_with_a_gap_between_them_are_taken_up_to_it() {
    let mut rig = member(&[1, 2]);
    assert_eq!(rig.append(&[3, 5]), Told::Appended(3));
    assert_eq!(rig.value(), Some(3_u32.to_be_bytes().into()));
}

/// A leader whose members are there.
fn leader() -> Rig {
    let mut rig = Rig::new(LEADER, config());
    rig.beat();
    rig.acknowledge(0);
    rig
}

impl Rig {
    /// All members answer what they were sent, and have everything up to this write.
    fn acknowledge(&mut self, sequence: u32) {
        for (ticket, to, ask) in self.asks() {
            if matches!(ask, Ask::Append { .. }) {
                self.answer((ticket, to), Told::Appended(sequence));
            }
        }
    }

    fn change(&mut self, value: Option<Vec<u8>>) -> Ticket {
        let change = Change {
            name: None,
            value: value.map(Into::into),
            condition: Condition::Always,
            flags: 0,
            expires_ms: None,
            now_ms: 1_000,
        };
        self.request(MEMBER, Request::Change(self.key(), change))
    }

    fn changed(&mut self, ticket: Ticket) -> Option<Changed> {
        match self.reply(ticket)? {
            Reply::Changed(changed, _) => Some(changed),
            reply => panic!("answered {reply:?}"),
        }
    }
}

#[test]
fn nobody_is_told_that_something_is_gone_before_a_majority_has_deleted_it() {
    let mut rig = leader();
    // So much that each message holds one of them.
    for _ in 0..2 {
        rig.change(Some(vec![0; 600 * 1024]));
    }
    let first = rig.change(None);
    let second = rig.change(None);
    for sequence in 1..3 {
        rig.acknowledge(sequence);
        assert_eq!(rig.changed(second), None, "the delete is here alone");
    }
    rig.acknowledge(4);
    assert_eq!(rig.changed(first), Some(Changed::Deleted));
    assert_eq!(rig.changed(second), Some(Changed::Missing));
}

#[test]
fn large_writes_that_come_together_leave_no_member_behind() {
    let mut rig = leader();
    let writes: Vec<Ticket> = (0..14)
        .map(|_| rig.change(Some(vec![0; 1024 * 1024])))
        .collect();
    for sequence in 1..=14 {
        let asks = rig.asks();
        let appends = |(_, _, ask): &(_, _, Ask<Address>)| matches!(ask, Ask::Append { .. });
        assert_eq!(
            asks.iter().filter(|ask| appends(ask)).count(),
            2,
            "{sequence}"
        );
        for (ticket, to, _) in asks {
            rig.answer((ticket, to), Told::Appended(sequence));
        }
    }
    for write in writes {
        let changed = rig.changed(write);
        assert!(changed.is_some_and(Changed::is_made), "{changed:?}");
    }
}

#[test]
fn a_member_that_is_slow_but_there_is_told_what_it_lacks() {
    let mut rig = leader();
    let mut late = None;
    for sequence in 1..=12 {
        rig.change(Some(vec![0; 1024 * 1024]));
        for (ticket, to, _) in rig.asks() {
            match to {
                OTHER => late = Some((ticket, to)),
                _ => rig.answer((ticket, to), Told::Appended(sequence)),
            }
        }
    }
    rig.answer(late.expect("it was sent the first"), Told::Appended(1));
    let asks = rig.asks();
    let next = asks.iter().find(|(_, to, _)| *to == OTHER);
    let next = next.map(|(_, _, ask)| matches!(ask, Ask::Append { after: 1, .. }));
    assert_eq!(next, Some(true));
}

#[test]
fn a_member_that_was_silent_is_a_copy_again_whatever_it_says_first() {
    let mut rig = leader();
    let copies = |rig: &Rig| rig.hand.node.view().groups[0].synced.len();
    rig.beat();
    let late = rig.asks().into_iter().find(|(_, to, _)| *to == OTHER);
    let (ticket, to, _) = late.expect("it is asked with each beat");
    for _ in 0..20 {
        rig.beat();
        for (ticket, to, _) in rig.asks() {
            if to == MEMBER {
                rig.answer((ticket, to), Told::Appended(0));
            }
        }
    }
    assert_eq!(copies(&rig), 2);
    rig.answer((ticket, to), Told::Fenced);
    rig.acknowledge(0);
    assert_eq!(copies(&rig), 3);
}

#[test]
fn more_than_a_majority_can_keep_up_with_is_turned_away() {
    let mut rig = leader();
    let writes = (0..40).map(|_| rig.change(Some(vec![0; 1024 * 1024])));
    let writes: Vec<Ticket> = writes.collect();
    let turned_away = writes.into_iter().filter(|write| {
        let reply = rig.reply(*write);
        assert!(matches!(
            reply,
            None | Some(Reply::Elsewhere(Elsewhere::Overloaded))
        ));
        reply.is_some()
    });
    assert_eq!(turned_away.count(), 24);
    for sequence in 1..=16 {
        rig.acknowledge(sequence);
    }
    let write = rig.change(Some(b"value".into()));
    rig.acknowledge(17);
    assert!(rig.changed(write).is_some(), "there is room again");
}

/// A member that has these writes for good, and whose store takes nothing more.
fn full_member(sequences: &[u32], refusal: Refusal) -> Rig {
    let mut rig = member(sequences);
    rig.refusal = Some(refusal);
    rig
}

#[test]
fn whose_store_is_full_acknowledges_what_it_has_and_nothing_more() {
    for refusal in [Refusal::Flush, Refusal::All] {
        let mut rig = full_member(&[1, 2], refusal);
        assert_eq!(rig.append(&[3]), Told::Full(2));
        assert_eq!(rig.append(&[4]), Told::Full(2));
        // It is there all the same, so that reads go on.
        let (after, entries) = (2, Vec::new());
        assert_eq!(
            rig.ask(LEADER, Ask::Append { after, entries }),
            Told::Full(2)
        );
    }
}

#[test]
fn whose_store_is_full_gives_nobody_what_it_has_and_does_not_vote() {
    for refusal in [Refusal::Flush, Refusal::All] {
        let mut rig = full_member(&[1, 2], refusal);
        assert_eq!(rig.append(&[3]), Told::Full(2));
        let fetch = Fetch {
            start: 0,
            since: None,
            after: None,
        };
        assert_eq!(rig.ask(OTHER, Ask::Fetch(fetch)), Told::Lagging);
        assert_eq!(rig.promise(), Told::Lagging);
        for _ in 0..20 {
            rig.beat();
        }
        let mut asks = rig.asks().into_iter();
        assert!(asks.all(|(.., ask)| !matches!(ask, Ask::Prepare(_) | Ask::Fetch(_))));
    }
}

#[test]
fn a_promise_that_the_store_does_not_keep_is_not_given() {
    let mut rig = full_member(&[1, 2], Refusal::Flush);
    assert_eq!(rig.promise(), Told::Lagging);
}

#[test]
fn what_a_full_store_has_taken_before_is_there_after_a_restart() {
    let mut rig = full_member(&[1, 2], Refusal::All);
    assert_eq!(rig.append(&[3]), Told::Full(2));
    let ring = all(&[LEADER, MEMBER, OTHER]);
    let notes = rig.store.notes();
    let mut again = Rig::of(Node::in_ring_again(at(MEMBER), &ring, config(), &notes));
    again.store = rig.store;
    assert_eq!(again.append(&[3]), Told::Appended(3));
}

#[test]
fn a_leader_whose_store_is_full_takes_no_writes_and_makes_room_for_another_one() {
    let mut rig = leader();
    let write = rig.change(Some(b"first".into()));
    rig.acknowledge(1);
    assert!(rig.changed(write).is_some());
    rig.refusal = Some(Refusal::Flush);
    let write = rig.change(Some(b"second".into()));
    assert_eq!(rig.changed(write), None, "the others may have it");
    rig.acknowledge(2);
    assert!(
        rig.changed(write).is_some(),
        "a majority has it without the leader"
    );
    let write = rig.change(Some(b"third".into()));
    let reply = rig.reply(write);
    assert!(matches!(reply, Some(Reply::Elsewhere(_))), "{reply:?}");
    let mut silent = 0;
    for _ in 0..8 {
        rig.beat();
        let asks = rig.asks();
        let appends = |(.., ask): &(_, _, Ask<Address>)| matches!(ask, Ask::Append { .. });
        silent += u32::from(!asks.iter().any(appends));
        for (ticket, to, ask) in asks {
            if matches!(ask, Ask::Append { .. }) {
                rig.answer((ticket, to), Told::Appended(2));
            }
        }
    }
    assert!(silent >= 7, "another member takes its place: {silent}");
}

#[test]
fn where_no_majority_takes_writes_reads_go_on_and_writes_are_refused_at_once() {
    let mut rig = leader();
    rig.refusal = Some(Refusal::Flush);
    let write = rig.change(Some(b"value".into()));
    for (ticket, to, _) in rig.asks() {
        rig.answer((ticket, to), Told::Full(0));
    }
    let reply = rig.reply(write);
    let unsure = Reply::Elsewhere(Elsewhere::Unsure);
    assert_eq!(reply, Some(unsure), "nobody waits for it");
    let write = rig.change(Some(b"value".into()));
    let reply = rig.reply(write);
    let overloaded = Reply::Elsewhere(Elsewhere::Overloaded);
    assert_eq!(reply, Some(overloaded), "nothing was done");
    for _ in 0..10 {
        let other = rig.group.arc.start.next();
        let read = rig.request(MEMBER, Request::Read(other));
        for (ticket, to, _) in rig.asks() {
            rig.answer((ticket, to), Told::Full(0));
        }
        assert_eq!(rig.reply(read), Some(Reply::Record(None)));
        rig.beat();
        for (ticket, to, _) in rig.asks() {
            rig.answer((ticket, to), Told::Full(0));
        }
    }
}
