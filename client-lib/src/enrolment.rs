//! How a device gets its first certificate, and later the next one; and what an organisation's administrator needs to
//! give them.
//!
//! The administrator invites somebody: a [`Ticket`] with a secret goes to that person on paper, on a screen or in person.
//! The new device makes its own key, seals a request for a certificate under the secret ([`TicketSecret`]), and leaves it at the relay
//! ([`Enrolment`]). The administrator's machine fetches it ([`Office`]), sees that it was made by who holds the ticket and
//! has not been changed, signs, and seals the answer. The relay sees random ids and ciphertext: it can neither read the
//! secret, put in another key, nor enrol anybody. A ticket is good for one device, once.
//!
//! A device whose certificate is still valid asks for the next one through its own connection ([`renewal`]).
//!
//! Forms are described in `docs/enrolment.md`.

mod answer;
mod device;
mod office;
pub mod renewal;
mod seal;
mod ticket;

pub use self::answer::{Answer, Denied, Granted};
pub use self::device::{EnrolError, Enrolled, Enrolment};
pub use self::office::{Office, OfficeError, RenewalRequest};
pub use self::seal::{SealError, TicketSecret};
pub use self::ticket::{Ticket, TicketError};
