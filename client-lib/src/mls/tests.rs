//! The gate from inside: leaves that are not who they say, keys that must agree, notes for one device only.

use kring_protocol::ids::{AccessKey, GroupId, Timestamp};
use openmls::prelude::tls_codec::{DeserializeBytes as _, Serialize as _};
use openmls::prelude::{
    CredentialWithKey, KeyPackage, Lifetime, MlsMessageBodyIn, MlsMessageIn, MlsMessageOut, ProtocolVersion,
};

use super::context::CaseContext;
use super::gate::judge_staged;
use super::group::{Group, Plan, Received};
use super::join::{Replaces, invitation};
use super::key_package;
use super::party::Party;
use super::seal;
use super::standing::Standing;
use super::suite::suite;
use crate::case::{CaseId, Role};
use crate::conversation::harness::{Region, address, real_now, who};
use crate::conversation::{CommitRefused, NotAdded, Unbelieved};
use crate::store::Store;

struct Member {
    store: Store,
    party: Party,
}

fn member(region: &Region, name: &str) -> Member {
    let mut store = Store::in_memory().unwrap();
    let party = Party::new(&mut store, region.credentials(name, 1)).map_err(|_| "party").unwrap();
    Member { store, party }
}

impl Member {
    fn package(&mut self, now: Timestamp) -> KeyPackage {
        let tx = self.store.begin().unwrap();
        let bytes = key_package::make(&self.party, &tx, false, now).unwrap();
        tx.commit().unwrap();
        parse(&self.party, &bytes)
    }
}

fn parse(party: &Party, bytes: &[u8]) -> KeyPackage {
    let message = MlsMessageIn::tls_deserialize_exact_bytes(bytes).unwrap();
    let MlsMessageBodyIn::KeyPackage(package) = message.extract() else { panic!("a KeyPackage") };
    package.validate(&party.crypto, ProtocolVersion::Mls10).unwrap()
}

/// A KeyPackage of somebody who shows another's chain, but holds a key of her own.
fn stolen_package(victim: &Party, thief: &mut Member) -> KeyPackage {
    let tx = thief.store.begin().unwrap();
    let identity = CredentialWithKey {
        credential: victim.identity().credential,
        signature_key: thief.party.identity().signature_key,
    };
    let bundle = KeyPackage::builder()
        .key_package_lifetime(Lifetime::new(300 * 86_400))
        .leaf_node_capabilities(thief.party.capabilities())
        .leaf_node_extensions(thief.party.leaf_extensions().unwrap())
        .build(suite(), &thief.party.provider(&tx), thief.party.signer(), identity)
        .unwrap();
    tx.commit().unwrap();
    bundle.into_key_package()
}

/// A group of anne and bert, as anne (who coordinates) and bert have it.
fn two(region: &Region) -> (Member, Group, Member, Group) {
    let now = real_now();
    let (mut anne, mut bert) = (member(region, "anne"), member(region, "bert"));
    let package = bert.package(now);
    let mut context = CaseContext::new(CaseId([1; 16]), "x".to_owned(), who("anne"));
    let tx = anne.store.begin().unwrap();
    let mut hers = Group::create(&anne.party, &tx, GroupId([2; 16]), &context).unwrap();
    context.set_role(&who("bert"), Role::Member);
    let plan = Plan { add: vec![package], context: Some(context), ..Plan::default() };
    let prepared = hers.commit(&anne.party, &tx, plan).unwrap();
    let pending = hers.pending_access(&anne.party).unwrap().public().unwrap();
    assert_eq!(pending, prepared.next_access_key);
    hers.merge_own(&anne.party, &tx, Some(pending), false).unwrap().unwrap();
    assert_eq!(hers.access(&anne.party).unwrap().public().unwrap(), pending);
    tx.commit().unwrap();

    let tx = bert.store.begin().unwrap();
    let invitation = invitation(&bert.party, &tx, prepared.welcome.as_ref().unwrap(), Replaces::Nothing).unwrap();
    assert_eq!(invitation.by.address(), &address("anne", 1));
    let his = invitation.accept(&bert.party, &tx).unwrap();
    assert_eq!(his.access(&bert.party).unwrap().public().unwrap(), pending, "a Welcome gives the same key");
    tx.commit().unwrap();
    (anne, hers, bert, his)
}

