//! The part of Microsoft Graph's metadata that the sandbox serves: the structure of types,
//! properties and navigation properties. `metadata` has the types themselves.

mod metadata;

pub(crate) use self::metadata::{
    ALL_DEVICES_ASSIGNMENT_TARGET, ANDROID_MANAGED_STORE_APP_CONFIGURATION, ASSIGNMENTS, COMPLIANCE_STATUS,
    DEVICE_APP_MANAGEMENT, DEVICE_STATUS, DEVICE_STATUSES, DEVICE_SUMMARY, EXCLUSION_GROUP_ASSIGNMENT_TARGET,
    GROUP_ASSIGNMENT_TARGET, GROUP_ASSIGNMENTS, IOS_LOB_APP_PROVISIONING_CONFIGURATION,
    IOS_MOBILE_APP_CONFIGURATION, MOBILE_APP_CONFIGURATIONS, PROVISIONING_CONFIGURATIONS, USER_STATUS,
    USER_STATUSES,
};

/// An API version of Graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Version {
    Beta,
    V1,
}

impl Version {
    /// The path segment, compared without case as the live service does.
    pub(crate) fn parse(segment: &str) -> Option<Self> {
        if segment.eq_ignore_ascii_case("beta") {
            Some(Self::Beta)
        } else if segment.eq_ignore_ascii_case("v1.0") {
            Some(Self::V1)
        } else {
            None
        }
    }

    pub(crate) fn segment(self) -> &'static str {
        match self {
            Self::Beta => "beta",
            Self::V1 => "v1.0",
        }
    }
}

/// A structured type: entity or complex.
#[derive(Debug)]
pub(crate) struct StructuredType {
    /// The name without namespace, which is `microsoft.graph` for all of them.
    pub(crate) name: &'static str,
    /// The declared type of the collection, if this type derives from it. Its rows then have
    /// `@odata.type`.
    pub(crate) base: Option<&'static StructuredType>,
    /// Concrete types that are allowed for this declared type; empty if only the type itself is.
    pub(crate) derived: &'static [&'static StructuredType],
    /// The properties: inherited ones, then the type's own.
    pub(crate) properties: &'static [&'static [Property]],
    pub(crate) navigations: &'static [Navigation],
    pub(crate) actions: &'static [Action],
}

/// A structural property.
#[derive(Debug)]
pub(crate) struct Property {
    pub(crate) name: &'static str,
    pub(crate) kind: PropertyType,
    pub(crate) nullable: bool,
    pub(crate) origin: Origin,
    pub(crate) beta_only: bool,
}

/// The type of a property.
#[derive(Debug, Clone, Copy)]
pub(crate) enum PropertyType {
    String,
    Int32,
    DateTimeOffset,
    /// Base64 with padding in JSON.
    Binary,
    Enum(&'static EnumType),
    Strings,
    /// One value of a complex type that has derived types: `@odata.type` is required and always given.
    Complex(&'static StructuredType),
    /// A collection of one complex type.
    Complexes(&'static StructuredType),
}

/// The origin of a property's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    Key,
    /// The service; a caller's value is checked and dropped.
    Service,
    /// The caller, on create.
    Required,
    /// The caller; left out, it is null or the type's default.
    Optional,
}

/// An enumeration; JSON carries the member's name.
#[derive(Debug)]
pub(crate) struct EnumType {
    pub(crate) name: &'static str,
    pub(crate) members: &'static [&'static str],
}

/// A contained navigation property.
#[derive(Debug)]
pub(crate) struct Navigation {
    pub(crate) name: &'static str,
    pub(crate) target: &'static StructuredType,
    pub(crate) cardinality: Cardinality,
    pub(crate) beta_only: bool,
}

/// How many entities a navigation property leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cardinality {
    Many,
    /// One, which the service computes.
    One,
}

/// An action that a POST invokes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// On an entity: replaces its assignments.
    Assign,
    /// On the collection of the provisioning configurations.
    HasPayloadLinks,
}

impl Action {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Assign => "assign",
            Self::HasPayloadLinks => "hasPayloadLinks",
        }
    }

    /// Whether the action is bound to the collection rather than to an entity in it.
    pub(crate) fn on_collection(self) -> bool {
        self == Self::HasPayloadLinks
    }
}

impl PartialEq for StructuredType {
    /// Names are unique in the namespace.
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl PartialEq for EnumType {
    /// Names are unique in the namespace.
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl StructuredType {
    /// All properties, in the order of an entity's values.
    pub(crate) fn properties(&self) -> impl Iterator<Item = &'static Property> + use<> {
        self.properties.iter().flat_map(|group| group.iter())
    }

    /// The property of this name in this version, with its index in an entity's values.
    pub(crate) fn property(&self, name: &str, version: Version) -> Option<(usize, &'static Property)> {
        self.properties().enumerate().find(|(_, property)| property.name == name && property.is_in(version))
    }

    pub(crate) fn navigation(&self, name: &str, version: Version) -> Option<(usize, &'static Navigation)> {
        self.navigations
            .iter()
            .enumerate()
            .find(|(_, navigation)| navigation.name == name && navigation.is_in(version))
    }

    /// The type that an `@odata.type` names, with or without `#`; SDKs and documentation write both.
    pub(crate) fn named(&'static self, odata_type: &str) -> Option<&'static Self> {
        let name = odata_type.strip_prefix('#').unwrap_or(odata_type).strip_prefix("microsoft.graph.")?;
        self.concrete().find(|candidate| candidate.name == name)
    }

    /// The types whose values are allowed for this declared type.
    pub(crate) fn concrete(&'static self) -> impl Iterator<Item = &'static Self> {
        let itself = self.derived.is_empty().then_some(self);
        itself.into_iter().chain(self.derived.iter().copied())
    }
}

impl Property {
    pub(crate) fn is_in(&self, version: Version) -> bool {
        version == Version::Beta || !self.beta_only
    }
}

impl Navigation {
    pub(crate) fn is_in(&self, version: Version) -> bool {
        version == Version::Beta || !self.beta_only
    }
}

#[cfg(test)]
mod tests {
    use super::{DEVICE_APP_MANAGEMENT, DEVICE_STATUS, StructuredType, Version};

    #[test]
    fn the_indexes_of_navigation_properties_hold() {
        let name = |of: &StructuredType, index: usize| of.navigations[index].name;
        let [provisioning, mobile] = [super::PROVISIONING_CONFIGURATIONS, super::MOBILE_APP_CONFIGURATIONS]
            .map(|index| {
                assert!(name(&DEVICE_APP_MANAGEMENT, index).ends_with("Configurations"));
                DEVICE_APP_MANAGEMENT.navigations[index].target
            });
        for configuration in [provisioning, mobile] {
            assert_eq!(name(configuration, super::ASSIGNMENTS), "assignments");
            assert_eq!(name(configuration, super::DEVICE_STATUSES), "deviceStatuses");
            assert_eq!(name(configuration, super::USER_STATUSES), "userStatuses");
        }
        assert_eq!(name(provisioning, super::GROUP_ASSIGNMENTS), "groupAssignments");
    }

    #[test]
    fn platform_exists_in_beta_only() {
        assert!(DEVICE_STATUS.property("platform", Version::Beta).is_some());
        assert!(DEVICE_STATUS.property("platform", Version::V1).is_none());
    }

    #[test]
    fn provisioning_configurations_exist_in_beta_only() {
        let named =
            |version| DEVICE_APP_MANAGEMENT.navigation("iosLobAppProvisioningConfigurations", version);
        assert!(named(Version::Beta).is_some());
        assert!(named(Version::V1).is_none());
    }
}
