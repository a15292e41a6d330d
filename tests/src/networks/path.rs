//! The program on the path: it passes datagrams on as a router with NAT does, and loses, corrupts and delays some.
//!
//! A corrupted datagram gets a right UDP checksum from this side's kernel, so that it reaches QUIC: harder than what
//! netem does, which the receiving kernel throws away.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io::BufRead as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rand::Rng as _;
use tokio::net::UdpSocket;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// Largest datagram.
const LARGEST: usize = 65_535;

/// How the path is.
#[derive(Debug, Clone, Copy)]
struct Weather {
    /// Of a thousand datagrams, so many are lost, corrupted, and passed on at once.
    lost: u32,
    corrupted: u32,
    at_once: u32,
    /// Milliseconds, and those added to or taken from them.
    delay: u64,
    jitter: u64,
    /// Bytes of the largest that passes.
    largest: usize,
}

impl Weather {
    fn read(order: &str) -> Option<Self> {
        let mut numbers = order.split(' ').map(|number| number.parse::<u32>().ok());
        let mut next = || numbers.next().flatten();
        Some(Self {
            lost: next()?,
            corrupted: next()?,
            at_once: next()?,
            delay: next()?.into(),
            jitter: next()?.into(),
            largest: next()? as usize,
        })
    }

    /// What becomes of a datagram: when it is passed on, if at all.
    fn befall(&self, datagram: &mut [u8]) -> Option<Duration> {
        let mut dice = rand::rng();
        let mut of_a_thousand = |share| dice.random_range(0..1_000) < share;
        if datagram.len() > self.largest || of_a_thousand(self.lost) {
            return None;
        }
        let (corrupted, at_once) = (of_a_thousand(self.corrupted), of_a_thousand(self.at_once));
        if corrupted && !datagram.is_empty() {
            let at = dice.random_range(0..datagram.len());
            datagram[at] ^= 1 << dice.random_range(0..8);
        }
        let least = self.delay.saturating_sub(self.jitter);
        let delay = if at_once { 0 } else { dice.random_range(least..=self.delay + self.jitter) };
        Some(Duration::from_millis(delay))
    }
}

/// Passes datagrams on between whoever sends to `near` and `far`, as orders on standard input say, until that ends.
///
/// # Panics
/// When a socket cannot be had, or an order is none.
pub async fn forward(near: SocketAddr, far: SocketAddr) {
    let listening = Arc::new(UdpSocket::bind(near).await.expect("the path's address"));
    let fair = Weather { lost: 0, corrupted: 0, at_once: 0, delay: 0, jitter: 0, largest: LARGEST };
    let (tell, weather) = watch::channel(fair);
    let (order, mut orders) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if order.send(line).is_err() {
                return;
            }
        }
    });
    let mut outward: HashMap<SocketAddr, (Arc<UdpSocket>, JoinHandle<()>)> = HashMap::new();
    let mut buffer = vec![0; LARGEST];
    loop {
        tokio::select! {
            order = orders.recv() => match order.as_deref() {
                None => return,
                Some("rebind") => outward.drain().for_each(|(_, (_, back))| back.abort()),
                Some(order) => {
                    tell.send_replace(Weather::read(order).expect("six numbers"));
                }
            },
            // A datagram that could not be delivered shows as an error of the next call; that is the network's way.
            Ok((length, from)) = listening.recv_from(&mut buffer) => {
                if let Entry::Vacant(first) = outward.entry(from) {
                    let socket = Arc::new(UdpSocket::bind((std::net::Ipv4Addr::UNSPECIFIED, 0)).await.expect("a socket"));
                    socket.connect(far).await.expect("a route to the relay");
                    let back = tokio::spawn(come_back(Arc::clone(&socket), Arc::clone(&listening), from, weather.clone()));
                    first.insert((socket, back));
                }
                let mut datagram = buffer[..length].to_vec();
                let after = weather.borrow().befall(&mut datagram);
                if let (Some(after), Some((socket, _))) = (after, outward.get(&from)) {
                    pass_on(Arc::clone(socket), None, datagram, after);
                }
            }
        }
    }
}

/// The way back, for one sender.
async fn come_back(
    socket: Arc<UdpSocket>,
    listening: Arc<UdpSocket>,
    to: SocketAddr,
    weather: watch::Receiver<Weather>,
) {
    let mut buffer = vec![0; LARGEST];
    loop {
        let Ok(length) = socket.recv(&mut buffer).await else { continue };
        let mut datagram = buffer[..length].to_vec();
        let after = weather.borrow().befall(&mut datagram);
        if let Some(after) = after {
            pass_on(Arc::clone(&listening), Some(to), datagram, after);
        }
    }
}

fn pass_on(socket: Arc<UdpSocket>, to: Option<SocketAddr>, datagram: Vec<u8>, after: Duration) {
    tokio::spawn(async move {
        if !after.is_zero() {
            tokio::time::sleep(after).await;
        }
        // A network that does not take it loses it.
        let _lost = match to {
            Some(to) => socket.send_to(&datagram, to).await,
            None => socket.send(&datagram).await,
        };
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_does_to_datagrams_what_it_was_told() {
        let weather = Weather::read("100 0 0 300 100 1200").expect("six numbers");
        let passed = (0..10_000).filter_map(|_| weather.befall(&mut [7; 1_200]));
        let (mut count, mut early) = (0, 0);
        for after in passed {
            assert!((200..=400).contains(&after.as_millis()));
            count += 1;
            early += usize::from(after.as_millis() < 300);
        }
        assert!((8_500..9_500).contains(&count), "{count} of 10000");
        assert!(early > count / 3 && early < count * 2 / 3);
        assert_eq!(weather.befall(&mut [7; 1_201]), None);
        let corrupting = Weather::read("0 1000 0 0 0 65535").expect("six numbers");
        let mut datagram = [0; 100];
        assert!(corrupting.befall(&mut datagram).is_some());
        assert_eq!(datagram.iter().map(|byte| byte.count_ones()).sum::<u32>(), 1);
        assert!(Weather::read("rebind").is_none());
    }
}
