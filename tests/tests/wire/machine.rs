//! The relay on a machine that gives out: a disk that is full, one that can only be read, no file descriptors left. It
//! takes nothing that it cannot keep, says so, and what it has taken is there.
//!
//! Disks are made with mounts in a namespace of the test's own, which takes root; without, a line says that nothing was tried.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use kring_protocol::ids::{Epoch, Seq};
use kring_protocol::message::Reply;
use kring_protocol::refusal::Refusal;
use kring_tests::clock::soon;
use kring_tests::log::Log;
use kring_tests::relay::RelayProcess;
use kring_tests::wire::{Lost, Wire};
use kring_tests::world::World;
use tokio::net::TcpStream;

use crate::RELAY;

/// A program that does something and then becomes the relay.
fn script(world: &World, first: &str) -> String {
    let path = world.path("relay.sh");
    fs::write(&path, format!("#!/bin/sh\n{first}\nexec \"{RELAY}\" \"$@\"\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
    path.to_str().unwrap().to_owned()
}

/// The same, with mounts that nobody else sees. `None`: this user may not mount.
fn script_with_mount(world: &World, mount: &str) -> Option<String> {
    let mut try_it = Command::new("unshare");
    try_it.args(["-m", "mount", "-t", "tmpfs", "tmpfs", "/tmp"]).stderr(Stdio::null());
    if !try_it.status().is_ok_and(|status| status.success()) {
        eprintln!("SKIPPED, nothing was tried: it takes root to mount a disk");
        return None;
    }
    let inner = script(world, mount);
    let path = world.path("outer.sh");
    fs::write(&path, format!("#!/bin/sh\nexec unshare -m \"{inner}\" \"$@\"\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
    Some(path.to_str().unwrap().to_owned())
}

/// A disk of so many MiB where the relay's data shall be, until dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `None`: this user may not mount.
    fn new(world: &World, mebibytes: u32) -> Option<Self> {
        fs::create_dir(world.data()).unwrap();
        let disk = Self(world.data());
        let made = disk.mount(&["-t", "tmpfs", "-o", &format!("size={mebibytes}m"), "tmpfs"]);
        if !made {
            eprintln!("SKIPPED, nothing was tried: it takes root to mount a disk");
        }
        made.then_some(disk)
    }

    fn mount(&self, arguments: &[&str]) -> bool {
        let status = Command::new("mount").args(arguments).arg(&self.0).stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a relay that was killed may not be quite gone. Without a mount there is nothing to take away.
        let _gone = Command::new("umount").arg("-l").arg(&self.0).stderr(Stdio::null()).status();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_disk_that_is_full_the_relay_refuses_and_says_so_and_everything_acknowledged_is_there_once_there_is_room()
 {
    let world = World::new();
    let Some(disk) = SmallDisk::new(&world, 24) else { return };
    let relay = RelayProcess::start(RELAY, &world).await;
    let device = world.device("anne@politie.example");
    let wire = Wire::open(&world, &device, relay.address).await;
    let log = Log::random();
    wire.create(log, None).await;
    let mut acknowledged = Vec::new();
    // The relay refuses and ends; whoever waits for the answer may see only that the connection is gone.
    loop {
        match wire.submit(log, Epoch(0), &[0x5e; 60_000]).await {
            Ok(Reply::Receipt(receipt)) => acknowledged.push(receipt.seq),
            Ok(Reply::Refused(Refusal::DiskFull | Refusal::StoreFailed)) | Err(Lost) => break,
            other => panic!("{other:?} after {} receipts", acknowledged.len()),
        }
        assert!(acknowledged.len() < 1_000, "60 MB do not fit on 24");
    }
    assert!(acknowledged.len() > 20);
    // Nothing is taken after it: it is refused, or the relay has ended.
    for _ in 0..5 {
        let answer = wire.submit(log, Epoch(0), &[0x5e; 60_000]).await;
        assert!(matches!(answer, Ok(Reply::Refused(_)) | Err(Lost)), "{answer:?}");
    }
    let told = fs::read_to_string(&relay.log).unwrap();
    assert!(told.contains("ERROR") && told.contains("the disk is full"), "{told}");
    relay.kill().await;

    assert!(disk.mount(&["-o", "remount,size=200m"]));
    let relay = RelayProcess::start(RELAY, &world).await;
    let wire = Wire::open(&world, &device, relay.address).await;
    let (records, _) = wire.read(log, Epoch(0), Some(Seq(0))).await;
    let stored: Vec<_> = records.iter().map(|record| record.seq).collect();
    // The one that was refused may have been written all the same: a refusal of this kind says "not made durable".
    assert!(stored.starts_with(&acknowledged) && stored.len() <= acknowledged.len() + 6);
    relay.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_disk_that_can_only_be_read_the_relay_does_not_start_and_says_why() {
    let world = World::new();
    let wire = {
        let relay = RelayProcess::start(RELAY, &world).await;
        let wire = Wire::open(&world, &world.device("anne@politie.example"), relay.address).await;
        let log = Log::random();
        wire.create(log, None).await;
        relay.kill().await;
        log
    };
    let data = world.data();
    let mount =
        format!("mount --bind \"{0}\" \"{0}\" && mount -o remount,ro,bind \"{0}\" || exit 71", data.display());
    let Some(program) = script_with_mount(&world, &mount) else { return };
    let mut command = Command::new(&program);
    let output =
        command.args(["run", "--config"]).arg(world.path("relay.toml")).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && output.status.code() != Some(71), "{said}");
    assert!(said.contains("read-only") || said.contains("Read-only"), "{said}");
    // Nothing is broken by it.
    let relay = RelayProcess::start(RELAY, &world).await;
    let again = Wire::open(&world, &world.device("anne@politie.example"), relay.address).await;
    assert!(again.read(wire, Epoch(0), Some(Seq(0))).await.0.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn with_its_file_descriptors_used_up_the_relay_goes_on_with_messages_and_serves_its_metrics_again_afterwards() {
    const DESCRIPTORS: usize = 48;
    let world = World::new();
    let program = script(&world, &format!("ulimit -n {DESCRIPTORS}"));
    let relay = RelayProcess::start(&program, &world).await;
    let wire = Wire::open(&world, &world.device("anne@politie.example"), relay.address).await;
    let log = Log::random();
    wire.create(log, None).await;
    // More than it can have; the system takes them in its place and lets them wait.
    let mut held = Vec::new();
    for _ in 0..2 * DESCRIPTORS {
        held.push(TcpStream::connect(relay.observe).await.unwrap());
    }
    for number in 1..=200u64 {
        let answer = wire.submit(log, Epoch(0), &[0x5e; 1_000]).await;
        assert!(matches!(&answer, Ok(Reply::Receipt(receipt)) if receipt.seq == Seq(number)), "{number}: {answer:?}");
    }
    let other =
        soon("another connection", Wire::open(&world, &world.device("bert@opvang.example"), relay.address)).await;
    assert_eq!(other.read(log, Epoch(0), Some(Seq(0))).await.0.len(), 200);
    drop(held);
    assert!(relay.metrics().await.starts_with("HTTP/1.1 200"));
    relay.kill().await;
    let relay = RelayProcess::start(RELAY, &world).await;
    let wire = Wire::open(&world, &world.device("anne@politie.example"), relay.address).await;
    assert_eq!(wire.read(log, Epoch(0), Some(Seq(0))).await.0.len(), 200);
}
