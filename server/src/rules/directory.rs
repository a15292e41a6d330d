//! Who can be added: devices that have published KeyPackages, found by the words of their certificates.
//!
//! Decides: a device is found if for each word that is looked for one of its own begins so, whatever the case and
//! accents. Not found: who is revoked, whose certificate has ended. Refused: texts that are too long or of too many words.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use kring_pki::verify::VerifiedDevice;
use kring_protocol::address::ProfessionalAddress;
use kring_protocol::ids::{DeviceId, Timestamp};
use kring_protocol::limits::{MAX_FOUND, MAX_SEARCH};
use kring_protocol::payload::Payload;
use kring_protocol::refusal::Refusal;
use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

use super::revocation::Credential;
use crate::store::Position;

/// Most words of one device: name, organisation and function have some ten, and an address of 285 characters less than
/// 40 that anybody would look for.
const MAX_WORDS: usize = 48;

/// Most bytes of a word; what is longer is cut.
const MAX_WORD: usize = 64;

/// Most words that are looked for at once.
const MAX_SOUGHT: usize = 8;

/// What is known of a device from its certificates: for the directory, and to tell whether a list cuts it off.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing {
    #[serde(rename = "w")]
    words: Vec<String>,
    #[serde(rename = "v")]
    valid_until: Timestamp,
    #[serde(rename = "k")]
    credential: Credential,
    #[serde(rename = "c")]
    pub(crate) chain: Vec<Payload>,
}

impl Listing {
    /// Of a device that has been verified.
    pub fn of(device: &VerifiedDevice) -> Option<Self> {
        let texts = [
            device.name().as_str(),
            device.organisation().as_str(),
            device.function().as_str(),
            device.address().professional.as_str(),
        ];
        let mut words: Vec<String> = texts.iter().flat_map(|text| words_of(text)).collect();
        words.sort_unstable();
        words.dedup();
        words.truncate(MAX_WORDS);
        let credential = Credential::of(device)?;
        let chain = device.chain().iter().map(|certificate| certificate.to_vec().into()).collect();
        Some(Self { words, valid_until: device.valid_until(), credential, chain })
    }

    /// What a list could name.
    pub fn credential(&self) -> &Credential {
        &self.credential
    }
}

impl std::fmt::Debug for Listing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Listing(..)")
    }
}

/// A device in the directory.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    #[serde(rename = "a")]
    address: ProfessionalAddress,
    #[serde(rename = "w")]
    words: Vec<String>,
    #[serde(rename = "v")]
    valid_until: Timestamp,
    #[serde(rename = "k")]
    credential: Credential,
    #[serde(rename = "p")]
    position: Position,
}

impl Listed {
    pub(crate) fn new(address: &ProfessionalAddress, listing: &Listing, position: Position) -> Self {
        Self {
            address: address.clone(),
            words: listing.words.clone(),
            valid_until: listing.valid_until,
            credential: listing.credential.clone(),
            position,
        }
    }

    /// The entry that holds its chain.
    pub fn position(&self) -> Position {
        self.position
    }

    /// What a list could name.
    pub fn credential(&self) -> &Credential {
        &self.credential
    }

    fn has(&self, beginning: &str) -> bool {
        self.words.iter().any(|word| word.starts_with(beginning))
    }
}

/// A part of the directory, as it stands on disk: the devices whose id begins with one byte.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    #[serde(rename = "p")]
    pub(crate) through: Position,
    #[serde(rename = "d")]
    pub(crate) listed: BTreeMap<DeviceId, Listed>,
}

impl Shard {
    /// The part in which a device stands.
    pub fn of(device: DeviceId) -> u8 {
        device.0[0]
    }

    /// Whether the entry at this position holds the chain of a device that can still be found.
    pub fn needs(&self, device: DeviceId, position: Position, now: Timestamp) -> bool {
        let needed = |listed: &Listed| listed.position == position && now < listed.valid_until.plus(Timestamp::DAY);
        self.listed.get(&device).is_some_and(needed)
    }

    /// Bytes that it takes in memory, roughly.
    pub(crate) fn weight(&self) -> usize {
        self.listed.values().map(weight).sum()
    }
}

fn weight(listed: &Listed) -> usize {
    128 + listed.words.iter().map(|word| word.len() + 24).sum::<usize>() + listed.credential.weight()
}

/// What is looked for: words, at least one.
#[derive(Clone, PartialEq, Eq)]
pub struct Sought(Vec<String>);

impl Sought {
    /// Reads what somebody typed; none if there is no word in it.
    pub fn read(text: &str) -> Result<Option<Self>, Refusal> {
        if text.len() > MAX_SEARCH {
            return Err(Refusal::TooLarge { limit: MAX_SEARCH as u64 });
        }
        let mut words: Vec<String> = words_of(text).collect();
        if words.len() > MAX_SOUGHT {
            return Err(Refusal::TooMany { limit: MAX_SOUGHT as u64 });
        }
        // The longest is what the fewest words begin with.
        words.sort_by_key(|word| std::cmp::Reverse(word.len()));
        Ok((!words.is_empty()).then_some(Self(words)))
    }
}

