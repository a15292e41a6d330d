//! A client in another language, which shares no code with Kring and knows what docs/protocol.md says, against the real
//! relay. The client is `tests/python/client.py`; it checks every frame against the page's CDDL and says what held.
//!
//! Its libraries come from PyPI into a folder under `target/`. Where PyPI cannot be reached, the test says loudly that it
//! has not run; where it can, everything else that goes wrong is a failure.

use std::fs;
use std::net::ToSocketAddrs as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use kring_pki::pem;
use kring_tests::clock::soon;
use kring_tests::relay;
use kring_tests::world::{Device, POLICE, RELAY_NAME, SHELTER, World};
use tokio::process::Command;

/// How long PyPI's address is tried.
const REACH: Duration = Duration::from_secs(5);
/// Fewer steps than this and the client has not done what it is for.
const STEPS: usize = 70;

#[tokio::test(flavor = "multi_thread")]
async fn a_client_written_from_the_protocols_page_alone_is_served_and_refused_as_the_page_says() {
    let Some(python) = python().await else {
        eprintln!(
            "\n*** NOT RUN: PyPI cannot be reached, so that there is no Python client to try the relay with ***\n"
        );
        return;
    };
    let world = World::new();
    let relay = relay::here(&world).await;
    let address = format!("b.devries@{SHELTER}");
    let first = files(&world, "first", &world.device(&format!("a.jansen@{POLICE}")));
    let second = files(&world, "second", &world.device(&address));
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let client = Command::new(python)
        .arg(here.join("python/client.py"))
        .arg(here.join("../docs/protocol.md"))
        .args([&relay.addr.to_string(), RELAY_NAME])
        .arg(world.path("region.pem"))
        .args(first.iter().chain(&second))
        .arg(&address)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = soon("the client's end", client).await.expect("it starts");
    let said = String::from_utf8_lossy(&output.stdout);
    let wrong = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.ends_with("everything held\n"), "{said}\n{wrong}");
    let held = said.lines().filter(|line| line.starts_with("held: ")).count();
    assert!(held >= STEPS, "only {held} steps:\n{said}");
    soon("the relay's end", relay.shutdown()).await;
}

/// A device's certificate and key as files.
fn files(world: &World, name: &str, device: &Device) -> [PathBuf; 2] {
    let [chain, key] = ["pem", "key"].map(|extension| world.path(&format!("{name}.{extension}")));
    fs::write(&chain, pem::certificates(&device.chain)).expect("written");
    fs::write(&key, device.key.to_pem().as_bytes()).expect("written");
    [chain, key]
}

/// A Python with the libraries of `requirements.txt`; none where PyPI cannot be reached.
async fn python() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("python");
    let requirements = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/requirements.txt");
    let (python, done) = (folder.join("bin/python"), folder.join("requirements.txt"));
    let wanted = fs::read(&requirements).expect("the list of libraries");
    if fs::read(&done).is_ok_and(|installed| installed == wanted) {
        return Some(python);
    }
    run(Command::new("python3").args(["-m", "venv"]).arg(&folder)).await.expect("python3 with its venv module");
    let mut install = Command::new(&python);
    install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"]).arg(&requirements);
    match run(&mut install).await {
        Ok(()) => {
            fs::write(&done, wanted).expect("written");
            Some(python)
        }
        Err(said) if reachable() => panic!("pip fails although PyPI can be reached:\n{said}"),
        Err(_) => None,
    }
}

async fn run(command: &mut Command) -> Result<(), String> {
    let output = soon("a program's end", command.stdin(Stdio::null()).kill_on_drop(true).output()).await;
    let output = output.map_err(|error| error.to_string())?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

fn reachable() -> bool {
    let addresses = ("pypi.org", 443).to_socket_addrs().into_iter().flatten();
    addresses.take(2).any(|address| std::net::TcpStream::connect_timeout(&address, REACH).is_ok())
}
