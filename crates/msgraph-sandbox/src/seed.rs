//! The data at start: the same for the same seed, with values that are known to break clients.

use crate::entity::{StructuredValue, Value};
use crate::instant::Instant;
use crate::model::{
    ALL_DEVICES_ASSIGNMENT_TARGET, ANDROID_MANAGED_STORE_APP_CONFIGURATION, ASSIGNMENTS, COMPLIANCE_STATUS,
    DEVICE_STATUS, DEVICE_STATUSES, EXCLUSION_GROUP_ASSIGNMENT_TARGET, GROUP_ASSIGNMENT_TARGET,
    GROUP_ASSIGNMENTS, IOS_LOB_APP_PROVISIONING_CONFIGURATION, IOS_MOBILE_APP_CONFIGURATION,
    MOBILE_APP_CONFIGURATIONS, PROVISIONING_CONFIGURATIONS, StructuredType, USER_STATUS, USER_STATUSES,
};
use crate::profile;
use crate::random::Random;
use crate::settings::Settings;
use crate::store::{EntitySetPath, Store, StoredEntity};

/// Id of the first provisioning configuration, for every seed.
pub const DEMO_CONFIGURATION_ID: &str = "e2a23631-3631-e2a2-3136-a2e23136a2e2";

/// Device statuses of each app configuration.
const STATUSES_PER_APP_CONFIGURATION: usize = 8;

/// 100 ns ticks in a minute.
const MINUTE: i64 = 600_000_000;

/// A store with the data of the settings.
pub(crate) fn store(settings: &Settings) -> Store {
    let mut generator = SeedGenerator { random: Random::new(settings.seed), start: start() };
    let mut store = Store::new();
    if let Some(set) = store.set_mut(&EntitySetPath::Root(PROVISIONING_CONFIGURATIONS)) {
        for number in 0..settings.configurations {
            // Ids of version 4 do not repeat, so that an insertion succeeds.
            if let Ok(entry) = set.insert(generator.provisioning_configuration(number)) {
                generator.fill(entry, number, share(settings, number));
            }
        }
    }
    if let Some(set) = store.set_mut(&EntitySetPath::Root(MOBILE_APP_CONFIGURATIONS)) {
        for (number, kind) in
            [&IOS_MOBILE_APP_CONFIGURATION, &ANDROID_MANAGED_STORE_APP_CONFIGURATION].into_iter().enumerate()
        {
            if let Ok(entry) = set.insert(generator.app_configuration(kind, number)) {
                generator.fill(entry, number, STATUSES_PER_APP_CONFIGURATION);
            }
        }
    }
    store
}

/// The number of statuses of a configuration: nine in ten belong to the first, the rest is
/// distributed over the others. The last one is empty if there are three or more.
fn share(settings: &Settings, number: usize) -> usize {
    let others = match settings.configurations {
        0 | 1 => return settings.statuses,
        2 => 1,
        configurations => configurations - 2,
    };
    let rest = settings.statuses / 10;
    match number {
        0 => settings.statuses - rest,
        _ if number > others => 0,
        _ => rest / others + usize::from(number <= rest % others),
    }
}

/// The status of a row, as a position in the enum's members: each of them once, then as in a fleet where three fifths of the
/// devices comply.
fn compliance(row: usize) -> usize {
    const UNKNOWN: usize = 0;
    const NOT_APPLICABLE: usize = 1;
    const COMPLIANT: usize = 2;
    const REMEDIATED: usize = 3;
    const NON_COMPLIANT: usize = 4;
    const ERROR: usize = 5;
    const CONFLICT: usize = 6;
    const NOT_ASSIGNED: usize = 7;
    const FLEET: [usize; 25] = [
        COMPLIANT,
        COMPLIANT,
        NON_COMPLIANT,
        COMPLIANT,
        COMPLIANT,
        ERROR,
        COMPLIANT,
        REMEDIATED,
        COMPLIANT,
        COMPLIANT,
        NON_COMPLIANT,
        COMPLIANT,
        NOT_APPLICABLE,
        COMPLIANT,
        COMPLIANT,
        UNKNOWN,
        NON_COMPLIANT,
        COMPLIANT,
        COMPLIANT,
        ERROR,
        NOT_ASSIGNED,
        COMPLIANT,
        CONFLICT,
        COMPLIANT,
        COMPLIANT,
    ];
    let members = COMPLIANCE_STATUS.members.len();
    if row < members { row } else { FLEET[(row - members) % FLEET.len()] }
}

/// The moment from which all seeded dates count.
fn start() -> Instant {
    Instant::parse("2026-11-02T08:30:15.4166667Z").unwrap_or(Instant::MIN)
}

