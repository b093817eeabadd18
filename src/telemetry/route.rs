//! Routes of Microsoft Graph without keys, for log lines and metrics.

const CONFIGURATIONS: &str = "/deviceAppManagement/iosLobAppProvisioningConfigurations";

/// A route that the gateway calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Route {
    Batch,
    Configurations,
    Configuration,
    Assign,
    Assignments,
    GroupAssignments,
    UserStatuses,
    DeviceStatuses,
    DeviceStatusesRef,
    DeviceStatus,
    /// None of these; a next link of Graph's may lead there.
    Other,
}

impl Route {
    /// The route of a path below the service root, which may have a query.
    pub(crate) fn of(path: &str) -> Self {
        let path = path.split('?').next().unwrap_or_default();
        if path == "/$batch" {
            return Self::Batch;
        }
        let Some(rest) = path.strip_prefix(CONFIGURATIONS) else { return Self::Other };
        let mut segments = rest.split('/');
        if segments.next() != Some("") {
            return Self::Other;
        }
        let (key, collection) = (segments.next(), segments.next());
        match (key, collection, segments.next(), segments.next()) {
            (None, ..) => Self::Configurations,
            (Some(_), None, ..) => Self::Configuration,
            (Some(_), Some("assign"), None, _) => Self::Assign,
            (Some(_), Some("assignments"), ..) => Self::Assignments,
            (Some(_), Some("groupAssignments"), ..) => Self::GroupAssignments,
            (Some(_), Some("userStatuses"), ..) => Self::UserStatuses,
            (Some(_), Some("deviceStatuses"), None, _) => Self::DeviceStatuses,
            (Some(_), Some("deviceStatuses"), Some("$ref"), None) => Self::DeviceStatusesRef,
            (Some(_), Some("deviceStatuses"), Some(_), None) => Self::DeviceStatus,
            _ => Self::Other,
        }
    }

    /// The route in OData's notation.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Batch => "/$batch",
            Self::Configurations => CONFIGURATIONS,
            Self::Configuration => "/deviceAppManagement/iosLobAppProvisioningConfigurations/{id}",
            Self::Assign => "/deviceAppManagement/iosLobAppProvisioningConfigurations/{id}/assign",
            Self::Assignments => "/deviceAppManagement/iosLobAppProvisioningConfigurations/{id}/assignments",
            Self::GroupAssignments => {
                "/deviceAppManagement/iosLobAppProvisioningConfigurations/{id}/groupAssignments"
            }
            Self::UserStatuses => {
                "/deviceAppManagement/iosLobAppProvisioningConfigurations/{id}/userStatuses"
            }
            Self::DeviceStatuses => {
                "/deviceAppManagement/iosLobAppProvisioningConfigurations/{id}/deviceStatuses"
            }
            Self::DeviceStatusesRef => {
                "/deviceAppManagement/iosLobAppProvisioningConfigurations/{id}/deviceStatuses/$ref"
            }
            Self::DeviceStatus => {
                "/deviceAppManagement/iosLobAppProvisioningConfigurations/{id}/deviceStatuses/{id}"
            }
            Self::Other => "other",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Route;

    #[test]
    fn a_path_has_its_route_and_its_keys_are_left_out() {
        for route in [
            Route::Batch,
            Route::Configurations,
            Route::Configuration,
            Route::Assign,
            Route::Assignments,
            Route::GroupAssignments,
            Route::UserStatuses,
            Route::DeviceStatuses,
            Route::DeviceStatusesRef,
            Route::DeviceStatus,
        ] {
            let path = route.as_str().replace("{id}", "canary%2Fkey");
            assert_eq!(Route::of(&path), route);
            assert_eq!(Route::of(&format!("{path}?$select=id")), route);
        }
        for other in
            ["", "/", "/users/1", "/deviceAppManagement/iosLobAppProvisioningConfigurationsX", "/$batch/x"]
        {
            assert_eq!(Route::of(other), Route::Other, "{other}");
        }
    }
}
