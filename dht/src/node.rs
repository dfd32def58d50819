//! Node: the state machine itself.
//!
//! The one entry point is [`Node::handle`]. It only sorts events to where they are dealt with: the
//! ring's maintenance in `chord`, calls and content in `content`.

use alloc::boxed::Box;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::causal;
use crate::chord::failure::Detector;
use crate::chord::fingers::Pass;
use crate::chord::join::Join;
use crate::chord::leave::Leave;
use crate::chord::reunion::Reunion;
use crate::content::carry::Carried;
use crate::content::claim::Gap;
use crate::content::coordinate::Operation;
use crate::content::give::{Outgoing, RESEND};
use crate::content::serve::{Asker, Changing};
use crate::content::take::{Incoming, Receipt, Taken};
use crate::event::{Action, Call, Cause, Delay, Event, Failure, Note, Returned, Ticket, Timer};
use crate::id::Arc;
use crate::message::{Link, Reply, Request};
use crate::ownership::Ownership;
use crate::peer::{Address, Peer};
use crate::replication::compare::Comparing;
use crate::replication::fetch::Reading;
use crate::replication::group::{Member, Tag};
use crate::replication::replica::{Ordered, Synced};
use crate::replication::strays::Stray;
use crate::replication::{GroupQuestion, Groups, keep};
use crate::slots::Slots;
use crate::store::{self, Command};
use crate::view::{Finger, Phase, Range, View};

/// What a node is told once, at its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// Which of two neighbours owns a key.
    pub ownership: Ownership,
    /// Length of the successor list (Zave's L), 1 to [`SUCCESSORS_MAX`]. The ring survives that one
    /// fewer neighbours than this fail before it has mended itself.
    pub successors: u8,
    /// Refusals in a row after which a node is taken for dead. 3 where a refusal may be an accident;
    /// 1 where it is certain, as in a model.
    pub probes: u8,
    /// Members of the groups that keep content, 1 to [`REPLICAS_MAX`]. With 1 there are no groups: an
    /// arc is handed from node to node, and what a dead node held is lost. More need
    /// [`Ownership::Successor`], for copies lie on successors.
    pub replicas: u8,
    /// Which store the node runs on: the incarnation in which that was made, at least 1.
    pub store: u32,
    /// Where it is: nodes with the same number may fail together, so no two of them keep copies of the same as
    /// long as there are others. Nothing where that is of no interest, for all nodes of a ring.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<u64>,
    /// The last writes of a group that a member keeps at hand for those that lag behind: who lacks more
    /// fetches the arc.
    #[serde(default = "window")]
    pub window: u32,
    /// Records of an arc that are fetched, or forgotten, at a time.
    #[serde(default = "page")]
    pub page: u32,
    /// Bytes of records that it fetches of other members on each beat, or hands over in as much time; nothing
    /// where they move as fast as they can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fetch: Option<u32>,
}

/// Some seconds of writes.
fn window() -> u32 {
    8_192
}

/// So few that nothing else waits long behind them.
fn page() -> u32 {
    512
}

impl Default for Config {
    fn default() -> Config {
        Config {
            ownership: Ownership::Successor,
            successors: 4,
            probes: 3,
            replicas: 1,
            store: 1,
            zone: None,
            window: window(),
            page: page(),
            fetch: None,
        }
    }
}

/// The largest groups: more copies would cost more than they are worth, and a write waits for a majority.
pub const REPLICAS_MAX: u8 = 7;

/// Milliseconds between two beats of groups: a leader that is silent for four of them is taken for gone.
pub const BEAT_MS: u32 = 250;

/// The longest successor list: twice log2 of 65,536 nodes, which the papers find ample.
pub const SUCCESSORS_MAX: u8 = 32;

