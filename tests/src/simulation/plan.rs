//! What happens in a simulation: a list of moves that follows from the seed. Each move has dice of its own, so that
//! leaving one out leaves the others as they are.

use std::fmt;

use kring_client::case::Role;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use super::Options;

/// One move. Devices and cases go by their numbers; a professional by the first device's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Move {
    NewCase {
        device: usize,
        case: usize,
    },
    Say {
        device: usize,
        case: usize,
    },
    /// Somebody does something else in a case: a step of a handover, an alert, a task, the plan.
    Act {
        case: usize,
    },
    Add {
        device: usize,
        case: usize,
        who: usize,
        role: Role,
    },
    Remove {
        device: usize,
        case: usize,
        who: usize,
    },
    Leave {
        device: usize,
        case: usize,
    },
    UpdateKeys {
        device: usize,
        case: usize,
    },
    SetRole {
        device: usize,
        case: usize,
        who: usize,
        role: Role,
    },
    Revoke {
        device: usize,
    },
    GoOffline {
        device: usize,
    },
    ComeBack {
        device: usize,
    },
    /// The connection breaks and is made again.
    Break {
        device: usize,
    },
    Kill {
        device: usize,
    },
    /// The store fails at this write of the next step; the program goes on, or is killed.
    FailStore {
        device: usize,
        writes: usize,
        kill: bool,
    },
    /// The device's store is lost.
    Wipe {
        device: usize,
    },
    /// A backup of the device's store is made.
    BackUp {
        device: usize,
    },
    /// The store is set back to the last backup.
    SetBack {
        device: usize,
    },
    SetClock {
        device: usize,
        seconds: i64,
    },
    SetRelayClock {
        seconds: i64,
    },
    KillRelay,
    /// The relay dies at this write.
    FailRelay {
        writes: usize,
    },
    /// Everything that a device ever could prove is tried.
    Probe {
        device: usize,
    },
    /// Milliseconds.
    Wait {
        milliseconds: u64,
    },
}

/// A move, its number in the plan, and its dice.
#[derive(Debug, Clone, Copy)]
pub(super) struct Turn {
    pub(super) number: usize,
    pub(super) what: Move,
    pub(super) dice: u64,
}

/// How the network and the machines are.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Weather {
    /// Of a thousand messages, so many are lost with their connection.
    pub(super) lost: u32,
    /// So many requests come twice.
    pub(super) repeated: u32,
    /// So many take seconds.
    pub(super) slow: u32,
    /// So many steps of a client are its last.
    pub(super) killed: u32,
    /// For so many messages the relay is too busy.
    pub(super) busy: u32,
    /// By so many millionths clocks run too fast or too slowly, at most. A clock of a computer drifts by tens of them.
    pub(super) drift: u32,
}

impl Weather {
    /// The weather of a seed.
    pub(super) fn of(seed: u64) -> Self {
        let mut dice = StdRng::seed_from_u64(seed ^ 0x77ea_7e12);
        let mut one_of = |choices: [u32; 4]| choices[dice.random_range(0..4)];
        Self {
            lost: one_of([0, 5, 20, 60]),
            repeated: one_of([0, 0, 20, 100]),
            slow: one_of([0, 20, 100, 300]),
            killed: one_of([0, 0, 3, 10]),
            busy: one_of([0, 0, 20, 100]),
            drift: one_of([0, 100, 1_000, 10_000]),
        }
    }

    /// How one clock drifts in it.
    pub(super) fn drift(&self, dice: &mut StdRng) -> i64 {
        let most = i64::from(self.drift);
        dice.random_range(-most..=most)
    }
}

/// The plan of a seed.
pub(super) fn plan(seed: u64, options: &Options) -> Vec<Turn> {
    let mut dice = StdRng::seed_from_u64(seed);
    let mut moves = Vec::new();
    let owners: Vec<usize> = (0..options.devices).filter(|device| device % 5 != 4).collect();
    for case in 0..options.cases {
        let device = case % options.devices;
        moves.push(Move::NewCase { device, case });
        for who in &owners {
            if *who != device && dice.random_ratio(3, 4) {
                let role = [Role::Member, Role::Member, Role::Deputy, Role::Observer][dice.random_range(0..4)];
                moves.push(Move::Add { device, case, who: *who, role });
            }
        }
    }
    while moves.len() < options.moves {
        moves.push(one(&mut dice, options, &owners));
    }
    let turn = |(number, what)| Turn { number, what, dice: dice.random() };
    moves.into_iter().enumerate().map(turn).collect()
}

