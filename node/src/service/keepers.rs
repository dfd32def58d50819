//! Keepers: who keeps a key where members are listed, by the list that all of them have decided on.

use std::sync::{Arc, PoisonError, RwLock};

use dht::Id;
use dht::listed::table::Layout;

use super::Service;
use crate::{Peer, Table};

/// Where keys belong by the last list that was asked for: it takes a while to work out.
#[derive(Debug, Default)]
pub(super) struct Keepers {
    last: RwLock<Option<(Arc<Table>, Arc<Layout>)>>,
}

impl Keepers {
    fn layout(&self, table: &Arc<Table>) -> Arc<Layout> {
        let last = self.last.read().unwrap_or_else(PoisonError::into_inner);
        let known = last.as_ref().filter(|(of, _)| Arc::ptr_eq(of, table));
        if let Some((_, layout)) = known {
            return layout.clone();
        }
        drop(last);
        let layout = Arc::new(table.layout());
        let mut last = self.last.write().unwrap_or_else(PoisonError::into_inner);
        *last = Some((table.clone(), layout.clone()));
        layout
    }
}

impl Service {
    /// Whether the list of the network's members is known that all of them have decided on.
    pub fn has_table(&self) -> bool {
        self.table().is_some()
    }

    /// Those that keep a key, the owner first, where members are listed; nobody while the list is not known.
    pub fn keepers(&self, key: Id) -> Option<Vec<Peer>> {
        self.scheme?;
        let Some(table) = self.table() else {
            return Some(Vec::new());
        };
        let keepers = self.keepers.layout(&table).replicas(key).into_iter();
        let present = |id| match self.view().me {
            me if me.id == id => Some(me),
            _ => table.member(id).map(|member| member.peer),
        };
        Some(keepers.filter_map(present).collect())
    }

    /// Whether members are listed, and this node is one of those that keep a key.
    pub(super) fn is_keeper(&self, key: Id) -> bool {
        let keepers = self.table().map(|table| self.keepers.layout(&table));
        keepers.is_some_and(|layout| layout.replicas(key).contains(&self.view().me.id))
    }

    /// The list, if one has been decided.
    fn table(&self) -> Option<Arc<Table>> {
        let table = self.view().table.clone();
        table.filter(|table| table.version > 0)
    }
}
