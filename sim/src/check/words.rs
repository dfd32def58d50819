//! Words: what nodes say to one another, each kept once and known by its number.

use std::collections::HashMap;
use std::fmt::Debug;

/// Something that was said, by its number.
pub(crate) type Word = u32;

/// Words by number and numbers by word.
#[derive(Clone, Debug)]
pub(crate) struct Words<T> {
    words: Vec<T>,
    numbers: HashMap<String, Word>,
}

impl<T> Default for Words<T> {
    fn default() -> Words<T> {
        Words {
            words: Vec::new(),
            numbers: HashMap::new(),
        }
    }
}

impl<T: Debug> Words<T> {
    /// The number of a word. Two are the same if they read the same.
    pub(crate) fn number(&mut self, word: T) -> Word {
        let text = format!("{word:?}");
        *self.numbers.entry(text).or_insert_with(|| {
            self.words.push(word);
            self.words.len() as Word - 1
        })
    }

    pub(crate) fn word(&self, number: Word) -> &T {
        &self.words[number as usize]
    }
}
