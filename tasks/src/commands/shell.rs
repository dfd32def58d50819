//! `tasks shell`: a prompt on a network, for people and for pipes.
//!
//! A line is a command as it is typed behind `tasks`, with a few names more; with `--classic` only what the
//! memcached lab's shell knew, answered in its words.

mod classic;
mod keys;
mod line;
mod prompt;

use std::process::ExitCode;

use anyhow::Result;

use self::line::Line;
use self::prompt::Prompt;
use crate::cli::{self, Command, Place};
use crate::cluster::Cluster;
use crate::failure::{FAILED, Failure};
use crate::printer::Printer;

pub(super) async fn run(
    args: cli::Shell,
    place: &Place,
    cluster: &Cluster,
    printer: Printer,
) -> Result<ExitCode> {
    // Better now than after the first line.
    cluster.running()?;
    let mut prompt = Prompt::new(cluster, args.classic)?;
    if prompt.is_watched() {
        printer.note("`help` tells what can be typed, Tab completes, `quit` or Ctrl-D ends.");
    }
    let mut all_went_well = true;
    while let Some(typed) = prompt.next()? {
        let went_well = match args.classic {
            true => match classic::answer(&typed, cluster, printer).await? {
                Some(went_well) => went_well,
                None => break,
            },
            false => match Line::parse(&typed) {
                Line::Nothing => true,
                Line::Quit => break,
                Line::Wrong(text) => {
                    printer.note(text.trim_end());
                    false
                }
                Line::Told(text) => printer.line(text.trim_end()).map(|()| true)?,
                Line::Keys => outcome(keys::run(cluster, printer).await, printer)?,
                Line::Command(command) => {
                    let is_get = matches!(*command, Command::Get(_));
                    // In a box, for it may be any command, and this is one.
                    let done = Box::pin(super::run(*command, place, printer)).await;
                    let went_well = outcome(done, printer)?;
                    // A value is printed as it is, and the prompt should not stand behind it.
                    if is_get && went_well {
                        printer.line("")?;
                    }
                    went_well
                }
            },
        };
        all_went_well &= went_well;
    }
    // Who sits at the prompt has seen what failed; a script has to be told.
    Ok(match all_went_well || prompt.is_watched() {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(FAILED),
    })
}

/// Whether a command went well; what it could not do is told, and the shell goes on. Errors: nobody reads.
fn outcome(done: Result<ExitCode>, printer: Printer) -> Result<bool> {
    match done {
        Ok(code) => Ok(code == ExitCode::SUCCESS),
        Err(error) if matches!(error.downcast_ref(), Some(Failure::Unread)) => Err(error),
        Err(error) => {
            printer.note(format_args!("error: {error:#}"));
            Ok(false)
        }
    }
}
