//! Happen: one step of a ring, and all that comes of it at once.

use std::collections::VecDeque;

#[cfg(test)]
use dht::message::Reply;
use dht::message::Request;

use crate::check::cast::{LIVES_MAX, Life, Set, members};
use crate::check::hosts::{Being, Host, Letter, Stage};
use crate::check::known::{NodeId, Stimulus};
#[cfg(test)]
use crate::check::ring::Flaw;
use crate::check::ring::{Answers, Ring, Step};
use crate::check::search::State;
use crate::check::words::Word;

/// A step under way.
struct Scene {
    hosts: [Host; LIVES_MAX],
    /// Whose hosts have changed.
    changed: Set,
    queue: VecDeque<(Life, Stimulus)>,
    /// Whose farewell met Busy, which is no step of its own if it changed nothing else and would be
    /// said again in the same words.
    rebuffed: Set,
    /// What becomes of a life that ends.
    after: Being,
}

impl Ring {
    /// Does one thing, and all that comes of it at once.
    pub(crate) fn perform(&mut self, state: &State, step: Step) -> State {
        let mut scene = Scene {
            hosts: state.map(|number| self.hosts.host(number)),
            changed: 0,
            queue: VecDeque::new(),
            rebuffed: 0,
            after: if self.world.reuse {
                Being::Unborn
            } else {
                Being::Over
            },
        };
        match step {
            Step::Join(life, via) => {
                let node = self.known.newcomer(life);
                scene.change(life).being = Being::Alive(node);
                scene.queue.push_back((life, Stimulus::Join(via)));
            }
            Step::Stabilize(life) => scene.queue.push_back((life, Stimulus::Stabilize)),
            Step::Suspect(life) => self.suspect(&mut scene, life),
            Step::Check(life) => scene.queue.push_back((life, Stimulus::Check)),
            Step::Again(life) => scene.queue.push_back((life, Stimulus::Again)),
            Step::Wait => {
                let all = self.world.cast.all().map(|life| (life, Stimulus::Wait));
                scene.queue.extend(all);
            }
            Step::Claim(life) => scene.queue.push_back((life, Stimulus::Claim)),
            Step::Leave(life) => scene.queue.push_back((life, Stimulus::Leave)),
            Step::Notify(from, to) => {
                scene.change(from).notifies &= !(1 << to);
                scene
                    .queue
                    .push_back((to, Stimulus::Asked(from, self.notify)));
            }
            Step::Letter(life, letter) => self.deliver(&mut scene, life, letter),
            Step::Fail(life, answers) => {
                let (lost, risked) = self.dies_with(state, life);
                scene.end(life);
                scene.change(life).lost = lost;
                scene.change(life).risked = risked;
                if answers == Answers::Lost {
                    scene.lose_answers(life);
                }
            }
        }
        while let Some((life, stimulus)) = scene.queue.pop_front() {
            self.happen(&mut scene, life, stimulus);
        }
        if members(scene.changed).any(|life| self.is_beyond(&scene, life)) {
            return *state;
        }
        let mut after = *state;
        for life in members(scene.changed) {
            let mut host = scene.hosts[usize::from(life)];
            // Turned away: as if it had never been there.
            let is_idle = host.letters().next().is_none();
            if let Some(node) = host.node()
                && is_idle
                && self.known.kept(node).node.view().predecessor.is_none()
            {
                host.being = Being::Unborn;
            }
            let number = self.hosts.number(life, host, &self.known, self.world.cast);
            after[usize::from(life)] = number;
        }
        self.settle_risks(&mut after);
        let mut others = self.world.cast.all();
        let is_same = |life: Life| {
            let place = usize::from(life);
            scene.rebuffed >> life & 1 == 1 || after[place] == state[place]
        };
        if scene.rebuffed != 0 && others.all(is_same) {
            return *state;
        }
        after
    }

    /// Whether a node has done more than this model looks at.
    fn is_beyond(&self, scene: &Scene, life: Life) -> bool {
        let given = scene.node(life).map(|node| self.known.kept(node).given);
        given.is_some_and(|given| given > self.world.handovers_max)
    }

    fn happen(&mut self, scene: &mut Scene, life: Life, stimulus: Stimulus) {
        let Some(node) = scene.node(life) else {
            return;
        };
        let outcome = self.known.outcome(node, stimulus);
        match outcome.node {
            Some(after) if after == node => {}
            Some(after) => scene.change(life).being = Being::Alive(after),
            None => scene.end(life),
        }
        for (asker, request, reply) in &outcome.replies {
            self.told(scene, *asker, life, *request, *reply);
        }
        for (to, request) in &outcome.asks {
            self.ask(scene, life, *to, *request, stimulus);
        }
    }

    /// A node asks: at once, or by a letter that takes its time.
    fn ask(&mut self, scene: &mut Scene, life: Life, to: Life, request: Word, because: Stimulus) {
        if scene.node(life).is_none() {
            return;
        }
        let is_slow = match self.known.requests.word(request) {
            Request::Notify => {
                let answer = if scene.node(to).is_some() {
                    scene.change(life).notifies |= 1 << to;
                    #[cfg(test)]
                    if self.world.flaw == Flaw::SilentNotifier {
                        scene.change(life).notifies = 0;
                    }
                    Stimulus::Answered(to, request, self.noted)
                } else {
                    Stimulus::Refused(to, request)
                };
                return scene.queue.push_back((life, answer));
            }
            Request::State => self.world.in_flight,
            Request::Ping => self.world.in_flight && because != Stimulus::Check,
            // Whoever was told to serve an arc may die before it is known that it does.
            Request::Transfer(_) => self.world.in_flight || self.world.deaths,
            Request::Claim(_) => self.world.deaths,
            _ => false,
        };
        let is_second = match because {
            Stimulus::Answered(_, asked, _) => {
                matches!(self.known.requests.word(asked), Request::State)
            }
            _ => false,
        };
        let waits = match self.known.requests.word(request) {
            Request::Leaving(_) | Request::Transfer(_) => true,
            Request::Claim(_) => self.world.deaths,
            Request::State => is_second && !self.world.in_flight,
            _ => false,
        };
        let letter = Letter {
            to,
            request,
            stage: Stage::Asked,
            is_slow,
        };
        scene.change(life).post(letter);
        if !waits {
            self.deliver(scene, life, letter);
        }
    }

