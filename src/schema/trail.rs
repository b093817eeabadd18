//! The links that lead through a list of Graph's, remembered in as little room as a cursor has: enough to see that they
//! go round in a circle, of whatever length.

use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

/// Where a list has led so far: Brent's cycle detection. One link is held against all that follow it, and is replaced
/// after as many steps as the one before was held for, doubled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Trail {
    /// The link that is held; 0 for none.
    held: u64,
    /// How many steps it has been held for.
    steps: u32,
    /// For how many it is held.
    most: u32,
}

impl Trail {
    /// Whether no link has been followed.
    pub(super) fn is_start(&self) -> bool {
        *self == Self::default()
    }

    /// Follows a link; `None` where that leads round in a circle.
    pub(super) fn follow(self, link: &str) -> Option<Self> {
        let link = hash(link);
        if link == self.held {
            return None;
        }
        let steps = self.steps.saturating_add(1);
        Some(if steps >= self.most {
            Self { held: link, steps: 0, most: self.most.saturating_mul(2).max(1) }
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
    use super::Trail;

    /// How many links are followed of a list that leads through `before` pages into a circle of `length`.
    fn followed(before: usize, length: usize) -> Option<usize> {
        let mut trail = Trail::default();
        for step in 0..10_000 {
            let page = if step < before { step } else { before + (step - before) % length };
            trail = match trail.follow(&page.to_string()) {
                Some(trail) => trail,
                None => return Some(step),
            };
        }
        None
    }

    #[test]
    fn every_circle_ends_soon_after_it_closes() {
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
    fn a_list_without_a_circle_is_followed_to_its_end() {
        assert_eq!(followed(10_000, 1), None);
    }
}
