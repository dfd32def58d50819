//! Keys: all that there are, asked of one node after the other.

use std::collections::BTreeSet;
use std::process::ExitCode;

use anyhow::Result;
use dht::id::Id;
use serde::Deserialize;

use crate::client::Call;
use crate::cluster::Cluster;
use crate::item::shown;
use crate::printer::{Printer, short};

#[derive(Deserialize)]
struct Page {
    items: Vec<Item>,
    next: Option<Id>,
}

#[derive(Deserialize)]
struct Item {
    key: Id,
    name: Option<String>,
    name_base64: Option<String>,
}

/// A line for each key as its page comes. Where members have copies it stands by the first one that has it; so much is
/// remembered of it that it is not told again.
pub(super) async fn run(cluster: &Cluster, printer: Printer) -> Result<ExitCode> {
    let mut told = BTreeSet::new();
    for process in cluster.running()? {
        let mut after = None;
        loop {
            let after_key = after.map(|key| format!("&after={key}")).unwrap_or_default();
            let call = Call::get(format!("/content?limit={PAGE}{after_key}"));
            let page: Page = cluster
                .client
                .ask(&process.address, &call)
                .await?
                .accepted()?
                .read()?;
            for item in page.items.iter().filter(|item| told.insert(item.key)) {
                printer.line(format_args!(
                    "{}  {}  {}",
                    short(item.key),
                    process.name,
                    item.words()
                ))?;
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
    }
    printer.line(format_args!("{} keys", told.len()))?;
    Ok(ExitCode::SUCCESS)
}

impl Item {
    fn words(&self) -> String {
        match (&self.name, &self.name_base64) {
            (Some(name), _) => shown(name.as_bytes()),
            (None, Some(base64)) => format!("base64: {}", shown(base64.as_bytes())),
            // It is the SHA-1 of its value.
            (None, None) => "(by its value)".to_owned(),
        }
    }
}

/// Nodes send no more at a time.
const PAGE: usize = 1_000;
