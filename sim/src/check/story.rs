//! Story: states and steps of a ring, as people read them.

use dht::Id;
use dht::message::Request;
use dht::view::{Phase, View};

use crate::check::cast::{Life, members};
use crate::check::hosts::{Host, Letter, Stage};
use crate::check::ring::Ring;

impl Ring {
    /// `1:[2 3]p0` is a node with its successor list and predecessor; see [`LEGEND`].
    pub(crate) fn host_in_words(&self, life: Life, host: &Host) -> String {
        let Some(node) = host.node() else {
            return format!("{life}:over");
        };
        let node = &self.known.kept(node).node;
        let view = node.view();
        let list: Vec<String> = view
            .successors
            .iter()
            .map(|peer| peer.address.to_string())
            .collect();
        let predecessor = view.predecessor.as_ref();
        let predecessor = predecessor.map_or("-".into(), |peer| peer.address.to_string());
        let notifies: Vec<String> = members(host.notifies).map(|to| format!("!{to}")).collect();
        let letters = host.letters().map(|letter| {
            let mark = match letter.stage {
                Stage::Asked => "?",
                Stage::Held => "??",
                Stage::Told(_) | Stage::Refused => "=",
            };
            format!("{mark}{}", letter.to)
        });
        let mail = [notifies, letters.collect()].concat().concat();
        let phase = match view.phase {
            Phase::Member => "",
            Phase::Leaving => " leaving",
            _ => " joining",
        };
        let served = if self.world.content {
            format!(" serves{}", self.arcs_in_words(view))
        } else {
            String::new()
        };
        format!(
            "{life}:[{}]p{predecessor}{mail}{phase}{served}",
            list.join(" ")
        )
    }

    fn arcs_in_words(&self, view: &View<u32>) -> String {
        let cast = self.world.cast;
        let place = |id: Id| {
            let mut places = 0..cast.places;
            places.find(|place| cast.peer(*place).id == id)
        };
        let arcs = view.serves.iter().filter_map(|range| {
            let (start, end) = (place(range.arc.start)?, place(range.arc.end)?);
            let is_fenced = view.fenced.is_some_and(|arc| range.arc.covers(arc));
            let fence = if is_fenced { "#" } else { "" };
            Some(format!("({start},{end}]{fence}"))
        });
        arcs.collect()
    }

    pub(crate) fn letter_in_words(&self, life: Life, letter: Letter) -> String {
        let to = letter.to;
        let what = match self.known.requests.word(letter.request) {
            Request::State => "for its pointers",
            Request::Ping => "whether it is there",
            Request::Leaving(_) => "to do without it",
            Request::Transfer(_) => "to take over an arc",
            Request::Claim(_) => "whether an arc is free",
            _ => "something",
        };
        match letter.stage {
            Stage::Asked | Stage::Held => format!("{life} asks {to} {what}"),
            Stage::Told(_) => format!("{life}, which asked {to} {what}, is told"),
            Stage::Refused => format!("{life}, which asked {to} {what}, hears nothing"),
        }
    }
}

/// How states are written in a [`Violation`](crate::check::Violation).
pub const LEGEND: &str = "\
Nodes are numbered clockwise. 1:[2 3]p0 is node 1 with its successor list and its predecessor.
After that: !2 a notification on its way to 2, ?2 a question on its way there (??2: it has arrived),
=2 the answer on its way back; serves(0,1] the arc after 0 up to 1, (0,1]# one of which a part is on
its way to another owner. 1:over is a node that has died or left.";
