//! What can be asked of `kring handover`, and how an offer is given.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use kring_client::case::handover::Urgency;

/// What can be done with handovers.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
EXAMPLES:
  kring handover offer familie --to carla --scope \"De zorg\" --situation \"...\" --preview
  kring handover offer familie --to carla --coordinator carla --scope \"...\" --situation \"...\"
  kring handover show familie                      how far it is, and who does what next
  kring handover open familie                      the next section of the dossier
  kring handover ask familie \"Is de school ingelicht?\"
  kring handover answer familie \"Ja, vrijdag.\"
  kring handover understand familie \"Het gezin is ...\"
  kring handover confirm familie carla
  kring handover ready familie \"2026-11-23 09:00\"
  kring handover complete familie
  kring handover decline familie \"Wij hebben geen plaats.\"

Whoever hands over stays responsible until it is completed. A handover is named by the beginning
of its id, and need not be where only one can be meant.")]
pub(crate) enum HandoverCommand {
    /// Offer to hand a family over, with a dossier
    Offer(Box<OfferArguments>),
    /// Show the handovers of a case
    List {
        /// The case: the beginning of its title or id.
        case: String,
        /// Ended ones too.
        #[arg(long)]
        all: bool,
        /// As they were after this record.
        #[arg(long, value_name = "SEQ")]
        as_of: Option<u64>,
    },
    /// Show a handover: what it is about, how far everybody is, what comes next
    Show {
        /// The case: the beginning of its title or id.
        case: String,
        /// The handover: the beginning of its id.
        handover: Option<String>,
        /// As it was after this record.
        #[arg(long, value_name = "SEQ")]
        as_of: Option<u64>,
    },
    /// Read a section of the dossier; as a receiver you say with it that you have opened it
    Open {
        /// The case: the beginning of its title or id.
        case: String,
        /// Which section, from 1; without it the next one that you have not opened.
        section: Option<u64>,
        /// The handover: the beginning of its id.
        #[arg(long)]
        handover: Option<String>,
    },
    /// Ask the sender something
    Ask {
        /// The case: the beginning of its title or id.
        case: String,
        /// The question; - for standard input.
        text: Option<String>,
        /// The handover: the beginning of its id.
        #[arg(long)]
        handover: Option<String>,
    },
    /// Answer a question
    Answer {
        /// The case: the beginning of its title or id.
        case: String,
        /// The answer; - for standard input.
        text: Option<String>,
        /// The question: the beginning of its id; not needed while only one is open.
        #[arg(long)]
        question: Option<String>,
        /// The handover: the beginning of its id.
        #[arg(long)]
        handover: Option<String>,
    },
    /// Say in your own words what you have understood
    Understand {
        /// The case: the beginning of its title or id.
        case: String,
        /// What you have understood; - for standard input.
        text: Option<String>,
        /// The handover: the beginning of its id.
        #[arg(long)]
        handover: Option<String>,
    },
    /// Confirm that a receiver has understood
    Confirm {
        /// The case: the beginning of its title or id.
        case: String,
        /// Who: the beginning of the address; not needed while only one waits for it.
        receiver: Option<String>,
        /// The handover: the beginning of its id.
        #[arg(long)]
        handover: Option<String>,
    },
    /// Say what is missing or wrong in what a receiver has understood
    Correct {
        /// The case: the beginning of its title or id.
        case: String,
        /// What is missing; - for standard input.
        text: Option<String>,
        /// Who: the beginning of the address; not needed while only one waits for it.
        #[arg(long, value_name = "PERSON")]
        receiver: Option<String>,
        /// The handover: the beginning of its id.
        #[arg(long)]
        handover: Option<String>,
    },
    /// Say that you can start, and when
    Ready {
        /// The case: the beginning of its title or id.
        case: String,
        /// When you start; without it now.
        #[arg(default_value = "+0m", hide_default_value = true)]
        start: String,
        /// The handover: the beginning of its id.
        #[arg(long)]
        handover: Option<String>,
    },
    /// Complete a handover: responsibility moves
    Complete {
        /// The case: the beginning of its title or id.
        case: String,
        /// The handover: the beginning of its id.
        handover: Option<String>,
    },
    /// Do not take it, as a receiver
    Decline {
        /// The case: the beginning of its title or id.
        case: String,
        /// Why not; - for standard input.
        reason: Option<String>,
        /// The handover: the beginning of its id.
        #[arg(long)]
        handover: Option<String>,
    },
    /// Take it back, as the sender; or clear it away, as the coordinator or a deputy
    Withdraw {
        /// The case: the beginning of its title or id.
        case: String,
        /// Why; - for standard input.
        reason: Option<String>,
        /// The handover: the beginning of its id.
        #[arg(long)]
        handover: Option<String>,
    },
}

