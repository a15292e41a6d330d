//! The send gate: how a leaf stands at this moment, by the newest certificate revocation lists that this device has.
//!
//! Verdicts are kept while the lists stay the same; a group's together, until its first certificate ends. Nothing
//! here decides what becomes of a leaf: the conversation does, and what it does every member judges by `gate`.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use kring_pki::verify::{Crl, CrlSeen, Crls, Untrusted, VerifiedCrl, VerifiedDevice, When, verify_device};
use kring_protocol::ids::{CrlNumber, Epoch, IssuerId, Timestamp};
use openmls::prelude::{Credential, LeafNodeIndex};
use rustls_pki_types::CertificateDer;

use super::credentials::chain;
use super::evidence::{Evidence, MAX_EVIDENCE};
use super::group::Group;
use super::leaf::{BadLeaf, Leaves, MOST_KNOWN, name};
use super::party::Party;

/// How a leaf stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It can be written to, until its certificate or its organisation's ends.
    Good {
        /// The last moment of both.
        until: Timestamp,
    },
    /// Its certificate, or its organisation's, has ended.
    Ended,
    /// It is revoked.
    Revoked,
}

/// A list, and the certificate of the authority that signed it; none: a pinned root did.
type List = (Arc<Crl>, Option<CertificateDer<'static>>);

/// The lists that this device has verified, the newest of each issuer.
#[derive(Default)]
pub(super) struct Lists {
    each: BTreeMap<IssuerId, List>,
    /// The same and those that the device was opened with, to check a chain against.
    all: Crls,
    learned: Learned,
}

/// How often the lists have changed since the device was opened: verdicts of one [`Leaves`] under one number agree.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Learned(u64);

impl Lists {
    pub(super) fn given(all: Crls) -> Self {
        Self { each: BTreeMap::new(), all, learned: Learned::default() }
    }
}

/// Under which conditions an [`Unfit`] was found.
pub(super) struct Look {
    epoch: Epoch,
    learned: Learned,
    /// From then until the first certificate ends that had not.
    during: RangeInclusive<Timestamp>,
}

/// What the present lists say of a leaf.
#[derive(Debug, Clone, Copy)]
pub(super) struct Listed {
    revoked: bool,
    /// The organisation's newest list.
    seen: Option<CrlSeen>,
}

/// Leaves of a group that must go before anything is said to it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Unfit {
    /// Revoked: whoever is in the group takes them out, with the list as evidence.
    pub(crate) revoked: Vec<LeafNodeIndex>,
    /// Ended, as a list that was signed later shows to everybody: whoever is in the group takes them out as well.
    pub(crate) ended: Vec<LeafNodeIndex>,
    /// Ended by this device's clock alone: who may remove takes them out.
    pub(crate) ended_unshown: Vec<LeafNodeIndex>,
    /// Revoked by a list that no Commit can carry: who may remove takes them out. Or no longer believed: nothing is
    /// said, and taking them out ends in an error, since no member who is not believed is judged.
    pub(crate) revoked_unshown: Vec<LeafNodeIndex>,
}

impl Unfit {
    /// Whether a leaf is revoked: nothing is said or done but taking it out.
    pub(crate) fn any_revoked(&self) -> bool {
        !self.revoked.is_empty() || !self.revoked_unshown.is_empty()
    }

    /// Those whom this device can take out. `manages`: it may remove others.
    pub(crate) fn removable(&self, manages: bool) -> Vec<LeafNodeIndex> {
        let by_right = self.revoked_unshown.iter().chain(&self.ended_unshown).filter(|_| manages);
        self.revoked.iter().chain(&self.ended).chain(by_right).copied().collect()
    }

    /// Whether nobody has to go.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Leaves {
    /// Takes up a list, in place of that issuer's older one.
    pub(crate) fn learn(&self, list: VerifiedCrl) {
        self.change(|each| {
            each.insert(list.issuer(), (list.shared(), list.authority().cloned()));
        });
    }

    /// Knows these lists and no others: at an opening, and when a step that learned others has failed.
    pub(crate) fn relearn(&self, lists: Vec<VerifiedCrl>) {
        self.change(|each| {
            let list = |list: VerifiedCrl| (list.issuer(), (list.shared(), list.authority().cloned()));
            *each = lists.into_iter().map(list).collect();
        });
    }

