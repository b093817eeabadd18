//! The result of a create: the entity if Graph returned it, otherwise its key.

use http::StatusCode;
use url::Url;

use crate::graph::error::{Error, WriteError};
use crate::graph::key::Key;
use crate::graph::models::Entity;
use crate::graph::response::{GraphResponse, Verdict};

/// The created object: Graph returns the entity or its location.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Created<T> {
    /// The entity itself.
    Entity(T),
    /// Its key alone. It exists and can be read.
    Key(Key),
}

/// The result of a create.
pub type CreateResult<T> = Result<Created<T>, WriteError>;

impl<T: Entity> Created<T> {
    /// Reads the response to a create in `collection`, a percent-encoded path below `root`.
    ///
    /// # Errors
    ///
    /// [`Error::UnexpectedResponse`] if the response has neither a usable entity nor a usable
    /// location.
    pub(super) fn read(response: &GraphResponse, root: &Url, collection: &str) -> Result<Self, Error> {
        let verdict = response.verdict::<T>();
        if verdict == Verdict::NoSuccess {
            return Err(response.contradiction("the response is an error or another object"));
        }
        let entity = match response.status() {
            StatusCode::NO_CONTENT => {
                Err(response.unexpected("the response has neither the entity nor a usable location"))
            }
            _ if verdict == Verdict::Foreign => {
                Err(response.contradiction("the response has no member of the created object"))
            }
            _ => response.entity::<T>(),
        };
        let error = match entity {
            Ok(entity) if Key::new(entity.key()).is_ok() => return Ok(Self::Entity(entity)),
            Ok(_) => response.unexpected("the entity's id is not usable"),
            Err(error) => error,
        };
        let location = match response.status() {
            StatusCode::OK | StatusCode::CREATED | StatusCode::NO_CONTENT => {
                response.location(root, collection)
            }
            // With other statuses the location is not that of the created object: with 202 it
            // refers to pending work.
            _ => None,
        };
        location.map(Self::Key).ok_or(error)
    }
}
