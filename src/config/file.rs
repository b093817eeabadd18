//! The configuration file: TOML with a key for each setting, named like its flag. Its values replace the defaults, so
//! variables and flags take precedence.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;

use clap::{Arg, ArgAction, Command};
use toml::Value;

use super::suggestion::suggestion;
use super::{renamed, usage_error};
use crate::printable::value_without_credentials;

/// Maximum size of a configuration file, in bytes.
const MAX_BYTES: u64 = 1024 * 1024;

/// The values of a configuration file by setting.
#[derive(Debug)]
pub(super) struct ConfigFile {
    /// Its path as it may be printed.
    name: String,
    values: toml::Table,
}

impl ConfigFile {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// A sentence that names the file, and the key whose value is not a setting's.
    pub(super) fn read(path: &Path) -> Result<Self, String> {
        let name = value_without_credentials(&path.to_string_lossy());
        let named = |error: &dyn std::fmt::Display| format!("--config: {name}: {error}");
        let mut text = String::new();
        let file = std::fs::File::open(path).map_err(|error| named(&error))?;
        file.take(MAX_BYTES + 1).read_to_string(&mut text).map_err(|error| named(&error))?;
        if text.len() as u64 > MAX_BYTES {
            return Err(named(&format!("must not be larger than {MAX_BYTES} bytes")));
        }
        let values = text.parse().map_err(|error: toml::de::Error| named(&one_line(&error, &text)))?;
        Ok(Self { name, values })
    }

    /// Replaces the defaults of `command` and of its subcommand `name` by the file's values.
    ///
    /// # Errors
    ///
    /// A sentence that names the file and the key that is not a setting or whose value is wrong.
    pub(super) fn apply(&self, command: Command, name: &str) -> Result<Command, String> {
        let settings: Vec<Arg> = settings(&command, name).cloned().collect();
        let mut values = BTreeMap::new();
        for (key, value) in &self.values {
            let Some(arg) = settings.iter().find(|arg| arg.get_long() == Some(key)) else {
                return Err(self.unknown(key, value, &settings));
            };
            let takes_many = matches!(arg.get_action(), ArgAction::Append);
            let texts = texts(value, takes_many)
                .map_err(|problem| format!("--config: {}: `{key}` {problem}", self.name))?;
            self.check(arg, &texts)?;
            values.insert(key.as_str(), texts);
        }
        let with_default = |arg: Arg| match arg.get_long().and_then(|flag| values.get(flag)) {
            Some(texts) => arg.default_values(texts.clone()),
            None => arg,
        };
        Ok(command
            .mut_args(with_default)
            .mut_subcommand(name, |subcommand| subcommand.mut_args(with_default)))
    }

    /// Whether the file has a value for a setting.
    pub(super) fn contains(&self, flag: &str) -> bool {
        self.values.contains_key(flag)
    }

    fn unknown(&self, key: &str, value: &Value, settings: &[Arg]) -> String {
        let file = &self.name;
        if let Some(new) = renamed::flag(&format!("--{key}")) {
            return format!("--config: {file}: `{key}` is now `{}`", new.trim_start_matches('-'));
        }
        if value.is_table() {
            let hint = "write each setting at the top level, as in `graph-cloud = \"global\"`";
            return format!("--config: {file}: `{key}` is a table; {hint}");
        }
        let hint = match suggestion(key, settings.iter().filter_map(Arg::get_long)) {
            Some(flag) => format!("did you mean `{flag}`?"),
            None => "run `intune-graphql help serve` for the settings".to_owned(),
        };
        format!("--config: {file}: `{key}` is not a setting; {hint}")
    }

    /// Parses a value alone, since a default that cannot be parsed is an error of the program.
    fn check(&self, arg: &Arg, texts: &[String]) -> Result<(), String> {
        let flag = arg.get_long().unwrap_or_default();
        let alone =
            Command::new("file").no_binary_name(true).arg(arg.clone().env(None::<&str>).global(false));
        let arguments = texts.iter().map(|text| format!("--{flag}={text}"));
        match alone.try_get_matches_from(arguments) {
            Ok(_) => Ok(()),
            Err(error) => Err(format!("{} (set in {})", usage_error::first_paragraph(error), self.name)),
        }
    }
}

/// The settings that a file may contain: those of the subcommand, and those of all commands.
pub(super) fn settings<'a>(command: &'a Command, name: &str) -> impl Iterator<Item = &'a Arg> {
    let own = command.get_arguments().filter(|arg| arg.is_global_set());
    let subcommand = command.find_subcommand(name).into_iter().flat_map(Command::get_arguments);
    let all = own.chain(subcommand);
    all.filter(|arg| {
        matches!(arg.get_action(), ArgAction::Set | ArgAction::Append) && arg.get_long() != Some("config")
    })
}

/// The value as it would be written on the command line, or what is wrong with it.
fn texts(value: &Value, takes_many: bool) -> Result<Vec<String>, String> {
    match value {
        Value::Array(values) if takes_many => {
            let text = |value: &Value| match value {
                Value::String(text) => Ok(text.clone()),
                value => Err(format!(
                    "takes a string or an array of strings, but has {} in its array",
                    kind(value)
                )),
            };
            values.iter().map(text).collect()
        }
        Value::String(text) => Ok(vec![text.clone()]),
        value if takes_many => Err(format!("takes a string or an array of strings, but is {}", kind(value))),
        Value::Integer(number) => Ok(vec![number.to_string()]),
        Value::Float(number) => Ok(vec![number.to_string()]),
        Value::Boolean(flag) => Ok(vec![flag.to_string()]),
        value => Err(format!("takes one string, number or boolean, but is {}", kind(value))),
    }
}

/// The type of a value, with its article.
fn kind(value: &Value) -> String {
    let name = value.type_str();
    let article = if name.starts_with(['a', 'i']) { "an" } else { "a" };
    format!("{article} {name}")
}

/// A parser's message with its position.
fn one_line(error: &toml::de::Error, text: &str) -> String {
    let mut message = error.message().replace('\n', ", ");
    // The parser's own words for it do not say what is allowed.
    let is_too_large =
        ["too large", "overflowed", "invalid type: integer"].iter().any(|part| message.contains(part));
    if is_too_large {
        message = format!("a whole number must be from {} to {}", i64::MIN, i64::MAX);
    }
    let Some(before) = error.span().and_then(|span| text.get(..span.start)) else { return message };
    let line = before.matches('\n').count() + 1;
    // The key, if the mistake is in its value. A number may be in an array of several lines.
    let mut lines = before.rsplit('\n').take(if is_too_large { usize::MAX } else { 1 });
    match lines.find_map(|line| line.split_once('=')) {
        Some((key, _)) => format!("`{}`: {message} in line {line}", key.trim()),
        None => format!("{message} in line {line}"),
    }
}
