//! Members: who tells a node which members its network has, where somebody lists them.
//!
//! What is told goes to the protocol, which alone decides what the list of the network is; and whoever answers
//! at a listed address is met, so that one member that is alive suffices to learn the list that counts.

mod registry;
mod roll;

use std::convert::Infallible;

use tracing::info;

use crate::config::{Config, Listed, Source};
use crate::introduction::Stranger;
use crate::service::Service;

/// Why a node can't be one of those that are listed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Somebody who is listed does not belong to this network.
    #[error(transparent)]
    Stranger(#[from] Stranger),
    /// Somebody else is at a listed address.
    #[error("{address} is listed as `{listed}`, and calls itself `{found}`: correct the list")]
    Name {
        address: String,
        listed: String,
        found: String,
    },
    /// Two of them can't be told apart.
    #[error(
        "two of the listed members are called `{0}`: start one of them with another `--name`, or `--label`"
    )]
    Twice(String),
}

/// Tells the protocol of members for as long as the node lives. Ends only where that can come to nothing.
pub(crate) async fn follow(
    service: &Service,
    config: &Config,
    listed: &Listed,
) -> Result<Infallible, Error> {
    match &listed.source {
        Source::Static(members) => roll::call(service, config, members).await,
        Source::Consul {
            consul,
            service: name,
        } => registry::follow(service, config, consul, name).await,
    }
}

/// Tells whoever lists members that this node is none any more, or is gone.
pub(crate) async fn sign_off(config: &Config, listed: &Listed) {
    if let Source::Consul { consul, service } = &listed.source {
        let id = registry::instance_id(config, service);
        match consul.deregister(&id).await {
            Ok(()) => info!(id, "no longer registered"),
            Err(error) => tracing::warn!("{error}; Consul will find out by its check"),
        }
    }
}
