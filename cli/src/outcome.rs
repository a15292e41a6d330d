//! How a command ends: an exit code for scripts; for people, what happened and then what to do.

use std::fmt;

use kring_client::api::{CallError, ConnectError, NotDone, NotOffered, OpenError, RenewError, SearchError};
use kring_client::case::dossier::DossierError;
use kring_client::conversation::CommandError;
use kring_client::identity::wipe::WipeError;
use kring_client::identity::{ProfileError, SetupError};
use kring_client::store::StoreError;
use serde::Serialize;

use crate::words::{Told, say};

/// Why a command did not do what was asked. Each has its own exit code, listed in `docs/cli.md` and kept for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Cause {
    /// The surroundings do not allow it: a file, a folder, the disk, a port.
    Failed,
    /// The command line, or a name in it, does not say what to do.
    Usage,
    /// A rule, a role or the relay says no.
    Refused,
    /// What was said is stored on this device and has not reached the relay.
    NotDelivered,
    /// What was asked is under way and waits for somebody else.
    Pending,
    /// This device has missed a change of the case and must be added again.
    OutOfStep,
    /// The store does not open: another program has it, or the passphrase is wrong.
    Locked,
    /// The relay cannot be reached, or is not the one it should be.
    Unreachable,
    /// A check of the demo, or what must hold of a bench, does not hold.
    CheckFailed,
    /// A fault of this program.
    Internal,
    /// Stopped by the user.
    Interrupted,
}

impl Cause {
    /// The exit code.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Refused => 3,
            Self::NotDelivered => 4,
            Self::Pending => 5,
            Self::OutOfStep => 6,
            Self::Locked => 7,
            Self::Unreachable => 8,
            Self::CheckFailed => 9,
            // EX_SOFTWARE of sysexits.h.
            Self::Internal => 70,
            // As a shell reports SIGINT.
            Self::Interrupted => 130,
        }
    }
}

/// A command that ended without doing what was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// Sort, which decides the exit code.
    pub(crate) cause: Cause,
    /// What happened, as one sentence without a full stop.
    pub(crate) what: String,
    /// What to do about it.
    pub(crate) advice: Option<String>,
}

/// What every command returns.
pub(crate) type Outcome<T = ()> = Result<T, Failure>;

impl Failure {
    /// A failure; the libraries' sentences bring their advice after a semicolon, which is split off here.
    pub(crate) fn new(cause: Cause, sentence: impl fmt::Display) -> Self {
        let sentence = sentence.to_string();
        match sentence.split_once("; ") {
            Some((what, advice)) => Self { cause, what: what.to_owned(), advice: Some(advice.to_owned()) },
            None => Self { cause, what: sentence, advice: None },
        }
    }

    /// A failure with its advice.
    pub(crate) fn advised(cause: Cause, what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { cause, what: what.into(), advice: Some(advice.into()) }
    }

    /// A failure that the library reports, in the chosen language.
    pub(crate) fn told(cause: Cause, error: &impl Told) -> Self {
        Self::new(cause, error.told())
    }

    /// A file that cannot be read or written.
    pub(crate) fn file(doing: &str, path: &std::path::Path, error: &std::io::Error) -> Self {
        Self::advised(
            Cause::Failed,
            say!("file-cannot-be", path = path.display().to_string(), doing = doing, reason = error.to_string()),
            say!("file-advice"),
        )
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&say!("error-line", what = self.what.as_str()))?;
        match &self.advice {
            Some(advice) => write!(f, "\n  {}", say!("advice-line", advice = advice.as_str())),
            None => Ok(()),
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let cause = match error {
            StoreError::WrongKey | StoreError::InUse => Cause::Locked,
            StoreError::Internal => Cause::Internal,
            StoreError::Missing
            | StoreError::Wiped
            | StoreError::Exists
            | StoreError::Newer { .. }
            | StoreError::Corrupt
            | StoreError::DiskFull
            | StoreError::ReadOnly
            | StoreError::Io(_) => Cause::Failed,
        };
        Self::told(cause, &error)
    }
}

impl From<ProfileError> for Failure {
    fn from(error: ProfileError) -> Self {
        Self::told(Cause::Failed, &error)
    }
}

