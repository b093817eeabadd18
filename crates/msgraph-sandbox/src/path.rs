//! From the path of a request to the resource that it names, as OData's URL conventions have it: keys as segments or
//! in parentheses, percent-decoded once.

use std::fmt::Write as _;

use percent_encoding::percent_decode_str;

use crate::error::{GraphError, Result};
use crate::model::{Action, Cardinality, DEVICE_APP_MANAGEMENT, Navigation, StructuredType, Version};
use crate::store::EntitySetPath;

/// The target of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Resource {
    /// `/deviceAppManagement` itself.
    Singleton,
    Collection(EntitySetPath),
    /// `…/$count` of a collection.
    Count(EntitySetPath),
    /// `…/$ref` of a collection.
    Ref(EntitySetPath),
    Entity(EntitySetPath, String),
    /// A single entity that the service computes from others of the same parent.
    Computed {
        root: usize,
        key: String,
    },
    /// An action and, if it is bound to an entity, that entity's key.
    Action {
        action: Action,
        root: usize,
        key: Option<String>,
    },
    /// A structural property of an entity.
    Property,
    /// `/$batch`.
    Batch,
}

/// A path that was understood.
#[derive(Debug, Clone)]
pub(crate) struct Address {
    pub(crate) resource: Resource,
    /// The declared type of the entities, or of the singleton.
    pub(crate) kind: &'static StructuredType,
    /// Intune's name for the shape of the path, as in `~/singleton/navigation/key`.
    pub(crate) template: String,
    /// As `canonical`, up to the last navigation property: what `@odata.context` names.
    pub(crate) collection: String,
    /// The path with keys in parentheses and without percent-encoding, as Graph hands it to Intune.
    pub(crate) canonical: String,
}

impl Address {
    /// Reads a raw path below the version, as in `/deviceAppManagement/mobileAppConfigurations('1')/assign`.
    pub(crate) fn parse(path: &str, version: Version) -> Result<Self> {
        // A double or trailing slash counts for nothing: a client with an empty key thus reaches the collection, as
        // was seen on the live service (msgraph-sdk-dotnet#2922).
        let mut segments = path.split('/').filter(|segment| !segment.is_empty()).map(Segment::parse);
        let first = segments.next().ok_or_else(|| GraphError::segment_not_found(""))?;
        if first.text == "$batch" {
            return match segments.next() {
                None => Ok(Self::at(Resource::Batch, "~/$batch".to_owned(), "/$batch".to_owned())),
                Some(next) => Err(GraphError::segment_not_found(&next.text)),
            };
        }
        if first.text != DEVICE_APP_MANAGEMENT.name {
            return Err(GraphError::segment_not_found(&first.text));
        }
        let mut address = Self::at(
            Resource::Singleton,
            "~/singleton".to_owned(),
            format!("/{}", DEVICE_APP_MANAGEMENT.name),
        );
        for segment in segments {
            match segment.in_parentheses() {
                Some((name, key)) => {
                    address.step(name, version)?;
                    address.key(&key)?;
                }
                None => address.step(&segment.text, version)?,
            }
        }
        Ok(address)
    }

    fn at(resource: Resource, template: String, canonical: String) -> Self {
        Self { resource, kind: &DEVICE_APP_MANAGEMENT, template, collection: canonical.clone(), canonical }
    }

    /// Goes on by one segment.
    fn step(&mut self, segment: &str, version: Version) -> Result<()> {
        match std::mem::replace(&mut self.resource, Resource::Singleton) {
            Resource::Singleton => {
                let (root, navigation) = self.navigation(segment, version)?;
                self.enter(navigation, Resource::Collection(EntitySetPath::Root(root)));
                Ok(())
            }
            Resource::Collection(set) => self.in_collection(set, segment),
            Resource::Entity(EntitySetPath::Root(root), key) => self.in_entity(root, key, segment, version),
            Resource::Entity(EntitySetPath::Contained { .. }, _) => self.property(segment, version),
            Resource::Computed { .. } => self.property(segment, version),
            Resource::Count(_)
            | Resource::Ref(_)
            | Resource::Action { .. }
            | Resource::Property
            | Resource::Batch => Err(GraphError::segment_not_found(segment)),
        }
    }

    fn in_collection(&mut self, set: EntitySetPath, segment: &str) -> Result<()> {
        let (resource, part) = match (segment, &set) {
            ("$count", _) => (Resource::Count(set), "$count"),
            ("$ref", _) => (Resource::Ref(set), "$ref"),
            (name, EntitySetPath::Root(root)) if self.action(name, true).is_some() => {
                let root = *root;
                let action = self.action(name, true).ok_or_else(|| GraphError::segment_not_found(name))?;
                (Resource::Action { action, root, key: None }, "action")
            }
            _ => {
                self.resource = Resource::Collection(set);
                return self.key(segment);
            }
        };
        self.resource = resource;
        self.append(part, segment);
        Ok(())
    }

    fn in_entity(&mut self, root: usize, key: String, segment: &str, version: Version) -> Result<()> {
        if let Some(action) = self.action(segment, false) {
            self.resource = Resource::Action { action, root, key: Some(key) };
            self.append("action", action.name());
            return Ok(());
        }
        // Navigation properties are declared on the base types, so the declared type is enough here.
        let Ok((index, navigation)) = self.navigation(segment, version) else {
            return self.property(segment, version);
        };
        let resource = match navigation.cardinality {
            Cardinality::Many => {
                Resource::Collection(EntitySetPath::Contained { root, key, navigation: index })
            }
            Cardinality::One => Resource::Computed { root, key },
        };
        self.enter(navigation, resource);
        Ok(())
    }

