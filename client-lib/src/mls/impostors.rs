//! People who are not who they say, each tried in every place at which a leaf comes in: as a KeyPackage, as an
//! addition in a Commit, as somebody who is in the group of a Welcome already, and as the new leaf of a member's own
//! Commit. What a conversation makes of it is in `conversation/tests/impostors.rs`, and a real relay in
//! `driver/tests/impostors.rs`.

use kring_pki::issue::{Reason, Revocation};
use kring_pki::verify::{Crl, Crls};
use kring_protocol::ids::{GroupId, Timestamp};
use rcgen::CertificateParams;

use super::context::CaseContext;
use super::disguises::{Lands, Member, ago};
use super::gate::judge_staged;
use super::group::{Group, Plan, Received};
use super::join::{Replaces, company, invitation};
use super::key_package;
use crate::case::{CaseId, Role};
use crate::conversation::harness::{address, real_now, who};
use crate::conversation::{CommitRefused, NotAdded, Unbelieved};

impl Member {
    fn receive(&mut self, group: &mut Group, message: &[u8]) -> Received {
        let tx = self.store.begin().unwrap();
        let received = group.receive(&self.party, &tx, message, false).unwrap();
        tx.commit().unwrap();
        received
    }
}

/// A group of anne, who coordinates, and bert.
fn two(lands: &Lands) -> (Member, Group, Member, Group) {
    let (mut anne, mut bert) = (lands.member("anne", Crls::none()), lands.member("bert", Crls::none()));
    let mut context = CaseContext::new(CaseId([1; 16]), "x".to_owned(), who("anne"));
    let (_, package) = bert.package();
    let tx = anne.store.begin().unwrap();
    let mut hers = Group::create(&anne.party, &tx, GroupId([2; 16]), &context).unwrap();
    context.set_role(&who("bert"), Role::Member);
    let plan = Plan { add: vec![package], context: Some(context), ..Plan::default() };
    let prepared = hers.commit(&anne.party, &tx, plan).unwrap();
    let pending = hers.pending_access(&anne.party).unwrap().public().unwrap();
    hers.merge_own(&anne.party, &tx, Some(pending), false).unwrap().unwrap();
    tx.commit().unwrap();
    let tx = bert.store.begin().unwrap();
    let welcome = prepared.welcome.as_ref().unwrap();
    let his = invitation(&bert.party, &tx, welcome, Replaces::Nothing).unwrap().accept(&bert.party, &tx).unwrap();
    tx.commit().unwrap();
    (anne, hers, bert, his)
}

#[test]
fn an_impostor_is_refused_as_key_package_in_a_welcome_and_in_a_commit_and_the_group_goes_on() {
    let lands = Lands::new();
    let device = address("cees", 1);
    for (what, disguise, why) in lands.impostors(&device) {
        let (mut anne, mut hers, mut bert, mut his) = two(&lands);
        let identity = disguise.identity();
        let bad = anne.party.leaves.ever(&identity.credential, identity.signature_key.as_slice());
        assert_eq!(bad.err().map(Unbelieved::from), Some(why), "{what}");

        let (bytes, package) = disguise.wearer(&lands).package();
        let checked = key_package::check(&anne.party, &bytes, &who("cees"), device.device, real_now());
        assert_eq!(checked.err(), Some(NotAdded::Impostor(why)), "{what}, as KeyPackage");

        let mut context = hers.context().unwrap();
        context.set_role(&who("cees"), Role::Member);
        let plan = || Plan { add: vec![package.clone()], context: Some(context.clone()), ..Plan::default() };
        let tx = anne.store.begin().unwrap();
        assert!(hers.commit(&anne.party, &tx, plan()).is_err(), "{what}: an honest program adds no such");
        let (message, key) = hers.commit_beside_the_gate(&anne.party, &tx, plan());
        drop(tx);
        let Received::Commit { staged, committer } = bert.receive(&mut his, &message) else { panic!("a Commit") };
        let judged = judge_staged(&bert.party, &his, staged, committer, Some(key), false);
        assert_eq!(judged.err(), Some(CommitRefused::Leaf(why)), "{what}, added in a Commit");

        let (mut anne, mut hers, mut bert, mut his) = two(&lands);
        let mut dirk = lands.member("dirk", Crls::none());
        context.set_role(&who("dirk"), Role::Member);
        let add = vec![dirk.package().1, package.clone()];
        let tx = anne.store.begin().unwrap();
        let plan = Plan { add, context: Some(context), ..Plan::default() };
        let welcome = hers.welcome_beside_the_gate(&anne.party, &tx, plan);
        drop(tx);
        let tx = dirk.store.begin().unwrap();
        assert!(invitation(&dirk.party, &tx, &welcome, Replaces::Nothing).is_err(), "{what}, in a Welcome");
        drop(tx);
        let tx = dirk.store.begin().unwrap();
        assert_eq!(company(&dirk.party, &tx, &welcome).ok().flatten(), Some(why), "{what}, in a Welcome");
        drop(tx);

        // What was refused was merged by nobody: the others' group goes on.
        let tx = bert.store.begin().unwrap();
        let prepared = his.commit(&bert.party, &tx, Plan::default()).unwrap();
        drop(tx);
        let mut hers = Group::load(&anne.store.read(), GroupId([2; 16])).unwrap().unwrap();
        let Received::Commit { staged, committer } = anne.receive(&mut hers, &prepared.message) else {
            panic!("a Commit")
        };
        let key = Some(prepared.next_access_key);
        assert!(judge_staged(&anne.party, &hers, staged, committer, key, false).is_ok(), "{what}: it goes on");
    }
}