    fn change(&self, change: impl FnOnce(&mut BTreeMap<IssuerId, List>)) {
        let mut lists = self.lists.borrow_mut();
        change(&mut lists.each);
        let mut all = self.given.clone();
        lists.each.values().for_each(|(crl, _)| all.add(Arc::clone(crl)));
        lists.all = all;
        lists.learned.0 += 1;
        drop(lists);
        self.listed.borrow_mut().clear();
    }

    /// Which state of the lists this is.
    pub(crate) fn learned(&self) -> Learned {
        self.lists.borrow().learned
    }

    /// The number of each issuer's list.
    pub(crate) fn known_lists(&self) -> BTreeMap<IssuerId, CrlNumber> {
        let lists = self.lists.borrow();
        lists.each.iter().map(|(issuer, (crl, _))| (*issuer, CrlNumber(crl.seen().number))).collect()
    }

    /// All lists, each with the certificate of the authority that signed it.
    pub(crate) fn lists(&self) -> Vec<(Arc<Crl>, Option<CertificateDer<'static>>)> {
        self.lists.borrow().each.values().cloned().collect()
    }

    /// How a leaf stands now.
    pub(crate) fn standing(&self, credential: &Credential, key: &[u8], now: Timestamp) -> Result<Standing, BadLeaf> {
        let device = self.ever(credential, key)?;
        Ok(match self.listed(credential, key)?.revoked {
            true => Standing::Revoked,
            false if now > device.valid_until() => Standing::Ended,
            false => Standing::Good { until: device.valid_until() },
        })
    }

    /// An issuer's newest list; `None`: this device has never seen one.
    fn list_of(&self, issuer: IssuerId) -> Option<CrlSeen> {
        self.lists.borrow().each.get(&issuer).map(|(crl, _)| crl.seen())
    }

    /// The newest list of a leaf's organisation; `None`: this device has never seen one.
    pub(crate) fn list_seen(&self, credential: &Credential, key: &[u8]) -> Result<Option<CrlSeen>, BadLeaf> {
        Ok(self.listed(credential, key)?.seen)
    }

    /// What the lists say of a leaf, as long as they stay the same.
    fn listed(&self, credential: &Credential, key: &[u8]) -> Result<Listed, BadLeaf> {
        let name = name(credential.serialized_content(), key);
        if let Some(listed) = self.listed.borrow().get(&name) {
            return Ok(*listed);
        }
        let chain = chain(credential).ok_or(BadLeaf::Credential)?;
        let listed = match verify_device(&chain, &self.anchors, When::Ever, &self.lists.borrow().all) {
            Ok(device) => Listed { revoked: false, seen: device.crl() },
            Err(Untrusted::Revoked(_)) => Listed { revoked: true, seen: None },
            Err(other) => return Err(other.into()),
        };
        let mut known = self.listed.borrow_mut();
        if known.len() >= MOST_KNOWN {
            known.clear();
        }
        known.insert(name, listed);
        Ok(listed)
    }

    /// A list that shows everybody that a leaf is revoked or has ended. `None`: there is none that a Commit can carry.
    pub(super) fn evidence(&self, credential: &Credential, key: &[u8]) -> Option<Arc<Crl>> {
        let device = self.ever(credential, key).ok()?;
        let Listed { revoked, seen } = self.listed(credential, key).ok()?;
        let signed_after_the_end = seen.is_some_and(|seen| seen.this_update > device.valid_until());
        if !(revoked || signed_after_the_end) {
            return None;
        }
        let lists = self.lists.borrow();
        let roots = self.anchors.certificates().iter();
        let issuers: Vec<_> = std::iter::once(device.organisation_certificate()).chain(roots).collect();
        let about = |crl: &&Arc<Crl>| issuers.iter().any(|issuer| crl.verify(issuer).is_ok());
        let mut fitting = lists.all.iter().filter(|crl| crl.der().len() <= MAX_EVIDENCE).filter(about);
        fitting.find(|crl| self.shows(crl, &device)).map(Arc::clone)
    }

