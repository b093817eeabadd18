//! The types, as in the metadata of beta and v1.0. Properties have the order in which the live
//! service was seen to write them.

use super::{Action, Cardinality, EnumType, Navigation, Origin, Property, PropertyType, StructuredType};

/// The singleton `/deviceAppManagement`, with the two navigation properties that the sandbox serves.
pub(crate) static DEVICE_APP_MANAGEMENT: StructuredType = StructuredType {
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
pub(crate) const PROVISIONING_CONFIGURATIONS: usize = 0;
/// Index of `mobileAppConfigurations` among the singleton's navigation properties.
pub(crate) const MOBILE_APP_CONFIGURATIONS: usize = 1;

/// Index of `assignments` among the navigation properties of either configuration type.
pub(crate) const ASSIGNMENTS: usize = 0;
/// Index of `deviceStatuses` among the navigation properties of either configuration type.
pub(crate) const DEVICE_STATUSES: usize = 1;
/// Index of `userStatuses` among the navigation properties of either configuration type.
pub(crate) const USER_STATUSES: usize = 2;
/// Index of `groupAssignments` among those of a provisioning configuration.
pub(crate) const GROUP_ASSIGNMENTS: usize = 3;

pub(crate) static IOS_LOB_APP_PROVISIONING_CONFIGURATION: StructuredType = StructuredType {
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
            nullable("expirationDateTime", PropertyType::DateTimeOffset),
            required("payloadFileName", PropertyType::String),
            required("payload", PropertyType::Binary),
            nullable("roleScopeTagIds", PropertyType::Strings),
            service("createdDateTime", PropertyType::DateTimeOffset),
            nullable("description", PropertyType::String),
            service("lastModifiedDateTime", PropertyType::DateTimeOffset),
            required("displayName", PropertyType::String),
            service("version", PropertyType::Int32),
        ]],
    )
};

/// `managedDeviceMobileAppConfigurationDeviceStatus`.
pub(crate) static DEVICE_STATUS: StructuredType = entity(
    "managedDeviceMobileAppConfigurationDeviceStatus",
    &[&[
        key(),
        nullable("deviceDisplayName", PropertyType::String),
        nullable("userName", PropertyType::String),
        nullable("deviceModel", PropertyType::String),
        Property { beta_only: true, ..defaulted("platform", PropertyType::Int32) },
        defaulted("complianceGracePeriodExpirationDateTime", PropertyType::DateTimeOffset),
        defaulted("status", PropertyType::Enum(&COMPLIANCE_STATUS)),
        defaulted("lastReportedDateTime", PropertyType::DateTimeOffset),
        nullable("userPrincipalName", PropertyType::String),
    ]],
);

/// `managedDeviceMobileAppConfigurationUserStatus`.
pub(crate) static USER_STATUS: StructuredType = entity(
    "managedDeviceMobileAppConfigurationUserStatus",
    &[&[
        key(),
        nullable("userDisplayName", PropertyType::String),
        defaulted("devicesCount", PropertyType::Int32),
        defaulted("status", PropertyType::Enum(&COMPLIANCE_STATUS)),
        defaulted("lastReportedDateTime", PropertyType::DateTimeOffset),
        nullable("userPrincipalName", PropertyType::String),
    ]],
);

static IOS_LOB_APP_PROVISIONING_CONFIGURATION_ASSIGNMENT: StructuredType = entity(
    "iosLobAppProvisioningConfigurationAssignment",
    &[&[key(), nullable("target", PropertyType::Complex(&ASSIGNMENT_TARGET))]],
);

static GROUP_ASSIGNMENT: StructuredType = entity(
    "mobileAppProvisioningConfigGroupAssignment",
    &[&[key(), nullable("targetGroupId", PropertyType::String)]],
);

static MANAGED_DEVICE_MOBILE_APP_CONFIGURATION: StructuredType = StructuredType {
    derived: &[&IOS_MOBILE_APP_CONFIGURATION, &ANDROID_MANAGED_STORE_APP_CONFIGURATION],
    navigations: MOBILE_APP_CONFIGURATION_NAVIGATIONS,
    actions: &[Action::Assign],
    ..entity("managedDeviceMobileAppConfiguration", &[MOBILE_APP_CONFIGURATION_PROPERTIES])
};

/// `iosMobileAppConfiguration`.
pub(crate) static IOS_MOBILE_APP_CONFIGURATION: StructuredType = StructuredType {
    base: Some(&MANAGED_DEVICE_MOBILE_APP_CONFIGURATION),
    navigations: MOBILE_APP_CONFIGURATION_NAVIGATIONS,
    actions: &[Action::Assign],
    ..entity(
        "iosMobileAppConfiguration",
        &[
            MOBILE_APP_CONFIGURATION_PROPERTIES,
            &[
                nullable("encodedSettingXml", PropertyType::Binary),
                nullable("settings", PropertyType::Complexes(&APP_CONFIGURATION_SETTING_ITEM)),
            ],
        ],
    )
};