fn received(group: &mut Group, member: &mut Member, message: &[u8]) -> Received {
    let tx = member.store.begin().unwrap();
    let received = group.receive(&member.party, &tx, message, false).unwrap();
    tx.commit().unwrap();
    received
}

#[test]
fn pending_staged_and_merged_give_the_same_access_key() {
    let region = Region::new(real_now());
    let (mut anne, mut hers, mut bert, mut his) = two(&region);
    let tx = anne.store.begin().unwrap();
    let prepared = hers.commit(&anne.party, &tx, Plan::default()).unwrap();
    tx.commit().unwrap();
    let Received::Commit { staged, committer } = received(&mut his, &mut bert, &prepared.message) else {
        panic!("a Commit")
    };
    let key = prepared.next_access_key;
    let judged = judge_staged(&bert.party, &his, staged, committer, Some(key), false);
    let judged = judged.map_err(|_| "judged").unwrap();
    let tx = bert.store.begin().unwrap();
    his.merge(&bert.party, &tx, judged).unwrap();
    assert_eq!(his.access(&bert.party).unwrap().public().unwrap(), key);
}

#[test]
fn a_commit_with_another_access_key_or_none_is_refused() {
    let region = Region::new(real_now());
    for false_key in [None, Some(kring_protocol::ids::AccessKey([1; 32]))] {
        let (mut anne, mut hers, mut bert, mut his) = two(&region);
        let tx = anne.store.begin().unwrap();
        let prepared = hers.commit(&anne.party, &tx, Plan::default()).unwrap();
        tx.commit().unwrap();
        let Received::Commit { staged, committer } = received(&mut his, &mut bert, &prepared.message) else {
            panic!("a Commit")
        };
        let judged = judge_staged(&bert.party, &his, staged, committer, false_key, false);
        assert_eq!(judged.err(), Some(CommitRefused::AccessKey));
    }
}

#[test]
fn a_stolen_chain_with_another_key_is_refused_as_key_package_and_in_a_commit() {
    let region = Region::new(real_now());
    let (mut anne, mut hers, mut bert, mut his) = two(&region);
    let victim = member(&region, "cees");
    let mut thief = member(&region, "mallory");
    let package = stolen_package(&victim.party, &mut thief);

    let bytes = MlsMessageOut::from(package.clone()).tls_serialize_detached().unwrap();
    let checked = key_package::check(&anne.party, &bytes, &who("cees"), address("cees", 1).device, real_now());
    assert_eq!(checked.err(), Some(NotAdded::Impostor(Unbelieved::OtherKey)));

    let mut context = hers.context().unwrap();
    context.set_role(&who("cees"), Role::Member);
    let plan = Plan { add: vec![package.clone()], context: Some(context.clone()), ..Plan::default() };
    let tx = anne.store.begin().unwrap();
    assert!(hers.commit(&anne.party, &tx, plan).is_err(), "an honest program refuses its own");
    let plan = Plan { add: vec![package], context: Some(context), ..Plan::default() };
    let (message, key) = hers.commit_beside_the_gate(&anne.party, &tx, plan);
    drop(tx);
    let Received::Commit { staged, committer } = received(&mut his, &mut bert, &message) else { panic!("a Commit") };
    let judged = judge_staged(&bert.party, &his, staged, committer, Some(key), false);
    assert_eq!(judged.err(), Some(CommitRefused::Leaf(Unbelieved::OtherKey)));
}

#[test]
fn a_joiner_refuses_a_group_with_a_stranger_or_without_roles_in_it() {
    let region = Region::new(real_now());
    let other = Region::new(real_now());
    for stranger in [true, false] {
        let (mut anne, mut hers, ..) = two(&region);
        let mut cees = member(&region, "cees");
        let mut eve = member(&other, "eve");
        let mut add = vec![cees.package(real_now())];
        let mut context = hers.context().unwrap();
        if stranger {
            add.push(eve.package(real_now()));
            context.set_role(&who("cees"), Role::Member);
            context.set_role(&who("eve"), Role::Member);
        }
        let tx = anne.store.begin().unwrap();
        let plan = Plan { add, context: Some(context), ..Plan::default() };
        let welcome = hers.welcome_beside_the_gate(&anne.party, &tx, plan);
        drop(tx);
        let tx = cees.store.begin().unwrap();
        assert!(invitation(&cees.party, &tx, &welcome, Replaces::Nothing).is_err());
    }
}

