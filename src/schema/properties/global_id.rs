//! One object has one global id, and only a text with the prefix is taken for one.

use async_graphql::ID;

use super::super::global_id::{GlobalId, configuration_key, device_status_key, device_status_keys};
use crate::graph::{Key, is_guid};

/// Takes a text, which may be an id; its first line and the rest are two keys, of which ids are made.
pub fn global_id(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    check_text(&text);
    let (configuration, key) = text.split_once('\n').unwrap_or((&text, "x"));
    if let (Ok(configuration), Ok(key)) = (Key::new(configuration), Key::new(key)) {
        check_keys(&configuration, &key);
        // The case of GUIDs makes no other object.
        let in_capitals = |key: &Key| Key::new(guids_in_capitals(key.as_str())).expect("it is a key");
        assert_eq!((in_capitals(&configuration), in_capitals(&key)), (configuration, key));
    }
}

fn guids_in_capitals(key: &str) -> String {
    let parts = key.split('_').map(|part| if is_guid(part) { part.to_uppercase() } else { part.to_owned() });
    parts.collect::<Vec<_>>().join("_")
}

fn check_text(text: &str) {
    let parsed = GlobalId::parse(text, "id").ok();
    if let Some(parsed) = &parsed {
        assert_eq!(parsed.encode(), text);
    }
    let id = ID::from(text);
    let configuration = configuration_key(&id, "id").ok();
    let parent = Key::new("parent").expect("it is a key");
    let status = device_status_key(&id, &parent, "id").ok();
    if text.starts_with("ig~") {
        let of_configuration = match &parsed {
            Some(GlobalId::Configuration(key)) => Some(key),
            _ => None,
        };
        assert_eq!(configuration.as_ref(), of_configuration);
        assert_eq!(status.is_some(), matches!(parsed, Some(GlobalId::DeviceStatus { .. })));
    } else {
        assert_eq!(parsed, None);
        let key = Key::new(text).ok();
        assert!(key.as_ref().is_none_or(|key| key.is(text) && key.as_str().eq_ignore_ascii_case(text)));
        assert_eq!(configuration, key);
        assert_eq!(status, key.map(Some));
        assert!(device_status_keys(&id, "id").is_err());
    }
}

fn check_keys(configuration: &Key, key: &Key) {
    let both = || (configuration.clone(), key.clone());
    let ids = [
        GlobalId::Configuration(key.clone()),
        of(both(), |configuration, key| GlobalId::DeviceStatus { configuration, key }),
        of(both(), |configuration, key| GlobalId::UserStatus { configuration, key }),
        of(both(), |configuration, key| GlobalId::Assignment { configuration, key }),
        of(both(), |configuration, key| GlobalId::GroupAssignment { configuration, key }),
    ];
    for id in &ids {
        let text = id.encode();
        assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)), "{text}");
        assert_eq!(GlobalId::parse(&text, "id").as_ref().ok(), Some(id));
        assert_eq!(ids.iter().filter(|other| other.encode() == text).count(), 1);
    }
    let status = ID::from(ids[1].encode());
    assert_eq!(device_status_keys(&status, "id").ok(), Some(both()));
    assert_eq!(device_status_key(&status, configuration, "id").ok(), Some(Some(key.clone())));
    let is_own = configuration == key;
    assert_eq!(device_status_key(&status, key, "id").ok(), Some(is_own.then(|| key.clone())));
    assert!(configuration_key(&status, "id").is_err());
}

fn of((configuration, key): (Key, Key), id: impl Fn(Key, Key) -> GlobalId) -> GlobalId {
    id(configuration, key)
}
