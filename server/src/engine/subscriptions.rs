//! Who follows which log, and delivering to them.
//!
//! A subscription gets every record after the one it has, in order and once, up to and including the Commit that ends
//! the epoch that it has proven: there it pauses. One whose connection's queue is full is lagged: it ends, and the
//! client reads the backlog.
//!
//! A connection has one subscription to a group: another one takes its place. Refused: more than [`MAX_SUBSCRIPTIONS`] of
//! a connection. Everything here costs what it touches: a delivery its followers, an end its own subscriptions.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::Hash;
use std::sync::Arc;

use bytes::Bytes;
use kring_protocol::address::DeviceAddress;
use kring_protocol::ids::{GroupId, Seq, Subscription};
use kring_protocol::message::{self as wire, Push};
use kring_protocol::refusal::Refusal;

use super::command::{ConnectionId, Outbound, Pushed, QueueFull, Requester};
use crate::rules::enrolment::Organisation;
use crate::rules::limits::MAX_SUBSCRIPTIONS;

/// Who is told something.
pub(super) enum Whom {
    /// All connections of a device.
    Device(DeviceAddress),
    /// All connections of an organisation's administration.
    Administration(Organisation),
    /// All connections.
    Everybody,
}

struct Connection {
    address: DeviceAddress,
    administers: Option<Organisation>,
    outbound: Arc<dyn Outbound>,
    follows: HashMap<Subscription, GroupId>,
    /// Something was pushed since the last flush.
    unflushed: bool,
}

impl Connection {
    fn push(&mut self, id: ConnectionId, push: Pushed, unflushed: &mut Vec<ConnectionId>) -> Result<(), QueueFull> {
        if !std::mem::replace(&mut self.unflushed, true) {
            unflushed.push(id);
        }
        self.outbound.push(push)
    }
}

/// A connection's subscription to a group.
struct Follower {
    subscription: Subscription,
    through: Seq,
}

/// A record that has become durable.
pub(super) struct Fresh {
    pub(super) group: GroupId,
    pub(super) seq: Seq,
    pub(super) record: Bytes,
    pub(super) is_commit: bool,
}

/// All connections and what they follow.
#[derive(Default)]
pub(super) struct Subscriptions {
    connections: HashMap<ConnectionId, Connection>,
    devices: HashMap<DeviceAddress, HashSet<ConnectionId>>,
    administrations: HashMap<Organisation, HashSet<ConnectionId>>,
    groups: HashMap<GroupId, BTreeMap<ConnectionId, Follower>>,
    unflushed: Vec<ConnectionId>,
}

impl Subscriptions {
    pub(super) fn connect(&mut self, requester: &Requester, outbound: Arc<dyn Outbound>) {
        let address = requester.address();
        self.devices.entry(address.clone()).or_default().insert(requester.connection);
        let organisation = &requester.organisation;
        let administers =
            organisation.require_administration(&requester.professional).is_ok().then(|| organisation.clone());
        if let Some(organisation) = &administers {
            self.administrations.entry(organisation.clone()).or_default().insert(requester.connection);
        }
        let connection = Connection { address, administers, outbound, follows: HashMap::new(), unflushed: false };
        self.connections.insert(requester.connection, connection);
    }

    pub(super) fn disconnect(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.remove(&id) else { return };
        for group in connection.follows.into_values() {
            self.forget(group, id);
        }
        forget_in(&mut self.devices, &connection.address, id);
        if let Some(organisation) = &connection.administers {
            forget_in(&mut self.administrations, organisation, id);
        }
    }

    /// Whether the connection may subscribe to the group.
    pub(super) fn admit(&self, id: ConnectionId, subscription: Subscription, group: GroupId) -> Result<(), Refusal> {
        let Some(connection) = self.connections.get(&id) else { return Ok(()) };
        let replaces = connection.follows.contains_key(&subscription)
            || self.groups.get(&group).is_some_and(|followers| followers.contains_key(&id));
        if replaces || connection.follows.len() < MAX_SUBSCRIPTIONS {
            Ok(())
        } else {
            Err(Refusal::TooMany { limit: MAX_SUBSCRIPTIONS as u64 })
        }
    }