/// The whole directory in memory, with an index of words.
#[derive(Default)]
pub struct Directory {
    devices: HashMap<DeviceId, Listed>,
    words: BTreeSet<(String, DeviceId)>,
}

impl Directory {
    /// Puts a device in, or in the place of what was known of it.
    pub fn insert(&mut self, device: DeviceId, listed: Listed) {
        self.remove(device);
        self.words.extend(listed.words.iter().map(|word| (word.clone(), device)));
        self.devices.insert(device, listed);
    }

    /// Takes a device out.
    pub fn remove(&mut self, device: DeviceId) {
        for word in self.devices.remove(&device).into_iter().flat_map(|listed| listed.words) {
            self.words.remove(&(word, device));
        }
    }

    /// All devices.
    pub fn devices(&self) -> impl Iterator<Item = (DeviceId, &Listed)> {
        self.devices.iter().map(|(device, listed)| (*device, listed))
    }

    /// Devices found, ordered by address, at most so many; and whether there are more.
    pub fn find(&self, sought: &Sought, limit: u64, now: Timestamp) -> (Vec<Position>, bool) {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX).min(MAX_FOUND);
        let Some((first, others)) = sought.0.split_first() else { return (Vec::new(), false) };
        let from = (first.clone(), DeviceId([0; 16]));
        let mut found: BTreeMap<(&ProfessionalAddress, DeviceId), Position> = BTreeMap::new();
        let mut more = false;
        for (_, device) in self.words.range(from..).take_while(|(word, _)| word.starts_with(first)) {
            let Some(listed) = self.devices.get(device) else { continue };
            if listed.valid_until < now || !others.iter().all(|other| listed.has(other)) {
                continue;
            }
            found.insert((&listed.address, *device), listed.position);
            if found.len() > limit {
                found.pop_last();
                more = true;
            }
        }
        (found.into_values().collect(), more)
    }
}

