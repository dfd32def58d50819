//! The commands: one verb, one file.

mod add;
mod addmany;
mod boot;
pub(crate) mod check;
mod completions;
mod del;
mod delete;
mod demo;
mod destroy;
pub(crate) mod figures;
mod get;
mod kill;
mod killall;
pub(crate) mod kvs;
pub(crate) mod leave;
mod logs;
mod lookup;
mod monitor;
mod nodeinfo;
mod pause;
pub(crate) mod prove;
mod put;
mod reboot;
pub(crate) mod replay;
mod restart;
mod resume;
mod ring;
mod safe;
pub(crate) mod shards;
mod shell;
pub(crate) mod simulate;
mod store;
mod storemany;
pub(crate) mod swarm;
mod trace;
mod users;
pub(crate) mod walkthrough;
pub(crate) mod zeromq;

use std::process::ExitCode;

use anyhow::Result;
use serde_json::Value;

use crate::causal;
use crate::cli::{Command, Place};
use crate::client::Answer;
use crate::cluster::Cluster;
use crate::failure::{Failure, NOT_FOUND};
use crate::printer::Printer;

/// Does what was typed.
pub(crate) async fn run(command: Command, place: &Place, printer: Printer) -> Result<ExitCode> {
    let cluster = Cluster::at(place)?;
    if let Some(instead) = instead(&command) {
        causal::refuse(&cluster, instead)?;
    }
    match command {
        Command::Boot(args) => boot::run(args, &cluster, printer).await,
        Command::Add(args) => add::run(args, &cluster, printer).await,
        Command::AddMany(args) => addmany::run(args, &cluster, printer).await,
        Command::Store(args) => store::run(args, &cluster, printer).await,
        Command::StoreMany(args) => storemany::run(args, &cluster, printer).await,
        Command::Users(args) => users::run(args, &cluster, printer).await,
        Command::Lookup(args) => lookup::run(args, &cluster, printer).await,
        Command::Delete(args) => delete::run(args, &cluster, printer).await,
        Command::Put(args) => put::run(args, &cluster, printer).await,
        Command::Get(args) => get::run(args, &cluster, printer).await,
        Command::Del(args) => del::run(args, &cluster, printer).await,
        Command::Leave(args) => leave::run(args, &cluster, printer).await,
        Command::Kill(args) => kill::run(args, &cluster, printer).await,
        Command::Pause(args) => pause::run(args, &cluster, printer),
        Command::Resume(args) => resume::run(args, &cluster, printer),
        Command::KillAll => killall::run(&cluster, printer),
        Command::Destroy(args) => destroy::run(args, &cluster, printer),
        Command::Reboot => reboot::run(&cluster, printer).await,
        Command::Restart(args) => restart::run(args, &cluster, printer).await,
        Command::Safe(args) => safe::run(args, &cluster, printer).await,
        Command::Shards(args) => shards::run(args, &cluster, printer).await,
        Command::Kvs(args) => kvs::run(args, &cluster, printer).await,
        Command::Shell(args) => shell::run(args, place, &cluster, printer).await,
        Command::Ring => ring::run(&cluster, printer).await,
        Command::NodeInfo(args) => nodeinfo::run(args, &cluster, printer).await,
        Command::Trace(args) => trace::run(args, &cluster, printer).await,
        Command::Monitor(args) => monitor::run(args, &cluster, printer).await,
        Command::Demo(args) => demo::run(args, &cluster, printer).await,
        Command::Walkthrough(args) => walkthrough::run(args, &cluster, printer).await,
        Command::Logs(args) => logs::run(args, &cluster, printer).await,
        Command::Prove(args) => prove::run(*args, place, printer).await,
        Command::Simulate(args) => simulate::run(*args, printer).await,
        Command::Swarm(args) => swarm::run(args, printer).await,
        Command::Replay(args) => replay::run(args, printer).await,
        Command::Figures(args) => figures::run(args, printer).await,
        Command::Check(args) => check::run(args, printer).await,
        Command::ZeroMq(args) => zeromq::run(args, printer).await,
        Command::Completions { shell } => completions::run(shell, printer),
        Command::Node(_) => unreachable!("a node runs before there is any command"),
    }
}

/// What does in a causal store what this does in any other network; nothing where it does the same in both.
fn instead(command: &Command) -> Option<&'static str> {
    Some(match command {
        Command::Add(_) | Command::AddMany(_) => "`tasks shards add-member` starts one more node",
        Command::Store(_) | Command::Put(_) => "`tasks kvs put KEY VALUE` writes to it",
        Command::StoreMany(_) | Command::Users(_) => "`tasks shards load` writes much to it",
        Command::Lookup(_) | Command::Get(_) | Command::Trace(_) => "`tasks kvs get KEY` reads it",
        Command::Delete(_) | Command::Del(_) => "`tasks kvs del KEY` deletes from it",
        Command::Leave(_) => "`tasks kill NODE` ends a node, and the others go on without it",
        Command::Reboot => "`tasks shards boot --force` starts it anew",
        Command::Ring | Command::Monitor(_) => "`tasks shards status` shows it",
        Command::Shell(_) => "`tasks kvs` reads and writes it",
        _ => return None,
    })
}

/// The end where something is not there: for programs what the node said, for people an error.
fn missing(printer: Printer, answer: &Answer, text: String) -> Result<ExitCode> {
    if !printer.is_json() {
        return Err(Failure::NotFound(text).into());
    }
    printer.document(&answer.read::<Value>()?)?;
    Ok(ExitCode::from(NOT_FOUND))
}
