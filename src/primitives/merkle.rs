//! Merkle trees of [RFC 9162](https://www.rfc-editor.org/rfc/rfc9162), section 2.1, over SHA-256.
//!
//! A leaf hashes as `SHA-256(0x00 || leaf)`, a node as `SHA-256(0x01 || left || right)`, the empty tree as
//! `SHA-256("")`. [`Frontier`] grows a tree by one leaf at a time and keeps only the roots of its perfect subtrees.

use super::codec::{CodecError, Decode, Encode, Reader, encode_list};
use super::ids::Hash;
use sha2::{Digest as _, Sha256};

/// No path is longer: a tree of 2^64 leaves has 64 levels.
pub const PATH_LENGTH_MAX: usize = 64;

/// The hash of a leaf.
pub fn leaf_hash(leaf: &[u8]) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update([0x00]);
    hasher.update(leaf);
    Hash(hasher.finalize().into())
}

fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update([0x01]);
    hasher.update(left.0);
    hasher.update(right.0);
    Hash(hasher.finalize().into())
}

fn empty_root() -> Hash {
    Hash(Sha256::digest([]).into())
}

/// The root over leaf hashes.
pub fn root(leaves: &[Hash]) -> Hash {
    let mut frontier = Frontier::default();
    for leaf in leaves {
        frontier.push(*leaf);
    }
    frontier.root()
}

/// A leaf's way to the root: which leaf of how many, and its siblings from the bottom up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    /// The leaf's place, from 0.
    pub index: u64,
    /// How many leaves the tree has.
    pub size: u64,
    /// The siblings, the lowest first.
    pub siblings: Vec<Hash>,
}

impl Path {
    /// The path of `leaves[index]`, or `None` if there is no such leaf.
    pub fn of(leaves: &[Hash], index: usize) -> Option<Self> {
        if index >= leaves.len() {
            return None;
        }
        let mut siblings = Vec::new();
        collect_siblings(leaves, index, &mut siblings);
        Some(Self { index: index as u64, size: leaves.len() as u64, siblings })
    }

    /// The root that this path leads to from `leaf`, or `None` if the path does not fit its own index and size
    /// (RFC 9162, section 2.1.3.2).
    pub fn root_from(&self, leaf: Hash) -> Option<Hash> {
        if self.index >= self.size {
            return None;
        }
        let (mut node, mut last) = (self.index, self.size - 1);
        let mut reached = leaf;
        for sibling in &self.siblings {
            if last == 0 {
                return None;
            }
            if node & 1 == 1 || node == last {
                reached = node_hash(sibling, &reached);
                while node & 1 == 0 && node != 0 {
                    node >>= 1;
                    last >>= 1;
                }
            } else {
                reached = node_hash(&reached, sibling);
            }
            node >>= 1;
            last >>= 1;
        }
        (last == 0).then_some(reached)
    }
}

/// Where a perfect subtree stands: `2^level` leaves, from leaf `index * 2^level` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NodePlace {
    /// Its height above the leaves.
    pub level: u8,
    /// Its place among those of its level.
    pub index: u64,
}

impl Path {
    /// The path of a leaf in the tree over the first `size` leaves, from the perfect subtrees that
    /// [`Frontier::push_noting`] told. `None` if one is missing, or there is no such leaf.
    pub fn from_nodes(index: u64, size: u64, node: &mut dyn FnMut(NodePlace) -> Option<Hash>) -> Option<Self> {
        if index >= size {
            return None;
        }
        let (mut start, mut end) = (0, size);
        let mut siblings = Vec::new();
        while end - start > 1 {
            let middle = start + split(end - start);
            if index < middle {
                siblings.push(range_root(middle, end, node)?);
                end = middle;
            } else {
                siblings.push(range_root(start, middle, node)?);
                start = middle;
            }
        }
        siblings.reverse();
        Some(Self { index, size, siblings })
    }
}

