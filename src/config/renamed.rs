//! Settings that had another name before the first release. An old name is an error that names the new one.

use clap::error::{ContextKind, ContextValue, ErrorKind};

/// Old and new flags; variables follow them.
const RENAMED: [(&str, &str); 14] = [
    ("--attempt-timeout", "--graph-attempt-timeout"),
    ("--connect-timeout", "--graph-connect-timeout"),
    ("--create-path", "--graph-create-path"),
    ("--deadline", "--request-timeout"),
    ("--graph-keeps-ids", "--graph-honors-client-ids"),
    ("--max-body", "--max-request-body"),
    ("--max-buffered", "--max-buffered-bytes"),
    ("--max-graph-response", "--graph-max-response"),
    ("--max-in-flight", "--max-concurrent-requests"),
    ("--max-payload", "--max-configuration-payload"),
    ("--max-streams", "--max-subscriptions"),
    ("--max-token-share", "--max-caller-share"),
    ("--max-waiting", "--max-queued-requests"),
    ("--subscriber-recheck", "--subscription-recheck"),
];

/// Turns the error about an unknown flag into one that names the new flag, if it was renamed.
pub(super) fn name_flag(command: &mut clap::Command, error: clap::Error) -> clap::Error {
    let (ErrorKind::UnknownArgument, Some(ContextValue::String(unknown))) =
        (error.kind(), error.get(ContextKind::InvalidArg))
    else {
        return error;
    };
    let flag = unknown.split('=').next().unwrap_or_default();
    match RENAMED.iter().find(|(old, _)| *old == flag) {
        Some((old, new)) => command.error(ErrorKind::UnknownArgument, format!("{old} is now {new}")),
        None => error,
    }
}

/// Fails if the environment has a variable that was renamed.
///
/// # Errors
///
/// One that names the new variable.
pub(super) fn check_variables(command: &mut clap::Command) -> Result<(), clap::Error> {
    for (old, new) in RENAMED.map(|(old, new)| (variable(old), variable(new))) {
        if std::env::var_os(&old).is_some() {
            return Err(command.error(ErrorKind::UnknownArgument, format!("{old} is now {new}")));
        }
    }
    Ok(())
}

fn variable(flag: &str) -> String {
    format!("INTUNE_GRAPHQL_{}", flag.trim_start_matches('-').to_uppercase().replace('-', "_"))
}

#[cfg(test)]
mod tests {
    use super::{RENAMED, variable};
    use crate::config::Cli;

    #[test]
    fn each_new_name_is_a_flag_of_serve_and_no_old_name_is() {
        let definition = Cli::definition();
        let serve = definition.find_subcommand("serve").unwrap();
        let flags: Vec<String> =
            serve.get_arguments().filter_map(|arg| Some(format!("--{}", arg.get_long()?))).collect();
        for (old, new) in RENAMED {
            assert!(flags.iter().any(|flag| flag == new), "{new}");
            assert!(!flags.iter().any(|flag| flag == old), "{old}");
            let error = Cli::read(["intune-graphql", "serve", old, "1"]).unwrap_err().to_string();
            assert!(error.contains(&format!("{old} is now {new}")), "{error}");
        }
        assert_eq!(variable("--max-body"), "INTUNE_GRAPHQL_MAX_BODY");
    }
}
