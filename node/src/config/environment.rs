//! Environment: the `DHT_*` variables as a source of configuration.
//!
//! Unlike figment's own it takes texts as they are, so that a node may be called `007`, and it reads
//! only the variables it knows, since `tasks` has others with the same prefix.

use std::env;

use figment::value::{Dict, Map, Value};
use figment::{Metadata, Profile, Provider};

use crate::config::draft::{Form, KEYS};

/// The variables of this process.
pub(super) struct Environment {
    /// Whether something else says already that this is a node of a causal store.
    pub(super) is_causal: bool,
}

impl Provider for Environment {
    fn metadata(&self) -> Metadata {
        let is_causal = self.is_causal;
        Metadata::named("the environment").interpolater(move |_, keys| {
            let names = keys.iter().map(|key| name_of_set(key, is_causal));
            names.collect()
        })
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        let mut values = Dict::new();
        for (key, form) in KEYS {
            if let Ok(text) = env::var(name_of_set(key, self.is_causal)) {
                values.insert(key.to_owned(), value(form, text));
            }
        }
        Ok(Profile::Default.collect(values))
    }
}

/// The variable for a key.
pub(super) fn variable(key: &str) -> String {
    format!("DHT_{}", key.to_uppercase())
}

/// The variable that a key is set by: that of a causal store's first nodes, if they are configured so, or if the node
/// is known to be one of a causal store all the same.
pub(super) fn name_of_set(key: &str, is_causal: bool) -> String {
    let own = variable(key);
    let is_one = is_causal || env::var_os(BARE_MARK).is_some();
    let is_bare = BARE.contains(&key) && env::var_os(&own).is_none() && is_one;
    match is_bare {
        true => key.to_uppercase(),
        false => own,
    }
}

/// Keys that have a variable without the prefix, too.
const BARE: [&str; 3] = ["socket_address", "view", "shard_count"];
/// Without this one the others are somebody else's.
const BARE_MARK: &str = "SOCKET_ADDRESS";

fn value(form: Form, text: String) -> Value {
    match form {
        Form::Text => text.into(),
        // What is no number stays a text, and is refused as such where a number is expected.
        Form::Number => text.parse::<u64>().map_or(Value::from(text), Value::from),
        Form::Switch => text.parse::<bool>().map_or(Value::from(text), Value::from),
        Form::List => text
            .split(',')
            .filter(|item| !item.is_empty())
            .map(Value::from)
            .collect::<Vec<_>>()
            .into(),
    }
}
