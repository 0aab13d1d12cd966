//! Times checks of commit messages with carwalk and shrike, and prints a table.

use std::hint::black_box;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime};

use carwalk::CommitRules;
use carwalk::sync::{Message, Verdict, Verifier};
use carwalk_compare::Result;
use carwalk_compare::machine::Machine;
use carwalk_compare::traffic::Traffic;
use clap::Parser;
use sha2::{Digest, Sha256};
use shrike::sync::{check_op_cids, decode_commit_car, invert_decoded_commit, raw};

/// Checks generated commit messages on one thread, with each library in turn, and prints the
/// medians.
#[derive(Parser)]
struct Args {
    /// Number of messages.
    #[arg(long, default_value_t = 2000)]
    messages: usize,
    /// Number of rounds.
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Only the check with this name.
    #[arg(long, default_value = "")]
    only: String,
}

/// A check of all messages.
type Check = fn(&Traffic, &Verifier) -> Result<()>;

const CHECKS: [(&str, &str, Check); 5] = [
    ("carwalk", "All rules except the signature.", unsigned),
    ("hashing alone", "Blocks, keys and rebuilt nodes, one after the other with sha2.", hashing),
    (
        "shrike 0.8.2",
        "Hashes; operations undone and their CIDs compared. Of the tree's rules, only key order.",
        shrike,
    ),
    ("carwalk, with signatures", "All rules.", signed),
    ("signatures alone", "Parsing the commits and verifying their signatures.", signatures),
];

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "firehose: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<()> {
    let traffic = Traffic::new(args.messages, 1)?;
    let verifier = Verifier::new(SystemTime::now);
    let checks: Vec<_> =
        CHECKS.iter().filter(|(name, ..)| args.only.is_empty() || *name == args.only).collect();
    let mut times: Vec<Vec<Duration>> = vec![Vec::new(); checks.len()];
    for _ in 0..args.rounds {
        for ((_, _, check), times) in checks.iter().zip(&mut times) {
            let start = Instant::now();
            check(&traffic, &verifier)?;
            times.push(start.elapsed());
        }
    }
    let mut out = io::stdout();
    let bytes: usize = traffic.sent.iter().map(|sent| sent.frame.len()).sum();
    let hashed: usize = traffic.sent.iter().flat_map(|sent| &sent.hashed).map(Vec::len).sum();
    let pieces: usize = traffic.sent.iter().map(|sent| sent.hashed.len()).sum();
    let ops: usize = traffic.sent.iter().map(|sent| sent.ops).sum();
    writeln!(
        out,
        "{}, medians of {} rounds: {} messages, {ops} operations, {} bytes a frame, {} bytes in {} \
         pieces hashed a message.\n",
        Machine::this()?,
        args.rounds,
        args.messages,
        bytes / args.messages,
        hashed / args.messages,
        pieces / args.messages,
    )?;
    writeln!(out, "| | time a message | messages/s | to hashing | what is checked |")?;
    writeln!(out, "|---|--:|--:|--:|---|")?;
    let medians: Vec<f64> = times
        .iter_mut()
        .map(|times| {
            times.sort_unstable();
            times.get(times.len() / 2).copied().unwrap_or_default().as_secs_f64()
        })
        .collect();
    let hashing = checks.iter().zip(&medians).find(|((name, ..), _)| name.starts_with("hashing"));
    let hashing = hashing.map_or(f64::NAN, |(_, time)| *time);
    for ((name, checks, _), time) in checks.iter().zip(&medians) {
        let each = time / args.messages as f64;
        let (micros, rate, ratio) = (each * 1e6, 1.0 / each, time / hashing);
        writeln!(out, "| {name} | {micros:.1} us | {rate:.0} | {ratio:.2} | {checks} |")?;
    }
    Ok(())
}

fn carwalk(traffic: &Traffic, verifier: &Verifier, is_signed: bool) -> Result<()> {
    let key = is_signed.then_some(&traffic.key);
    for sent in &traffic.sent {
        match verifier.examine(Message::parse(&sent.frame)?, key).against(None) {
            Verdict::Valid(valid) => drop(black_box(valid)),
            other => return Err(other.to_string().into()),
        }
    }
    Ok(())
}

fn unsigned(traffic: &Traffic, verifier: &Verifier) -> Result<()> {
    carwalk(traffic, verifier, false)
}

fn signed(traffic: &Traffic, verifier: &Verifier) -> Result<()> {
    carwalk(traffic, verifier, true)
}

fn hashing(traffic: &Traffic, _: &Verifier) -> Result<()> {
    for bytes in traffic.sent.iter().flat_map(|sent| &sent.hashed) {
        black_box(Sha256::digest(bytes));
    }
    Ok(())
}

fn signatures(traffic: &Traffic, _: &Verifier) -> Result<()> {
    for sent in &traffic.sent {
        let (cid, block) = &sent.commit;
        carwalk::Commit::parse(*cid, block, CommitRules::Current)?
            .verify_signature(&traffic.key)?;
    }
    Ok(())
}

fn shrike(traffic: &Traffic, _: &Verifier) -> Result<()> {
    for sent in &traffic.sent {
        let event = raw::parse_raw_sync_frame(&sent.frame)?;
        let message = event.into_commit().ok_or("not a commit message")?;
        let decoded = decode_commit_car(&message)?;
        let before = invert_decoded_commit(&message, &decoded.inner, &decoded.store)?;
        if &before.to_bytes() != sent.before.as_bytes() {
            return Err("shrike gives another tree".into());
        }
        check_op_cids(&message, decoded.inner.data, &decoded.store)?;
    }
    Ok(())
}
