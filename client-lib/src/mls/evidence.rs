//! What shows every member, at whatever time, that a removal is right: the organisation's certificate revocation list,
//! carried inside the Commit as a proposal of its own type (encrypted with it; the relay sees neither).
//!
//! A list shows that a leaf is revoked if it is signed by an authority of the leaf's chain and names a certificate in
//! it; it shows that a leaf has ended if its organisation signed it after the end. **No clock is asked.** Refused: a
//! list that shows nothing about any removal in its Commit, one that is too large, one sent by itself.

use std::sync::Arc;

use kring_pki::verify::{Crl, VerifiedDevice};
use openmls::prelude::{CustomProposal, Proposal};

use super::EVIDENCE_PROPOSAL;
use super::leaf::Leaves;

/// Most bytes of lists in one Commit: half of what a relay takes for a message, some 13,000 entries. A Commit's other
/// half is KeyPackages and paths. Whoever has a longer list to show needs a coordinator or a deputy, who need none.
pub(super) const MAX_EVIDENCE: usize = 512 * 1024;

/// The lists of one Commit.
#[derive(Default)]
pub(super) struct Evidence {
    lists: Vec<Arc<Crl>>,
    size: usize,
}

impl Evidence {
    /// Puts a list beside the others; `false`: there is no room.
    pub(super) fn carry(&mut self, crl: &Arc<Crl>) -> bool {
        if self.lists.iter().any(|other| other.der() == crl.der()) {
            return true;
        }
        let size = self.size + crl.der().len();
        if size > MAX_EVIDENCE {
            return false;
        }
        self.size = size;
        self.lists.push(Arc::clone(crl));
        true
    }

    /// The proposals that carry the lists.
    pub(super) fn proposals(&self) -> impl Iterator<Item = Proposal> {
        self.lists.iter().map(|crl| {
            Proposal::Custom(Box::new(CustomProposal::new(EVIDENCE_PROPOSAL, crl.der().as_ref().to_vec())))
        })
    }

    /// Takes a list out of a proposal; `None`: it is none, or there are too many.
    pub(super) fn read(&mut self, proposal: &CustomProposal) -> Option<()> {
        if proposal.proposal_type() != EVIDENCE_PROPOSAL || proposal.payload().len() > MAX_EVIDENCE {
            return None;
        }
        let crl = Arc::new(Crl::from_der(proposal.payload()).ok()?);
        let known = self.lists.iter().any(|other| other.der() == crl.der());
        (!known && self.carry(&crl)).then_some(())
    }

    /// Which of these devices the lists show to be revoked or ended; `None`: a list shows nothing about any of them.
    pub(super) fn shown(&self, leaves: &Leaves, devices: &[VerifiedDevice]) -> Option<Vec<bool>> {
        let mut shown = vec![false; devices.len()];
        for crl in &self.lists {
            let mut useful = false;
            for (device, shown) in devices.iter().zip(&mut shown) {
                if leaves.shows(crl, device) {
                    useful = true;
                    *shown = true;
                }
            }
            if !useful {
                return None;
            }
        }
        Some(shown)
    }
}
