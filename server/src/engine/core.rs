//! The engine's work as a plain state machine: no thread, no clock, no randomness of its own, so that a simulation can
//! drive it.
//!
//! A batch goes in four steps: every command is decided, in order, against views that already show what was decided
//! before it; everything that was accepted becomes durable in one append; what is new is delivered to its followers; the
//! answers are returned. When the append fails, every answer is the failure, nothing is delivered, and so it stays
//! until the relay is started again: the views are then ahead of the disk.

use kring_protocol::ids::{ClaimId, DeviceId, Timestamp};
use kring_protocol::limits::MAX_CURSOR_MOVES;
use kring_protocol::message::{self as wire, Push};
use kring_protocol::refusal::{Refusal, RefusedRecipient};

use super::access::{AccessCheck, ProvenAccess};
use super::answer::{Answer, Followed, HelloFacts, Next};
use super::command::{Command, Requester};
use super::subscriptions::{Fresh, Subscriptions, Whom};
use super::sweep::Sweep;
use super::thread::Settings;
use super::views::Views;
use crate::rules::device::{self, Device};
use crate::rules::entry::{ClaimPart, Claimed, Entry};
use crate::rules::group::{self, Verdict};
use crate::rules::limits::{CLAIM_LIFETIME, LOW_KEY_PACKAGES, OPEN_CLAIMS_PAUSE};
use crate::rules::pace::Pace;
use crate::rules::quota::Quotas;
use crate::store::{Store, StoreError};

/// Least milliseconds between two checkpoints, however much comes: what a start then has to replay is some seconds of
/// entries.
const CHECKPOINT_LEAST: u64 = 2 * Timestamp::SECOND;
/// Most of them, however little comes. A checkpoint writes the pages of every case in which something was said, so that
/// rare ones spare the disk; what pages alone know, how far cursors have moved, a kill sets back by so much.
const CHECKPOINT_MOST: u64 = 5 * 60 * Timestamp::SECOND;

/// Ticks without any other command after which the relay counts as quiet: a second.
const QUIET: u32 = 5;

/// Fills bytes with randomness.
pub type Randomness = Box<dyn FnMut(&mut [u8]) + Send>;

/// Why a command is not carried out: a rule said no, or the store failed.
#[derive(Debug)]
pub(super) enum Stop {
    Refused(Refusal),
    Failed(StoreError),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}

/// The state machine.
pub struct Core {
    pub(super) views: Views,
    subscriptions: Subscriptions,
    pub(super) quotas: Quotas,
    settings: Settings,
    randomness: Randomness,
    sweep: Sweep,
    pace: Pace,
    /// Records and notices of the present batch.
    fresh: Vec<Fresh>,
    pub(super) notices: Vec<(Whom, Push)>,
    last_checkpoint: Timestamp,
    /// Ticks since anything else was asked.
    quiet: u32,
    failed: Option<Refusal>,
    drained: bool,
}

impl Core {
    /// Brings the views up to date.
    pub fn open(store: Box<dyn Store>, settings: Settings, randomness: Randomness) -> Result<Self, StoreError> {
        let views = Views::open(store, settings.views)?;
        Ok(Self {
            pace: Pace::new(views.newest_time()?),
            views,
            subscriptions: Subscriptions::default(),
            quotas: Quotas::default(),
            settings,
            randomness,
            sweep: Sweep::default(),
            fresh: Vec::new(),
            notices: Vec::new(),
            last_checkpoint: Timestamp(0),
            quiet: 0,
            failed: None,
            drained: false,
        })
    }

    /// Decides commands together, makes what they change durable, delivers, and answers each.
    pub fn handle(&mut self, commands: Vec<Command>, now: Timestamp) -> Vec<Result<Answer, Refusal>> {
        let count = commands.len();
        match self.batch(commands, now) {
            Ok(answers) => answers,
            Err(refusal) => vec![Err(refusal); count],
        }
    }

