//! Sets of query options that change the result of a list.

/// A set of the options `$filter`, `$orderby` and `$count`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct OptionSet {
    /// `$filter`.
    pub filter: bool,
    /// `$orderby`.
    pub order_by: bool,
    /// `$count`.
    pub count: bool,
}

impl OptionSet {
    /// No option.
    pub const NONE: Self = Self { filter: false, order_by: false, count: false };

    /// Whether the set is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of options.
    #[must_use]
    pub fn len(&self) -> usize {
        usize::from(self.filter) + usize::from(self.order_by) + usize::from(self.count)
    }

    /// The options of either set.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self {
            filter: self.filter || other.filter,
            order_by: self.order_by || other.order_by,
            count: self.count || other.count,
        }
    }

    /// The options of both sets.
    #[must_use]
    pub fn intersection(self, other: Self) -> Self {
        Self {
            filter: self.filter && other.filter,
            order_by: self.order_by && other.order_by,
            count: self.count && other.count,
        }
    }

    /// The set as bits: 1, 2 and 4.
    #[must_use]
    pub fn bits(self) -> u8 {
        u8::from(self.filter) | u8::from(self.order_by) << 1 | u8::from(self.count) << 2
    }

    /// The set of these bits. Others are ignored.
    #[must_use]
    pub fn from_bits(bits: u8) -> Self {
        Self { filter: bits & 1 != 0, order_by: bits & 2 != 0, count: bits & 4 != 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::OptionSet;

    #[test]
    fn a_set_is_known_by_its_bits() {
        for bits in 0..8 {
            let set = OptionSet::from_bits(bits);
            assert_eq!(set.bits(), bits);
            assert_eq!(set.len(), bits.count_ones() as usize);
            assert_eq!(set.union(OptionSet::NONE), set);
            assert_eq!(set.intersection(OptionSet::from_bits(7)), set);
        }
        assert_eq!(OptionSet::from_bits(0xf8), OptionSet::NONE);
    }
}