/// One node of the ring.
///
/// The same state and the same event always give the same actions: a node reads no clock, draws no
/// random number and opens no socket. Its owner keeps this contract:
/// - every [`Action::Ask`] is answered by one [`Event::Answered`], from exactly the peer that was
///   asked, or by one [`Event::Unanswered`];
/// - every [`Action::Store`] is answered by one [`Event::Stored`], and the store's commands are
///   performed in the order in which they were given;
/// - [`Timer::Stabilize`], [`Timer::Fingers`], [`Timer::Predecessor`] and [`Timer::SelfCheck`] elapse
///   again and again, at intervals that vary a little.
#[derive(Clone, Debug)]
pub struct Node<A> {
    pub(crate) config: Config,
    pub(crate) view: View<A>,
    /// Whether the view has changed since it was last published.
    pub(crate) touched: bool,
    /// Whether an exchange about its own pointers is open, so that they are undefined to others.
    pub(crate) exchange: bool,
    /// The best of those that said they are our predecessor while an exchange was open.
    pub(crate) notified: Option<Peer<A>>,
    /// Whether the whole successor list has died, so that it is empty but the node not alone.
    pub(crate) is_orphan: bool,
    /// Whether a stabilization is due soon, outside the schedule.
    pub(crate) again: bool,
    /// Whether the predecessor showed itself since it was last checked.
    pub(crate) heard: bool,
    /// How often the predecessor or the first successor has changed.
    pub(crate) moves: u32,
    pub(crate) detector: Detector<A>,
    pub(crate) pass: Pass,
    /// Self-checks in a row that named another node.
    pub(crate) strikes: u8,
    pub(crate) questions: Slots<Question<A>>,
    pub(crate) operations: Slots<Operation<A>>,
    pub(crate) errands: Slots<Errand<A>>,
    pub(crate) join: Option<Box<Join<A>>>,
    pub(crate) leave: Option<Box<Leave<A>>>,
    /// What it knows of other rings; nothing as long as nobody has died.
    pub(crate) reunion: Option<Box<Reunion<A>>>,
    pub(crate) outgoing: Option<Box<Outgoing<A>>>,
    /// Whether the timer of the outgoing handover runs.
    pub(crate) is_handover_due: bool,
    pub(crate) incoming: Vec<Incoming<A>>,
    /// The last handovers that were taken whole.
    pub(crate) taken: Vec<Taken<A>>,
    /// What was missing when the timer that runs for it was set.
    pub(crate) gap: Option<Box<Gap<A>>>,
    /// Whether a neighbour, or an earlier life of this node, has died since it last got an arc.
    pub(crate) is_bereaved: bool,
    /// Nodes close by that nobody may point to yet, and for how many rounds of looking after the
    /// predecessor they are still remembered.
    pub(crate) newcomers: Vec<(Peer<A>, u8)>,
    /// Arcs that were served before the place in the ring was lost; their records may be good still.
    pub(crate) kept: Vec<Arc>,
    /// What it brings along from a ring that it has left.
    pub(crate) carried: Option<Box<Carried>>,
    /// Handovers given so far.
    pub(crate) serial: u32,
    /// Writes stamped so far.
    pub(crate) sequence: u32,
    /// The highest epoch seen.
    pub(crate) epoch: u32,
    /// The groups that it belongs to, where content is kept by groups.
    pub(crate) groups: Option<Box<Groups<A>>>,
}

/// What an open question was about.
#[derive(Clone, Debug)]
pub(crate) enum Question<A> {
    /// Is it there?
    Probe(Peer<A>),
    /// Is it there, though it was taken for dead?
    Doubt(Peer<A>),
    /// Something that needs no answer.
    Tell(Peer<A>),
    /// First step of stabilization: the successor's state.
    Successor(Peer<A>),
    /// Second step of stabilization: the state of a node that may be a better successor.
    Candidate(Peer<A>),
    /// Is the predecessor there, now that the second one wants its place?
    Rectify(Peer<A>, Peer<A>),
    /// The state of the node that is to become the predecessor.
    Join(Peer<A>),
    /// Is a node with our own identifier alive?
    Namesake(Peer<A>),
    /// A step of a lookup, or what it was for.
    Operation(Ticket, Link<A>),
    /// Is the owner there that takes its time with an operation?
    Owner(Peer<A>),
    /// The fingers of the predecessor.
    Fingers(Peer<A>),
    /// A batch of the handover with this serial.
    Transfer(u32),
    /// An arc that nobody has handed over.
    Claim(Peer<A>, Arc),
    /// An arc that is to be handed on: does its giver know that we have it?
    Giver(Peer<A>, Arc),
    /// A neighbour is told that we leave.
    Farewell(Peer<A>),
    /// Our successor leaves and waits for an answer to this ticket: the state of its own successor.
    Heir(Ticket, Peer<A>, Peer<A>),
    /// Something between members of a group.
    Group(Box<GroupQuestion<A>>),
}

