//! Shard: how the store is divided, and dividing it anew.

use std::net::SocketAddr;

use dht::causal::layout::Change;
use dht::causal::message::{Call, Failure, Returned, Shards};
use rocket::http::Status;
use rocket::{get, put};
use serde_json::json;

use super::answer::Answer;
use super::body::Told;
use crate::doors::http::Node;
use crate::doors::http::guard::Native;

/// All shards; none where the store is not divided.
#[get("/shard/ids")]
pub(crate) async fn ids(node: &Node) -> Result<Answer, Answer> {
    let count = shards(node).await?.layout.shards;
    let ids: Vec<String> = (0..count).map(|shard| shard.to_string()).collect();
    Ok(Answer::new(Status::Ok, json!({"shard-ids": ids})))
}

/// The shard that this node belongs to.
#[get("/shard/node-shard-id")]
pub(crate) async fn own(node: &Node) -> Result<Answer, Answer> {
    match shards(node).await?.own {
        Some(shard) => {
            let body = json!({"node-shard-id": shard.to_string()});
            Ok(Answer::new(Status::Ok, body))
        }
        None => Err(Answer::error(
            Status::NotFound,
            "This node belongs to no shard",
        )),
    }
}

/// The nodes of a shard.
#[get("/shard/members/<shard>")]
pub(crate) async fn members(node: &Node, shard: &str) -> Result<Answer, Answer> {
    let layout = shards(node).await?.layout;
    let shard = number(shard).filter(|shard| *shard < layout.shards);
    let shard = shard.ok_or(Failure::NoSuchShard)?;
    let members: Vec<&SocketAddr> = layout.members(shard).collect();
    Ok(Answer::new(Status::Ok, json!({"shard-members": members})))
}

/// How many keys a shard has at this moment.
#[get("/shard/key-count/<shard>")]
pub(crate) async fn key_count(node: &Node, shard: &str) -> Result<Answer, Answer> {
    let shard = number(shard).ok_or(Failure::NoSuchShard)?;
    match node.arrange(Call::Count(shard)).await? {
        Returned::Count(keys) => Ok(Answer::new(Status::Ok, json!({"shard-key-count": keys}))),
        other => panic!("keys were counted: {other:?}"),
    }
}

/// Where all shards are, by the last decision, and whether that is done.
#[get("/shard/status")]
pub(crate) async fn status(node: &Node) -> Result<Answer, Answer> {
    let shards = shards(node).await?;
    let layout = &shards.layout;
    let members = (0..layout.shards).map(|shard| {
        let members: Vec<&SocketAddr> = layout.members(shard).collect();
        (shard.to_string(), json!(members))
    });
    let body = json!({
        "layout": layout.epoch,
        "settled": shards.is_settled,
        "deciding": shards.is_deciding,
        // Of a change that nobody has heard the end of this says whether it was made or taken back.
        "last-change": shards.change.map(|change| match change {
            Change::Resharded => "resharded",
            Change::Members => "members",
            Change::Nothing => "nothing",
        }),
        "shards": members.collect::<serde_json::Map<_, _>>(),
    });
    Ok(Answer::new(Status::Ok, body))
}

/// Gives a node of the view a place in a shard.
#[put("/shard/add-member/<shard>", data = "<body>")]
pub(crate) async fn add_member(
    node: &Node,
    _native: Native,
    shard: &str,
    body: Told,
) -> Result<Answer, Answer> {
    let address = body.0?.address()?;
    let shard = number(shard).ok_or(Failure::NoSuchShard)?;
    node.arrange(Call::AddMember(address, shard)).await?;
    Ok(Answer::new(
        Status::Ok,
        json!({"result": "node added to shard"}),
    ))
}

/// Divides nodes and keys into so many shards.
#[put("/shard/reshard", data = "<body>")]
pub(crate) async fn reshard(node: &Node, _native: Native, body: Told) -> Result<Answer, Answer> {
    let count = body.0?.member(
        "shard-count",
        "a whole number: how many shards there are to be",
    )?;
    node.arrange(Call::Reshard(count)).await?;
    Ok(Answer::new(Status::Ok, json!({"result": "resharded"})))
}

async fn shards(node: &Node) -> Result<Shards<SocketAddr>, Answer> {
    match node.arrange(Call::Shards).await? {
        Returned::Shards(shards) => Ok(shards),
        other => panic!("shards are {other:?}"),
    }
}

/// The shard of an identifier as clients write it, which is the one way in which nodes do.
fn number(text: &str) -> Option<u32> {
    let number: u32 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}
