//! The state that all connections share: data, faults, recorded requests and throttling windows.

use crate::faults::FaultPlan;
use crate::record::Record;
use crate::service::Service;
use crate::settings::Settings;
use crate::throttle::Throttle;

/// The state that all connections share.
#[derive(Debug)]
pub(crate) struct SandboxState {
    pub(crate) service: Service,
    pub(crate) fault_plan: FaultPlan,
    pub(crate) record: Record,
    pub(crate) throttle: Throttle,
}

impl SandboxState {
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            fault_plan: FaultPlan::new(&settings),
            record: Record::new(settings.record),
            throttle: Throttle::new(settings.clock_rate),
            service: Service::new(settings),
        }
    }

    /// Restores data, fault rules, recorded requests, requests for approval and throttling windows to those of the start.
    pub(crate) fn reset(&self) {
        self.service.reset();
        self.fault_plan.reset(&self.service.settings);
        self.record.clear();
        self.throttle.reset();
    }
}
