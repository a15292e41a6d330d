//! A text that a person writes: given as an argument, read from standard input (`-`, or when it is no terminal), or
//! written in the editor of `VISUAL` or `EDITOR`. What is written in the editor lies for that time in a file of the
//! profile's folder that only its owner can read, and that a wipe would take along; what the editor keeps elsewhere (swap
//! files, history) is the editor's.

use std::fs::{self, File, OpenOptions};
use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use kring_client::case::MAX_BODY;
use kring_protocol::ids::DeviceId;

use crate::outcome::{Cause, Failure, Outcome};
use crate::output::Output;
use crate::words::say;

/// The text that is meant.
pub(crate) fn text(given: Option<String>, profile: &Path, begin: &str, output: Output) -> Outcome<String> {
    let text = match given {
        Some(text) if text != "-" => text,
        Some(_) => from_standard_input(output)?,
        None => match editor() {
            Some(editor) if io::stdin().is_terminal() => edited(&editor, profile, begin)?,
            _ => from_standard_input(output)?,
        },
    };
    let text = text.trim_end().to_owned();
    if text.trim().is_empty() {
        return Err(Failure::advised(Cause::Usage, say!("nothing-to-send"), say!("nothing-to-send-advice")));
    }
    Ok(text)
}

/// The content of a file, or of standard input (`-`).
pub(crate) fn file_or_input(file: &Path, output: Output) -> Outcome<String> {
    if file == Path::new("-") {
        return from_standard_input(output);
    }
    fs::read_to_string(file).map_err(|error| Failure::file(&say!("doing-read"), file, &error))
}

/// Reads standard input to its end, as text.
fn from_standard_input(output: Output) -> Outcome<String> {
    if io::stdin().is_terminal() {
        output.note(&say!("type-the-message"));
    }
    let mut bytes = Vec::new();
    // One byte more than fits, so that the library can say that it does not.
    let read = io::stdin().lock().take(MAX_BODY as u64 + 1).read_to_end(&mut bytes);
    read.map_err(|error| {
        Failure::advised(
            Cause::Failed,
            say!("input-cannot-be-read", reason = error.to_string()),
            say!("input-advice"),
        )
    })?;
    let mut text = String::from_utf8(bytes)
        .map_err(|_| Failure::advised(Cause::Usage, say!("not-utf-8"), say!("not-utf-8-advice")))?;
    text.truncate(text.trim_end().len());
    Ok(text)
}

/// The person's editor.
pub(crate) fn editor() -> Option<String> {
    let set = |name| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
    set("VISUAL").or_else(|| set("EDITOR"))
}

/// A file that is gone at the end, whatever happens.
struct Draft(PathBuf);

impl Drop for Draft {
    fn drop(&mut self) {
        // It fails only if the editor has taken it away.
        let _ = fs::remove_file(&self.0);
    }
}

/// What the person makes of a text in the editor.
pub(crate) fn edited(editor: &str, profile: &Path, begin: &str) -> Outcome<String> {
    let path = profile.join(format!("draft-{}.md", DeviceId(rand::random()).to_hex()));
    let unusable = |doing: String, error: io::Error| Failure::file(&doing, &path, &error);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file: File = options.open(&path).map_err(|error| unusable(say!("doing-written"), error))?;
    let draft = Draft(path.clone());
    file.write_all(begin.as_bytes()).map_err(|error| unusable(say!("doing-written"), error))?;
    drop(file);
    // As shells do: the variable may hold options of the editor.
    let mut words = editor.split_whitespace();
    let program = words.next().unwrap_or_default();
    let ended = Command::new(program).args(words).arg(&draft.0).status();
    match ended {
        Ok(status) if status.success() => {
            fs::read_to_string(&draft.0).map_err(|error| unusable(say!("doing-read"), error))
        }
        _ => {
            let what = say!("editor-failed", editor = program);
            Err(Failure::advised(Cause::Usage, what, say!("editor-advice")))
        }
    }
}