/// The words of a text, in lower case and without accents.
fn words_of(text: &str) -> impl Iterator<Item = String> {
    let plain: String = text.nfkd().filter(|it| !is_combining_mark(*it)).flat_map(char::to_lowercase).collect();
    let words: Vec<String> = plain
        .split(|it: char| !it.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(|word| word[..word.floor_char_boundary(MAX_WORD)].to_owned())
        .collect();
    words.into_iter()
}

#[cfg(test)]
impl Listing {
    /// Of a device of nobody's authority.
    pub(crate) fn for_tests(number: u64, text: &str, valid_until: Timestamp) -> Self {
        let chain = vec![number.to_be_bytes().to_vec().into()];
        Self { words: words_of(text).collect(), valid_until, credential: Credential::for_tests(number), chain }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::revocation::tests::Pki;

    fn listed(address: &str, text: &str, number: u64) -> Listed {
        let listing = Listing::for_tests(number, text, Timestamp(100));
        Listed::new(&address.parse().expect("an address"), &listing, Position(number))
    }

    fn directory() -> Directory {
        let mut directory = Directory::default();
        for (number, address, text) in [
            (1u8, "a.jansen@politie.example", "Anne Jansen Politie Hollands Midden police"),
            (2, "b.jansen@leiden.example", "Bo Jansen-Özdemir Wijkteam Leiden social-team"),
            (3, "a.jansen@politie.example", "Anne Jansen Politie Hollands Midden police"),
        ] {
            directory.insert(DeviceId([number; 16]), listed(address, text, number.into()));
        }
        directory
    }

    fn find(text: &str, limit: u64, now: u64) -> (Vec<u64>, bool) {
        let sought = Sought::read(text).expect("short enough").expect("a word");
        let (found, more) = directory().find(&sought, limit, Timestamp(now));
        (found.into_iter().map(|position| position.0).collect(), more)
    }

    #[test]
    fn each_word_is_the_beginning_of_one_of_the_devices_words_whatever_case_and_accents() {
        for (text, expected) in [
            ("jan", vec![1, 3, 2]),
            ("JANSEN ann", vec![1, 3]),
            ("ozdemir", vec![2]),
            ("Özdem", vec![2]),
            ("ansen", vec![]),
            ("politie leiden", vec![]),
            ("social", vec![2]),
            ("team", vec![2]),
        ] {
            assert_eq!(find(text, 10, 0), (expected, false), "{text}");
        }
    }

    #[test]
    fn an_answer_is_bounded_and_says_that_there_are_more() {
        assert_eq!(find("jansen", 2, 0), (vec![1, 3], true));
        assert_eq!(find("jansen", 3, 0), (vec![1, 3, 2], false));
    }

    #[test]
    fn who_has_expired_or_was_taken_out_is_not_found() {
        assert_eq!(find("jansen", 10, 100).0.len(), 3);
        assert_eq!(find("jansen", 10, 101), (vec![], false));
        let mut directory = directory();
        directory.remove(DeviceId([1; 16]));
        directory.insert(DeviceId([3; 16]), listed("a.jansen@politie.example", "Anne", 3));
        let jansen = Sought::read("jansen").expect("short").expect("a word");
        assert_eq!(directory.find(&jansen, 10, Timestamp(0)), (vec![Position(2)], false));
    }

    #[test]
    fn a_text_without_words_finds_nothing_and_a_long_one_is_refused() {
        assert!(Sought::read(" .-@ ").expect("short").is_none());
        assert_eq!(Sought::read(&"a".repeat(129)).err(), Some(Refusal::TooLarge { limit: 128 }));
        assert_eq!(Sought::read("a b c d e f g h i").err(), Some(Refusal::TooMany { limit: 8 }));
    }

    #[test]
    fn what_is_looked_for_has_so_many_bytes_and_words_at_most() {
        assert!(Sought::read(&"a".repeat(128)).expect("short enough").is_some());
        assert_eq!(Sought::read(&"a".repeat(200)).err(), Some(Refusal::TooLarge { limit: 128 }));
        let sought = Sought::read("a bbb c d e f g h").expect("few enough").expect("words");
        assert_eq!((sought.0.len(), sought.0[0].as_str()), (8, "bbb"));
        assert_eq!(Sought::read("a b c d e f g h i j").err(), Some(Refusal::TooMany { limit: 8 }));
    }

    #[test]
    fn a_long_word_is_cut_between_two_characters() {
        let words: Vec<_> = words_of(&format!("a{} b", "ß".repeat(40))).collect();
        assert_eq!(words, [format!("a{}", "ß".repeat(31)), "b".to_owned()]);
    }

    #[test]
    fn a_device_stands_in_the_part_of_its_first_byte_and_its_chain_is_kept_for_a_day_after_its_end() {
        let device = DeviceId(*b"0123456789abcdef");
        assert_eq!(Shard::of(device), b'0');
        let listing = Listing::for_tests(7, "Anne Jansen", Timestamp(100));
        let entry = Listed::new(&"a.jansen@politie.example".parse().expect("an address"), &listing, Position(7));
        assert_eq!(entry.position(), Position(7));
        assert!(entry.credential() == listing.credential());
        let mut shard = Shard::default();
        shard.listed.insert(device, entry);
        let end = 100 + Timestamp::DAY;
        for (of, position, now, needed) in [
            (device, 7, 0, true),
            (device, 7, end - 1, true),
            (device, 7, end, false),
            (device, 7, end + 1, false),
            (device, 8, 0, false),
            (DeviceId([1; 16]), 7, 0, false),
        ] {
            assert_eq!(shard.needs(of, Position(position), Timestamp(now)), needed, "{position} at {now}");
        }
    }

    #[test]
    fn a_directory_has_each_device_once_and_weighs_what_its_words_take() {
        let directory = directory();
        let mut devices: Vec<_> = directory.devices().map(|(device, it)| (device.0[0], it.position().0)).collect();
        devices.sort_unstable();
        assert_eq!(devices, [(1, 1), (2, 2), (3, 3)]);
        let mut shard = Shard::default();
        assert_eq!(shard.weight(), 0);
        let one = listed("a.jansen@politie.example", "abc de", 1);
        // Two words of 5 letters, two serial numbers of 8 bytes.
        let weight = 128 + (2 * 24 + 5) + (size_of::<Credential>() + 2 * 8);
        for number in 1..=3 {
            shard.listed.insert(DeviceId([number; 16]), one.clone());
            assert_eq!(shard.weight(), weight * usize::from(number));
        }
    }

    #[test]
    fn a_listing_has_each_word_of_the_certificate_once_and_what_a_list_could_name() {
        let device = Pki::new().device;
        let listing = Listing::of(&device).expect("verified");
        assert_eq!(listing.words, ["a", "anne", "example", "jansen", "police", "politie"]);
        assert_eq!(listing.valid_until, device.valid_until());
        assert!(Some(listing.credential()) == Credential::of(&device).as_ref());
        let chain: Vec<_> = device.chain().iter().map(|certificate| certificate.to_vec()).collect();
        assert!(listing.chain.iter().map(|certificate| certificate.to_vec()).eq(chain));
    }

    #[test]
    fn debug_of_a_listing_hides_who_it_is() {
        assert_eq!(format!("{:?}", Listing::for_tests(1, "Anne Jansen", Timestamp(100))), "Listing(..)");
    }
}
