//! Pages of a collection, and the links between them (Microsoft Graph: "Paging Microsoft Graph data in your app").

use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use url::Url;

use super::address::same_path;
use super::answer::Answer;
use super::body::{self, Member, Members};
use super::error::{Answered, Error};
use super::key::Key;
use super::models::{Entity, Received};

/// Longest query of a link that is followed, in bytes.
const LONGEST_QUERY: usize = 8 * 1024;

/// One page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The entities, in Graph's order; there may be none although more pages follow.
    pub entities: Vec<T>,
    /// How many rows besides are no entity of this collection: null, without a usable id, or of another type.
    pub unreadable: usize,
    /// Where the next page is, where there is one.
    pub next: Option<NextPage>,
    /// `@odata.count`, where Graph gave it.
    pub count: Received<i64>,
    /// Status and ids of the answer.
    pub answered: Answered,
}

/// The query of an `@odata.nextLink` that was checked: it leads to the same collection at the same origin. `$select` and
/// `$count` are left out, to be put anew; the rest is Graph's own and is not looked into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NextPage(String);

impl NextPage {
    /// The query.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A page as it comes; its rows read or not.
#[derive(Deserialize)]
struct Body<T> {
    value: Vec<T>,
    #[serde(rename = "@odata.nextLink", default)]
    next_link: Received<String>,
    #[serde(rename = "@odata.count", default)]
    count: Received<i64>,
    #[serde(default)]
    error: Received<String>,
}

impl<'t> Body<&'t RawValue> {
    /// A page with a row that cannot be read, or members that are not as documented.
    fn of_members(members: &Members<'t>) -> Option<Self> {
        let Member::Value(value) = members.get("value") else { return None };
        Some(Self {
            value: body::first(value.get()).ok()?,
            next_link: received(members.get("@odata.nextLink")),
            count: received(members.get("@odata.count")),
            error: received(members.get("error")),
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

/// Reads a page, and how many rows it has, readable or not: at once where it is clean, else row by row.
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
    /// [`Error::OutOfContract`] where there is no page in the answer, or its link leads anywhere else: it is not
    /// followed, so that no token goes there.
    pub(super) fn read(answer: &Answer, root: &Url, collection: &str) -> Result<Self, Error> {
        let Some((body, rows)) = read_page::<T>(&answer.text()?) else {
            return Err(answer.contradiction("no page can be read from the body"));
        };
        if matches!(body.error, Received::Value(_) | Received::Malformed) {
            return Err(answer.contradiction("the page is an error"));
        }
        let next = match &body.next_link {
            Received::Absent | Received::Null => None,
            Received::Value(link) if link.is_empty() => None,
            Received::Value(link) => Some(
                next_page(link, root, collection)
                    .ok_or_else(|| answer.contradiction("the next link leads out of the collection"))?,
            ),
            Received::Malformed => return Err(answer.contradiction("the next link is no text")),
        };
        let mut entities = body.value;
        entities.retain(|entity| Key::new(entity.key()).is_ok());
        let count = match body.count {
            Received::Value(count) if count < 0 => Received::Malformed,
            count => count,
        };
        let unreadable = rows - entities.len();
        Ok(Self { entities, unreadable, next, count, answered: answer.answered().clone() })
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
    (!query.is_empty() && query.len() <= LONGEST_QUERY).then_some(NextPage(query))
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::next_page;

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
