//! A device: the real conversation core over a real store, and around it what a driver does. What a driver decides (the
//! order of backlog and live records) is the driver's own code.

use std::collections::{BTreeMap, VecDeque};

use kring_client::conversation::{
    Action, Command, Connected, Conversation, Event as Told, Handled, Input, Settings, StepError, Ticket,
};
use kring_client::simulation::{Follow, Live, Next, Row, RowNext, Subscriptions};
use kring_client::store::Store;
use kring_protocol::address::DeviceAddress;
use kring_protocol::frame;
use kring_protocol::ids::{Epoch, GroupId, Seq, Signature, Subscription, Timestamp};
use kring_protocol::message::{self as wire, Access, Push, ReadInbox, Reply, Request, Unfollow};
use kring_protocol::refusal::{Refusal, Retry};
use kring_server::engine::{HelloFacts, Pushed};
use rand::Rng as _;

use super::checks::{Life, Violation};
use super::clocks::Clock;
use super::region::region;
use super::scenario::Shown;
use super::world::{Event, World, exporter};

/// Inputs that are handed over together, at most.
const MOST_TOGETHER: usize = 6;
/// KeyPackages that a device keeps at the relay: few, so that they run out.
pub(super) const KEY_PACKAGES: usize = 4;

/// One device.
pub(super) struct Device {
    pub(super) index: usize,
    pub(super) address: DeviceAddress,
    /// The running program.
    pub(super) core: Option<Conversation>,
    /// The store while no program runs.
    pub(super) store: Option<Store>,
    pub(super) life: Life,
    pub(super) backup: Option<(Store, Life)>,
    pub(super) online: bool,
    pub(super) clock: Clock,
    /// How many revoked devices its program knows of.
    pub(super) knows_revoked: usize,
    /// The next step with more writes than this fails; whether the program dies of it.
    pub(super) failing: Option<(usize, bool)>,
    /// Its present store has taken the place of a lost or a newer one.
    pub(super) damaged: bool,
    /// What its user was told, in a story.
    pub(super) told: Vec<Told>,
    link: Option<Link>,
    wake: u64,
    /// Answers that the device gives itself.
    here: VecDeque<Input>,
    /// What has come and is not handed over yet.
    waiting: Vec<Input>,
}

/// What of an input is looked at after it was handed over.
struct Shape {
    record: Option<(GroupId, Seq)>,
    /// The request that the relay has refused.
    refused: Option<Ticket>,
}

impl Shape {
    fn of(input: &Input) -> Self {
        let record = if let Input::Record { group, record } = input { Some((*group, record.seq)) } else { None };
        let refused = if let Input::Answered { ticket, answer: Err(_) } = input { Some(*ticket) } else { None };
        Self { record, refused }
    }
}

/// Messages of a group that follow one another, and the stream on which they do.
#[derive(Default)]
struct Lane {
    row: Row,
    stream: Option<u64>,
}

/// A connection, from the device's side.
struct Link {
    number: u64,
    stands: bool,
    subscriptions: Subscriptions,
    streams: BTreeMap<u64, Stream>,
    next_stream: u64,
    lanes: BTreeMap<GroupId, Lane>,
}

/// What an answer is for.
enum Stream {
    Ticket(Ticket),
    /// Messages of a group.
    Row(GroupId),
    Follow(Follow, Subscription),
    Inbox,
    Nothing,
}

impl Device {
    pub(super) fn new(index: usize, clock: Clock, now: Timestamp) -> Self {
        let store = Store::in_memory().expect("a store");
        let mut device = Self {
            index,
            address: region().person(index).address.clone(),
            core: None,
            store: None,
            life: Life::default(),
            backup: None,
            online: true,
            clock,
            knows_revoked: 0,
            failing: None,
            damaged: false,
            told: Vec::new(),
            link: None,
            wake: 0,
            here: VecDeque::new(),
            waiting: Vec::new(),
        };
        device.open(store, &[], now);
        device
    }

