//! Catcher: tells what was wrong with a request that no handler has answered.

use std::collections::BTreeSet;

use rocket::http::Status;
use rocket::{Request, Route, catch};

use crate::doors::http::error::Error;
use crate::doors::http::guard;

/// Everything that did not end in a handler.
#[catch(default)]
pub(crate) fn any(status: Status, request: &Request<'_>) -> Error {
    if let Some(error) = guard::complaint(request) {
        return error;
    }
    match status.code {
        404 => unrouted(request),
        413 => Error::new(status, "too_large", "the body is larger than it may be"),
        500 => Error::new(status, "internal", "this node made a mistake"),
        _ => Error::new(
            status,
            "bad_request",
            status.reason().unwrap_or("the request makes no sense"),
        ),
    }
}

/// No route for it: a wrong path, or a wrong method.
fn unrouted(request: &Request<'_>) -> Error {
    let routes = request
        .rocket()
        .routes()
        .filter(|route| is_path_of(route, request));
    let methods: BTreeSet<&str> = routes.map(|route| route.method.as_str()).collect();
    if methods.is_empty() {
        return Error::new(
            Status::NotFound,
            "no_such_path",
            "there is nothing at this path",
        );
    }
    let methods = methods.into_iter().collect::<Vec<_>>().join(", ");
    let message = format!("this path takes {methods}");
    Error::new(Status::MethodNotAllowed, "method_not_allowed", message).header("Allow", methods)
}

fn is_path_of(route: &Route, request: &Request<'_>) -> bool {
    let mut asked = request.uri().path().segments();
    for segment in route
        .uri
        .path()
        .split('/')
        .filter(|segment| !segment.is_empty())
    {
        if segment.ends_with("..>") {
            return true;
        }
        match asked.next() {
            Some(asked) if segment.starts_with('<') || segment == asked => {}
            _ => return false,
        }
    }
    asked.next().is_none()
}
