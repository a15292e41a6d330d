//! A client's process is killed at every boundary: what its user was told is queued arrives, once and in order, and the
//! device goes on where it was.
//!
//! The client is a child process of this very program. A layer under the C library (`killed/shim.c`) kills it with SIGKILL
//! before its n-th write to a file, sync, or datagram; every n between opening the store and the last acknowledgement is a
//! boundary between storing, sending, receipt, merge and cursor. Each child says things and takes fresh keys until then.
//!
//! `KRING_CLIENT_KILLS=100 cargo test --workspace --test cases killed` kills a hundred times instead of twelve.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, ExitStatus};

use kring_client::api::Client;
use kring_client::case::{CaseId, ItemDraft};
use kring_client::identity::Profile;
use kring_client::store::Unlock;
use kring_tests::circle::together;
use kring_tests::clock::soon;
use kring_tests::relay;
use kring_tests::world::World;
use zeroize::Zeroizing;

/// Things that a child says before it ends by itself.
const SAID: usize = 12;
/// Things between two changes of keys.
const BETWEEN_KEYS: usize = 4;
/// About as many boundaries as a whole life has.
const LONGEST: u64 = 600;
/// Spreads kills over a life.
const STRIDE: u64 = 7;

/// The layer, compiled.
fn shim(folder: &Path) -> std::path::PathBuf {
    let library = folder.join("kill.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/killed/shim.c");
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    let mut command = Command::new(&compiler);
    command.args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"]).args([&library, &source]).arg("-ldl");
    assert!(command.status().is_ok_and(|status| status.success()), "{compiler} compiles the layer");
    library
}

/// What runs in the child.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "runs in a process of its own, started by the other test of this file"]
async fn child() {
    let Ok(folder) = std::env::var("KILLED_FOLDER") else { return };
    let folder = Path::new(&folder);
    let bytes = |file: &str| fs::read(folder.join(file)).unwrap();
    let life: u64 = std::env::var("KILLED_LIFE").unwrap().parse().unwrap();
    let profile = Profile::open(Path::new(std::str::from_utf8(&bytes("profile")).unwrap())).unwrap();
    let unlock = Unlock::Key(Zeroizing::new(bytes("key").try_into().unwrap()));
    let client = Client::open(&profile, &unlock).await.unwrap();
    let case = client.case(CaseId(bytes("case").try_into().unwrap())).await.unwrap();
    let mut queued = File::options().append(true).create(true).open(folder.join("queued")).unwrap();
    for number in 0..SAID {
        let sent = case.send(ItemDraft::markdown(format!("{life} {number}"))).await.unwrap();
        queued.write_all(format!("{life} {number}\n").as_bytes()).unwrap();
        soon("the receipt", sent.relayed()).await.unwrap();
        if number % BETWEEN_KEYS == 0 {
            soon("fresh keys", case.update_keys().await.unwrap().done()).await.unwrap();
        }
    }
    client.close().await;
}

fn run_child(folder: &Path, library: &Path, life: u64, after: u64) -> ExitStatus {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "killed::child", "--ignored", "--nocapture"])
        .env("KILLED_FOLDER", folder)
        .env("KILLED_LIFE", life.to_string())
        .env("KILL_AFTER", after.to_string())
        .env("LD_PRELOAD", library)
        .output()
        .unwrap()
        .status
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_is_killed_at_any_boundary_loses_and_doubles_nothing_that_it_has_taken() {
    let kills = std::env::var("KRING_CLIENT_KILLS").ok().and_then(|number| number.parse().ok()).unwrap_or(12);
    let world = World::new();
    let relay = relay::here(&world).await;
    let [(anne, case), (bert, at_bert)] =
        together(&world, ["anne@politie.example", "bert@opvang.example"], relay.addr).await;
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let library = shim(folder);
    let anne = anne.put_down().await;
    let Unlock::Key(key) = &anne.unlock else { panic!("devices of tests have a key") };
    fs::write(folder.join("profile"), anne.profile.folder().as_os_str().as_encoded_bytes()).unwrap();
    fs::write(folder.join("key"), key.as_slice()).unwrap();
    fs::write(folder.join("case"), case.id().0).unwrap();

    let (mut killed, mut ended) = (0, 0);
    for life in 0..kills {
        // From a life's first boundary to its last.
        let after = 1 + (life * LONGEST / kills * STRIDE + life) % LONGEST;
        let status = tokio::task::block_in_place(|| run_child(folder, &library, life, after));
        match status.code() {
            None => killed += 1,
            Some(0) => ended += 1,
            Some(code) => panic!("life {life}, killed after {after}: exit code {code}"),
        }
    }
    // A last life without a kill: what waits goes out, and the device is in step.
    let status = tokio::task::block_in_place(|| run_child(folder, &library, kills, u64::MAX >> 1));
    assert!(status.success(), "{status}");
    let queued = fs::read_to_string(folder.join("queued")).unwrap();
    let queued: Vec<&str> = queued.lines().collect();
    let last = queued.last().copied().unwrap();
    bert.until("the last thing said", async || {
        bert.texts(&at_bert).await.iter().any(|text| text == last).then_some(())
    })
    .await;
    let shown = bert.texts(&at_bert).await;
    let noted: Vec<&str> = shown.iter().map(String::as_str).filter(|text| queued.contains(text)).collect();
    assert_eq!(noted, queued, "once each and in order");
    // A kill can fall between taking something and noting that it was taken: that one arrives too, at most once.
    let mut distinct = shown.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), shown.len(), "nothing twice");
    assert!(shown.len() <= queued.len() + killed);
    println!("{killed} kills, {ended} lives that ended by themselves, {} things said", shown.len());
    assert!(killed > kills as usize / 2, "most lives are cut off");
    bert.say(&at_bert, "en Anne leest dit").await;
    let anne = anne.taken_up().await;
    let case = anne.client.case(case.id()).await.unwrap();
    let texts = anne.has_texts(&case, shown.len() + 1).await;
    assert_eq!(texts, bert.texts(&at_bert).await);
}