/// `androidManagedStoreAppConfiguration`, with its inherited properties only.
pub(crate) static ANDROID_MANAGED_STORE_APP_CONFIGURATION: StructuredType = StructuredType {
    base: Some(&MANAGED_DEVICE_MOBILE_APP_CONFIGURATION),
    navigations: MOBILE_APP_CONFIGURATION_NAVIGATIONS,
    actions: &[Action::Assign],
    ..entity("androidManagedStoreAppConfiguration", &[MOBILE_APP_CONFIGURATION_PROPERTIES])
};

const MOBILE_APP_CONFIGURATION_PROPERTIES: &[Property] = &[
    key(),
    nullable("targetedMobileApps", PropertyType::Strings),
    Property { beta_only: true, ..nullable("roleScopeTagIds", PropertyType::Strings) },
    service("createdDateTime", PropertyType::DateTimeOffset),
    nullable("description", PropertyType::String),
    service("lastModifiedDateTime", PropertyType::DateTimeOffset),
    required("displayName", PropertyType::String),
    service("version", PropertyType::Int32),
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
    &[&[key(), nullable("target", PropertyType::Complex(&ASSIGNMENT_TARGET))]],
);

/// `managedDeviceMobileAppConfigurationDeviceSummary`.
pub(crate) static DEVICE_SUMMARY: StructuredType = entity(
    "managedDeviceMobileAppConfigurationDeviceSummary",
    &[
        SUMMARY_PROPERTIES,
        &[Property { beta_only: true, ..service("notApplicablePlatformCount", PropertyType::Int32) }],
    ],
);

/// `managedDeviceMobileAppConfigurationUserSummary`.
static USER_SUMMARY: StructuredType =
    entity("managedDeviceMobileAppConfigurationUserSummary", &[SUMMARY_PROPERTIES]);

const SUMMARY_PROPERTIES: &[Property] = &[
    service("configurationVersion", PropertyType::Int32),
    service("errorCount", PropertyType::Int32),
    service("failedCount", PropertyType::Int32),
    key(),
    service("lastUpdateDateTime", PropertyType::DateTimeOffset),
    service("notApplicableCount", PropertyType::Int32),
    service("pendingCount", PropertyType::Int32),
    service("successCount", PropertyType::Int32),
    Property { beta_only: true, ..service("conflictCount", PropertyType::Int32) },
];

/// `deviceAndAppManagementAssignmentTarget`.
static ASSIGNMENT_TARGET: StructuredType = StructuredType {
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
    Property {
        beta_only: true,
        ..nullable("deviceAndAppManagementAssignmentFilterId", PropertyType::String)
    },
    Property {
        beta_only: true,
        ..defaulted("deviceAndAppManagementAssignmentFilterType", PropertyType::Enum(&ASSIGNMENT_FILTER_TYPE))
    },
];

pub(crate) static GROUP_ASSIGNMENT_TARGET: StructuredType = StructuredType {
    base: Some(&ASSIGNMENT_TARGET),
    ..entity("groupAssignmentTarget", &[TARGET_PROPERTIES, &[nullable("groupId", PropertyType::String)]])
};

pub(crate) static EXCLUSION_GROUP_ASSIGNMENT_TARGET: StructuredType = StructuredType {
    base: Some(&ASSIGNMENT_TARGET),
    ..entity(
        "exclusionGroupAssignmentTarget",
        &[TARGET_PROPERTIES, &[nullable("groupId", PropertyType::String)]],
    )
};

pub(crate) static ALL_DEVICES_ASSIGNMENT_TARGET: StructuredType = StructuredType {
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
        &[TARGET_PROPERTIES, &[nullable("collectionId", PropertyType::String)]],
    )
};

static APP_CONFIGURATION_SETTING_ITEM: StructuredType = entity(
    "appConfigurationSettingItem",
    &[&[
        required("appConfigKey", PropertyType::String),
        required("appConfigKeyType", PropertyType::Enum(&MDM_APP_CONFIG_KEY_TYPE)),
        required("appConfigKeyValue", PropertyType::String),
    ]],
);

/// `complianceStatus`: a closed enumeration, members in the order of their numbers.
pub(crate) static COMPLIANCE_STATUS: EnumType = EnumType {
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
    Property {
        name: "id",
        kind: PropertyType::String,
        nullable: false,
        origin: Origin::Key,
        beta_only: false,
    }
}

const fn nullable(name: &'static str, kind: PropertyType) -> Property {
    Property { name, kind, nullable: true, origin: Origin::Optional, beta_only: false }
}

const fn defaulted(name: &'static str, kind: PropertyType) -> Property {
    Property { name, kind, nullable: false, origin: Origin::Optional, beta_only: false }
}

const fn required(name: &'static str, kind: PropertyType) -> Property {
    Property { name, kind, nullable: false, origin: Origin::Required, beta_only: false }
}

const fn service(name: &'static str, kind: PropertyType) -> Property {
    Property { name, kind, nullable: false, origin: Origin::Service, beta_only: false }
}
