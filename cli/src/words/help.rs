//! `--help` in Dutch. The English stands in the declarations of the arguments; the Dutch catalogue replaces what it has a
//! text for: `help` and then the command's path, two hyphens before an argument's name.

use std::collections::BTreeMap;

use clap::Command;
use fluent_syntax::ast::{Entry, PatternElement};
use fluent_syntax::parser::parse;

use super::{Language, language};

/// The Dutch help.
const CATALOGUE: &str = include_str!("../../locales/nl/help.ftl");

/// The command line with its help in the chosen language.
pub(crate) fn localised(command: Command) -> Command {
    match language() {
        Language::En => command,
        Language::Nl => {
            let texts = texts();
            translate(command, "help", &texts)
        }
    }
}

/// The texts by key. They have no arguments.
fn texts() -> BTreeMap<String, String> {
    let resource = parse(CATALOGUE).unwrap_or_else(|(resource, _)| resource);
    let texts = resource.body.into_iter().filter_map(|entry| {
        let Entry::Message(message) = entry else { return None };
        let text = message.value?.elements.into_iter().map(|element| match element {
            PatternElement::TextElement { value } => value,
            PatternElement::Placeable { .. } => "",
        });
        Some((message.id.name.to_owned(), text.collect()))
    });
    texts.collect()
}

fn translate(command: Command, key: &str, texts: &BTreeMap<String, String>) -> Command {
    let mut command = match texts.get(key) {
        // The long form is the short one in Dutch.
        Some(text) => command.about(text.clone()).long_about(text.clone()),
        None => command,
    };
    let arguments: Vec<String> = command.get_arguments().map(|argument| argument.get_id().to_string()).collect();
    for id in arguments {
        let own = texts.get(&format!("{key}--{}", id.replace('_', "-")));
        // What every command takes is said once.
        let text = own.or_else(|| texts.get(&format!("help--{}", id.replace('_', "-")))).cloned();
        if let Some(text) = text {
            command = command.mut_arg(id, |argument| argument.help(text.clone()).long_help(text));
        }
    }
    let subcommands: Vec<String> = command.get_subcommands().map(|command| command.get_name().to_owned()).collect();
    for name in subcommands {
        let key = format!("{key}-{name}");
        command = command.mut_subcommand(name, |subcommand| translate(subcommand, &key, texts));
    }
    command
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::CommandFactory as _;

    use super::*;
    use crate::arguments::Arguments;

    /// What administrators, operators and those who try it out use.
    const ENGLISH: [&str; 4] = ["admin", "relay", "demo", "bench"];

    fn wanted(command: &Command, key: &str, keys: &mut BTreeSet<String>) {
        keys.insert(key.to_owned());
        for argument in command.get_arguments() {
            if !argument.is_hide_set() {
                keys.insert(format!("{key}--{}", argument.get_id().as_str().replace('_', "-")));
            }
        }
        for subcommand in command.get_subcommands() {
            let own = format!("{key}-{}", subcommand.get_name());
            if key == "help" && ENGLISH.contains(&subcommand.get_name()) {
                // In the list of commands it is told in Dutch all the same.
                keys.insert(own);
            } else {
                wanted(subcommand, &own, keys);
            }
        }
    }

    #[test]
    fn every_command_and_argument_of_a_professional_is_explained_in_dutch_and_nothing_else() {
        let mut keys = BTreeSet::new();
        wanted(&Arguments::command(), "help", &mut keys);
        let texts = texts();
        let missing: Vec<_> = keys.iter().filter(|key| !texts.contains_key(*key)).collect();
        assert!(missing.is_empty(), "not explained in Dutch: {missing:#?}");
        let left: Vec<_> = texts.keys().filter(|key| !keys.contains(*key)).collect();
        assert!(left.is_empty(), "explained, but there is no such command or argument: {left:#?}");
    }

    #[test]
    fn the_dutch_command_line_holds_together() {
        let command = translate(Arguments::command(), "help", &texts());
        assert!(command.get_about().is_some_and(|about| about.to_string().contains("casus")));
        command.debug_assert();
    }
}
