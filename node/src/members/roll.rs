//! Roll: a fixed list of addresses, each of which is asked who is there until all have answered.

use std::convert::Infallible;
use std::future::pending;
use std::time::Duration;

use dht::placement::Scheme;
use futures::future::join_all;
use rand::RngExt as _;
use tokio::time::{Instant, sleep};
use tracing::{debug, info, warn};

use crate::config::{Config, Listing};
use crate::introduction::{Refusal, info, own_member};
use crate::members::Error;
use crate::service::Service;
use crate::{Address, Member};

/// Asks all of them, and tells the protocol of each, and in the end of all. A list that has been decided in the
/// meantime makes this one superfluous.
pub(super) async fn call(
    service: &Service,
    config: &Config,
    listings: &[Listing],
) -> Result<Infallible, Error> {
    let mut found: Vec<Option<Member>> = vec![None; listings.len()];
    let (mut pause, mut warned) = (PAUSE_MIN, false);
    let begun = Instant::now();
    while !service.has_table() {
        let missing: Vec<usize> = (0..found.len()).filter(|i| found[*i].is_none()).collect();
        if missing.is_empty() {
            let members = found.into_iter().flatten().collect::<Vec<Member>>();
            check_names(&members, |member| &member.name)?;
            if service.scheme.is_some_and(Scheme::is_labelled) {
                check_names(&members, |member| &member.label)?;
            }
            info!(members = members.len(), "all listed members have answered");
            service.driver().listed(members);
            break;
        }
        let asked = missing.iter().map(|i| ask(service, config, &listings[*i]));
        for (i, answer) in missing.iter().zip(join_all(asked).await) {
            found[*i] = answer?;
        }
        if !warned && begun.elapsed() > WARN_AFTER {
            warned = true;
            let silent = listings
                .iter()
                .zip(&found)
                .filter(|(_, found)| found.is_none());
            let silent: Vec<Address> = silent.map(|(listing, _)| listing.address).collect();
            warn!(
                ?silent,
                "these members do not answer; they are asked again and again"
            );
        }
        sleep(pause.mul_f64(rand::rng().random_range(0.5..1.0))).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
    pending().await
}

/// Who is at one address; nothing if nobody answers.
async fn ask(
    service: &Service,
    config: &Config,
    listing: &Listing,
) -> Result<Option<Member>, Error> {
    let address = listing.address.to_string();
    if listing.address == config.me.address {
        check_name(listing, &config.name)?;
        return Ok(Some(own_member(config)));
    }
    let info = match info(service, &address).await {
        Ok(info) => info,
        Err(Refusal::Later(reason) | Refusal::Final(_, reason)) => {
            debug!("{address}: {reason}");
            return Ok(None);
        }
    };
    info.check(service, &address)?;
    check_name(listing, &info.name)?;
    service.driver().met(info.peer());
    Ok(Some(info.member()))
}

fn check_name(listing: &Listing, found: &str) -> Result<(), Error> {
    match &listing.name {
        Some(listed) if listed != found => Err(Error::Name {
            address: listing.address.to_string(),
            listed: listed.clone(),
            found: found.to_owned(),
        }),
        _ => Ok(()),
    }
}

/// No two may be called the same, by name or label.
fn check_names(members: &[Member], name: impl Fn(&Member) -> &String) -> Result<(), Error> {
    let mut names: Vec<&str> = members.iter().map(|member| name(member).as_str()).collect();
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(Error::Twice(pair[0].to_owned())),
        None => Ok(()),
    }
}

/// Members of a new network are there within moments.
const PAUSE_MIN: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_secs(1);
const WARN_AFTER: Duration = Duration::from_secs(10);
