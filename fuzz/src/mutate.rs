//! Changes inputs as fuzzers do: bits, bytes and lengths of the kind that parsers trip over, pieces of other inputs.

use rand::Rng;
use rand::seq::IndexedRandom as _;

/// Longest input that is made.
const LONGEST: usize = 4 << 10;

/// Bytes at which something changes in CBOR (RFC 8949) or in the lengths of MLS.
const TURNING: [u8; 20] =
    [0, 1, 2, 3, 5, 16, 0x17, 0x18, 0x19, 0x1a, 0x1b, 0x1f, 0x3f, 0x40, 0x58, 0x7f, 0x82, 0xa1, 0xf6, 0xff];

/// A changed copy of an input; `other` lends pieces.
pub fn mutate(random: &mut impl Rng, input: &[u8], other: &[u8]) -> Vec<u8> {
    let mut changed = input.to_vec();
    for _ in 0..random.random_range(1..=4) {
        once(random, &mut changed, other);
    }
    changed.truncate(LONGEST);
    changed
}

fn once(random: &mut impl Rng, input: &mut Vec<u8>, other: &[u8]) {
    let at = random.random_range(0..=input.len());
    match random.random_range(0..8) {
        0 if at < input.len() => input[at] ^= 1 << random.random_range(0..8),
        1 if at < input.len() => input[at] = random.random(),
        2 if at < input.len() => input[at] = TURNING.choose(random).copied().unwrap_or(0),
        3 => input.insert(at, TURNING.choose(random).copied().unwrap_or(0)),
        4 => input.truncate(at),
        5 if at < input.len() => {
            let end = (at + random.random_range(1..=8)).min(input.len());
            input.drain(at..end);
        }
        6 => {
            let piece = piece(random, other);
            input.splice(at..at, piece);
        }
        _ => {
            let piece = piece(random, &input.clone());
            input.splice(at..at, piece);
        }
    }
}

fn piece(random: &mut impl Rng, of: &[u8]) -> Vec<u8> {
    let from = random.random_range(0..=of.len());
    let to = (from + random.random_range(0..=64)).min(of.len());
    of[from..to].to_vec()
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::*;

    #[test]
    fn inputs_change_and_stay_bounded() {
        let mut random = rand::rngs::StdRng::seed_from_u64(1);
        let mut input = vec![5; 100];
        let mut different = 0;
        for _ in 0..1_000 {
            let changed = mutate(&mut random, &input, &[7; 50]);
            different += usize::from(changed != input);
            assert!(changed.len() <= LONGEST);
            input = changed;
        }
        assert!(different > 900, "{different}");
    }
}