impl From<WipeError> for Failure {
    fn from(error: WipeError) -> Self {
        Self::told(Cause::Failed, &error)
    }
}

impl From<SetupError> for Failure {
    fn from(error: SetupError) -> Self {
        match error {
            SetupError::Store(error) => error.into(),
            error => Self::new(Cause::Failed, error),
        }
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Store(error) => error.into(),
            error => Self::told(Cause::Failed, &error),
        }
    }
}

impl From<CommandError> for Failure {
    fn from(error: CommandError) -> Self {
        let cause = match error {
            CommandError::CaseExists | CommandError::ItemExists => Cause::Internal,
            CommandError::Title | CommandError::Draft(_) | CommandError::Oneself => Cause::Usage,
            CommandError::UnknownCase
            | CommandError::NotOpen
            | CommandError::Role
            | CommandError::Refused(_)
            | CommandError::NotAMember
            | CommandError::CoordinatorHeard { .. }
            | CommandError::NothingToClaim
            | CommandError::NotOwnDevice
            | CommandError::OtherNumber
            | CommandError::SoleCoordinator
            | CommandError::SoleResponsible
            | CommandError::Duty(_)
            | CommandError::Closed
            | CommandError::Unfinished
            | CommandError::NotErasing => Cause::Refused,
        };
        Self::told(cause, &error)
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Command(error) => error.into(),
            CallError::Store(error) => error.into(),
            CallError::Closed => Self::told(Cause::Internal, &error),
        }
    }
}

impl From<NotOffered> for Failure {
    fn from(error: NotOffered) -> Self {
        match error {
            NotOffered::Call(error) => error.into(),
            NotOffered::Dossier(error) => {
                let cause = match error {
                    DossierError::NoSuchThing | DossierError::Bounds => Cause::Usage,
                    DossierError::Restricted(_)
                    | DossierError::Entry
                    | DossierError::TakenBack(_)
                    | DossierError::NoProof(_)
                    | DossierError::Incomplete => Cause::Refused,
                };
                Self::told(cause, &error)
            }
        }
    }
}

impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::Store(error) => error.into(),
            ConnectError::Refused(_) | ConnectError::OwnRefused(_) => Self::told(Cause::Refused, &error),
            error => Self::told(Cause::Unreachable, &error),
        }
    }
}

impl From<RenewError> for Failure {
    fn from(error: RenewError) -> Self {
        let cause = match error {
            RenewError::NotConnected | RenewError::Fault(_) => Cause::Unreachable,
            RenewError::NotAnswered { .. } => Cause::Pending,
            RenewError::Refused(_) | RenewError::Renewal(_) => Cause::Refused,
            RenewError::Io(_) => Cause::Failed,
        };
        Self::new(cause, error)
    }
}

impl From<SearchError> for Failure {
    fn from(error: SearchError) -> Self {
        let cause = match error {
            SearchError::NotConnected | SearchError::Fault(_) => Cause::Unreachable,
            SearchError::Refused(_) => Cause::Refused,
            SearchError::TooLong => Cause::Usage,
        };
        Self::new(cause, error)
    }
}

impl From<NotDone> for Failure {
    fn from(error: NotDone) -> Self {
        match error {
            NotDone::Dropped(_) => Self::told(Cause::Refused, &error),
            NotDone::Closed => Self::told(Cause::Pending, &error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happened_comes_before_what_to_do() {
        let failure = Failure::from(StoreError::InUse);
        assert_eq!(failure.cause.code(), 7);
        assert_eq!(
            failure.to_string(),
            "error: the store is open in another program\n  what to do: close that first"
        );
    }

    #[test]
    fn every_cause_has_a_code_of_its_own() {
        let causes = [
            Cause::Failed,
            Cause::Usage,
            Cause::Refused,
            Cause::NotDelivered,
            Cause::Pending,
            Cause::OutOfStep,
            Cause::Locked,
            Cause::Unreachable,
            Cause::CheckFailed,
            Cause::Internal,
            Cause::Interrupted,
        ];
        let codes: std::collections::BTreeSet<u8> = causes.iter().map(|cause| cause.code()).collect();
        assert_eq!(codes.len(), causes.len());
        assert!(!codes.contains(&0));
    }
}
