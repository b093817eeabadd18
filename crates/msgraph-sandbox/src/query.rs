//! OData query options: what a request asks for, and Graph's messages where it cannot be had.

use percent_encoding::percent_decode_str;

use crate::error::{GraphError, Result, no_property};
use crate::filter::Filter;
use crate::model::{Cardinality, StructuredType, Version};

/// The options of one request.
#[derive(Debug, Default)]
pub(crate) struct Options {
    pub(crate) select: Option<Vec<String>>,
    /// Indexes of navigation properties.
    pub(crate) expand: Vec<usize>,
    pub(crate) filter: Option<Filter>,
    pub(crate) order: Vec<OrderKey>,
    /// Entities per page.
    pub(crate) top: Option<usize>,
    pub(crate) skip: Option<usize>,
    pub(crate) skip_token: Option<String>,
    pub(crate) count: bool,
    /// Every option as it came, for the next link.
    pub(crate) pairs: Vec<Pair>,
}

/// One key of `$orderby`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OrderKey {
    /// Index of the property in an entity's values.
    pub(crate) property: usize,
    pub(crate) descending: bool,
}

/// A query option as it came.
#[derive(Debug, Clone)]
pub(crate) struct Pair {
    /// Decoded, and with the `$` that beta lets a caller drop.
    pub(crate) name: String,
    /// Decoded.
    pub(crate) value: String,
    /// The pair in the request's own spelling.
    pub(crate) raw: String,
}

/// What a resource can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    Collection,
    Count,
    Entity,
}

const KNOWN: [&str; 11] = [
    "$select",
    "$expand",
    "$filter",
    "$orderby",
    "$top",
    "$skip",
    "$skiptoken",
    "$count",
    "$format",
    "$search",
    "$apply",
];

impl Options {
    /// Reads the options of a query string.
    pub(crate) fn parse(
        query: Option<&str>,
        kind: &'static StructuredType,
        version: Version,
        scope: Scope,
    ) -> Result<Self> {
        let mut options = Self { pairs: pairs(query, version), ..Self::default() };
        for Pair { name, value, .. } in &options.pairs {
            if !name.starts_with('$') {
                continue;
            }
            let reader = Reader { kind, version };
            match (name.as_str(), scope) {
                ("$select", Scope::Collection | Scope::Entity) => {
                    options.select = Some(reader.select(value)?)
                }
                ("$expand", Scope::Collection | Scope::Entity) => options.expand = reader.expand(value)?,
                ("$filter", Scope::Collection | Scope::Count) => {
                    options.filter = Some(Filter::parse(value, kind, version)?);
                }
                ("$orderby", Scope::Collection) => options.order = reader.order(value)?,
                ("$top", Scope::Collection) => options.top = Some(number(name, value)?),
                ("$skip", Scope::Collection) => options.skip = Some(number(name, value)?),
                ("$skiptoken", Scope::Collection) => options.skip_token = Some(value.clone()),
                ("$count", Scope::Collection) => options.count = boolean(name, value)?,
                ("$format", _) if value.starts_with("json") || value.starts_with("application/json") => {}
                ("$filter" | "$orderby" | "$top" | "$skip" | "$skiptoken" | "$count", _) => {
                    return Err(GraphError::bad_request(
                        "The query specified in the URI is not valid. The requested resource is not a collection. Query options $filter, $orderby, $count, $skip, and $top can be applied only on collections.",
                    ));
                }
                _ => {
                    return Err(GraphError::bad_request(format!(
                        "Unrecognized query argument specified: '{name}'."
                    )));
                }
            }
        }
        if options.top == Some(0) {
            return Err(GraphError::bad_request(
                "Invalid page size specified: '0'. Must be between 1 and 1000 inclusive.",
            ));
        }
        Ok(options)
    }

    /// The value of an option, decoded, as it came.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.pairs.iter().rev().find(|pair| pair.name == name).map_or("", |pair| &pair.value)
    }
}

/// The pairs of a query string, in their order. On beta the `$` of an option may be missing.
fn pairs(query: Option<&str>, version: Version) -> Vec<Pair> {
    query
        .unwrap_or_default()
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|raw| {
            let (name, value) = raw.split_once('=').unwrap_or((raw, ""));
            let mut name = decoded(name);
            let with_dollar = format!("${name}");
            if version == Version::Beta && KNOWN.contains(&with_dollar.as_str()) {
                name = with_dollar;
            }
            Pair { name, value: decoded(value), raw: raw.to_owned() }
        })
        .collect()
}

fn decoded(text: &str) -> String {
    percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}

fn number(name: &str, value: &str) -> Result<usize> {
    value.parse().map_err(|_| {
        GraphError::bad_request(format!(
            "Invalid value '{value}' for {name} query option found. The {name} query option requires a non-negative integer value."
        ))
    })
}

fn boolean(name: &str, value: &str) -> Result<bool> {
    match value {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(GraphError::bad_request(format!(
            "Invalid value '{value}' for {name} query option found. Valid values are 'true' and 'false'."
        ))),
    }
}

struct Reader {
    kind: &'static StructuredType,
    version: Version,
}

