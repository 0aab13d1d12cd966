//! Verifies a response of `com.atproto.sync.getRecord`: `cargo run --example check_record
//! --features signature -- ANSWER.car DID KEY PATH`.
//!
//! `KEY` is the account's key as a `did:key`. Take it from the account's DID document: a key that
//! comes with the answer proves nothing.

use std::error::Error;
use std::io::{self, Write};

use carwalk::{Lookup, verify_record_proof};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [car, did, key, path] = arguments.as_slice() else {
        return Err("usage: check_record ANSWER.car DID KEY PATH".into());
    };
    run(&std::fs::read(car)?, did, key, path, &mut io::stdout().lock())
}

pub(crate) fn run(
    answer: &[u8],
    did: &str,
    key: &str,
    path: &str,
    out: &mut impl Write,
) -> Result<(), Box<dyn Error>> {
    let proof = verify_record_proof(answer, did, &key.parse()?, path)?;
    let rev = proof.commit.rev();
    match proof.lookup {
        Lookup::Present { cid, record: Some(record) } => {
            writeln!(out, "at {rev}: {cid}, {} bytes", record.len())?;
        }
        Lookup::Present { cid, record: None } => {
            writeln!(out, "at {rev}: {cid}; the answer does not have the record")?;
        }
        Lookup::Absent => writeln!(out, "at {rev}: there is no such record")?,
        Lookup::Unknown(gap) => writeln!(out, "the answer proves nothing: {gap}")?,
    }
    Ok(())
}
