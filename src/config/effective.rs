//! The settings in force, and where each value came from.

use std::fmt::{self, Display, Formatter};

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command};

use super::file::{ConfigFile, settings};
use crate::printable::{must_escape, value_without_credentials};

/// A setting in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EffectiveSetting {
    /// The flag's name, without `--`.
    pub name: String,
    /// The heading of its group in `--help`.
    pub group: String,
    /// Its values as they were written, with credentials hidden; none if it is not set.
    pub values: Vec<String>,
    /// Where the values came from.
    pub source: SettingSource,
    takes_many: bool,
}

/// Where the value of a setting came from, in order of precedence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SettingSource {
    /// A flag.
    Flag,
    /// The environment variable of this name.
    Variable(String),
    /// The configuration file.
    File,
    /// The default.
    Default,
}

/// The settings of a subcommand, in the order of `--help`.
pub(super) fn effective(
    definition: &Command,
    name: &str,
    matches: &ArgMatches,
    file: Option<&ConfigFile>,
) -> Vec<EffectiveSetting> {
    let describe = |arg: &Arg| {
        let id = arg.get_id().as_str();
        let flag = arg.get_long().unwrap_or_default();
        let source = match matches.value_source(id) {
            Some(ValueSource::CommandLine) => SettingSource::Flag,
            Some(ValueSource::EnvVariable) => {
                let variable = arg.get_env().unwrap_or_default();
                SettingSource::Variable(variable.to_string_lossy().into_owned())
            }
            _ if file.is_some_and(|file| file.contains(flag)) => SettingSource::File,
            _ => SettingSource::Default,
        };
        let raw = matches.get_raw(id).into_iter().flatten();
        EffectiveSetting {
            name: flag.to_owned(),
            group: arg.get_help_heading().unwrap_or_default().to_owned(),
            values: raw.map(|value| value_without_credentials(&value.to_string_lossy())).collect(),
            source,
            takes_many: matches!(arg.get_action(), clap::ArgAction::Append),
        }
    };
    settings(definition, name).map(describe).collect()
}

impl EffectiveSetting {
    /// The setting as a flag; `None` if it is not set.
    #[must_use]
    pub fn to_flag(&self) -> Option<String> {
        (!self.values.is_empty()).then(|| format!("--{}={}", self.name, self.values.join(",")))
    }
}

/// A line of a configuration file.
impl Display for EffectiveSetting {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.values[..] {
            [] => return write!(f, "# {} is not set", self.name),
            values if self.takes_many => {
                let values: Vec<String> = values.iter().map(|value| string(value)).collect();
                write!(f, "{} = [{}]", self.name, values.join(", "))?;
            }
            [value, ..] => write!(f, "{} = {}", self.name, scalar(value))?,
        }
        match &self.source {
            SettingSource::Flag => write!(f, "  # flag"),
            SettingSource::Variable(name) => write!(f, "  # variable {name}"),
            SettingSource::File => write!(f, "  # file"),
            SettingSource::Default => write!(f, "  # default"),
        }
    }
}

/// A number or a switch as such, anything else as a string.
fn scalar(text: &str) -> String {
    let number = text.parse::<i64>().map(|number| number.to_string()).ok();
    let switch = text.parse::<bool>().map(|switch| switch.to_string()).ok();
    number.or(switch).unwrap_or_else(|| string(text))
}

/// A basic string of TOML, on one line.
fn string(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for char in text.chars() {
        match char {
            '"' | '\\' => quoted.extend(['\\', char]),
            // They are in the basic multilingual plane.
            char if must_escape(char) => quoted.push_str(&format!("\\u{:04X}", u32::from(char))),
            char => quoted.push(char),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::string;

    #[test]
    fn a_string_is_on_one_line_and_is_read_back_unchanged() {
        for text in ["plain", "a\nb\t\x1b[31m", "quote \" and \\ and '", "\u{9b}\u{202e}", "漢字"] {
            let line = format!("x = {}", string(text));
            assert!(!line.contains(|char: char| char.is_control()), "{line}");
            let table: toml::Table = line.parse().unwrap();
            assert_eq!(table["x"].as_str(), Some(text));
        }
    }
}