    /// A letter arrives, there or back.
    fn deliver(&mut self, scene: &mut Scene, life: Life, letter: Letter) {
        let Letter { to, request, .. } = letter;
        scene.change(life).take(letter);
        #[cfg(test)]
        let letter = self.flawed(scene, letter);
        let stage = match letter.stage {
            Stage::Asked if scene.node(to).is_some() => {
                scene.queue.push_back((to, Stimulus::Asked(life, request)));
                Stage::Held
            }
            Stage::Asked if letter.is_slow => Stage::Refused,
            Stage::Asked | Stage::Refused => {
                let refused = Stimulus::Refused(to, request);
                return scene.queue.push_back((life, refused));
            }
            Stage::Told(reply) => {
                let answered = Stimulus::Answered(to, request, reply);
                return scene.queue.push_back((life, answered));
            }
            Stage::Held => unreachable!("a letter that is there goes on when it is answered"),
        };
        scene.change(life).post(Letter { stage, ..letter });
    }

    /// What becomes of a letter on its way if the nodes are flawed.
    #[cfg(test)]
    fn flawed(&mut self, scene: &Scene, letter: Letter) -> Letter {
        let is_lost = scene.node(letter.to).is_none();
        let reply = match (self.world.flaw, self.known.requests.word(letter.request)) {
            (Flaw::CredulousAdopter, Request::State) if is_lost => {
                Reply::State(dht::message::State {
                    predecessor: None,
                    successors: Vec::new(),
                })
            }
            (Flaw::HastyGiver, Request::Transfer(_)) => Reply::Received,
            _ => return letter,
        };
        if letter.stage != Stage::Asked {
            return letter;
        }
        let stage = Stage::Told(self.known.replies.number(reply));
        Letter { stage, ..letter }
    }

    /// A node answers a letter.
    fn told(&mut self, scene: &mut Scene, asker: Life, from: Life, request: Word, reply: Word) {
        let mut letters = scene.hosts[usize::from(asker)].letters();
        let is_it = |letter: &Letter| (letter.to, letter.request) == (from, request);
        let held = letters.find(|letter| is_it(letter) && letter.stage == Stage::Held);
        // Of notifications nobody waits for the answer, nor does a node whose life is over.
        let Some(letter) = held else {
            return;
        };
        scene.change(asker).take(letter);
        if letter.is_slow && reply != self.busy {
            let stage = Stage::Told(reply);
            return scene.change(asker).post(Letter { stage, ..letter });
        }
        let request = self.known.requests.word(letter.request);
        if let Request::Leaving(state) = request
            && reply == self.busy
            && let Some(node) = scene.node(asker)
            && self.known.kept(node).node.view().state() == *state
        {
            scene.rebuffed |= 1 << asker;
        }
        let answered = Stimulus::Answered(from, letter.request, reply);
        scene.queue.push_back((asker, answered));
    }

    /// A stabilization whose question is taken for refused although the successor lives.
    fn suspect(&mut self, scene: &mut Scene, life: Life) {
        let node = scene.node(life).expect("who suspects is alive");
        let outcome = self.known.outcome(node, Stimulus::Stabilize);
        if let (Some(after), [(to, request)]) = (outcome.node, outcome.asks.as_slice()) {
            scene.change(life).being = Being::Alive(after);
            let refused = Stimulus::Refused(*to, *request);
            scene.queue.push_back((life, refused));
        }
    }
}

impl Scene {
    fn node(&self, life: Life) -> Option<NodeId> {
        self.hosts[usize::from(life)].node()
    }

    fn change(&mut self, life: Life) -> &mut Host {
        self.changed |= 1 << life;
        &mut self.hosts[usize::from(life)]
    }

    /// What a life told others is lost with it.
    fn lose_answers(&mut self, life: Life) {
        for other in 0..LIVES_MAX as Life {
            for letter in self.hosts[usize::from(other)].letters() {
                if letter.to == life && matches!(letter.stage, Stage::Told(_)) {
                    self.change(other).take(letter);
                    let stage = Stage::Refused;
                    self.change(other).post(Letter { stage, ..letter });
                }
            }
        }
    }

    /// A life is over: nothing reaches it any more, and what it held is not answered.
    fn end(&mut self, life: Life) {
        let after = self.after;
        let host = self.change(life);
        host.being = after;
        host.letters = Host::UNBORN.letters;
        for other in 0..LIVES_MAX as Life {
            let host = self.hosts[usize::from(other)];
            if host.notifies >> life & 1 == 1 {
                self.change(other).notifies &= !(1 << life);
            }
            for letter in host.letters() {
                if letter.to == life && letter.stage == Stage::Held {
                    self.change(other).take(letter);
                    let stage = Stage::Asked;
                    self.change(other).post(Letter { stage, ..letter });
                }
            }
        }
    }
}
