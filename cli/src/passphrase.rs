//! The passphrase that opens a profile's store, or an administrator's keys: from a file, or asked for at the terminal. Never an argument, since
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
    /// File whose first line is the passphrase of the store, or of an administrator's keys; without it you are asked.
    #[arg(long, env = "KRING_PASSPHRASE_FILE", value_name = "FILE", global = true)]
    passphrase_file: Option<PathBuf>,
}

impl PassphraseArguments {
    /// The passphrase of a store that exists.
    pub(crate) fn unlock(&self) -> Outcome<Unlock> {
        Ok(Unlock::Passphrase(self.existing(&say!("ask-passphrase"))?))
    }

    /// A passphrase for a new store, asked for twice.
    pub(crate) fn choose(&self) -> Outcome<Unlock> {
        Ok(Unlock::Passphrase(self.chosen(&say!("ask-new-passphrase"))?))
    }

    /// These arguments, with a file that goes before their own.
    pub(crate) fn or_before(&self, file: Option<&PathBuf>) -> Self {
        Self { passphrase_file: file.or(self.passphrase_file.as_ref()).cloned() }
    }

    /// Whether somebody is asked, who may answer otherwise the next time.
    pub(crate) fn asks(&self) -> bool {
        self.passphrase_file.is_none()
    }

    /// A passphrase of something that exists.
    pub(crate) fn existing(&self, prompt: &str) -> Outcome<Zeroizing<String>> {
        match &self.passphrase_file {
            Some(file) => first_line(file),
            None => ask(prompt),
        }
    }

    /// A passphrase for something new, asked for twice.
    pub(crate) fn chosen(&self, prompt: &str) -> Outcome<Zeroizing<String>> {
        let passphrase = self.existing(prompt)?;
        if self.asks() && *ask(&say!("ask-once-more"))? != *passphrase {
            return Err(Failure::advised(Cause::Usage, say!("passphrases-differ"), say!("try-again")));
        }
        if passphrase.chars().count() < SHORTEST {
            return Err(Failure::advised(
                Cause::Usage,
                say!("passphrase-short", least = SHORTEST),
                say!("passphrase-short-advice"),
            ));
        }
        Ok(passphrase)
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