/// The root over the leaves from `start` to before `end`, where `start` is a multiple of the range's largest power of two.
fn range_root(start: u64, end: u64, node: &mut dyn FnMut(NodePlace) -> Option<Hash>) -> Option<Hash> {
    let size = end - start;
    if size.is_power_of_two() {
        let level = size.trailing_zeros();
        return node(NodePlace { level: level as u8, index: start >> level });
    }
    let middle = start + split(size);
    Some(node_hash(&range_root(start, middle, node)?, &range_root(middle, end, node)?))
}

/// The size of the left subtree: the largest power of two below `size`, which is at least 2.
fn split(size: u64) -> u64 {
    size.next_power_of_two() / 2
}

fn collect_siblings(leaves: &[Hash], index: usize, siblings: &mut Vec<Hash>) {
    if leaves.len() <= 1 {
        return;
    }
    let (left, right) = leaves.split_at(split(leaves.len() as u64) as usize);
    if index < left.len() {
        collect_siblings(left, index, siblings);
        siblings.push(root(right));
    } else {
        collect_siblings(right, index - left.len(), siblings);
        siblings.push(root(left));
    }
}

impl Encode for Path {
    fn encode(&self, out: &mut Vec<u8>) {
        self.index.encode(out);
        self.size.encode(out);
        encode_list(&self.siblings, out);
    }
}

impl Decode for Path {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(Self {
            index: u64::decode(reader)?,
            size: u64::decode(reader)?,
            siblings: reader.list("path", PATH_LENGTH_MAX)?,
        })
    }
}

/// A growing tree, kept as the roots of its perfect subtrees, the largest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    subtrees: Vec<Hash>,
}

impl Frontier {
    /// How many leaves it has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Adds a leaf hash on the right.
    pub fn push(&mut self, leaf: Hash) {
        self.push_noting(leaf, |_, _| {});
    }

    /// Adds a leaf hash on the right, and tells every perfect subtree that it completes, itself first. Whoever keeps them
    /// can make any path later: [`Path::from_nodes`].
    pub fn push_noting(&mut self, leaf: Hash, mut completed: impl FnMut(NodePlace, Hash)) {
        let mut carried = leaf;
        let mut place = NodePlace { level: 0, index: self.size };
        completed(place, carried);
        // A set low bit of the size is a subtree as large as the one carried.
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.subtrees.pop() {
                carried = node_hash(&left, &carried);
                place = NodePlace { level: place.level + 1, index: place.index / 2 };
                completed(place, carried);
            }
        }
        self.subtrees.push(carried);
        self.size += 1;
    }

    /// The root over all leaves.
    pub fn root(&self) -> Hash {
        let folded = self.subtrees.iter().rev().copied().reduce(|right, left| node_hash(&left, &right));
        folded.unwrap_or_else(empty_root)
    }
}

/// A whole tree, kept as all its perfect subtrees: a path from it takes no more steps than it has levels.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    size: u64,
    levels: Vec<Vec<Hash>>,
}

impl Tree {
    /// The tree over leaf hashes.
    pub fn of(leaves: impl Iterator<Item = Hash>) -> Self {
        let (mut frontier, mut levels) = (Frontier::default(), Vec::<Vec<Hash>>::new());
        for leaf in leaves {
            frontier.push_noting(leaf, |place, hash| {
                // Those of a level are completed from left to right.
                let level = usize::from(place.level);
                if levels.len() == level {
                    levels.push(Vec::new());
                }
                levels[level].push(hash);
            });
        }
        Self { size: frontier.size(), levels }
    }

    /// The path of a leaf; `None` if there is no such leaf.
    pub fn path(&self, index: usize) -> Option<Path> {
        let node = |place: NodePlace| {
            let index = usize::try_from(place.index).ok()?;
            self.levels.get(usize::from(place.level))?.get(index).copied()
        };
        Path::from_nodes(index as u64, self.size, &mut { node })
    }
}

