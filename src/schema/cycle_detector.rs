//! Detects cycles in the links between a list's pages, with state that is small enough for a cursor.

use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

/// Brent's cycle detection. One link is compared with all later links, and is replaced after twice
/// as many steps as the previous one. Serialized in cursors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct CycleDetector {
    /// The hash of the link to compare with; 0 for none.
    #[serde(rename = "held")]
    reference: u64,
    /// The steps since it was set.
    steps: u32,
    /// The steps after which it is replaced.
    #[serde(rename = "most")]
    limit: u32,
}

impl CycleDetector {
    /// Whether no link has been followed.
    pub(super) fn is_start(&self) -> bool {
        *self == Self::default()
    }

    /// Follows a link; `None` if that closes a cycle.
    pub(super) fn follow(self, link: &str) -> Option<Self> {
        let link = hash(link);
        if link == self.reference {
            return None;
        }
        let steps = self.steps.saturating_add(1);
        Some(if steps >= self.limit {
            Self { reference: link, steps: 0, limit: self.limit.saturating_mul(2).max(1) }
        } else {
            Self { steps, ..self }
        })
    }
}

/// The same in all replicas of a gateway, and never 0.
fn hash(link: &str) -> u64 {
    let digest = digest(&SHA256, link.as_bytes());
    let first = digest.as_ref().first_chunk().copied().unwrap_or_default();
    u64::from_be_bytes(first).max(1)
}

#[cfg(test)]
mod tests {
    use super::CycleDetector;

    /// The number of links that are followed in a list with `before` pages before a cycle of
    /// `length`.
    fn followed(before: usize, length: usize) -> Option<usize> {
        let mut detector = CycleDetector::default();
        for step in 0..10_000 {
            let page = if step < before { step } else { before + (step - before) % length };
            detector = match detector.follow(&page.to_string()) {
                Some(detector) => detector,
                None => return Some(step),
            };
        }
        None
    }

    #[test]
    fn every_cycle_is_detected_soon_after_it_closes() {
        assert_eq!(followed(0, 1), Some(1));
        assert_eq!(followed(5, 1), Some(8));
        for before in 0..40 {
            for length in 1..40 {
                let steps = followed(before, length).unwrap();
                assert!(steps <= 3 * (before + length), "{before}, {length}: {steps}");
            }
        }
    }

    #[test]
    fn a_list_without_a_cycle_is_followed_to_its_end() {
        assert_eq!(followed(10_000, 1), None);
    }
}