/// What the store was asked to do.
#[derive(Clone, Debug)]
pub(crate) enum Errand<A> {
    /// Read a record.
    Read(Asker),
    /// Make a change.
    Change(Changing),
    /// Fetch a batch for the handover with this serial.
    Batch(u32),
    /// Keep a batch of a handover, and tell its giver.
    Receive(Ticket, Peer<A>, Receipt),
    /// Read what is to be stored elsewhere of an arc.
    Carry(Arc),
    /// Nobody waits for it.
    Discard,
    /// Read what is to be forgotten first of an arc.
    Dismiss(Arc),
    /// Read a record of a group that this node leads.
    GroupRead(Tag, Asker),
    /// Make a change in the order of a group.
    Order(Box<Ordered>),
    /// Read a page for another member.
    Page(Reading),
    /// Read a piece that members compare.
    Compare(Comparing),
    /// Look for records of arcs that are no longer the node's.
    Stray(Stray),
    /// All before this is durable.
    Synced(Synced),
}

impl<A: Address> Node<A> {
    /// A node that is in no ring yet; [`Call::Join`] brings it into one.
    pub fn new(me: Peer<A>, config: Config) -> Node<A> {
        assert!(
            config.replicas == 1
                || config.ownership == Ownership::Successor
                    && (1..=REPLICAS_MAX).contains(&config.replicas)
                    && config.store > 0,
            "copies lie on successors, and there are up to {REPLICAS_MAX} of them"
        );
        assert!(
            (1..=SUCCESSORS_MAX).contains(&config.successors) && config.probes > 0,
            "a node needs 1 to {SUCCESSORS_MAX} successors and at least one probe"
        );
        let incarnation = me.incarnation;
        let view = View::joining(me, config.ownership);
        let is_replicated = config.replicas > 1;
        Node {
            config,
            view,
            touched: false,
            exchange: false,
            notified: None,
            is_orphan: false,
            again: false,
            heard: false,
            moves: 0,
            detector: Detector::new(),
            pass: Pass::default(),
            strikes: 0,
            questions: Slots::new(),
            operations: Slots::new(),
            errands: Slots::new(),
            join: None,
            leave: None,
            reunion: None,
            outgoing: None,
            is_handover_due: false,
            incoming: Vec::new(),
            taken: Vec::new(),
            gap: None,
            is_bereaved: incarnation > 1,
            newcomers: Vec::new(),
            kept: Vec::new(),
            carried: None,
            serial: 0,
            sequence: 0,
            epoch: 1,
            groups: is_replicated.then(|| Box::new(Groups::new())),
        }
    }

    /// A member of an ideal ring of these nodes, in any order, itself included.
    ///
    /// A ring must start so: the proof of the protocol begins with an ideal ring of at least
    /// `successors` + 1 members, and a smaller one merely survives fewer failures.
    pub fn in_ring(me: Peer<A>, ring: &[Peer<A>], config: Config) -> Node<A> {
        let others = others_of(&me, ring);
        let mut node = Node::among(me.clone(), &others, config);
        if node.is_replicated() {
            // The stores of a new ring are as old as its nodes.
            let member = |peer: &Peer<A>| Member {
                peer: peer.clone(),
                store: peer.incarnation,
            };
            let mut members: Vec<Member<A>> = others.iter().map(member).collect();
            members.insert(0, node.member());
            let groups = keep::groups_of(me.id, &members, config.replicas.into());
            node.found_groups(groups);
        }
        node
    }

    /// A member of the ideal ring of these nodes, in any order, itself included, which were all stopped
    /// and start again at the same time, each under a higher incarnation.
    ///
    /// Who is in a group, and what it decided last, is what the `notes` of the stores say, with all of
    /// which [`Node::restore`] is called: nothing is founded, and an arc is served once a majority of its
    /// last group is there. With one copy a node serves its own arc at once.
    pub fn in_ring_again(
        me: Peer<A>,
        ring: &[Peer<A>],
        config: Config,
        notes: &[(Vec<u8>, Vec<u8>)],
    ) -> Node<A> {
        let others = others_of(&me, ring);
        let mut node = Node::among(me, &others, config);
        if node.is_replicated() {
            node.restore(notes);
            node.meet_lives(ring);
        }
        node
    }

    /// A member that knows all others, which are in ring order behind it.
    fn among(me: Peer<A>, others: &[Peer<A>], config: Config) -> Node<A> {
        let predecessor = others.last().unwrap_or(&me).clone();
        let nearest = others.iter().take(config.successors.into());
        let nearest = nearest.cloned().collect();
        let mut node = Node::placed(me, predecessor, nearest, Vec::new(), config);
        node.point_fingers(others);
        node
    }

