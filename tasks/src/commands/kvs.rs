//! `tasks kvs`: values in a causal store, with a session that carries along what it has seen.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, anyhow, bail};
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::causal::store;
use crate::client::{Answer, Call, segment};
use crate::cluster::Cluster;
use crate::failure::Failure;
use crate::printer::Printer;

/// Arguments of `kvs`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,

    /// File that keeps what this session has seen: its next request shows nothing older, at whichever node
    /// [default: session.json beside the network's state]
    #[arg(long, global = true, value_name = "FILE")]
    session: Option<PathBuf>,

    /// Ask this node, not a random one
    #[arg(long, global = true, value_name = "NODE")]
    via: Option<String>,
}

/// What to do with a key.
#[derive(Debug, clap::Subcommand)]
enum What {
    /// Put a value under a key: JSON, or else a text
    Put {
        /// Up to 50 characters
        key: String,
        /// `7`, `{"a":[1,2]}`, `null`; what is no JSON is a text
        value: String,
    },
    /// Print the value under a key, as JSON
    Get {
        /// Which
        key: String,
    },
    /// Delete a key
    Del {
        /// Which
        key: String,
    },
}

/// What a session has seen, as the store gave it.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Session {
    causal_metadata: Option<String>,
}

pub(super) async fn run(args: Args, cluster: &Cluster, printer: Printer) -> Result<ExitCode> {
    store(cluster)?;
    let file = match args.session {
        Some(file) => file,
        None => cluster.folder.path().join("session.json"),
    };
    let mut session = Session::read(&file)?;
    let (method, key, value) = match args.what {
        What::Put { key, value } => {
            let value = serde_json::from_str(&value).unwrap_or(Value::String(value));
            (Method::PUT, key, Some(value))
        }
        What::Get { key } => (Method::GET, key, None),
        What::Del { key } => (Method::DELETE, key, None),
    };
    if key.is_empty() {
        return Err(Failure::Usage("a key has at least one character".to_owned()).into());
    }
    let mut body = json!({"causal-metadata": session.causal_metadata});
    if let Some(value) = value {
        body["value"] = value;
    }
    let path = format!("/kvs/{}", segment(key.as_bytes()));
    let members = cluster.members(args.via.as_deref())?;
    let call = Call::json(method, path, &body);
    let (answer, _) = cluster.client.ask_any(&members, &call).await?;
    if let Some(seen) = answer.headers.get("Causal-Metadata") {
        let seen = seen
            .to_str()
            .context("what the node says was seen is no text")?;
        session.causal_metadata = Some(seen.to_owned());
        session.write(&file)?;
    }
    report(&answer, &key, printer)
}

fn report(answer: &Answer, key: &str, printer: Printer) -> Result<ExitCode> {
    if answer.is_missing() {
        return Err(Failure::NotFound(format!("`{key}` is not there")).into());
    }
    if !answer.is_success() {
        return Err(anyhow!(answer.complaint()));
    }
    let told: Value = answer.read()?;
    printer.document(&told)?;
    let shard = match told["shard-id"].as_str() {
        Some(shard) => format!(" in shard {shard}"),
        None => String::new(),
    };
    match told.get("value") {
        Some(value) => printer.line(value)?,
        None => printer.line(format_args!(
            "{} `{key}`{shard}",
            told["result"].as_str().unwrap_or_default()
        ))?,
    }
    Ok(ExitCode::SUCCESS)
}

impl Session {
    /// What the file says; a new session where there is none. Errors: it can't be read, or is something else.
    fn read(file: &Path) -> Result<Session> {
        let text = match fs::read(file) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Session::default()),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", file.display()));
            }
        };
        let Ok(session) = serde_json::from_slice(&text) else {
            bail!(
                "{} is no session: remove it to begin a new one",
                file.display()
            );
        };
        Ok(session)
    }

    /// Replaces the file, so that whoever reads it finds the old text or the new one.
    fn write(&self, file: &Path) -> Result<()> {
        let failed = || format!("cannot write the session {}", file.display());
        let folder = file
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        let beside = tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new(".")));
        let beside = beside.with_context(failed)?;
        serde_json::to_writer(&beside, self).with_context(failed)?;
        beside.persist(file).with_context(failed)?;
        Ok(())
    }
}