    /// Whether a list shows that a device is revoked, or that its certificate had ended when the list was signed: the
    /// same answer on every device and at every time.
    pub(super) fn shows(&self, crl: &Arc<Crl>, device: &VerifiedDevice) -> bool {
        let mut alone = Crls::none();
        alone.add(Arc::clone(crl));
        match verify_device(device.chain(), &self.anchors, When::Ever, &alone) {
            Err(Untrusted::Revoked(_)) => true,
            Ok(checked) => checked.crl().is_some_and(|seen| seen.this_update > device.valid_until()),
            Err(_) => false,
        }
    }
}

impl Group {
    /// Everybody who must go before something is said, by what this device knows now. This device itself is not looked
    /// at: the others do that.
    pub(crate) fn unfit(&self, party: &Party, now: Timestamp) -> Unfit {
        let (epoch, learned) = (self.epoch(), party.leaves.learned());
        let hold = |look: &Look| look.epoch == epoch && look.learned == learned && look.during.contains(&now);
        self.unfit.answer(hold, || {
            let (until, unfit) = self.find_unfit(party, now);
            (Look { epoch, learned, during: now..=until }, unfit)
        })
    }

    /// The same, and the last moment at which it holds if nothing else changes.
    fn find_unfit(&self, party: &Party, now: Timestamp) -> (Timestamp, Unfit) {
        let (mut until, mut unfit) = (Timestamp(u64::MAX), Unfit::default());
        let mut room = Evidence::default();
        for member in self.inner.members().filter(|member| member.index != self.inner.own_leaf_index()) {
            let (credential, key) = (&member.credential, member.signature_key.as_slice());
            let standing = party.leaves.standing(credential, key, now);
            let shown =
                |room: &mut Evidence| party.leaves.evidence(credential, key).is_some_and(|crl| room.carry(&crl));
            match standing {
                Ok(Standing::Good { until: end }) => until = until.min(end),
                // Its root is no longer pinned, or this program demands more than the one that let it in: nothing
                // that others would see, and nobody to write to.
                Err(_) => unfit.revoked_unshown.push(member.index),
                Ok(Standing::Revoked) if shown(&mut room) => unfit.revoked.push(member.index),
                Ok(Standing::Revoked) => unfit.revoked_unshown.push(member.index),
                Ok(Standing::Ended) if shown(&mut room) => unfit.ended.push(member.index),
                Ok(Standing::Ended) => unfit.ended_unshown.push(member.index),
            }
        }
        (until, unfit)
    }

    /// Those of whom this device knows that they are revoked, and those whom it does not believe any more. This
    /// device itself is not looked at.
    pub(crate) fn revoked(&self, party: &Party) -> Vec<LeafNodeIndex> {
        let own = self.inner.own_leaf_index();
        let others = self.inner.members().filter(|member| member.index != own);
        let revoked = others.filter(|member| {
            let listed = party.leaves.listed(&member.credential, member.signature_key.as_slice());
            listed.map_or(true, |listed| listed.revoked)
        });
        revoked.map(|member| member.index).collect()
    }

    /// The organisations of those in the group and the regions above them, by name, each with its newest list, if
    /// this device has ever seen one.
    pub(crate) fn lists_seen(&self, party: &Party) -> Vec<(String, CrlSeen)> {
        let present = (self.epoch(), party.leaves.learned());
        let find = || {
            // An organisation can be called what its region is called.
            let mut seen = BTreeMap::new();
            for member in self.inner.members() {
                let (credential, key) = (&member.credential, member.signature_key.as_slice());
                let Ok(device) = party.leaves.ever(credential, key) else { continue };
                if let Ok(Some(list)) = party.leaves.list_seen(credential, key) {
                    seen.insert((device.organisation().as_str().to_owned(), false), list);
                }
                if let Some(list) = party.leaves.list_of(device.root()) {
                    let region = device.region().map(|name| name.as_str().to_owned());
                    seen.insert((region.unwrap_or_default(), true), list);
                }
            }
            (present, seen.into_iter().map(|((name, _), list)| (name, list)).collect())
        };
        self.lists_seen.answer(|found| *found == present, find)
    }
}
