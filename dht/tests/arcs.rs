//! Arithmetic of identifiers and arcs, against numbers of any size as they come from `num-bigint`.

use dht::{Arc, Id};
use num_bigint::BigUint;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

/// The size of the ring.
fn size() -> BigUint {
    BigUint::from(1_u8) << 160
}

fn number(id: Id) -> BigUint {
    BigUint::from_bytes_be(id.as_bytes())
}

fn id(number: BigUint) -> Id {
    let bytes = (number % size()).to_bytes_be();
    let mut padded = [0; Id::BYTES];
    padded[Id::BYTES - bytes.len()..].copy_from_slice(&bytes);
    Id::from_bytes(padded)
}

/// Steps clockwise from one to the other.
fn steps(from: Id, to: Id) -> BigUint {
    (size() + number(to) - number(from)) % size()
}

/// Whether `id` lies on (start, end], the whole ring where both are equal.
fn lies_on(arc: Arc, id: Id) -> bool {
    let (rest, length) = (steps(arc.start, id), steps(arc.start, arc.end));
    arc.start == arc.end || (rest > BigUint::ZERO && rest <= length)
}

/// Identifiers of all kinds: anywhere, and close to the places where carries and wraps happen.
fn ids() -> impl Strategy<Value = Id> {
    let anywhere = any::<[u8; 20]>().prop_map(Id::from_bytes);
    let near = (0_u8..Id::BITS, 0_u8..4, any::<bool>()).prop_map(|(exponent, offset, above)| {
        let power = BigUint::from(1_u8) << exponent;
        let offset = BigUint::from(offset);
        id(if above {
            power + offset
        } else {
            size() + power - offset
        })
    });
    let ends = (0_u8..4, any::<bool>()).prop_map(|(offset, above)| {
        let offset = BigUint::from(offset);
        id(if above {
            offset
        } else {
            size() - BigUint::from(1_u8) - offset
        })
    });
    prop_oneof![2 => anywhere, 2 => near, 3 => ends]
}

fn arcs() -> impl Strategy<Value = Arc> {
    let any_two = (ids(), ids()).prop_map(|(start, end)| Arc::new(start, end));
    let whole = ids().prop_map(|start| Arc::new(start, start));
    prop_oneof![6 => any_two, 1 => whole]
}

/// Identifiers where something changes: the ends of arcs, and what lies beside them.
fn edges(arcs: &[Arc]) -> Vec<Id> {
    let ends = arcs.iter().flat_map(|arc| [arc.start, arc.end]);
    let mut edges: Vec<Id> = ends
        .flat_map(|end| [end.previous(), end, end.next()])
        .collect();
    edges.extend([Id::ZERO, Id::MAX]);
    edges
}

/// Pieces overlap nowhere, and none of them could be joined with another.
fn are_apart(pieces: &[Arc]) -> bool {
    pieces.iter().enumerate().all(|(place, piece)| {
        let mut others = pieces.iter().enumerate().filter(|other| other.0 != place);
        others.all(|(_, other)| {
            !lies_on(*piece, other.end) && !lies_on(*other, piece.end) && piece.end != other.start
        })
    })
}

