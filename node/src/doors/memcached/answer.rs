//! Answer: requests are carried out, each exchange in a file of its own.

mod arithmetic;
mod delete;
mod flush;
mod get;
mod meta_arithmetic;
mod meta_delete;
mod meta_get;
mod meta_set;
mod meta_words;
mod stats;
mod store;
mod touch;

use std::io;

pub(super) use self::flush::Pending;
use super::Shared;
use super::output::Output;
use super::refusal::Refusal;
use super::request::{Refused, Request};

/// Whether a connection goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    Goes,
    Ends,
}

/// Carries a request out and answers it. Errors: the connection is broken.
pub(super) async fn answer(
    shared: &Shared,
    request: Request,
    output: &mut Output<'_>,
) -> io::Result<Next> {
    match request {
        Request::Get(get) => get::get(shared, &get, output).await?,
        Request::Quit => return Ok(Next::Ends),
        Request::Refused(Refused {
            refusal,
            quiet,
            is_last,
        }) => {
            if !quiet {
                output.refuse(refusal);
            }
            if is_last {
                return Ok(Next::Ends);
            }
        }
        Request::Store(store) => store::store(shared, store, output).await,
        // In a box, lest the short way has to make room for the long ones.
        other => Box::pin(answer_other(shared, other, output)).await?,
    }
    output.make_room().await?;
    Ok(Next::Goes)
}

async fn answer_other(
    shared: &Shared,
    request: Request,
    output: &mut Output<'_>,
) -> io::Result<()> {
    match request {
        Request::MetaGet(get) => return meta_get::get(shared, &get, output).await,
        Request::MetaSet(set) => meta_set::set(shared, *set, output).await,
        Request::MetaDelete(delete) => meta_delete::delete(shared, &delete, output).await,
        Request::MetaArithmetic(arithmetic) => {
            meta_arithmetic::arithmetic(shared, &arithmetic, output).await;
        }
        Request::MetaDebug(head) => meta_words::debug(shared, &head, output).await,
        Request::MetaNothing => output.push(b"MN\r\n"),
        Request::Arithmetic(arithmetic) => {
            arithmetic::arithmetic(shared, &arithmetic, output).await;
        }
        Request::Touch(touch) => touch::touch(shared, &touch, output).await,
        Request::Delete(delete) => delete::delete(shared, &delete, output).await,
        Request::FlushAll { exptime, quiet } => {
            let flushed = flush::flush_all(shared, exptime).await;
            say(output, quiet, flushed.map(|()| &b"OK\r\n"[..]));
        }
        Request::Stats(kind) => stats::stats(shared, &kind, output),
        Request::Verbosity { quiet } => say(output, quiet, Ok(b"OK\r\n")),
        Request::Version => {
            let version = concat!("VERSION ", env!("CARGO_PKG_VERSION"), "\r\n");
            output.push(version.as_bytes());
        }
        // These have been answered.
        Request::Get(_) | Request::Store(_) | Request::Quit | Request::Refused(_) => {}
    }
    Ok(())
}

/// Says what became of something, if anybody wants to hear it.
fn say(output: &mut Output<'_>, quiet: bool, said: Result<&[u8], Refusal>) {
    match said {
        _ if quiet => {}
        Ok(words) => output.push(words),
        Err(refusal) => output.refuse(refusal),
    }
}
