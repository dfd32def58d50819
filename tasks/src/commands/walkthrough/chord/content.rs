//! Content: what each node of the ring holds, and whether it is what it must be, by SHA-1 of names and values alone.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, ensure};
use dht::id::Id;
use dht::ownership::Ownership;
use serde::Deserialize;

use crate::client::{Call, Client};
use crate::nodeinfo::NodeInfo;
use crate::ring::Report;
use crate::table;

/// The keys that each node holds, by its identifier.
pub(super) struct Content(pub(super) BTreeMap<Id, BTreeSet<Id>>);

impl Content {
    /// As the nodes of the ring say.
    pub(super) async fn look(client: &Client, ring: &Report) -> Result<Content> {
        #[derive(Deserialize)]
        struct Page {
            count: usize,
            items: Vec<Item>,
        }
        #[derive(Deserialize)]
        struct Item {
            key: Id,
        }
        let mut content = BTreeMap::new();
        for NodeInfo { id, address, .. } in &ring.nodes {
            let call = Call::get(format!("/content?limit={PAGE}"));
            let answer = client.ask(address, &call).await?;
            let Page { count, items } = answer.accepted()?.read()?;
            ensure!(count == items.len(), "{address} holds more than was stored");
            content.insert(*id, items.into_iter().map(|item| item.key).collect());
        }
        Ok(Content(content))
    }

    /// Exactly these values are held, each once, by the owner of its key. Errors: which is not.
    pub(super) fn check(&self, values: &[String], rule: Ownership) -> Result<()> {
        for (node, held) in &self.0 {
            for key in held {
                let owner = owner(self.0.keys().copied(), *key, rule);
                ensure!(
                    owner == Some(*node),
                    "{} is not at its owner",
                    table::key(*key)
                );
            }
        }
        let all: usize = self.0.values().map(BTreeSet::len).sum();
        let held: BTreeSet<Id> = self.0.values().flatten().copied().collect();
        let keys = values.iter().map(|value| Id::of(value.as_bytes()));
        ensure!(
            held.len() == all && held == keys.collect(),
            "{all} values are held, and not just the {} that were stored",
            values.len()
        );
        Ok(())
    }
}

/// The owner of a key among nodes that come in their order.
fn owner(
    nodes: impl DoubleEndedIterator<Item = Id> + Clone,
    key: Id,
    rule: Ownership,
) -> Option<Id> {
    let mut all = nodes.clone();
    match rule {
        Ownership::Successor => nodes
            .clone()
            .find(|node| *node >= key)
            .or_else(|| all.next()),
        Ownership::Predecessor => nodes
            .clone()
            .rfind(|node| *node <= key)
            .or_else(|| all.next_back()),
    }
}

/// More than are stored.
const PAGE: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn content(held: &[(&str, &[&str])]) -> Content {
        let id = |text: &&str| Id::of(text.as_bytes());
        let each = held.iter();
        Content(
            each.map(|(node, values)| (id(node), values.iter().map(id).collect()))
                .collect(),
        )
    }

    /// A value whose identifier lies between those of the two nodes, by which each rule has another owner.
    fn between(first: &str, second: &str) -> String {
        let (first, second) = (Id::of(first.as_bytes()), Id::of(second.as_bytes()));
        let mut values = (0..).map(|number| format!("value-{number}"));
        let is_between = |value: &String| (first..second).contains(&Id::of(value.as_bytes()));
        values
            .find(is_between)
            .expect("there is always another one")
    }

    #[test]
    fn a_value_must_be_at_its_owner_and_only_there() {
        let mut nodes = ["a", "b"];
        nodes.sort_by_key(|name| Id::of(name.as_bytes()));
        let [first, second] = nodes;
        let value = between(first, second);
        let values = [value.clone()];
        let at_first = content(&[(first, &[&value]), (second, &[])]);
        let at_second = content(&[(first, &[]), (second, &[&value])]);
        at_first
            .check(&values, Ownership::Predecessor)
            .expect("it is the node before");
        at_second
            .check(&values, Ownership::Successor)
            .expect("it is the node after");
        for (content, rule) in [
            (&at_first, Ownership::Successor),
            (&at_second, Ownership::Predecessor),
        ] {
            content
                .check(&values, rule)
                .expect_err("another one owns it");
        }
        at_first
            .check(&[], Ownership::Predecessor)
            .expect_err("it was not stored");
        let nowhere = content(&[(first, &[]), (second, &[])]);
        nowhere
            .check(&values, Ownership::Predecessor)
            .expect_err("it is lost");
    }
}
