//! OData query options, and Graph's error messages for invalid ones.

use percent_encoding::percent_decode_str;

use crate::error::{GraphError, Result, no_property};
use crate::filter::Filter;
use crate::model::{Cardinality, StructuredType, Version};

/// The options of one request.
#[derive(Debug, Default)]
pub(crate) struct QueryOptions {
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
    /// Every option of the request, for the next link.
    pub(crate) raw_options: Vec<QueryOption>,
}

/// One key of `$orderby`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OrderKey {
    /// Index of the property in an entity's values.
    pub(crate) property: usize,
    pub(crate) descending: bool,
}

/// A query option of the request.
#[derive(Debug, Clone)]
pub(crate) struct QueryOption {
    /// Decoded, and with the `$` that beta lets a caller drop.
    pub(crate) name: String,
    /// Decoded.
    pub(crate) value: String,
    /// Name and value as the request spelled them.
    pub(crate) raw: String,
}

/// The kind of resource, which decides the allowed options.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum QueryTarget {
    Collection,
    Count,
    Entity,
}

const OPTION_NAMES: [&str; 11] = [
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

impl QueryOptions {
    /// Reads the options of a query string.
    pub(crate) fn parse(
        query: Option<&str>,
        kind: &'static StructuredType,
        version: Version,
        target: QueryTarget,
    ) -> Result<Self> {
        let mut options = Self { raw_options: raw_options(query, version), ..Self::default() };
        for QueryOption { name, value, .. } in &options.raw_options {
            if !name.starts_with('$') {
                continue;
            }
            let parser = OptionParser { kind, version };
            match (name.as_str(), target) {
                ("$select", QueryTarget::Collection | QueryTarget::Entity) => {
                    options.select = Some(parser.select(value)?)
                }
                ("$expand", QueryTarget::Collection | QueryTarget::Entity) => {
                    options.expand = parser.expand(value)?
                }
                ("$filter", QueryTarget::Collection | QueryTarget::Count) => {
                    options.filter = Some(Filter::parse(value, kind, version)?);
                }
                ("$orderby", QueryTarget::Collection) => options.order = parser.order(value)?,
                ("$top", QueryTarget::Collection) => options.top = Some(number(name, value)?),
                ("$skip", QueryTarget::Collection) => options.skip = Some(number(name, value)?),
                ("$skiptoken", QueryTarget::Collection) => options.skip_token = Some(value.clone()),
                ("$count", QueryTarget::Collection) => options.count = boolean(name, value)?,
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

    /// The decoded value of an option.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.raw_options.iter().rev().find(|option| option.name == name).map_or("", |option| &option.value)
    }
}

/// The options of a query string, in their order. On beta the `$` of an option may be missing.
fn raw_options(query: Option<&str>, version: Version) -> Vec<QueryOption> {
    query
        .unwrap_or_default()
        .split('&')
        .filter(|option| !option.is_empty())
        .map(|raw| {
            let (name, value) = raw.split_once('=').unwrap_or((raw, ""));
            let mut name = decoded(name);
            let with_dollar = format!("${name}");
            if version == Version::Beta && OPTION_NAMES.contains(&with_dollar.as_str()) {
                name = with_dollar;
            }
            QueryOption { name, value: decoded(value), raw: raw.to_owned() }
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

struct OptionParser {
    kind: &'static StructuredType,
    version: Version,
}

impl OptionParser {
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
    use super::{QueryOptions, QueryTarget};
    use crate::model::{DEVICE_STATUS, IOS_LOB_APP_PROVISIONING_CONFIGURATION, Version};

    fn parse(query: &str) -> Result<QueryOptions, String> {
        QueryOptions::parse(Some(query), &DEVICE_STATUS, Version::Beta, QueryTarget::Collection)
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
    fn an_entity_allows_only_select_and_expand() {
        let on_entity = |query| {
            QueryOptions::parse(
                Some(query),
                &IOS_LOB_APP_PROVISIONING_CONFIGURATION,
                Version::Beta,
                QueryTarget::Entity,
            )
        };
        assert_eq!(on_entity("$expand=assignments,deviceStatuses").unwrap().expand, [0, 1]);
        assert!(on_entity("$top=1").is_err());
        assert!(on_entity("$expand=assignments($select=id)").is_err());
    }
}