fn one(dice: &mut StdRng, options: &Options, owners: &[usize]) -> Move {
    let device = dice.random_range(0..options.devices);
    let case = dice.random_range(0..options.cases);
    let who = owners[dice.random_range(0..owners.len())];
    let role = [Role::Member, Role::Deputy, Role::Observer][dice.random_range(0..3)];
    // Those who manage a case do most of its changes; what others try is refused at once.
    let manager = if dice.random_ratio(3, 4) { case % options.devices } else { device };
    match dice.random_range(0..100) {
        0..14 => Move::Say { device, case },
        14..30 => Move::Act { case },
        30..36 => Move::Add { device: manager, case, who, role },
        36..40 => Move::Remove { device: manager, case, who },
        40..42 => Move::Leave { device, case },
        42..48 => Move::UpdateKeys { device, case },
        48..50 => {
            let role = if dice.random_ratio(1, 4) { Role::Coordinator } else { role };
            Move::SetRole { device: manager, case, who, role }
        }
        50..51 => Move::Revoke { device },
        51..56 => Move::GoOffline { device },
        56..62 => Move::ComeBack { device },
        62..67 => Move::Break { device },
        67..71 => Move::Kill { device },
        71..75 => Move::FailStore { device, writes: dice.random_range(0..12), kill: dice.random() },
        75..76 => Move::Wipe { device },
        76..78 => Move::BackUp { device },
        78..79 => Move::SetBack { device },
        79..80 => Move::SetClock { device, seconds: dice.random_range(-1_200..1_200) },
        80..81 => Move::SetRelayClock { seconds: dice.random_range(-1_200..1_200) },
        81..83 => Move::KillRelay,
        83..86 => Move::FailRelay { writes: dice.random_range(0..8) },
        86..89 => Move::Probe { device },
        89..98 => Move::Wait { milliseconds: dice.random_range(0..20_000) },
        _ => Move::Wait { milliseconds: dice.random_range(0..3 * 24 * 60 * 60 * 1_000) },
    }
}

impl fmt::Display for Move {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NewCase { device, case } => write!(f, "device {device} opens case {case}"),
            Self::Say { device, case } => write!(f, "device {device} says something in case {case}"),
            Self::Act { case } => write!(f, "somebody does something in case {case}"),
            Self::Add { device, case, who, role } => {
                write!(f, "device {device} adds professional {who} to case {case} as {role:?}")
            }
            Self::Remove { device, case, who } => {
                write!(f, "device {device} removes professional {who} from case {case}")
            }
            Self::Leave { device, case } => write!(f, "device {device} leaves case {case}"),
            Self::UpdateKeys { device, case } => write!(f, "device {device} takes fresh keys in case {case}"),
            Self::SetRole { device, case, who, role } => {
                write!(f, "device {device} makes professional {who} {role:?} of case {case}")
            }
            Self::Revoke { device } => write!(f, "device {device} is revoked"),
            Self::GoOffline { device } => write!(f, "device {device} goes offline"),
            Self::ComeBack { device } => write!(f, "device {device} comes back"),
            Self::Break { device } => write!(f, "device {device}'s connection breaks"),
            Self::Kill { device } => write!(f, "device {device}'s program is killed"),
            Self::FailStore { device, writes, kill } => {
                let then = if kill { " and its program is killed" } else { "" };
                write!(f, "device {device}'s store fails after {writes} writes{then}")
            }
            Self::Wipe { device } => write!(f, "device {device} loses its store"),
            Self::BackUp { device } => write!(f, "device {device} is backed up"),
            Self::SetBack { device } => write!(f, "device {device} is set back to its backup"),
            Self::SetClock { device, seconds } => write!(f, "device {device}'s clock jumps by {seconds} s"),
            Self::SetRelayClock { seconds } => write!(f, "the relay's clock jumps by {seconds} s"),
            Self::KillRelay => f.write_str("the relay is killed"),
            Self::FailRelay { writes } => write!(f, "the relay dies after {writes} writes"),
            Self::Probe { device } => write!(f, "device {device} tries all proofs that it can make"),
            Self::Wait { milliseconds } => write!(f, "{milliseconds} ms pass"),
        }
    }
}
