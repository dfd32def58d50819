//! Command lines that are well formed, and such that are not.

use clap::CommandFactory as _;

use super::*;

fn parsed(line: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(line.split_whitespace())
}

#[test]
fn the_command_line_is_well_formed() {
    Cli::command().debug_assert();
}

#[test]
fn every_command_has_a_text_and_examples() {
    for command in Cli::command().get_subcommands() {
        let name = command.get_name();
        assert!(command.get_about().is_some(), "{name}");
        let examples = command.get_after_help().map(ToString::to_string);
        let examples = examples.unwrap_or_default();
        assert!(examples.contains(&format!("tasks {name}")), "{name}");
    }
}

#[test]
fn what_is_everywhere_goes_before_and_after_the_command() {
    for line in [
        "tasks --json --network lab ring",
        "tasks ring --network lab --json",
    ] {
        let place = parsed(line).expect(line).place;
        assert!(place.json);
        assert_eq!(place.network.as_deref(), Some("lab"));
    }
}

#[test]
fn counts_are_bounded() {
    for line in [
        "tasks boot --nodes 0",
        "tasks addmany 1001",
        "tasks storemany -1",
    ] {
        parsed(line).expect_err(line);
    }
}

#[test]
fn settings_have_the_names_of_the_network_state() {
    let line = "tasks boot --ownership predecessor --routing linear --successors 7 --store disk";
    let Command::Boot(boot) = parsed(line).expect(line).command else {
        panic!("it is boot");
    };
    let settings = serde_json::to_value(boot.settings).expect("plain data");
    assert_eq!(settings["ownership"], "predecessor");
    assert_eq!(settings["routing"], "linear");
    assert_eq!(settings["successors"], 7);
    assert_eq!(settings["store"], "disk");
}

#[test]
fn an_interval_is_a_time_that_one_can_wait() {
    for line in ["tasks monitor --interval 0", "tasks monitor --interval NaN"] {
        parsed(line).expect_err(line);
    }
    parsed("tasks monitor --interval 0.5").expect("half a second");
}
