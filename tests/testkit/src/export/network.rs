//! Many accounts, most of them small, whose records refer to each other.

use std::collections::HashSet;
use std::f64::consts::TAU;
use std::io::{self, Write};

use super::record::{Account, Hashed};
use super::subjects::{self, MadeUp, Reference, Subjects};
use super::{Order, Written, write};
use crate::cid::Cid;
use crate::rng::Rng;

/// The median number of records of an account.
const MEDIAN: f64 = 30.0;

/// The standard deviation of the logarithm of the number of records.
const SIGMA: f64 = 1.6;

/// The maximum number of records of an account.
const MAX_RECORDS: f64 = 20_000.0;

/// A network of accounts. Likes, reposts and replies refer to posts of the network by URI and CID.
/// Follows, blocks and list items refer to its accounts.
///
/// The number of records of an account is lognormal, with a median of 30, a sigma of 1.6, and at
/// most 20,000. The first record of each is a profile. Root and parent of a reply are one post.
///
/// Takes about 20 bytes of memory for each record. Equal settings give equal bytes on one machine;
/// on others, the logarithms that sizes are made of may be rounded differently.
#[derive(Debug)]
pub struct Network {
    seed: u64,
    accounts: Vec<Account>,
    /// All posts that are not replies, by time.
    posts: Vec<Post>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Post {
    tid: u64,
    account: u32,
    index: u32,
}

impl Network {
    /// Creates a network of `accounts` accounts.
    ///
    /// # Panics
    ///
    /// Panics if there are more than `u32::MAX`.
    pub fn new(accounts: usize, seed: u64) -> Self {
        let mut dids = HashSet::new();
        let accounts: Vec<_> = (0..accounts)
            .map(|number| {
                let mut rng = Rng::for_item(seed, number as u64);
                let mut did = subjects::did(&mut rng);
                while !dids.insert(did.clone()) {
                    did = subjects::did(&mut rng);
                }
                let records = lognormal(&mut rng);
                Account::new(did, records, rng.next_u64())
            })
            .collect();
        let mut posts: Vec<_> = (0..)
            .zip(&accounts)
            .flat_map(|(account, own)| {
                own.first_posts().map(move |(index, tid)| Post {
                    tid,
                    account,
                    index: index.try_into().expect("few records"),
                })
            })
            .collect();
        posts.sort_unstable();
        Self { seed, accounts, posts }
    }

    /// Returns the number of accounts.
    #[expect(clippy::len_without_is_empty, reason = "an empty network is of no use")]
    pub fn len(&self) -> usize {
        self.accounts.len()
    }

    /// Returns the DID of an account.
    ///
    /// # Panics
    ///
    /// Panics if there is no account with this number.
    pub fn did(&self, number: usize) -> &str {
        self.accounts[number].did()
    }

    /// Returns the number of records of an account.
    ///
    /// # Panics
    ///
    /// Panics if there is no account with this number.
    pub fn records(&self, number: usize) -> usize {
        self.accounts[number].len()
    }

    /// Writes the CAR of an account.
    ///
    /// # Errors
    ///
    /// Returns the writer's errors.
    ///
    /// # Panics
    ///
    /// Panics if there is no account with this number.
    pub fn write_to(
        &self,
        number: usize,
        order: Order,
        writer: &mut impl Write,
    ) -> io::Result<Written> {
        let account = Hashed::new(&self.accounts[number], self);
        write(&account, order, self.seed ^ number as u64, writer)
    }
}

impl Subjects for Network {
    /// Picks among all older posts. If there is none, the post is made up.
    fn post(&self, rng: &mut Rng, tid: u64) -> Reference {
        let older = self.posts.partition_point(|post| post.tid < tid);
        if older == 0 {
            return MadeUp.post(rng, tid);
        }
        let post = self.posts[rng.below(older)];
        let account = &self.accounts[post.account as usize];
        let mut bytes = Vec::new();
        // A post that is not a reply refers to nothing.
        account.record(post.index as usize, &MadeUp, &mut bytes);
        Reference::to_post(account.did(), post.tid, Cid::dag_cbor(&bytes))
    }

    fn thread(&self, rng: &mut Rng, tid: u64) -> [Reference; 2] {
        let root = self.post(rng, tid);
        [root.clone(), root]
    }