impl Encode for Frontier {
    fn encode(&self, out: &mut Vec<u8>) {
        self.size.encode(out);
        encode_list(&self.subtrees, out);
    }
}

impl Decode for Frontier {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        let size = u64::decode(reader)?;
        let subtrees: Vec<Hash> = reader.list("frontier", PATH_LENGTH_MAX)?;
        if subtrees.len() != size.count_ones() as usize {
            return Err(CodecError::Invalid { what: "frontier", why: "its subtrees do not fit its size" });
        }
        Ok(Self { size, subtrees })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ct_merkle::mem_backed_tree::MemoryBackedTree;
    use proptest::prelude::*;

    fn oracle(leaves: &[Vec<u8>]) -> MemoryBackedTree<sha2::Sha256, Vec<u8>> {
        let mut tree = MemoryBackedTree::new();
        for leaf in leaves {
            tree.push(leaf.clone());
        }
        tree
    }

    proptest! {
        /// Root and paths are those of an independent implementation of RFC 9162.
        #[test]
        fn agrees_with_another_implementation(count in 1usize..70, pick in any::<prop::sample::Index>()) {
            let leaves: Vec<Vec<u8>> = (0..count).map(|n| vec![n as u8; n % 5]).collect();
            let hashes: Vec<Hash> = leaves.iter().map(|leaf| leaf_hash(leaf)).collect();
            let tree = oracle(&leaves);
            let theirs = tree.root();
            prop_assert_eq!(&root(&hashes).0[..], theirs.as_bytes().as_slice());
            let index = pick.index(count);
            let path = Path::of(&hashes, index).expect("the index is in range");
            let theirs = tree.prove_inclusion(index);
            prop_assert_eq!(path.siblings.iter().flat_map(|hash| hash.0).collect::<Vec<_>>(), theirs.as_bytes());
            prop_assert_eq!(path.root_from(hashes[index]), Some(root(&hashes)));
        }

        /// Paths made from kept subtrees are those made from all leaves, of the whole tree and of every earlier one.
        #[test]
        fn kept_subtrees_make_the_same_paths(count in 1u64..70, pick in any::<prop::sample::Index>()) {
            let hashes: Vec<Hash> = (0..count).map(|n| leaf_hash(&[n as u8])).collect();
            let mut nodes = std::collections::BTreeMap::new();
            let mut frontier = Frontier::default();
            hashes.iter().for_each(|leaf| frontier.push_noting(*leaf, |place, hash| { nodes.insert(place, hash); }));
            let size = 1 + pick.index(count as usize);
            for index in 0..size {
                let path = Path::from_nodes(index as u64, size as u64, &mut |place| nodes.get(&place).copied());
                prop_assert_eq!(&path, &Path::of(&hashes[..size], index));
                prop_assert_eq!(path, Tree::of(hashes[..size].iter().copied()).path(index));
            }
            prop_assert_eq!(Tree::of(hashes.iter().copied()).path(count as usize), None);
        }

        /// A path proves one leaf at one place and nothing else.
        #[test]
        fn a_changed_path_leads_elsewhere(count in 2usize..40, pick in any::<prop::sample::Index>(), bit in 0usize..256) {
            let hashes: Vec<Hash> = (0..count).map(|n| leaf_hash(&[n as u8])).collect();
            let index = pick.index(count);
            let path = Path::of(&hashes, index).expect("the index is in range");
            let mut moved = path.clone();
            moved.index = (moved.index + 1) % count as u64;
            prop_assert_ne!(moved.root_from(hashes[index]), Some(root(&hashes)));
            let mut bent = path.clone();
            bent.siblings[0].0[bit / 8] ^= 1 << (bit % 8);
            prop_assert_ne!(bent.root_from(hashes[index]), Some(root(&hashes)));
            let mut longer = path;
            longer.siblings.push(Hash::ZERO);
            prop_assert_eq!(longer.root_from(hashes[index]), None);
        }
    }
}
