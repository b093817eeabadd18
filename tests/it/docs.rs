//! The pages in `docs/` against the program.
//!
//! `UPDATE_DOCS=1 cargo test --test it docs` writes the table of settings anew.

use std::path::{Path, PathBuf};

use async_graphql::resolver_utils::EnumType as _;
use intune_graphql::config::Cli;
use intune_graphql::schema::ErrorCode;

use crate::harness::Gateway;

fn page(name: &str) -> (PathBuf, String) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name);
    let text = std::fs::read_to_string(&path).unwrap();
    (path, text)
}

/// The settings of `serve` as tables, a heading for each group, in the order of `--help`.
fn settings() -> String {
    let definition = Cli::definition();
    let serve = definition.find_subcommand("serve").unwrap();
    let mut text = String::new();
    let mut group = None;
    for arg in serve.get_arguments().filter(|arg| arg.get_long() != Some("help")) {
        let heading = arg.get_help_heading().expect("each setting has a heading").to_owned();
        if group.as_ref() != Some(&heading) {
            text.push_str(&format!(
                "\n## {heading}\n\n| flag | variable | default | |\n| --- | --- | --- | --- |\n"
            ));
            group = Some(heading);
        }
        let defaults: Vec<_> = arg.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
        let default = if defaults.is_empty() { String::new() } else { format!("`{}`", defaults.join(" ")) };
        let values: Vec<_> = arg
            .get_possible_values()
            .iter()
            .map(|value| match value.get_help() {
                Some(help) => format!("`{}`: {}", value.get_name(), help.to_string().trim_end_matches('.')),
                None => format!("`{}`", value.get_name()),
            })
            .collect();
        let mut help = arg.get_help().unwrap().to_string();
        if let Some(long) = arg.get_long_help() {
            help = long.to_string();
        }
        if !values.is_empty() && !arg.get_default_values().iter().any(|value| value == "false") {
            help = format!("{} {}.", full_stop(&help), values.join("; "));
        }
        let (flag, variable) = (arg.get_long().unwrap(), arg.get_env().unwrap().to_string_lossy());
        text.push_str(&format!("| `--{flag}` | `{variable}` | {default} | {} |\n", full_stop(&help)));
    }
    text
}

/// The text as one sentence or more; clap leaves the last full stop out.
fn full_stop(text: &str) -> String {
    format!("{}.", text.trim_end_matches('.').replace('\n', " "))
}

#[test]
fn the_table_of_settings_is_what_help_says() {
    const START: &str = "<!-- settings of serve -->\n";
    const END: &str = "<!-- end of settings -->\n";
    let (path, text) = page("configuration.md");
    let (before, rest) = text.split_once(START).unwrap();
    let (table, after) = rest.split_once(END).unwrap();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, format!("{before}{START}{}\n{END}{after}", settings())).unwrap();
        return;
    }
    assert_eq!(table, format!("{}\n", settings()), "run `just docs`");
}

#[test]
fn the_table_of_errors_has_every_code_of_the_schema_and_no_other() {
    let (_, text) = page("errors.md");
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let mut documented: Vec<&str> =
        rows.filter(|code| code.chars().all(|char| char.is_ascii_uppercase() || char == '_')).collect();
    documented.sort_unstable();
    let mut codes: Vec<&str> = ErrorCode::items().iter().map(|item| item.name).collect();
    codes.sort_unstable();
    assert_eq!(documented, codes);
}

#[test]
fn each_link_between_pages_leads_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pages = vec![root.join("README.md"), root.join("CONTRIBUTING.md"), root.join("SECURITY.md")];
    for folder in ["docs", "docs/decisions", "crates/graphql-prepare", "crates/msgraph-sandbox"] {
        let files = std::fs::read_dir(root.join(folder)).unwrap().map(|file| file.unwrap().path());
        pages.extend(files.filter(|file| file.extension().is_some_and(|extension| extension == "md")));
    }
    for page in pages {
        let text = std::fs::read_to_string(&page).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = link.split('#').next().unwrap_or_default();
            if !target.is_empty() && !target.contains("://") && !target.contains(' ') {
                let file = page.parent().unwrap().join(target);
                assert!(file.exists(), "{} links to {link}", page.display());
            }
        }
    }
}

#[tokio::test]
async fn the_readmes_query_has_the_response_that_it_shows() {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let block =
        |language: &str| text.split(&format!("```{language}\n")).nth(1).unwrap().split("```").next().unwrap();
    let gateway = Gateway::start().await;
    let reply = gateway.graphql(block("graphql"), serde_json::Value::Null).await;
    assert_eq!(reply.json.to_string(), block("json").trim());
}