#[test]
fn a_certificate_of_an_unknown_root_is_nobody() {
    let region = Region::new(real_now());
    let anne = member(&region, "anne");
    let eve = member(&Region::new(real_now()), "eve");
    let identity = eve.party.identity();
    assert!(anne.party.leaves.ever(&identity.credential, identity.signature_key.as_slice()).is_err());
}

#[test]
fn nobody_writes_to_a_leaf_that_is_no_longer_believed() {
    let region = Region::new(real_now());
    let (anne, hers, ..) = two(&region);
    assert!(hers.unfit(&anne.party, real_now()).is_empty());
    // As if the group were opened again under another root.
    let elsewhere = member(&Region::new(real_now()), "anne");
    let anew = Group::load(&anne.store.read(), GroupId([2; 16])).unwrap().unwrap();
    assert!(anew.unfit(&elsewhere.party, real_now()).any_revoked());
}

#[test]
fn an_expired_certificate_passes_the_merge_gate_and_not_the_send_gate() {
    let region = Region::new(real_now());
    let anne = member(&region, "anne");
    let bert = member(&region, "bert");
    let identity = bert.party.identity();
    let key = identity.signature_key.as_slice();
    let late = real_now().plus(400 * Timestamp::DAY);
    assert!(anne.party.leaves.ever(&identity.credential, key).is_ok());
    let until = bert.party.verified().valid_until();
    assert_eq!(anne.party.leaves.standing(&identity.credential, key, until), Ok(Standing::Good { until }));
    assert_eq!(anne.party.leaves.standing(&identity.credential, key, late), Ok(Standing::Ended));
}

#[test]
fn an_old_key_package_is_not_used() {
    let region = Region::new(real_now());
    let anne = member(&region, "anne");
    let mut bert = member(&region, "bert");
    let old = Timestamp(real_now().0 - 92 * Timestamp::DAY);
    let tx = bert.store.begin().unwrap();
    let bytes = key_package::make(&bert.party, &tx, false, old).unwrap();
    let checked = key_package::check(&anne.party, &bytes, &who("bert"), address("bert", 1).device, real_now());
    assert_eq!(checked.err(), Some(NotAdded::NoKeyPackage));
}

#[test]
fn a_key_package_that_is_not_yet_valid_for_a_late_clock_is_not_used() {
    let now = real_now();
    let region = Region::new(now);
    let (anne, mut bert) = (member(&region, "anne"), member(&region, "bert"));
    let tx = bert.store.begin().unwrap();
    let bytes = key_package::make(&bert.party, &tx, false, now).unwrap();
    let check = |now| key_package::check(&anne.party, &bytes, &who("bert"), address("bert", 1).device, now).err();
    assert_eq!(check(now), None);
    assert_eq!(check(Timestamp(now.0 - 3_000 * Timestamp::SECOND)), Some(NotAdded::KeyPackage));
}

#[test]
fn a_note_opens_for_its_device_only_and_is_padded() {
    let region = Region::new(real_now());
    let (mut anne, bert) = (member(&region, "anne"), member(&region, "bert"));
    let package = anne.package(real_now());
    let key = super::inbox_key(&package).unwrap().to_vec();
    let short = seal::seal(&bert.party, &key, b"kort").unwrap();
    let longer = seal::seal(&bert.party, &key, &[7; 4000]).unwrap();
    assert_eq!(short.len(), longer.len());
    assert_eq!(seal::open(&anne.party, &short).unwrap(), b"kort");
    assert!(seal::open(&bert.party, &short).is_none());
    let mut changed = short.clone();
    let end = changed.len() - 1;
    changed[end] ^= 1;
    assert!(seal::open(&anne.party, &changed).is_none());
    assert!(seal::open(&anne.party, b"").is_none());
}

