//! Files: how many this process may have open, which each connection counts as.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the limit as far as the system lets this process: what it begins with is meant for programs that wait for
/// files with `select`, and is too few for many clients.
pub(crate) fn raise_limit() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current == maximum {
        return;
    }
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!("{error}: it may open no more than {current:?} files, clients included");
    }
}

/// How many there may be; nothing if there is no limit.
pub(crate) fn limit() -> Option<usize> {
    let files = getrlimit(Resource::Nofile).current;
    files.and_then(|files| usize::try_from(files).ok())
}
