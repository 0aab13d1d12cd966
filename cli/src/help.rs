//! What `--help` prints after the options: how a command works, an example, and exit codes. Options
//! themselves are told in a line or two, so that a help text fits a screen or two.

/// Puts the example and the exit codes after what is to be known of a command.
macro_rules! help {
    ($about:literal, $example:literal) => {
        concat!(
            $about,
            "\n\nExample:\n  ",
            $example,
            "\n\nExit codes: 0 done, 1 the answer is no, 2 wrong command line, 3 invalid input, \
             4 a block is missing,\n5 reading or writing failed. See `carwalk --help`."
        )
    };
}

pub(crate) const TOP: &str = "\
The framing of the CAR, every block, the commit and every rule of the Merkle Search Tree are checked
while a CAR is read. `verify` also checks the commit's signature, given the account's keys.

Example:
  carwalk ls repo.car

Exit codes:
  0  done; also if the reader of text closed the pipe
  1  the answer is no: there is no such record, or for `verify`: it is another account's repository,
     or the signature does not hold
  2  the command line is wrong, or binary output would go to a terminal
  3  the CAR is invalid, truncated, or beyond a limit; a key is not a repo path; a kept file is
     damaged; a DID document is invalid; for other commands than `verify`: the repository is of
     another account, or the signature does not hold; a record is not CBOR; with --strict: a record
     has an oddity
  4  the CAR is incomplete: a block that the command needs is missing
  5  reading, mapping or writing failed, also of a temporary or kept file; more would be stored than
     --max-spill; the reader of binary output (`prove`, `get --raw`) closed the pipe

The signal SIGBUS ends carwalk if another process truncates a mapped file, or if the system cannot
read a part of it: shells show exit code 135 on Linux. See --no-mmap.

Control characters are printed escaped, and so are characters that change the direction of text.
NO_COLOR turns colours off.";

pub(crate) const LS: &str = help!(
    "\
Prints one line for each record: `collection/rkey TAB cid`. Every node and record in the range is
read, and nothing else. If one is missing, the lines before it are printed, and the error names the
missing keys. A key that is not a repo path is named on stderr, and the other records are listed.

With --partial, missing and bad subtrees are named on stderr with the keys that they hide, missing
records have the size `-`, and keys that are not repo paths are listed escaped. Blocks are verified
when the walk reaches them. Of a damaged CAR, the sections before the damage are read.

With --records, a record that is not CBOR is named on stderr and has the JSON `null`, and the exit
code is 3.",
    "carwalk ls -l --collection app.bsky.feed.post repo.car"
);

pub(crate) const GET: &str = help!(
    "\
Only the nodes on the way to the record are needed: the CAR may be partial, like an answer of
com.atproto.sync.getRecord. The exit code is 1 if the tree proves that there is no such record, 3 if
the repository is of another account or the signature does not hold, and 4 if the CAR cannot tell.
Invalid repo paths cannot be asked for.

Links are printed as {\"$link\": \"..\"}, bytes as {\"$bytes\": \"..\"} in base64 without padding. What
JSON has no form for is printed as {\"$cbor\": \"..\"}, and what is odd in the record is named on
stderr. Exit code 3 means also that the record is not CBOR: see --raw, whose output is the whole
record only if the exit code is 0.",
    "carwalk get --did-doc did.json repo.car app.bsky.actor.profile/self"
);

pub(crate) const INSPECT: &str = help!(
    "\
Missing blocks are counted and are not errors. Blocks are verified when the walk reaches them. The
commits in the CAR are listed if there are several or if blocks of the tree are missing, and the
trees of the first 16 are walked. Of more than 10,000 collections, the first are listed.

The block order is `pre-order` (commit, root, and after each node its subtrees and records from left
to right; blocks after the last one of the tree do not count), `PDS order` (newest revision first,
within a revision by CID text, descending, as the reference PDS exports), or `other`.",
    "carwalk inspect repo.car"
);

pub(crate) const BLOBS: &str = help!(
    "\
Prints one line for each reference, in key order: `cid TAB size TAB MIME type TAB path`. Size and
MIME type are those that the record states; the legacy form states no size, which is printed as `-`.
The blobs themselves are not part of a CAR.

A key that is not a repo path is named on stderr, and the other records are searched. A record that
is not CBOR is named on stderr too, and its references before the damage are listed. Both make the
exit code 3. --cids prints nothing if a block is missing, and needs 150 bytes of memory for each CID.",
    "carwalk blobs --cids repo.car | comm -3 - listed.txt"
);

pub(crate) const PROVE: &str = help!(
    "\
The proof has the commit, the nodes on the way to each PATH and to all keys of the range, and the
records. `get`, `ls` and `verify --partial` read it. A PATH without a record is proven absent.
Invalid repo paths are proved as part of a range only. The repository may be partial.

The proof is written to a temporary file beside OUT, `.carwalk-` and six letters, and renamed. After
a signal that file may remain and can be deleted. On standard output, a pipe or a device, the output
is a proof only if the exit code is 0. With --force, the new file has the permissions of the old
one, and a link is followed.",
    "carwalk prove repo.car app.bsky.actor.profile/self -o proof.car"
);

pub(crate) const VERIFY: &str = help!(
    "\
Checks the framing of the CAR, every block against its CID, the commit, every rule of the tree, and
that each node and record is present and each key a repo path. The first error ends the work, except
for invalid repo paths: the first 20 are named on stderr, and the exit code is 3. The exit code is 1
if the repository is of another account or the signature does not hold.

Without a key the signature is not checked. Old commits are signed with old keys, which an audit log
has (https://plc.directory/DID/log/audit). carwalk trusts the file. With --partial, missing blocks
are counted, and bad subtrees are named like invalid paths.

--records prints `path TAB place in the record TAB oddity`. Oddities are departures from the data
model, a `$type` that is missing or not the collection, and sizes over 1,000,000 bytes.",
    "carwalk verify --did-doc did.json repo.car"
);

pub(crate) const COMPLETIONS: &str = "\
Save the output where the shell looks for completions. For zsh that is a file `_carwalk` in a
directory of $fpath, for fish ~/.config/fish/completions/carwalk.fish.

Example:
  carwalk completions bash > ~/.local/share/bash-completion/completions/carwalk

Exit codes: 0 done, 2 wrong command line, 5 writing failed.";
