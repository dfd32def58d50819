//! `tasks monitor`: watches the ring.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;
use futures::future::join_all;
use serde::Deserialize;
use tokio::time::sleep;

use crate::cli;
use crate::client::{Call, Client, nobody_answers};
use crate::cluster::Cluster;
use crate::interrupt::interrupted;
use crate::item::shown;
use crate::printer::Printer;
use crate::ring::{Member, Report, Sight, check, look};
use crate::table;

pub(super) async fn run(
    args: cli::Monitor,
    cluster: &Cluster,
    printer: Printer,
) -> Result<ExitCode> {
    let mut seen = Seen::default();
    if args.once || printer.is_json() {
        let (report, text) = glance(&args, cluster, printer, &mut seen).await?;
        printer.document(&report)?;
        printer.line(text)?;
        if report.nodes.is_empty() {
            return Err(nobody_answers(cluster.network()?.processes.len()));
        }
        return Ok(ExitCode::SUCCESS);
    }
    tokio::select! {
        failed = watch(&args, cluster, printer, &mut seen) => failed,
        () = interrupted() => {
            printer.line("")?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Looks again and again, for as long as there is a network.
async fn watch(
    args: &cli::Monitor,
    cluster: &Cluster,
    printer: Printer,
    seen: &mut Seen,
) -> Result<ExitCode> {
    let mut is_first = true;
    loop {
        let (_, text) = glance(args, cluster, printer, seen).await?;
        if printer.is_terminal() {
            printer.bytes(screen(&text, is_first).as_bytes())?;
            is_first = false;
        } else {
            printer.line(format_args!("{text}\n"))?;
        }
        sleep(Duration::from_secs_f64(args.interval)).await;
    }
}

/// One look at the ring: what it is, and the same for people.
async fn glance(
    args: &cli::Monitor,
    cluster: &Cluster,
    printer: Printer,
    seen: &mut Seen,
) -> Result<(Report, String)> {
    let network = cluster.network()?;
    let members = look(&cluster.client, &network).await;
    seen.note(&members);
    let report = check(&members, &network.settings);
    let mut text = table::ring(printer, &members, "last seen", |member| seen.ago(member));
    text += &format!("\n{}", table::verdict(&report));
    if args.content {
        text += &contents(&cluster.client, &report).await;
    }
    Ok((report, text))
}

/// Text in place of what the terminal shows: each line clears the rest of its own, and the last one
/// what is below. The first time clears all.
fn screen(text: &str, is_first: bool) -> String {
    let clear = if is_first { "\x1b[2J" } else { "" };
    let lines = text.replace('\n', "\x1b[K\n");
    format!("{clear}\x1b[H{lines}\x1b[K\n\x1b[J")
}

/// When which process was last seen alive.
#[derive(Default)]
struct Seen(BTreeMap<String, Instant>);

impl Seen {
    fn note(&mut self, members: &[Member]) {
        let alive = members
            .iter()
            .filter(|member| matches!(member.sight, Sight::Answers(_)));
        let alive = alive.map(|member| (member.process.name.clone(), Instant::now()));
        self.0.extend(alive);
    }

    fn ago(&self, member: &Member) -> String {
        let ago = self
            .0
            .get(&member.process.name)
            .map(|at| at.elapsed().as_secs());
        let ago = ago.map(|seconds| format!("{seconds} s ago"));
        match (&member.sight, ago) {
            (Sight::Answers(_), _) => "now".to_owned(),
            (Sight::Dead, None) => "dead".to_owned(),
            (Sight::Dead, Some(ago)) => format!("dead, {ago}"),
            (Sight::Silent(_), None) => "silent".to_owned(),
            (Sight::Silent(_), Some(ago)) => format!("silent, {ago}"),
        }
    }
}

/// What each node holds, in ring order.
async fn contents(client: &Client, report: &Report) -> String {
    let contents = report.nodes.iter().map(|info| async {
        let call = Call::get(format!("/content?limit={ITEMS_SHOWN}"));
        let answer = client.ask(&info.address, &call).await;
        let content = answer
            .ok()
            .and_then(|answer| answer.accepted().ok()?.read().ok());
        let content: Content = content.unwrap_or_default();
        format!("\n\n{}{}", info.name, content.lines())
    });
    join_all(contents).await.concat()
}

#[derive(Default, Deserialize)]
struct Content {
    count: usize,
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    key: String,
    value: Option<String>,
    value_base64: Option<String>,
}

impl Content {
    fn lines(&self) -> String {
        let line = |item: &Item| {
            let key = &item.key;
            match (&item.value, &item.value_base64) {
                (Some(text), _) => format!("\n  {key:.10}  {}", shown(text.as_bytes())),
                (None, Some(base64)) => {
                    format!("\n  {key:.10}  base64: {}", shown(base64.as_bytes()))
                }
                (None, None) => format!("\n  {key:.10}"),
            }
        };
        let mut lines: String = self.items.iter().map(line).collect();
        if self.count > self.items.len() {
            lines += &format!("\n  and {} more", self.count - self.items.len());
        }
        lines
    }
}

const ITEMS_SHOWN: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ring::tests::ideal;
    use crate::settings::tests::settings;

    #[test]
    fn a_screen_leaves_nothing_of_the_one_before() {
        assert_eq!(screen("a\nb", false), "\x1b[Ha\x1b[K\nb\x1b[K\n\x1b[J");
        assert!(screen("a", true).starts_with("\x1b[2J\x1b[H"));
    }

    #[test]
    fn the_dead_are_told_from_the_silent() {
        let mut members = ideal(3, &settings());
        let mut seen = Seen::default();
        assert_eq!(seen.ago(&members[0]), "now");
        seen.note(&members[..1]);
        for member in &mut members[..2] {
            member.sight = Sight::Dead;
        }
        assert_eq!(seen.ago(&members[0]), "dead, 0 s ago");
        assert_eq!(seen.ago(&members[1]), "dead");
        members[2].sight = Sight::Silent("why".into());
        assert_eq!(seen.ago(&members[2]), "silent");
    }

    #[test]
    fn content_is_cut_to_some_items_of_some_length() {
        let text = r#"{"count": 12, "next": null, "items": [
            {"key": "4ec25db8e3fdbe6a6a0a1ba0ebd3d0b8c9d7a431", "value": "lorem\nipsum"},
            {"key": "ffffffffffffffffffffffffffffffffffffffff", "value_base64": "/w=="}]}"#;
        let content: Content = serde_json::from_str(text).expect("content");
        assert_eq!(
            content.lines(),
            "\n  4ec25db8e3  lorem ipsum\n  ffffffffff  base64: /w==\n  and 10 more"
        );
    }
}
