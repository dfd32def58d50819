//! Membership: who the servers are, as they register and as the client is told: by Consul, or by a list in this
//! command where there is none.

use std::collections::{BTreeMap, BTreeSet};
use std::process;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use node::consul::{Consul, Instance, Registration, Watch};
use tokio::time::timeout;

use super::process::Process;
use crate::shards::{Server, Side};

/// Who the servers are.
pub(super) enum Membership {
    /// What is registered is what runs.
    List,
    /// Consul keeps it, and tells of changes.
    Consul(Box<Registry>),
}

/// Consul, and what was told to it.
pub(super) struct Registry {
    consul: Consul,
    watch: Watch,
    service: String,
    /// Identifiers of what is registered.
    registered: BTreeSet<String>,
    /// What `cluster_size` was before.
    size_before: Option<usize>,
}

impl Membership {
    pub(super) fn new(consul: Option<&str>) -> Result<Membership> {
        let Some(url) = consul else {
            return Ok(Membership::List);
        };
        let consul = Consul::of_environment(Some(url))?;
        // One of its own, so that nothing that runs there is touched.
        let service = format!("walkthrough-{}", process::id());
        Ok(Membership::Consul(Box::new(Registry {
            watch: consul.watch(&service),
            consul,
            service,
            registered: BTreeSet::new(),
            size_before: None,
        })))
    }

    /// A few words for people.
    pub(super) fn describe(&self) -> String {
        match self {
            Membership::List => {
                "a list in this command, for no Consul is named (--consul URL)".to_owned()
            }
            Membership::Consul(registry) => {
                let (url, service) = (registry.consul.url(), &registry.service);
                format!("Consul at {url}, as the service `{service}`")
            }
        }
    }

    /// Says of how many servers the cluster is to be. Returns what those who start servers read.
    pub(super) async fn signal(&mut self, size: usize) -> Result<usize> {
        let Membership::Consul(registry) = self else {
            return Ok(size);
        };
        let consul = &registry.consul;
        if registry.size_before.is_none() {
            registry.size_before = consul.cluster_size().await?;
        }
        consul.set_cluster_size(size).await?;
        let read = consul.cluster_size().await?;
        match read.context("Consul does not keep `cluster_size`")? {
            read if read == size => Ok(read),
            read => bail!("somebody else has set `cluster_size` to {read} meanwhile"),
        }
    }

    /// Makes a server known.
    pub(super) async fn register(&mut self, process: &Process) -> Result<()> {
        let Membership::Consul(registry) = self else {
            return Ok(());
        };
        let (name, endpoint) = (process.name.clone(), process.endpoint.clone());
        let id = registry.id(&name);
        let registration = Registration {
            id: id.clone(),
            service: registry.service.clone(),
            address: process.address,
            meta: BTreeMap::from([("name".to_owned(), name), ("zeromq".to_owned(), endpoint)]),
            check: format!("http://{}/healthz", process.address),
        };
        registry.registered.insert(id);
        Ok(registry.consul.register(&registration).await?)
    }

    /// Makes a server unknown.
    pub(super) async fn forget(&mut self, name: &str) -> Result<()> {
        let Membership::Consul(registry) = self else {
            return Ok(());
        };
        let id = registry.id(name);
        registry.consul.deregister(&id).await?;
        registry.registered.remove(&id);
        Ok(())
    }

    /// The servers, as a client is told: Consul pushes each change, and this returns when it tells of exactly those
    /// that run.
    pub(super) async fn servers(&mut self, processes: &[Process]) -> Result<Vec<Arc<Server>>> {
        let server = |label: &str, endpoint: &str| {
            Arc::new(Server::new(label, endpoint, Side::Connect, PATIENCE))
        };
        let Membership::Consul(registry) = self else {
            let each = processes.iter();
            return Ok(each
                .map(|process| server(&process.name, &process.endpoint))
                .collect());
        };
        let names: BTreeSet<&str> = processes
            .iter()
            .map(|process| process.name.as_str())
            .collect();
        let told = timeout(TOLD_MAX, registry.told(&names)).await;
        let instances = told.context("Consul does not tell of all servers that run")??;
        let field =
            |instance: &Instance, name| instance.meta.get(name).cloned().unwrap_or_default();
        let servers = instances.iter();
        Ok(servers
            .map(|each| server(&field(each, "name"), &field(each, "zeromq")))
            .collect())
    }

    /// Makes all servers unknown, and leaves `cluster_size` as it was.
    pub(super) async fn clear(&mut self) -> Result<()> {
        let Membership::Consul(registry) = self else {
            return Ok(());
        };
        for id in std::mem::take(&mut registry.registered) {
            registry.consul.deregister(&id).await?;
        }
        if let Some(size) = registry.size_before {
            registry.consul.set_cluster_size(size).await?;
        }
        Ok(())
    }
}

impl Registry {
    fn id(&self, name: &str) -> String {
        format!("{}-{name}", self.service)
    }

    /// Waits until exactly these pass their checks.
    async fn told(&mut self, names: &BTreeSet<&str>) -> Result<Vec<Instance>> {
        let name = |instance: &Instance| instance.meta.get("name").cloned().unwrap_or_default();
        loop {
            let instances = self.watch.next().await?;
            let told: BTreeSet<String> = instances.iter().map(name).collect();
            if told.iter().map(String::as_str).eq(names.iter().copied()) {
                return Ok(instances.to_vec());
            }
        }
    }
}

/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long it may take until what has registered passes its checks, and the client is told.
const TOLD_MAX: Duration = Duration::from_secs(60);
