//! Command line of a node (to be filled).
/// Flags of a node.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Address to listen on, and to be reached by
    #[arg(long)]
    pub address: Option<String>,
}
/// Runs a node until it is told to stop.
pub fn run(_args: Args) -> std::process::ExitCode {
    std::process::ExitCode::SUCCESS
}