#[test]
fn a_member_cannot_put_an_impostors_leaf_in_place_of_its_own() {
    let lands = Lands::new();
    let device = address("bert", 1);
    for (what, disguise, why) in lands.impostors(&device) {
        let (mut anne, mut hers, mut bert, mut his) = two(&lands);
        let wearer = disguise.wearer(&lands);
        let tx = bert.store.begin().unwrap();
        let (message, key) = his.new_signer_beside_the_gate(&bert.party, &tx, &wearer.party);
        drop(tx);
        let Received::Commit { staged, committer } = anne.receive(&mut hers, &message) else { panic!("a Commit") };
        let judged = judge_staged(&anne.party, &hers, staged, committer, Some(key), false);
        assert_eq!(judged.err(), Some(CommitRefused::Leaf(why)), "{what}");

        // What was refused was merged by nobody: the group goes on without it.
        let mut his = Group::load(&bert.store.read(), GroupId([2; 16])).unwrap().unwrap();
        let mut hers = Group::load(&anne.store.read(), GroupId([2; 16])).unwrap().unwrap();
        let tx = anne.store.begin().unwrap();
        let prepared = hers.commit(&anne.party, &tx, Plan::default()).unwrap();
        drop(tx);
        let Received::Commit { staged, committer } = bert.receive(&mut his, &prepared.message) else {
            panic!("a Commit")
        };
        let key = Some(prepared.next_access_key);
        assert!(judge_staged(&bert.party, &his, staged, committer, key, false).is_ok(), "{what}: it goes on");
    }
}

#[test]
fn a_revoked_device_and_one_whose_authority_has_ended_since_pass_the_merge_gate_and_not_the_send_gate() {
    let lands = Lands::new();
    let cees = lands.member("cees", Crls::none());
    let serial = kring_pki::form::Serial::of(&cees.chain[0]).unwrap();
    let revocation = Revocation { serial, at: real_now(), reason: Reason::KeyCompromise };
    let list = lands.care.sign_crl(&[revocation], 1, real_now(), real_now().plus(Timestamp::DAY)).unwrap();
    let knows: Crls = [Crl::from_der(&list).unwrap()].into_iter().collect();
    let anne = lands.member("anne", knows);
    let mut cees = cees;
    let (bytes, _) = cees.package();
    let device = address("cees", 1).device;
    let checked = key_package::check(&anne.party, &bytes, &who("cees"), device, real_now());
    assert_eq!(checked.err(), Some(NotAdded::Revoked));

    // In time for a while, under an authority that is over now.
    let seconds = i64::try_from(ago(2_500).0 / Timestamp::SECOND).unwrap();
    let long_ago = |params: &mut CertificateParams| {
        params.not_before = time::OffsetDateTime::from_unix_timestamp(seconds).unwrap();
        params.not_after = time::OffsetDateTime::from_unix_timestamp(4_000_000_000).unwrap();
    };
    let once = lands.forge(&lands.ended, &address("cees", 1), long_ago);
    let identity = once.identity();
    let key = identity.signature_key.as_slice();
    assert!(anne.party.leaves.ever(&identity.credential, key).is_ok(), "an old log is judged as it was");
    let (bytes, _) = once.wearer(&lands).package();
    let checked = key_package::check(&anne.party, &bytes, &who("cees"), device, real_now());
    assert_eq!(checked.err(), Some(NotAdded::Certificate), "nobody is added with it today");
}