struct SeedGenerator {
    random: Random,
    start: Instant,
}

impl SeedGenerator {
    fn provisioning_configuration(&mut self, number: usize) -> StructuredValue {
        let id = if number == 0 { DEMO_CONFIGURATION_ID.to_owned() } else { self.random.guid() };
        let created = self.minutes_before(number * 1440);
        // The second has no end, as was seen live; the fourth has a description that was emptied.
        let expiration = match number {
            1 => Value::Null,
            _ => Value::from(created.plus(profile::YEAR)),
        };
        let description = match number {
            3 => Value::from(""),
            _ if number % 2 == 1 => Value::Null,
            _ => Value::String(format!("Provisioning profile of line-of-business app {}", number + 1)),
        };
        StructuredValue::new(&IOS_LOB_APP_PROVISIONING_CONFIGURATION)
            .with("id", id.as_str())
            .with("expirationDateTime", expiration)
            .with("payloadFileName", format!("profile-{}.mobileprovision", number + 1).as_str())
            .with("payload", Value::Binary(profile::payload(number, created)))
            .with("roleScopeTagIds", Value::Strings(vec!["0".to_owned()]))
            .with("createdDateTime", created)
            .with("description", description)
            .with("lastModifiedDateTime", created)
            .with("displayName", format!("Line-of-business profile {}", number + 1).as_str())
            .with("version", Value::Int32(1))
    }

    fn app_configuration(&mut self, kind: &'static StructuredType, number: usize) -> StructuredValue {
        let created = self.minutes_before(number * 1440);
        StructuredValue::new(kind)
            .with("id", self.random.guid().as_str())
            .with("targetedMobileApps", Value::Strings(vec![self.random.guid()]))
            .with("roleScopeTagIds", Value::Strings(vec!["0".to_owned()]))
            .with("createdDateTime", created)
            .with("lastModifiedDateTime", created)
            .with("displayName", format!("App configuration {}", number + 1).as_str())
            .with("version", Value::Int32(1))
    }

    /// Puts rows under a configuration.
    fn fill(&mut self, entry: &mut StoredEntity, number: usize, statuses: usize) {
        let configuration = entry.entity.id().to_owned();
        if let Some(set) = entry.contained_mut(DEVICE_STATUSES) {
            for row in 0..statuses {
                let _ = set.insert(self.device_status(&configuration, row));
            }
        }
        if let Some(set) = entry.contained_mut(USER_STATUSES) {
            for row in 0..statuses.min(12) {
                let _ = set.insert(self.user_status(&configuration, row));
            }
        }
        let provisioning = *entry.entity.kind == IOS_LOB_APP_PROVISIONING_CONFIGURATION;
        let navigations = entry.entity.kind.navigations;
        if let Some(set) = entry.contained_mut(ASSIGNMENTS) {
            for target in self.targets(number) {
                let assignment = StructuredValue::new(navigations[ASSIGNMENTS].target)
                    .with("id", self.random.guid().as_str())
                    .with("target", Value::Complex(target));
                let _ = set.insert(assignment);
            }
        }
        if provisioning && let Some(set) = entry.contained_mut(GROUP_ASSIGNMENTS) {
            let assignment = StructuredValue::new(navigations[GROUP_ASSIGNMENTS].target)
                .with("id", self.random.guid().as_str())
                .with("targetGroupId", self.random.guid().as_str());
            let _ = set.insert(assignment);
        }
    }

    /// The first configuration has one target of three kinds, the others have a group.
    fn targets(&mut self, number: usize) -> Vec<StructuredValue> {
        let group =
            StructuredValue::new(&GROUP_ASSIGNMENT_TARGET).with("groupId", self.random.guid().as_str());
        if number > 0 {
            return vec![group];
        }
        let excluded = StructuredValue::new(&EXCLUSION_GROUP_ASSIGNMENT_TARGET)
            .with("groupId", self.random.guid().as_str());
        vec![group, excluded, StructuredValue::new(&ALL_DEVICES_ASSIGNMENT_TARGET)]
    }

