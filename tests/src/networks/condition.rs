//! What can be wrong with a network.

/// One way in which a network is bad.
#[derive(Debug, Clone, Copy)]
pub struct Condition {
    /// What it is chosen by.
    pub name: &'static str,
    /// What it is, for the table.
    pub what: &'static str,
    /// Of `tc netem`, for each direction.
    pub(super) netem: &'static str,
    /// The same for the program on the path: thousandths lost, corrupted, and sent at once; milliseconds of delay and of
    /// what is added to and taken from it; largest payload.
    pub(super) program: &'static str,
    /// Bytes of an IP packet that the path carries.
    pub(super) mtu: Option<u32>,
    /// What happens after the messages.
    pub event: Option<Event>,
}

/// Something that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The link is away for a minute.
    Away,
    /// The clients have another address from one moment to the next.
    NewAddress,
    /// A router on the path gives their connections other ports.
    Rebinding,
}

/// Nothing lost, delayed or corrupted, and packets of any size.
const FAIR: &str = "0 0 0 0 0 65535";

const fn fair(name: &'static str, what: &'static str, event: Option<Event>) -> Condition {
    Condition { name, what, netem: "", program: FAIR, mtu: None, event }
}

/// All of them.
pub const CONDITIONS: [Condition; 9] = [
    fair("fair", "nothing wrong", None),
    Condition { netem: "loss 5%", program: "50 0 0 0 0 65535", ..fair("loss", "5 % loss each way", None) },
    Condition {
        netem: "delay 300ms 100ms",
        program: "0 0 0 300 100 65535",
        ..fair("delay", "300 ± 100 ms each way", None)
    },
    Condition {
        netem: "delay 20ms reorder 25% 50%",
        program: "0 0 250 20 0 65535",
        ..fair("reorder", "a quarter of the packets 20 ms before the others", None)
    },
    Condition { netem: "corrupt 1%", program: "0 10 0 0 0 65535", ..fair("corrupt", "1 % corrupted each way", None) },
    // 20 bytes of IPv4 and 8 of UDP around the smallest packets that QUIC can use (RFC 9000, section 14).
    Condition { mtu: Some(1_228), program: "0 0 0 0 0 1200", ..fair("short", "packets of 1200 bytes at most", None) },
    fair("away", "the link is away for a minute", Some(Event::Away)),
    fair("address", "the clients' address changes", Some(Event::NewAddress)),
    fair("rebind", "a router gives their connections other ports", Some(Event::Rebinding)),
];
