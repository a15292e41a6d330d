//! A group and what is said in it, for programs that drive the engine without a wire.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use bytes::Bytes;
use kring_protocol::frame::{self, PREFIX};
use kring_protocol::ids::{AccessKey, DeviceId, Epoch, GroupId, OperationId, Signature, Timestamp};
use kring_protocol::message::{Access, CreateGroup, Request, Submit};
use kring_protocol::proof::{TLS_EXPORTER_LENGTH, signed_text};
use kring_server::engine::{AccessCheck, Command, Core, ProvenAccess};

/// Bytes of ciphertext in a message.
pub(crate) const SIZE: usize = 512;
/// The store's cache, as a relay's default.
pub(crate) const CACHE: u64 = 256 << 20;
/// Any time.
pub(crate) const NOW: Timestamp = Timestamp(1_800_000_000_000);
/// What binds a proof to the connection.
pub(crate) const EXPORTER: [u8; TLS_EXPORTER_LENGTH] = [7; TLS_EXPORTER_LENGTH];
/// The only epoch.
const EPOCH: Epoch = Epoch(0);

fn key() -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[9; 32]).expect("a seed has 32 bytes")
}

/// The request that opens a group's log.
pub(crate) fn creation(group: GroupId) -> CreateGroup {
    let signature = key().sign(&signed_text(&EXPORTER, group, EPOCH));
    let proof = Signature::from_slice(signature.as_ref()).expect("64 bytes");
    CreateGroup {
        access: Access { group, epoch: EPOCH, proof: Some(proof) },
        operation: OperationId([1; 16]),
        access_key: AccessKey::from_slice(key().public_key().as_ref()).expect("32 bytes"),
        cursor: None,
    }
}

/// Opens a group's log.
pub(crate) fn open(core: &mut Core, group: GroupId) -> ProvenAccess {
    let request = creation(group);
    let proof = request.access.proof.expect("it has one");
    let access = AccessCheck::of_new_group(&request).verify(&EXPORTER, &proof).expect("its own key");
    let create = Command::CreateGroup { device: DeviceId([1; 16]), access, request };
    core.handle(vec![create], NOW).remove(0).expect("a new group");
    access
}

/// The body of a submission's frame: an `MLSMessage` with a PrivateMessage (RFC 9420 §6.3).
pub(crate) fn submission(group: GroupId, number: u64) -> Bytes {
    let mut message = vec![0, 1, 0, 2, 16];
    message.extend(group.as_bytes());
    message.extend(EPOCH.0.to_be_bytes());
    message.extend([1, 0, 28]);
    message.extend([0x5e; 28]);
    message.extend((SIZE as u16 | 1 << 14).to_be_bytes());
    message.extend([0xc1; SIZE]);
    let mut operation = [2; 16];
    operation[..8].copy_from_slice(&number.to_be_bytes());
    let request = Submit {
        access: Access { group, epoch: EPOCH, proof: None },
        operation: OperationId(operation),
        message: message.into(),
    };
    frame::encode(&Request::Submit(request)).slice(PREFIX..)
}

/// A submission as the engine takes it.
pub(crate) fn submit(access: ProvenAccess, group: GroupId, number: u64) -> Command {
    let Ok(Request::Submit(request)) = frame::decode(&submission(group, number)) else {
        unreachable!("it was made as a submission")
    };
    Command::Submit { access, request }
}
