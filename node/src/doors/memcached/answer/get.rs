//! Get: `get`, `gets`, `gat` and `gats`. Where this node serves the keys no task is changed and no lock of the
//! protocol is taken; where others do, several reads are under way at a time, and answered in their order.

use std::io;

use bytes::Bytes;
use dht::record::Record;
use futures::stream::{self, StreamExt as _};

use super::super::Shared;
use super::super::item::{client_flags, named, read, value};
use super::super::limits::READS_MAX;
use super::super::line::shared_words;
use super::super::output::Output;
use super::super::refusal::Refusal;
use super::super::request::Get;
use super::touch::touched;

pub(super) async fn get(shared: &Shared, get: &Get, output: &mut Output<'_>) -> io::Result<()> {
    if let Some(exptime) = get.touch {
        return Box::pin(get_and_touch(shared, get, exptime, output)).await;
    }
    for key in get.keys() {
        let Some(record) = shared.node.read_here(shared.node.identify(key)) else {
            let rest = get.keys_from(key);
            return Box::pin(get_elsewhere(shared, get, rest, output)).await;
        };
        tell(shared, get, key, named(record, key), output).await?;
    }
    output.push(b"END\r\n");
    Ok(())
}

/// The same where others are to be asked.
async fn get_elsewhere(
    shared: &Shared,
    get: &Get,
    keys: impl Iterator<Item = Bytes>,
    output: &mut Output<'_>,
) -> io::Result<()> {
    let node = &shared.node;
    let reads = keys.map(async |key| (read(node, &key).await, key));
    let mut records = stream::iter(reads).buffered(READS_MAX);
    while let Some((record, key)) = records.next().await {
        match record {
            Ok(record) => tell(shared, get, &key, record, output).await?,
            Err(refusal) => return refuse(refusal, output),
        }
    }
    output.push(b"END\r\n");
    Ok(())
}

async fn get_and_touch(
    shared: &Shared,
    get: &Get,
    exptime: i64,
    output: &mut Output<'_>,
) -> io::Result<()> {
    let node = &shared.node;
    let touches =
        shared_words(&get.keys).map(async |key| (touched(node, &key, exptime).await, key));
    let mut records = stream::iter(touches).buffered(READS_MAX);
    while let Some((record, key)) = records.next().await {
        match record {
            Ok(record) => {
                shared.counts.touch.up(record.is_some());
                tell(shared, get, &key, record, output).await?;
            }
            Err(refusal) => return refuse(refusal, output),
        }
    }
    output.push(b"END\r\n");
    Ok(())
}

/// A client that is told of an error waits for nothing more.
fn refuse(refusal: Refusal, output: &mut Output<'_>) -> io::Result<()> {
    output.refuse(refusal);
    Ok(())
}

/// `VALUE <key> <flags> <bytes> [<version>]`, and the value.
async fn tell(
    shared: &Shared,
    get: &Get,
    key: &[u8],
    record: Option<Record>,
    output: &mut Output<'_>,
) -> io::Result<()> {
    shared.counts.get.up(record.is_some());
    let Some(record) = record else {
        return Ok(());
    };
    let value = value(&record);
    output.push(b"VALUE ");
    output.push(key);
    output.push(b" ");
    output.number(client_flags(&record));
    output.push(b" ");
    output.number(value.len());
    if get.with_version {
        output.push(b" ");
        output.number(record.version.number());
    }
    output.push(b"\r\n");
    output.value(value).await
}
