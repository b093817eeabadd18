//! Pages of a collection, and the links between them (Microsoft Graph: "Paging Microsoft Graph data in your app").

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use url::Url;

use super::address::same_path;
use super::body::{self, Member, Members, Name};
use super::error::{Error, ResponseInfo};
use super::key::Key;
use super::models::{Entity, Received};
use super::response::GraphResponse;
use crate::memory::Reservation;

/// Maximum length in bytes of the query of a link that is followed.
const MAX_QUERY: usize = 8 * 1024;

const VALUE: &str = "value";
const ERROR: &str = "error";
const NEXT_LINK: &str = "@odata.nextLink";
/// The names that Graph, OData 4.01 and OData 3 use.
const COUNT: [&str; 3] = ["@odata.count", "@count", "odata.count"];

/// One page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The entities, in Graph's order; there may be none although more pages follow.
    pub entities: Vec<T>,
    /// The number of other rows, which are not entities of this collection: null, without a usable
    /// id, or of another type.
    pub unreadable: usize,
    /// The link to the next page.
    pub next: NextLink,
    /// `@odata.count`, if Graph returned it.
    pub count: Received<i64>,
    /// Status and ids of the response.
    pub info: ResponseInfo,
    /// The memory that the response takes of the budget of all responses.
    pub memory: PageMemory,
}

