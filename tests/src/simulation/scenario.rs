//! A told story instead of a random one: the same world in fair weather, with a relay that may lie about everything that
//! it shows to a device.

use kring_client::case::{CaseId, CaseStatus, ItemDraft, ItemId, Position, Role};
use kring_client::conversation::{Action, Command, Connected, Conversation, Event, Input, Settings};
use kring_client::store::Store;
use kring_protocol::address::DeviceAddress;
use kring_protocol::ids::{Epoch, GroupId, Incarnation, Timestamp};
use kring_protocol::message::{Record, Reply, Request};
use kring_protocol::payload::Payload;

use super::Options;
use super::checks::Life;
use super::disk::Disk;
use super::plan::Weather;
use super::play::case_id;
use super::region::{Region, region};
use super::world::World;

/// Something that the relay shows to a device.
#[derive(Clone)]
pub enum Shown {
    /// A frame of an answer.
    Answer(Reply),
    /// A live record of the group.
    Live(Record),
    /// The other way: what a device asks, before the relay sees it.
    Asked(Request),
}

/// What a relay makes of what it should show to a device: nothing, the same, something else, or more.
pub type Lie = Box<dyn FnMut(usize, Shown) -> Vec<Shown>>;

/// A story.
pub struct Scenario {
    world: World,
}

/// The relay's disk as it was once.
pub struct Backup(Disk);

impl Scenario {
    /// Devices that are connected, and no case yet.
    pub fn new(devices: usize) -> Self {
        let options = Options { devices, cases: 1, moves: 0, trace: true };
        let mut world = World::new(1, &options, Weather::default());
        world.truth.cases = vec![case_id(0)];
        world.watched = false;
        let mut scenario = Self { world };
        scenario.pass(10);
        scenario
    }

    /// A case with all devices in it; device 0 coordinates it.
    pub fn together(devices: usize) -> Self {
        let mut scenario = Self::new(devices);
        let case = scenario.case();
        scenario.command(0, Command::NewCase { case, title: "Gezin Proef".to_owned() });
        scenario.pass(10);
        for device in 1..devices {
            let address = scenario.address(device);
            let add = Command::Add {
                case,
                professional: address.professional,
                device: Some(address.device),
                role: Role::Member,
            };
            scenario.command(0, add);
            scenario.pass(10);
        }
        assert!(scenario.agree(&(0..devices).collect::<Vec<_>>()), "all are in the case");
        scenario
    }

    /// The case.
    pub fn case(&self) -> CaseId {
        case_id(0)
    }

    /// Who a device is.
    pub fn address(&self, device: usize) -> DeviceAddress {
        region().person(device).address.clone()
    }

    /// Lets seconds pass.
    pub fn pass(&mut self, seconds: u64) {
        for _ in 0..seconds.div_ceil(10).min(30) {
            self.world.pass((seconds * 1_000).div_ceil(seconds.div_ceil(10).clamp(1, 30)));
            self.world.tick_relay();
        }
    }

    /// Lets days pass, with the relay's retention.
    pub fn pass_days(&mut self, days: u64) {
        for _ in 0..days {
            self.world.wait(24 * 60 * 60 * 1_000);
        }
    }

    /// Gives a command; whether it was taken.
    pub fn command(&mut self, device: usize, command: Command) -> bool {
        self.world.command(device, command)
    }

    /// Has a device say something, and gives it time.
    pub fn say(&mut self, device: usize, text: &str) {
        let (case, item) = (self.case(), ItemId::random());
        let said = self.command(device, Command::Send { case, item, draft: ItemDraft::markdown(text) });
        assert!(said, "device {device} can say something");
        self.pass(5);
    }

    /// What a device shows of the case.
    pub fn texts(&self, device: usize) -> Vec<String> {
        let Some(core) = &self.world.devices[device].core else { return Vec::new() };
        let items = core.items(self.case(), Position(0), usize::MAX).expect("a whole store can be read");
        items.iter().map(|item| item.body.text().unwrap_or_default().to_owned()).collect()
    }

    /// How the case stands on a device.
    pub fn status(&self, device: usize) -> Option<CaseStatus> {
        let core = self.world.devices[device].core.as_ref()?;
        core.case(self.case()).expect("a whole store can be read").map(|view| view.status)
    }

    /// The group and epoch of the case on a device.
    pub fn epoch(&self, device: usize) -> Option<(GroupId, Epoch)> {
        let core = self.world.devices[device].core.as_ref()?;
        let state = core.authenticator(self.case()).expect("a whole store can be read");
        state.map(|(group, epoch, _)| (group, epoch))
    }

    /// Who is in the case, as a device sees it.
    pub fn members(&self, device: usize) -> Vec<DeviceAddress> {
        let Some(core) = &self.world.devices[device].core else { return Vec::new() };
        let members = core.members(self.case()).expect("a whole store can be read");
        members.into_iter().map(|member| member.address).collect()
    }

    /// How much a device has under way.
    pub fn queued(&self, device: usize) -> usize {
        let Some(core) = &self.world.devices[device].core else { return 0 };
        core.outbox(self.case()).expect("a whole store can be read").len()
    }

