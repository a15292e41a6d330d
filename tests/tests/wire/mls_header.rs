//! The relay's own parser of the MLS header against messages of a real implementation of RFC 9420.

use kring_protocol::ids::{Epoch, GroupId};
use kring_protocol::mls::{ContentType, Header, NotMls, key_package, private_message};
use openmls::prelude::*;
use openmls_basic_credential::SignatureKeyPair;
use openmls_rust_crypto::OpenMlsRustCrypto;

const GROUP: [u8; 16] = *b"sixteen bytes id";

struct Member {
    provider: OpenMlsRustCrypto,
    signer: SignatureKeyPair,
    suite: Ciphersuite,
}

impl Member {
    fn new(suite: Ciphersuite) -> Self {
        let signer = SignatureKeyPair::new(suite.signature_algorithm()).unwrap();
        Self { provider: OpenMlsRustCrypto::default(), signer, suite }
    }

    fn credential(&self) -> CredentialWithKey {
        let credential = BasicCredential::new(b"member".to_vec()).into();
        CredentialWithKey { credential, signature_key: self.signer.public().into() }
    }

    fn group(&self, policy: WireFormatPolicy) -> MlsGroup {
        MlsGroup::builder()
            .with_group_id(openmls::group::GroupId::from_slice(&GROUP))
            .ciphersuite(self.suite)
            .with_wire_format_policy(policy)
            .build(&self.provider, &self.signer, self.credential())
            .unwrap()
    }

    fn key_package(&self) -> KeyPackage {
        let bundle = KeyPackage::builder().build(self.suite, &self.provider, &self.signer, self.credential());
        bundle.unwrap().key_package().clone()
    }
}

const SUITES: [Ciphersuite; 2] = [
    Ciphersuite::MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519,
    Ciphersuite::MLS_128_MLKEM768X25519_AES128GCM_SHA256_Ed25519,
];

fn header(epoch: u64, content: ContentType) -> Result<Header, NotMls> {
    Ok(Header { group: GroupId(GROUP), epoch: Epoch(epoch), content })
}

#[test]
fn private_messages_show_their_group_epoch_and_kind() {
    for suite in SUITES {
        let member = Member::new(suite);
        let mut group = member.group(PURE_CIPHERTEXT_WIRE_FORMAT_POLICY);
        for epoch in 0..3 {
            for length in [0, 1, 200, 40_000] {
                let message = group.create_message(&member.provider, &member.signer, &vec![7; length]).unwrap();
                assert_eq!(private_message(&message.to_bytes().unwrap()), header(epoch, ContentType::Application));
            }
            let update = LeafNodeParameters::default();
            let (proposal, _) = group.propose_self_update(&member.provider, &member.signer, update).unwrap();
            assert_eq!(private_message(&proposal.to_bytes().unwrap()), header(epoch, ContentType::Proposal));
            group.clear_pending_proposals(member.provider.storage()).unwrap();

            let update = LeafNodeParameters::default();
            let bundle = group.self_update(&member.provider, &member.signer, update).unwrap();
            let commit = bundle.into_commit().to_bytes().unwrap();
            assert_eq!(private_message(&commit), header(epoch, ContentType::Commit));
            group.merge_pending_commit(&member.provider).unwrap();
        }
    }
}

#[test]
fn a_public_message_a_welcome_and_a_key_package_are_not_private_messages() {
    for suite in SUITES {
        let (member, joiner) = (Member::new(suite), Member::new(suite));
        let mut group = member.group(PURE_PLAINTEXT_WIRE_FORMAT_POLICY);
        let joining = joiner.key_package();
        let (commit, welcome, _) =
            group.add_members(&member.provider, &member.signer, core::slice::from_ref(&joining)).unwrap();
        let package = MlsMessageOut::from(joining).to_bytes().unwrap();

        for message in [commit.to_bytes().unwrap(), welcome.to_bytes().unwrap(), package.clone()] {
            assert_eq!(private_message(&message), Err(NotMls));
        }
        assert_eq!(key_package(&package), Ok(()));
        assert_eq!(key_package(&commit.to_bytes().unwrap()), Err(NotMls));
        assert_eq!(key_package(&welcome.to_bytes().unwrap()), Err(NotMls));
    }
}

#[test]
fn a_private_message_that_lacks_a_byte_or_has_one_more_is_refused() {
    let member = Member::new(SUITES[0]);
    let mut group = member.group(PURE_CIPHERTEXT_WIRE_FORMAT_POLICY);
    let message = group.create_message(&member.provider, &member.signer, b"a message").unwrap();
    let message = message.to_bytes().unwrap();
    for end in 0..message.len() {
        assert_eq!(private_message(&message[..end]), Err(NotMls), "{end}");
    }
    assert_eq!(private_message(&[&message[..], &[0]].concat()), Err(NotMls));
}
