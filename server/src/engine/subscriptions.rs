//! Who follows which log, and delivering to them.
//!
//! A subscription gets every record after the one it has, in order and once, up to and including the Commit that ends
//! the epoch that it has proven: there it pauses. One whose connection's queue is full is lagged: it ends, and the
//! client reads the backlog.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use kring_protocol::ids::{DeviceId, GroupId, Seq, Subscription};
use kring_protocol::message::{self as wire, Push};
use kring_protocol::refusal::Refusal;

use super::command::{ConnectionId, Outbound, Pushed, Requester};

type Follower = (ConnectionId, Subscription);

struct Connection {
    device: DeviceId,
    outbound: Arc<dyn Outbound>,
    follows: HashMap<Subscription, GroupId>,
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
    devices: HashMap<DeviceId, HashSet<ConnectionId>>,
    groups: HashMap<GroupId, Vec<(Follower, Seq)>>,
}

impl Subscriptions {
    pub(super) fn connect(&mut self, requester: &Requester, outbound: Arc<dyn Outbound>) {
        let connection = Connection { device: requester.device, outbound, follows: HashMap::new() };
        self.connections.insert(requester.connection, connection);
        self.devices.entry(requester.device).or_default().insert(requester.connection);
    }

    pub(super) fn disconnect(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.remove(&id) else { return };
        for (subscription, group) in connection.follows {
            self.forget(group, (id, subscription));
        }
        if let Some(connections) = self.devices.get_mut(&connection.device) {
            connections.remove(&id);
            if connections.is_empty() {
                self.devices.remove(&connection.device);
            }
        }
    }

    /// Subscribes from the record after `after` on; one of the same number is replaced.
    pub(super) fn follow(&mut self, follower: Follower, group: GroupId, after: Seq) {
        self.unfollow(follower);
        let Some(connection) = self.connections.get_mut(&follower.0) else { return };
        connection.follows.insert(follower.1, group);
        self.groups.entry(group).or_default().push((follower, after));
    }

    pub(super) fn unfollow(&mut self, follower: Follower) {
        let Some(connection) = self.connections.get_mut(&follower.0) else { return };
        if let Some(group) = connection.follows.remove(&follower.1) {
            self.forget(group, follower);
        }
    }

    fn forget(&mut self, group: GroupId, follower: Follower) {
        if let Some(followers) = self.groups.get_mut(&group) {
            followers.retain(|(known, _)| *known != follower);
            if followers.is_empty() {
                self.groups.remove(&group);
            }
        }
    }

    /// Delivers a record to all who follow its group.
    pub(super) fn deliver(&mut self, fresh: &Fresh) {
        let Some(followers) = self.groups.get_mut(&fresh.group) else { return };
        let connections = &mut self.connections;
        followers.retain_mut(|((id, subscription), through)| {
            if *through >= fresh.seq {
                return true;
            }
            let Some(connection) = connections.get_mut(id) else { return false };
            *through = fresh.seq;
            let record = Pushed::Record { subscription: *subscription, record: fresh.record.clone() };
            let notice = match connection.outbound.push(record) {
                Ok(()) if !fresh.is_commit => return true,
                Ok(()) => {
                    Push::SubscriptionPaused(wire::SubscriptionPaused { subscription: *subscription, at: fresh.seq })
                }
                Err(_) => Push::Lagged(wire::Lagged { subscription: *subscription }),
            };
            connection.follows.remove(subscription);
            // A connection that takes no notice either is ended by its queue.
            let _full = connection.outbound.push(Pushed::Notice(notice));
            false
        });
        if followers.is_empty() {
            self.groups.remove(&fresh.group);
        }
    }

    /// Ends the subscriptions to a group that is gone.
    pub(super) fn end(&mut self, group: GroupId, reason: &Refusal) {
        for ((id, subscription), _) in self.groups.remove(&group).unwrap_or_default() {
            let Some(connection) = self.connections.get_mut(&id) else { continue };
            connection.follows.remove(&subscription);
            let ended = wire::SubscriptionEnded { subscription, reason: reason.clone() };
            let _full = connection.outbound.push(Pushed::Notice(Push::SubscriptionEnded(ended)));
        }
    }

    /// Tells all connections of a device something.
    pub(super) fn notify(&self, device: DeviceId, push: &Push) {
        for id in self.devices.get(&device).into_iter().flatten() {
            if let Some(connection) = self.connections.get(id) {
                let _full = connection.outbound.push(Pushed::Notice(push.clone()));
            }
        }
    }
}
