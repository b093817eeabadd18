//! Writes: create, update, delete, and the two actions.

use http::StatusCode;
use http::header::{HeaderName, HeaderValue, LOCATION};
use serde_json::{Map, Value as Json};

use crate::body::{self, Rules, given_key, mismatch, unknown_property};
use crate::call::Call;
use crate::entity::{StructuredValue, Value};
use crate::error::{GraphError, Result};
use crate::instant::Instant;
use crate::model::{
    ASSIGNMENTS, Action, DEVICE_STATUS, GROUP_ASSIGNMENTS, PROVISIONING_CONFIGURATIONS, StructuredType,
    USER_STATUS, Version,
};
use crate::path::{Address, entity_url};
use crate::reads::{ReadOperation, action_value};
use crate::response::{GraphResponse, ODATA_ENTITY_ID};
use crate::service::Service;
use crate::settings::{IdPolicy, StatusIds};
use crate::store::{EntitySetPath, Store};

const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// A write operation on the store.
pub(crate) struct WriteOperation<'a> {
    pub(crate) service: &'a Service,
    pub(crate) call: &'a Call<'a>,
    pub(crate) address: &'a Address,
    pub(crate) version: Version,
    pub(crate) store: &'a mut Store,
}

impl WriteOperation<'_> {
    pub(crate) fn create(mut self, set_address: &EntitySetPath) -> Result<GraphResponse> {
        let body = self.body()?;
        let set = self.store.set(set_address).ok_or_else(GraphError::not_found)?;
        let mut entity = self.rules().create(self.address.kind, &body)?;
        let id = match given_key(&body).filter(|_| self.service.settings.ids == IdPolicy::Keep) {
            Some(given) if set.get(given).is_some() => return Err(conflict()),
            Some(given) => given.to_owned(),
            None => self.new_id(entity.kind, set_address),
        };
        entity.set("id", id.as_str());
        let now = Instant::now();
        entity.set("createdDateTime", now);
        entity.set("lastModifiedDateTime", now);
        entity.set("version", Value::Int32(1));
        if *entity.get("roleScopeTagIds") == Value::Null {
            entity.set("roleScopeTagIds", Value::Strings(vec!["0".to_owned()]));
        }
        let set = self.store.set_mut(set_address).ok_or_else(GraphError::not_found)?;
        set.insert(entity).map_err(|_| conflict())?;
        self.response(StatusCode::CREATED, set_address, &id)
    }

    pub(crate) fn update(mut self, set_address: &EntitySetPath, key: &str) -> Result<GraphResponse> {
        let body = self.body()?;
        let rules = self.rules();
        let set = self.store.set_mut(set_address).ok_or_else(GraphError::not_found)?;
        let entity = &mut set.get_mut(key).ok_or_else(GraphError::not_found)?.entity;
        for (index, value) in rules.update(entity, &body)? {
            entity.values[index] = value;
        }
        entity.set("lastModifiedDateTime", Instant::now());
        let version = entity.int32("version").saturating_add(1);
        entity.set("version", Value::Int32(version));
        self.response(StatusCode::OK, set_address, key)
    }

    pub(crate) fn delete(self, set_address: &EntitySetPath, key: &str) -> Result<GraphResponse> {
        let set = self.store.set_mut(set_address).ok_or_else(GraphError::not_found)?;
        if set.remove(key) { Ok(GraphResponse::no_content()) } else { Err(GraphError::not_found()) }
    }

    pub(crate) fn action(self, action: Action, root: usize, key: Option<&str>) -> Result<GraphResponse> {
        match action {
            Action::Assign => self.assign(root, key.unwrap_or_default()),
            Action::HasPayloadLinks => self.has_payload_links(),
        }
    }

    /// Replaces the assignments of a configuration, in both forms.
    fn assign(mut self, root: usize, key: &str) -> Result<GraphResponse> {
        let body = self.body()?;
        let parent = self.store.root_entry(root, key).ok_or_else(GraphError::not_found)?;
        let kind = parent.entity.kind;
        let members: &[(&str, usize)] = if root == PROVISIONING_CONFIGURATIONS {
            &[
                ("iOSLobAppProvisioningConfigAssignments", ASSIGNMENTS),
                ("appProvisioningConfigurationGroupAssignments", GROUP_ASSIGNMENTS),
            ]
        } else {
            &[("assignments", ASSIGNMENTS)]
        };
        self.check_parameters(kind, &body, &members.iter().map(|(name, _)| *name).collect::<Vec<_>>())?;
        let mut replacements = Vec::new();
        for (name, navigation) in members {
            let target = kind.navigations[*navigation].target;
            let items = match body.get(*name) {
                None | Some(Json::Null) => Vec::new(),
                Some(Json::Array(items)) => {
                    items.iter().map(|item| self.assignment(name, target, item)).collect::<Result<_>>()?
                }
                Some(_) => return Err(mismatch(name)),
            };
            replacements.push((*navigation, items));
        }
        for (navigation, items) in replacements {
            let set = EntitySetPath::Contained { root, key: key.to_owned(), navigation };
            let ids: Vec<String> = items.iter().map(|_| self.service.guid()).collect();
            let set = self.store.set_mut(&set).ok_or_else(GraphError::not_found)?;
            set.clear();
            for (mut item, id) in items.into_iter().zip(ids) {
                item.set("id", id.as_str());
                set.insert(item).map_err(|_| conflict())?;
            }
        }
        let root = self.store.set_mut(&EntitySetPath::Root(root));
        if let Some(entry) = root.and_then(|set| set.get_mut(key)) {
            entry.entity.set("lastModifiedDateTime", Instant::now());
        }
        Ok(GraphResponse::no_content())
    }

    fn assignment(&self, name: &str, kind: &'static StructuredType, item: &Json) -> Result<StructuredValue> {
        let members = item.as_object().ok_or_else(|| mismatch(name))?;
        self.rules().create(kind, members)
    }

    /// A payload counts as linked if it is the id of a configuration with assignments.
    fn has_payload_links(mut self) -> Result<GraphResponse> {
        let body = self.body()?;
        self.check_parameters(self.address.kind, &body, &["payloadIds"])?;
        let ids = body.get("payloadIds").and_then(Json::as_array).ok_or_else(|| mismatch("payloadIds"))?;
        let items = ids
            .iter()
            .map(|id| {
                let id = id.as_str().ok_or_else(|| mismatch("payloadIds"))?;
                let assigned = self
                    .store
                    .root_entry(PROVISIONING_CONFIGURATIONS, id)
                    .and_then(|entry| entry.contained(ASSIGNMENTS))
                    .is_some_and(|assignments| assignments.len() > 0);
                let sources: &[&str] = if assigned { &["direct"] } else { &[] };
                Ok(serde_json::json!({"payloadId": id, "hasLink": assigned, "error": "", "sources": sources}))
            })
            .collect::<Result<Vec<_>>>()?;
        let context = format!(
            "{}/$metadata#Collection(microsoft.graph.hasPayloadLinkResultItem)",
            self.call.root(self.version)
        );
        Ok(action_value(&context, Json::Array(items).to_string().as_bytes()))
    }

    /// Parameters of an action are a closed set, too.
    fn check_parameters(
        &self,
        kind: &'static StructuredType,
        body: &Map<String, Json>,
        known: &[&str],
    ) -> Result<()> {
        let unknown =
            body.keys().find(|name| !name.starts_with("@odata.") && !known.contains(&name.as_str()));
        match unknown {
            Some(name) if !self.rules().ignore_unknown => Err(unknown_property(kind, name)),
            _ => Ok(()),
        }
    }

    fn body(&mut self) -> Result<Map<String, Json>> {
        body::object(&self.call.message.headers, &self.call.message.body)
    }

    fn rules(&self) -> Rules {
        Rules { version: self.version, ignore_unknown: !self.service.settings.strict_bodies.is_on() }
    }

    fn new_id(&self, kind: &'static StructuredType, set: &EntitySetPath) -> String {
        let is_status = *kind == DEVICE_STATUS || *kind == USER_STATUS;
        match set {
            EntitySetPath::Contained { root, key, .. }
                if is_status && self.service.settings.status_ids == StatusIds::Composite =>
            {
                let parent =
                    self.store.root_entry(*root, key).map_or(key.as_str(), |entry| entry.entity.id());
                format!("{}_{parent}_{}", self.service.guid(), self.service.guid())
            }
            _ => self.service.guid(),
        }
    }

    /// The entity after the write, or 204 if the caller prefers a minimal response and the settings allow it.
    fn response(self, status: StatusCode, set_address: &EntitySetPath, key: &str) -> Result<GraphResponse> {
        let message = self.call.message;
        if self.service.settings.return_minimal.is_on() && message.header_lists("prefer", "return=minimal") {
            let minimal = GraphResponse::no_content()
                .with(PREFERENCE_APPLIED, HeaderValue::from_static("return=minimal"));
            if status != StatusCode::CREATED {
                return Ok(minimal);
            }
            let url = entity_url(&self.call.root(self.version), self.address, key);
            return Ok(minimal.with_text(LOCATION, &url).with_text(ODATA_ENTITY_ID, &url));
        }
        let entry =
            self.store.set(set_address).and_then(|set| set.get(key)).ok_or_else(GraphError::not_found)?;
        let read = ReadOperation {
            service: self.service,
            call: self.call,
            address: self.address,
            version: self.version,
            store: self.store,
            faults: &[],
        };
        Ok(read.written_entity(status, entry))
    }
}

fn conflict() -> GraphError {
    GraphError::new(StatusCode::CONFLICT, "Conflict", "An entity with this id exists already.")
}
