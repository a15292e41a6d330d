//! What a command prints: for people, or with `--json` one object a line for machines.
//!
//! Every line of either form is one [`Line`]. A reader that goes away (`kring read … | head`) ends the command
//! quietly. Notes and failures go to standard error, so that standard output holds nothing but the answer.

use std::io::{self, Write};

use serde::Serialize;

use crate::happened::{Warning, together};
use crate::lines::visible;
use crate::names::SHORT_ID;
use crate::outcome::{Cause, Failure, Outcome};
use crate::words::say;

/// Something that can be printed. With `--json` it is its serialisation, whose schema is in `docs/cli.md`.
pub(crate) trait Line: Serialize {
    /// Writes it for people.
    fn write(&self, out: &mut dyn Write) -> io::Result<()>;
}

/// Where a command's answer goes, and in which form.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    json: bool,
}

impl Output {
    /// Output in the form asked for.
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether a machine reads it.
    pub(crate) fn json(self) -> bool {
        self.json
    }

    /// Prints a line of the answer.
    pub(crate) fn print(self, line: &impl Line) -> Outcome {
        let mut out = io::stdout().lock();
        written(self.write(&mut out, line))
    }

    /// Prints a text that is the answer as it is; with `--json` as the one field of a line.
    pub(crate) fn plain(self, text: &str) -> Outcome {
        #[derive(Serialize)]
        #[serde(tag = "type", rename = "text")]
        struct Text<'a> {
            text: &'a str,
        }
        impl Line for Text<'_> {
            fn write(&self, out: &mut dyn Write) -> io::Result<()> {
                self.text.lines().try_for_each(|line| writeln!(out, "{}", visible(line)))
            }
        }
        self.print(&Text { text })
    }

    /// A remark beside the answer, on standard error; left out with `--json`.
    pub(crate) fn note(self, text: &str) {
        if !self.json {
            // Nobody is left to tell if standard error is closed.
            let _ = writeln!(io::stderr().lock(), "{text}");
        }
    }

    /// Warns of what happened meanwhile, on standard error: for people in one line what is the same in several cases.
    pub(crate) fn warnings(self, warnings: &[Warning]) {
        if self.json {
            return warnings.iter().for_each(|warning| self.warning(warning));
        }
        for (warning, cases) in together(warnings) {
            if cases > 1 {
                let message = visible(&warning.message);
                self.note(&say!("warning-of-cases", cases = cases, message = message));
            } else {
                self.warning(warning);
            }
        }
    }

    /// Warns of one thing.
    pub(crate) fn warning(self, warning: &Warning) {
        #[derive(Serialize)]
        struct Line<'a> {
            r#type: &'static str,
            event: &'static str,
            #[serde(skip_serializing_if = "Option::is_none")]
            case: Option<String>,
            message: &'a str,
        }
        let Warning { case, name, message } = warning;
        let text = if self.json {
            let line = Line { r#type: "warning", event: name, case: case.map(|case| case.to_hex()), message };
            serde_json::to_string(&line).unwrap_or_default()
        } else {
            let message = visible(message);
            match case {
                Some(case) => say!("warning-of-case", case = &case.to_hex()[..SHORT_ID], message = message),
                None => say!("warning", message = message),
            }
        };
        // Nobody is left to tell if standard error is closed.
        let _ = writeln!(io::stderr().lock(), "{text}");
    }

    /// Tells of a failure, on standard error.
    pub(crate) fn failure(self, failure: &Failure) {
        #[derive(Serialize)]
        struct Error<'a> {
            r#type: &'static str,
            error: Cause,
            exit: u8,
            message: &'a str,
            advice: Option<&'a str>,
        }
        let line = if self.json {
            let error = Error {
                r#type: "error",
                error: failure.cause,
                exit: failure.cause.code(),
                message: &failure.what,
                advice: failure.advice.as_deref(),
            };
            serde_json::to_string(&error).expect("strings and numbers serialise")
        } else {
            failure.to_string()
        };
        let _ = writeln!(io::stderr().lock(), "{line}");
    }

    fn write(self, out: &mut dyn Write, line: &impl Line) -> io::Result<()> {
        if self.json {
            let text = serde_json::to_string(line).expect("lines have string keys and no failing parts");
            writeln!(out, "{text}")?;
        } else {
            line.write(out)?;
        }
        out.flush()
    }
}

/// A reader that went away is no failure; it ends the program at once, with success, as `head` expects.
pub(crate) fn written(result: io::Result<()>) -> Outcome {
    match result {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
        Err(error) => Err(Failure::advised(
            Cause::Failed,
            say!("output-cannot-be-written", reason = error.to_string()),
            say!("output-advice"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Greeting {
        r#type: &'static str,
        whom: &'static str,
    }

    impl Line for Greeting {
        fn write(&self, out: &mut dyn Write) -> io::Result<()> {
            writeln!(out, "hello {}", self.whom)
        }
    }

    #[test]
    fn a_line_has_a_form_for_people_and_one_for_machines() {
        let line = Greeting { r#type: "greeting", whom: "you" };
        let form = |json| {
            let mut out = Vec::new();
            Output::new(json).write(&mut out, &line).expect("a vector takes everything");
            String::from_utf8(out).expect("text")
        };
        assert_eq!(form(false), "hello you\n");
        assert_eq!(form(true), "{\"type\":\"greeting\",\"whom\":\"you\"}\n");
    }
}
