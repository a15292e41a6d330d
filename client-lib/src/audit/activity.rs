//! What is recorded: the kinds of activity, their number in the log, their name for machines, and which of the five
//! actions of NEN 7513 (create, read, update, delete, execute) each is.

/// Declares the activities once: variant, number (never reused), name, action.
macro_rules! activities {
    ($($(#[$doc:meta])* $variant:ident = $number:literal, $name:literal, $action:literal;)+) => {
        /// What somebody did or tried.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Activity {
            $($(#[$doc])* $variant,)+
        }

        impl Activity {
            /// All of them, by number.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// Its number in the log.
            pub fn number(self) -> u64 {
                match self { $(Self::$variant => $number,)+ }
            }

            /// The activity of a number.
            pub fn from_number(number: u64) -> Option<Self> {
                match number { $($number => Some(Self::$variant),)+ _ => None }
            }

            /// Its name for machines.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// The action of NEN 7513: `C`, `R`, `U`, `D` or `E`.
            pub fn action(self) -> char {
                match self { $(Self::$variant => $action,)+ }
            }
        }
    };
}

activities! {
    /// The store was opened.
    StoreOpened = 1, "store_opened", 'E';
    /// Somebody tried to open the store with a wrong passphrase.
    OpeningFailed = 2, "opening_failed", 'E';
    /// A case was opened.
    CaseOpened = 10, "case_opened", 'C';
    /// This device came into a case.
    CaseJoined = 11, "case_joined", 'C';
    /// A case went on in a successor group.
    CaseContinued = 12, "case_continued", 'U';
    /// This device is no longer in a case.
    CaseLeft = 13, "case_left", 'D';
    /// A case was closed.
    CaseClosed = 14, "case_closed", 'U';
    /// A case was erased.
    CaseErased = 15, "case_erased", 'D';
    /// A legal hold was set or lifted.
    LegalHold = 16, "legal_hold", 'U';
    /// Something was written into a case.
    ItemWritten = 20, "item_written", 'C';
    /// Something that was wanted can no longer be done.
    Dropped = 21, "dropped", 'E';
    /// Items or a state of a case were shown.
    Viewed = 30, "viewed", 'R';
    /// Something of a case left the device: a plan, a dossier, a timeline.
    Exported = 31, "exported", 'R';
    /// Somebody was added to a case.
    MemberAdded = 40, "member_added", 'U';
    /// Somebody was removed from a case.
    MemberRemoved = 41, "member_removed", 'U';
    /// Somebody got another role.
    RoleChanged = 42, "role_changed", 'U';
    /// Somebody asked to leave.
    LeaveAsked = 43, "leave_asked", 'E';
    /// Keys were renewed.
    KeysRenewed = 44, "keys_renewed", 'E';
    /// Another change of the case: responsibility, handover, closing.
    CaseChanged = 45, "case_changed", 'U';
    /// A member's change of the case was refused.
    ChangeRefused = 50, "change_refused", 'E';
    /// Something in the log is not as it should be.
    Suspicion = 51, "suspicion", 'E';
    /// Records were lost before this device read them.
    Gap = 52, "gap", 'E';
    /// The audit log itself was exported.
    AuditExported = 60, "audit_exported", 'R';
    /// The audit log was forwarded to an organisation's archive.
    AuditForwarded = 61, "audit_forwarded", 'R';
    /// The audit log was checked.
    AuditVerified = 62, "audit_verified", 'R';
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// It was done, or stored to be done.
    Done,
    /// A rule said no.
    Refused,
    /// It could not be done.
    Failed,
}

impl Outcome {
    /// Its number in the log.
    pub fn number(self) -> u64 {
        match self {
            Self::Done => 0,
            Self::Refused => 1,
            Self::Failed => 2,
        }
    }

    /// The outcome of a number.
    pub fn from_number(number: u64) -> Option<Self> {
        [Self::Done, Self::Refused, Self::Failed].into_iter().find(|outcome| outcome.number() == number)
    }

    /// Its name for machines.
    pub fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn numbers_and_names_belong_to_one_activity_each() {
        let numbers: BTreeSet<u64> = Activity::ALL.iter().map(|activity| activity.number()).collect();
        let names: BTreeSet<&str> = Activity::ALL.iter().map(|activity| activity.name()).collect();
        assert_eq!((numbers.len(), names.len()), (Activity::ALL.len(), Activity::ALL.len()));
        for activity in Activity::ALL {
            assert_eq!(Activity::from_number(activity.number()), Some(*activity));
            assert!("CRUDE".contains(activity.action()));
        }
        assert_eq!(Activity::from_number(0), None);
        assert_eq!(Outcome::from_number(3), None);
    }
}