/// Memory of a page's response, reserved until the last clone is dropped. Held with rows that are kept for longer.
#[derive(Debug, Clone)]
pub struct PageMemory(#[expect(dead_code, reason = "held until it is dropped")] Arc<Reservation>);

/// Equal pages may take different memory.
impl PartialEq for PageMemory {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for PageMemory {}

/// The next link of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NextLink {
    /// None: the list ends.
    End,
    /// A usable link.
    Page(NextPage),
    /// An invalid link, or one with another origin. It is not followed, because the token must not
    /// be sent there.
    Unusable,
}

/// The query of a valid `@odata.nextLink`: it refers to the same collection at the same origin.
/// `$select` and `$count` are removed, because they are set again; the rest is opaque.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NextPage(String);

impl NextPage {
    /// The query.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A page as it was received, with its rows parsed or not.
struct Body<T> {
    value: Vec<T>,
    next_link: Received<String>,
    count: Received<i64>,
    error: Received<String>,
}

/// Parses a page whose members are unique and have the documented names.
impl<'de, T: Deserialize<'de>> Deserialize<'de> for Body<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct BodyVisitor<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for BodyVisitor<T> {
            type Value = Body<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a page")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
                let (mut value, mut next_link, mut count, mut error) = (None, None, None, None);
                while let Some(Name(name)) = members.next_key()? {
                    match &*name {
                        VALUE if value.is_none() => value = Some(members.next_value()?),
                        NEXT_LINK if next_link.is_none() => next_link = Some(members.next_value()?),
                        name if name == COUNT[0] && count.is_none() => count = Some(members.next_value()?),
                        ERROR if error.is_none() => error = Some(members.next_value()?),
                        name if is_of_page(name) => return Err(serde::de::Error::custom("an odd name")),
                        _ => {
                            members.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                Ok(Body {
                    value: value.ok_or_else(|| serde::de::Error::missing_field(VALUE))?,
                    next_link: next_link.unwrap_or_default(),
                    count: count.unwrap_or_default(),
                    error: error.unwrap_or_default(),
                })
            }
        }

        deserializer.deserialize_map(BodyVisitor(PhantomData))
    }
}

/// Whether a member of this name is used to read a page.
fn is_of_page(name: &str) -> bool {
    let is = |known: &str| name.eq_ignore_ascii_case(known);
    is(VALUE) || is(ERROR) || is_next_link(name) || COUNT.into_iter().any(is)
}

/// Whether a name is that of a link to the next page: `@odata.nextLink`, `@nextLink` of OData 4.01,
/// `odata.nextLink` of 3, `__next` of 2, and similar. A list that ends despite such a link is
/// incomplete.
fn is_next_link(name: &str) -> bool {
    let tail = name.len().checked_sub("nextLink".len()).and_then(|start| name.get(start..));
    tail.is_some_and(|tail| tail.eq_ignore_ascii_case("nextLink")) || name.eq_ignore_ascii_case("__next")
}

/// The link to the next page: the documented member if it is usable, otherwise any other.
fn next_link(members: &Members<'_>) -> Received<String> {
    let leads_on = |link: &Received<String>| match link {
        Received::Absent | Received::Null => false,
        Received::Value(link) => !link.is_empty(),
        Received::Malformed => true,
    };
    let documented = received(members.get(NEXT_LINK));
    if leads_on(&documented) {
        return documented;
    }
    let links = members.iter().filter(|(name, _)| is_next_link(name));
    let mut links = links.map(|(_, value)| received(Member::Value(value))).filter(leads_on);
    let Some(first) = links.next() else { return documented };
    if links.all(|link| link == first) { first } else { Received::Malformed }
}

fn count(members: &Members<'_>) -> Received<i64> {
    let counts = COUNT.map(|name| members.get(name));
    received(counts.into_iter().find(|count| !matches!(count, Member::Absent)).unwrap_or(Member::Absent))
}

impl<'t> Body<&'t RawValue> {
    /// A page with a row that cannot be read, or members that are not as documented.
    fn of_members(members: &Members<'t>) -> Option<Self> {
        let Member::Value(value) = members.get(VALUE) else { return None };
        Some(Self {
            value: body::first(value.get()).ok()?,
            next_link: next_link(members),
            count: count(members),
            error: received(members.get(ERROR)),
        })
    }

    /// The rows that can be read.
    fn rows<T: Entity>(self) -> Body<T> {
        let Self { value, next_link, count, error } = self;
        let value = value.into_iter().filter_map(|row| body::read(row.get()).ok()).collect();
        Body { value, next_link, count, error }
    }
}

fn received<T>(member: Member<'_>) -> Received<T>
where
    Received<T>: DeserializeOwned,
{
    match member {
        Member::Absent => Received::Absent,
        Member::Value(value) => body::read(value.get()).unwrap_or(Received::Malformed),
        Member::Contradictory => Received::Malformed,
    }
}

/// Parses a page and counts its rows, readable or not: in one step if it is clean, otherwise row by
/// row.
fn read_page<T: Entity>(text: &str) -> Option<(Body<T>, usize)> {
    if let Ok(body) = body::first::<Body<T>>(text) {
        let count = body.value.len();
        return Some((body, count));
    }
    let read = |members: &Members<'_>| {
        let body = Body::of_members(members)?;
        let count = body.value.len();
        Some((body.rows(), count))
    };
    body::with_members(text, read).flatten()
}

impl<T: Entity> Page<T> {
    /// Reads a page of `collection` (percent-encoded, relative to `root`).
    ///
    /// # Errors
    ///
    /// [`Error::UnexpectedResponse`] if the response has no page.
    pub(super) fn read(response: &GraphResponse, root: &Url, collection: &str) -> Result<Self, Error> {
        let Some((body, rows)) = read_page::<T>(&response.text()?) else {
            return Err(response.contradiction("the body has no readable page"));
        };
        if matches!(body.error, Received::Value(_) | Received::Malformed) {
            return Err(response.contradiction("the page is an error"));
        }
        let next = match &body.next_link {
            Received::Absent | Received::Null => NextLink::End,
            Received::Value(link) if link.is_empty() => NextLink::End,
            Received::Value(link) => {
                next_page(link, root, collection).map_or(NextLink::Unusable, NextLink::Page)
            }
            Received::Malformed => NextLink::Unusable,
        };
        let mut entities = body.value;
        entities.retain(|entity| Key::new(entity.key()).is_ok());
        let count = match body.count {
            Received::Value(count) if count < 0 => Received::Malformed,
            count => count,
        };
        let unreadable = rows - entities.len();
        let memory = PageMemory(response.memory());
        Ok(Self { entities, unreadable, next, count, info: response.info().clone(), memory })
    }
}

fn next_page(link: &str, root: &Url, collection: &str) -> Option<NextPage> {
    let url = Url::parse(link).ok()?;
    let same_origin = url.origin() == root.origin() && url.username().is_empty() && url.password().is_none();
    if !same_origin || !same_path(&url, root, collection) {
        return None;
    }
    let query = url.query()?;
    let kept = |pair: &&str| {
        let name = pair.split('=').next().unwrap_or_default();
        let name = percent_decode_str(name).decode_utf8_lossy();
        let name = name.strip_prefix('$').unwrap_or(&name);
        !name.eq_ignore_ascii_case("select") && !name.eq_ignore_ascii_case("count")
    };
    let query = query.split('&').filter(kept).collect::<Vec<_>>().join("&");
    (!query.is_empty() && query.len() <= MAX_QUERY).then_some(NextPage(query))
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::{is_next_link, next_page};

    fn next(link: &str) -> Option<String> {
        let root = Url::parse("https://graph.microsoft.com/beta").unwrap();
        next_page(link, &root, "/apps/a%2Fb/rows").map(|next| next.as_str().to_owned())
    }

    #[test]
    fn graphs_own_options_are_kept_but_for_select_and_count() {
        for (link, query) in [
            (
                "https://graph.microsoft.com/beta/apps/a%2Fb/rows?$skiptoken=x%3d%27y%27",
                "$skiptoken=x%3d%27y%27",
            ),
            (
                "https://graph.microsoft.com:443/Beta/apps('a%2Fb')/rows?$top=5&$select=id&%24count=true&$skip=5",
                "$top=5&$skip=5",
            ),
        ] {
            assert_eq!(next(link).as_deref(), Some(query));
        }
    }

    #[test]
    fn a_link_is_known_by_its_name_in_every_form() {
        for name in
            ["@odata.nextLink", "@odata.nextlink", "@nextLink", "odata.NextLink", "nextLink", "__next"]
        {
            assert!(is_next_link(name), "{name}");
        }
        for name in
            ["", "Link", "value", "@odata.deltaLink", "next", "@odata.nextLink2", "éextLink", "€xtLink"]
        {
            assert!(!is_next_link(name), "{name}");
        }
    }

    #[test]
    fn a_link_to_anywhere_else_is_none() {
        for link in [
            "https://evil.example/beta/apps/a%2Fb/rows?$skiptoken=1",
            "http://graph.microsoft.com/beta/apps/a%2Fb/rows?$skiptoken=1",
            "https://graph.microsoft.com:444/beta/apps/a%2Fb/rows?$skiptoken=1",
            "https://graph.microsoft.com@evil.example/beta/apps/a%2Fb/rows?$skiptoken=1",
            "https://u:p@graph.microsoft.com/beta/apps/a%2Fb/rows?$skiptoken=1",
            "//evil.example/beta/apps/a%2Fb/rows?$skiptoken=1",
            "/beta/apps/a%2Fb/rows?$skiptoken=1",
            "https://graph.microsoft.com/v1.0/apps/a%2Fb/rows?$skiptoken=1",
            "https://graph.microsoft.com/beta/apps/other/rows?$skiptoken=1",
            "https://graph.microsoft.com/beta/apps/a%2Fb/rows/../../../users?$skiptoken=1",
            "https://graph.microsoft.com/beta/apps/a%2Fb/rows",
            "http://169.254.169.254/",
            "not a link",
        ] {
            assert_eq!(next(link), None, "{link}");
        }
        assert_eq!(
            next(&format!(
                "https://graph.microsoft.com/beta/apps/a%2Fb/rows?$skiptoken={}",
                "x".repeat(9000)
            )),
            None
        );
    }
}