    fn open(&mut self, store: Store, revoked: &[usize], now: Timestamp) {
        let settings = Settings { key_packages: KEY_PACKAGES, ..Settings::new("relay.example:4433") };
        let credentials = region().credentials(self.index, revoked, now);
        self.knows_revoked = revoked.len();
        self.core = Some(Conversation::open(store, credentials, settings, now).expect("a whole store opens"));
    }

    /// The store, running or not.
    pub(super) fn take_store(&mut self) -> Option<Store> {
        self.here.clear();
        self.waiting.clear();
        self.core.take().map(Conversation::into_store).or_else(|| self.store.take())
    }

    /// Whether its connection stands.
    pub(super) fn is_connected(&self) -> bool {
        self.link.as_ref().is_some_and(|link| link.stands)
    }
}

impl World {
    /// The time by a device's own clock.
    pub(super) fn time_of(&self, index: usize) -> Timestamp {
        self.devices[index].clock.shows(self.now)
    }

    /// Tries to connect after a while.
    pub(super) fn dial(&mut self, index: usize, after: u64) {
        self.later(after, Event::Dial { device: index });
    }

    pub(super) fn dialled(&mut self, index: usize) {
        let device = &mut self.devices[index];
        if !device.online || device.core.is_none() || device.link.is_some() || self.revoked.contains(&index) {
            return;
        }
        self.counter += 1;
        let number = self.counter;
        let subscriptions = Subscriptions::default();
        let streams = BTreeMap::new();
        let lanes = BTreeMap::new();
        let link = Link { number, stands: false, subscriptions, streams, next_stream: 0, lanes };
        device.link = Some(link);
        let after = self.dice.random_range(10..200);
        self.later(after, Event::Hello { link: number, device: index });
    }

    fn of_link(&self, link: u64) -> Option<usize> {
        let has = |device: &&Device| device.link.as_ref().is_some_and(|own| own.number == link);
        self.devices.iter().find(has).map(|device| device.index)
    }

    pub(super) fn welcomed(&mut self, link: u64, facts: &HelloFacts) {
        let Some(index) = self.of_link(link) else { return };
        if let Some(link) = &mut self.devices[index].link {
            link.stands = true;
        }
        self.note(|| format!("device {index} is connected, link {link}"));
        let connected = Connected {
            incarnation: facts.incarnation,
            relay_now: facts.now,
            key_packages: facts.key_packages,
            last_resort: facts.last_resort,
            inbox: facts.inbox,
            crls: None,
        };
        self.feed(index, Input::Connected(connected));
    }

    /// The device's side of a connection ends; the relay notices later.
    pub(super) fn hang_up(&mut self, index: usize) -> bool {
        let Some(link) = self.devices[index].link.take() else { return false };
        // All of it came on this connection.
        self.devices[index].waiting.clear();
        let after = self.dice.random_range(0..40_000);
        self.later(after, Event::Gone { link: link.number });
        link.stands
    }

    pub(super) fn broken(&mut self, link: u64) {
        let Some(index) = self.of_link(link) else { return };
        if self.hang_up(index) {
            self.note(|| format!("device {index} has lost its connection"));
            self.feed(index, Input::Disconnected);
        }
        let after = self.dice.random_range(500..4_000);
        self.dial(index, after);
    }

    /// The program ends without a word.
    pub(super) fn kill(&mut self, index: usize) {
        if self.devices[index].core.is_none() {
            return;
        }
        self.note(|| format!("device {index}'s program is gone"));
        self.hang_up(index);
        let device = &mut self.devices[index];
        device.wake += 1;
        device.store = device.take_store();
        let after = self.dice.random_range(100..30_000);
        self.later(after, Event::Start { device: index });
    }

    /// The program starts with the store that there is.
    pub(super) fn start_device(&mut self, index: usize) {
        let now = self.time_of(index);
        let device = &mut self.devices[index];
        if device.core.is_some() {
            return;
        }
        let Some(store) = device.store.take() else { return };
        device.open(store, &self.revoked, now);
        self.note(|| format!("device {index}'s program starts"));
        self.observe(index);
        self.feed(index, Input::Tick);
        self.dial(index, 0);
    }

    pub(super) fn woken(&mut self, index: usize, number: u64) {
        if self.devices[index].wake == number {
            self.feed(index, Input::Tick);
        }
    }