    /// Subscribes from the record after `after` on; one of the same number is replaced, and one to the same group.
    pub(super) fn follow(&mut self, id: ConnectionId, subscription: Subscription, group: GroupId, after: Seq) {
        self.unfollow(id, subscription);
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let follower = Follower { subscription, through: after };
        if let Some(replaced) = self.groups.entry(group).or_default().insert(id, follower) {
            connection.follows.remove(&replaced.subscription);
        }
        connection.follows.insert(subscription, group);
    }

    pub(super) fn unfollow(&mut self, id: ConnectionId, subscription: Subscription) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if let Some(group) = connection.follows.remove(&subscription) {
            self.forget(group, id);
        }
    }

    fn forget(&mut self, group: GroupId, id: ConnectionId) {
        if let Some(followers) = self.groups.get_mut(&group) {
            followers.remove(&id);
            if followers.is_empty() {
                self.groups.remove(&group);
            }
        }
    }

    /// Delivers a record to all who follow its group.
    pub(super) fn deliver(&mut self, fresh: &Fresh) {
        let Some(followers) = self.groups.get_mut(&fresh.group) else { return };
        let (connections, unflushed) = (&mut self.connections, &mut self.unflushed);
        followers.retain(|id, follower| {
            if follower.through >= fresh.seq {
                return true;
            }
            let Some(connection) = connections.get_mut(id) else { return false };
            let subscription = follower.subscription;
            follower.through = fresh.seq;
            let record = Pushed::Record { subscription, record: fresh.record.clone() };
            let notice = match connection.push(*id, record, unflushed) {
                Ok(()) if !fresh.is_commit => return true,
                Ok(()) => Push::SubscriptionPaused(wire::SubscriptionPaused { subscription, at: fresh.seq }),
                Err(_) => Push::Lagged(wire::Lagged { subscription }),
            };
            connection.follows.remove(&subscription);
            // A connection that takes no notice either is ended by its queue.
            let _full = connection.push(*id, Pushed::Notice(notice), unflushed);
            false
        });
        if followers.is_empty() {
            self.groups.remove(&fresh.group);
        }
    }

    /// Ends the subscriptions to a group that is gone.
    pub(super) fn end(&mut self, group: GroupId, reason: &Refusal) {
        for (id, Follower { subscription, .. }) in self.groups.remove(&group).unwrap_or_default() {
            let Some(connection) = self.connections.get_mut(&id) else { continue };
            connection.follows.remove(&subscription);
            let ended = wire::SubscriptionEnded { subscription, reason: reason.clone() };
            let _full = connection.push(id, Pushed::Notice(Push::SubscriptionEnded(ended)), &mut self.unflushed);
        }
    }

    /// Tells somebody something.
    pub(super) fn notify(&mut self, whom: &Whom, push: &Push) {
        let ids: Vec<ConnectionId> = match whom {
            Whom::Device(device) => self.devices.get(device).into_iter().flatten().copied().collect(),
            Whom::Administration(organisation) => {
                self.administrations.get(organisation).into_iter().flatten().copied().collect()
            }
            Whom::Everybody => self.connections.keys().copied().collect(),
        };
        for id in ids {
            if let Some(connection) = self.connections.get_mut(&id) {
                let _full = connection.push(id, Pushed::Notice(push.clone()), &mut self.unflushed);
            }
        }
    }

    /// Has everything written that was pushed since the last time.
    pub(super) fn flush(&mut self) {
        for id in self.unflushed.drain(..) {
            if let Some(connection) = self.connections.get_mut(&id) {
                connection.unflushed = false;
                connection.outbound.flush();
            }
        }
    }
}

fn forget_in<K: Eq + Hash>(map: &mut HashMap<K, HashSet<ConnectionId>>, key: &K, id: ConnectionId) {
    if let Some(connections) = map.get_mut(key) {
        connections.remove(&id);
        if connections.is_empty() {
            map.remove(key);
        }
    }
}
