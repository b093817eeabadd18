//! A collection: the operations that all of them have alike.

use std::marker::PhantomData;

use http::{Method, StatusCode};
use serde::Serialize;
use uuid::Uuid;

use crate::graph::approval::Approval;
use crate::graph::error::{Error, WriteError, WriteKind};
use crate::graph::key::Key;
use crate::graph::models::Entity;
use crate::graph::odata::{Comparison, Filter, ListOptions, Literal, Select};
use crate::graph::page::{NextLink, Page};
use crate::graph::response::GraphResponse;
use crate::graph::session::Session;
use crate::graph::writes::is_deleted;

/// Maximum number of pages that are searched for a row whose own route Graph rejects. Their size is
/// the maximum of Intune.
const MAX_SEARCHED_PAGES: usize = 5;
const SEARCH_PAGE_SIZE: usize = 1000;

/// The result of a search.
enum Search<T> {
    Found(T),
    /// The whole collection was searched.
    Absent,
    /// There are more pages than are searched or can be reached, or rows that cannot be read.
    GivenUp,
}

/// A collection of entities. Each collection names its pages in Microsoft Graph's documentation.
#[derive(Debug)]
pub struct Collection<T> {
    pub(super) session: Session,
    /// Percent-encoded, below the service root.
    pub(super) path: String,
    /// The path of creates, usually the same as `path`.
    pub(super) create_path: String,
    entities: PhantomData<fn() -> T>,
}

impl<T> Clone for Collection<T> {
    fn clone(&self) -> Self {
        Self {
            session: self.session.clone(),
            path: self.path.clone(),
            create_path: self.create_path.clone(),
            entities: PhantomData,
        }
    }
}

impl<T: Entity> Collection<T> {
    pub(super) fn new(session: Session, path: String) -> Self {
        Self { session, create_path: path.clone(), path, entities: PhantomData }
    }

    /// The collection's path below the service root.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// `GET …/{id}`; `None` if Graph does not have the entity.
    ///
    /// # Errors
    ///
    /// Any [`Error`] except a 404 or 410.
    pub async fn get_opt(&self, id: &Key, select: &Select) -> Result<Option<T>, Error> {
        let path = format!("{}/{}", self.path, id.segment());
        let Some(response) = absent_is_none(self.session.get(path, select).await)? else { return Ok(None) };
        Self::of_key(&response, id).map(Some)
    }

    /// The entity of a response if it has this key. Another key means that the response belongs to
    /// another request.
    fn of_key(response: &GraphResponse, id: &Key) -> Result<T, Error> {
        let entity: T = response.entity()?;
        if response.is_foreign::<T>() {
            return Err(response.contradiction("the response has no requested member"));
        }
        if is_of_another(entity.key(), id.as_str()) {
            return Err(response.contradiction("the entity has another key"));
        }
        Ok(entity)
    }

    /// Like [`Self::get_opt`], for rows that Intune computes. On the live service they may have no
    /// route of their own, and are then searched in their collection.
    ///
    /// # Errors
    ///
    /// Any [`Error`] except a 404 or 410; Graph's error if the row is on none of the searched pages
    /// and there are more.
    pub async fn get_or_find(&self, id: &Key, select: &Select) -> Result<Option<T>, Error> {
        match self.get_opt(id, select).await {
            Err(Error::Api(api)) if api.is_not_supported() => {
                // Boxed, since it is seldom needed and larger than a read.
                match absent_is_none(Box::pin(self.find(id, select)).await)? {
                    Some(Search::Found(entity)) => Ok(Some(entity)),
                    Some(Search::GivenUp) => Err(Error::Api(api)),
                    Some(Search::Absent) | None => Ok(None),
                }
            }
            result => result,
        }
    }

    /// `GET …?$filter=id eq '{id}'`, without the filter if Graph refuses it. The filter may be ignored, so rows are held
    /// against the key, over several pages.
    async fn find(&self, id: &Key, select: &Select) -> Result<Search<T>, Error> {
        let filter = Filter::Compare("id", Comparison::Eq, Literal::String(id.as_str().to_owned()));
        let options =
            ListOptions { filter: Some(filter), top: Some(SEARCH_PAGE_SIZE), ..ListOptions::default() };
        let mut refused = self.refused_options(&options);
        let mut query = options.without(refused).to_query();
        // A row that cannot be read may be the one.
        let mut is_whole = true;
        for page_number in 0..MAX_SEARCHED_PAGES {
            let page = match self.list(query.clone(), select).await {
                Err(error) if page_number == 0 && refused.is_empty() => {
                    refused = self.find_refused_options(&options, &error).await;
                    if refused.is_empty() {
                        return Err(error);
                    }
                    query = options.without(refused).to_query();
                    self.list(query.clone(), select).await?
                }
                page => page?,
            };
            if let Some(entity) = page.entities.into_iter().find(|entity| id.is(entity.key())) {
                return Ok(Search::Found(entity));
            }
            is_whole &= page.unreadable == 0;
            match page.next {
                NextLink::Page(next) if next.as_str() != query => query = next.as_str().to_owned(),
                NextLink::End if is_whole => return Ok(Search::Absent),
                NextLink::Page(_) | NextLink::End | NextLink::Unusable => return Ok(Search::GivenUp),
            }
        }
        Ok(Search::GivenUp)
    }