    fn account(&self, rng: &mut Rng) -> String {
        rng.pick(&self.accounts).did().to_owned()
    }
}

/// Draws the number of records of an account, with the Box-Muller transform.
fn lognormal(rng: &mut Rng) -> usize {
    // Above 0, so that the logarithm is finite.
    let mut uniform = || ((rng.next_u64() >> 11) + 1) as f64 / (1_u64 << 53) as f64;
    let normal = (-2.0 * uniform().ln()).sqrt() * (TAU * uniform()).cos();
    (MEDIAN * (SIGMA * normal).exp()).round().clamp(1.0, MAX_RECORDS) as usize
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::cbor::Value;
    use crate::oracle;

    const ACCOUNTS: usize = 60;

    fn walks(network: &Network) -> Vec<oracle::Walk> {
        let walk = |number| {
            let mut bytes = Vec::new();
            network.write_to(number, Order::Pds, &mut bytes).unwrap();
            oracle::walk(&bytes).unwrap()
        };
        (0..network.len()).map(walk).collect()
    }

    fn text(value: &Value, field: &str) -> String {
        match value.get(field) {
            Some(Value::Text(text)) => text.clone(),
            other => panic!("{field} is {other:?}"),
        }
    }

    #[test]
    fn references_lead_to_records_and_accounts_of_the_network() {
        let network = Network::new(ACCOUNTS, 3);
        let walks = walks(&network);
        let dids: HashSet<_> = (0..ACCOUNTS).map(|number| network.did(number)).collect();
        assert_eq!(dids.len(), ACCOUNTS);
        let mut records = HashMap::new();
        for (number, walk) in walks.iter().enumerate() {
            assert_eq!(walk.entries.len(), network.records(number));
            for entry in &walk.entries {
                let path = String::from_utf8(entry.key.clone()).unwrap();
                records.insert(format!("at://{}/{path}", network.did(number)), entry.cid);
            }
        }
        let mut found = HashMap::new();
        let mut refers = |kind: &str, reference: &Value| {
            let cid = records.get(&text(reference, "uri")).map(Cid::to_string);
            // The first records have no older post.
            if cid.is_some() {
                assert_eq!(cid, Some(text(reference, "cid")));
                *found.entry(kind.to_owned()).or_insert(0) += 1;
            }
        };
        let (mut total, mut follows) = (0, 0);
        for entry in walks.iter().flat_map(|walk| &walk.entries) {
            let record = oracle::decode(entry.record.as_ref().unwrap()).unwrap();
            let kind = text(&record, "$type");
            match kind.as_str() {
                "app.bsky.feed.like" | "app.bsky.feed.repost" => {
                    total += 1;
                    refers(&kind, record.get("subject").unwrap());
                }
                "app.bsky.feed.post" => {
                    if let Some(reply) = record.get("reply") {
                        total += 2;
                        assert_eq!(reply.get("root"), reply.get("parent"));
                        refers(&kind, reply.get("root").unwrap());
                        refers(&kind, reply.get("parent").unwrap());
                    }
                }
                "app.bsky.graph.follow" => {
                    follows += 1;
                    assert!(dids.contains(text(&record, "subject").as_str()));
                }
                _ => {}
            }
        }
        assert!(follows > 100 && found.len() == 3, "{follows} follows, {found:?}");
        let found: usize = found.values().sum();
        assert!(found > total * 9 / 10, "{found} of {total}");
    }

    #[test]
    fn sizes_are_lognormal() {
        let mut sizes: Vec<_> =
            (0..9_999).map(|number| lognormal(&mut Rng::for_item(1, number))).collect();
        sizes.sort_unstable();
        // Quantiles at minus one, zero and plus one sigma: 6, 30 and 149.
        let at = |share: f64| sizes[(share * sizes.len() as f64) as usize];
        assert!((5..=7).contains(&at(0.158_7)), "{}", at(0.158_7));
        assert!((28..=32).contains(&at(0.5)), "{}", at(0.5));
        assert!((138..=160).contains(&at(0.841_3)), "{}", at(0.841_3));
        assert!(sizes[0] >= 1 && sizes.iter().all(|&size| size <= 20_000));
    }

    #[test]
    fn same_seed_gives_same_bytes() {
        let bytes = |seed| {
            let network = Network::new(5, seed);
            let mut bytes = Vec::new();
            for number in 0..5 {
                network.write_to(number, Order::Random, &mut bytes).unwrap();
            }
            bytes
        };
        assert_eq!(bytes(1), bytes(1));
        assert_ne!(bytes(1), bytes(2));
    }
}
