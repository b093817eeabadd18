//! The format of events between replicas: a version byte, then the message. A message of another version, or with bytes
//! after its end, is not read.

use ring::digest::{Context, SHA256};
use ring::hmac;
use serde::{Deserialize, Serialize};

use super::hex;
use super::shared_connection::PREFIX;

/// The version of messages.
const VERSION: u8 = 1;
/// Maximum size of a message in bytes: two keys of 1024 bytes, and the rest.
const MAX_MESSAGE: usize = 2200;

/// A tenant: a hash of the unverified hint in a token. No hint differs from each hint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TenantHash([u8; 32]);

impl TenantHash {
    /// The hash of a hint.
    #[must_use]
    pub fn of(hint: Option<&str>) -> Self {
        let mut context = Context::new(&SHA256);
        context.update(if hint.is_some() { b"tenant " } else { b"no tenant" });
        context.update(hint.unwrap_or_default().as_bytes());
        let mut hash = [0; 32];
        hash.copy_from_slice(context.finish().as_ref());
        Self(hash)
    }
}

/// What replicas tell each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SharedEvent<'a> {
    /// A device status was added. The keys are unchecked text.
    Added {
        /// The tenant of the caller.
        tenant: TenantHash,
        /// The key of the configuration.
        configuration: &'a str,
        /// The key of the status.
        status: &'a str,
    },
    /// Events may have been missed.
    Missed {
        /// Time since the last loss.
        milliseconds_ago: u64,
    },
}

/// An event, and what identifies it.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Message<'a> {
    /// The random id of the replica that sends it.
    pub(super) replica: [u8; 16],
    /// Counts the replica's messages.
    pub(super) number: u64,
    #[serde(borrow)]
    pub(super) event: SharedEvent<'a>,
}

/// Why a message cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum DecodeError {
    #[error("it has the format of another version")]
    OtherVersion,
    #[error("it is too large")]
    TooLarge,
    #[error("it is malformed")]
    Malformed,
}

/// The bytes of a message; `None` if it is too large.
pub(super) fn encode(message: &Message<'_>) -> Option<Vec<u8>> {
    let bytes = postcard::to_extend(message, vec![VERSION]).ok()?;
    (bytes.len() <= MAX_MESSAGE).then_some(bytes)
}

/// Reads a message.
///
/// # Errors
///
/// What is wrong with it.
pub(super) fn decode(bytes: &[u8]) -> Result<Message<'_>, DecodeError> {
    let malformed = DecodeError::Malformed;
    let (version, rest) = bytes.split_first().ok_or(malformed)?;
    if *version != VERSION {
        return Err(DecodeError::OtherVersion);
    }
    if bytes.len() > MAX_MESSAGE {
        return Err(DecodeError::TooLarge);
    }
    let (message, rest) = postcard::take_from_bytes(rest).map_err(|_| malformed)?;
    if rest.is_empty() { Ok(message) } else { Err(malformed) }
}

/// The channel of the data with this hash key. Channels are common to all databases of a server.
pub(super) fn channel(hash_key: &[u8; 32]) -> String {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, hash_key), b"events");
    let (id, _) = tag.as_ref().split_at(16);
    format!("{PREFIX}events:{}", hex::encode(id))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{DecodeError, MAX_MESSAGE, Message, SharedEvent, TenantHash, channel, decode, encode};

    fn message<'a>(configuration: &'a str, status: &'a str) -> Message<'a> {
        let tenant = TenantHash::of(Some("contoso"));
        Message {
            replica: [7; 16],
            number: u64::MAX,
            event: SharedEvent::Added { tenant, configuration, status },
        }
    }

    #[test]
    fn messages_are_read_as_they_were_written() {
        let long = "ä".repeat(512);
        for message in [
            message("c", "s"),
            message(&long, &long),
            Message { replica: [0; 16], number: 0, event: SharedEvent::Missed { milliseconds_ago: 300 } },
        ] {
            let bytes = encode(&message).unwrap();
            assert_eq!(decode(&bytes), Ok(message));
        }
        assert_eq!(encode(&message(&"x".repeat(MAX_MESSAGE), "s")), None);
    }

    #[test]
    fn the_format_stays() {
        let event = SharedEvent::Added { tenant: TenantHash([2; 32]), configuration: "c", status: "st" };
        let bytes = encode(&Message { replica: [1; 16], number: 300, event }).unwrap();
        let expected =
            [&[1][..], &[1; 16], &[0xac, 2], &[0], &[2; 32], &[1, b'c'], &[2, b's', b't']].concat();
        assert_eq!(bytes, expected);
        let bytes = encode(&Message {
            replica: [1; 16],
            number: 1,
            event: SharedEvent::Missed { milliseconds_ago: 300 },
        })
        .unwrap();
        assert_eq!(bytes, [&[1][..], &[1; 16], &[1], &[1], &[0xac, 2]].concat());
    }

    #[test]
    fn other_messages_are_rejected() {
        let good = encode(&message("c", "s")).unwrap();
        let mut newer = good.clone();
        newer[0] = 2;
        assert_eq!(decode(&newer), Err(DecodeError::OtherVersion));
        assert_eq!(decode(b""), Err(DecodeError::Malformed));
        assert_eq!(decode(&[&good[..], b"x"].concat()), Err(DecodeError::Malformed));
        for end in 1..good.len() {
            assert_eq!(decode(&good[..end]), Err(DecodeError::Malformed), "{end}");
        }
        assert_eq!(decode(&[1; 5000]), Err(DecodeError::TooLarge));
    }

    #[test]
    fn tenants_and_channels_differ() {
        let hints = [None, Some(""), Some("tenant "), Some("no tenant"), Some("a")];
        for (index, one) in hints.iter().enumerate() {
            for (other_index, other) in hints.iter().enumerate() {
                assert_eq!(TenantHash::of(*one) == TenantHash::of(*other), index == other_index);
            }
        }
        assert_ne!(channel(&[0; 32]), channel(&[1; 32]));
        assert_eq!(channel(&[0; 32]).len(), "intune-graphql:events:".len() + 32);
    }

    proptest! {
        #[test]
        fn no_message_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = decode(&bytes);
            let _ = decode(&[&[1][..], &bytes].concat());
        }
    }
}