    /// A member whose pointers are known already; it serves what is its own by them.
    ///
    /// For whoever builds a large ideal ring at once: [`Node::in_ring`] takes the whole ring for
    /// each node. `predecessor` is `me` and `successors` empty where it is alone; `successors` are
    /// strictly clockwise, at most `config.successors` of them, and `fingers` distinct, by rising
    /// exponent, beyond the first successor.
    pub fn placed(
        me: Peer<A>,
        predecessor: Peer<A>,
        successors: Vec<Peer<A>>,
        fingers: Vec<Finger<A>>,
        config: Config,
    ) -> Node<A> {
        let mut node = Node::new(me, config);
        node.view.predecessor = Some(predecessor);
        node.view.successors = successors;
        node.view.fingers = fingers;
        node.view.phase = Phase::Member;
        if node.is_replicated() {
            return node;
        }
        let own = node.view.own_arc();
        node.view.serves = own.map(|arc| Range { arc, epoch: 1 }).into_iter().collect();
        node
    }

    /// Takes one event, and appends to `actions` what is to be done because of it, in order.
    pub fn handle(&mut self, event: Event<A>, actions: &mut Vec<Action<A>>) {
        let before = actions.len();
        self.keep_founded(actions);
        match event {
            Event::Asked {
                ticket,
                from,
                request,
            } => self.asked(ticket, from, request, actions),
            Event::Answered {
                ticket,
                from,
                reply,
                micros,
            } => self.answered(ticket, from, reply, micros, actions),
            Event::Unanswered { ticket, cause } => {
                if let Some(question) = self.questions.take(ticket) {
                    self.unanswered(question, cause, actions);
                }
            }
            Event::Met(peer) => self.is_there(peer),
            // The ring keeps itself.
            Event::Listed(_) => {}
            Event::Elapsed(timer) => self.elapsed(timer, actions),
            Event::Stored { ticket, outcome } => self.stored(ticket, outcome, actions),
            Event::Called { ticket, call } => self.called(ticket, call, actions),
        }
        if core::mem::take(&mut self.touched) {
            actions.insert(before, Action::Publish);
        }
    }

    /// The node as others may see it.
    pub fn view(&self) -> &View<A> {
        &self.view
    }

    fn asked(
        &mut self,
        ticket: Ticket,
        from: Peer<A>,
        request: Request<A>,
        out: &mut Vec<Action<A>>,
    ) {
        let reply = match request {
            Request::Transfer(transfer) => return self.receive(ticket, from, transfer, out),
            Request::Read(key) => return self.read_for(ticket, key, out),
            Request::Change(key, change) => return self.change_for(ticket, key, change, out),
            // A group counts on its members also where these are out of the ring.
            Request::Group(request) => return self.group_asked(ticket, from, *request, out),
            Request::Listed(_) => Reply::Gone,
            _ if self.view.phase == Phase::Left => Reply::Gone,
            Request::Ping => Reply::Pong,
            Request::State => self.state_for(&from),
            Request::Notify if self.detector.is_gone(&from) => Reply::Buried,
            Request::Notify => {
                self.notify(from, out);
                Reply::Noted
            }
            Request::Look => {
                self.stabilize_soon(out);
                Reply::Noted
            }
            Request::Meet => {
                self.compare_rings(from, out);
                Reply::Noted
            }
            Request::Route(route) => {
                // Whoever asks is there: one that looks for itself must not be passed over for an answer
                // that got lost.
                let skipped = |peer: &Peer<A>| *peer != from && self.detector.distrusts(peer);
                Reply::Routed(
                    self.view
                        .route(route.key, route.rule, route.routing, skipped),
                )
            }
            Request::Fingers => Reply::Fingers(self.fingers_to_lend()),
            Request::Leaving(state) => return self.neighbour_leaves(ticket, from, state, out),
            Request::Claim(arc) => Reply::Claimed(self.claimed(arc)),
            Request::Causal(_) => Reply::Gone,
        };
        out.push(Action::Reply { ticket, reply });
    }