    fn device_status(&mut self, configuration: &str, row: usize) -> StructuredValue {
        let id = format!("{}_{configuration}_{}", self.random.guid(), self.random.guid());
        let (user, principal) = if row % 10 == 9 {
            ("System account".to_owned(), "System account".to_owned())
        } else {
            (format!("User {row:06}"), format!("user{row:06}@example.org"))
        };
        let model = match row % 4 {
            0 => Value::from("iPad13,8"),
            _ => Value::Null,
        };
        let grace = match row % 3 {
            0 => Instant::MAX,
            1 => Instant::MIN,
            _ => self.minutes_before(row).plus(14 * 1440 * MINUTE),
        };
        let reported = if row % 50 == 49 { Instant::MIN } else { self.minutes_before(row) };
        StructuredValue::new(&DEVICE_STATUS)
            .with("id", id.as_str())
            .with("deviceDisplayName", format!("IPAD-{row:06}").as_str())
            .with("userName", user.as_str())
            .with("deviceModel", model)
            .with("platform", Value::Int32(if row.is_multiple_of(4) { 8 } else { 0 }))
            .with("complianceGracePeriodExpirationDateTime", grace)
            .with("status", Value::Member(&COMPLIANCE_STATUS, compliance(row)))
            .with("lastReportedDateTime", reported)
            .with("userPrincipalName", principal.as_str())
    }

    fn user_status(&mut self, configuration: &str, row: usize) -> StructuredValue {
        let id = format!("{}_{configuration}", self.random.guid());
        StructuredValue::new(&USER_STATUS)
            .with("id", id.as_str())
            .with("userDisplayName", format!("User {row:06}").as_str())
            .with("devicesCount", Value::Int32(1))
            .with("status", Value::Member(&COMPLIANCE_STATUS, compliance(row)))
            .with("lastReportedDateTime", self.minutes_before(row))
            .with("userPrincipalName", format!("user{row:06}@example.org").as_str())
    }

    /// So many minutes, and some ticks, before the start.
    fn minutes_before(&mut self, minutes: usize) -> Instant {
        let minutes = i64::try_from(minutes).unwrap_or(0);
        let ticks = i64::try_from(self.random.below(10_000_000)).unwrap_or(0);
        self.start.plus(-minutes * MINUTE - ticks)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{DEMO_CONFIGURATION_ID, store};
    use crate::entity::Value;
    use crate::model::{DEVICE_STATUSES, PROVISIONING_CONFIGURATIONS};
    use crate::settings::Settings;
    use crate::store::{EntitySet, EntitySetPath, Store};

    fn statuses<'a>(store: &'a Store, key: &str) -> &'a EntitySet {
        let address = EntitySetPath::Contained {
            root: PROVISIONING_CONFIGURATIONS,
            key: key.to_owned(),
            navigation: DEVICE_STATUSES,
        };
        store.set(&address).unwrap()
    }

    fn counts(settings: &Settings) -> Vec<usize> {
        let store = store(settings);
        let configurations = store.set(&EntitySetPath::Root(PROVISIONING_CONFIGURATIONS)).unwrap();
        configurations.iter().map(|entry| statuses(&store, entry.entity.id()).len()).collect()
    }

    #[test]
    fn the_counts_match_the_settings() {
        assert_eq!(counts(&Settings::default()), [1080, 40, 40, 40, 0]);
        for configurations in 0..7 {
            for statuses in [0, 1, 9, 10, 101] {
                let settings = Settings { configurations, statuses, ..Settings::default() };
                let counts = counts(&settings);
                assert_eq!(counts.len(), configurations);
                assert_eq!(counts.iter().sum::<usize>(), if configurations == 0 { 0 } else { statuses });
            }
        }
    }

    #[test]
    fn one_seed_gives_one_store() {
        let ids = |seed| {
            let store = store(&Settings { seed, ..Settings::default() });
            let set = statuses(&store, DEMO_CONFIGURATION_ID);
            set.iter().map(|entry| entry.entity.clone()).collect::<Vec<_>>()
        };
        assert_eq!(ids(3), ids(3));
        assert_ne!(ids(3), ids(4));
    }

    #[test]
    fn the_rows_hold_values_that_break_clients() {
        let store = store(&Settings::default());
        let texts = |name: &str| {
            statuses(&store, DEMO_CONFIGURATION_ID)
                .iter()
                .map(|entry| match entry.entity.get(name) {
                    Value::Member(kind, number) => kind.members[*number].to_owned(),
                    Value::String(text) => text.clone(),
                    Value::Date(date) => date.instant.to_string(),
                    other => format!("{other:?}"),
                })
                .collect::<HashSet<_>>()
        };
        assert_eq!(texts("status").len(), 8);
        assert!(texts("deviceModel").contains("Null"));
        assert!(texts("userName").contains("System account"));
        let grace = texts("complianceGracePeriodExpirationDateTime");
        assert!(grace.contains("0001-01-01T00:00:00Z") && grace.contains("9999-12-31T23:59:59.9999999Z"));
        let seven_digits = |text: &String| text.split_once('.').is_some_and(|(_, digits)| digits.len() == 8);
        assert!(texts("lastReportedDateTime").iter().any(seven_digits));
    }
}
