//! Classic: the shell of the memcached lab, with its five commands and its words.

use anyhow::Result;

use crate::client::Call;
use crate::cluster::Cluster;
use crate::commands::leave::leave;
use crate::failure::Failure;
use crate::grow::join_at;
use crate::item::key_path;
use crate::printer::Printer;
use crate::resolve::resolve;

/// Answers a line. Nothing ends the shell; otherwise whether the line could be done.
pub(super) async fn answer(
    typed: &str,
    cluster: &Cluster,
    printer: Printer,
) -> Result<Option<bool>> {
    let words: Vec<&str> = typed.split_whitespace().collect();
    let said = match words.as_slice() {
        [] => return Ok(Some(true)),
        ["quit"] => return Ok(None),
        ["get", key] => get(key, cluster).await,
        ["set" | "put", key, value] => set(key, value, cluster).await,
        ["add" | "add_node", host, port] => add(host, port, cluster).await,
        ["remove" | "remove_node", host, port] => remove(host, port, cluster).await,
        [
            "get" | "set" | "put" | "add" | "add_node" | "remove" | "remove_node" | "quit",
            ..,
        ] => Ok("Incorrect Command / Params".to_owned()),
        _ => Ok("Incorrect Command".to_owned()),
    };
    match said {
        Ok(text) => {
            printer.line(&text)?;
            Ok(Some(!text.starts_with("Incorrect")))
        }
        // The lab's shell knew no such troubles, and had no words for them.
        Err(error) => {
            printer.note(format_args!("error: {error:#}"));
            Ok(Some(false))
        }
    }
}

async fn get(key: &str, cluster: &Cluster) -> Result<String> {
    let call = Call::get(key_path(key.as_bytes())?);
    let (answer, _) = cluster.client.ask_any(&cluster.running()?, &call).await?;
    let answer = answer.accepted()?;
    Ok(match answer.is_missing() {
        true => "Key Not Found".to_owned(),
        false => {
            let value = String::from_utf8_lossy(&answer.body);
            format!("Key: {key}, Value: {value}")
        }
    })
}

async fn set(key: &str, value: &str, cluster: &Cluster) -> Result<String> {
    let call = Call::put(key_path(key.as_bytes())?, value.as_bytes().to_vec());
    let (answer, _) = cluster.client.ask_any(&cluster.running()?, &call).await?;
    answer.accepted()?;
    Ok("Done!".to_owned())
}

async fn add(host: &str, port: &str, cluster: &Cluster) -> Result<String> {
    let Some(port) = port.parse().ok().filter(|_| is_here(host)) else {
        return Ok("Incorrect Command / Params".to_owned());
    };
    join_at(cluster, None, port).await?;
    Ok("Added Node".to_owned())
}

async fn remove(host: &str, port: &str, cluster: &Cluster) -> Result<String> {
    let node = match is_here(host) {
        true => format!("127.0.0.1:{port}"),
        false => format!("{host}:{port}"),
    };
    let processes = cluster.network()?.processes;
    let process = match resolve(&node, &processes) {
        Ok(process) if process.is_running() => process,
        Ok(_) => return Ok("Node not found".to_owned()),
        Err(error) => {
            return match error.downcast_ref() {
                Some(Failure::NotFound(_)) => Ok("Node not found".to_owned()),
                _ => Err(error),
            };
        }
    };
    leave(cluster, process).await?;
    Ok("Removed Node".to_owned())
}

fn is_here(host: &str) -> bool {
    matches!(host, "localhost" | "127.0.0.1")
}
