//! View: which nodes belong to the store.

use dht::causal::message::{Call, Returned};
use rocket::http::Status;
use rocket::{delete, get, put};
use serde_json::json;

use super::answer::Answer;
use super::body::Told;
use crate::doors::http::Node;
use crate::doors::http::guard::Native;

/// All nodes, in order.
#[get("/view")]
pub(crate) async fn view(node: &Node) -> Result<Answer, Answer> {
    match node.arrange(Call::View).await? {
        Returned::View(view) => Ok(Answer::new(Status::Ok, json!({"view": view}))),
        other => panic!("the view is {other:?}"),
    }
}

/// Adds a node.
#[put("/view", data = "<body>")]
pub(crate) async fn add(node: &Node, _native: Native, body: Told) -> Result<Answer, Answer> {
    let address = body.0?.address()?;
    match node.arrange(Call::Add(address)).await? {
        Returned::Added(true) => Ok(Answer::new(Status::Created, json!({"result": "added"}))),
        Returned::Added(false) => Ok(Answer::new(
            Status::Ok,
            json!({"result": "already present"}),
        )),
        other => panic!("a node was added: {other:?}"),
    }
}

/// Removes a node that is gone for good.
#[delete("/view", data = "<body>")]
pub(crate) async fn delete(node: &Node, _native: Native, body: Told) -> Result<Answer, Answer> {
    let address = body.0?.address()?;
    match node.arrange(Call::Delete(address)).await? {
        Returned::Deleted(true) => Ok(Answer::new(Status::Ok, json!({"result": "deleted"}))),
        Returned::Deleted(false) => {
            Err(Answer::error(Status::NotFound, "View has no such replica"))
        }
        other => panic!("a node was deleted: {other:?}"),
    }
}
