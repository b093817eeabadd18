//! Which requests are traced.

use opentelemetry::TraceId;

/// Which requests are traced (OpenTelemetry, "Sampling").
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampler {
    /// Whether the sampled flag of the caller's `traceparent` decides, if there is one.
    pub is_parent_based: bool,
    /// Decides otherwise.
    pub root: RootSampler,
}

/// Which requests without a caller's decision are traced.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum RootSampler {
    /// All.
    AlwaysOn,
    /// None.
    AlwaysOff,
    /// This share, 0 to 1, by the trace's id: services with the same share sample the same traces.
    Ratio(f64),
}

impl Sampler {
    /// Whether a trace is sampled, given the flag of the caller if it has a trace.
    pub(super) fn samples(self, trace_id: TraceId, caller: Option<bool>) -> bool {
        match (caller, self.root) {
            (Some(is_sampled), _) if self.is_parent_based => is_sampled,
            (_, RootSampler::AlwaysOn) => true,
            (_, RootSampler::AlwaysOff) => false,
            (_, RootSampler::Ratio(ratio)) => is_below(trace_id, ratio),
        }
    }
}

/// Whether the last 63 bits of the id are below the share of their range, as in the SDKs of OpenTelemetry.
fn is_below(trace_id: TraceId, ratio: f64) -> bool {
    const RANGE: f64 = (1_u64 << 63) as f64;
    let [.., a, b, c, d, e, f, g, h] = trace_id.to_bytes();
    let bits = u64::from_be_bytes([a, b, c, d, e, f, g, h]) >> 1;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the ratio is from 0 to 1")]
    let bound = (ratio.clamp(0.0, 1.0) * RANGE) as u64;
    bits < bound
}

#[cfg(test)]
mod tests {
    use super::{RootSampler, Sampler, TraceId};

    #[test]
    fn a_callers_flag_decides_only_if_the_sampler_is_parent_based() {
        let any = TraceId::from_bytes([7; 16]);
        for (is_parent_based, root, caller, expected) in [
            (true, RootSampler::AlwaysOn, Some(false), false),
            (true, RootSampler::AlwaysOff, Some(true), true),
            (true, RootSampler::AlwaysOn, None, true),
            (true, RootSampler::AlwaysOff, None, false),
            (false, RootSampler::AlwaysOn, Some(false), true),
            (false, RootSampler::AlwaysOff, Some(true), false),
        ] {
            assert_eq!(
                Sampler { is_parent_based, root }.samples(any, caller),
                expected,
                "{root:?} {caller:?}"
            );
        }
    }

    #[test]
    fn a_ratio_samples_by_the_last_bits_of_the_id() {
        let samples = |ratio, last: u64| {
            let mut id = [0xff; 16];
            id[8..].copy_from_slice(&last.to_be_bytes());
            let sampler = Sampler { is_parent_based: true, root: RootSampler::Ratio(ratio) };
            sampler.samples(TraceId::from_bytes(id), None)
        };
        assert!(samples(1.0, u64::MAX) && samples(0.5, u64::MAX / 2 - 1) && samples(0.01, 0));
        assert!(!samples(0.0, 0) && !samples(0.5, u64::MAX / 2 + 1) && !samples(0.01, u64::MAX / 99));
    }
}
