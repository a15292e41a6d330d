//! The commands of the README, run as they stand there, so that it cannot lie. Only the port is another one, so that
//! the test can run beside a relay; what is typed and asked for at the terminal comes from here.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::{Place, Running, started};

/// The README's port.
const PORT: &str = "127.0.0.1:4433";
/// What Bo types into `kring follow … --talk`.
const TYPED: &str = "Ik rijd er om twee uur heen.";

/// The lines of the blocks of shell commands, block by block.
fn blocks() -> Vec<Vec<String>> {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let text = std::fs::read_to_string(readme).expect("there");
    let blocks = text.split("```sh\n").skip(1).map(|rest| rest.split("```").next().expect("it ends"));
    blocks.map(|block| block.lines().map(str::to_owned).collect()).collect()
}

#[test]
fn the_commands_by_hand_do_what_the_readme_says() {
    let place = Place::new();
    let tool = Path::new(env!("CARGO_BIN_EXE_kring")).parent().expect("a folder");
    let path = format!("{}:{}", tool.display(), std::env::var("PATH").expect("a path"));
    let mut address = PORT.to_owned();
    let mut relay: Option<Running> = None;
    let mut said = String::new();
    assert_eq!(blocks().len(), 5, "terminals 1, 2, 3, 2 and 3");

    let mut profile = BTreeMap::new();
    for (number, block) in blocks().into_iter().enumerate() {
        // The fourth and the fifth block go on in the terminals of the second and the third.
        let terminal = [1, 2, 3, 2, 3][number];
        for line in block {
            if let Some(name) = line.strip_prefix("export KRING_PROFILE=") {
                profile.insert(terminal, name.to_owned());
                continue;
            }
            let line = line.replace(PORT, &address);
            let mut command = Command::new("sh");
            command.arg("-c").arg(format!("exec {line}")).current_dir(place.path()).env("PATH", &path);
            command.env_remove("KRING_ADMIN").env("KRING_PASSPHRASE_FILE", "pass").stdin(Stdio::null());
            command.env("LC_ALL", "C").env_remove("KRING_LANG");
            command.envs(profile.get(&terminal).map(|name| ("KRING_PROFILE", name)));
            if line.starts_with("kring relay --config") {
                let config = place.path().join("kring-admin/relays/127.0.0.1/relay.toml");
                let text = std::fs::read_to_string(&config).expect("there");
                std::fs::write(&config, text.replace(PORT, "127.0.0.1:0")).expect("written");
                let ready = place.path().join("ready");
                let line = format!("exec {line} --ready-file {}", ready.display());
                let mut command = Command::new("sh");
                command.arg("-c").arg(line).current_dir(place.path()).env("PATH", &path);
                let (running, listens) = started(command.stdin(Stdio::null()).stderr(Stdio::null()), &ready);
                (relay, address) = (Some(running), listens);
            } else if line.starts_with("kring follow") {
                said += &follow(&mut command);
            } else {
                let done = command.output().expect("runs");
                let out = String::from_utf8_lossy(&done.stdout);
                assert!(done.status.success(), "{line}: {out}{}", String::from_utf8_lossy(&done.stderr));
                said += &out;
            }
        }
    }
    drop(relay);
    for text in ["Goedemorgen Bo", TYPED, "Kun jij vanmiddag langs gaan?", "connected, up to date", "Bo de Vries"] {
        assert!(said.contains(text), "{text} in {said}");
    }
}

/// Follows until what was said before and what is typed now has been shown, then presses Ctrl-C.
fn follow(command: &mut Command) -> String {
    let mut follow = Running(command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("starts"));
    let mut typed = follow.0.stdin.take().expect("piped");
    let mut lines = BufReader::new(follow.0.stdout.take().expect("piped")).lines().map_while(Result::ok);
    let mut said = String::new();
    let mut until = |text: &str| {
        for line in lines.by_ref() {
            said += &line;
            if line.contains(text) {
                return;
            }
        }
        panic!("{text} was not shown");
    };
    until("Goedemorgen Bo");
    writeln!(typed, "{TYPED}").expect("written");
    until(TYPED);
    follow.signal("INT");
    assert!(follow.0.wait().expect("ends").success());
    said
}
