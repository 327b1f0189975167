//! What happens to what a node says, on its way out: some of it is said twice, and of what a liar says some is garbled, and
//! some of what it said before is said again.

use commonware_actor::{Feedback, Unreliable};
use commonware_p2p::{CheckedSender, LimitedSender, Recipients};
use commonware_runtime::{IoBuf, IoBufs};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

/// How much of what was said is remembered.
const REMEMBERED: usize = 32;

/// How a node speaks: how many of a hundred messages bring another with them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Manners {
    /// The same.
    pub twice: u32,
    /// The same with a bit flipped, cut off, or with bytes that do not belong there.
    pub garbled: u32,
    /// One of those before it.
    pub again: u32,
}

/// A sender with manners. Its clones share what was said.
#[derive(Clone)]
pub struct Mouth<S> {
    sender: S,
    manners: Manners,
    said: Arc<Mutex<Said>>,
}

struct Said {
    rng: StdRng,
    before: VecDeque<IoBuf>,
}

impl<S> Mouth<S> {
    pub fn new(sender: S, manners: Manners, seed: u64) -> Self {
        let said = Said { rng: StdRng::seed_from_u64(seed), before: VecDeque::new() };
        Self { sender, manners, said: Arc::new(Mutex::new(said)) }
    }

    /// What is said besides.
    fn echoes(&self, message: &IoBuf) -> Vec<IoBuf> {
        let Said { rng, before } = &mut *self.said.lock().unwrap();
        let mut echoes = Vec::new();
        if rng.random_ratio(self.manners.twice, 100) {
            echoes.push(message.clone());
        }
        if rng.random_ratio(self.manners.garbled, 100) {
            echoes.push(garbled(message.as_ref().to_vec(), rng).into());
        }
        if !before.is_empty() && rng.random_ratio(self.manners.again, 100) {
            echoes.push(before[rng.random_range(0..before.len())].clone());
        }
        before.push_back(message.clone());
        if before.len() > REMEMBERED {
            before.pop_front();
        }
        echoes
    }
}

fn garbled(mut message: Vec<u8>, rng: &mut StdRng) -> Vec<u8> {
    let place = rng.random_range(0..message.len().max(1));
    match rng.random_range(0..3) {
        0 => message.truncate(place),
        1 => message.extend((0..place % 64).map(|_| rng.random_range(0..=u8::MAX))),
        _ => {
            if let Some(byte) = message.get_mut(place) {
                *byte ^= 1 << rng.random_range(0..8);
            }
        }
    }
    message
}

impl<S: LimitedSender> LimitedSender for Mouth<S> {
    type PublicKey = S::PublicKey;
    type Checked<'a> = Word<'a, S>;

    fn check(&mut self, recipients: Recipients<S::PublicKey>) -> Result<Word<'_, S>, SystemTime> {
        let mouth = self.clone();
        Ok(Word { checked: self.sender.check(recipients)?, mouth })
    }
}

/// A message about to be said.
pub struct Word<'a, S: LimitedSender + 'a> {
    checked: S::Checked<'a>,
    mouth: Mouth<S>,
}

impl<'a, S: LimitedSender + 'a> CheckedSender for Word<'a, S> {
    type PublicKey = S::PublicKey;

    fn recipients(&self) -> Vec<S::PublicKey> {
        self.checked.recipients()
    }

    fn send(mut self, message: impl Into<IoBufs> + Send, priority: bool) -> Unreliable<Feedback> {
        let (message, recipients) = (message.into().coalesce(), self.checked.recipients());
        let echoes = self.mouth.echoes(&message);
        let sent = self.checked.send(message, priority);
        for echo in echoes {
            if let Ok(checked) = self.mouth.sender.check(Recipients::Some(recipients.clone())) {
                let _ = checked.send(echo, priority);
            }
        }
        sent
    }
}
