//! Where validators stand when they stand on six continents, and how far it is from one to the other.
//!
//! The figures are round trips of a public cloud between its regions: Microsoft's *Azure network round-trip latency
//! statistics*, 95th percentile over the 30 days to 30 July 2026, in ms; of the two directions, the slower. A way is half
//! of a round trip.

use commonware_p2p::simulated::Link;
use commonware_utils::probability;
use std::time::Duration;

pub const REGIONS: [&str; 8] =
    ["Frankfurt", "Virginia", "California", "São Paulo", "Singapore", "Tokyo", "Pune", "Johannesburg"];

/// Above the diagonal: from the row's region to the column's and back.
const ROUND_TRIPS_MS: [[u64; 8]; 8] = [
    [2, 97, 158, 201, 182, 250, 151, 174],
    [0, 2, 74, 121, 229, 165, 218, 226],
    [0, 0, 2, 171, 172, 110, 224, 279],
    [0, 0, 0, 2, 337, 275, 320, 327],
    [0, 0, 0, 0, 2, 74, 59, 211],
    [0, 0, 0, 0, 0, 2, 129, 255],
    [0, 0, 0, 0, 0, 0, 2, 134],
    [0, 0, 0, 0, 0, 0, 0, 2],
];

/// The longest way, from São Paulo to Singapore.
pub const LONGEST_WAY: Duration = Duration::from_millis(337 / 2);

/// The region of a validator by its place, which is its place in the rotation too: consecutive leaders are never neighbours.
pub fn region(place: usize) -> usize {
    place % REGIONS.len()
}

/// From one place to the other and back.
pub fn round_trip(from: usize, to: usize) -> Duration {
    let (from, to) = (region(from), region(to));
    Duration::from_millis(ROUND_TRIPS_MS[from.min(to)][from.max(to)])
}

/// The way from one place to the other: nothing is lost, and the time varies by a twentieth.
pub fn link(from: usize, to: usize) -> Link {
    let latency = round_trip(from, to) / 2;
    Link { latency, jitter: latency / 20, success_rate: probability!(1.0) }
}

/// The variable that asks for larger networks than a quick test needs, and for the tables.
const ASKED_FOR: &str = "CAUSEWAY_WORLD";

/// Whether someone wants to see tables.
pub fn is_asked_for() -> bool {
    std::env::var_os(ASKED_FOR).is_some()
}

/// How many validators the networks have that are looked at: `CAUSEWAY_WORLD=7,20,100`, or seven.
pub fn networks() -> Vec<usize> {
    let counts = std::env::var(ASKED_FOR).unwrap_or_else(|_| "7".to_owned());
    counts.split(',').map(|count| count.trim().parse().unwrap()).collect()
}
