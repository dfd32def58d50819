//! `tasks users`: stores many made-up users under their numbers.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;
use fake::Fake as _;
use fake::faker::internet::en::{Password, SafeEmail};
use serde::Serialize;

use crate::cli;
use crate::client::Call;
use crate::cluster::Cluster;
use crate::commands::storemany;
use crate::item::key_path;
use crate::load::store_all;
use crate::printer::Printer;

/// What is stored under the decimal digits of `id`, as JSON.
#[derive(Debug, Serialize)]
pub(super) struct User {
    id: u32,
    /// At a domain that is kept free for examples.
    email: String,
    /// 32 characters.
    password: String,
}

impl User {
    /// With this number.
    pub(super) fn made_up(id: u32) -> User {
        User {
            id,
            email: SafeEmail().fake(),
            password: Password(PASSWORD_CHARACTERS..PASSWORD_CHARACTERS + 1).fake(),
        }
    }

    /// Storing it under its number.
    pub(super) fn put(&self) -> Result<Call> {
        let path = key_path(self.id.to_string().as_bytes())?;
        Ok(Call::put(path, serde_json::to_vec(self)?))
    }
}

pub(super) async fn run(args: cli::Users, cluster: &Cluster, printer: Printer) -> Result<ExitCode> {
    let network = cluster.network()?;
    let members = cluster.members(args.via.as_deref())?;
    let ids = args.first..args.first + args.count;
    let puts: Vec<Call> = ids
        .map(|id| User::made_up(id).put())
        .collect::<Result<_>>()?;
    let progress = printer.progress(args.count.into(), "storing");
    let begun = Instant::now();
    let outcome = store_all(&cluster.client, &members, puts.into_iter(), &progress).await;
    progress.finish_and_clear();
    storemany::report(outcome, "users", begun, &network.processes, printer)
}

const PASSWORD_CHARACTERS: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_made_up_user_has_an_address_for_examples_and_a_password_of_32_characters() {
        for id in 0..1_000 {
            let user = User::made_up(id);
            let (name, domain) = user.email.split_once('@').expect("an address");
            assert!(
                !name.is_empty() && domain.starts_with("example."),
                "{user:?}"
            );
            assert_eq!(user.password.chars().count(), 32);
            let value = serde_json::to_value(&user).expect("plain data");
            assert_eq!(value["id"], id);
        }
    }
}
