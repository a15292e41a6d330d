//! Random identifiers: the system's, or in a simulation those of its seed, so that the order in which they are sorted
//! replays too. Keys are never made here.

/// A new identifier.
pub(crate) fn identifier<const LENGTH: usize>() -> [u8; LENGTH] {
    #[cfg(feature = "simulation")]
    if let Some(seeded) = crate::simulation::identifier() {
        return seeded;
    }
    let mut identifier = [0; LENGTH];
    rand::Rng::fill(&mut rand::rng(), identifier.as_mut_slice());
    identifier
}
