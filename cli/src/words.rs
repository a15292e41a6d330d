//! What a professional sees, in Dutch or English. Every text stands in the Fluent catalogues of `cli/locales` under a key
//! that is the same in both, with the terms of the domain; [`say!`] takes it from the chosen one.
//!
//! The language is that of `--lang`, else of `KRING_LANG`, else of the locale (`LC_ALL`, `LC_MESSAGES`, `LANG`); English
//! where none of them is Dutch. `--json` is the same in every language: codes, ids, UTC; only its `message` and `advice`
//! are meant for people. What administrators and operators see (`kring admin`, `kring relay`, `kring demo`) is English.

pub(crate) mod help;
mod library;

use std::sync::OnceLock;

pub(crate) use fluent_bundle::FluentValue as Value;
use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource};
use unic_langid::LanguageIdentifier;

pub(crate) use self::library::Told;

/// A language of the catalogues.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Language {
    /// English
    En,
    /// Nederlands
    Nl,
}

/// A text from the catalogue, with its arguments: `say!("case-none")`, `say!("sent-relayed", record = 7)`.
macro_rules! say {
    ($key:literal $(, $name:ident = $value:expr)* $(,)?) => {
        $crate::words::text($key, &[$((stringify!($name), $crate::words::Value::from($value))),*])
    };
}
pub(crate) use say;

/// The catalogues, compiled in.
const CATALOGUES: [(Language, &[&str]); 2] = [
    (
        Language::En,
        &[
            include_str!("../locales/en/tool.ftl"),
            include_str!("../locales/en/library.ftl"),
            include_str!("../locales/en/case.ftl"),
            include_str!("../locales/en/work.ftl"),
            include_str!("../locales/en/handover.ftl"),
        ],
    ),
    (
        Language::Nl,
        &[
            include_str!("../locales/nl/tool.ftl"),
            include_str!("../locales/nl/library.ftl"),
            include_str!("../locales/nl/case.ftl"),
            include_str!("../locales/nl/work.ftl"),
            include_str!("../locales/nl/handover.ftl"),
        ],
    ),
];

/// The chosen language's texts.
struct Words {
    language: Language,
    bundle: FluentBundle<FluentResource>,
}

static WORDS: OnceLock<Words> = OnceLock::new();

/// Chooses the language of this process; the first choice stays.
pub(crate) fn choose(language: Language) {
    WORDS.get_or_init(|| Words::of(language));
}

/// The language that the arguments and the surroundings ask for.
pub(crate) fn wished() -> Language {
    let arguments: Vec<String> = std::env::args_os().filter_map(|argument| argument.into_string().ok()).collect();
    let locale = ["LC_ALL", "LC_MESSAGES", "LANG"].into_iter().filter_map(|name| std::env::var(name).ok());
    let first = locale.into_iter().find(|value| !value.is_empty());
    wished_by(&arguments, std::env::var("KRING_LANG").ok().as_deref(), first.as_deref())
}

fn wished_by(arguments: &[String], variable: Option<&str>, locale: Option<&str>) -> Language {
    let given = arguments.iter().enumerate().find_map(|(at, argument)| match argument.strip_prefix("--lang") {
        Some("") => arguments.get(at + 1).map(String::as_str),
        Some(value) => value.strip_prefix('='),
        None => None,
    });
    match given.or(variable.filter(|value| !value.is_empty())).or(locale) {
        Some(wish) if wish.to_lowercase().starts_with("nl") => Language::Nl,
        _ => Language::En,
    }
}

/// The chosen language; English until one is chosen.
pub(crate) fn language() -> Language {
    WORDS.get_or_init(|| Words::of(Language::En)).language
}

/// The text of a key. A key that no catalogue has is a fault of this program, which a test finds.
pub(crate) fn text(key: &str, arguments: &[(&'static str, Value<'_>)]) -> String {
    let words = WORDS.get_or_init(|| Words::of(Language::En));
    words.text(key, arguments).unwrap_or_else(|| key.to_owned())
}

impl Words {
    fn of(language: Language) -> Self {
        let (_, catalogues) = CATALOGUES[usize::from(language == Language::Nl)];
        let identifier: LanguageIdentifier = match language {
            Language::En => "en-GB",
            Language::Nl => "nl-NL",
        }
        .parse()
        .expect("a language tag");
        let mut bundle = FluentBundle::new_concurrent(vec![identifier]);
        // Marks around each argument would show in terminals and in what scripts read.
        bundle.set_use_isolating(false);
        for catalogue in catalogues {
            let resource = FluentResource::try_new((*catalogue).to_owned());
            let resource = resource.unwrap_or_else(|(resource, _)| resource);
            bundle.add_resource(resource).expect("no key stands twice: a test reads all catalogues");
        }
        Self { language, bundle }
    }

    fn text(&self, key: &str, arguments: &[(&'static str, Value<'_>)]) -> Option<String> {
        let pattern = self.bundle.get_message(key)?.value()?;
        let arguments: FluentArgs<'_> =
            arguments.iter().map(|(name, value)| (name.replace('_', "-"), value.clone())).collect();
        let mut errors = Vec::new();
        Some(self.bundle.format_pattern(pattern, Some(&arguments), &mut errors).into_owned())
    }
}

#[cfg(test)]
mod tests;
