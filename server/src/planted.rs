//! Faults planted on purpose, to see whether the simulation finds them. In no program that is installed: a cargo feature
//! that `deny.toml` refuses in ordinary builds.

use std::cell::Cell;

/// A fault of the relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Receipts are given before their entries are on the disk.
    AcknowledgeBeforeDurable,
    /// A submission for an epoch that has ended is accepted.
    SkipEpochCheck,
    /// A proof opens the log beyond the end of its epoch.
    AcceptOldProof,
    /// Of a bundle the Welcomes are not stored.
    LoseWelcome,
    /// An operation id is not looked up.
    ForgetOperations,
    /// A claimed KeyPackage can be claimed again.
    SpendNothing,
    /// Between the backlog and what is live a record is missing.
    MissBeforeLive,
    /// A checkpoint counts before its pages are on the disk.
    CheckpointEarly,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::AcknowledgeBeforeDurable,
        Self::SkipEpochCheck,
        Self::AcceptOldProof,
        Self::LoseWelcome,
        Self::ForgetOperations,
        Self::SpendNothing,
        Self::MissBeforeLive,
        Self::CheckpointEarly,
    ];
}

thread_local! {
    static PLANTED: Cell<Option<Fault>> = const { Cell::new(None) };
}

/// Plants a fault in this thread, or takes it out.
pub fn plant(fault: Option<Fault>) {
    PLANTED.set(fault);
}

/// Whether this fault is planted.
pub(crate) fn is(fault: Fault) -> bool {
    PLANTED.get() == Some(fault)
}