    fn batch(&mut self, commands: Vec<Command>, now: Timestamp) -> Result<Vec<Result<Answer, Refusal>>, Refusal> {
        if let Some(refusal) = &self.failed {
            // Nothing can be checkpointed any more, so that a drain has nothing to wait for.
            self.drained |= commands.iter().any(|command| matches!(command, Command::Drain));
            return Err(refusal.clone());
        }
        self.quotas.turn(now);
        let (mut ticked, mut drain) = (false, false);
        let mut answers = Vec::with_capacity(commands.len());
        for command in commands {
            let tick = matches!(command, Command::Tick);
            ticked |= tick;
            self.quiet = if tick { self.quiet.saturating_add(1) } else { 0 };
            drain |= matches!(command, Command::Drain);
            answers.push(match self.decide(command, now) {
                Ok(answer) => Ok(answer),
                Err(Stop::Refused(refusal)) => Err(refusal),
                Err(Stop::Failed(error)) => return Err(self.fail(error)),
            });
        }
        self.views.commit().map_err(|error| self.fail(error))?;
        for fresh in self.fresh.drain(..) {
            self.subscriptions.deliver(&fresh);
        }
        for (whom, push) in self.notices.drain(..) {
            self.subscriptions.notify(&whom, &push);
        }
        self.subscriptions.flush();
        if ticked {
            self.tick(now).map_err(|error| self.fail(error))?;
            self.subscriptions.flush();
        }
        if drain {
            self.views.checkpoint_all().map_err(|error| self.fail(error))?;
            self.drained = true;
        }
        self.views.evict();
        Ok(answers)
    }

    fn fail(&mut self, error: StoreError) -> Refusal {
        tracing::error!(%error, "the store failed; nothing is accepted until the relay is started again");
        self.fresh.clear();
        self.notices.clear();
        let refusal = match error {
            StoreError::DiskFull => Refusal::DiskFull,
            StoreError::Disk(_) | StoreError::Corrupt | StoreError::Poisoned => Refusal::StoreFailed,
        };
        self.failed.insert(refusal).clone()
    }

    /// The store failed; nothing is accepted any more.
    pub fn has_failed(&self) -> bool {
        self.failed.is_some()
    }

    /// Whether a drain has ended.
    pub fn is_drained(&self) -> bool {
        self.drained
    }

    /// Checkpoints everything, unless the store has failed: then the journal alone is what counts.
    pub fn close(&mut self) {
        if self.failed.is_none()
            && let Err(error) = self.views.checkpoint_all()
        {
            self.fail(error);
        }
    }

    fn checkpoint_is_due(&self, now: Timestamp) -> bool {
        let store = self.views.store();
        let entries = store.tail().0 - store.checkpointed().0;
        // Pages that wait stay in memory, those of cursors that have moved too.
        let enough = entries.max(self.views.dirty()) >= self.settings.checkpoint_after;
        let since = now.since(self.last_checkpoint);
        since >= CHECKPOINT_MOST || (enough && since >= CHECKPOINT_LEAST) || self.last_checkpoint > now
    }

    fn tick(&mut self, now: Timestamp) -> Result<(), StoreError> {
        if self.checkpoint_is_due(now) {
            self.last_checkpoint = now;
            self.views.begin_checkpoint();
        }
        self.views.step()?;
        if self.quiet >= QUIET {
            // It takes as long as a start: nobody is kept waiting where nobody asks.
            self.views.renew()?;
        }
        let doubted = self.pace.doubted();
        if let Some(now) = self.pace.step(now) {
            for group in self.sweep.step(&mut self.views, now)? {
                self.subscriptions.end(group, &Refusal::Forbidden);
            }
        }
        if doubted == 0 && self.pace.doubted() > Timestamp::DAY {
            let days = self.pace.doubted() / Timestamp::DAY;
            tracing::warn!(
                days,
                "the clock is far ahead of what was written last; check it: old records begin to expire"
            );
        }
        Ok(())
    }

