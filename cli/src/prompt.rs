//! A line that somebody types, waited for in a way that Ctrl-C ends.
//!
//! Standard input is read on a thread of its own. Whoever waits here is dropped at Ctrl-C; the thread that still
//! reads ends with the program, and what is typed then goes to the shell.

use std::io;

/// The next line of standard input; `None`: there is none any more.
pub(crate) async fn line() -> io::Result<Option<String>> {
    let read = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        Ok((io::stdin().read_line(&mut line)? > 0).then_some(line))
    });
    read.await.unwrap_or_else(|error| Err(io::Error::other(error)))
}
