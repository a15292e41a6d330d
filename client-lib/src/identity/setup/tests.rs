//! A set-up is whole or nothing.

use kring_pki::issue::{Algorithm, PrivateKey, Validity};

use super::*;
use crate::driver::testing::{World, now, unlock};
use crate::identity::ProfileError;

fn setup(world: &World) -> Setup {
    world.setup(([127, 0, 0, 1], 4433).into(), Validity::days(now(), 30))
}

/// Names in a folder, hidden ones too.
fn names(folder: &Path) -> Vec<OsString> {
    fs::read_dir(folder).expect("folder").map(|entry| entry.expect("entry").file_name()).collect()
}

#[test]
fn a_profile_is_read_as_it_was_made() {
    let (world, folder) = (World::new(), tempfile::tempdir().expect("folder"));
    let (setup, path) = (setup(&world), folder.path().join("deep").join("profile"));
    let made = Profile::create(&path, &setup, &unlock()).expect("made");
    let read = Profile::open(&path).expect("read");
    assert_eq!((read.relay(), read.chain()), (made.relay(), made.chain()));
    assert_eq!((read.region_roots(), read.relay_roots()), (made.region_roots(), made.relay_roots()));
    assert_eq!(read.chain(), setup.chain);
    assert_eq!(format!("{read:?} {setup:?}"), "Profile(..) Setup(..)");
    assert_eq!(names(&folder.path().join("deep")), ["profile"], "nothing else is left");
}

#[test]
fn the_private_key_is_in_no_file_in_the_clear() {
    let (world, folder) = (World::new(), tempfile::tempdir().expect("folder"));
    let (setup, path) = (setup(&world), folder.path().join("p"));
    Profile::create(&path, &setup, &unlock()).expect("made");
    let seed = PrivateKey::from_der(&setup.key).expect("key").ed25519_seed().expect("Ed25519");
    let mut files = 0;
    for parent in [path.clone(), path.join(profile::STORE)] {
        for name in names(&parent).into_iter().filter(|name| parent.join(name).is_file()) {
            let bytes = fs::read(parent.join(name)).expect("file");
            assert!(!bytes.windows(seed.len()).any(|window| window == *seed));
            files += 1;
        }
    }
    assert!(files >= 6, "four files, the store's header and its database");
    let store = Store::open(&path.join(profile::STORE), &unlock()).expect("store");
    assert_eq!(store.device_key().expect("read").expect("there"), seed);
}

#[test]
fn a_set_up_that_fails_leaves_nothing_behind() {
    let (world, folder) = (World::new(), tempfile::tempdir().expect("folder"));
    let path = folder.path().join("p");
    let other = PrivateKey::generate(Algorithm::Ed25519).expect("key").to_der();
    let wrong = Setup { key: other, ..setup(&world) };
    let outcome = Profile::create(&path, &wrong, &unlock());
    assert!(matches!(outcome, Err(SetupError::Certificate(Untrusted::KeyDiffers))));
    let wrong = Setup { key: PrivateKey::generate(Algorithm::EcdsaP256).expect("key").to_der(), ..setup(&world) };
    assert!(matches!(Profile::create(&path, &wrong, &unlock()), Err(SetupError::Key)));
    let wrong = Setup { region_roots: vec![World::new().root()], ..setup(&world) };
    let outcome = Profile::create(&path, &wrong, &unlock());
    assert!(matches!(outcome, Err(SetupError::Certificate(Untrusted::UnknownRoot))));
    let wrong = Setup { relay_roots: Vec::new(), ..setup(&world) };
    assert!(matches!(Profile::create(&path, &wrong, &unlock()), Err(SetupError::Root(AnchorError::Empty))));
    assert!(names(folder.path()).is_empty());
    assert!(matches!(Profile::open(&path), Err(ProfileError::Missing)));
}

#[test]
fn an_interrupted_set_up_is_no_profile_and_stands_in_nobodys_way() {
    let (world, folder) = (World::new(), tempfile::tempdir().expect("folder"));
    let path = folder.path().join("p");
    // The process ends after writing and before moving: nothing of it is run, not even `drop`.
    let beside = Beside::make(&path).expect("made");
    let seed = setup(&world).check().expect("sound");
    setup(&world).write(&beside.path, &seed, &unlock()).expect("written");
    std::mem::forget(beside);
    assert!(matches!(Profile::open(&path), Err(ProfileError::Missing)));
    Profile::create(&path, &setup(&world), &unlock()).expect("made");
    Profile::open(&path).expect("read");
}

#[test]
fn what_is_there_is_never_overwritten() {
    let (world, folder) = (World::new(), tempfile::tempdir().expect("folder"));
    let path = folder.path().join("p");
    Profile::create(&path, &setup(&world), &unlock()).expect("made");
    let before = fs::read(path.join(profile::DEVICE)).expect("file");
    assert!(matches!(Profile::create(&path, &setup(&world), &unlock()), Err(SetupError::Exists)));
    assert_eq!(fs::read(path.join(profile::DEVICE)).expect("file"), before);
    let file = folder.path().join("file");
    fs::write(&file, "x").expect("written");
    assert!(matches!(Profile::create(&file, &setup(&world), &unlock()), Err(SetupError::Exists)));
}

#[test]
fn a_profile_of_a_newer_version_or_a_damaged_one_is_named_as_that() {
    let (world, folder) = (World::new(), tempfile::tempdir().expect("folder"));
    let path = folder.path().join("p");
    Profile::create(&path, &setup(&world), &unlock()).expect("made");
    let text = fs::read_to_string(path.join(profile::PROFILE)).expect("file");
    fs::write(path.join(profile::PROFILE), text.replace("version = 1", "version = 2\nnew = true")).expect("written");
    assert!(matches!(Profile::open(&path), Err(ProfileError::Newer)));
    fs::write(path.join(profile::PROFILE), text).expect("written");
    fs::write(path.join(profile::REGIONS), "nothing").expect("written");
    assert!(matches!(Profile::open(&path), Err(ProfileError::Malformed { file: "regions.pem" })));
    fs::remove_file(path.join(profile::RELAY)).expect("removed");
    fs::remove_file(path.join(profile::REGIONS)).expect("removed");
    assert!(matches!(Profile::open(&path), Err(ProfileError::Io { file: "relay.pem", .. })));
}