    fn answered(
        &mut self,
        ticket: Ticket,
        from: Peer<A>,
        reply: Reply<A>,
        micros: u32,
        out: &mut Vec<Action<A>>,
    ) {
        let Some(question) = self.questions.take(ticket) else {
            return;
        };
        if reply == Reply::Gone {
            if !self.detector.is_gone(&from) {
                self.forget(from, out);
            }
            return self.unanswered(question, Cause::Refused, out);
        }
        self.detector.heard(&from);
        match (question, reply) {
            (Question::Successor(s), Reply::State(state)) => self.successor_told(s, state, out),
            (Question::Candidate(c), Reply::State(state)) => self.candidate_told(c, state, out),
            (Question::Join(m), Reply::State(state)) => self.place_told(m, state, out),
            (Question::Successor(_) | Question::Candidate(_), _) => self.stabilize_later(out),
            (Question::Join(_), _) => self.join_later(out),
            (Question::Namesake(twin), _) => self.join_refused(twin, out),
            (Question::Rectify(..), _) => self.close_exchange(out),
            (Question::Operation(operation, link), reply) => {
                self.hop_answered(operation, link, reply, micros, out);
            }
            (Question::Fingers(_), Reply::Fingers(fingers)) => self.fingers_told(fingers, out),
            (Question::Fingers(_), _) => self.fingers_told(Vec::new(), out),
            (Question::Transfer(serial), reply) => self.batch_answered(serial, reply, out),
            (Question::Claim(peer, arc), Reply::Claimed(claimed)) => {
                self.claim_answered(peer, arc, claimed, out);
            }
            (Question::Giver(giver, arc), Reply::Claimed(claimed)) => {
                self.giver_told(&giver, arc, claimed.holds, out);
            }
            (Question::Farewell(peer), reply) => self.farewell_answered(peer, reply, out),
            (Question::Heir(ticket, leaver, heir), Reply::State(state)) => {
                self.heir_told(ticket, leaver, heir, state, out);
            }
            (Question::Heir(ticket, ..), _) => self.heir_untold(ticket, out),
            (Question::Doubt(peer), _) => self.detector.revive(&peer),
            (Question::Tell(peer), Reply::Buried) => self.buried_by(peer, out),
            (Question::Group(question), Reply::Group(told)) => {
                self.group_told(*question, *told, out);
            }
            (Question::Group(question), _) => self.group_untold(*question, Cause::Silent, out),
            (
                Question::Claim(..)
                | Question::Giver(..)
                | Question::Probe(_)
                | Question::Owner(_)
                | Question::Tell(_),
                _,
            ) => {}
        }
    }

    fn unanswered(&mut self, question: Question<A>, cause: Cause, out: &mut Vec<Action<A>>) {
        match question {
            Question::Probe(peer) => self.probe_missed(peer, cause, out),
            Question::Tell(peer) | Question::Doubt(peer) => self.missed(peer, cause, out),
            Question::Claim(peer, arc) => {
                self.missed(peer.clone(), cause, out);
                if cause == Cause::Silent {
                    self.claim_unanswered(peer, arc, out);
                }
            }
            Question::Successor(peer) => self.successor_silent(peer, cause, out),
            Question::Candidate(peer) => {
                self.notify_successor(out);
                self.missed(peer, cause, out);
                self.close_exchange(out);
            }
            Question::Rectify(old, new) => self.predecessor_silent(old, new, cause, out),
            Question::Join(peer) | Question::Namesake(peer) => {
                self.missed(peer, cause, out);
                self.join_later(out);
            }
            Question::Operation(operation, link) => self.hop_missed(operation, link, cause, out),
            Question::Owner(owner) => {
                self.missed(owner.clone(), cause, out);
                self.owner_silent(owner, out);
            }
            Question::Fingers(peer) => {
                self.missed(peer, cause, out);
                self.fingers_told(Vec::new(), out);
            }
            Question::Transfer(serial) => self.batch_missed(serial, cause, out),
            Question::Giver(giver, _) => {
                self.missed(giver, cause, out);
                self.handover_later(RESEND, out);
            }
            Question::Farewell(peer) => self.farewell_missed(peer, cause, out),
            Question::Group(question) => self.group_untold(*question, cause, out),
            Question::Heir(ticket, _, heir) => {
                self.missed(heir, cause, out);
                self.heir_untold(ticket, out);
            }
        }
    }

    fn elapsed(&mut self, timer: Timer<A>, out: &mut Vec<Action<A>>) {
        match timer {
            Timer::Stabilize => self.stabilize(out),
            Timer::Fingers => self.fix_fingers(out),
            Timer::Predecessor => self.check_predecessor(out),
            Timer::SelfCheck => {
                self.check_self(out);
                self.seek_strangers(out);
            }
            Timer::Beat => {
                self.look_after_owners(out);
                self.beat(out);
            }
            Timer::Join => self.look_for_place(out),
            Timer::Probe(peer) => self.probe(peer, out),
            Timer::Silence(peer, number) => self.silence_over(peer, number, out),
            Timer::Operation(operation) => self.try_again(operation, out),
            Timer::Handover => self.resume_handover(out),
            Timer::Claim => self.claim(out),
            Timer::Leave => self.leave_overdue(out),
            Timer::Reunion => self.rejoin_other(out),
        }
    }

