//! Frames around records that are encoded already: the engine encodes a record once, all who get it share its bytes,
//! and only these few bytes in front are made for each.
//!
//! The bytes are those of the wire's own encoder, which a test compares.

use bytes::{BufMut as _, BytesMut};
use kring_protocol::frame::PREFIX;
use kring_protocol::ids::Subscription;

/// CBOR major types (RFC 8949 §3.1).
const UNSIGNED: u8 = 0 << 5;
const BYTE_STRING: u8 = 2 << 5;
/// An array of two: every choice of the protocol is its number and its structure.
const PAIR: u8 = 0x82;
/// A map of two: the subscription and the record.
const MAP_OF_TWO: u8 = 0xa2;
/// [`Push::Delivery`](kring_protocol::message::Push::Delivery).
const DELIVERY: u8 = 0;
/// [`Reply::Record`](kring_protocol::message::Reply::Record).
const RECORD: u8 = 4;

/// Bytes of the longest head: prefix, pair, number, map, key, subscription, key, and a length of eight bytes.
pub(crate) const LONGEST_HEAD: usize = PREFIX + 1 + 1 + 1 + 1 + 5 + 1 + 9;

/// Appends what stands before the record's bytes on the push stream, prefix included.
pub(crate) fn delivery_head(out: &mut BytesMut, subscription: Subscription, record: usize) {
    let begin = begin(out, &[PAIR, DELIVERY, MAP_OF_TWO, 0]);
    integer(out, UNSIGNED, subscription.0.into());
    out.put_u8(1);
    integer(out, BYTE_STRING, record as u64);
    finish(out, begin, record);
}

/// Appends what stands before the record's bytes on a request's stream, prefix included.
pub(crate) fn record_head(out: &mut BytesMut, record: usize) {
    let begin = begin(out, &[PAIR, RECORD]);
    finish(out, begin, record);
}

/// Leaves room for the prefix, and says where.
fn begin(out: &mut BytesMut, first: &[u8]) -> usize {
    let begin = out.len();
    out.put_slice(&[0; PREFIX]);
    out.put_slice(first);
    begin
}

fn finish(out: &mut BytesMut, begin: usize, record: usize) {
    let length = out.len() - begin - PREFIX + record;
    let length = u32::try_from(length).expect("a record is bounded far below 4 GiB");
    out[begin..begin + PREFIX].copy_from_slice(&length.to_be_bytes());
}

/// A number in its shortest form (RFC 8949 §4.2.1).
fn integer(out: &mut BytesMut, major: u8, value: u64) {
    let bytes = value.to_be_bytes();
    match value {
        0..=23 => out.put_u8(major | bytes[7]),
        24..=0xff => out.put_slice(&[major | 24, bytes[7]]),
        0x100..=0xffff => {
            out.put_u8(major | 25);
            out.put_slice(&bytes[6..]);
        }
        0x1_0000..=0xffff_ffff => {
            out.put_u8(major | 26);
            out.put_slice(&bytes[4..]);
        }
        _ => {
            out.put_u8(major | 27);
            out.put_slice(&bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use kring_protocol::frame;
    use kring_protocol::ids::{OperationId, Seq, Timestamp};
    use kring_protocol::message::{Delivery, Push, Record, Reply};
    use kring_protocol::payload::Payload;

    use super::*;

    fn record(length: usize) -> Record {
        Record {
            seq: Seq(7),
            at: Timestamp(1_800_000_000_000),
            operation: OperationId([3; 16]),
            message: Payload::from(vec![5; length]),
            next_access_key: None,
            closes: None,
        }
    }

    #[test]
    fn the_bytes_are_those_of_the_wires_own_encoder() {
        for length in [0, 1, 23, 24, 255, 256, 65_535, 65_536, 1 << 20] {
            let encoded = Bytes::from(frame::encode_body(&record(length)));
            for number in [0, 23, 24, 255, 256, 65_536, u32::MAX] {
                let subscription = Subscription(number);
                let mut whole = BytesMut::new();
                delivery_head(&mut whole, subscription, encoded.len());
                assert!(whole.len() <= LONGEST_HEAD);
                whole.extend_from_slice(&encoded);
                let delivery = Delivery { subscription, record: Payload(encoded.clone()) };
                assert_eq!(whole, frame::encode(&Push::Delivery(delivery)), "{length} {number}");
            }
            let mut whole = BytesMut::from(&b"before"[..]);
            record_head(&mut whole, encoded.len());
            whole.extend_from_slice(&encoded);
            let whole = whole.split_off(6);
            assert_eq!(whole, frame::encode(&Reply::Record(record(length))), "{length}");
        }
    }
}
