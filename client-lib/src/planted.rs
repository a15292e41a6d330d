//! Faults planted on purpose, to see whether the simulation finds them. In no program that is installed: a cargo feature
//! that `deny.toml` refuses in ordinary builds.

use std::cell::Cell;

/// A fault of the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// An own Commit is merged when it is sent, not when its record comes.
    MergeBeforeReceipt,
    /// What was read and how far was read are stored in two transactions.
    ForgetCursor,
    /// A submission is sent and not stored.
    SendBeforeStoring,
    /// The number of a note is stored in a transaction before the Welcome in it.
    NoteBeforeWelcome,
    /// What was encrypted for an epoch that has ended stays in the outbox as it is.
    KeepOldSubmission,
    /// What was encrypted for an epoch that has ended is dropped.
    DropOldSubmission,
    /// After a failed step the groups in memory are used on.
    KeepGroupAfterFailure,
    /// The log is not followed on into a new epoch.
    ForgetToFollow,
    /// A leaf that is known to be revoked is encrypted to.
    EncryptToRevoked,
    /// A wish to leave that its epoch's end has overtaken is not repeated.
    LeaveOnce,
    /// The newest of the outbox goes first.
    NewestFirst,
    /// What the relay has put off is not tried again.
    ForgetRetry,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::MergeBeforeReceipt,
        Self::ForgetCursor,
        Self::SendBeforeStoring,
        Self::NoteBeforeWelcome,
        Self::KeepOldSubmission,
        Self::DropOldSubmission,
        Self::KeepGroupAfterFailure,
        Self::ForgetToFollow,
        Self::EncryptToRevoked,
        Self::LeaveOnce,
        Self::NewestFirst,
        Self::ForgetRetry,
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