    /// Has a device look at its clock soon.
    pub(super) fn nudge(&mut self, index: usize) {
        let number = self.devices[index].wake;
        let after = self.dice.random_range(0..30_000);
        self.later(after, Event::Wake { device: index, number });
    }

    /// Gives a command, behind what waits; whether it was taken.
    pub(super) fn command(&mut self, index: usize, command: Command) -> bool {
        let mut inputs = std::mem::take(&mut self.devices[index].waiting);
        inputs.push(Input::Command(command));
        let taken = self.steps(index, inputs);
        self.feed_here(index);
        taken
    }

    /// Hands something to the core; what comes from the relay sometimes waits for a while, and is taken together with what
    /// comes behind it.
    pub(super) fn feed(&mut self, index: usize, input: Input) {
        let waits = matches!(input, Input::Record { .. } | Input::Answered { .. });
        self.devices[index].waiting.push(input);
        if waits && self.devices[index].waiting.len() < MOST_TOGETHER && self.dice.random_ratio(1, 2) {
            let after = self.dice.random_range(0..300);
            return self.later(after, Event::Work { device: index });
        }
        self.work(index);
    }

    /// Hands over what waits.
    pub(super) fn work(&mut self, index: usize) {
        let inputs = std::mem::take(&mut self.devices[index].waiting);
        self.steps(index, inputs);
        self.feed_here(index);
    }

    fn feed_here(&mut self, index: usize) {
        while let Some(input) = self.devices[index].here.pop_front() {
            self.steps(index, vec![input]);
        }
    }

    /// Hands inputs over together; whether the last one was taken.
    fn steps(&mut self, index: usize, inputs: Vec<Input>) -> bool {
        if self.violation.is_some() || inputs.is_empty() {
            return false;
        }
        let now = self.time_of(index);
        let killed = self.weather.killed;
        let mut failing = self.devices[index].failing.take();
        let mut killed_after = false;
        if failing.is_none() && self.chance(killed) {
            match self.dice.random_range(0..8) {
                0 => killed_after = true,
                writes => failing = Some((writes, true)),
            }
        }
        let Some(core) = self.devices[index].core.as_mut() else { return false };
        if let Some((_, recorded)) = self.recorded.as_mut().filter(|(device, _)| *device == index) {
            recorded.extend(inputs.iter().map(|input| (input.clone(), now)));
        }
        core.fail_after_writes(failing.map(|(writes, _)| writes));
        let mut shown = inputs.iter().map(Shape::of).collect::<Vec<_>>().into_iter();
        let handled = core.handle_all(inputs, now);
        core.fail_after_writes(None);
        let mut taken = false;
        for Handled { inputs, outcome } in handled {
            let shapes: Vec<_> = shown.by_ref().take(inputs).collect();
            taken = false;
            match outcome {
                Ok(actions) => {
                    taken = true;
                    self.devices[index].failing = failing.filter(|(_, killed)| !killed);
                    self.observe(index);
                    self.hear(index, &actions);
                    let records = shapes.iter().filter_map(|shape| shape.record);
                    self.truth.read(index, records, &actions);
                    self.heard(index, &shapes);
                    if !killed_after {
                        self.carry_out(index, actions);
                    }
                }
                Err(StepError::Command(_)) => self.devices[index].failing = failing,
                Err(StepError::Store(error)) => {
                    self.note(|| format!("device {index}'s store fails"));
                    match failing {
                        None => self.fail(Violation::new("a store fails when its disk does", format!("{error}"))),
                        Some((_, true)) => self.kill(index),
                        Some((_, false)) => {
                            self.devices[index].here.clear();
                            if self.hang_up(index) {
                                self.steps(index, vec![Input::Disconnected]);
                            }
                            self.dial(index, 1_000);
                        }
                    }
                    return false;
                }
            }
        }
        if killed_after {
            self.kill(index);
        }
        taken
    }

    /// The core has heard answers: what it sends from now on takes them into account.
    fn heard(&mut self, index: usize, shapes: &[Shape]) {
        let Some(link) = &mut self.devices[index].link else { return };
        for ticket in shapes.iter().filter_map(|shape| shape.refused) {
            for lane in link.lanes.values_mut() {
                lane.row.heard(ticket);
            }
        }
    }