    fn stored(&mut self, ticket: Ticket, outcome: store::Outcome, out: &mut Vec<Action<A>>) {
        let Some(errand) = self.errands.take(ticket) else {
            return;
        };
        match (errand, outcome) {
            (errand, store::Outcome::Failed) => self.store_failed(errand, out),
            (Errand::Read(reader), store::Outcome::Record(record)) => {
                self.finish_reading(reader, record, out);
            }
            (Errand::Change(changing), store::Outcome::Changed(changed)) => {
                self.finish_change(changing, changed, out);
            }
            (Errand::Batch(serial), store::Outcome::Records(records)) => {
                self.batch_fetched(serial, records, out);
            }
            (Errand::Receive(ticket, giver, receipt), _) => {
                self.batch_kept(ticket, giver, receipt, out);
            }
            (Errand::Carry(arc), store::Outcome::Records(records)) => {
                self.carried_read(arc, records, out);
            }
            (Errand::Discard, _) => {}
            (Errand::Dismiss(arc), store::Outcome::Records(records)) => {
                self.dismissed(arc, &records, out);
            }
            (Errand::GroupRead(tag, reader), store::Outcome::Record(record)) => {
                self.group_has_read(tag, reader, record, out);
            }
            (Errand::Order(ordered), store::Outcome::Changed(changed)) => {
                self.ordered(*ordered, Some(changed), out);
            }
            (Errand::Page(reading), store::Outcome::Records(records)) => {
                self.page_read(reading, records, out);
            }
            (Errand::Compare(comparing), store::Outcome::Records(records)) => {
                self.piece_read(comparing, records, out);
            }
            (Errand::Stray(stray), store::Outcome::Records(records)) => {
                self.strays_read(stray, records, out);
            }
            (Errand::Synced(synced), _) => self.synced(synced, out),
            (errand, outcome) => panic!("the store answered {errand:?} with {outcome:?}"),
        }
    }

    fn called(&mut self, ticket: Ticket, call: Call<A>, out: &mut Vec<Action<A>>) {
        match call {
            Call::Join(hints) => self.begin_join(ticket, hints, out),
            Call::Leave => self.begin_leave(ticket, out),
            Call::Members(_) => fail(ticket, Failure::NoList, out),
            Call::Causal(_) => out.push(causal::message::decline(ticket)),
            Call::Find { .. } | Call::Read { .. } | Call::Change { .. } => {
                self.begin_operation(ticket, call, out);
            }
        }
    }

    /// Changes the view, to be published before any action of this event.
    pub(crate) fn view_mut(&mut self) -> &mut View<A> {
        self.touched = true;
        &mut self.view
    }

    pub(crate) fn is_in_ring(&self) -> bool {
        matches!(self.view.phase, Phase::Member | Phase::Leaving)
    }

    pub(crate) fn ask(
        &mut self,
        to: &Peer<A>,
        request: Request<A>,
        question: Question<A>,
        out: &mut Vec<Action<A>>,
    ) {
        let ticket = self.questions.insert(question);
        let to = to.clone();
        out.push(Action::Ask {
            ticket,
            to,
            request,
        });
    }

    pub(crate) fn store(&mut self, command: Command, errand: Errand<A>, out: &mut Vec<Action<A>>) {
        let ticket = self.errands.insert(errand);
        out.push(Action::Store { ticket, command });
    }
}

/// The other members of a ring, in ring order behind `me`.
fn others_of<A: Address>(me: &Peer<A>, ring: &[Peer<A>]) -> Vec<Peer<A>> {
    let mut others: Vec<Peer<A>> = ring.to_vec();
    others.retain(|peer| peer.id != me.id);
    others.sort_unstable_by_key(|peer| me.id.distance_to(peer.id));
    others
}

pub(crate) fn wait<A>(timer: Timer<A>, delay: Delay, out: &mut Vec<Action<A>>) {
    out.push(Action::Wait { timer, delay });
}

pub(crate) fn note<A>(note: Note<A>, out: &mut Vec<Action<A>>) {
    out.push(Action::Note(note));
}

pub(crate) fn fail<A>(ticket: Ticket, failure: Failure<A>, out: &mut Vec<Action<A>>) {
    let returned = Returned::Failed(failure, Vec::new());
    out.push(Action::Return { ticket, returned });
}
