//! The command line as a whole. Each command's own arguments stand beside what it does.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::admin::AdminArguments;
use crate::alert::AlertCommand;
use crate::audit::AuditCommand;
use crate::bench::BenchArguments;
use crate::case::CaseCommand;
use crate::clock::{self, DEFAULT_ZONE, Zone};
use crate::demo::DemoArguments;
use crate::device::DeviceCommand;
use crate::directory::DirectoryCommand;
use crate::follow::FollowArguments;
use crate::handover::HandoverCommand;
use crate::passphrase::PassphraseArguments;
use crate::plan::PlanCommand;
use crate::read::ReadArguments;
use crate::relay::RelayArguments;
use crate::send::SendArguments;
use crate::setup::SetupArguments;
use crate::task::TaskCommand;
use crate::wipe::WipeArguments;
use crate::words::Language;

/// End-to-end encrypted conversations between the professionals around one family, over a relay that knows neither
/// what they say nor who they are to each other.
#[derive(Debug, Parser)]
#[command(name = "kring", version, propagate_version = true, max_term_width = 100)]
#[command(after_help = "\
EXAMPLES:
  kring demo                                        play an invented case and check what the relay could see of it
  kring setup --ticket FILE                         set this device up, with the ticket that you were given
  kring case new \"Familie Voorbeeld\"                open a case
  kring case add familie b.devries@veiligthuis.example
  kring send familie \"Ik kan vanmiddag langs gaan.\"
  kring follow familie                              see what is said, live
  kring alert raise familie --ask veilig-thuis      raise an urgent alert; in acute danger call 112 first
  kring inbox                                       what waits for you

Cases can be named by the first letters of their title or of their id. `kring COMMAND --help` has more examples;
exit codes and the lines of --json are described in docs/cli.md.")]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: GlobalArguments,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Debug, Clone, Args)]
pub(crate) struct GlobalArguments {
    /// Folder of this device's profile.
    #[arg(long, env = "KRING_PROFILE", default_value = "kring-profile", value_name = "DIR", global = true)]
    pub(crate) profile: PathBuf,
    /// Print one JSON object a line.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) passphrase: PassphraseArguments,
    /// Seconds to wait for the relay, and for what others have to do.
    #[arg(long, default_value = "20", value_name = "SECONDS", value_parser = seconds, global = true)]
    pub(crate) wait: Duration,
    /// Use what is on this device, without the relay.
    #[arg(long, global = true)]
    pub(crate) offline: bool,
    /// Language; without it that of KRING_LANG or of the locale.
    #[arg(long, value_enum, value_name = "LANGUAGE", global = true)]
    pub(crate) lang: Option<Language>,
    /// Time zone in which times are shown and read.
    #[arg(long, env = "KRING_ZONE", default_value = DEFAULT_ZONE, value_name = "ZONE", value_parser = clock::zone, global = true)]
    pub(crate) zone: Zone,
    /// Archive of your organisation to which the audit log is forwarded whenever a command ends; CSV if it ends in .csv.
    #[arg(long, env = "KRING_AUDIT_ARCHIVE", value_name = "FILE", global = true)]
    pub(crate) audit_archive: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Region, organisations, devices, relays: make certificates and keys, see what ends, revoke
    Admin(AdminArguments),
    /// Run a relay, or check its configuration
    Relay(RelayArguments),
    /// Set this device up: make its profile
    Setup(SetupArguments),
    /// Look for people who can be added to cases
    #[command(subcommand)]
    Directory(DirectoryCommand),
    /// Open cases and decide who takes part
    #[command(subcommand)]
    Case(CaseCommand),
    /// Show, add and drop devices of your own
    #[command(subcommand)]
    Device(DeviceCommand),
    /// Say something in a case
    Send(SendArguments),
    /// Print what was said in a case
    Read(ReadArguments),
    /// See what is said in a case, live, until Ctrl-C
    Follow(FollowArguments),
    /// Connect, catch up, and say how this device stands
    Status,
    /// Raise an urgent alert, acknowledge it, say how it goes, end it
    #[command(subcommand)]
    Alert(AlertCommand),
    /// The safety plan: write, propose, approve, compare, merge, export
    #[command(subcommand)]
    Plan(PlanCommand),
    /// Tasks: who does what by when
    #[command(subcommand)]
    Task(TaskCommand),
    /// Hand a family over: offer, understand, take over, or not
    #[command(subcommand)]
    Handover(HandoverCommand),
    /// What waits for you, over all cases
    Inbox,
    /// Check, export or forward the log of what was done on this device
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Destroy this device's keys and everything on it
    Wipe(WipeArguments),
    /// Play a case from a script over a real relay, and check what the relay could see of it
    Demo(DemoArguments),
    /// Measure what a relay bears on this machine
    Bench(BenchArguments),
}

/// Longest wait: a day, which is more than anybody sits at a terminal.
const LONGEST_WAIT: u64 = 24 * 60 * 60;

fn seconds(text: &str) -> Result<Duration, &'static str> {
    match text.parse() {
        Ok(seconds) if seconds <= LONGEST_WAIT => Ok(Duration::from_secs(seconds)),
        _ => Err("a whole number of seconds, at most a day"),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_declaration_of_the_command_line_holds_together() {
        Arguments::command().debug_assert();
    }
}
