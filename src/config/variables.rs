//! Checks of the environment variables.

use std::ffi::OsString;

use super::renamed;
use super::state::PASSWORD_VARIABLE;
use super::suggestion::suggestion;

const PREFIX: &str = "INTUNE_GRAPHQL_";

/// Treats an empty variable as unset.
pub(super) fn ignore_empty(command: clap::Command) -> clap::Command {
    let set = |arg: clap::Arg| {
        let value = arg.get_env().and_then(std::env::var_os);
        if value.is_some_and(|value| value.is_empty()) { arg.env(None::<&str>) } else { arg }
    };
    let names: Vec<String> = command.get_subcommands().map(|command| command.get_name().to_owned()).collect();
    let command = command.mut_args(set);
    names.into_iter().fold(command, |command, name| command.mut_subcommand(name, |inner| inner.mut_args(set)))
}

/// Fails if the value of a setting is not UTF-8.
///
/// # Errors
///
/// A sentence that names the variable.
pub(super) fn check_encoding(variables: impl Iterator<Item = (OsString, OsString)>) -> Result<(), String> {
    for (name, value) in variables {
        let name = name.to_string_lossy();
        if name.starts_with(PREFIX) && value.to_str().is_none() {
            return Err(format!("{name} is not UTF-8"));
        }
    }
    Ok(())
}

/// Fails if a name starts with `INTUNE_GRAPHQL_` and is no setting of any command. Kubernetes adds variables for each
/// service; those are left alone.
///
/// # Errors
///
/// A sentence that names the variable, and the right one if it can be guessed.
pub(super) fn check(definition: &clap::Command, names: impl Iterator<Item = String>) -> Result<(), String> {
    let commands = std::iter::once(definition).chain(definition.get_subcommands());
    let settings = commands.flat_map(clap::Command::get_arguments).filter_map(|arg| arg.get_env()?.to_str());
    let known: Vec<&str> = settings.chain([PASSWORD_VARIABLE]).collect();
    for name in names.filter(|name| name.starts_with(PREFIX) && !is_of_kubernetes(name)) {
        if let Some(new) = renamed::new_variable(&name) {
            return Err(format!("{name} is now {new}"));
        }
        // An empty variable is unset, and so are its names.
        if known.contains(&name.as_str()) || std::env::var_os(&name).is_some_and(|value| value.is_empty()) {
            continue;
        }
        let hint = match suggestion(&name, known.iter().copied()) {
            Some(nearest) => format!("did you mean {nearest}?"),
            None => "run `intune-graphql help serve` for the settings".to_owned(),
        };
        return Err(format!("{name} is not a setting; {hint}"));
    }
    Ok(())
}

/// Whether Kubernetes sets the variable for a service of that name.
fn is_of_kubernetes(name: &str) -> bool {
    name.ends_with("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || name.ends_with("_PORT")
        || name.contains("_PORT_")
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::config::Cli;

    fn checked(name: &str) -> Result<(), String> {
        check(&Cli::definition(), std::iter::once(name.to_owned()))
    }

    #[test]
    fn no_setting_looks_like_a_variable_of_kubernetes() {
        let definition = Cli::definition();
        for command in definition.get_subcommands() {
            for name in command.get_arguments().filter_map(|arg| arg.get_env()?.to_str()) {
                assert!(!super::is_of_kubernetes(name), "{name}");
            }
        }
    }

    #[test]
    fn an_unknown_variable_is_an_error_that_suggests_the_right_one() {
        assert_eq!(
            checked("INTUNE_GRAPHQL_GRAPH_ULR").unwrap_err(),
            "INTUNE_GRAPHQL_GRAPH_ULR is not a setting; did you mean INTUNE_GRAPHQL_GRAPH_URL?"
        );
        for known in [
            "INTUNE_GRAPHQL_GRAPH_URL",
            "INTUNE_GRAPHQL_LOG",
            "INTUNE_GRAPHQL_SERVICE_HOST",
            "INTUNE_GRAPHQL_SERVICE_PORT_HTTP",
            "INTUNE_GRAPHQL_PORT",
            "INTUNE_GRAPHQL_PORT_4000_TCP_ADDR",
            "PATH",
        ] {
            assert_eq!(checked(known), Ok(()));
        }
    }
}