#[test]
fn what_a_group_takes_in_the_store_is_known() {
    let region = Region::new(real_now());
    let (anne, ..) = two(&region);
    let sizes = anne.store.mls_sizes();
    let total: usize = sizes.iter().sum();
    // Two members: 2 × (leaf 3.5 KB + path) and secrets; a change of codec shows here.
    assert!(total < 60_000, "{total} bytes in {} rows", sizes.len());
}

/// One of many: a member, and the group as that member has it.
struct Seated {
    member: Member,
    group: Group,
}

impl Seated {
    /// Makes a Commit with fresh keys and merges it.
    fn refresh(&mut self) -> (Vec<u8>, Option<AccessKey>) {
        let Self { member: Member { store, party }, group } = self;
        let tx = store.begin().unwrap();
        let made = group.commit(party, &tx, Plan::default()).unwrap();
        group.merge_own(party, &tx, Some(made.next_access_key), false).unwrap().unwrap();
        tx.commit().unwrap();
        (made.message, Some(made.next_access_key))
    }

    /// Merges another's.
    fn follow(&mut self, message: &[u8], key: Option<AccessKey>) {
        let Received::Commit { staged, committer } = received(&mut self.group, &mut self.member, message) else {
            panic!("a Commit")
        };
        let Self { member: Member { store, party }, group } = self;
        let judged = judge_staged(party, group, staged, committer, key, false).map_err(|_| "judged").unwrap();
        let tx = store.begin().unwrap();
        group.merge(party, &tx, judged).unwrap();
        tx.commit().unwrap();
    }
}

/// A group that one member has made with others, all of whom have joined.
fn many(region: &Region, names: &[String]) -> Vec<Seated> {
    let (first, others) = names.split_first().unwrap();
    let (mut founder, mut joiners) = (member(region, first), Vec::new());
    let mut context = CaseContext::new(CaseId([1; 16]), "x".to_owned(), who(first));
    let tx = founder.store.begin().unwrap();
    let mut group = Group::create(&founder.party, &tx, GroupId([2; 16]), &context).unwrap();
    let mut add = Vec::new();
    for name in others {
        let mut joiner = member(region, name);
        add.push(joiner.package(real_now()));
        context.set_role(&who(name), Role::Member);
        joiners.push(joiner);
    }
    let plan = Plan { add, context: Some(context), ..Plan::default() };
    let made = group.commit(&founder.party, &tx, plan).unwrap();
    group.merge_own(&founder.party, &tx, Some(made.next_access_key), false).unwrap().unwrap();
    tx.commit().unwrap();
    let welcome = made.welcome.unwrap();
    let joined = joiners.into_iter().map(|mut member| {
        let tx = member.store.begin().unwrap();
        let invitation = invitation(&member.party, &tx, &welcome, Replaces::Nothing).unwrap();
        let group = invitation.accept(&member.party, &tx).unwrap();
        tx.commit().unwrap();
        Seated { member, group }
    });
    std::iter::once(Seated { member: founder, group }).chain(joined).collect()
}

/// The figures of docs/scaling.md: one device that makes fresh keys, before and after all others have done it too.
#[test]
fn what_a_commit_weighs_among_ten_devices_is_known() {
    let region = Region::new(real_now());
    let names: Vec<String> = (0..10).map(|number| format!("m{number}")).collect();
    let mut seated = many(&region, &names);
    let mut weighed = Vec::new();
    // Everybody once, and the first once more.
    for committer in (0..seated.len()).chain([0]) {
        let (message, key) = seated[committer].refresh();
        let others = seated.iter_mut().enumerate().filter(|(number, _)| *number != committer);
        others.for_each(|(_, other)| other.follow(&message, key));
        weighed.push(message.len());
    }
    println!("{weighed:?} bytes");
    let (first, last) = (weighed[0], weighed[10]);
    assert!(first > last, "a path to each device alone is longer than one through a tree that all have filled");
    assert!((18_000..21_000).contains(&first) && (12_000..15_000).contains(&last), "{weighed:?}");
}
