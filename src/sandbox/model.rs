//! The part of Microsoft Graph's metadata that the sandbox serves: types, properties, nullability and navigation
//! (beta and v1.0 CSDL, grade M). Members stand in the order in which the live service was seen to write them.

/// An API version of Graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Version {
    Beta,
    V1,
}

impl Version {
    /// The path segment, compared without case as the live service does.
    pub(super) fn parse(segment: &str) -> Option<Self> {
        if segment.eq_ignore_ascii_case("beta") {
            Some(Self::Beta)
        } else if segment.eq_ignore_ascii_case("v1.0") {
            Some(Self::V1)
        } else {
            None
        }
    }

    pub(super) fn segment(self) -> &'static str {
        match self {
            Self::Beta => "beta",
            Self::V1 => "v1.0",
        }
    }
}

/// A structured type: entity or complex.
#[derive(Debug)]
pub(super) struct StructuredType {
    /// The name without namespace, which is `microsoft.graph` for all of them.
    pub(super) name: &'static str,
    /// The declared type of the collection, where this one derives from it; its rows then carry `@odata.type`.
    pub(super) base: Option<&'static StructuredType>,
    /// Concrete types that may stand where this one is declared; empty where only the type itself may.
    pub(super) derived: &'static [&'static StructuredType],
    /// The properties: inherited ones, then the type's own.
    pub(super) properties: &'static [&'static [Property]],
    pub(super) navigations: &'static [Navigation],
    pub(super) actions: &'static [Action],
}

/// A structural property.
#[derive(Debug)]
pub(super) struct Property {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) nullable: bool,
    pub(super) origin: Origin,
    pub(super) beta_only: bool,
}

/// The type of a property.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
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

/// Who gives a property its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
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
pub(super) struct EnumType {
    pub(super) name: &'static str,
    pub(super) members: &'static [&'static str],
}

/// A contained navigation property.
#[derive(Debug)]
pub(super) struct Navigation {
    pub(super) name: &'static str,
    pub(super) target: &'static StructuredType,
    pub(super) cardinality: Cardinality,
    pub(super) beta_only: bool,
}

/// How many entities a navigation property leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cardinality {
    Many,
    /// One, which the service computes.
    One,
}

/// An action that a POST invokes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// On an entity: replaces its assignments.
    Assign,
    /// On the collection of the provisioning configurations.
    HasPayloadLinks,
}

