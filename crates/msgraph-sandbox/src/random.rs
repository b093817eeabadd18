//! Numbers and GUIDs that follow from a seed, so that two runs with one seed hold the same data.

/// `SplitMix64`: small, fast and the same on every version of every platform, which no generator crate promises.
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`; 0 where `bound` is 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        let product = u128::from(self.next()) * u128::from(bound);
        u64::try_from(product >> 64).unwrap_or(0)
    }

    /// Whether an event of this probability (0 to 1) happens.
    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        // 53 bits fit a double exactly, so 1.0 always happens and 0.0 never does.
        #[expect(clippy::cast_precision_loss, reason = "53 bits are exact in a double")]
        let drawn = (self.next() >> 11) as f64 / (1_u64 << 53) as f64;
        drawn < probability
    }

    /// A GUID of version 4 in its usual text form.
    pub(crate) fn guid(&mut self) -> String {
        let bits = (u128::from(self.next()) << 64) | u128::from(self.next());
        uuid::Builder::from_random_bytes(bits.to_be_bytes()).into_uuid().to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::Random;

    #[test]
    fn one_seed_gives_one_sequence() {
        let mut first = Random::new(7);
        let mut second = Random::new(7);
        assert_eq!(first.guid(), second.guid());
        assert_ne!(first.guid(), Random::new(8).guid());
    }

    #[test]
    fn draws_stay_below_their_bound() {
        let mut random = Random::new(1);
        assert!((0..1000).all(|_| random.below(7) < 7));
        assert_eq!(random.below(0), 0);
        assert!(random.chance(1.0));
        assert!(!random.chance(0.0));
    }
}