    /// `GET …`, a page of the collection. `query` is the result of [`ListOptions::to_query`] or a
    /// [`NextPage`].
    ///
    /// [`NextPage`]: crate::graph::NextPage
    ///
    /// # Errors
    ///
    /// Any [`Error`].
    pub async fn list(&self, query: String, select: &Select) -> Result<Page<T>, Error> {
        self.session.page(&self.path, query, select).await
    }

    /// `GET …/$count`: the number of entities that match the filter.
    ///
    /// # Errors
    ///
    /// Any [`Error`]; [`Error::UnexpectedResponse`] if the response is not a number.
    pub async fn count(&self, filter: Option<&Filter>) -> Result<i64, Error> {
        let options = ListOptions { filter: filter.cloned(), ..ListOptions::default() };
        let response = self.session.read(format!("{}/$count", self.path), options.to_query()).await?;
        // Quotes have no business there, and take nothing from the number.
        let text = response.text()?;
        let digits = text.trim_matches(|c: char| c.is_whitespace() || c == '"' || c == '\u{feff}');
        let count = digits.parse().ok().filter(|count: &i64| *count >= 0);
        count.ok_or_else(|| response.unexpected("the count is not a number"))
    }

    /// `PATCH …/{id}`. `None` if Graph succeeded without returning the entity.
    pub(super) async fn patch(
        &self,
        id: &Key,
        patch: &impl Serialize,
        approval: Option<&Approval>,
    ) -> Result<Option<T>, WriteError> {
        let path = format!("{}/{}", self.path, id.segment());
        let id = id.clone();
        let read = move |response: &GraphResponse| match response.status() {
            StatusCode::OK => Self::of_key(response, &id).map(Some),
            StatusCode::NO_CONTENT => Ok(None),
            _ => Err(response.contradiction("the status is not that of an update")),
        };
        self.session.write(WriteKind::Keyed, Method::PATCH, &path, Some(patch), approval, read).await
    }

    /// `DELETE …/{id}`. A 404 after an attempt whose response was lost is a success.
    ///
    /// # Errors
    ///
    /// [`WriteError`]; an entity that was not there at the first attempt is one (404).
    pub async fn delete(&self, id: &Key, approval: Option<&Approval>) -> Result<(), WriteError> {
        let path = format!("{}/{}", self.path, id.segment());
        let read = |response: &GraphResponse| response.done("the response is not that of a deletion");
        match self.session.write(WriteKind::Keyed, Method::DELETE, &path, None::<&()>, approval, read).await {
            Err(error) if is_deleted(&error) => Ok(()),
            result => result,
        }
    }
}

/// 404 and 410 for an entity mean that it is not there, which a look-up reports as `None`; 404 for the API version
/// is an error like any other.
fn absent_is_none<T>(result: Result<T, Error>) -> Result<Option<T>, Error> {
    match result {
        Ok(entity) => Ok(Some(entity)),
        Err(Error::Api(api))
            if matches!(api.status, StatusCode::NOT_FOUND | StatusCode::GONE) && !api.is_not_supported() =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Whether two keys certainly belong to two objects: both are GUIDs, possibly joined by `_`, and
/// differ. Other words may be names of the same object, and so may the last GUIDs of a key.
fn is_of_another(found: &str, asked: &str) -> bool {
    let guids = |key: &str| -> Option<Vec<Uuid>> {
        key.split('_').map(|part| if part.len() == 36 { Uuid::try_parse(part).ok() } else { None }).collect()
    };
    match (guids(found), guids(asked)) {
        (Some(found), Some(asked)) => !found.ends_with(&asked) && !asked.ends_with(&found),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::is_of_another;

    #[test]
    fn only_guids_tell_objects_apart() {
        let [a, b] = ["e2a23631-3631-e2a2-3136-a2e23136a2e2", "00000000-0000-0000-0000-000000000001"];
        let both = format!("{a}_{b}");
        for (found, asked, other) in [
            (a, a, false),
            (&a.to_uppercase(), a, false),
            (a, b, true),
            (&both, b, false),
            (&both, &both.to_uppercase(), false),
            (&both, a, true),
            (&both, &format!("{b}_{b}"), true),
            ("a", "b", false),
            ("a", b, false),
            (&a.replace('-', ""), b, false),
        ] {
            assert_eq!(is_of_another(found, asked), other, "{found} {asked}");
            assert_eq!(is_of_another(asked, found), other, "{asked} {found}");
        }
    }
}