    fn decide(&mut self, command: Command, now: Timestamp) -> Result<Answer, Stop> {
        match command {
            Command::Connect { requester, outbound } => {
                let facts = self.hello(&requester, now)?;
                self.subscriptions.connect(&requester, outbound);
                Ok(facts)
            }
            Command::Disconnect(connection) => {
                self.subscriptions.disconnect(connection);
                Ok(Answer::Done)
            }
            Command::Access { group, epoch } => {
                let key = self.views.head(group)?.and_then(|head| head.key(epoch));
                Ok(Answer::Access(AccessCheck::new(group, epoch, key)))
            }
            Command::CreateGroup { device, access, request } => self.create(device, access, &request, now),
            Command::Submit { access, request } => self.submit(access, &request, now),
            Command::SubmitInRow { row, .. } if row.is_broken() => Err(Refusal::Busy { after_ms: 0 }.into()),
            Command::SubmitInRow { row, access, request } => {
                let answer = self.submit(access, &request, now);
                if answer.is_err() {
                    row.break_off();
                }
                answer
            }
            Command::SubmitCommit { access, request } => self.commit(access, &request, now),
            Command::FindReceipt { access, request } => {
                let earlier = self.views.earlier(access, request.operation)?;
                let head = self.views.head(access.group)?.ok_or(Refusal::Forbidden)?;
                Ok(Answer::Receipt(head.receipt(access, &request, earlier)?))
            }
            Command::Read { access, after, limit } => {
                Ok(Answer::Stretch(self.views.stretch(access, after, limit)?.0))
            }
            Command::Follow { access, connection, subscription, after, limit } => {
                self.subscriptions.admit(connection, subscription, access.group)?;
                let (stretch, ended) = self.views.stretch(access, after, limit)?;
                let next = match ended {
                    _ if stretch.through < stretch.head => Next::More,
                    Some(at) => Next::Paused(at),
                    None => {
                        let through = stretch.through;
                        #[cfg(feature = "planted-faults")]
                        let through = match crate::planted::is(crate::planted::Fault::MissBeforeLive) {
                            true => through.next(),
                            false => through,
                        };
                        self.subscriptions.follow(connection, subscription, access.group, through);
                        Next::Live
                    }
                };
                Ok(Answer::Followed(Followed { stretch, next }))
            }
            Command::Unfollow { connection, subscription } => {
                self.subscriptions.unfollow(connection, subscription);
                Ok(Answer::Done)
            }
            Command::RegisterCursor { access, request } => {
                let head = self.views.head(access.group)?.ok_or(Refusal::Forbidden)?;
                let entry = head.register(access, &request, now)?;
                self.write_if(entry)
            }
            Command::MoveCursors(request) => self.move_cursors(&request, now),
            Command::PublishKeyPackages { requester, request } => self.publish(&requester, &request, now),
            Command::ClaimKeyPackages { requester, request } => self.claim(&requester, &request, now),
            Command::SendNote { sender, request } => self.send_note(sender, &request, now),
            Command::ReadInbox { requester, after, limit } => {
                self.device_of(&requester)?;
                Ok(Answer::Inbox(self.views.inbox(requester.device, after, limit)?))
            }
            Command::AcknowledgeInbox { requester, through } => {
                let entry = self.device_of(&requester)?.acknowledge(requester.device, through);
                self.write_if(entry)
            }
            Command::EraseGroup(access) => {
                let head = self.views.head(access.group)?.ok_or(Refusal::Forbidden)?;
                let entry = head.erase(access, now)?;
                self.write_if(entry)
            }
            Command::PublishCrl(list) => self.take_crl(&list),
            Command::ReadCrls(known) => self.newer_lists(&known),
            Command::ReadCrl(list) => self.read_crl(list),
            Command::Mailbox(command) => self.mailbox_command(command, now),
            Command::SearchDirectory { device, request } => self.search(device, &request, now),
            Command::Sweep => {
                self.sweep.restart();
                self.pace.confirm();
                // A pass looks at what a checkpoint covers.
                self.last_checkpoint = Timestamp(0);
                Ok(Answer::Done)
            }
            Command::Tick | Command::Drain => Ok(Answer::Done),
        }
    }

    pub(super) fn write_if(&mut self, entry: Option<Entry>) -> Result<Answer, Stop> {
        if let Some(entry) = entry {
            self.views.write(&entry)?;
        }
        Ok(Answer::Done)
    }

    /// What is known of the requester's device, if it is the requester's.
    fn device_of(&mut self, requester: &Requester) -> Result<Device, Stop> {
        let device = self.views.device(requester.device)?.map(|device| device.clone()).unwrap_or_default();
        device.admit(&requester.professional)?;
        Ok(device)
    }

    fn hello(&mut self, requester: &Requester, now: Timestamp) -> Result<Answer, Stop> {
        let incarnation = self.views.store().incarnation();
        self.require_not_revoked(requester)?;
        let crls = self.views.revocations()?.digest();
        let device = self.device_of(requester)?;
        let count = device.count();
        Ok(Answer::Hello(HelloFacts {
            incarnation,
            now,
            key_packages: count.single_use,
            last_resort: count.last_resort,
            inbox: device.waiting(),
            crls,
        }))
    }

    fn create(
        &mut self,
        device: DeviceId,
        access: ProvenAccess,
        request: &wire::CreateGroup,
        now: Timestamp,
    ) -> Result<Answer, Stop> {
        let verdict = group::create(self.views.head(access.group)?.as_deref(), access, request, now)?;
        match verdict {
            Verdict::Again(receipt) => Ok(Answer::Receipt(receipt)),
            Verdict::Write(entry) => {
                self.quotas.may_create(device, &self.settings.limits, now)?;
                self.views.write(&entry)?;
                self.quotas.created(device);
                Ok(Answer::Receipt(wire::Receipt { seq: kring_protocol::ids::Seq(0), at: now }))
            }
        }
    }

