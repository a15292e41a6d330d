//! How a new device gets its first certificate and an old one its next: the relay is a mailbox between the device and
//! its organisation's administration, and can neither read what is sealed nor change it.

use crate::ids::{DeviceId, MessageHash, TicketId, Timestamp};
use crate::payload::Payload;
use crate::wire::structure;

structure! {
    /// Opens a place for one device's request. Of the organisation's administration alone, as everything about tickets
    /// but [`PutRequest`] and [`FetchAnswer`].
    pub struct OpenTicket {
        /// Derived from the ticket's secret.
        0 => ticket: TicketId;
        /// Until when the request must have come.
        1 => expires: Timestamp;
    }
}

structure! {
    /// Asks which of these tickets have a request that has not been answered.
    pub struct ReadTickets {
        /// The tickets.
        0 => tickets: TicketId, list;
    }
}

structure! {
    /// A request that waits.
    pub struct TicketRequest {
        /// Its ticket.
        0 => ticket: TicketId;
        /// The request, sealed under the ticket's secret.
        1 => sealed: Payload;
    }
}

structure! {
    /// Answers a request. Once.
    pub struct AnswerTicket {
        /// The ticket.
        0 => ticket: TicketId;
        /// The answer, sealed under the ticket's secret.
        1 => sealed: Payload;
    }
}

structure! {
    /// Closes a ticket: nothing of it stays.
    pub struct CloseTicket {
        /// The ticket.
        0 => ticket: TicketId;
    }
}

structure! {
    /// Puts a new device's request into its ticket's place. On a connection for enrolment alone.
    pub struct PutRequest {
        /// The ticket.
        0 => ticket: TicketId;
        /// The request, sealed under the ticket's secret.
        1 => sealed: Payload;
    }
}

structure! {
    /// Asks for the answer, and waits a while for it. On a connection for enrolment alone.
    pub struct FetchAnswer {
        /// The ticket.
        0 => ticket: TicketId;
    }
}

structure! {
    /// The administration's answer, to a ticket or to a renewal.
    pub struct EnrolmentAnswer {
        /// As the administration gave it.
        0 => answer: Payload;
    }
}

structure! {
    /// Asks the administration for a new certificate; takes the place of an earlier request of this device.
    pub struct AskRenewal {
        /// The request.
        0 => request: Payload;
    }
}

structure! {
    /// Reads the requests for renewal that have not been answered.
    pub struct ReadRenewals {
        /// Devices after this one, in the order of their ids; absent: from the first.
        0 => after: DeviceId, optional;
    }
}

structure! {
    /// A request for renewal that waits.
    pub struct Renewal {
        /// Whose.
        0 => device: DeviceId;
        /// The request.
        1 => request: Payload;
        /// The certificates with which its connection was admitted, DER, the device's first.
        2 => chain: Payload, list;
    }
}

structure! {
    /// Answers a request for renewal.
    pub struct AnswerRenewal {
        /// Whose.
        0 => device: DeviceId;
        /// SHA-256 of the request that is answered.
        1 => request: MessageHash;
        /// The answer.
        2 => answer: Payload;
    }
}

structure! {
    /// Asks for the answer to this device's request for renewal.
    pub struct FetchRenewal {
        /// SHA-256 of the request.
        0 => request: MessageHash;
    }
}

structure! {
    /// The requests have been read.
    pub struct MailboxEnd {
        /// There are more: ask again after the last device.
        0 => more: bool;
    }
}
