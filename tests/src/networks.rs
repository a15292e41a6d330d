//! Real clients and a real relay over bad networks: network namespaces of Linux, between them a path that loses, delays,
//! reorders, corrupts, goes away, shrinks and moves. `cargo xtask networks` runs them and prints a table.
//!
//! ```text
//! client's namespace          path's namespace                     relay's namespace
//! two clients ── veth ──  10.77.1.1   a program   10.77.2.1  ── veth ── 10.77.2.2  relay
//! 10.77.1.2                     as a NAT router does
//! ```
//!
//! What loses and delays is `tc netem`, at both ends of the path, where the kernel has it, and otherwise the program in the
//! path's namespace. A link that is away, an address that changes and short packets are the kernel's in either case.
//! Needs root, and `ip` and `tc` (Debian: iproute2).

mod condition;
mod namespaces;
mod path;

use std::io::Write as _;
use std::process::{Child, ChildStdin, Command, ExitCode, Stdio};
use std::time::Duration;

use kring_client::case::ItemDraft;

pub use condition::{CONDITIONS, Condition, Event};
pub use namespaces::Namespaces;
pub use path::forward;

use crate::circle::{Circle, together};
use crate::clock::{soon, stopwatch};
use crate::relay::RelayProcess;
use crate::world::World;

/// Where the clients find the relay: at the path's near end.
const NEAR: &str = "10.77.1.1:4433";
/// Where it listens.
const RELAY: &str = "10.77.2.2:4433";
/// How long the link is away.
const AWAY: Duration = Duration::from_secs(60);
/// Messages that wait while it is, of each.
const WAITING: usize = 5;

/// What was measured under a condition, in seconds.
struct Measured {
    /// From nothing to two members of a case.
    joined: f64,
    /// From saying to showing, of each message.
    shown: Vec<f64>,
    /// From the end of what was wrong until everything that waited is shown.
    recovered: Option<f64>,
}

/// Runs conditions in the client's namespace and prints a row for each.
///
/// # Panics
/// When a message is lost, doubled or out of order, or does not come within ten minutes.
pub async fn run(names: &Namespaces, program: &str, only: &[String], messages: usize) -> ExitCode {
    let chosen = |condition: &&Condition| only.is_empty() || only.iter().any(|name| name == condition.name);
    let kernel = names.has_netem();
    let by = if kernel { "`tc netem`" } else { "a program, since this kernel has no netem" };
    println!("Losses and delays by {by}; {messages} messages each way.\n");
    println!("| network | two join a case, s | message shown, median s | slowest s | recovered after s |");
    println!("| --- | ---: | ---: | ---: | ---: |");
    for condition in CONDITIONS.iter().filter(chosen) {
        let measured = measure(names, program, condition, kernel, messages).await;
        let mut shown = measured.shown;
        shown.sort_by(f64::total_cmp);
        println!(
            "| {} | {:.2} | {:.3} | {:.3} | {} |",
            condition.what,
            measured.joined,
            shown[shown.len() / 2],
            shown[shown.len() - 1],
            measured.recovered.map_or_else(|| "–".to_owned(), |seconds| format!("{seconds:.2}")),
        );
    }
    ExitCode::SUCCESS
}

/// The program on the path.
struct Path {
    process: Child,
    orders: ChildStdin,
}

impl Path {
    fn start(names: &Namespaces) -> Self {
        let program = std::env::current_exe().expect("this program has a path");
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &names.path]).arg(program).args(["path", NEAR, RELAY]);
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::inherit()).spawn().expect("ip starts");
        let orders = process.stdin.take().expect("it is piped");
        Self { process, orders }
    }

    fn order(&mut self, order: &str) {
        writeln!(self.orders, "{order}").expect("the path's program runs");
    }
}

impl Drop for Path {
    fn drop(&mut self) {
        // It may have ended.
        let _ended = self.process.kill();
        let _reaped = self.process.wait();
    }
}

async fn measure(
    names: &Namespaces,
    program: &str,
    condition: &Condition,
    kernel: bool,
    messages: usize,
) -> Measured {
    names.heal();
    let mut path = Path::start(names);
    if kernel {
        names.spoil(condition.netem);
    } else {
        path.order(condition.program);
    }
    if let Some(mtu) = condition.mtu {
        names.shorten(mtu);
    }
    let world = World::new();
    let script = names.script_in_relays(&world, program);
    let _relay = RelayProcess::start_at(&script, &world, RELAY.parse().expect("an address")).await;

    let begun = stopwatch();
    let near = NEAR.parse().expect("an address");
    let circle = together(&world, ["anne@politie.example", "bert@opvang.example"], near).await;
    let joined = begun.elapsed().as_secs_f64();
    let mut said = Vec::new();
    let mut shown = Vec::new();
    for number in 0..messages {
        shown.push(say(&circle, 0, &mut said, &format!("heen {number}")).await);
        shown.push(say(&circle, 1, &mut said, &format!("terug {number}")).await);
    }
    let recovered = match condition.event {
        None => None,
        Some(event) => Some(happen(names, &mut path, event, &circle, &mut said).await),
    };
    for (person, case) in &circle {
        let mut texts = person.has_texts(case, said.len()).await;
        if condition.event == Some(Event::Away) {
            // What both have said meanwhile is in one order for both, and each one's own is in order.
            texts[2 * messages..].sort();
            said[2 * messages..].sort();
        }
        assert_eq!(texts, said, "every message once and in order");
    }
    let [(anne, annes), (bert, berts)] = circle;
    assert_eq!(anne.texts(&annes).await, bert.texts(&berts).await);
    // Otherwise they would go on dialling the next relay, which is another one at the same address.
    anne.put_down().await;
    bert.put_down().await;
    Measured { joined, shown, recovered }
}

/// Somebody says something and the other is shown it; how many seconds that took.
async fn say(circle: &Circle<2>, by: usize, said: &mut Vec<String>, text: &str) -> f64 {
    let (_, case) = &circle[by];
    let (reader, theirs) = &circle[1 - by];
    let begun = stopwatch();
    case.send(ItemDraft::markdown(text)).await.expect("queued");
    said.push(text.to_owned());
    reader.has_texts(theirs, said.len()).await;
    begun.elapsed().as_secs_f64()
}

/// Something happens to the network; how long it takes until everything is shown again.
async fn happen(
    names: &Namespaces,
    path: &mut Path,
    event: Event,
    circle: &Circle<2>,
    said: &mut Vec<String>,
) -> f64 {
    let begun = match event {
        Event::Away => {
            names.link(false);
            for number in 0..WAITING {
                for (_, case) in circle {
                    let text = format!("meanwhile {number} of {}", case.id().0[0]);
                    case.send(ItemDraft::markdown(&text)).await.expect("queued");
                    said.push(text);
                }
            }
            tokio::time::sleep(AWAY).await;
            names.link(true);
            let begun = stopwatch();
            for (person, case) in circle {
                soon("what waited", person.has_texts(case, said.len())).await;
            }
            return begun.elapsed().as_secs_f64();
        }
        Event::NewAddress => {
            names.move_client();
            stopwatch()
        }
        Event::Rebinding => {
            path.order("rebind");
            stopwatch()
        }
    };
    for by in [0, 1] {
        say(circle, by, said, &format!("after it {by}")).await;
    }
    begun.elapsed().as_secs_f64()
}