    fn submit(&mut self, access: ProvenAccess, request: &wire::Submit, now: Timestamp) -> Result<Answer, Stop> {
        self.views.head(access.group)?.ok_or(Refusal::Forbidden)?.admit(access)?;
        let formed = group::form(access, &request.message, self.settings.max_message)?;
        let earlier = self.views.earlier(access, request.operation)?;
        let head = self.views.head(access.group)?.ok_or(Refusal::Forbidden)?;
        let verdict = head.submit(access, request, &formed, earlier, now)?;
        self.append(verdict)
    }

    fn commit(&mut self, access: ProvenAccess, request: &wire::SubmitCommit, now: Timestamp) -> Result<Answer, Stop> {
        self.views.head(access.group)?.ok_or(Refusal::Forbidden)?.admit(access)?;
        let formed = group::form(access, &request.message, self.settings.max_message)?;
        group::bounded(request)?;
        let refused = self.recipients(request, now)?;
        let earlier = self.views.earlier(access, request.operation)?;
        let head = self.views.head(access.group)?.ok_or(Refusal::Forbidden)?;
        let verdict = head.commit(access, request, &formed, earlier, refused, now)?;
        self.append(verdict)
    }

    /// Recipients of a bundle that stand in its way.
    fn recipients(&mut self, request: &wire::SubmitCommit, now: Timestamp) -> Result<Vec<RefusedRecipient>, Stop> {
        let mut refused = Vec::new();
        for (index, welcome) in request.welcomes.iter().enumerate() {
            let most = kring_protocol::limits::MAX_NOTE;
            if welcome.sealed.len() > most {
                return Err(Refusal::TooLarge { limit: most as u64 }.into());
            }
            // One claim is one place.
            let repeated = request.welcomes[..index].iter().any(|earlier| earlier.claim == welcome.claim);
            let placed = match self.views.device(welcome.device)? {
                Some(device) if !repeated => device.place(welcome.claim, now),
                _ => Err(RefusedRecipient::NO_CLAIM),
            };
            if let Err(reason) = placed {
                refused.push(RefusedRecipient { claim: welcome.claim, device: welcome.device, reason });
            }
        }
        Ok(refused)
    }

    fn append(&mut self, verdict: Verdict) -> Result<Answer, Stop> {
        let entry = match verdict {
            Verdict::Again(receipt) => return Ok(Answer::Receipt(receipt)),
            Verdict::Write(entry) => entry,
        };
        self.views.write(&entry)?;
        let Entry::Appended(appended) = entry else { unreachable!("submissions append") };
        let receipt = wire::Receipt { seq: appended.seq, at: appended.at };
        for welcome in appended.commit.iter().flat_map(|part| &part.welcomes) {
            self.quotas.used(welcome.claim);
            self.tell_inbox(welcome.device)?;
        }
        self.fresh.push(Fresh {
            group: appended.group,
            seq: appended.seq,
            record: appended.record.0,
            is_commit: appended.commit.is_some(),
        });
        Ok(Answer::Receipt(receipt))
    }

    fn tell_inbox(&mut self, device: DeviceId) -> Result<(), Stop> {
        if let Some(known) = self.views.device(device)? {
            let waiting = Push::InboxWaiting(wire::InboxWaiting { through: known.newest() });
            self.notices.extend(known.address(device).map(|address| (Whom::Device(address), waiting)));
        }
        Ok(())
    }

    fn move_cursors(&mut self, request: &wire::MoveCursors, now: Timestamp) -> Result<Answer, Stop> {
        if request.moves.len() > MAX_CURSOR_MOVES {
            return Err(Refusal::TooMany { limit: MAX_CURSOR_MOVES as u64 }.into());
        }
        for change in &request.moves {
            if !self.views.head(change.group)?.is_some_and(|head| head.has_cursor(change.cursor)) {
                return Err(Refusal::UnknownCursor.into());
            }
        }
        for change in &request.moves {
            if let Some(head) = self.views.head(change.group)? {
                head.move_cursor(change, now);
                self.views.touched(change.group);
            }
        }
        Ok(Answer::Done)
    }

    fn publish(
        &mut self,
        requester: &Requester,
        request: &wire::PublishKeyPackages,
        now: Timestamp,
    ) -> Result<Answer, Stop> {
        self.require_not_revoked(requester)?;
        let unknown = Device::default();
        let known = self.views.device(requester.device)?.map_or(&unknown, |device| &*device);
        let (listing, professional) = (&requester.listing, &requester.professional);
        let entry = device::publish(known, requester.device, professional, listing, request)?;
        if let Some(professional) = self.views.professional_page(&requester.professional)? {
            professional.admit(requester.device)?;
        }
        let Entry::Published(published) = &entry else { unreachable!("publications publish") };
        let count = published.single_use.len() + usize::from(published.last_resort.is_some());
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        self.quotas.may_publish(requester.device, count, &self.settings.limits, now)?;
        self.views.write(&entry)?;
        self.quotas.published(requester.device, count);
        let count = self.views.device(requester.device)?.map_or(unknown.count(), |device| device.count());
        Ok(Answer::KeyPackageCount(count))
    }