    fn carry_out(&mut self, index: usize, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Tell(told) => self.note(|| format!("device {index} is told {}", name_of(&told))),
                Action::WakeAt(at) => {
                    let own = at.since(self.time_of(index));
                    let device = &mut self.devices[index];
                    let after = device.clock.until(own);
                    device.wake += 1;
                    let number = device.wake;
                    self.later(after, Event::Wake { device: index, number });
                }
                Action::Request { ticket, request } => self.request(index, ticket, request),
                Action::Follow { group, epoch, after } => {
                    self.counter += 1;
                    let number = self.counter;
                    match self.proof(index, group, epoch) {
                        Some(proof) => self.follow(index, Follow::new(number, group, epoch, proof, after)),
                        None => {
                            let reason = Refusal::Forbidden;
                            let unfollowed = Input::Unfollowed { group, epoch, reason };
                            self.devices[index].here.push_back(unfollowed);
                        }
                    }
                }
                Action::Unfollow { group } => {
                    let Some(link) = &mut self.devices[index].link else { continue };
                    if let Some(subscription) = link.subscriptions.end(group) {
                        self.ask(index, Stream::Nothing, Request::Unfollow(Unfollow { subscription }));
                    }
                }
                Action::ReadInbox { after } => {
                    self.ask(index, Stream::Inbox, Request::ReadInbox(ReadInbox { after }));
                }
            }
        }
    }

    fn ask(&mut self, index: usize, stream: Stream, request: Request) {
        let Some(link) = self.devices[index].link.as_mut().filter(|link| link.stands) else { return };
        link.next_stream += 1;
        let (number, on) = (link.number, link.next_stream);
        link.streams.insert(on, stream);
        for shown in self.show(index, Shown::Asked(request)) {
            if let Shown::Asked(request) = shown {
                self.send(number, on, request);
            }
        }
    }

    fn request(&mut self, index: usize, ticket: Ticket, mut request: Request) {
        if !self.devices[index].is_connected() {
            return;
        }
        self.check_sending(index, &request);
        if let Some(access) = access_mut(&mut request) {
            let (group, epoch) = (access.group, access.epoch);
            match self.proof(index, group, epoch) {
                Some(proof) => access.proof = Some(proof),
                None => {
                    let answer = Err(Refusal::Forbidden);
                    return self.devices[index].here.push_back(Input::Answered { ticket, answer });
                }
            }
        }
        match request {
            Request::Submit(submit) => self.submit(index, ticket, submit),
            request => self.ask(index, Stream::Ticket(ticket), request),
        }
    }

    /// Sends a message behind those of its group.
    fn submit(&mut self, index: usize, ticket: Ticket, submit: wire::Submit) {
        let group = submit.access.group;
        let Some(link) = &mut self.devices[index].link else { return };
        match link.lanes.entry(group).or_default().row.offer(ticket, submit) {
            Ok(request) => self.send_in_row(index, group, request),
            Err((ticket, answer)) => self.devices[index].here.push_back(Input::Answered { ticket, answer }),
        }
    }

    fn send_in_row(&mut self, index: usize, group: GroupId, request: Request) {
        let Some(link) = &mut self.devices[index].link else { return };
        let number = link.number;
        let lane = link.lanes.entry(group).or_default();
        let on = *lane.stream.get_or_insert_with(|| {
            link.next_stream += 1;
            link.next_stream
        });
        link.streams.insert(on, Stream::Row(group));
        for shown in self.show(index, Shown::Asked(request)) {
            if let Shown::Asked(request) = shown {
                self.send(number, on, request);
            }
        }
    }

    /// The relay answers the first of the messages on a stream.
    fn answered_in_row(&mut self, index: usize, (link, stream): (u64, u64), group: GroupId, frame: Reply) {
        let Some(own) = &mut self.devices[index].link else { return };
        let Some(lane) = own.lanes.get_mut(&group).filter(|lane| lane.stream == Some(stream)) else { return };
        let answer = if let Reply::Refused(refusal) = frame { Err(refusal) } else { Ok(frame) };
        match lane.row.answered(answer) {
            None => {}
            Some(RowNext::On((ticket, answer))) => {
                if lane.row.awaits() {
                    own.streams.insert(stream, Stream::Row(group));
                } else {
                    lane.row.end_stream();
                    lane.stream = None;
                }
                self.feed(index, Input::Answered { ticket, answer });
            }
            Some(RowNext::Over(outcomes)) => {
                lane.stream = None;
                for (ticket, answer) in outcomes {
                    if self.of_link(link) == Some(index) {
                        self.feed(index, Input::Answered { ticket, answer });
                    }
                }
            }
            Some(RowNext::Again(requests)) => {
                lane.stream = None;
                for request in requests {
                    self.send_in_row(index, group, request);
                }
            }
        }
    }

    fn proof(&self, index: usize, group: GroupId, epoch: Epoch) -> Option<Signature> {
        let device = &self.devices[index];
        let exporter = exporter(self.seed, device.link.as_ref()?.number);
        device.core.as_ref()?.prove(&exporter, group, epoch).expect("a whole store can be read")
    }

    fn follow(&mut self, index: usize, follow: Follow) {
        let Some(link) = self.devices[index].link.as_mut() else { return };
        let subscription = link.subscriptions.begin(&follow);
        let access = Access { group: follow.group(), epoch: follow.epoch(), proof: Some(follow.proof()) };
        let request = wire::Follow { access, subscription, after: follow.after() };
        self.ask(index, Stream::Follow(follow, subscription), Request::Follow(request));
    }

    pub(super) fn again(&mut self, link: u64, follow: Option<Follow>) {
        let Some(index) = self.of_link(link) else { return };
        match follow {
            Some(follow) => self.follow(index, follow),
            None => self.feed(index, Input::InboxWaiting),
        }
    }

    pub(super) fn frame(&mut self, link: u64, stream: u64, frame: Reply) {
        let Some(index) = self.of_link(link) else { return };
        for shown in self.show(index, Shown::Answer(frame)) {
            if let Shown::Answer(frame) = shown {
                self.honest_frame(index, link, stream, frame);
            }
        }
    }

    /// What the relay makes of what it should show.
    fn show(&mut self, index: usize, shown: Shown) -> Vec<Shown> {
        match &mut self.lie {
            Some(lie) => lie(index, shown),
            None => vec![shown],
        }
    }

    fn honest_frame(&mut self, index: usize, link: u64, stream: u64, frame: Reply) {
        let Some(own) = &mut self.devices[index].link else { return };
        let Some(of) = own.streams.remove(&stream) else { return };
        match of {
            Stream::Nothing => {}
            Stream::Row(group) => self.answered_in_row(index, (link, stream), group, frame),
            Stream::Ticket(ticket) => {
                let answer = match frame {
                    Reply::Refused(refusal) => Err(refusal),
                    frame => Ok(vec![frame]),
                };
                self.feed(index, Input::Answered { ticket, answer });
            }
            Stream::Inbox => match frame {
                Reply::Note(note) => {
                    own.streams.insert(stream, Stream::Inbox);
                    self.feed(index, Input::Note(note));
                }
                Reply::Refused(refusal) => match refusal.retry() {
                    Retry::After(wait) => self.later(wait, Event::Again { link, follow: None }),
                    Retry::Reconnect | Retry::Never | Retry::AfterReading => self.broken(link),
                },
                _ => {}
            },
            Stream::Follow(follow, subscription) => self.followed(index, link, stream, follow, subscription, frame),
        }
    }

    fn followed(
        &mut self,
        index: usize,
        link: u64,
        stream: u64,
        follow: Follow,
        subscription: Subscription,
        frame: Reply,
    ) {
        let Some(own) = &mut self.devices[index].link else { return };
        let group = follow.group();
        match frame {
            Reply::Record(record) => {
                if !own.subscriptions.backlog(subscription, &follow, record.seq) {
                    return;
                }
                own.streams.insert(stream, Stream::Follow(follow, subscription));
                self.deliver(index, group, record);
            }
            Reply::Gap(gap) => {
                if !own.subscriptions.backlog(subscription, &follow, gap.to) {
                    return;
                }
                own.streams.insert(stream, Stream::Follow(follow, subscription));
                self.feed(index, Input::Gap { group, gap });
            }
            Reply::Live(live) => {
                self.feed(index, Input::CaughtUp { group, epoch: follow.epoch(), after: live.after });
                loop {
                    let Some(own) = self.devices[index].link.as_mut().filter(|own| own.number == link) else {
                        return;
                    };
                    let Some(next) = own.subscriptions.next_kept(subscription, &follow) else { return };
                    self.next(index, next);
                }
            }
            Reply::Paused(_) => {
                own.subscriptions.finish(subscription, &follow);
            }
            Reply::Refused(refusal) => match refusal.retry() {
                Retry::After(wait) => self.later(wait, Event::Again { link, follow: Some(follow) }),
                Retry::Reconnect => self.broken(link),
                Retry::Never | Retry::AfterReading => {
                    if own.subscriptions.finish(subscription, &follow) {
                        let epoch = follow.epoch();
                        self.feed(index, Input::Unfollowed { group, epoch, reason: refusal });
                    }
                }
            },
            _ => {}
        }
    }

    fn next(&mut self, index: usize, next: Next) {
        match next {
            Next::Record(group, record) => self.deliver(index, group, record),
            Next::Paused => {}
            Next::Again(follow) => self.follow(index, follow),
            Next::Ended(follow, reason) => {
                let (group, epoch) = (follow.group(), follow.epoch());
                self.feed(index, Input::Unfollowed { group, epoch, reason });
            }
        }
    }

    fn deliver(&mut self, index: usize, group: GroupId, record: wire::Record) {
        if self.watched {
            let kept = self.truth.delivered(group, &record);
            self.judge(kept);
        }
        self.feed(index, Input::Record { group, record });
    }

    pub(super) fn pushed(&mut self, link: u64, push: Pushed) {
        let Some(index) = self.of_link(link) else { return };
        if !self.devices[index].is_connected() {
            // The push stream is read once the hello has been answered.
            return self.later(200, Event::Push { link, push });
        }
        let (subscription, live) = match push {
            Pushed::Record { subscription, record } => {
                let record = frame::decode(&record).expect("a record");
                for shown in self.show(index, Shown::Live(record)) {
                    if let Shown::Live(record) = shown {
                        self.live(index, subscription, Live::Record(record));
                    }
                }
                return;
            }
            Pushed::Notice(Push::SubscriptionPaused(paused)) => (paused.subscription, Live::Paused(paused.at)),
            Pushed::Notice(Push::Lagged(lagged)) => (lagged.subscription, Live::Lagged),
            Pushed::Notice(Push::SubscriptionEnded(ended)) => (ended.subscription, Live::Ended(ended.reason)),
            Pushed::Notice(Push::InboxWaiting(_)) => return self.feed(index, Input::InboxWaiting),
            Pushed::Notice(Push::KeyPackagesLow(count)) => {
                return self.feed(index, Input::KeyPackagesLow { left: count.single_use });
            }
            Pushed::Notice(_) => return,
        };
        self.live(index, subscription, live);
    }

    fn live(&mut self, index: usize, subscription: Subscription, live: Live) {
        let Some(own) = &mut self.devices[index].link else { return };
        if let Some(next) = own.subscriptions.pushed(subscription, live) {
            self.next(index, next);
        }
    }
}

/// The access that a request claims, if it is about a group.
fn access_mut(request: &mut Request) -> Option<&mut Access> {
    match request {
        Request::CreateGroup(request) => Some(&mut request.access),
        Request::Submit(request) => Some(&mut request.access),
        Request::SubmitCommit(request) => Some(&mut request.access),
        Request::FindReceipt(request) => Some(&mut request.access),
        Request::RegisterCursor(request) => Some(&mut request.access),
        Request::EraseGroup(request) => Some(&mut request.access),
        _ => None,
    }
}

/// An event's name, without whom it is about.
fn name_of(told: &Told) -> String {
    let text = format!("{told:?}");
    text.split([' ', '(']).next().unwrap_or_default().to_owned()
}
