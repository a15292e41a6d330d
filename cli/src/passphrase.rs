//! The passphrase that opens a profile's store: from a file, or asked for at the terminal. Never an argument, since
//! every user of a machine sees the arguments of every program.

use std::io::IsTerminal as _;
use std::path::PathBuf;

use kring_client::store::Unlock;
use zeroize::Zeroizing;

use crate::outcome::{Cause, Failure, Outcome};
use crate::words::say;

/// Fewest characters of a new passphrase: with Argon2id, guessing eight random words or twelve random letters is out
/// of reach; nothing can be said about what people choose, so this only stops the empty and the trivial.
const SHORTEST: usize = 12;

/// Where the passphrase comes from.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct PassphraseArguments {
    /// File whose first line is the store's passphrase; without it you are asked.
    #[arg(long, env = "KRING_PASSPHRASE_FILE", value_name = "FILE", global = true)]
    passphrase_file: Option<PathBuf>,
}

impl PassphraseArguments {
    /// The passphrase of a store that exists.
    pub(crate) fn unlock(&self) -> Outcome<Unlock> {
        let passphrase = match &self.passphrase_file {
            Some(file) => first_line(file)?,
            None => ask(&say!("ask-passphrase"))?,
        };
        Ok(Unlock::Passphrase(passphrase))
    }

    /// A passphrase for a new store, asked for twice.
    pub(crate) fn choose(&self) -> Outcome<Unlock> {
        let passphrase = match &self.passphrase_file {
            Some(file) => first_line(file)?,
            None => {
                let first = ask(&say!("ask-new-passphrase"))?;
                if *ask(&say!("ask-once-more"))? != *first {
                    return Err(Failure::advised(Cause::Usage, say!("passphrases-differ"), say!("try-again")));
                }
                first
            }
        };
        if passphrase.chars().count() < SHORTEST {
            return Err(Failure::advised(
                Cause::Usage,
                say!("passphrase-short", least = SHORTEST),
                say!("passphrase-short-advice"),
            ));
        }
        Ok(Unlock::Passphrase(passphrase))
    }
}

fn first_line(file: &std::path::Path) -> Outcome<Zeroizing<String>> {
    let text = std::fs::read_to_string(file).map_err(|error| Failure::file(&say!("doing-read"), file, &error))?;
    let text = Zeroizing::new(text);
    match text.lines().next() {
        Some(line) if !line.is_empty() => Ok(Zeroizing::new(line.to_owned())),
        _ => Err(Failure::advised(
            Cause::Failed,
            say!("passphrase-file-empty", path = file.display().to_string()),
            say!("passphrase-file-empty-advice"),
        )),
    }
}

fn ask(prompt: &str) -> Outcome<Zeroizing<String>> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::advised(
            Cause::Usage,
            say!("passphrase-no-terminal"),
            say!("passphrase-no-terminal-advice"),
        ));
    }
    let terminal = console::Term::stderr();
    let asked = terminal.write_str(&format!("{prompt} ")).and_then(|()| terminal.read_secure_line());
    asked.map(Zeroizing::new).map_err(|error| {
        Failure::advised(
            Cause::Failed,
            say!("passphrase-cannot-be-read", reason = error.to_string()),
            say!("passphrase-cannot-be-read-advice"),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from_file(text: &str) -> PassphraseArguments {
        let temporary = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(temporary.path(), text).expect("written");
        let (_, path) = temporary.keep().expect("kept");
        PassphraseArguments { passphrase_file: Some(path) }
    }

    #[test]
    fn the_first_line_of_the_file_counts() {
        match from_file("vijf woorden die niemand raadt\r\nand more\n").unlock().expect("read") {
            Unlock::Passphrase(text) => assert_eq!(*text, "vijf woorden die niemand raadt"),
            Unlock::Key(_) => panic!("a passphrase"),
        }
        assert_eq!(from_file("").unlock().map(|_| ()).expect_err("empty").cause, Cause::Failed);
    }

    #[test]
    fn a_new_passphrase_is_not_trivial() {
        assert_eq!(from_file("kort\n").choose().map(|_| ()).expect_err("short").cause, Cause::Usage);
    }
}