fn cases() -> ProptestConfig {
    ProptestConfig {
        cases: 512,
        rng_seed: RngSeed::Fixed(1),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn sums_and_differences_wrap_around(a in ids(), b in ids()) {
        prop_assert_eq!(a.plus(b), id(number(a) + number(b)));
        prop_assert_eq!(a.minus(b), id(size() + number(a) - number(b)));
        prop_assert_eq!(number(a.distance_to(b)), steps(a, b));
        prop_assert_eq!(a.next(), id(number(a) + 1_u8));
        prop_assert_eq!(a.next().previous(), a);
        prop_assert_eq!(a.cmp(&b), number(a).cmp(&number(b)));
    }

    #[test]
    fn the_highest_bit_is_the_logarithm(a in ids()) {
        let expected = number(a).bits().checked_sub(1);
        prop_assert_eq!(a.highest_bit().map(u64::from), expected);
        if let Some(bit) = a.highest_bit() {
            prop_assert_eq!(number(Id::power_of_two(bit)), BigUint::from(1_u8) << bit);
            prop_assert!(Id::power_of_two(bit) <= a);
        }
    }

    #[test]
    fn an_identifier_is_written_as_forty_digits_and_read_back(a in ids()) {
        let text = a.to_string();
        prop_assert_eq!(text.len(), 40);
        prop_assert_eq!(&text, &format!("{:040x}", number(a)));
        prop_assert_eq!(text.parse(), Ok(a));
        prop_assert_eq!(text.to_uppercase().parse(), Ok(a));
        let json = serde_json::to_string(&a).expect("an identifier is written");
        prop_assert_eq!(&json, &format!("\"{text}\""));
        prop_assert_eq!(serde_json::from_str::<Id>(&json).expect("and read"), a);
    }

    #[test]
    fn nothing_else_is_an_identifier(text in "[0-9a-g \u{e9}+-]{0,42}") {
        let is_one = text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        prop_assert_eq!(text.parse::<Id>().is_ok(), is_one);
    }

    #[test]
    fn between_is_strictly_inside(after in ids(), x in ids(), before in ids()) {
        let (rest, length) = (steps(after, x), steps(after, before));
        let inside = if after == before { x != after } else { rest > BigUint::ZERO && rest < length };
        prop_assert_eq!(x.is_between(after, before), inside);
    }

    #[test]
    fn an_arc_contains_what_lies_after_its_start_up_to_its_end(arc in arcs(), x in ids()) {
        for id in edges(&[arc]).into_iter().chain([x]) {
            prop_assert_eq!(arc.contains(id), lies_on(arc, id), "{}", id);
        }
        prop_assert!(arc.contains(arc.end));
    }

    #[test]
    fn an_arc_covers_another_if_nothing_of_that_is_left_without_it(a in arcs(), b in arcs()) {
        prop_assert_eq!(a.covers(b), b.without(a).next().is_none());
        prop_assert!(a.covers(a));
        let inside = |id: &Id| lies_on(b, *id);
        let mut inner = edges(&[a, b]).into_iter().filter(inside);
        prop_assert_eq!(a.covers(b), inner.all(|id| lies_on(a, id)));
    }

    #[test]
    fn an_intersection_is_what_lies_on_both(a in arcs(), b in arcs(), x in ids()) {
        let pieces: Vec<Arc> = a.intersection(b).collect();
        for id in edges(&[a, b]).into_iter().chain([x]) {
            let lies = pieces.iter().any(|piece| lies_on(*piece, id));
            prop_assert_eq!(lies, lies_on(a, id) && lies_on(b, id), "{} of {:?}", id, pieces);
        }
        prop_assert!(are_apart(&pieces), "{:?}", pieces);
    }

    #[test]
    fn what_is_without_another_lies_on_the_first_alone(a in arcs(), b in arcs(), x in ids()) {
        let pieces: Vec<Arc> = a.without(b).collect();
        for id in edges(&[a, b]).into_iter().chain([x]) {
            let lies = pieces.iter().any(|piece| lies_on(*piece, id));
            prop_assert_eq!(lies, lies_on(a, id) && !lies_on(b, id), "{} of {:?}", id, pieces);
        }
        prop_assert!(are_apart(&pieces), "{:?}", pieces);
    }
}

/// The whole ring has no seam: wherever it is said to start, what is left of it without an arc is one
/// arc. A node that was alone is ready only if it sees that.
#[test]
fn the_whole_ring_without_an_arc_is_one_arc() {
    let [a, b, c] = [10, 100, 200].map(|byte| Id::from_bytes([byte; Id::BYTES]));
    let whole = Arc::new(a, a);
    let rest: Vec<Arc> = whole.without(Arc::new(b, c)).collect();
    assert_eq!(rest, [Arc::new(c, b)]);
}
