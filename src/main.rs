//! The command line of intune-graphql.

use clap::Parser;
use intune_graphql::config::Cli;

fn main() {
    let _cli = Cli::parse();
}
