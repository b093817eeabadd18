//! The settings in force, and where each value came from.

use std::fmt::{self, Display, Formatter};

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command};
use toml::Value;
use url::Url;

use super::file::{ConfigFile, settings};

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
            values: raw.map(|value| without_credentials(&value.to_string_lossy())).collect(),
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

/// The text, or, if it is a URL with a user name or a password, the URL with `***` instead of them.
fn without_credentials(text: &str) -> String {
    let Ok(mut url) = Url::parse(text) else { return text.to_owned() };
    if url.username().is_empty() && url.password().is_none() {
        return text.to_owned();
    }
    let is_hidden = url.set_password(None).and_then(|()| url.set_username("***")).is_ok();
    if is_hidden { url.into() } else { "***".to_owned() }
}

/// A line of a configuration file.
impl Display for EffectiveSetting {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.values[..] {
            [] => return write!(f, "# {} is not set", self.name),
            values if self.takes_many => {
                let values = values.iter().map(|value| Value::String(value.clone())).collect();
                write!(f, "{} = {}", self.name, Value::Array(values))?;
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
fn scalar(text: &str) -> Value {
    let number = text.parse().map(Value::Integer).ok();
    let switch = text.parse().map(Value::Boolean).ok();
    number.or(switch).unwrap_or_else(|| Value::String(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::without_credentials;

    #[test]
    fn credentials_of_urls_are_hidden() {
        for (text, expected) in [
            ("redis://user:secret@store:6379/0", "redis://***@store:6379/0"),
            ("https://:secret@graph.example/beta", "https://***@graph.example/beta"),
            ("https://graph.example/beta", "https://graph.example/beta"),
            ("127.0.0.1:4000", "127.0.0.1:4000"),
            ("30s", "30s"),
        ] {
            assert_eq!(without_credentials(text), expected);
        }
    }
}
