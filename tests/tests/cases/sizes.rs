//! What the relay can tell from sizes: nothing about chat. The client's core, without its driver, talks to a real
//! relay over a bare connection, so that every record can be weighed.

use std::collections::BTreeSet;

use kring_client::case::{CaseId, ItemDraft, ItemId};
use kring_client::conversation::{Action, Command, Connected, Conversation, Input, Settings};
use kring_client::mls::DeviceCredentials;
use kring_client::store::{Store, Unlock};
use kring_pki::verify::{Crls, TrustAnchors};
use kring_protocol::ids::{Epoch, GroupId, Seq, Subscription};
use kring_protocol::message::{Access, Follow, Read, Reply, Request};
use kring_tests::clock;
use kring_tests::relay;
use kring_tests::wire::{Manner, Wire};
use kring_tests::world::World;
use zeroize::Zeroizing;

/// A client's core and the connection on which a test carries out what it wants.
struct Core {
    conversation: Conversation,
    wire: Wire,
    /// What is followed, and the last record fed.
    followed: Option<(GroupId, Epoch, Seq)>,
}

impl Core {
    /// Feeds an input and carries out all that follows from it.
    async fn feed(&mut self, input: Input) {
        let mut inputs = vec![input];
        while !inputs.is_empty() {
            let actions = self.conversation.handle(inputs.remove(0), clock::now()).unwrap();
            for action in actions {
                match action {
                    Action::Request { ticket, request } => {
                        let replies = self.wire.ask_all(self.proven(request)).await.unwrap();
                        inputs.push(Input::Answered { ticket, answer: Ok(replies) });
                    }
                    Action::Follow { group, epoch, after } => {
                        let access = self.access(group, epoch);
                        let follow = Follow { access, subscription: Subscription(1), after };
                        for reply in self.wire.ask_all(follow).await.unwrap() {
                            match reply {
                                Reply::Record(record) => inputs.push(Input::Record { group, record }),
                                Reply::Live(live) => {
                                    self.followed = Some((group, epoch, live.after));
                                    inputs.push(Input::CaughtUp { group, epoch, after: live.after });
                                }
                                other => panic!("{other:?}"),
                            }
                        }
                    }
                    Action::Unfollow { .. } | Action::ReadInbox { .. } | Action::Tell(_) | Action::WakeAt(_) => {}
                }
            }
        }
    }

    /// Feeds the records that a driver would have had pushed.
    async fn feed_new_records(&mut self) {
        let (group, epoch, after) = self.followed.expect("a group that is followed");
        for record in self.records(Some(after)).await {
            self.followed = Some((group, epoch, record.seq));
            self.feed(Input::Record { group, record }).await;
        }
    }

    async fn records(&self, after: Option<Seq>) -> Vec<kring_protocol::message::Record> {
        let (group, epoch, _) = self.followed.expect("a group that is followed");
        let read = Read { access: self.access(group, epoch), after, limit: 1 << 22 };
        let replies = self.wire.ask_all(read).await.unwrap();
        replies
            .into_iter()
            .filter_map(|reply| if let Reply::Record(record) = reply { Some(record) } else { None })
            .collect()
    }

    fn access(&self, group: GroupId, epoch: Epoch) -> Access {
        let exporter = self.wire.exporter();
        Access { group, epoch, proof: self.conversation.prove(&exporter, group, epoch).unwrap() }
    }

    /// A request with the proof that the core leaves out.
    fn proven(&self, mut request: Request) -> Request {
        let access = match &mut request {
            Request::CreateGroup(request) => &mut request.access,
            Request::Submit(request) => &mut request.access,
            Request::SubmitCommit(request) => &mut request.access,
            Request::RegisterCursor(request) => &mut request.access,
            Request::FindReceipt(request) => &mut request.access,
            _ => return request,
        };
        *access = self.access(access.group, access.epoch);
        request
    }
}

#[tokio::test]
async fn chat_of_one_to_two_hundred_bytes_makes_records_of_one_size_on_the_relay() {
    let world = World::new();
    let relay = relay::here(&world).await;
    let device = world.device("anne@politie.example");
    let wire = Wire::connect(&world, Manner::proper(&device), relay.addr).await.unwrap();
    let welcome = wire.hello().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create(folder.path(), &Unlock::Key(Zeroizing::new([7; 32]))).unwrap();
    let credentials = DeviceCredentials {
        chain: device.chain.clone(),
        key: device.key.ed25519_seed().unwrap(),
        anchors: TrustAnchors::from_der([world.root()]).unwrap(),
        crls: Crls::none(),
    };
    let settings = Settings { key_packages: 1, ..Settings::new("relay.kring.example:4433") };
    let conversation = Conversation::open(store, credentials, settings, clock::now()).unwrap();
    let mut core = Core { conversation, wire, followed: None };

    let connected = Connected {
        incarnation: welcome.incarnation,
        relay_now: welcome.now,
        key_packages: 1,
        last_resort: true,
        inbox: 0,
        crls: None,
    };
    core.feed(Input::Connected(connected)).await;
    let case = CaseId(rand::random());
    core.feed(Input::Command(Command::NewCase { case, title: "Gezin".to_owned() })).await;
    for length in 1..=200 {
        let item = ItemId(rand::random());
        let draft = ItemDraft::markdown("x".repeat(length));
        core.feed(Input::Command(Command::Send { case, item, draft })).await;
        core.feed_new_records().await;
    }
    let records = core.records(Some(Seq(0))).await;
    assert_eq!(records.len(), 200);
    let sizes: BTreeSet<usize> = records.iter().map(|record| record.message.len()).collect();
    assert_eq!(sizes.len(), 1, "{sizes:?}");
}
