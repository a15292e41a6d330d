//! A message of any of the three kinds, so that one test can treat all of them alike.

use bytes::Bytes;
use kring_protocol::frame::{self, FrameError};
use kring_protocol::message::{Push, Reply, Request};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Request,
    Reply,
    Push,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Message {
    Request(Request),
    Reply(Reply),
    Push(Push),
}

impl Kind {
    /// The kind's rule in the CDDL, which also begins the names of its golden frames.
    pub(crate) fn rule(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Reply => "reply",
            Self::Push => "push",
        }
    }

    pub(crate) fn decode(self, body: &[u8]) -> Result<Message, FrameError> {
        match self {
            Self::Request => frame::decode(body).map(Message::Request),
            Self::Reply => frame::decode(body).map(Message::Reply),
            Self::Push => frame::decode(body).map(Message::Push),
        }
    }
}

impl Message {
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Request(_) => Kind::Request,
            Self::Reply(_) => Kind::Reply,
            Self::Push(_) => Kind::Push,
        }
    }

    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Request(message) => message.name(),
            Self::Reply(message) => message.name(),
            Self::Push(message) => message.name(),
        }
    }

    pub(crate) fn number(&self) -> u64 {
        match self {
            Self::Request(message) => message.number(),
            Self::Reply(message) => message.number(),
            Self::Push(message) => message.number(),
        }
    }

    pub(crate) fn frame(&self) -> Bytes {
        match self {
            Self::Request(message) => frame::encode(message),
            Self::Reply(message) => frame::encode(message),
            Self::Push(message) => frame::encode(message),
        }
    }

    pub(crate) fn body(&self) -> Vec<u8> {
        match self {
            Self::Request(message) => frame::encode_body(message),
            Self::Reply(message) => frame::encode_body(message),
            Self::Push(message) => frame::encode_body(message),
        }
    }
}

impl From<Request> for Message {
    fn from(message: Request) -> Self {
        Self::Request(message)
    }
}

impl From<Reply> for Message {
    fn from(message: Reply) -> Self {
        Self::Reply(message)
    }
}

impl From<Push> for Message {
    fn from(message: Push) -> Self {
        Self::Push(message)
    }
}