impl Reader {
    /// A derived type's property needs the cast form `microsoft.graph.iosMobileAppConfiguration/settings`.
    fn select(&self, value: &str) -> Result<Vec<String>> {
        value
            .split(',')
            .map(str::trim)
            .map(|name| {
                if name.is_empty() || name.contains(['(', ')']) {
                    return Err(not_valid(name));
                }
                let (kind, property) = match name.rsplit_once('/') {
                    Some((cast, property)) => {
                        (self.kind.named(cast).ok_or_else(|| self.unknown(name))?, property)
                    }
                    None => (self.kind, name),
                };
                match kind.property(property, self.version) {
                    Some(_) => Ok(property.to_owned()),
                    None => Err(self.unknown(name)),
                }
            })
            .collect()
    }

    fn expand(&self, value: &str) -> Result<Vec<usize>> {
        if value.matches('(').count() != value.matches(')').count() {
            return Err(GraphError::bad_request(
                "Parsing OData Select and Expand failed: Found an unbalanced bracket expression.",
            ));
        }
        value
            .split(',')
            .map(str::trim)
            .map(|name| {
                if name.is_empty() || name.contains(['(', ')', '*', '/']) {
                    return Err(not_valid(name));
                }
                match self.kind.navigation(name, self.version) {
                    Some((index, navigation)) if navigation.cardinality == Cardinality::Many => Ok(index),
                    Some(_) => Err(not_valid(name)),
                    None => Err(self.unknown(name)),
                }
            })
            .collect()
    }

    fn order(&self, value: &str) -> Result<Vec<OrderKey>> {
        value
            .split(',')
            .map(|key| {
                let mut words = key.split_whitespace();
                let name = words.next().unwrap_or_default();
                let descending = match words.next() {
                    None | Some("asc") => false,
                    Some("desc") => true,
                    Some(other) => {
                        return Err(GraphError::bad_request(format!(
                            "Syntax error at '{other}' in '{value}'."
                        )));
                    }
                };
                if let Some(surplus) = words.next() {
                    return Err(GraphError::bad_request(format!(
                        "Syntax error at '{surplus}' in '{value}'."
                    )));
                }
                let (property, _) = self
                    .kind
                    .property(name, self.version)
                    .ok_or_else(|| GraphError::bad_request(no_property(name, self.kind)))?;
                Ok(OrderKey { property, descending })
            })
            .collect()
    }

    fn unknown(&self, name: &str) -> GraphError {
        GraphError::bad_request(format!(
            "Parsing OData Select and Expand failed: {}",
            no_property(name, self.kind)
        ))
    }
}

fn not_valid(term: &str) -> GraphError {
    GraphError::bad_request(format!(
        "Parsing OData Select and Expand failed: Term '{term}' is not valid in a $select or $expand expression."
    ))
}

#[cfg(test)]
mod tests {
    use super::{Options, Scope};
    use crate::model::{DEVICE_STATUS, IOS_LOB_APP_PROVISIONING_CONFIGURATION, Version};

    fn parse(query: &str) -> Result<Options, String> {
        Options::parse(Some(query), &DEVICE_STATUS, Version::Beta, Scope::Collection)
            .map_err(|error| error.message.into_owned())
    }

    #[test]
    fn options_are_decoded_and_beta_may_drop_the_dollar() {
        let options = parse("%24select=id,status&top=5&$orderby=status%20desc,id&$count=true&x=1").unwrap();
        assert_eq!(options.select.unwrap(), ["id", "status"]);
        assert_eq!(options.top, Some(5));
        assert_eq!(options.order.len(), 2);
        assert!(options.order[0].descending && !options.order[1].descending);
        assert!(options.count);
    }

    #[test]
    fn bad_options_have_graphs_messages() {
        for (query, message) in [
            (
                "$select=nope",
                "Parsing OData Select and Expand failed: Could not find a property named 'nope' on type 'microsoft.graph.managedDeviceMobileAppConfigurationDeviceStatus'.",
            ),
            ("$expand=a(", "Parsing OData Select and Expand failed: Found an unbalanced bracket expression."),
            ("$search=x", "Unrecognized query argument specified: '$search'."),
            (
                "$top=-1",
                "Invalid value '-1' for $top query option found. The $top query option requires a non-negative integer value.",
            ),
        ] {
            assert_eq!(parse(query).unwrap_err(), message, "{query}");
        }
        for query in
            ["$top=x", "$top=0", "$skip=-1", "$count=1", "$nope=1", "$orderby=nope", "$orderby=id up"]
        {
            assert!(parse(query).is_err(), "{query}");
        }
    }

    #[test]
    fn an_entity_takes_select_and_expand_only() {
        let on_entity = |query| {
            Options::parse(Some(query), &IOS_LOB_APP_PROVISIONING_CONFIGURATION, Version::Beta, Scope::Entity)
        };
        assert_eq!(on_entity("$expand=assignments,deviceStatuses").unwrap().expand, [0, 1]);
        assert!(on_entity("$top=1").is_err());
        assert!(on_entity("$expand=assignments($select=id)").is_err());
    }
}