impl Action {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Assign => "assign",
            Self::HasPayloadLinks => "hasPayloadLinks",
        }
    }

    /// Whether the action is bound to the collection rather than to an entity in it.
    pub(super) fn on_collection(self) -> bool {
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
    pub(super) fn properties(&self) -> impl Iterator<Item = &'static Property> + use<> {
        self.properties.iter().flat_map(|group| group.iter())
    }

    /// The property of this name in this version, with its index in an entity's values.
    pub(super) fn property(&self, name: &str, version: Version) -> Option<(usize, &'static Property)> {
        self.properties().enumerate().find(|(_, property)| property.name == name && property.is_in(version))
    }

    pub(super) fn navigation(&self, name: &str, version: Version) -> Option<(usize, &'static Navigation)> {
        self.navigations
            .iter()
            .enumerate()
            .find(|(_, navigation)| navigation.name == name && navigation.is_in(version))
    }

    /// The type that an `@odata.type` names, with or without `#`; SDKs and documentation write both.
    pub(super) fn named(&'static self, odata_type: &str) -> Option<&'static Self> {
        let name = odata_type.strip_prefix('#').unwrap_or(odata_type).strip_prefix("microsoft.graph.")?;
        self.concrete().find(|candidate| candidate.name == name)
    }

    /// The types whose values may stand where this one is declared.
    pub(super) fn concrete(&'static self) -> impl Iterator<Item = &'static Self> {
        let itself = self.derived.is_empty().then_some(self);
        itself.into_iter().chain(self.derived.iter().copied())
    }
}

impl Property {
    pub(super) fn is_in(&self, version: Version) -> bool {
        version == Version::Beta || !self.beta_only
    }
}

impl Navigation {
    pub(super) fn is_in(&self, version: Version) -> bool {
        version == Version::Beta || !self.beta_only
    }
}

/// The singleton `/deviceAppManagement`, with the two navigation properties that the sandbox serves.
pub(super) static DEVICE_APP_MANAGEMENT: StructuredType = StructuredType {
    navigations: &[
        Navigation {
            beta_only: true,
            ..many("iosLobAppProvisioningConfigurations", &IOS_LOB_APP_PROVISIONING_CONFIGURATION)
        },
        many("mobileAppConfigurations", &MANAGED_DEVICE_MOBILE_APP_CONFIGURATION),
    ],
    ..entity("deviceAppManagement", &[])
};

/// Index of `iosLobAppProvisioningConfigurations` among the singleton's navigation properties.
pub(super) const PROVISIONING_CONFIGURATIONS: usize = 0;
/// Index of `mobileAppConfigurations` among the singleton's navigation properties.
pub(super) const MOBILE_APP_CONFIGURATIONS: usize = 1;

/// Index of `assignments` among the navigation properties of either configuration type.
pub(super) const ASSIGNMENTS: usize = 0;
/// Index of `deviceStatuses` among the navigation properties of either configuration type.
pub(super) const DEVICE_STATUSES: usize = 1;
/// Index of `userStatuses` among the navigation properties of either configuration type.
pub(super) const USER_STATUSES: usize = 2;
/// Index of `groupAssignments` among those of a provisioning configuration.
pub(super) const GROUP_ASSIGNMENTS: usize = 3;

pub(super) static IOS_LOB_APP_PROVISIONING_CONFIGURATION: StructuredType = StructuredType {
    navigations: &[
        many("assignments", &IOS_LOB_APP_PROVISIONING_CONFIGURATION_ASSIGNMENT),
        many("deviceStatuses", &DEVICE_STATUS),
        many("userStatuses", &USER_STATUS),
        many("groupAssignments", &GROUP_ASSIGNMENT),
    ],
    actions: &[Action::Assign, Action::HasPayloadLinks],
    ..entity(
        "iosLobAppProvisioningConfiguration",
        &[&[
            key(),
            nullable("expirationDateTime", Kind::DateTimeOffset),
            required("payloadFileName", Kind::String),
            required("payload", Kind::Binary),
            nullable("roleScopeTagIds", Kind::Strings),
            service("createdDateTime", Kind::DateTimeOffset),
            nullable("description", Kind::String),
            service("lastModifiedDateTime", Kind::DateTimeOffset),
            required("displayName", Kind::String),
            service("version", Kind::Int32),
        ]],
    )
};

/// `managedDeviceMobileAppConfigurationDeviceStatus`.
pub(super) static DEVICE_STATUS: StructuredType = entity(
    "managedDeviceMobileAppConfigurationDeviceStatus",
    &[&[
        key(),
        nullable("deviceDisplayName", Kind::String),
        nullable("userName", Kind::String),
        nullable("deviceModel", Kind::String),
        Property { beta_only: true, ..defaulted("platform", Kind::Int32) },
        defaulted("complianceGracePeriodExpirationDateTime", Kind::DateTimeOffset),
        defaulted("status", Kind::Enum(&COMPLIANCE_STATUS)),
        defaulted("lastReportedDateTime", Kind::DateTimeOffset),
        nullable("userPrincipalName", Kind::String),
    ]],
);

/// `managedDeviceMobileAppConfigurationUserStatus`.
pub(super) static USER_STATUS: StructuredType = entity(
    "managedDeviceMobileAppConfigurationUserStatus",
    &[&[
        key(),
        nullable("userDisplayName", Kind::String),
        defaulted("devicesCount", Kind::Int32),
        defaulted("status", Kind::Enum(&COMPLIANCE_STATUS)),
        defaulted("lastReportedDateTime", Kind::DateTimeOffset),
        nullable("userPrincipalName", Kind::String),
    ]],
);

static IOS_LOB_APP_PROVISIONING_CONFIGURATION_ASSIGNMENT: StructuredType = entity(
    "iosLobAppProvisioningConfigurationAssignment",
    &[&[key(), nullable("target", Kind::Complex(&ASSIGNMENT_TARGET))]],
);

static GROUP_ASSIGNMENT: StructuredType = entity(
    "mobileAppProvisioningConfigGroupAssignment",
    &[&[key(), nullable("targetGroupId", Kind::String)]],
);

static MANAGED_DEVICE_MOBILE_APP_CONFIGURATION: StructuredType = StructuredType {
    derived: &[&IOS_MOBILE_APP_CONFIGURATION, &ANDROID_MANAGED_STORE_APP_CONFIGURATION],
    navigations: MOBILE_APP_CONFIGURATION_NAVIGATIONS,
    actions: &[Action::Assign],
    ..entity("managedDeviceMobileAppConfiguration", &[MOBILE_APP_CONFIGURATION_PROPERTIES])
};

/// `iosMobileAppConfiguration`.
pub(super) static IOS_MOBILE_APP_CONFIGURATION: StructuredType = StructuredType {
    base: Some(&MANAGED_DEVICE_MOBILE_APP_CONFIGURATION),
    navigations: MOBILE_APP_CONFIGURATION_NAVIGATIONS,
    actions: &[Action::Assign],
    ..entity(
        "iosMobileAppConfiguration",
        &[
            MOBILE_APP_CONFIGURATION_PROPERTIES,
            &[
                nullable("encodedSettingXml", Kind::Binary),
                nullable("settings", Kind::Complexes(&APP_CONFIGURATION_SETTING_ITEM)),
            ],
        ],
    )
};

/// `androidManagedStoreAppConfiguration`, with its inherited properties only.
pub(super) static ANDROID_MANAGED_STORE_APP_CONFIGURATION: StructuredType = StructuredType {
    base: Some(&MANAGED_DEVICE_MOBILE_APP_CONFIGURATION),
    navigations: MOBILE_APP_CONFIGURATION_NAVIGATIONS,
    actions: &[Action::Assign],
    ..entity("androidManagedStoreAppConfiguration", &[MOBILE_APP_CONFIGURATION_PROPERTIES])
};

const MOBILE_APP_CONFIGURATION_PROPERTIES: &[Property] = &[
    key(),
    nullable("targetedMobileApps", Kind::Strings),
    Property { beta_only: true, ..nullable("roleScopeTagIds", Kind::Strings) },
    service("createdDateTime", Kind::DateTimeOffset),
    nullable("description", Kind::String),
    service("lastModifiedDateTime", Kind::DateTimeOffset),
    required("displayName", Kind::String),
    service("version", Kind::Int32),
];

const MOBILE_APP_CONFIGURATION_NAVIGATIONS: &[Navigation] = &[
    many("assignments", &MANAGED_DEVICE_MOBILE_APP_CONFIGURATION_ASSIGNMENT),
    many("deviceStatuses", &DEVICE_STATUS),
    many("userStatuses", &USER_STATUS),
    Navigation { cardinality: Cardinality::One, ..many("deviceStatusSummary", &DEVICE_SUMMARY) },
    Navigation { cardinality: Cardinality::One, ..many("userStatusSummary", &USER_SUMMARY) },
];

static MANAGED_DEVICE_MOBILE_APP_CONFIGURATION_ASSIGNMENT: StructuredType = entity(
    "managedDeviceMobileAppConfigurationAssignment",
    &[&[key(), nullable("target", Kind::Complex(&ASSIGNMENT_TARGET))]],
);

/// `managedDeviceMobileAppConfigurationDeviceSummary`.
pub(super) static DEVICE_SUMMARY: StructuredType = entity(
    "managedDeviceMobileAppConfigurationDeviceSummary",
    &[
        SUMMARY_PROPERTIES,
        &[Property { beta_only: true, ..service("notApplicablePlatformCount", Kind::Int32) }],
    ],
);

/// `managedDeviceMobileAppConfigurationUserSummary`.
pub(super) static USER_SUMMARY: StructuredType =
    entity("managedDeviceMobileAppConfigurationUserSummary", &[SUMMARY_PROPERTIES]);

const SUMMARY_PROPERTIES: &[Property] = &[
    service("configurationVersion", Kind::Int32),
    service("errorCount", Kind::Int32),
    service("failedCount", Kind::Int32),
    key(),
    service("lastUpdateDateTime", Kind::DateTimeOffset),
    service("notApplicableCount", Kind::Int32),
    service("pendingCount", Kind::Int32),
    service("successCount", Kind::Int32),
    Property { beta_only: true, ..service("conflictCount", Kind::Int32) },
];

/// `deviceAndAppManagementAssignmentTarget`.
pub(super) static ASSIGNMENT_TARGET: StructuredType = StructuredType {
    derived: &[
        &GROUP_ASSIGNMENT_TARGET,
        &EXCLUSION_GROUP_ASSIGNMENT_TARGET,
        &ALL_DEVICES_ASSIGNMENT_TARGET,
        &ALL_LICENSED_USERS_ASSIGNMENT_TARGET,
        &CONFIGURATION_MANAGER_COLLECTION_ASSIGNMENT_TARGET,
    ],
    ..entity("deviceAndAppManagementAssignmentTarget", &[TARGET_PROPERTIES])
};

const TARGET_PROPERTIES: &[Property] = &[
    Property { beta_only: true, ..nullable("deviceAndAppManagementAssignmentFilterId", Kind::String) },
    Property {
        beta_only: true,
        ..defaulted("deviceAndAppManagementAssignmentFilterType", Kind::Enum(&ASSIGNMENT_FILTER_TYPE))
    },
];

pub(super) static GROUP_ASSIGNMENT_TARGET: StructuredType = StructuredType {
    base: Some(&ASSIGNMENT_TARGET),
    ..entity("groupAssignmentTarget", &[TARGET_PROPERTIES, &[nullable("groupId", Kind::String)]])
};

pub(super) static EXCLUSION_GROUP_ASSIGNMENT_TARGET: StructuredType = StructuredType {
    base: Some(&ASSIGNMENT_TARGET),
    ..entity("exclusionGroupAssignmentTarget", &[TARGET_PROPERTIES, &[nullable("groupId", Kind::String)]])
};

pub(super) static ALL_DEVICES_ASSIGNMENT_TARGET: StructuredType = StructuredType {
    base: Some(&ASSIGNMENT_TARGET),
    ..entity("allDevicesAssignmentTarget", &[TARGET_PROPERTIES])
};

static ALL_LICENSED_USERS_ASSIGNMENT_TARGET: StructuredType = StructuredType {
    base: Some(&ASSIGNMENT_TARGET),
    ..entity("allLicensedUsersAssignmentTarget", &[TARGET_PROPERTIES])
};

static CONFIGURATION_MANAGER_COLLECTION_ASSIGNMENT_TARGET: StructuredType = StructuredType {
    base: Some(&ASSIGNMENT_TARGET),
    ..entity(
        "configurationManagerCollectionAssignmentTarget",
        &[TARGET_PROPERTIES, &[nullable("collectionId", Kind::String)]],
    )
};

static APP_CONFIGURATION_SETTING_ITEM: StructuredType = entity(
    "appConfigurationSettingItem",
    &[&[
        required("appConfigKey", Kind::String),
        required("appConfigKeyType", Kind::Enum(&MDM_APP_CONFIG_KEY_TYPE)),
        required("appConfigKeyValue", Kind::String),
    ]],
);

/// `complianceStatus`: a closed enumeration, members in the order of their numbers.
pub(super) static COMPLIANCE_STATUS: EnumType = EnumType {
    name: "complianceStatus",
    members: &[
        "unknown",
        "notApplicable",
        "compliant",
        "remediated",
        "nonCompliant",
        "error",
        "conflict",
        "notAssigned",
    ],
};

static ASSIGNMENT_FILTER_TYPE: EnumType =
    EnumType { name: "deviceAndAppManagementAssignmentFilterType", members: &["none", "include", "exclude"] };

static MDM_APP_CONFIG_KEY_TYPE: EnumType = EnumType {
    name: "mdmAppConfigKeyType",
    members: &["stringType", "integerType", "realType", "booleanType", "tokenType"],
};

const fn entity(name: &'static str, properties: &'static [&'static [Property]]) -> StructuredType {
    StructuredType { name, base: None, derived: &[], properties, navigations: &[], actions: &[] }
}

const fn many(name: &'static str, target: &'static StructuredType) -> Navigation {
    Navigation { name, target, cardinality: Cardinality::Many, beta_only: false }
}

const fn key() -> Property {
    Property { name: "id", kind: Kind::String, nullable: false, origin: Origin::Key, beta_only: false }
}

const fn nullable(name: &'static str, kind: Kind) -> Property {
    Property { name, kind, nullable: true, origin: Origin::Optional, beta_only: false }
}

const fn defaulted(name: &'static str, kind: Kind) -> Property {
    Property { name, kind, nullable: false, origin: Origin::Optional, beta_only: false }
}

const fn required(name: &'static str, kind: Kind) -> Property {
    Property { name, kind, nullable: false, origin: Origin::Required, beta_only: false }
}

const fn service(name: &'static str, kind: Kind) -> Property {
    Property { name, kind, nullable: false, origin: Origin::Service, beta_only: false }
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
