//! Places that many share, by where they come from: when all are taken, the oldest of whoever has most gives way.
//!
//! Who comes from one network, an address or of IPv6 its first 48 bits, counts as one: whoever has one may have 2^80 addresses.
//!
//! # Invariants
//! * No more places are taken than there are.
//! * Nobody has to give way for a network that has as many places as its own.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::net::{IpAddr, Ipv6Addr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use tokio::sync::oneshot;

/// Where somebody comes from, as far as whoever comes from there counts as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Network(IpAddr);

impl From<IpAddr> for Network {
    fn from(address: IpAddr) -> Self {
        Self(first_bits(address, 48))
    }
}

/// An address, or so many of the first bits of an IPv6 address.
pub(super) fn first_bits(address: IpAddr, bits: u32) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !(u128::MAX >> bits))),
        address @ IpAddr::V4(_) => address,
    }
}

/// The places. Everything here shares them.
#[derive(Clone)]
pub struct Places(Arc<Shared>);

struct Shared {
    most: usize,
    most_of_network: usize,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    count: usize,
    /// How many were ever taken: the oldest place has the least number.
    numbered: u64,
    /// By network and number, whom to tell that it has to give way.
    by_network: BTreeMap<Network, BTreeMap<u64, oneshot::Sender<()>>>,
}

impl Taken {
    fn of(&self, network: Network) -> usize {
        self.by_network.get(&network).map_or(0, BTreeMap::len)
    }

    /// The network that has most, and of those that have as many the one with the oldest place.
    fn largest(&self) -> Option<(Network, usize)> {
        let with_oldest = |(network, places): (&Network, &BTreeMap<u64, _>)| {
            let oldest = places.first_key_value().map_or(u64::MAX, |(number, _)| *number);
            (places.len(), std::cmp::Reverse(oldest), *network)
        };
        self.by_network.iter().map(with_oldest).max().map(|(count, _, network)| (network, count))
    }

    fn displace_oldest(&mut self, network: Network) {
        let oldest = self.by_network.get(&network).and_then(|places| places.keys().next().copied());
        let told = oldest.and_then(|number| self.remove(network, number));
        // One that is on its way out needs not be told.
        let _ = told.map(|displaced| displaced.send(()));
    }

    fn remove(&mut self, network: Network, number: u64) -> Option<oneshot::Sender<()>> {
        let places = self.by_network.get_mut(&network)?;
        let removed = places.remove(&number);
        if places.is_empty() {
            self.by_network.remove(&network);
        }
        self.count -= usize::from(removed.is_some());
        removed
    }
}

/// A place that was taken, and whether somebody else had to give way for it.
pub struct Found {
    /// It.
    pub place: Place,
    /// Whether another's was taken away.
    pub displaced: bool,
}

impl Places {
    /// So many places, and of them so many at most for one network.
    pub fn new(most: usize, most_of_network: usize) -> Self {
        Self(Arc::new(Shared { most, most_of_network, taken: Mutex::default() }))
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.0.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there would be a place for one more of this network.
    pub fn has_room_for(&self, network: Network) -> bool {
        self.makes_room(&self.taken(), network)
    }

    /// One more may come if nobody with as many has to give way for it.
    fn makes_room(&self, taken: &Taken, network: Network) -> bool {
        let after = taken.of(network) + 1;
        let others = || taken.largest().is_some_and(|(_, count)| after < count);
        after <= self.0.most_of_network && (taken.count < self.0.most || others())
    }

    /// A place, if there is one, or there is someone to give way who has more.
    pub fn take(&self, network: Network) -> Option<Found> {
        let mut taken = self.taken();
        self.makes_room(&taken, network).then(|| self.place(&mut taken, network))
    }

    /// A place in any case, of those that are held for a moment: if all are taken the oldest of whoever has most gives way, or of
    /// this network if it has as many.
    pub fn take_surely(&self, network: Network) -> Found {
        self.place(&mut self.taken(), network)
    }

    fn place(&self, taken: &mut Taken, network: Network) -> Found {
        let displaced = taken.count >= self.0.most;
        if displaced {
            let (largest, most) = taken.largest().unwrap_or((network, 0));
            taken.displace_oldest(if taken.of(network) == most { network } else { largest });
        }
        let (tell, told) = oneshot::channel();
        let number = taken.numbered;
        taken.numbered += 1;
        taken.count += 1;
        taken.by_network.entry(network).or_default().insert(number, tell);
        Found { place: Place { places: self.clone(), network, number, told }, displaced }
    }
}

/// A place. It is given back when dropped.
pub struct Place {
    places: Places,
    network: Network,
    number: u64,
    told: oneshot::Receiver<()>,
}

impl Place {
    /// Resolves once it was given to somebody else.
    pub fn poll_displaced(&mut self, context: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.told).poll(context).map(|_| ())
    }