    /// Whether these are in the same state of the same group.
    pub fn agree(&self, devices: &[usize]) -> bool {
        let state = |device: &usize| {
            let core = self.world.devices[*device].core.as_ref()?;
            core.authenticator(self.case()).expect("a whole store can be read")
        };
        let states: Vec<_> = devices.iter().map(state).collect();
        states.iter().all(|state| state.is_some() && *state == states[0])
    }

    /// What a device's user was told since the last [`Self::forget`].
    pub fn told(&self, device: usize) -> &[Event] {
        &self.world.devices[device].told
    }

    /// Forgets what was told.
    pub fn forget(&mut self) {
        for device in &mut self.world.devices {
            device.told.clear();
        }
    }

    /// Ends a device's connection and makes no other.
    pub fn go_offline(&mut self, device: usize) {
        self.world.devices[device].online = false;
        if self.world.hang_up(device) {
            self.world.feed(device, Input::Disconnected);
        }
    }

    /// Has a device connect.
    pub fn come_back(&mut self, device: usize) {
        self.world.devices[device].online = true;
        self.world.dial(device, 10);
        self.pass(5);
    }

    /// Loses a device's store; its program starts with an empty one.
    pub fn lose_store(&mut self, device: usize) {
        self.put(device, Store::in_memory().expect("a store"));
    }

    /// A copy of a device's store.
    pub fn back_up(&self, device: usize) -> Store {
        let core = self.world.devices[device].core.as_ref().expect("it runs");
        core.copy_store().expect("a whole store is copied")
    }

    /// The same in a store that has just been made.
    pub fn back_up_to(&self, device: usize, new: Store) -> Store {
        let core = self.world.devices[device].core.as_ref().expect("it runs");
        core.copy_store_to(new).expect("a whole store is copied")
    }

    /// Puts a store in the place of a device's.
    pub fn put(&mut self, device: usize, store: Store) {
        self.world.kill(device);
        self.world.devices[device].store = Some(store);
        self.world.devices[device].life = Life::default();
        self.pass(60);
    }

    /// Kills a device's program; it starts again with its store.
    pub fn restart(&mut self, device: usize) {
        self.world.kill(device);
        self.pass(60);
    }

    /// The relay's disk as it is now.
    pub fn back_up_relay(&self) -> Backup {
        Backup(self.world.relay.disk.backup([2; 16]))
    }

    /// Starts the relay from a backup.
    pub fn restore_relay(&mut self, backup: Backup) {
        self.world.relay_down();
        self.world.relay.disk = backup.0;
        self.pass(60);
    }

    /// Starts the relay with an empty disk.
    pub fn lose_relay_disk(&mut self) {
        self.restore_relay(Backup(Disk::new([3; 16])));
    }

    /// A KeyPackage of a device.
    pub fn key_package_of(&self, device: usize) -> Payload {
        key_package(&region(), device)
    }

    /// From now on the relay shows what this makes of it.
    pub fn lie(&mut self, lie: impl FnMut(usize, Shown) -> Vec<Shown> + 'static) {
        self.world.lie = Some(Box::new(lie));
    }

    /// From now on the relay shows what is there.
    pub fn be_honest(&mut self) {
        self.world.lie = None;
    }

    /// From now on it is written down what comes to a device.
    pub fn record(&mut self, device: usize) {
        self.world.recorded = Some((device, Vec::new()));
    }

    /// What was written down, and when it came by the device's clock.
    pub fn recorded(&mut self) -> Vec<(Input, Timestamp)> {
        self.world.recorded.take().map(|(_, inputs)| inputs).unwrap_or_default()
    }

    /// The items that a device shows of the case.
    pub fn items(&self, device: usize) -> Vec<ItemId> {
        let Some(core) = &self.world.devices[device].core else { return Vec::new() };
        let items = core.items(self.case(), Position(0), usize::MAX).expect("a whole store can be read");
        items.iter().map(|item| item.id).collect()
    }

    /// Everything that happened, for a test that fails.
    pub fn trace(&self) -> String {
        self.world.trace.lines.as_deref().unwrap_or_default().join("\n")
    }
}

/// A KeyPackage that somebody else has made under a device's name, certified by another region.
///
/// # Panics
/// When there is no such device.
pub fn key_package_of_another_region(address: &DeviceAddress) -> Payload {
    let other = Region::new("Regio Elders");
    let same = (0..).find(|device| other.person(*device).address == *address).expect("the devices are numbered");
    key_package(&other, same)
}

/// Has a device's program make KeyPackages.
fn key_package(of: &Region, device: usize) -> Payload {
    let store = Store::in_memory().expect("a store");
    let settings = Settings { key_packages: 1, ..Settings::new("relay.example:4433") };
    let credentials = of.credentials(device, &[], of.start);
    let mut core = Conversation::open(store, credentials, settings, of.start).expect("a new store opens");
    let connected = Connected {
        incarnation: Incarnation([1; 16]),
        relay_now: of.start,
        key_packages: 0,
        last_resort: false,
        inbox: 0,
        crls: None,
    };
    let actions = core.handle(Input::Connected(connected), of.start).expect("it connects");
    let made = actions.into_iter().find_map(|action| match action {
        Action::Request { request: Request::PublishKeyPackages(publish), .. } => {
            publish.single_use.into_iter().next()
        }
        _ => None,
    });
    made.expect("it publishes KeyPackages")
}
