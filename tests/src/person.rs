//! A professional with one device: a real client on a profile in a folder of its own.

use std::net::SocketAddr;

use kring_client::api::{Case, Client, ClientEvent, OpenError};
use kring_client::case::{Body, CaseStatus, ItemDraft, Position, Role};
use kring_client::conversation::Event;
use kring_client::identity::{Profile, RelayAddress, Setup};
use kring_client::store::Unlock;
use kring_protocol::address::ProfessionalAddress;
use zeroize::Zeroizing;

use crate::clock::soon;
use crate::world::{Device, RELAY_NAME, World};

/// More items than any test sends.
const ALL: usize = 10_000;

/// A professional with one device.
pub struct Person {
    /// The client, open.
    pub client: Client,
    /// What it was opened with.
    pub profile: Profile,
    unlock: Unlock,
    _folder: tempfile::TempDir,
}

impl Person {
    /// Sets a device up and connects it.
    ///
    /// # Panics
    /// When that fails.
    pub async fn online(world: &World, address: &str, relay: SocketAddr) -> Self {
        let person = Self::open(setup(world, &world.device(address), relay)).await.expect("a client");
        soon("the first connection", person.client.caught_up()).await.expect("a relay");
        person
    }

    /// Sets a device up and opens it; it connects in the background.
    ///
    /// # Panics
    /// When it cannot be set up.
    pub async fn open(setup: Setup) -> Result<Self, OpenError> {
        let folder = tempfile::tempdir().expect("a folder");
        let unlock = Unlock::Key(Zeroizing::new(rand::random()));
        let profile = Profile::create(&folder.path().join("profile"), &setup, &unlock).expect("a profile");
        let client = Client::open(&profile, &unlock).await?;
        Ok(Self { client, profile, unlock, _folder: folder })
    }

    /// Closes the client and opens it again, as after a start of the computer.
    ///
    /// # Panics
    /// When the store does not open.
    pub async fn restarted(self) -> Self {
        self.put_down().await.taken_up().await
    }

    /// Closes the client; what is on the disk stays, for another process.
    pub async fn put_down(self) -> Resting {
        let Self { client, profile, unlock, _folder } = self;
        soon("the end of the client", client.close()).await;
        Resting { profile, unlock, _folder }
    }

    /// Whose device it is.
    pub fn address(&self) -> ProfessionalAddress {
        self.client.address().professional.clone()
    }

    /// Waits until `look` finds something; it looks again after each event.
    ///
    /// # Panics
    /// When it does not come.
    pub async fn until<T>(&self, what: &str, look: impl AsyncFn() -> Option<T>) -> T {
        let mut events = self.client.events();
        let found = async {
            loop {
                if let Some(found) = look().await {
                    return found;
                }
                assert!(events.next().await.is_some(), "the client was closed");
            }
        };
        soon(&format!("{}: {what}", self.address()), found).await
    }

    /// Opens a case and waits until the relay has it.
    ///
    /// # Panics
    /// When that fails.
    pub async fn new_case(&self, title: &str) -> Case {
        let mut events = self.client.events();
        let case = self.client.new_case(title).await.expect("a case");
        let opened = events.find(|event| match event {
            ClientEvent::Conversation(Event::CaseOpened { case: opened }) if opened == case.id() => Some(()),
            _ => None,
        });
        soon("the case at the relay", opened).await.expect("an open client");
        case
    }

    /// The same case as this device has it; waits until it was added.
    pub async fn joined(&self, case: &Case) -> Case {
        self.until("joining", async || self.client.case(case.id()).await.ok()).await
    }

    /// Sends a text and waits until it is durable at the relay.
    ///
    /// # Panics
    /// When it is not accepted.
    pub async fn say(&self, case: &Case, text: &str) {
        let sent = case.send(ItemDraft::markdown(text)).await.expect("queued");
        soon("the relay's receipt", sent.relayed()).await.expect("accepted");
    }

    /// Adds somebody and waits until it is done.
    ///
    /// # Panics
    /// When somebody was not added.
    pub async fn add(&self, case: &Case, who: &Person, role: Role) {
        let pending = case.add(who.address(), role).await.expect("a command");
        let added = soon("the addition", pending.done()).await.expect("added");
        assert!(added.not_added.is_empty(), "{:?}", added.not_added);
    }

    /// The texts of a case in the log's order.
    ///
    /// # Panics
    /// When they cannot be read.
    pub async fn texts(&self, case: &Case) -> Vec<String> {
        let items = case.items(Position(0), ALL).await.expect("items");
        let text = |body: &Body| body.text().expect("a text").to_owned();
        items.iter().map(|item| text(&item.body)).collect()
    }

    /// Waits until the case has so many texts, and gives them.
    pub async fn has_texts(&self, case: &Case, count: usize) -> Vec<String> {
        let what = format!("{count} texts");
        let enough = async || Some(self.texts(case).await).filter(|texts| texts.len() >= count);
        self.until(&what, enough).await
    }

    /// Waits until the case has exactly these members by name, in any order.
    ///
    /// # Panics
    /// When members cannot be read.
    pub async fn has_members(&self, case: &Case, mut names: Vec<ProfessionalAddress>) {
        names.sort();
        self.until("the members", async || {
            let members = case.members().await.expect("members");
            let mut present: Vec<_> = members.into_iter().map(|member| member.address.professional).collect();
            present.sort();
            (present == names).then_some(())
        })
        .await;
    }

    /// Waits until the case stands so.
    ///
    /// # Panics
    /// When it cannot be read.
    pub async fn has_status(&self, case: &Case, status: CaseStatus) {
        self.until("a status", async || (case.view().await.expect("a case").status == status).then_some(())).await;
    }
}

/// A device on which no client runs.
pub struct Resting {
    /// Where it is.
    pub profile: Profile,
    /// What opens it.
    pub unlock: Unlock,
    _folder: tempfile::TempDir,
}

impl Resting {
    /// Opens the client again.
    ///
    /// # Panics
    /// When the store does not open.
    pub async fn taken_up(self) -> Person {
        let Self { profile, unlock, _folder } = self;
        let client = Client::open(&profile, &unlock).await.expect("the store opens again");
        Person { client, profile, unlock, _folder }
    }
}

/// What a device is set up with.
///
/// # Panics
/// Never: the addresses are well-formed.
pub fn setup(world: &World, device: &Device, relay: SocketAddr) -> Setup {
    let address: RelayAddress = relay.to_string().parse().expect("host and port");
    Setup {
        chain: device.chain.clone(),
        key: device.key.to_der(),
        region_roots: vec![world.root().clone()],
        relay: address.with_name(RELAY_NAME).expect("a name"),
        relay_roots: vec![world.root().clone()],
    }
}