    fn claim(
        &mut self,
        requester: &Requester,
        request: &wire::ClaimKeyPackages,
        now: Timestamp,
    ) -> Result<Answer, Stop> {
        let mut devices = self.views.professional(&request.professional)?;
        if let Some(only) = request.device {
            // A revoked device is no longer listed, and is still to be told apart from one that never was.
            let revoked = self
                .views
                .device(only)?
                .is_some_and(|device| device.is_revoked() && device.professional() == Some(&request.professional));
            devices.retain(|device| *device == only);
            devices.extend((revoked && devices.is_empty()).then_some(only));
        }
        if devices.is_empty() {
            return Err(Refusal::UnknownProfessional.into());
        }
        self.quotas.may_claim(&requester.address(), &request.professional, &self.settings.limits, now)?;
        let claimer = requester.device;
        let until = now.plus(CLAIM_LIFETIME);
        let mut answer = wire::Claimed { devices: Vec::new(), refused: Vec::new() };
        let mut claims = Vec::new();
        for device in devices {
            let offer = self.views.device(device)?.map_or(Err(RefusedRecipient::NO_CLAIM), |known| known.offer(now));
            let offer = match offer {
                // The claimer's own share of the inbox.
                Ok(_) if !self.quotas.may_open(claimer, device, now) => Err(RefusedRecipient::OPEN_CLAIMS),
                offer => offer,
            };
            let offer = match offer {
                Ok(offer) => offer,
                Err(reason) => {
                    answer.refused.push(RefusedRecipient { claim: ClaimId([0; 16]), device, reason });
                    continue;
                }
            };
            let Some(Entry::Published(published)) = self.views.entry(offer.position)? else {
                return Err(StoreError::Corrupt.into());
            };
            let candidates = if offer.last_resort { &[][..] } else { &published.single_use };
            let found = candidates.iter().chain(&published.last_resort).find(|it| group::hash_of(it) == offer.hash);
            let key_package = found.ok_or(StoreError::Corrupt)?.clone();
            let mut claim = ClaimId([0; 16]);
            (self.randomness)(&mut claim.0);
            let spent = (!offer.last_resort).then_some(offer.hash);
            #[cfg(feature = "planted-faults")]
            let spent = spent.filter(|_| !crate::planted::is(crate::planted::Fault::SpendNothing));
            claims.push(ClaimPart { device, claim, spent });
            answer.devices.push(wire::ClaimedDevice { device, claim, key_package, until });
        }
        if claims.is_empty() {
            // A share comes free with each addition that is made: nobody need give one up.
            let later = answer.refused.iter().any(|refused| refused.reason == RefusedRecipient::OPEN_CLAIMS);
            let pause = Refusal::RateLimited { after_ms: OPEN_CLAIMS_PAUSE };
            return if later { Err(pause.into()) } else { Ok(Answer::Claimed(answer)) };
        }
        self.quotas.claimed(claimer, &request.professional, u32::try_from(claims.len()).unwrap_or(u32::MAX));
        for part in &claims {
            self.quotas.opened(claimer, part.device, part.claim, until);
        }
        let devices: Vec<DeviceId> = claims.iter().map(|part| part.device).collect();
        self.views.write(&Entry::Claimed(Claimed { at: now, until, claims }))?;
        for device in devices {
            let Some(known) = self.views.device(device)? else { continue };
            let count = known.count();
            if count.single_use < LOW_KEY_PACKAGES as u64 {
                let low = known.address(device).map(|it| (Whom::Device(it), Push::KeyPackagesLow(count)));
                self.notices.extend(low);
            }
        }
        Ok(Answer::Claimed(answer))
    }

    fn send_note(&mut self, sender: DeviceId, request: &wire::SendNote, now: Timestamp) -> Result<Answer, Stop> {
        let unknown = Device::default();
        let entry = self.views.device(request.device)?.map_or(&unknown, |device| &*device).note(request, now)?;
        let Some(entry) = entry else { return Ok(Answer::Done) };
        self.quotas.may_send(sender, &self.settings.limits, now)?;
        self.views.write(&entry)?;
        self.quotas.sent(sender);
        self.tell_inbox(request.device)?;
        Ok(Answer::Done)
    }
}