impl HandoverCommand {
    /// The words for its case.
    pub(super) fn case(&self) -> &str {
        match self {
            Self::Offer(arguments) => &arguments.case,
            Self::List { case, .. }
            | Self::Show { case, .. }
            | Self::Open { case, .. }
            | Self::Ask { case, .. }
            | Self::Answer { case, .. }
            | Self::Understand { case, .. }
            | Self::Confirm { case, .. }
            | Self::Correct { case, .. }
            | Self::Ready { case, .. }
            | Self::Complete { case, .. }
            | Self::Decline { case, .. }
            | Self::Withdraw { case, .. } => case,
        }
    }
}

/// Arguments of `kring handover offer`.
#[derive(Debug, Args)]
#[command(after_help = "\
EXAMPLES:
  kring handover offer familie --to carla --scope \"De zorg\" --situation \"...\" --preview
  kring handover offer familie --to carla --leave-out 12 --with-restricted 17 --accept-by +2d
  kring handover offer familie --to carla --template > offer.json     to be edited, then:
  kring handover offer familie --input offer.json

--preview shows exactly what receivers will see, with the number of each item, and sends nothing.
Nothing restricted is in a dossier unless it is named. What is missing is written in the editor
of EDITOR. Times are 21:30, 2026-11-22 21:30, or from now on: +10m, +2h, +2d.")]
pub(crate) struct OfferArguments {
    /// The case: the beginning of its title or id.
    pub(super) case: String,
    /// Who has to be ready to take over: the beginning of the address; once for each.
    #[arg(long, value_name = "PERSON")]
    pub(super) to: Vec<String>,
    /// Who of them becomes coordinator with it.
    #[arg(long, value_name = "PERSON")]
    pub(super) coordinator: Option<String>,
    /// What is handed over, in a line.
    #[arg(long, value_name = "TEXT")]
    pub(super) scope: Option<String>,
    /// How urgent it is; without it routine.
    #[arg(long, value_enum)]
    pub(super) urgency: Option<UrgencyArgument>,
    /// What is the matter now.
    #[arg(long, value_name = "TEXT")]
    pub(super) situation: Option<String>,
    /// How it came about.
    #[arg(long, value_name = "TEXT")]
    pub(super) background: Option<String>,
    /// What you make of it.
    #[arg(long, value_name = "TEXT")]
    pub(super) assessment: Option<String>,
    /// What you recommend.
    #[arg(long, value_name = "TEXT")]
    pub(super) recommendation: Option<String>,
    /// What has to be done; once for each.
    #[arg(long = "action", value_name = "TEXT")]
    pub(super) actions: Vec<String>,
    /// What to do if it goes wrong.
    #[arg(long, value_name = "TEXT")]
    pub(super) contingency: Option<String>,
    /// By when the receivers should have started.
    #[arg(long, value_name = "TIME")]
    pub(super) start_by: Option<String>,
    /// Until when everybody has to be ready; it expires otherwise.
    #[arg(long, value_name = "TIME")]
    pub(super) accept_by: Option<String>,
    /// The dossier: suggested, none, or a file with a choice as JSON; without it suggested.
    #[arg(long, value_name = "suggested|none|FILE")]
    pub(super) dossier: Option<String>,
    /// A restricted item that goes into the dossier all the same, by its number; once for each.
    #[arg(long, value_name = "ITEM")]
    pub(super) with_restricted: Vec<u64>,
    /// An item that stays out of the dossier, by its number; once for each.
    #[arg(long, value_name = "ITEM")]
    pub(super) leave_out: Vec<u64>,
    /// Where what is in the dossier comes from; shown beside each entry.
    #[arg(long, value_name = "TEXT")]
    pub(super) source: Option<String>,
    /// Why it is handed over; shown beside each entry.
    #[arg(long, value_name = "TEXT")]
    pub(super) purpose: Option<String>,
    /// Show what receivers will see, and send nothing.
    #[arg(long)]
    pub(super) preview: bool,
    /// Print the whole offer as --input takes it, with the dossier spelled out, and send nothing.
    #[arg(long, conflicts_with = "preview")]
    pub(super) template: bool,
    /// All of it as JSON or TOML from a file, or - for standard input; what is given besides goes before it.
    #[arg(long, value_name = "FILE")]
    pub(super) input: Option<PathBuf>,
}

/// How urgent, as an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum UrgencyArgument {
    /// In the ordinary course
    Routine,
    /// Within days
    Soon,
    /// At once
    Immediate,
}

impl From<UrgencyArgument> for Urgency {
    fn from(urgency: UrgencyArgument) -> Self {
        match urgency {
            UrgencyArgument::Routine => Self::Routine,
            UrgencyArgument::Soon => Self::Soon,
            UrgencyArgument::Immediate => Self::Immediate,
        }
    }
}
