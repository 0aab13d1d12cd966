//! shrike accepts the proofs of carwalk, and carwalk those of shrike, with the same answers.

use std::collections::{BTreeMap, HashMap};

use carwalk::{ErrorKind, Lookup, Repo, VerifyingKey, verify_record_proof};
use carwalk_testkit::car::Car;
use carwalk_testkit::commit::DID;
use carwalk_testkit::random;
use carwalk_testkit::repo::{Order, Record, Repo as KitRepo};
use carwalk_testkit::rng::Rng;
use carwalk_testkit::signing::SigningKey;
use shrike::repo::{ProofError, RecordClaim, record_proofs_car, verify_proofs};
use shrike::{Cid as PeerCid, Did, Nsid, RecordKey};

const OTHER_DID: &str = "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa";

/// A signed repository, its records, and some absent keys.
struct Account {
    car: Vec<u8>,
    signing: SigningKey,
    records: BTreeMap<Vec<u8>, Record>,
    absent: Vec<Vec<u8>>,
}

impl Account {
    fn of(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let count = rng.below(120);
        let paths = (0..count).map(|_| random::path(&mut rng)).filter(|path| both_take(path));
        let records: BTreeMap<_, _> =
            paths.map(|path| (path.clone(), Record::sample(&path))).collect();
        let others = (0..20).map(|_| random::path(&mut rng)).filter(|path| both_take(path));
        let neighbours =
            records.keys().map(|path| [path, &b"0"[..]].concat()).filter(|path| both_take(path));
        let absent = others.chain(neighbours).filter(|path| !records.contains_key(path)).collect();
        let secret = [seed as u8 + 1; 32];
        let signing = if seed.is_multiple_of(2) {
            SigningKey::k256(&secret)
        } else {
            SigningKey::p256(&secret)
        };
        let mut repo = KitRepo::new(records.clone());
        repo.sign(&signing);
        Account { car: repo.to_car(Order::Pds).to_bytes(), signing, records, absent }
    }

    fn key(&self) -> VerifyingKey {
        self.signing.did_key().parse().unwrap()
    }

    /// Present and absent keys.
    fn probes(&self) -> impl Iterator<Item = &Vec<u8>> {
        self.records.keys().chain(&self.absent)
    }
}

fn accounts() -> impl Iterator<Item = Account> {
    (0..24).map(Account::of)
}

/// Converts a path to shrike's types.
fn parts(path: &[u8]) -> Option<(Nsid, RecordKey)> {
    let (collection, record_key) = std::str::from_utf8(path).unwrap().split_once('/').unwrap();
    Some((Nsid::try_from(collection).ok()?, RecordKey::try_from(record_key).ok()?))
}

fn both_take(path: &[u8]) -> bool {
    path.len() < 500 && parts(path).is_some()
}

/// Verifies the proof of one key with shrike.
fn asked_peer(
    car: &[u8],
    did: &str,
    key: &str,
    path: &[u8],
) -> Result<Option<(PeerCid, Vec<u8>)>, ProofError> {
    let key = shrike::crypto::parse_did_key(key).unwrap();
    let (collection, record_key) = parts(path).unwrap();
    let did = Did::try_from(did).unwrap();
    let proof = shrike::repo::verify_record_proof(car, &did, &*key, &collection, &record_key)?;
    Ok(proof.record)
}

fn path_of(path: &[u8]) -> &str {
    std::str::from_utf8(path).unwrap()
}

