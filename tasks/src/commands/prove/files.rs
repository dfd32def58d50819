//! Files: what is left of a run to look at.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::proof::Proof;

/// Makes the folder, so that one that can't be written to is found out before anyone waits.
pub(super) fn check(folder: &Path) -> Result<()> {
    let failed = || {
        let folder = folder.display();
        format!("cannot write into {folder}: give another folder with --to")
    };
    fs::create_dir_all(folder).with_context(failed)?;
    tempfile::tempfile_in(folder).map(drop).with_context(failed)
}

/// Writes the picture, the numbers, and the history of keys with which something is wrong, and tells the
/// proof where they are.
pub(super) fn write(folder: &Path, proof: &mut Proof) -> Result<()> {
    let keep = |ending: &str, text: &str| {
        let file = folder.join(format!("seed-{}{ending}", proof.seed));
        let written = fs::write(&file, text);
        written.with_context(|| format!("cannot write {}", file.display()))?;
        Ok::<_, anyhow::Error>(file.display().to_string())
    };
    let title = format!("Seed {}: {}", proof.seed, proof.verdict);
    let picture = keep(".svg", &proof.timeline.svg(&title))?;
    let numbers = keep(".csv", &numbers(proof))?;
    let history = match proof.guilty.len() {
        0 => None,
        _ => {
            let guilty = &proof.guilty[..proof.guilty.len().min(GUILTY_MAX)];
            Some(keep(".json", &serde_json::to_string(guilty)?)?)
        }
    };
    proof.picture = Some(picture);
    proof.numbers = Some(numbers);
    proof.history = history;
    Ok(())
}

/// What was done each second, and what was broken in it.
fn numbers(proof: &Proof) -> String {
    let mut text = "second,writes,reads,errors,faults\n".to_owned();
    let timeline = &proof.timeline;
    let rows = timeline
        .writes
        .iter()
        .zip(&timeline.reads)
        .zip(&proof.failures);
    for (second, ((writes, reads), errors)) in rows.enumerate() {
        let in_it = |at_ms: u64| at_ms / 1_000 == second as u64;
        let faults = proof.faults.iter().filter(|fault| in_it(fault.at_ms));
        let faults: Vec<String> = faults
            .map(|one| format!("{} {}", one.kind, one.node))
            .collect();
        let faults = faults.join(" ");
        writeln!(text, "{second},{writes},{reads},{errors},{faults}")
            .expect("a string takes what it is given");
    }
    text
}

/// Most keys whose history is kept: where more are wrong, others show nothing new.
const GUILTY_MAX: usize = 200;
