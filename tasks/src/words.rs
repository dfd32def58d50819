//! Words: ordinary filler text, and distinct values made of it.

use rand::RngExt as _;
use rand::seq::IndexedRandom as _;

/// The words of `lipsum.txt`, lower case, without punctuation, each as often as it stands there.
pub(crate) fn words() -> Vec<String> {
    include_str!("../../lipsum.txt")
        .split(|character: char| !character.is_alphabetic())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect()
}

/// `count` values such as "lorem ipsum dolor 4711", no two of them the same.
pub(crate) fn values(count: usize) -> Vec<String> {
    let words = words();
    let mut random = rand::rng();
    let first = random.random_range(1_000..1_000_000_000_u64);
    let mut word = || words.choose(&mut random).expect("there are words").as_str();
    (first..)
        .take(count)
        .map(|number| format!("{} {} {} {number}", word(), word(), word()))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn there_are_at_least_400_distinct_words() {
        let distinct: BTreeSet<_> = words().into_iter().collect();
        assert!(distinct.len() >= 400, "{}", distinct.len());
        assert!(distinct.contains("lorem"));
    }

    #[test]
    fn values_are_distinct() {
        let distinct: BTreeSet<_> = values(2_000).into_iter().collect();
        assert_eq!(distinct.len(), 2_000);
    }
}
