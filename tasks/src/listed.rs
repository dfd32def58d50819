//! Listed: networks whose members somebody lists: how nodes get on that list and off it, and whether all of
//! them are as the list says.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, bail};
use dht_state::Process;
use futures::future::join;
use node::config::Membership;
use node::consul::Consul;
use serde::{Deserialize, Serialize};

use crate::client::{Call, Client};
use crate::cluster::Cluster;
use crate::nodeinfo::NodeInfo;
use crate::ring::{Member, Sight};
use crate::settings::Settings;
use crate::spawn::{Berth, Fate, Spawned, Way};

/// The list, and what a node holds by it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Listed {
    /// The answer to `GET /members`.
    pub(crate) list: List,
    /// The answer to `GET /members/here`.
    pub(crate) here: Here,
}

/// What is needed of a list.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct List {
    pub(crate) version: u64,
    members: Vec<Entry>,
    moving: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Entry {
    name: String,
}

/// What a node holds.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Here {
    /// Keys in all.
    pub(crate) keys: u64,
    /// Keys that are its own before all others.
    pub(crate) owned: u64,
    /// Keys that belong elsewhere.
    pub(crate) strays: u64,
}

/// How a node starts that is to become a member beside these.
pub(crate) fn way(settings: &Settings, members: &[Process], berth: Berth) -> Way {
    let addresses = members.iter().map(|member| member.address.clone());
    let addresses: Vec<String> = match settings.membership {
        Membership::Chord => return Way::Join(addresses.collect::<Vec<_>>().join(",")),
        Membership::Static => addresses.chain([berth.address()]).collect(),
        Membership::Consul => return Way::Listed(None),
    };
    Way::Listed(Some(addresses.join(",")))
}

/// Waits until a node that was started is a member and ready, and puts it on the list if that is ours to do.
pub(crate) async fn enter(cluster: &Cluster, node: &mut Spawned) -> Result<Fate> {
    let client = &cluster.client;
    let network = cluster.network()?;
    if network.settings.membership != Membership::Static {
        resize(cluster, &network.settings).await?;
        return node.wait(client).await;
    }
    let Fate::Ready = node.wait_to_listen(client).await? else {
        return node.wait(client).await;
    };
    let Process { name, address, .. } = node.process.clone();
    let others = cluster.running()?.into_iter();
    let others: Vec<Process> = others.filter(|other| other.name != name).collect();
    let (answer, _) = client
        .ask_any(&others, &Call::admit(&name, &address))
        .await?;
    // It is on the list already if it is only another life of a member.
    if !answer.is_success() && answer.code().as_deref() != Some("identifier_taken") {
        bail!(
            "{name} runs, but does not become a member: {}",
            answer.complaint()
        );
    }
    node.wait(client).await
}

/// Takes a node off the list that is dead, if that is ours to do, so that others make up for it.
pub(crate) async fn dismiss(cluster: &Cluster, settings: &Settings, name: &str) -> Result<()> {
    if settings.membership != Membership::Static {
        return resize(cluster, settings).await;
    }
    let (answer, _) = cluster
        .client
        .ask_any(&cluster.running()?, &Call::dismiss(name))
        .await?;
    answer
        .accepted()
        .with_context(|| format!("{name} is dead, but stays on the list of members"))?;
    Ok(())
}

/// Says in Consul of how many nodes a network is to be, where Consul lists them.
pub(crate) async fn expect(settings: &Settings, count: usize) -> Result<()> {
    if settings.membership == Membership::Consul {
        let consul = Consul::of_environment(settings.consul.as_deref())?;
        consul.set_cluster_size(count).await?;
    }
    Ok(())
}

/// The same, of as many as there are.
pub(crate) async fn resize(cluster: &Cluster, settings: &Settings) -> Result<()> {
    expect(settings, cluster.network()?.processes.len()).await
}

/// What a node says of the list; the error is one line for people.
pub(crate) async fn look(client: &Client, address: &str) -> Result<Listed, String> {
    let ask = async |path: &str| {
        let answer = client.ask(address, &Call::get(path)).await;
        let answer = answer.map_err(|_| "does not say what is on its list".to_owned())?;
        match answer.is_success() {
            true => Ok(answer),
            false => Err(answer.complaint()),
        }
    };
    let (list, here) = join(ask("/members"), ask("/members/here")).await;
    let nonsense = |error| format!("{error:#}");
    Ok(Listed {
        list: list?.read().map_err(nonsense)?,
        here: here?.read().map_err(nonsense)?,
    })
}

/// All that is not as the list says: everyone has the same one, which holds all that are alive and nobody else,
/// nothing moves, and every key is with as many members as it names, and nowhere else.
pub(crate) fn problems(members: &[Member], settings: &Settings) -> Vec<String> {
    let answers = |member: &Member| match &member.sight {
        Sight::Answers(info) => Some((member.process.name.clone(), info.clone())),
        Sight::Dead | Sight::Silent(_) => None,
    };
    let infos: Vec<(String, Box<NodeInfo>)> = members.iter().filter_map(answers).collect();
    let mut problems = Vec::new();
    let mut known = Vec::new();
    for (name, info) in &infos {
        match &info.listed {
            None => problems.push(format!("{name}: knows no list of members yet")),
            Some(listed) => known.push((name, listed)),
        }
    }
    let newest = known.iter().max_by_key(|(_, listed)| listed.list.version);
    let Some((_, Listed { list: newest, .. })) = newest else {
        return problems;
    };
    for (name, Listed { list, here }) in &known {
        if list.version < newest.version {
            let (old, new) = (list.version, newest.version);
            problems.push(format!("{name}: has version {old} of the list, not {new}"));
        }
        if list.moving {
            problems.push(format!("{name}: content is moving"));
        }
        if here.strays > 0 {
            problems.push(format!(
                "{name}: holds {} keys that belong elsewhere",
                here.strays
            ));
        }
    }
    let listed: BTreeSet<&str> = newest
        .members
        .iter()
        .map(|entry| entry.name.as_str())
        .collect();
    for name in infos.iter().map(|(name, _)| name.as_str()) {
        if !listed.contains(name) {
            problems.push(format!("{name}: is not on the list of members"));
        }
    }
    let there: BTreeSet<&str> = infos.iter().map(|(name, _)| name.as_str()).collect();
    for name in listed.difference(&there) {
        problems.push(format!(
            "{name}: is on the list of members, but does not answer"
        ));
    }
    let copies = u64::from(settings.replicas).min(newest.members.len() as u64);
    let sum = |count: fn(&Here) -> u64| {
        known
            .iter()
            .map(|(_, listed)| count(&listed.here))
            .sum::<u64>()
    };
    let (expected, found) = (
        copies * sum(|here| here.owned),
        sum(|here| here.keys - here.strays),
    );
    if problems.is_empty() && expected != found {
        problems.push(format!(
            "there are {found} copies of keys, and should be {expected}"
        ));
    }
    problems
}