#[test]
fn proofs_written_here_are_accepted_there_with_the_same_answer() {
    let (mut present, mut absent) = (0, 0);
    for account in accounts() {
        let repo = Repo::from_slice(&account.car).unwrap();
        let did_key = account.signing.did_key();
        for path in account.probes() {
            let mut proof = Vec::new();
            repo.prove().key(path_of(path)).write(&mut proof).unwrap();
            let there = asked_peer(&proof, DID, &did_key, path).unwrap();
            let here =
                verify_record_proof(&proof, DID, &account.key(), path_of(path)).unwrap().lookup;
            match (here, there, account.records.get(path)) {
                (
                    Lookup::Present { cid, record: Some(bytes) },
                    Some((peer_cid, peer_bytes)),
                    Some(record),
                ) => {
                    assert_eq!(cid.as_bytes()[..], peer_cid.to_bytes());
                    assert_eq!(cid.as_bytes()[..], record.cid.as_bytes()[..]);
                    assert!(bytes == peer_bytes && bytes == record.bytes);
                    present += 1;
                }
                (Lookup::Absent, None, None) => absent += 1,
                other => panic!("{}: {other:?}", path.escape_ascii()),
            }
        }
    }
    assert!(present > 500 && absent > 500, "{present}, {absent}");
}

#[test]
fn one_proof_of_many_keys_is_accepted_there() {
    for account in accounts() {
        let repo = Repo::from_slice(&account.car).unwrap();
        let mut request = repo.prove();
        let mut claims = Vec::new();
        for path in account.probes() {
            request = request.key(path_of(path));
            let (collection, rkey) = parts(path).unwrap();
            let cid = account
                .records
                .get(path)
                .map(|record| PeerCid::from_bytes(&record.cid.as_bytes()[..]).unwrap());
            claims.push(RecordClaim { collection, rkey, cid });
        }
        let mut proof = Vec::new();
        request.write(&mut proof).unwrap();
        let key = shrike::crypto::parse_did_key(&account.signing.did_key()).unwrap();
        let verdict = verify_proofs(&proof, &Did::try_from(DID).unwrap(), &*key, &claims).unwrap();
        assert_eq!(verdict.verified, claims);
        assert!(verdict.unverified.is_empty());
    }
}

#[test]
fn the_wrong_account_or_key_is_refused_by_both() {
    for account in accounts().filter(|account| !account.records.is_empty()) {
        let repo = Repo::from_slice(&account.car).unwrap();
        let path = account.records.keys().next().unwrap();
        let mut proof = Vec::new();
        repo.prove().key(path_of(path)).write(&mut proof).unwrap();
        let did_key = account.signing.did_key();
        assert!(asked_peer(&proof, OTHER_DID, &did_key, path).is_err());
        let refused =
            verify_record_proof(&proof, OTHER_DID, &account.key(), path_of(path)).unwrap_err();
        assert!(matches!(refused.kind(), ErrorKind::OtherAccount { .. }), "{refused}");

        let other = SigningKey::k256(&[99; 32]).did_key();
        assert!(asked_peer(&proof, DID, &other, path).is_err());
        let refused =
            verify_record_proof(&proof, DID, &other.parse().unwrap(), path_of(path)).unwrap_err();
        assert!(matches!(refused.kind(), ErrorKind::Signature(_)), "{refused}");
    }
}

#[test]
fn proofs_written_there_give_the_same_answer_here() {
    for account in accounts() {
        let car = Car::parse(&account.car).unwrap();
        let blocks = car.sections.iter().map(|section| {
            let cid = PeerCid::from_bytes(&section.cid).unwrap();
            (cid, section.data.clone())
        });
        let blocks: HashMap<PeerCid, Vec<u8>> = blocks.collect();
        let commit = Repo::from_slice(&account.car).unwrap().commit().cid();
        let commit = PeerCid::from_bytes(commit.as_bytes()).unwrap();
        for path in account.probes() {
            let proof = record_proofs_car(&blocks, &commit, &[parts(path).unwrap()]).unwrap();
            match verify_record_proof(&proof, DID, &account.key(), path_of(path)).unwrap().lookup {
                Lookup::Present { record: Some(bytes), .. } => {
                    assert_eq!(bytes, account.records[path].bytes)
                }
                Lookup::Absent => assert!(!account.records.contains_key(path)),
                other => panic!("{}: {other:?}", path.escape_ascii()),
            }
        }
    }
}
