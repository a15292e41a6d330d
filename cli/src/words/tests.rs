//! Both catalogues say everything, with the same arguments, and nothing that is not said anywhere.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use fluent_syntax::ast::{Entry, Expression, InlineExpression, Pattern, PatternElement};
use fluent_syntax::parser::parse;

use super::*;

/// Keys of a catalogue with the arguments that their texts use.
fn keys(language: Language) -> BTreeMap<String, BTreeSet<String>> {
    let mut keys = BTreeMap::new();
    let (_, catalogues) = CATALOGUES[usize::from(language == Language::Nl)];
    for catalogue in catalogues {
        let resource = parse(*catalogue).expect("the catalogue can be read");
        for entry in resource.body {
            match entry {
                Entry::Message(message) => {
                    let mut arguments = BTreeSet::new();
                    collect(&message.value.expect("a text"), &mut arguments);
                    let again = keys.insert(message.id.name.to_owned(), arguments);
                    assert!(again.is_none(), "{} stands twice", message.id.name);
                }
                Entry::Junk { content } => panic!("cannot be read: {content}"),
                Entry::Term(_) => panic!("terms are written out"),
                Entry::Comment(_) | Entry::GroupComment(_) | Entry::ResourceComment(_) => {}
            }
        }
    }
    keys
}

fn collect(pattern: &Pattern<&str>, arguments: &mut BTreeSet<String>) {
    for element in &pattern.elements {
        let PatternElement::Placeable { expression } = element else { continue };
        match expression {
            Expression::Inline(inline) => argument(inline, arguments),
            Expression::Select { selector, variants } => {
                argument(selector, arguments);
                variants.iter().for_each(|variant| collect(&variant.value, arguments));
            }
        }
    }
}

fn argument(inline: &InlineExpression<&str>, arguments: &mut BTreeSet<String>) {
    match inline {
        InlineExpression::VariableReference { id } => drop(arguments.insert(id.name.to_owned())),
        InlineExpression::StringLiteral { .. } => {}
        other => panic!("{other:?} is not used here"),
    }
}

/// Keys that the program's sources say, with the names of their arguments.
fn said() -> BTreeMap<String, BTreeSet<String>> {
    let mut said: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut folders = vec![PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/src"))];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
            if entry.is_dir() {
                folders.push(entry);
            } else if !entry.ends_with("words/tests.rs") && !entry.ends_with("words.rs") {
                read_said(&entry, &mut said);
            }
        }
    }
    said
}

fn read_said(file: &Path, said: &mut BTreeMap<String, BTreeSet<String>>) {
    let source = std::fs::read_to_string(file).expect("text");
    for part in source.split("say!(").skip(1) {
        let Some((key, rest)) = part.trim_start().strip_prefix('"').and_then(|part| part.split_once('"')) else {
            panic!("{}: a key is written out", file.display());
        };
        let mut arguments = BTreeSet::new();
        let (mut depth, mut in_text, mut word, mut at_start) = (0_i32, false, String::new(), false);
        for c in rest.chars() {
            match c {
                '"' => in_text = !in_text,
                _ if in_text => {}
                '(' | '[' | '{' => depth += 1,
                ')' | ']' | '}' if depth == 0 => break,
                ')' | ']' | '}' => depth -= 1,
                ',' if depth == 0 => (word, at_start) = (String::new(), true),
                '=' if depth == 0 && at_start => {
                    arguments.insert(word.trim().replace('_', "-"));
                    at_start = false;
                }
                c if at_start => word.push(c),
                _ => {}
            }
        }
        said.entry(key.to_owned()).or_default().extend(arguments);
    }
}

#[test]
fn both_catalogues_have_the_same_keys_with_the_same_arguments() {
    assert_eq!(keys(Language::En), keys(Language::Nl));
}

#[test]
fn no_key_is_missing_and_none_is_never_said() {
    let (catalogue, said) = (keys(Language::En), said());
    let missing: Vec<_> = said.keys().filter(|key| !catalogue.contains_key(*key)).collect();
    assert!(missing.is_empty(), "said but in no catalogue: {missing:?}");
    let unused: Vec<_> = catalogue.keys().filter(|key| !said.contains_key(*key)).collect();
    assert!(unused.is_empty(), "in the catalogues but never said: {unused:?}");
    for (key, arguments) in &catalogue {
        assert_eq!(&said[key], arguments, "arguments of {key}");
    }
}

#[test]
fn a_text_comes_in_the_chosen_language_with_its_arguments() {
    let (english, dutch) = (Words::of(Language::En), Words::of(Language::Nl));
    let text = |words: &Words, count: i32| words.text("items", &[("count", count.into())]).expect("there");
    assert_eq!((text(&english, 1), text(&english, 2)), ("1 item".to_owned(), "2 items".to_owned()));
    assert_eq!((text(&dutch, 1), text(&dutch, 12_345)), ("1 bericht".to_owned(), "12345 berichten".to_owned()));
    assert_eq!(english.text("no-such-key", &[]), None);
}

#[test]
fn the_argument_goes_before_the_variable_and_that_before_the_locale() {
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let wish = |arguments: &str, variable, locale| wished_by(&words(arguments), variable, locale);
    assert_eq!(wish("kring status --lang nl", Some("en"), Some("en_GB.UTF-8")), Language::Nl);
    assert_eq!(wish("kring --lang=en status", Some("nl"), Some("nl_NL.UTF-8")), Language::En);
    assert_eq!(wish("kring status", Some("nl"), Some("C")), Language::Nl);
    assert_eq!(wish("kring status", None, Some("nl_BE.UTF-8")), Language::Nl);
    assert_eq!(wish("kring status", Some(""), Some("de_DE")), Language::En);
    assert_eq!(wish("kring status", None, None), Language::En);
}
