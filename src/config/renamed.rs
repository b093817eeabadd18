//! Settings that had another name before the first release. An old name is an error that names the new one.

/// Old and new flags; variables follow them.
const RENAMED: [(&str, &str); 15] = [
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
    ("--trusted-documents-only", "--trusted-documents-mode"),
];

/// The new name of a flag that was renamed.
pub(super) fn flag(old: &str) -> Option<&'static str> {
    RENAMED.iter().find(|(name, _)| *name == old).map(|(_, new)| *new)
}

/// The new name of a variable that was renamed.
pub(super) fn new_variable(old: &str) -> Option<String> {
    RENAMED.iter().find(|(name, _)| variable(name) == old).map(|(_, new)| variable(new))
}

fn variable(flag: &str) -> String {
    format!("INTUNE_GRAPHQL_{}", flag.trim_start_matches('-').to_uppercase().replace('-', "_"))
}

#[cfg(test)]
mod tests {
    use super::{RENAMED, new_variable};
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
        let new = new_variable("INTUNE_GRAPHQL_MAX_BODY");
        assert_eq!(new.as_deref(), Some("INTUNE_GRAPHQL_MAX_REQUEST_BODY"));
    }
}
