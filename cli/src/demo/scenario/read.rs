//! Reads a scenario file. Everything that it says is checked here, so that a scenario that was read can be played.

use std::collections::BTreeMap;
use std::path::Path;

use kring_client::case::{ItemDraft, Role};
use kring_pki::form::{DisplayName, FunctionCode};
use kring_protocol::address::{ProfessionalAddress, is_domain};
use serde::Deserialize;
use toml::Spanned;

use super::check::Stage;
use super::deed::{RawAcknowledge, RawAlert, RawDeed, RawOffer, RawPlan, RawPropose, RawReady, RawSaying};
use super::{Change, Organisation, Person, Said, Scenario, Step, What, Who};
use crate::outcome::{Cause, Failure};

/// Why a scenario cannot be played.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ScenarioError {
    /// Line in the file, from 1.
    pub(crate) line: usize,
    /// What is wrong there.
    pub(crate) problem: String,
}

impl ScenarioError {
    /// The failure of reading the scenario in this file; `None`: the built-in one.
    pub(crate) fn in_file(self, file: Option<&Path>) -> Failure {
        let file = file.map_or_else(|| "the built-in scenario".to_owned(), |file| file.display().to_string());
        Failure::advised(
            Cause::Usage,
            format!("{file}, line {}: {}", self.line, self.problem),
            "the format is described at the top of examples/overdracht.toml",
        )
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawScenario {
    title: Spanned<String>,
    invented: Spanned<bool>,
    organisation: Vec<RawOrganisation>,
    person: Vec<RawPerson>,
    step: Vec<Spanned<RawStep>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawOrganisation {
    id: Spanned<String>,
    name: Spanned<String>,
    domain: Spanned<String>,
    functions: Vec<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPerson {
    id: Spanned<String>,
    name: Spanned<String>,
    organisation: Spanned<String>,
    function: Spanned<String>,
    login: Spanned<String>,
}

/// A step has exactly one of the keys that say what happens, and the details that belong to it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawStep {
    chapter: Option<String>,
    create: Option<Spanned<String>>,
    add: Option<Spanned<String>>,
    at_once: Option<Vec<RawChange>>,
    role_of: Option<Spanned<String>>,
    remove: Option<Spanned<String>>,
    say: Option<Spanned<String>>,
    offline: Option<Spanned<String>>,
    online: Option<Spanned<String>>,
    kill_relay: Option<bool>,
    start_relay: Option<bool>,
    alert: Option<RawAlert>,
    acknowledge: Option<RawAcknowledge>,
    escalated: Option<u64>,
    resolve: Option<RawSaying>,
    plan: Option<Box<RawPlan>>,
    propose: Option<RawPropose>,
    approve: Option<Spanned<String>>,
    offer: Option<Box<RawOffer>>,
    open: Option<Spanned<String>>,
    understand: Option<RawSaying>,
    confirm: Option<Spanned<String>>,
    ready: Option<RawReady>,
    complete: Option<Spanned<String>>,

    at: Option<String>,
    by: Option<Spanned<String>>,
    role: Option<Spanned<String>>,
    text: Option<Spanned<String>>,
    #[serde(default)]
    about: Vec<String>,
    purpose: Option<String>,
    wait: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawChange {
    by: Spanned<String>,
    add: Spanned<String>,
    role: Option<Spanned<String>>,
}

/// Reads a scenario.
pub(crate) fn read(text: &str) -> Result<Scenario, ScenarioError> {
    let raw: RawScenario = toml::from_str(text).map_err(|error| ScenarioError {
        line: error.span().map_or(1, |span| line_of(text, span.start)),
        problem: error.message().to_owned(),
    })?;
    Reader { text, people: BTreeMap::new(), addresses: Vec::new() }.scenario(raw)
}

/// Reads with the file's text at hand, for its lines, and everybody by id.
pub(super) struct Reader<'a> {
    text: &'a str,
    people: BTreeMap<String, Who>,
    pub(super) addresses: Vec<ProfessionalAddress>,
}

impl RawStep {
    /// The deeds of a step, which are one or none.
    fn deeds(&mut self) -> Vec<RawDeed> {
        let deeds = [
            self.alert.take().map(RawDeed::Alert),
            self.acknowledge.take().map(RawDeed::Acknowledge),
            self.escalated.take().map(RawDeed::Escalated),
            self.resolve.take().map(RawDeed::Resolve),
            self.plan.take().map(RawDeed::Plan),
            self.propose.take().map(RawDeed::Propose),
            self.approve.take().map(RawDeed::Approve),
            self.offer.take().map(RawDeed::Offer),
            self.open.take().map(RawDeed::Open),
            self.understand.take().map(RawDeed::Understand),
            self.confirm.take().map(RawDeed::Confirm),
            self.ready.take().map(RawDeed::Ready),
            self.complete.take().map(RawDeed::Complete),
        ];
        deeds.into_iter().flatten().collect()
    }
}

impl Reader<'_> {
    fn scenario(mut self, raw: RawScenario) -> Result<Scenario, ScenarioError> {
        if !raw.invented.get_ref() {
            return Err(self.wrong(&raw.invented, "only invented cases are played: invented = true"));
        }
        if raw.title.get_ref().is_empty() {
            return Err(self.wrong(&raw.title, "a case has a title"));
        }
        let mut places = BTreeMap::new();
        let mut organisations = Vec::new();
        for organisation in raw.organisation {
            if places.insert(organisation.id.get_ref().clone(), organisations.len()).is_some() {
                return Err(self.wrong(&organisation.id, "another organisation has this id"));
            }
            organisations.push(self.organisation(&organisation)?);
        }
        let mut people = Vec::new();
        for person in raw.person {
            if self.people.insert(person.id.get_ref().clone(), Who(people.len())).is_some() {
                return Err(self.wrong(&person.id, "another person has this id"));
            }
            let person = self.person(&person, &places, &organisations)?;
            self.addresses.push(person.address.clone());
            people.push(person);
        }
        let mut steps = Vec::new();
        let mut stage = Stage::empty(&people);
        for step in raw.step {
            let line = line_of(self.text, step.span().start);
            let step = self.step(step.into_inner(), line)?;
            stage.play(&step.what).map_err(|problem| ScenarioError { line, problem: problem.to_string() })?;
            steps.push(step);
        }
        stage.end().map_err(|problem| ScenarioError {
            line: steps.last().map_or(1, |step| step.line),
            problem: problem.to_string(),
        })?;
        Ok(Scenario { title: raw.title.into_inner(), organisations, people, steps })
    }

    fn organisation(&self, raw: &RawOrganisation) -> Result<Organisation, ScenarioError> {
        if !is_domain(raw.domain.get_ref()) {
            return Err(self.wrong(&raw.domain, "not a domain name in lower case with at least one dot"));
        }
        let functions = raw
            .functions
            .iter()
            .map(|function| FunctionCode::new(function.get_ref()).map_err(|error| self.wrong(function, error)));
        Ok(Organisation {
            name: DisplayName::new(raw.name.get_ref()).map_err(|error| self.wrong(&raw.name, error))?,
            domain: raw.domain.get_ref().clone(),
            functions: functions.collect::<Result<_, _>>()?,
        })
    }

    fn person(
        &self,
        raw: &RawPerson,
        places: &BTreeMap<String, usize>,
        organisations: &[Organisation],
    ) -> Result<Person, ScenarioError> {
        let place = *places
            .get(raw.organisation.get_ref())
            .ok_or_else(|| self.wrong(&raw.organisation, "no organisation has this id"))?;
        let organisation = &organisations[place];
        let function = FunctionCode::new(raw.function.get_ref()).map_err(|error| self.wrong(&raw.function, error))?;
        if !organisation.functions.contains(&function) {
            return Err(self.wrong(&raw.function, "the organisation does not have this function"));
        }
        Ok(Person {
            name: DisplayName::new(raw.name.get_ref()).map_err(|error| self.wrong(&raw.name, error))?,
            address: ProfessionalAddress::new(raw.login.get_ref(), &organisation.domain)
                .map_err(|error| self.wrong(&raw.login, error))?,
            organisation: place,
            function,
        })
    }

    fn step(&self, mut raw: RawStep, line: usize) -> Result<Step, ScenarioError> {
        let here = |problem: &str| ScenarioError { line, problem: problem.to_owned() };
        let mut deeds = raw.deeds();
        let verbs = [
            raw.chapter.is_some(),
            raw.create.is_some(),
            raw.add.is_some(),
            raw.at_once.is_some(),
            raw.role_of.is_some(),
            raw.remove.is_some(),
            raw.say.is_some(),
            raw.offline.is_some(),
            raw.online.is_some(),
            raw.kill_relay.is_some(),
            raw.start_relay.is_some(),
        ];
        if verbs.iter().filter(|present| **present).count() + deeds.len() != 1 {
            return Err(here("a step says exactly one thing that happens, such as say = \"…\" or add = \"…\""));
        }
        let is_message = raw.say.is_some();
        let (has_by, has_role) = (raw.by.is_some(), raw.role.is_some());
        let takes_by = raw.add.is_some() || raw.role_of.is_some() || raw.remove.is_some();
        let takes_role = raw.add.is_some() || raw.role_of.is_some();
        if has_by != takes_by {
            return Err(here("`by` belongs to add, role_of and remove, and to nothing else"));
        }
        if has_role && !takes_role {
            return Err(here("`role` belongs to add and role_of"));
        }
        let message_details =
            raw.text.is_some() || !raw.about.is_empty() || raw.purpose.is_some() || raw.wait.is_some();
        if message_details && !is_message {
            return Err(here("`text`, `about`, `purpose` and `wait` belong to say"));
        }
        let by = |by: Option<Spanned<String>>| by.ok_or_else(|| here("`by` is missing")).and_then(|by| self.who(&by));

        let what = if let Some(deed) = deeds.pop() {
            What::Deed(self.deed(deed)?)
        } else if let Some(chapter) = raw.chapter {
            What::Chapter(chapter)
        } else if let Some(who) = raw.create {
            What::Create(self.who(&who)?)
        } else if let Some(who) = raw.add {
            What::Add(Change { by: by(raw.by)?, who: self.who(&who)?, role: self.role(raw.role.as_ref())? })
        } else if let Some(changes) = raw.at_once {
            let change = |change: &RawChange| {
                let (by, who) = (self.who(&change.by)?, self.who(&change.add)?);
                Ok(Change { by, who, role: self.role(change.role.as_ref())? })
            };
            What::AtOnce(changes.iter().map(change).collect::<Result<_, _>>()?)
        } else if let Some(who) = raw.role_of {
            let role = raw.role.as_ref().ok_or_else(|| here("`role` is missing"))?;
            What::SetRole(Change { by: by(raw.by)?, who: self.who(&who)?, role: self.role(Some(role))? })
        } else if let Some(who) = raw.remove {
            What::Remove { by: by(raw.by)?, who: self.who(&who)? }
        } else if let Some(who) = raw.say {
            let text = raw.text.as_ref().ok_or_else(|| here("`text` is missing"))?;
            let said = Said {
                by: self.who(&who)?,
                text: text.get_ref().trim().to_owned(),
                about: raw.about,
                purpose: raw.purpose,
                unawaited: raw.wait == Some(false),
            };
            said.draft().check().map_err(|error| self.wrong(text, error))?;
            What::Say(said)
        } else if let Some(who) = raw.offline {
            What::Offline(self.who(&who)?)
        } else if let Some(who) = raw.online {
            What::Online(self.who(&who)?)
        } else if raw.kill_relay.is_some() {
            What::KillRelay
        } else {
            What::StartRelay
        };
        Ok(Step { line, at: raw.at, what })
    }

    pub(super) fn who(&self, id: &Spanned<String>) -> Result<Who, ScenarioError> {
        self.people.get(id.get_ref()).copied().ok_or_else(|| self.wrong(id, "no person has this id"))
    }

    fn role(&self, role: Option<&Spanned<String>>) -> Result<Role, ScenarioError> {
        let Some(role) = role else { return Ok(Role::Member) };
        match role.get_ref().as_str() {
            "coordinator" => Ok(Role::Coordinator),
            "deputy" => Ok(Role::Deputy),
            "member" => Ok(Role::Member),
            "observer" => Ok(Role::Observer),
            _ => Err(self.wrong(role, "a role is coordinator, deputy, member or observer")),
        }
    }

    pub(super) fn wrong<T>(&self, at: &Spanned<T>, problem: impl ToString) -> ScenarioError {
        ScenarioError { line: line_of(self.text, at.span().start), problem: problem.to_string() }
    }
}

impl Said {
    /// The message as it is handed to the client.
    pub(crate) fn draft(&self) -> ItemDraft {
        ItemDraft {
            about: self.about.clone(),
            purpose: self.purpose.clone(),
            ..ItemDraft::markdown(self.text.clone())
        }
    }
}

/// The line of a byte, from 1.
fn line_of(text: &str, byte: usize) -> usize {
    text.as_bytes()[..byte.min(text.len())].iter().filter(|byte| **byte == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::super::Deed;
    use super::*;

    const CAST: &str = "title = \"T\"\ninvented = true\n\
        [[organisation]]\nid = \"o\"\nname = \"O\"\ndomain = \"o.example\"\nfunctions = [\"police\"]\n\
        [[person]]\nid = \"a\"\nname = \"A\"\norganisation = \"o\"\nfunction = \"police\"\nlogin = \"a\"\n\
        [[person]]\nid = \"b\"\nname = \"B\"\norganisation = \"o\"\nfunction = \"police\"\nlogin = \"b\"\n";

    fn refused(steps: &str) -> (usize, String) {
        let error = read(&format!("{CAST}{steps}")).map(|_| ()).expect_err("must be refused");
        (error.line - CAST.lines().count(), error.problem)
    }

    #[test]
    fn a_small_scenario_is_read() {
        let steps = "[[step]]\ncreate = \"a\"\n[[step]]\nadd = \"b\"\nby = \"a\"\n\
                     [[step]]\nat = \"08:00\"\nsay = \"b\"\ntext = \"\"\"\nhallo\n\"\"\"\n";
        let scenario = read(&format!("{CAST}{steps}")).expect("can be played");
        assert_eq!(scenario.people[1].address.as_str(), "b@o.example");
        assert_eq!(scenario.said().map(|said| said.text.as_str()).collect::<Vec<_>>(), ["hallo"]);
        assert_eq!(scenario.steps[2].at.as_deref(), Some("08:00"));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        for (steps, line, words) in [
            ("[[step]]\ncreate = \"x\"\n", 2, "no person"),
            ("[[step]]\ncreate = \"a\"\nsay = \"a\"\ntext = \"t\"\n", 1, "exactly one"),
            ("[[step]]\ncreate = \"a\"\n[[step]]\nsay = \"b\"\ntext = \"t\"\n", 3, "is not in the case"),
            ("[[step]]\ncreate = \"a\"\n[[step]]\nadd = \"b\"\nby = \"a\"\nrole = \"boss\"\n", 6, "a role is"),
            ("[[step]]\ncreate = \"a\"\nby = \"a\"\n", 1, "`by`"),
            ("[[step]]\ncreate = \"a\"\n[[step]]\nsay = \"a\"\ntext = \" \"\n", 5, "nothing in it"),
            ("[[step]]\ncraete = \"a\"\n", 2, "unknown field"),
            ("[[step]]\ncreate = 1\n", 2, "invalid type"),
            ("[[step]]\ncreate = \"a\n", 2, "string"),
            ("[[step]]\ncreate = \"a\"\n[[step]]\nkill_relay = true\n", 3, "start_relay"),
        ] {
            let (found, problem) = refused(steps);
            assert_eq!(found, line, "{steps}: {problem}");
            assert!(problem.contains(words), "{steps}: {problem}");
        }
    }

    /// Two in the case, and the beginning of what is about to be wrong, with the number of its lines.
    fn refused_deed(deeds: &str) -> (usize, String) {
        let begin = "[[step]]\ncreate = \"a\"\n[[step]]\nadd = \"b\"\nby = \"a\"\n";
        let (line, problem) = refused(&format!("{begin}{deeds}"));
        (line - begin.lines().count(), problem)
    }

    #[test]
    fn what_is_wrong_about_an_alert_a_plan_or_a_handover_is_named_with_its_line() {
        let alert = "[[step]]\n[step.alert]\nby = \"a\"\nlevel = \"high\"\nwhat = \"w\"\naction = \"x\"\n\
                     functions = [\"police\"]\nwithin = 0.5\n";
        let offer = "[[step]]\n[step.offer]\nby = \"a\"\nto = [\"b\"]\nscope = \"s\"\nurgency = \"soon\"\n\
                     situation = \"s\"\nbackground = \"b\"\nassessment = \"a\"\nrecommendation = \"r\"\n\
                     actions = []\ncontingency = \"c\"\n";
        let resolve = "[[step]]\n[step.resolve]\nby = \"a\"\ntext = \"t\"\n";
        for (deeds, line, words) in [
            (format!("{alert}whithin = 3\n"), 9, "unknown field"),
            (alert.replace("high", "hot"), 4, "a level is"),
            (alert.replace("\"w\"", "\" \""), 5, "out of bounds"),
            (alert.to_owned(), 1, "an alert is resolved"),
            (format!("{alert}[[step]]\nescalated = 2\n"), 9, "one by one"),
            (resolve.to_owned(), 1, "no alert"),
            ("[[step]]\napprove = \"a\"\n".to_owned(), 1, "drafted, then proposed"),
            ("[[step]]\napprove = \"a\"\nonline = \"a\"\n".to_owned(), 1, "exactly one"),
            (offer.to_owned(), 1, "completed before"),
            (offer.replace("to = [\"b\"]", "to = [\"x\"]"), 4, "no person"),
            (offer.replace("by = \"a\"\nto = [\"b\"]", "by = \"b\"\nto = [\"a\"]"), 1, "answers for the family"),
            (offer.replace("soon", "now"), 6, "an urgency is"),
            (format!("{offer}coordinator = \"a\"\n"), 13, "one of the receivers"),
            (format!("{offer}[[step]]\ncomplete = \"a\"\n"), 13, "opened, understood"),
            (format!("{offer}[[step]]\nopen = \"a\"\n"), 13, "a receiver"),
        ] {
            let (found, problem) = refused_deed(&deeds);
            assert_eq!(found, line, "{deeds}: {problem}");
            assert!(problem.contains(words), "{deeds}: {problem}");
        }
        let played = format!("[[step]]\ncreate = \"a\"\n{alert}[[step]]\nescalated = 1\n{resolve}");
        assert!(read(&format!("{CAST}{played}")).is_ok(), "the step after the last is that nobody is left");
    }

    #[test]
    fn the_built_in_scenario_is_what_the_demo_promises() {
        let scenario =
            read(super::super::DEFAULT).unwrap_or_else(|error| panic!("{}: {}", error.line, error.problem));
        let lengths: Vec<usize> = scenario.said().map(|said| said.text.len()).collect();
        assert!(lengths.len() >= 60, "{} messages", lengths.len());
        assert!(lengths.iter().filter(|length| **length > 4096).count() >= 2, "{lengths:?}");
        assert!(scenario.people.len() >= 7 && scenario.organisations.len() >= 5);
        let has = |wanted: fn(&What) -> bool| scenario.steps.iter().any(|step| wanted(&step.what));
        assert!(has(|what| matches!(what, What::AtOnce(changes) if changes.len() == 2)));
        assert!(has(|what| matches!(what, What::KillRelay)));
        assert!(has(|what| matches!(what, What::Remove { .. })));
        assert!(has(|what| matches!(what, What::Deed(Deed::Acknowledge { acts: false, .. }))));
        assert!(has(|what| matches!(what, What::Deed(Deed::Escalated(1)))));
        assert!(has(|what| matches!(what, What::Deed(Deed::Complete(_)))));
        let approvals = scenario.steps.iter().filter(|step| matches!(step.what, What::Deed(Deed::Approve(_))));
        assert_eq!(approvals.count(), 2);

        // Somebody is offline for at least a third of what is said.
        let (mut away, mut missed, mut most) = (None, 0, 0);
        for step in &scenario.steps {
            match &step.what {
                What::Offline(who) => (away, missed) = (Some(*who), 0),
                What::Online(_) => away = None,
                What::Say(said) if away.is_some_and(|away| away != said.by) => missed += 1,
                _ => {}
            }
            most = most.max(missed);
        }
        assert!(most * 3 >= lengths.len(), "{most} of {} messages were missed", lengths.len());
    }
}