    /// Waits until it was given to somebody else.
    pub async fn displaced(&mut self) {
        poll_fn(|context| self.poll_displaced(context)).await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.taken().remove(self.network, self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt as _;

    fn network(text: &str) -> Network {
        Network::from(text.parse::<IpAddr>().expect("an address"))
    }

    fn is_displaced(place: &mut Place) -> bool {
        place.displaced().now_or_never().is_some()
    }

    #[test]
    fn the_oldest_of_whoever_has_most_gives_way_to_who_has_fewer() {
        let (places, flood, other) = (Places::new(4, 4), network("10.0.0.1"), network("10.0.0.2"));
        let mut held: Vec<Place> = (0..4).map(|_| places.take(flood).expect("there is room").place).collect();
        assert!(places.take(flood).is_none(), "nobody gives way to whoever has most");
        let mut first = places.take(other).expect("the flood gives way");
        assert!(first.displaced);
        assert_eq!(held.iter_mut().map(is_displaced).collect::<Vec<_>>(), [true, false, false, false]);
        let second = places.take(other).expect("it still has fewer");
        assert!(places.take(other).is_none(), "two and two");
        assert!(!places.has_room_for(flood) && !is_displaced(&mut first.place));
        // A third that has none would leave neither with more than the other.
        assert!(places.take(network("10.0.0.3")).is_some());
        drop((held, first, second));
        assert!(
            places.taken().by_network.len() <= 1 && places.taken().count <= 1,
            "displaced ones give nothing back twice"
        );
    }

    #[test]
    fn nobody_gives_way_where_everybody_has_one() {
        let places = Places::new(2, 2);
        let _held = ["10.0.0.1", "10.0.0.2"].map(|one| places.take(network(one)).expect("there is room").place);
        assert!(places.take(network("10.0.0.3")).is_none());
    }

    #[test]
    fn a_place_for_a_moment_is_found_surely() {
        let (places, flood, other) = (Places::new(3, 3), network("10.0.0.1"), network("10.0.0.2"));
        let mut held: Vec<Place> = (0..5).map(|_| places.take_surely(flood).place).collect();
        assert_eq!(held.iter_mut().map(is_displaced).collect::<Vec<_>>(), [true, true, false, false, false]);
        let mut one = places.take_surely(other).place;
        assert!(is_displaced(&mut held[2]));
        (0..100).for_each(|_| held.push(places.take_surely(flood).place));
        assert!(!is_displaced(&mut one), "a flood displaces its own");
        assert_eq!(places.taken().count, 3);
    }

    #[test]
    fn a_network_has_its_bound_and_one_of_ipv6_is_wide() {
        let places = Places::new(10, 2);
        let take = |text| places.take(network(text)).map(|found| found.place);
        let _held = [take("2001:db8::1"), take("2001:db8:0:ffff::1")].map(|place| place.expect("there is room"));
        assert!(take("2001:db8:0:1::1").is_none(), "the same 48 bits");
        assert!(take("2001:db8:1::1").is_some());
        assert_eq!(network("::ffff:10.0.0.1"), network("10.0.0.1"));
        assert_ne!(network("10.0.0.1"), network("10.0.0.2"));
    }
}
