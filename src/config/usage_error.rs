//! Errors of the command line, in one line each.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::renamed;
use crate::printable::{escape, value_without_credentials};

/// Why the command line is not run.
#[derive(Debug, thiserror::Error)]
pub enum UsageError {
    /// A request for help or the version, which the error prints.
    #[error(transparent)]
    Help(Box<clap::Error>),
    /// A setting is wrong: a sentence that names it.
    #[error("{0}")]
    Setting(String),
}

impl UsageError {
    /// Describes an error of clap's.
    pub(super) fn new(definition: &clap::Command, arguments: &[OsString], error: clap::Error) -> Self {
        match error.kind() {
            ErrorKind::DisplayHelp
            | ErrorKind::DisplayVersion
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => Self::Help(Box::new(error)),
            _ => Self::Setting(describe(definition, arguments, error)),
        }
    }
}

fn describe(definition: &clap::Command, arguments: &[OsString], error: clap::Error) -> String {
    let invalid = text(&error, ContextKind::InvalidArg).unwrap_or_default();
    let flag = invalid.split(['=', ' ']).next().unwrap_or_default();
    if error.kind() == ErrorKind::UnknownArgument
        && let Some(new) = renamed::flag(flag)
    {
        return format!("{flag} is now {new}");
    }
    let suggested =
        text(&error, ContextKind::SuggestedArg).or(text(&error, ContextKind::SuggestedSubcommand));
    let message = first_paragraph(error);
    if let Some(suggested) = suggested {
        return format!("{message}; did you mean {suggested}?");
    }
    let is_given = arguments.iter().any(|argument| argument.to_string_lossy().starts_with(flag));
    match variable(definition, flag) {
        Some(variable) if !is_given => format!("{message} (set by {variable})"),
        _ => message,
    }
}

/// What is wrong, in one line, without control characters and credentials. The other paragraphs are tips and usage.
pub(super) fn first_paragraph(mut error: clap::Error) -> String {
    // What was written may have several lines, escape sequences and credentials.
    for kind in [ContextKind::InvalidValue, ContextKind::InvalidArg, ContextKind::InvalidSubcommand] {
        if let Some(ContextValue::String(written)) = error.get(kind) {
            let shown = escape(&value_without_credentials(written));
            error.insert(kind, ContextValue::String(shown));
        }
    }
    let message = error.to_string();
    let lines = message.lines().take_while(|line| !line.trim().is_empty()).map(str::trim);
    lines.collect::<Vec<_>>().join(" ").trim_start_matches("error: ").to_owned()
}

/// One text of an error's context.
fn text(error: &clap::Error, kind: ContextKind) -> Option<String> {
    match error.get(kind)? {
        ContextValue::String(text) => Some(text.clone()),
        ContextValue::Strings(texts) => texts.first().cloned(),
        _ => None,
    }
}

/// The variable of a flag that has one.
fn variable(definition: &clap::Command, flag: &str) -> Option<String> {
    let name = flag.strip_prefix("--")?;
    let commands = std::iter::once(definition).chain(definition.get_subcommands());
    let mut arguments = commands.flat_map(clap::Command::get_arguments);
    let found = arguments.find(|arg| arg.get_long() == Some(name))?;
    Some(found.get_env()?.to_string_lossy().into_owned())
}