    fn property(&mut self, segment: &str, version: Version) -> Result<()> {
        self.kind.property(segment, version).ok_or_else(|| GraphError::segment_not_found(segment))?;
        self.resource = Resource::Property;
        self.append("property", segment);
        Ok(())
    }

    /// Takes a key in the collection at hand.
    fn key(&mut self, key: &str) -> Result<()> {
        match std::mem::replace(&mut self.resource, Resource::Singleton) {
            Resource::Collection(set) => {
                self.resource = Resource::Entity(set, key.to_owned());
                self.template.push_str("/key");
                self.canonical.push_str(&key_in_parentheses(key));
                Ok(())
            }
            _ => Err(GraphError::segment_not_found(key)),
        }
    }

    fn navigation(&self, name: &str, version: Version) -> Result<(usize, &'static Navigation)> {
        self.kind.navigation(name, version).ok_or_else(|| GraphError::segment_not_found(name))
    }

    fn action(&self, name: &str, on_collection: bool) -> Option<Action> {
        let name = name.strip_prefix("microsoft.graph.").unwrap_or(name);
        self.kind
            .actions
            .iter()
            .copied()
            .find(|action| action.name() == name && action.on_collection() == on_collection)
    }

    fn enter(&mut self, navigation: &'static Navigation, resource: Resource) {
        self.resource = resource;
        self.kind = navigation.target;
        self.append("navigation", navigation.name);
        self.collection.clone_from(&self.canonical);
    }

    fn append(&mut self, part: &str, segment: &str) {
        let _ = write!(self.template, "/{part}");
        let _ = write!(self.canonical, "/{segment}");
    }
}

struct Segment {
    text: String,
}

impl Segment {
    fn parse(raw: &str) -> Self {
        Self { text: percent_decode_str(raw).decode_utf8_lossy().into_owned() }
    }

    /// The name and key of `name('key')`, in which a quote in the key is doubled.
    fn in_parentheses(&self) -> Option<(&str, String)> {
        let (name, rest) = self.text.split_once("('")?;
        let quoted = rest.strip_suffix("')")?;
        Some((name, quoted.replace("''", "'")))
    }
}

/// The address of an entity in the collection that a path names.
pub(crate) fn entity_url(root: &str, address: &Address, key: &str) -> String {
    format!("{root}{}{}", address.collection, key_in_parentheses(key))
}

/// `('key')`, quotes doubled.
pub(crate) fn key_in_parentheses(key: &str) -> String {
    format!("('{}')", key.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::{Address, Resource};
    use crate::model::{Action, Version};
    use crate::store::EntitySetPath;

    fn resource(path: &str) -> Result<Resource, String> {
        Address::parse(path, Version::Beta)
            .map(|address| address.resource)
            .map_err(|error| error.message.into_owned())
    }

    const P: &str = "/deviceAppManagement/iosLobAppProvisioningConfigurations";

    fn statuses(key: &str) -> EntitySetPath {
        EntitySetPath::Contained { root: 0, key: key.to_owned(), navigation: 1 }
    }

    #[test]
    fn keys_come_as_segments_and_in_parentheses() {
        let expected = Ok(Resource::Entity(statuses("a b"), "c_d".to_owned()));
        assert_eq!(resource(&format!("{P}/a%20b/deviceStatuses/c_d")), expected);
        assert_eq!(resource(&format!("{P}('a%20b')/deviceStatuses('c_d')")), expected);
        assert_eq!(resource(&format!("{P}(%27a b%27)/deviceStatuses/c_d")), expected);
    }

    #[test]
    fn keys_are_decoded_once_and_may_hold_anything() {
        assert_eq!(
            resource(&format!("{P}/a%2520%2Fb")),
            Ok(Resource::Entity(EntitySetPath::Root(0), "a%20/b".to_owned()))
        );
        assert_eq!(
            resource(&format!("{P}('it''s')")),
            Ok(Resource::Entity(EntitySetPath::Root(0), "it's".to_owned()))
        );
    }

    #[test]
    fn actions_may_carry_the_namespace() {
        let assign = Resource::Action { action: Action::Assign, root: 0, key: Some("k".to_owned()) };
        assert_eq!(resource(&format!("{P}/k/microsoft.graph.assign")), Ok(assign));
        let links = Resource::Action { action: Action::HasPayloadLinks, root: 0, key: None };
        assert_eq!(resource(&format!("{P}/hasPayloadLinks")), Ok(links));
    }

    #[test]
    fn unknown_segments_are_named() {
        let error = resource(&format!("{P}/k/nope")).unwrap_err();
        assert_eq!(error, "Resource not found for the segment 'nope'.");
        assert!(Address::parse(P, Version::V1).is_err());
        assert!(resource(&format!("{P}/k/DeviceStatuses")).is_err());
    }

    #[test]
    fn the_template_follows_the_path() {
        let address = Address::parse(&format!("{P}/k/deviceStatuses/$ref"), Version::Beta).unwrap();
        assert_eq!(address.template, "~/singleton/navigation/key/navigation/$ref");
        assert_eq!(address.canonical, format!("{P}('k')/deviceStatuses/$ref"));
    }
}
