//! Members: the list of a network whose members are listed, and its changes.

use std::collections::BTreeMap;
use std::sync::Arc;

use dht::Id;
use dht::store::Limit;
use rocket::http::Status;
use rocket::serde::json::Json as Answer;
use rocket::{delete, get, put};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::task::yield_now;

use crate::clock::now_ms;
use crate::config::{Membership, placement_name};
use crate::doors::http::Node;
use crate::doors::http::bytes::{Json, Readable};
use crate::doors::http::error::Error;
use crate::doors::http::guard::{Native, Tail};
use crate::introduction::{Refusal, Stranger, info, is_address};
use crate::{Member, MembersChange, Table};

/// Who is to become a member.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Newcomer {
    /// Where it is reached: host and port.
    address: String,
    /// What it must call itself, if that is known.
    name: Option<String>,
}

/// The list, as this node knows it.
#[get("/members")]
pub(crate) fn members(node: &Node) -> Result<Answer<Value>, Error> {
    let table = table(node)?;
    let partitions = table.owned().map(|owned| {
        let names = table.members.iter().map(|member| member.name.as_str());
        names.zip(owned).collect::<BTreeMap<_, _>>()
    });
    Ok(Answer(json!({
        "version": table.version,
        "members": table.members.iter().map(member_json).collect::<Vec<_>>(),
        "placement": placement_name(table.scheme),
        "partitions": partitions,
        "replicas": table.replicas,
        "moving": table.change.is_some(),
    })))
}

/// What this node holds, and what of it belongs elsewhere by the list: it looks at every key, a page at a time.
#[get("/members/here")]
pub(crate) async fn here(node: &Node) -> Result<Answer<Value>, Error> {
    let table = table(node)?;
    let (layout, me) = (table.layout(), node.view().me.id);
    let (content, shown, now_ms) = (node.driver().content(), node.shows(), now_ms());
    let (mut keys, mut owned, mut strays) = (0, 0, 0);
    let (mut after, mut more) = (Id::ZERO, true);
    while more {
        let items;
        (items, more) = content.page(&shown, after, Id::ZERO, PAGE, now_ms);
        for (key, _) in &items {
            let keepers = layout.replicas(*key);
            keys += 1;
            owned += u64::from(keepers.first() == Some(&me));
            strays += u64::from(!keepers.contains(&me));
            after = *key;
        }
        // Others want something of this node, too.
        yield_now().await;
    }
    Ok(Answer(json!({
        "version": table.version,
        "moving": table.change.is_some(),
        "keys": keys,
        "owned": owned,
        "strays": strays,
    })))
}

/// Makes a node that runs a member. Answers when its content is there.
#[put("/members", data = "<newcomer>")]
pub(crate) async fn put(
    node: &Node,
    _native: Native,
    newcomer: Json<Newcomer>,
) -> Result<Answer<Value>, Error> {
    changeable(node)?;
    let Newcomer { address, name } = newcomer.0;
    if !is_address(&address) {
        return Err(Error::bad("bad_address", "address is HOST:PORT"));
    }
    let found = info(node, &address).await.map_err(|refusal| {
        let (Refusal::Later(reason) | Refusal::Final(_, reason)) = refusal;
        Error::bad("unreachable_peer", format!("{address}: {reason}"))
    })?;
    found.check(node, &address).map_err(stranger)?;
    if name.is_some_and(|name| name != found.name) {
        let message = format!("the node at {address} calls itself `{}`", found.name);
        return Err(Error::new(Status::Conflict, "identity_mismatch", message));
    }
    change(node, MembersChange::Add(found.member())).await
}

/// Takes a member off the list: by its name, address or identifier. Answers when its content is elsewhere.
#[delete("/members/<_..>")]
pub(crate) async fn delete(
    node: &Node,
    _native: Native,
    member: Tail<'_>,
) -> Result<Answer<Value>, Error> {
    changeable(node)?;
    let member = member.up_to(NAME_BYTES_MAX, "member")?;
    let member = String::from_utf8_lossy(&member);
    let table = table(node)?;
    let Some(id) = find(&table, &member) else {
        let message = format!("`{member}` is no name, address or identifier of a member");
        return Err(Error::new(Status::NotFound, "no_member", message));
    };
    change(node, MembersChange::Remove { id, leaves: false }).await
}

/// How many partitions a member owns.
pub(crate) fn owned(table: &Table, id: Id) -> Option<usize> {
    let owned = table.owned()?;
    let members = table.members.iter();
    let mut owned = members.zip(owned);
    let own = owned.find(|(member, _)| member.peer.id == id);
    own.map(|(_, owned)| owned)
}

async fn change(node: &Node, change: MembersChange) -> Result<Answer<Value>, Error> {
    let version = node.change_members(change).await?;
    Ok(Answer(json!({"version": version})))
}

/// The list, once there is one.
fn table(node: &Node) -> Result<Arc<Table>, Error> {
    unlisted(node)?;
    let table = node.view().table.clone();
    table.filter(|table| table.version > 0).ok_or_else(|| {
        let reason = "this node does not know the list of members yet";
        Error::busy("not_ready", reason)
    })
}

fn unlisted(node: &Node) -> Result<(), Error> {
    if node.scheme.is_some() {
        return Ok(());
    }
    let message = "this network is a ring that keeps itself: it has no list of members";
    Err(Error::new(Status::NotFound, "no_list", message))
}

/// Whether the list is changed here.
fn changeable(node: &Node) -> Result<(), Error> {
    unlisted(node)?;
    if node.membership != Membership::Consul {
        return Ok(());
    }
    let message = "the members are those that Consul lists: start a node, or end one";
    Err(Error::new(Status::Conflict, "listed_elsewhere", message))
}

fn find(table: &Table, text: &str) -> Option<Id> {
    let by = |is: &dyn Fn(&Member) -> bool| table.members.iter().find(|member| is(member));
    let found = by(&|member| member.name == text)
        .or_else(|| by(&|member| member.peer.address.to_string() == text))
        .or_else(|| by(&|member| member.peer.id.to_string() == text));
    found.map(|member| member.peer.id)
}

fn stranger(stranger: Stranger) -> Error {
    let message = match &stranger {
        Stranger::Setting {
            member,
            setting,
            theirs,
        } => {
            format!("{member} has another {setting}, `{theirs}`: start it as the others")
        }
        Stranger::Network { .. } => stranger.to_string(),
    };
    Error::new(Status::Conflict, "wrong_network", message)
}

fn member_json(member: &Member) -> Value {
    json!({
        "id": member.peer.id,
        "address": member.peer.address,
        "incarnation": member.peer.incarnation,
        "name": member.name,
        "label": member.label,
        "zone": member.zone.map(|zone| format!("{zone:016x}")),
        "weight": member.weight,
    })
}

impl Readable for Newcomer {
    /// A name of the largest size, in the longest form that JSON has for it, and an address.
    const BYTES_MAX: usize = 4096;
}

const NAME_BYTES_MAX: usize = 255;
/// What is looked at without a pause.
const PAGE: Limit = Limit {
    records: 256,
    bytes: 4 * 1024 * 1024,
};
